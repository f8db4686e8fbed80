/**
 * Simulated processes that have a peer instead of a cache of ours, with all that a program's callers do to them. When the callers
 * have ended and everything has come to rest, each row is read twice in each process, as the first of these reads may be served
 * while it is refreshed: what is stale in the second one stays so until its time to live is over.
 *
 * @typedef {import('../fleet.mjs').World} World
 * @typedef {import('../judge.mjs').Value} Value
 * @typedef {import('./peer.mjs').Peer} Peer
 * @typedef {{ readonly process: import('cachette/testing').SimulatedProcess, read(method: 'one', row: number): Promise<Value> }} Reader
 */

import { Fleet } from '../fleet.mjs';
import { rows as rowsOfDatabase } from '../random-programs.mjs';
import { ttlMs } from '../table.mjs';
import { Connection } from './connection.mjs';
import { borrowMachine, giveMachineBack } from './machine.mjs';
import { quiet } from './words.mjs';

/** Begins what the judge says of a value that stays stale. */
export const lasting = 'STALE: at rest,';

const roomy = 1_000;
/** Longer than any load, shorter than any entry lives. */
const restMs = 500;
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

  /** @override */
  async close() {
    await comeToRest(this.#world);
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
    borrowMachine({
      scheduler,
      epochMs: /** @type {any} */ (processes[0]).now(),
      random: new library.Random(program.seed),
    });
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
    const { scheduler, judge } = this.#world;
    await comeToRest(this.#world);
    for (const { arriving } of this.members) for (const versions of arriving) judge.invalidated(versions, 'done', 0);
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
  /** It is never killed. @type {Promise<undefined>} */
  dies = new Promise(() => {});
  /** What has been invalidated, and the others are to hear of. @type {ReadonlyMap<number, number>[]} */
  arriving = [];
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
    this.#connection = new Connection(server, scheduler, process);
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
      invalidate: (/** @type {string} */ tag) => {
        const row = Number(tag.slice('row:'.length));
        return this.#invalidate(() => subject.invalidate?.(row), [row]);
      },
      clear: () => this.#invalidate(() => subject.clear()),
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
    return this.#invalidate(() => this.#subject.forget(row), [row]);
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

  /**
   * @param {() => Promise<unknown> | undefined} invalidate
   * @param {readonly number[]} [rows] all unless stated
   * @returns {Promise<{ readonly status: 'done' | 'deferred' }>}
   */
  async #invalidate(invalidate, rows) {
    const { judge } = this.#world;
    const versions = rows ? new Map(rows.map((row) => [row, judge.version(row)])) : judge.versions();
    await invalidate();
    const reaches = this.#subject.reaches();
    if (reaches === 'in time') this.arriving.push(versions);
    return { status: reaches === 'everywhere' ? 'done' : 'deferred' };
  }

  /** The row may change while it is on its way. @param {number} row @returns {Promise<Value>} */
  async #load(row) {
    const { scheduler, judge, tally, cell, say } = this.#world;
    const { process } = this;
    tally.loads++;
    const version = judge.version(row);
    say?.(`${process.name} begins to load row ${row} in version ${version}`);
    const turns = 1 + scheduler.random.below(cell.row.turns ?? 2);
    for (let turn = 0; turn < turns; turn++) await scheduler.turn(`${process.name}: loads row ${row}`, { process });
    if (cell.row.name === 'soft timeout')
      await new Promise((resolve) => process.after(scheduler.random.below(60), () => resolve(undefined)));
    say?.(`${process.name} has loaded row ${row} in version ${version}`);
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
async function readAtRest(world, members) {
  await readAll(world, members, 'in the end, ');
  await comeToRest(world);
  await readAll(world, members, 'at rest, ');
}

/** @param {World} world */
async function comeToRest({ scheduler, say }) {
  say?.(quiet);
  scheduler.isCalm = true;
  await scheduler.advance(restMs);
}

/**
 * @param {World} world
 * @param {readonly Reader[]} members
 * @param {string} when
 */
async function readAll({ scheduler, judge, say }, members, when) {
  for (const [index, member] of members.entries()) {
    for (let row = 0; row < rowsOfDatabase; row++) {
      const expected = judge.expect(index, [row], scheduler.nowMs);
      const what = `${when}${member.process.name} one(${row})`;
      const value = await scheduler.run(member.read('one', row));
      judge.check(what, expected, value, Infinity);
      say?.(`${what} gives ${JSON.stringify(value)}`);
    }
  }
}
