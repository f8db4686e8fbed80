/** Any store and any bus under a scheduler. Hides that a command is two steps, and what stays in order. */

import { CacheConfigError } from '../../base/errors.js';
import type { Backend } from '../../stores/backend.js';
import { type Bus, type BusSubscriber, isBus } from '../../stores/bus.js';
import { handedIn, type StoreObject } from './handed-in.js';
import { type Carrying, type Relay, RelayedStore, type StoreCommand } from './relayed-store.js';
import type { SimulatedProcess } from './scheduler.js';

/** What a scheduler leaves in order. */
export interface ScheduledOptions {
  /**
   * Whether commands, replies and messages of this process each come in the order in which they were sent, as over one connection.
   * Default: no, each may overtake the others.
   */
  readonly ordered?: boolean | undefined;
}

/**
 * Makes each command to a store, and each reply, a step of the scheduler of a process; and so with its bus, if it has one. What it gives
 * is for `createCache`, with the process as its `clock`. The store behind is not closed with it.
 *
 * The same seed gives the same run where the store waits for nothing real: over a `Map`, not over a socket.
 *
 * @param store a `Backend`, a `Keyv` or a store adapter; the rows of a `Keyv` end by the time of the process
 * @param process who sends the commands: none is carried out while it is paused, or after it was killed
 * @throws CacheConfigError if `store` is none of these
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { Scheduler, scheduledStore } from 'cachette/testing';
 * import { Keyv } from 'keyv';
 *
 * const steps: string[] = [];
 * const scheduler = new Scheduler({ seed: 7, onStep: (step) => steps.push(step) });
 * const here = scheduler.process('here');
 * const cache = createCache(scheduledStore(new Keyv(), here), { clock: here });
 *
 * await scheduler.run(cache.getOrLoad('greeting', async () => 'hello'));
 * console.log(steps.length > 0); // => true
 * ```
 */
export function scheduledStore(store: StoreObject, process: SimulatedProcess, options: ScheduledOptions = {}): Backend {
  const { backend, release } = handedIn(store, { where: 'scheduledStore', clock: process });
  return new RelayedStore(backend, new ScheduledRelay(process, options, release));
}

/**
 * Makes each message to a bus, and the arrival of each, a step of the scheduler of a process. What it gives is the `bus` of one cache.
 * Closing it closes the connection behind; what has not arrived by then never does.
 *
 * @param bus a connection of its own to a bus
 * @param process who publishes and subscribes
 * @throws CacheConfigError if `bus` is no bus
 *
 * @example
 * ```ts
 * import { createCache, localBus } from 'cachette';
 * import { Scheduler, scheduledBus, scheduledStore } from 'cachette/testing';
 * import { Keyv } from 'keyv';
 *
 * const scheduler = new Scheduler({ seed: 7 });
 * const [store, bus] = [new Keyv(), localBus()];
 * const caches = ['here', 'there'].map((name) => {
 *   const process = scheduler.process(name);
 *   const stores = ['memory://', scheduledStore(store, process)] as const;
 *   return createCache(stores, { bus: scheduledBus(bus.connect(), process), clock: process });
 * });
 *
 * await scheduler.run(Promise.all(caches.map((cache) => cache.invalidate('rows'))));
 * await scheduler.run(Promise.all(caches.map((cache) => cache.close())));
 * ```
 */
export function scheduledBus(bus: Bus, process: SimulatedProcess, options: ScheduledOptions = {}): Bus {
  if (!isBus(bus)) {
    const instead = 'give a connection, such as localBus().connect()';
    throw new CacheConfigError({ where: 'scheduledBus', what: 'the bus is no bus', instead });
  }
  return new ScheduledBus(bus, process, options);
}

class ScheduledRelay implements Relay {
  readonly close: () => Promise<void>;
  readonly #process: SimulatedProcess;
  readonly #options: ScheduledOptions;

  constructor(process: SimulatedProcess, options: ScheduledOptions, close: () => Promise<void>) {
    this.#process = process;
    this.#options = options;
    this.close = close;
  }

  send<T>({ operation, keys }: StoreCommand, { all }: Carrying<T>): Promise<T> {
    return stepped(this.#process, this.#options, { what: [operation, ...keys].join(' '), act: all });
  }

  overBus(bus: Bus): Bus {
    return new ScheduledBus(bus, this.#process, this.#options);
  }
}

class ScheduledBus implements Bus {
  readonly #bus: Bus;
  readonly #process: SimulatedProcess;
  readonly #options: ScheduledOptions;
  #isClosed = false;

  constructor(bus: Bus, process: SimulatedProcess, options: ScheduledOptions) {
    this.#bus = bus;
    this.#process = process;
    this.#options = options;
  }

  publish(message: string, to?: string): Promise<unknown> {
    return stepped(this.#process, this.#options, { what: 'publish', act: () => this.#bus.publish(message, to) });
  }

  subscribe(id: string, subscriber: BusSubscriber): void {
    this.#bus.subscribe(id, {
      message: (text) => this.#arrive(`hears ${text}`, () => subscriber.message(text)),
      interrupted: () => this.#arrive('its subscription was interrupted', () => subscriber.interrupted()),
    });
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#bus.close();
  }

  #arrive(what: string, deliver: () => void): void {
    const process = this.#process;
    const line = lineOf('messages to', process, this.#options);
    const take = (): void => {
      if (!this.#isClosed) deliver();
    };
    process.scheduler.step(`${process.name}: ${what}`, take, { process, line });
  }
}

/** Two steps: it is carried out, and the reply arrives, whether that is an answer or an error. */
async function stepped<T>(
  process: SimulatedProcess,
  options: ScheduledOptions,
  { what, act }: { readonly what: string; readonly act: () => Promise<T> },
): Promise<T> {
  const { scheduler } = process;
  const label = `${process.name}: ${what}`;
  await scheduler.turn(label, { process, line: lineOf('commands of', process, options) });
  try {
    return await act();
  } finally {
    await scheduler.turn(`${label}, the reply`, { process, line: lineOf('replies to', process, options) });
  }
}

function lineOf(what: string, process: SimulatedProcess, { ordered = false }: ScheduledOptions): string | undefined {
  return ordered ? `${what} ${process.name}` : undefined;
}
