/**
 * Simulated processes, each with a cache over the same store, and what a program's callers can do to them.
 *
 * @typedef {import('cachette').Cache} Cache
 * @typedef {import('cachette/testing').Scheduler} Scheduler
 * @typedef {import('cachette/testing').SimulatedProcess} SimulatedProcess
 * @typedef {import('cachette/testing').SimulatedServer} SimulatedServer
 * @typedef {import('./table.mjs').Cell} Cell
 * @typedef {import('./random-programs.mjs').Program} Program
 * @typedef {import('./random-programs.mjs').Method} Method
 * @typedef {import('./judge.mjs').Value} Value
 * @typedef {import('./tally.mjs').Tally} Tally
 * @typedef {typeof import('cachette') & typeof import('cachette/testing')} Library
 * @typedef {{ readonly program: Program, readonly cell: Cell, readonly library: Library, readonly scheduler: Scheduler,
 *   readonly judge: import('./judge.mjs').Judge, readonly tally: Tally, readonly say?: (step: string) => void }} World
 */

import { Feed } from './feed.mjs';
import { ttlMs } from './table.mjs';

/** Time enough for a process to be heard of by all others. */
const warmUpMs = 450;

export class Fleet {
  /** @type {Member[]} */
  members;
  /** @type {SimulatedServer} */
  server;
  /** Other processes can be told of what is removed from their memory. */
  hasBus;
  #world;
  #isWarm = false;
  #snapshot;
  #bus;
  #feed;

  /** @param {World} world */
  constructor(world) {
    this.#world = world;
    const { program, cell, library, scheduler } = world;
    const { lacks, hasForeignBus } = program;
    this.server = new library.SimulatedServer(scheduler, { lacks });
    const bus = hasForeignBus ? new library.SimulatedBus(scheduler) : undefined;
    this.hasBus = hasForeignBus || !lacks.includes('bus');
    this.#bus = bus;
    this.members = Array.from({ length: program.processes - program.late }, (_, index) => this.#start(index));
    this.#feed = cell.row.isFed ? new Feed(scheduler) : undefined;
    const [first] = this.members;
    if (this.#feed && first) this.#feed.follow(first.cache);
  }

  /** Resolves when every process trusts its memory, as far as it has one. */
  async warmUp() {
    const { scheduler, cell, program } = this.#world;
    scheduler.isCalm = true;
    if (cell.store.name === 'tiers') await scheduler.advance(warmUpMs);
    scheduler.isCalm = false;
    this.#isWarm = true;
    while (this.members.length < program.processes) this.members.push(this.#start(this.members.length));
  }

  /** @param {number} index */
  #start(index) {
    const process = this.#world.scheduler.process(`P${index}`);
    /** @type {Set<Promise<unknown>>} */
    const background = new Set();
    const waitUntil = (/** @type {Promise<unknown>} */ work) => {
      background.add(work);
      work.finally(() => background.delete(work)).catch(() => undefined);
    };
    return new Member(this.#world, process, { cache: this.#open(process, waitUntil, this.#bus), background });
  }

  async close() {
    const { scheduler } = this.#world;
    this.#isWarm = false;
    scheduler.isCalm = true;
    this.#feed?.end();
    for (const { process } of this.members) process.resume();
    const living = this.members.filter(({ process }) => !process.isKilled);
    await scheduler.run(Promise.all(living.map(({ cache }) => cache.close())), { stepsAtMost: 20_000 });
  }

  /** Gives back what was borrowed for the run: nothing. */
  dispose() {}

  get feed() {
    return this.#feed;
  }

  snapshot() {
    this.#snapshot = this.server.snapshot();
  }

  /** @param {'nothing' | 'snapshot'} what */
  restart(what) {
    this.server.restart(what === 'snapshot' ? this.#snapshot : undefined);
  }

  evict() {
    const { scheduler } = this.#world;
    const key = scheduler.random.pick(this.server.keys);
    if (key !== undefined) this.server.evict([key]);
  }

  /**
   * @param {SimulatedProcess} process
   * @param {(work: Promise<unknown>) => void} waitUntil
   * @param {import('cachette/testing').SimulatedBus | undefined} bus
   * @returns {Cache}
   */
  #open(process, waitUntil, bus) {
    const { cell, library, program } = this.#world;
    const memory = cell.row.memory ? `memory://?maxEntries=${cell.row.memory.maxEntries}` : 'memory://';
    const options = { clock: process, waitUntil, statistics: false };
    if (cell.store.name === 'memory') return library.createCache(memory, options);
    const { commands, messages } = program.faults;
    const connection = this.server.connect(process);
    const shared = commands > 0 ? library.faultyStore(connection, this.#commandFault, { clock: process }) : connection;
    const own = bus?.connect(process);
    const carrier = own && messages > 0 ? library.faultyBus(own, this.#messageFault, { clock: process }) : own;
    return library.createCache(cell.store.name === 'tiers' ? [memory, shared] : shared, {
      ...options,
      // what is served in an outage may be older than it seems, by the user's word
      outageGrace: 0,
      ...(carrier && { bus: carrier }),
    });
  }

  /** @param {import('cachette/testing').StoreCommand} command */
  #commandFault = ({ operation, keys }) => {
    const { program, scheduler, tally } = this.#world;
    const { random } = scheduler;
    if (!this.#isWarm || !random.chance(program.faults.commands)) return undefined;
    tally.faults++;
    const ms = random.pick([1, 100, 400, 1_500]);
    // A write that comes late may bring back what was forgotten, as the docs say.
    const isForget = this.#world.cell.column.name === 'forget';
    // Only a repeated mint could bring back what was deleted, and no client repeats one.
    const makesGeneration = operation === 'add' || (operation === 'set' && keys[0]?.includes('#'));
    const kinds = [...anyTime, ...(isForget ? [] : late), ...(isForget || makesGeneration ? [] : ['double'])];
    const kind = /** @type {string} */ (random.pick(kinds));
    return /** @type {import('cachette/testing').StoreFault} */ ({ kind, ...(timed.has(kind) && { ms }) });
  };

  #messageFault = () => {
    const { program, scheduler, tally } = this.#world;
    const { random } = scheduler;
    if (!this.#isWarm || !random.chance(program.faults.messages)) return undefined;
    tally.faults++;
    const kind = random.pick(['throw', 'delay', 'hang', 'drop', 'double', 'reorder']);
    const ms = random.pick([1, 100, 400, 1_500]);
    return /** @type {import('cachette/testing').BusFault} */ ({ kind, ...(timed.has(kind) && { ms }) });
  };
}

const anyTime = ['throw', 'drop', 'evict', 'partial'];
const late = ['delay', 'hang', 'reorder', 'late'];
const timed = new Set(['delay', 'late', 'double']);

/** Those that call others, or have two rows. @type {readonly Method[]} */
const outer = ['list', 'page', 'both'];

/** What a load that fails throws. */
export const failedLoad = 'the load has failed';

/** Whether a value may be served when it is not fresh any more. @param {import('./table.mjs').Row} row */
export function hasWindow({ options = {} }) {
  return 'staleWhileRevalidate' in options || 'staleIfError' in options;
}

/** One process: its cache, and its methods. */
export class Member {
  /** @type {Cache} */
  cache;
  /** @type {SimulatedProcess} */
  process;
  /** Resolves when the process is killed. */
  dies;
  /** @type {() => void} */
  #die = () => {};
  /** Work that goes on after its call was answered. @type {ReadonlySet<Promise<unknown>>} */
  #background;
  /** @type {Partial<Record<Method, any>>} */
  #methods = {};
  #world;

  /**
   * @param {World} world
   * @param {SimulatedProcess} process
   * @param {{ readonly cache: Cache, readonly background: ReadonlySet<Promise<unknown>> }} parts
   */
  constructor(world, process, { cache, background }) {
    this.#world = world;
    this.process = process;
    this.dies = new Promise((resolve) => (this.#die = () => resolve(undefined)));
    this.cache = cache;
    this.#background = background;
    cache.on('warning', () => {});
    cache.on('outcome', (outcome) => this.#count(outcome));
  }

  /**
   * @param {Method} method
   * @param {number} row
   * @returns {Promise<Value>}
   */
  async read(method, row) {
    if (!hasWindow(this.#world.cell.row)) return this.#method(method)(row);
    const { value, calls } = await this.cache.explain(() => this.#method(method)(row));
    // What was joined, or read inside, may have been stale, and nobody here is told.
    const isStale = method === 'page' || method === 'both' || calls.some(({ status }) => status === 'stale');
    return { ...value, isStale };
  }

  kill() {
    this.process.kill();
    this.#die();
    // Does nothing any more, but takes the cache off the list of those that the real process would wait for.
    void this.cache.close();
  }

  /** Resolves when nothing goes on in the background. */
  async atRest() {
    while (this.#background.size > 0) await Promise.allSettled(this.#background);
  }

  /** Every entry with this row, the inner ones first. @param {number} row */
  async forget(row) {
    const results = [await this.#method('one').forget(row)];
    for (const each of [row, row - 1]) {
      for (const method of outer) results.push(await this.#method(method).forget(each));
    }
    return { status: results.every(({ status }) => status === 'done') ? 'done' : 'deferred' };
  }

  /** When it is first called, as to wrap it costs as much as some calls, and most programs call two of them. @param {Method} method */
  #method(method) {
    return (this.#methods[method] ??= this.#wrap(method));
  }

  /** @param {Method} method */
  #wrap(method) {
    const options = { ttl: ttlMs, ...this.#world.cell.row.options };
    switch (method) {
      case 'one':
        return this.cache.wrap('one', (/** @type {number} */ row) => this.#load([row]), {
          ...options,
          tags: (row) => `row:${row}`,
        });
      case 'page': {
        const one = this.#method('one');
        const page = async (/** @type {number} */ row) => this.#joined(await one(row), await one(row + 1));
        return this.cache.wrap('page', page, options);
      }
      case 'list':
        return this.cache.wrap('list', (/** @type {number} */ row) => this.#load([row, row + 1]), {
          ...options,
          resultTags: ({ rows }) => Object.keys(rows).map((row) => `row:${row}`),
        });
      case 'both': {
        const [one, list] = [this.#method('one'), this.#method('list')];
        const both = async (/** @type {number} */ row) => this.#joined(await one(row), await list(row));
        return this.cache.wrap('both', both, options);
      }
    }
  }

  /**
   * The rows may change while they are on their way.
   *
   * @param {readonly number[]} rows
   * @returns {Promise<Value>}
   */
  async #load(rows) {
    const { scheduler, judge, tally, cell, program } = this.#world;
    tally.loads++;
    const isFailing = scheduler.random.chance(program.failing);
    /** @type {Record<number, number>} */
    const found = {};
    for (const row of rows) {
      found[row] = judge.version(row);
      await this.#wait(`loads row ${row}`, 1 + scheduler.random.below(cell.row.turns ?? 2));
    }
    if (cell.row.name === 'soft timeout')
      await new Promise((resolve) => this.process.after(scheduler.random.below(60), () => resolve(undefined)));
    if (isFailing) {
      tally.failedLoads++;
      throw new Error(failedLoad);
    }
    return { rows: found, atMs: scheduler.nowMs, by: this.process.name };
  }

  /**
   * @param {string} what
   * @param {number} turns
   */
  async #wait(what, turns) {
    const { process } = this;
    for (let turn = 0; turn < turns; turn++) await this.#world.scheduler.turn(`${process.name}: ${what}`, { process });
  }

  /**
   * As old as the older of them.
   *
   * @param {Value} one
   * @param {Value} other
   * @returns {Value}
   */
  #joined(one, other) {
    const rows = { ...one.rows };
    for (const [row, version] of Object.entries(other.rows)) rows[row] = Math.min(version, rows[row] ?? version);
    return { rows, atMs: Math.min(one.atMs, other.atMs) };
  }

  /** @param {import('cachette').Outcome} outcome */
  #count({ status, reason, method }) {
    const { tally } = this.#world;
    if (status === 'hit') tally.hits++;
    if (status === 'hit' && method !== 'one') tally.hitsByLateTags++;
    if (status === 'stale') tally.stale++;
    if (reason === 'timeout') tally.timedOut++;
    if (reason === 'joined') tally.joined++;
  }
}
