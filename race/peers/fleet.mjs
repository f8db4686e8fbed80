/**
 * Simulated processes that have a peer instead of a cache of ours, with all that a program's callers do to them. When the callers
 * have ended and everything has come to rest, each row is read once more in each process: what is stale then stays so.
 *
 * @typedef {import('../fleet.mjs').World} World
 * @typedef {import('../judge.mjs').Value} Value
 * @typedef {import('./peer.mjs').Peer} Peer
 * @typedef {{ readonly process: import('cachette/testing').SimulatedProcess, read(method: 'one', row: number): Promise<Value> }} Reader
 */

import { Fleet } from '../fleet.mjs';
import { rowsOfDatabase } from '../random-programs.mjs';
import { ttlMs } from '../table.mjs';
import { Connection } from './connection.mjs';
import { borrowMachine, giveMachineBack } from './machine.mjs';

/** Begins what the judge says of a value that is stale when nothing is under way any more. */
export const lasting = 'STALE: at rest,';

const roomy = 1_000;
/** Longer than any load, shorter than any entry lives. */
const restMs = 1_000;
/** async-cache-dedupe reads the time of day once a second, by a timer that must not outlive the program. */
const afterglowMs = 1_500;

/** Ours, read once more at rest. */
export class OwnFleet extends Fleet {
  #world;

  /** @param {World} world */
  constructor(world) {
    super(world);
    this.#world = world;
  }

  async close() {
    await readAtRest(this.#world, this.members);
    await super.close();
  }
}

export class PeerFleet {
  /** @type {readonly PeerMember[]} */
  members;
  /** Whoever has none is not held to it. */
  hasBus = true;
  feed = undefined;
  #world;

  /**
   * @param {World} world
   * @param {{ readonly peer: Peer, readonly modules: unknown }} kind
   */
  constructor(world, kind) {
    this.#world = world;
    const { program, library, scheduler } = world;
    const server = new library.SimulatedServer(scheduler);
    const processes = Array.from({ length: program.processes }, (_, index) => scheduler.process(`P${index}`));
    borrowMachine({ scheduler, epochMs: /** @type {any} */ (processes[0]).now() });
    this.members = processes.map((process) => new PeerMember(world, kind, { process, server }));
  }

  /** Subscriptions arrive. */
  async warmUp() {
    const { scheduler } = this.#world;
    scheduler.isCalm = true;
    await scheduler.advance(1);
    scheduler.isCalm = false;
  }

  async close() {
    const { scheduler } = this.#world;
    await readAtRest(this.#world, this.members);
    await scheduler.run(Promise.all(this.members.map((member) => member.close())));
    await scheduler.advance(afterglowMs);
  }

  dispose() {
    giveMachineBack();
  }
}

/** One process, with its peer. */
class PeerMember {
  process;
  /** What a program invalidates by. */
  cache;
  #world;
  #subject;
  #connection;
  /** @type {Set<Promise<Value>>} */
  #loads = new Set();

  /**
   * @param {World} world
   * @param {{ readonly peer: Peer, readonly modules: unknown }} kind
   * @param {{ readonly process: import('cachette/testing').SimulatedProcess, readonly server: import('cachette/testing').SimulatedServer }} place
   */
  constructor(world, { peer, modules }, { process, server }) {
    const { cell, scheduler } = world;
    this.#world = world;
    this.process = process;
    this.#connection = new Connection(server, process);
    const subject = peer.open(modules, {
      load: (row) => this.#tracked(this.#load(row)),
      connection: this.#connection,
      nowMs: () => scheduler.nowMs,
      row: cell.row.name,
      column: cell.column.name,
      store: cell.store.name,
      ttlMs,
      maxEntries: cell.row.memory?.maxEntries ?? roomy,
    });
    this.#subject = subject;
    this.cache = {
      invalidate: async (/** @type {string} */ tag) => this.#after(subject.invalidate?.(Number(tag.slice('row:'.length)))),
      clear: async () => this.#after(subject.clear()),
    };
  }

  /** @param {'one'} _method @param {number} row */
  async read(_method, row) {
    const { scheduler, tally } = this.#world;
    const { loads } = tally;
    const value = await this.#subject.read(row);
    if (tally.loads === loads) tally.hits++;
    if (scheduler.nowMs - value.atMs > ttlMs) tally.stale++;
    return value;
  }

  /** @param {number} row */
  forget(row) {
    return this.#after(this.#subject.forget(row));
  }

  /** Resolves when nothing goes on: no load, and no command, which may follow upon a load. */
  async atRest() {
    const isBusy = () => this.#loads.size + this.#connection.pending.size > 0;
    do {
      await Promise.allSettled([...this.#loads, ...this.#connection.pending]);
      await this.#world.scheduler.turn(`${this.process.name}: rests`, { process: this.process });
    } while (isBusy());
  }

  close() {
    return this.#subject.close();
  }

  /** @param {Promise<unknown> | undefined} invalidation @returns {Promise<{ readonly status: 'done' | 'deferred' }>} */
  async #after(invalidation) {
    await invalidation;
    return { status: this.#subject.reaches() === 'everywhere' ? 'done' : 'deferred' };
  }

  /** The row may change while it is on its way. @param {number} row @returns {Promise<Value>} */
  async #load(row) {
    const { scheduler, judge, tally, cell } = this.#world;
    const { process } = this;
    tally.loads++;
    const version = judge.version(row);
    const turns = 1 + scheduler.random.below(cell.row.turns ?? 2);
    for (let turn = 0; turn < turns; turn++) await scheduler.turn(`${process.name}: loads row ${row}`, { process });
    if (cell.row.name === 'soft timeout')
      await new Promise((resolve) => process.after(scheduler.random.below(60), () => resolve(undefined)));
    return { rows: { [row]: version }, atMs: scheduler.nowMs };
  }

  /** @param {Promise<Value>} load */
  #tracked(load) {
    this.#loads.add(load);
    const end = () => void this.#loads.delete(load);
    load.then(end, end);
    return load;
  }
}

/**
 * @param {World} world
 * @param {readonly Reader[]} members
 */
async function readAtRest({ scheduler, judge }, members) {
  scheduler.isCalm = true;
  await scheduler.advance(restMs);
  for (const [index, member] of members.entries()) {
    for (let row = 0; row < rowsOfDatabase; row++) {
      const expected = judge.expect(index, [row], scheduler.nowMs);
      const value = await scheduler.run(member.read('one', row));
      judge.check(`at rest, ${member.process.name} one(${row})`, expected, value, Infinity);
    }
  }
}
