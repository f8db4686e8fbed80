/**
 * What processes tell each other of invalidations and of themselves: the messages, and what carries them. Values never travel
 * this way.
 */

/**
 * Carries short texts between processes. It may lose, double, delay and reorder them: then invalidations take longer, or
 * memory is not trusted for a while.
 */
export interface Bus {
  /**
   * Sends to every subscriber, the sender included; or, with `to`, at least to the one that subscribed under that id. May
   * resolve with the number of subscribers that it was sent to.
   */
  publish(message: string, to?: string): Promise<unknown>;
  /** Begins to receive, under an id; called once. Tries again by itself where it is interrupted. */
  subscribe(id: string, subscriber: BusSubscriber): void;
  /** Ends the subscription. */
  close(): Promise<void>;
}

/** Who receives the messages of a {@link Bus}. */
export interface BusSubscriber {
  /** A message, one's own too. */
  message(text: string): void;
  /** Messages may have been missed: the subscription was interrupted. */
  interrupted(): void;
}

/** A bus that belongs to a store. */
export interface StoreBus extends Bus {
  /**
   * Deletes keys and publishes at one moment: whoever has the message reads after the deletion. Resolves with the number of
   * subscribers that it was sent to. Absent where the store cannot.
   */
  readonly deleteAndPublish?: (keys: readonly string[], message: string) => Promise<number>;
  /** The subscription seems to be dead: it is to be made anew. */
  renew?(): void;
  /**
   * Receives what is sent to `everyone` or to this id, and nothing else, until `subscribe`: who remembers nothing can be
   * asked how it is, and no announcement has to wait for it. Absent where the bus cannot: then only who subscribes is asked.
   */
  attend?(id: string, subscriber: Pick<BusSubscriber, 'message'>): void;
  /**
   * The names of this store's channels on which some process attends or has subscribed, in no order: by them a misspelt
   * namespace is noticed. Absent where the bus cannot tell.
   */
  channels?(): Promise<readonly string[]>;
}

/** To whom a question is sent. It is not the id of any process. */
export const everyone = 'everyone';

/** The version of the messages. Another one is not understood and not heard. */
const busVersion = '1';

/**
 * `from` is the id of the sender; `announced` the number of its last announcement. What is `to` one process may reach all, and
 * they count alike:
 *
 *   P1 announces its 1, P2 its 1 · P0 has heard that of P1, and says so · P2 must not take it for the answer to its own
 */
export type BusMessage =
  | { readonly kind: 'beat'; readonly from: string; readonly announced: number; readonly beat: number }
  | { readonly kind: 'removed'; readonly from: string; readonly announced: number; readonly names: readonly string[] }
  | { readonly kind: 'heard'; readonly from: string; readonly announced: number; readonly to: string }
  | { readonly kind: 'bye'; readonly from: string }
  | { readonly kind: 'ask'; readonly from: string; readonly asked: number; readonly question: string }
  | {
      readonly kind: 'tell';
      readonly from: string;
      readonly asked: number;
      readonly to: string;
      readonly answer: string;
    };

export function writeMessage(message: BusMessage): string {
  switch (message.kind) {
    case 'beat':
      return JSON.stringify([busVersion, 'beat', message.from, message.announced, message.beat]);
    case 'removed':
      return JSON.stringify([busVersion, 'removed', message.from, message.announced, ...message.names]);
    case 'heard':
      return JSON.stringify([busVersion, 'heard', message.from, message.announced, message.to]);
    case 'bye':
      return JSON.stringify([busVersion, 'bye', message.from]);
    case 'ask':
      return JSON.stringify([busVersion, 'ask', message.from, message.asked, message.question]);
    case 'tell':
      return JSON.stringify([busVersion, 'tell', message.from, message.asked, message.to, message.answer]);
  }
}

/** Undefined for whatever is no message of this version: who can reach the bus can write anything. */
export function readMessage(text: string): BusMessage | undefined {
  let parts: unknown;
  try {
    parts = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (!Array.isArray(parts)) return undefined;
  const [version, kind, from, announced, ...rest] = parts as unknown[];
  if (version !== busVersion || typeof from !== 'string' || from === '' || from.length > 64) return undefined;
  if (kind === 'bye') return { kind, from };
  if (!isCount(announced)) return undefined;
  if (kind === 'heard' && isText(rest[0])) return { kind, from, announced, to: rest[0] };
  if (kind === 'beat' && isCount(rest[0])) return { kind, from, announced, beat: rest[0] };
  if (kind === 'ask' && isText(rest[0])) return { kind, from, asked: announced, question: rest[0] };
  if (kind === 'tell' && isText(rest[0]) && isText(rest[1]))
    return { kind, from, asked: announced, to: rest[0], answer: rest[1] };
  if (kind === 'removed' && rest.every(isText)) return { kind, from, announced, names: rest };
  return undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

/**
 * A bus inside one process, for tests: give each cache a `connect()` of its own.
 *
 * @example
 * ```ts
 * import { createCache, localBus } from 'cachette';
 * import { Keyv } from 'keyv';
 *
 * const [store, bus] = [new Keyv(), localBus()];
 * const here = createCache(['memory://', store], { bus: bus.connect() });
 * const there = createCache(['memory://', store], { bus: bus.connect() });
 * ```
 */
export function localBus(): {
  /** A connection of its own for one cache. */
  connect(): Bus;
} {
  const subscribers = new Map<string, BusSubscriber>();
  return { connect: () => new LocalConnection(subscribers) };
}

class LocalConnection implements Bus {
  readonly #subscribers: Map<string, BusSubscriber>;
  #id: string | undefined;

  constructor(subscribers: Map<string, BusSubscriber>) {
    this.#subscribers = subscribers;
  }

  /** Received later, as on any bus. */
  async publish(message: string, to?: string): Promise<void> {
    const receivers = to === undefined ? [...this.#subscribers.keys()] : [to];
    await Promise.resolve();
    for (const id of receivers) this.#subscribers.get(id)?.message(message);
  }

  subscribe(id: string, subscriber: BusSubscriber): void {
    this.#id = id;
    this.#subscribers.set(id, subscriber);
  }

  close(): Promise<void> {
    if (this.#id !== undefined) this.#subscribers.delete(this.#id);
    return Promise.resolve();
  }
}

/** Whether `value` has what a bus has. */
export function isBus(value: unknown): value is Bus {
  const has = (name: keyof Bus): boolean => typeof (value as Partial<Bus>)[name] === 'function';
  return typeof value === 'object' && value !== null && has('publish') && has('subscribe') && has('close');
}
