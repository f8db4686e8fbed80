/** A store that fails as a test says. Hides how a fault of a command is brought about with a store that has none. */

import { CacheConfigError } from '../../base/errors.js';
import { type Backend, BackendError } from '../../stores/backend.js';
import type { Bus } from '../../stores/bus.js';
import type { StoreInput } from '../../stores/uri.js';
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
import { type BusPlan, faultyBus } from './faulty-bus.js';
import { opened } from './handed-in.js';
import { type Carrying, type Relay, RelayedStore, type StoreCommand } from './relayed-store.js';

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

/** How faults wait, and those of messages. */
export interface FaultyStoreOptions extends FaultOptions {
  /**
   * Says what befalls the messages over the bus of the store, as the plan of `faultyBus` does. A deletion that carries its message
   * is a command, `deleteAndPublish`: this is asked about that message only on its way in. Default: nothing befalls them.
   */
  readonly messages?: BusPlan | undefined;
}

/**
 * Puts faults between a cache and a store. What it gives is for `createCache`, and goes on failing as planned until it is closed;
 * no cache closes it. Closing it ends the connection of a URI; a store that was handed in stays open.
 *
 * A cache survives all faults of its store; a mistake in the plan rejects the command and is told once, as a warning of the process.
 *
 * @param store the URI of a server, a `Keyv`, a store adapter for one, or a `Backend`
 * @param plan says what befalls each command
 * @throws CacheConfigError if `store` is none of these, a plan is no function, or there is one for `messages` and the store has no bus
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
export function faultyStore(store: StoreInput, plan: StorePlan, options: FaultyStoreOptions = {}): Backend {
  checkPlan(plan, where, "({ operation }) => (operation === 'set' ? { kind: 'throw' } : undefined)");
  const { clock, messages } = options;
  if (messages !== undefined)
    checkPlan(messages, where, "messages: ({ direction }) => (direction === 'in' ? { kind: 'drop' } : undefined)");
  const { backend, release } = opened(store, { where, clock });
  if (messages !== undefined && !backend.bus) {
    unheard(release());
    throw noBus(backend.name);
  }
  return new RelayedStore(backend, new FaultyRelay(backend, { plan, options, release }));
}

function noBus(name: string): CacheConfigError {
  return new CacheConfigError({
    where,
    what: `there is a plan for messages, and ${name} has no bus`,
    instead: 'leave it out, or put faultyBus() around the bus that the cache is given',
  });
}

interface FaultyParts {
  readonly plan: StorePlan;
  readonly options: FaultyStoreOptions;
  readonly release: () => Promise<void>;
}

class FaultyRelay implements Relay {
  readonly #store: Backend;
  readonly #parts: FaultyParts;
  readonly #faults: Faults;

  constructor(store: Backend, parts: FaultyParts) {
    this.#store = store;
    this.#parts = parts;
    this.#faults = new Faults(parts.options);
  }

  async send<T>(command: StoreCommand, { all, some }: Carrying<T>): Promise<T> {
    if (this.#faults.isClosed) throw closedError();
    const fault = planned<StoreCommand, StoreFault>(this.#parts.plan, command, { where, rules });
    const { keys } = command;
    switch (fault?.kind) {
      case 'evict':
        return this.#faults.run(undefined, () => this.#evicted(fault.keys ?? keys, all));
      case 'partial':
        return this.#faults.run(undefined, () => partly(keys, some));
      case 'late':
        unheard(this.#faults.run({ kind: 'delay', ms: fault.ms }, all));
        return new Promise(() => {});
      default:
        return this.#faults.run(fault, all);
    }
  }

  overBus(bus: Bus): Bus {
    const { messages, clock } = this.#parts.options;
    return messages === undefined ? bus : faultyBus(bus, messages, { clock });
  }

  close(): Promise<void> {
    this.#faults.close();
    return this.#parts.release();
  }

  async #evicted<T>(keys: readonly string[], act: () => Promise<T>): Promise<T> {
    if (keys.length > 0) await this.#store.deleteMany(keys);
    return act();
  }
}

async function partly(keys: readonly string[], some: (keys: readonly string[]) => Promise<unknown>): Promise<never> {
  const half = keys.slice(0, Math.floor(keys.length / 2));
  if (half.length > 0) await some(half);
  throw new BackendError('unreachable', `a fault of the test, after ${half.length} of ${keys.length} keys`);
}
