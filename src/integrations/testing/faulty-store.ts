/** A store that fails as a test says. Hides how a fault of a command is brought about with a store that has none. */

import { type Backend, BackendError } from '../../stores/backend.js';
import type { StoreBus } from '../../stores/bus.js';
import {
  checkPlan,
  closedError,
  commonRules,
  type FaultOptions,
  type FaultRules,
  Faults,
  lengthRule,
  planned,
  unheard,
} from './faults.js';
import { handedIn, type StoreObject } from './handed-in.js';

/** A command on its way to a store. */
export interface StoreCommand {
  /** `deleteAndPublish`: a deletion whose message travels with it, over the bus of the store. */
  readonly operation: 'getMany' | 'set' | 'add' | 'touch' | 'deleteMany' | 'serverIds' | 'deleteAndPublish';
  /** As the store knows them: `shop:1:…`. The key of an entry is what `cache.keyOf` gives; that of a tag `'a'` ends in `#t:a`. */
  readonly keys: readonly string[];
}

/** What befalls a command: one fault, of one kind. All times are in milliseconds, from 0. */
export type StoreFault =
  | {
      /** It is not carried out, and rejects. */
      readonly kind: 'throw';
      /** With what it rejects. Default: an error as of a server that is out of reach. */
      readonly error?: unknown;
    }
  | {
      /** It takes longer. */
      readonly kind: 'delay';
      /** By so much. */
      readonly ms: number;
      /**
       * `command`: it takes longer to get there, and is carried out then. `answer`: it is carried out at once, and its answer
       * takes longer, so that what was read is old when it comes. Default: `command`.
       */
      readonly of?: 'command' | 'answer' | undefined;
    }
  | {
      /** It is not carried out, and never answered. */
      readonly kind: 'hang';
    }
  | {
      /** It is carried out, and its answer is lost: never answered. */
      readonly kind: 'drop';
    }
  | {
      /** It is carried out after a while, and never answered: a success that comes after the deadline. */
      readonly kind: 'late';
      /** After so long; more than the deadline of the cache. */
      readonly ms: number;
    }
  | {
      /** It is carried out and answered, and carried out once more. */
      readonly kind: 'double';
      /** So long after its answer. Default: at once. */
      readonly ms?: number | undefined;
    }
  | {
      /** The next command overtakes it: it is carried out and answered when that is over. */
      readonly kind: 'reorder';
      /** And after so long at the latest. Default: it waits for the next one. */
      readonly ms?: number | undefined;
    }
  | {
      /** Keys are gone from the store just before it is carried out. */
      readonly kind: 'evict';
      /** Which ones. Default: its own. */
      readonly keys?: readonly string[] | undefined;
    }
  | {
      /** Of its keys only the first half is carried out, of one key nothing; rejects. */
      readonly kind: 'partial';
    };

/** Says what befalls a command; undefined: nothing. Asked once for each command, when it is sent. */
export type StorePlan = (command: StoreCommand) => StoreFault | undefined;

const where = 'faultyStore';

const rules: FaultRules<StoreFault['kind']> = {
  ...commonRules,
  evict: {
    keys: [
      'write an array of keys, or leave it out',
      (value) => value === undefined || (Array.isArray(value) && value.every((key) => typeof key === 'string')),
    ],
  },
  partial: {},
  late: { ms: lengthRule },
};

/**
 * Puts faults between a cache and a store. What it gives is for `createCache`, and goes on failing as planned until it is closed;
 * the store behind is not closed with it.
 *
 * A cache survives all faults of its store; a mistake in the plan rejects the command and is told once, as a warning of the process.
 *
 * @param store a `Keyv`, a store adapter for one, or a `Backend`; no URI
 * @param plan says what befalls each command
 * @throws CacheConfigError if `store` is none of these, or `plan` is no function
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { faultyStore } from 'cachette/testing';
 * import { Keyv } from 'keyv';
 *
 * const store = faultyStore(new Keyv(), ({ operation }) => (operation === 'getMany' ? { kind: 'hang' } : undefined));
 * const cache = createCache(store, { deadline: '20ms' });
 * const { calls } = await cache.explain(() => cache.getOrLoad('greeting', async () => 'hello'));
 * console.log(calls[0]?.reason); // => 'deadline'
 * ```
 */
export function faultyStore(store: StoreObject, plan: StorePlan, options: FaultOptions = {}): Backend {
  checkPlan(plan, where, "({ operation }) => (operation === 'set' ? { kind: 'throw' } : undefined)");
  const { backend, release } = handedIn(store, { where, clock: options.clock });
  return new FaultyStore(backend, { plan, faults: new Faults(options), release });
}

interface FaultyStoreParts {
  readonly plan: StorePlan;
  readonly faults: Faults;
  readonly release: () => Promise<void>;
}

/** How a command is carried out, and how of some of its keys. */
interface Carrying<T> {
  readonly all: () => Promise<T>;
  readonly some: (keys: readonly string[]) => Promise<unknown>;
}

class FaultyStore implements Backend {
  declare readonly lateByMs?: number;
  declare readonly loaded?: Promise<unknown>;
  declare readonly add?: NonNullable<Backend['add']>;
  declare readonly touch?: NonNullable<Backend['touch']>;
  declare readonly serverIds?: NonNullable<Backend['serverIds']>;
  declare readonly bus?: NonNullable<Backend['bus']>;
  readonly #store: Backend;
  readonly #plan: StorePlan;
  readonly #faults: Faults;
  readonly #release: () => Promise<void>;

  constructor(store: Backend, { plan, faults, release }: FaultyStoreParts) {
    this.#store = store;
    this.#plan = plan;
    this.#faults = faults;
    this.#release = release;
    const { lateByMs, loaded, add, touch, serverIds, bus } = store;
    if (lateByMs !== undefined) this.lateByMs = lateByMs;
    if (loaded) this.loaded = loaded;
    if (add) this.add = (key, ...rest) => this.#one('add', key, () => add.call(store, key, ...rest));
    if (touch) this.touch = (key, ...rest) => this.#one('touch', key, () => touch.call(store, key, ...rest));
    if (serverIds)
      this.serverIds = () =>
        this.#send(
          'serverIds',
          [],
          nothingOf(() => serverIds.call(store)),
        );
    if (bus) this.bus = (channel) => this.#overBus(bus.call(store, channel));
  }

  get name(): string {
    return this.#store.name;
  }

  get maxTextBytes(): number {
    return this.#store.maxTextBytes;
  }

  get session(): number | undefined {
    return this.#store.session;
  }

  getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#send('getMany', keys, {
      all: () => this.#store.getMany(keys),
      some: (half) => this.#store.getMany(half),
    });
  }

  set(key: string, text: string, ttlMs: number): Promise<void> {
    return this.#one('set', key, () => this.#store.set(key, text, ttlMs));
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    const carry = (those: readonly string[]): Promise<void> => this.#store.deleteMany(those);
    return this.#send('deleteMany', keys, { all: () => carry(keys), some: carry });
  }

  close(): Promise<void> {
    this.#faults.close();
    return this.#release();
  }

  #one<T>(operation: StoreCommand['operation'], key: string, all: () => Promise<T>): Promise<T> {
    return this.#send(operation, [key], nothingOf(all));
  }

  /** Messages have faults of their own, those of a bus. */
  #overBus(bus: StoreBus): StoreBus {
    const { deleteAndPublish } = bus;
    const own: StoreBus = {
      publish: (message, to) => bus.publish(message, to),
      subscribe: (id, subscriber) => bus.subscribe(id, subscriber),
      close: () => bus.close(),
      renew: () => bus.renew?.(),
    };
    if (!deleteAndPublish) return own;
    return {
      ...own,
      deleteAndPublish: (keys, message) =>
        this.#send('deleteAndPublish', keys, {
          all: () => deleteAndPublish.call(bus, keys, message),
          some: (half) => this.#store.deleteMany(half),
        }),
    };
  }

  async #send<T>(operation: StoreCommand['operation'], keys: readonly string[], carry: Carrying<T>): Promise<T> {
    if (this.#faults.isClosed) throw closedError();
    const fault = planned<StoreCommand, StoreFault>(this.#plan, { operation, keys }, { where, rules });
    switch (fault?.kind) {
      case 'evict':
        return this.#faults.run(undefined, () => this.#evicted(fault.keys ?? keys, carry.all));
      case 'partial':
        return this.#faults.run(undefined, () => partly(keys, carry.some));
      case 'late':
        unheard(this.#faults.run({ kind: 'delay', ms: fault.ms }, carry.all));
        return new Promise(() => {});
      default:
        return this.#faults.run(fault, carry.all);
    }
  }

  async #evicted<T>(keys: readonly string[], act: () => Promise<T>): Promise<T> {
    if (keys.length > 0) await this.#store.deleteMany(keys);
    return act();
  }
}

/** Of a command that has one key or none, a part is nothing. */
function nothingOf<T>(all: () => Promise<T>): Carrying<T> {
  return { all, some: () => Promise.resolve() };
}

async function partly(keys: readonly string[], some: (keys: readonly string[]) => Promise<unknown>): Promise<never> {
  const half = keys.slice(0, Math.floor(keys.length / 2));
  if (half.length > 0) await some(half);
  throw new BackendError('unreachable', `a fault of the test, after ${half.length} of ${keys.length} keys`);
}
