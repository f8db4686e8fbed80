/**
 * Several shared stores as one backend, nearest first. Generations live in the farthest alone, and every entry is held
 * against them: what a nearer store lost, kept or brought back is a miss, never stale. A nearer one that fails costs hits.
 */

import { keptMs } from '../base/entry.js';
import { Breaker, BreakerOpenError } from '../policies/breaker.js';
import type { Clock } from '../base/clock.js';
import { type Time, timeOf, withDeadline } from '../policies/deadline.js';
import { Fence } from '../policies/fence.js';
import type { Backend } from './backend.js';
import type { StoreBus } from './bus.js';
import { readLifetime } from './wire.js';

export interface LayeredOptions {
  readonly clock: Clock;
  /** For a command to a nearer store; half of what a call has, so that the rest is left for the farthest. */
  readonly deadlineMs: number;
  /** Tells of a nearer store that failed. */
  readonly report: (message: string, cause: unknown) => void;
}

/** `backends`: at least two, nearest first. */
export function layered(backends: readonly Backend[], options: LayeredOptions): Backend {
  return backends.slice(0, -1).reduceRight((far, near) => twoLayers(near, far, options), backends.at(-1) as Backend);
}

/** Every name that is no entry's has a segment that begins with this sign; see cache/names.ts. */
const isEntry = (key: string): boolean => !key.includes(':#');

function twoLayers(near: Backend, far: Backend, options: LayeredOptions): Backend {
  const layers = new TwoLayers(near, far, options);
  const { add, touch, serverIds } = far;
  const bus = far.bus ? layers.busOver(far.bus) : near.bus && withoutDeletion(near.bus);
  return Object.assign(layers, {
    ...(add && { add: add.bind(far) }),
    ...(touch && { touch: layers.touchBoth }),
    ...(serverIds && { serverIds: serverIds.bind(far) }),
    ...(bus && { bus }),
  });
}

/** What is deleted is not where the message is sent: the two are not one. */
function withoutDeletion(open: NonNullable<Backend['bus']>): NonNullable<Backend['bus']> {
  return (channel): StoreBus => {
    const bus = open(channel);
    return {
      publish: (message, to) => bus.publish(message, to),
      subscribe: (id, subscriber) => bus.subscribe(id, subscriber),
      close: () => bus.close(),
      renew: () => bus.renew?.(),
      ...(bus.attend && { attend: (id, subscriber) => bus.attend?.(id, subscriber) }),
      ...(bus.channels && { channels: bus.channels.bind(bus) }),
    };
  };
}

class TwoLayers implements Backend {
  readonly name: string;
  readonly maxTextBytes: number;
  readonly lateByMs: number;
  readonly loaded: Promise<unknown>;
  readonly #near: Backend;
  readonly #far: Backend;
  readonly #options: LayeredOptions;
  readonly #fence = new Fence();
  readonly #promotions = new Map<string, Promise<void>>();
  readonly #time: Time;
  readonly #breaker: Breaker;

  constructor(near: Backend, far: Backend, options: LayeredOptions) {
    this.name = `${near.name} in front of ${far.name}`;
    this.maxTextBytes = far.maxTextBytes;
    this.lateByMs = Math.max(near.lateByMs ?? 0, far.lateByMs ?? 0);
    this.loaded = Promise.all([near.loaded, far.loaded]);
    this.#near = near;
    this.#far = far;
    this.#options = options;
    this.#time = timeOf(options.clock);
    this.#breaker = new Breaker(() => true, this.#time);
  }

  get session(): number | undefined {
    return this.#far.session;
  }

  /** Entries are looked for nearby while the generations come from afar: one round trip where they are there. */
  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const sentAt = this.#fence.now;
    const entries = keys.filter(isEntry);
    const others = keys.filter((key) => !isEntry(key));
    const [nearby, generations] = await Promise.all([this.#nearby(entries), this.#far.getMany(others)]);
    const texts = new Map(entries.map((key, i) => [key, nearby?.[i]]));
    others.forEach((key, i) => texts.set(key, generations[i]));
    const missing = entries.filter((key) => texts.get(key) === undefined);
    if (missing.length > 0) await this.#addFromAfar(missing, texts, sentAt);
    return keys.map((key) => texts.get(key));
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    await Promise.all([this.#far.set(key, text, ttlMs), isEntry(key) ? this.#keepNear(key, text, ttlMs) : undefined]);
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    return this.#deleteWith(keys, () => this.#far.deleteMany(keys));
  }

  /** What the farthest deletes together with its message is to go nearby as well. */
  busOver(open: NonNullable<Backend['bus']>): NonNullable<Backend['bus']> {
    return (channel): StoreBus => {
      const bus = open(channel);
      const { deleteAndPublish } = bus;
      if (!deleteAndPublish) return bus;
      const deleting = (keys: readonly string[], message: string): Promise<number> =>
        this.#deleteWith(keys, () => deleteAndPublish(keys, message));
      return Object.assign(withoutDeletion(() => bus)(channel), { deleteAndPublish: deleting });
    };
  }

  /**
   * An entry that is not removed nearby would be served from there. A promotion must not bring it back:
   *
   *   near misses x · far: get x, executed · forget(x) removes it from both, returns · the reply arrives, x is written nearby
   */
  async #deleteWith<T>(keys: readonly string[], deleteAfar: () => Promise<T>): Promise<T> {
    const entries = keys.filter(isEntry);
    if (entries.length === 0) return deleteAfar();
    this.#fence.note(entries);
    try {
      // The farthest first: what is read there meanwhile may be promoted, and is removed nearby afterwards.
      const deleted = await deleteAfar();
      for (const key of entries) await this.#promotions.get(key);
      await this.#near.deleteMany(entries);
      return deleted;
    } finally {
      this.#fence.note(entries);
    }
  }

  readonly touchBoth = async (key: string, ttlMs: number): Promise<boolean> => {
    const { touch } = this.#near;
    const nearby = touch && isEntry(key) ? this.#tryNear(() => touch.call(this.#near, key, ttlMs)) : undefined;
    const [touched] = await Promise.all([this.#far.touch?.(key, ttlMs), nearby]);
    return touched === true;
  };

  async close(): Promise<void> {
    await Promise.all([this.#near.close(), this.#far.close()]);
  }

  async #nearby(keys: readonly string[]): Promise<readonly (string | undefined)[] | undefined> {
    return keys.length === 0 ? [] : this.#tryNear(() => this.#near.getMany(keys));
  }

  async #addFromAfar(keys: readonly string[], texts: Map<string, string | undefined>, sentAt: number): Promise<void> {
    const found = await this.#far.getMany(keys);
    keys.forEach((key, i) => {
      const text = found[i];
      texts.set(key, text);
      if (text !== undefined && this.#fence.isClean(key, sentAt)) this.#promoteInBackground(key, text);
    });
  }

  #promoteInBackground(key: string, text: string): void {
    const promotion = this.#promote(key, text).finally(() => {
      if (this.#promotions.get(key) === promotion) this.#promotions.delete(key);
    });
    this.#promotions.set(key, promotion);
  }

  /** For what is left of its life by this process's clock, with its original time stamps. */
  async #promote(key: string, text: string): Promise<void> {
    const lifetime = readLifetime(text);
    const now = this.#options.clock.now();
    const ttlMs = lifetime ? Math.ceil(keptMs(lifetime, now)) : 0;
    if (ttlMs > 0) await this.#keepNear(key, text, ttlMs);
  }

  async #keepNear(key: string, text: string, ttlMs: number): Promise<void> {
    const fits = Buffer.byteLength(text) <= this.#near.maxTextBytes;
    await this.#tryNear(() => (fits ? this.#near.set(key, text, ttlMs) : this.#near.deleteMany([key])));
  }

  /** Undefined if the nearer store fails. */
  async #tryNear<T>(command: () => Promise<T>): Promise<T | undefined> {
    try {
      return await this.#breaker.run(() => withDeadline(command(), this.#options.deadlineMs, { time: this.#time }));
    } catch (error) {
      if (!(error instanceof BreakerOpenError)) {
        const reason = error instanceof Error ? error.message : String(error);
        this.#options.report(`${this.#near.name}: ${reason}`, error);
      }
      return undefined;
    }
  }
}
