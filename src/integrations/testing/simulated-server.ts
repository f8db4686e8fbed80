/**
 * A key-value server with publish and subscribe, of which each command, reply and message is a step of a scheduler. It can
 * evict, restart, go back in time and lose subscriptions, as real ones do.
 */

import type { Backend } from '../../stores/backend.js';
import type { BusSubscriber, StoreBus } from '../../stores/bus.js';
import type { Scheduler, SimulatedProcess } from './scheduler.js';

/** What a {@link SimulatedServer} is like. */
export interface SimulatedServerOptions {
  /**
   * What the server cannot do. Default: it can do all of it, as Redis.
   * - `add`, `touch`: write where nothing is; prolong without writing
   * - `bus`: publish and subscribe
   * - `runId`: say whether it was restarted. It comes back empty then
   * - `atomicity`: carry out a command for several keys at one moment
   */
  readonly lacks?: readonly ('add' | 'touch' | 'bus' | 'runId' | 'atomicity')[] | undefined;
}

/** A text on a {@link SimulatedServer}. */
export interface ServerRow {
  /** What was written. */
  readonly text: string;
  /** When it ends, by the scheduler's time; `Infinity`: never. */
  readonly endsAtMs: number;
}

/** What a {@link SimulatedServer} had at one moment. */
export type ServerSnapshot = ReadonlyMap<string, ServerRow>;

/** A command failed as the connection was lost. */
class ConnectionLostError extends Error {
  readonly failure = 'unreachable';
}

/**
 * A server that simulated processes share.
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { Scheduler, SimulatedServer } from 'cachette/testing';
 *
 * const scheduler = new Scheduler();
 * const server = new SimulatedServer(scheduler, { lacks: ['bus'] });
 * const process = scheduler.process('one');
 * const cache = createCache(server.connect(process), { clock: process });
 *
 * await scheduler.run(cache.getOrLoad('greeting', async () => 'hello'));
 * await scheduler.advance(10);
 * server.keys.length; // => 4
 * ```
 */
export class SimulatedServer {
  readonly #scheduler: Scheduler;
  readonly #lacks: ReadonlySet<string>;
  #rows = new Map<string, ServerRow>();
  #runs = 1;
  readonly #connections = new Set<Connection>();
  readonly #subscriptions = new Set<Subscription>();

  constructor(scheduler: Scheduler, { lacks = [] }: SimulatedServerOptions = {}) {
    this.#scheduler = scheduler;
    this.#lacks = new Set(lacks);
  }

  /** A connection of its own for one process: what `createCache` takes for a store. */
  connect(process: SimulatedProcess): Backend {
    const can = (what: string): boolean => !this.#lacks.has(what);
    const isAtomic = can('atomicity');
    const connection = new Connection(this, { scheduler: this.#scheduler, process, isAtomic });
    this.#connections.add(connection);
    return Object.assign(connection, {
      ...(can('add') && { add: connection.addText }),
      ...(can('touch') && { touch: connection.touchText }),
      ...(can('runId') && { serverIds: connection.runIds }),
      ...(can('bus') && { bus: () => this.#bus(connection) }),
    });
  }

  /** The keys that stand now. */
  get keys(): readonly string[] {
    return [...this.#rows.keys()].filter((key) => this.text(key) !== undefined);
  }

  /** Removes these, as a server does that is short of memory. */
  evict(keys: readonly string[]): void {
    for (const key of keys) this.#rows.delete(key);
  }

  /** What it has now, to be restarted with. */
  snapshot(): ServerSnapshot {
    return new Map(this.#rows);
  }

  /** Every connection and subscription is lost, and made again at once. `rows`: what it comes back with; default nothing. */
  restart(rows: ServerSnapshot = new Map()): void {
    this.#runs++;
    this.#rows = new Map(this.#lacks.has('runId') ? [] : rows);
    for (const connection of this.#connections) connection.session++;
    for (const subscription of this.#subscriptions) subscription.interrupt();
  }

  /** The subscription of a process loses what is under way to it; it is made again at once. */
  interrupt(process: SimulatedProcess): void {
    for (const subscription of this.#subscriptions) if (subscription.process === process) subscription.interrupt();
  }

  /** @internal */
  get runId(): string {
    return `run-${this.#runs}`;
  }

  /** @internal */
  text(key: string): string | undefined {
    const row = this.#rows.get(key);
    if (row === undefined || this.#scheduler.nowMs < row.endsAtMs) return row?.text;
    this.#rows.delete(key);
    return undefined;
  }

  /** @internal */
  keep(key: string, text: string, ttlMs: number): void {
    this.#rows.set(key, { text, endsAtMs: this.#scheduler.nowMs + ttlMs });
  }

  /** @internal */
  publish(message: string): number {
    for (const subscription of this.#subscriptions) subscription.send(message);
    return this.#subscriptions.size;
  }

  #bus(connection: Connection): StoreBus {
    let subscription: Subscription | undefined;
    return {
      publish: (message) => connection.send('publish', [], () => this.publish(message)),
      deleteAndPublish: (keys, message) =>
        connection.send('delete and publish', keys, () => {
          this.evict(keys);
          return this.publish(message);
        }),
      subscribe: (_id, subscriber) => {
        subscription = new Subscription(this.#scheduler, connection.process, subscriber);
        this.#subscriptions.add(subscription);
      },
      close: () => {
        if (subscription) this.#subscriptions.delete(subscription);
        return Promise.resolve();
      },
    };
  }
}

interface ConnectionParts {
  readonly scheduler: Scheduler;
  readonly process: SimulatedProcess;
  readonly isAtomic: boolean;
}

class Connection implements Backend {
  readonly name: string;
  readonly maxTextBytes = Infinity;
  readonly process: SimulatedProcess;
  session = 1;
  readonly #server: SimulatedServer;
  readonly #parts: ConnectionParts;

  constructor(server: SimulatedServer, parts: ConnectionParts) {
    this.#server = server;
    this.#parts = parts;
    this.process = parts.process;
    this.name = `simulated://${parts.process.name}`;
  }

  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const read = (each: readonly string[]) => () => each.map((key) => this.#server.text(key));
    if (this.#parts.isAtomic) return this.send('get', keys, read(keys));
    return (await Promise.all(keys.map((key) => this.send('get', [key], read([key]))))).flat();
  }

  set(key: string, text: string, ttlMs: number): Promise<void> {
    return this.send('set', [key], () => this.#server.keep(key, text, ttlMs));
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    const remove = (each: readonly string[]) => () => this.#server.evict(each);
    if (this.#parts.isAtomic) return this.send('delete', keys, remove(keys));
    await Promise.all(keys.map((key) => this.send('delete', [key], remove([key]))));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  readonly addText = (key: string, text: string, ttlMs: number): Promise<boolean> =>
    this.send('add', [key], () => {
      if (this.#server.text(key) !== undefined) return false;
      this.#server.keep(key, text, ttlMs);
      return true;
    });

  readonly touchText = (key: string, ttlMs: number): Promise<boolean> =>
    this.send('touch', [key], () => {
      const text = this.#server.text(key);
      if (text !== undefined) this.#server.keep(key, text, ttlMs);
      return text !== undefined;
    });

  readonly runIds = (): Promise<readonly string[]> => this.send('run id', [], () => [this.#server.runId]);

  /** Two steps: the server carries it out, and the reply arrives. A connection that is lost in between takes both away. */
  send<T>(operation: string, keys: readonly string[], run: () => T): Promise<T> {
    const { scheduler, process } = this.#parts;
    const label = scheduler.tells ? `${process.name}: ${[operation, ...keys].join(' ')}` : operation;
    const { session } = this;
    const theirs = { process };
    return new Promise((resolve, reject) => {
      const reply = (settle: () => void): void => scheduler.step(`${label}, the reply`, settle, theirs);
      const lose = (): void => reject(new ConnectionLostError('the connection was lost'));
      scheduler.step(label, () => {
        if (session !== this.session) return reply(lose);
        const answer = run();
        reply(() => (session === this.session ? resolve(answer) : lose()));
      });
    });
  }
}

/** Messages arrive in the order in which they were published, as over one connection. */
class Subscription {
  readonly process: SimulatedProcess;
  readonly #scheduler: Scheduler;
  readonly #subscriber: BusSubscriber;
  readonly #line: string;
  #interruptions = 0;

  constructor(scheduler: Scheduler, process: SimulatedProcess, subscriber: BusSubscriber) {
    this.#scheduler = scheduler;
    this.process = process;
    this.#subscriber = subscriber;
    this.#line = `messages to ${process.name}`;
  }

  send(message: string): void {
    const { process } = this;
    const before = this.#interruptions;
    const deliver = (): void => {
      if (before === this.#interruptions) this.#subscriber.message(message);
    };
    this.#scheduler.step(`${process.name}: hears ${message}`, deliver, { process, line: this.#line });
  }

  interrupt(): void {
    const { process } = this;
    this.#interruptions++;
    const tell = (): void => this.#subscriber.interrupted();
    this.#scheduler.step(`${process.name}: its subscription was interrupted`, tell, { process, line: this.#line });
  }
}
