/** A bus that fails as a test says. Hides what the faults of a message are on its way out and on its way in. */

import { CacheConfigError } from '../../base/errors.js';
import { type Bus, type BusMessage, type BusSubscriber, isBus, readMessage } from '../../stores/bus.js';
import { checkPlan, commonRules, type FaultOptions, type FaultRules, Faults, planned, unheard } from './faults.js';

/** A message on its way. */
export interface MessageInTransit {
  /** As it is sent. How a cache writes its messages may change with each version. */
  readonly text: string;
  /**
   * What a cache says with it: that something was `removed`, that this was `heard`, that it lives (`beat`) or leaves (`bye`); that
   * it asks (`ask`) or answers (`tell`). Undefined where no cache has written it.
   */
  readonly kind: BusMessage['kind'] | undefined;
  /** `out`: from the publisher to the bus; `in`: from the bus to the subscriber. */
  readonly direction: 'out' | 'in';
}

/** What befalls a message: one fault, of one kind. All times are in milliseconds, from 0. */
export type BusFault =
  | {
      /**
       * The connection breaks. On its way out it is not sent, and publishing rejects; on its way in it is lost, and the subscriber
       * is told that it was interrupted.
       */
      readonly kind: 'throw';
      /** With what publishing rejects. Default: an error as of a server that is out of reach. */
      readonly error?: unknown;
    }
  | {
      /** It comes later. */
      readonly kind: 'delay';
      /** By so much. */
      readonly ms: number;
    }
  | {
      /** It is lost, and publishing never ends. */
      readonly kind: 'hang';
    }
  | {
      /** It is lost, and nobody is told: publishing ends as if it had been sent. */
      readonly kind: 'drop';
    }
  | {
      /** It comes twice. */
      readonly kind: 'double';
      /** So long after the first time. Default: at once. */
      readonly ms?: number | undefined;
    }
  | {
      /** The next message of its direction overtakes it. */
      readonly kind: 'reorder';
      /** It comes after so long at the latest. Default: it waits for the next one. */
      readonly ms?: number | undefined;
    };

/** Says what befalls a message; undefined: nothing. Asked once for each message and direction. */
export type BusPlan = (message: MessageInTransit) => BusFault | undefined;

const where = 'faultyBus';

const rules: FaultRules<BusFault['kind']> = { ...commonRules, delay: { ms: commonRules.delay.ms } };

/**
 * Puts faults between a cache and a bus. What it gives is the `bus` of one cache. Closing it closes the connection behind; what is
 * under way then is lost.
 *
 * A cache survives all faults of its bus: invalidations take longer, or memory is not trusted for a while. A mistake in the plan
 * loses the message, and the cache tells of it by an `error` event.
 *
 * @param bus a connection of its own: `localBus().connect()`, or a bus of yours
 * @param plan says what befalls each message
 * @throws CacheConfigError if `bus` is no bus, or `plan` is no function
 *
 * @example
 * ```ts
 * import { createCache, localBus } from 'cachette';
 * import { faultyBus } from 'cachette/testing';
 * import { Keyv } from 'keyv';
 *
 * const bus = faultyBus(localBus().connect(), ({ direction }) => (direction === 'in' ? { kind: 'drop' } : undefined));
 * const cache = createCache(['memory://', new Keyv()], { bus });
 * await cache.getOrLoad('greeting', async () => 'hello');
 * const { calls } = await cache.explain(() => cache.getOrLoad('greeting', async () => 'hello'));
 * console.log(calls[0]?.status); // => 'hit'
 * await cache.close();
 * ```
 */
export function faultyBus(bus: Bus, plan: BusPlan, options: FaultOptions = {}): Bus {
  if (!isBus(bus)) {
    const what = 'the bus is no bus';
    throw new CacheConfigError({ where, what, instead: 'give a connection, such as localBus().connect()' });
  }
  checkPlan(plan, where, "({ direction }) => (direction === 'in' ? { kind: 'drop' } : undefined)");
  return new FaultyBus(bus, plan, options);
}

class FaultyBus implements Bus {
  readonly #bus: Bus;
  readonly #plan: BusPlan;
  readonly #out: Faults;
  readonly #in: Faults;
  /** In the plan for an incoming message: publishing tells of it, as nobody waits for what comes in. */
  #mistake: Error | undefined;

  constructor(bus: Bus, plan: BusPlan, options: FaultOptions) {
    this.#bus = bus;
    this.#plan = plan;
    this.#out = new Faults(options);
    this.#in = new Faults(options);
  }

  async publish(message: string, to?: string): Promise<unknown> {
    if (this.#mistake) throw this.#mistake;
    const fault = this.#ask(message, 'out');
    // To the publisher it looks as if it had been sent.
    if (fault?.kind === 'drop') return this.#out.run(undefined, nothing);
    return this.#out.run(fault, () => this.#bus.publish(message, to));
  }

  subscribe(id: string, subscriber: BusSubscriber): void {
    this.#bus.subscribe(id, {
      message: (text) => this.#receive(text, subscriber),
      interrupted: () => subscriber.interrupted(),
    });
  }

  close(): Promise<void> {
    this.#out.close();
    this.#in.close();
    return this.#bus.close();
  }

  #receive(text: string, subscriber: BusSubscriber): void {
    let fault: BusFault | undefined;
    try {
      fault = this.#ask(text, 'in');
    } catch (mistake) {
      this.#mistake ??= mistake as Error;
      return;
    }
    this.#arrive(
      fault,
      async () => subscriber.message(text),
      async () => subscriber.interrupted(),
    );
  }

  #arrive(fault: BusFault | undefined, deliver: () => Promise<void>, interrupt: () => Promise<void>): void {
    switch (fault?.kind) {
      case 'throw':
        return unheard(this.#in.run(undefined, interrupt));
      case 'drop':
      case 'hang':
        return unheard(this.#in.run(undefined, nothing));
      default:
        return unheard(this.#in.run(fault, deliver));
    }
  }

  #ask(text: string, direction: MessageInTransit['direction']): BusFault | undefined {
    const message = { text, direction, kind: readMessage(text)?.kind };
    return planned<MessageInTransit, BusFault>(this.#plan, message, { where, rules });
  }
}

async function nothing(): Promise<void> {}
