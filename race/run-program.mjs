/** Runs one program in one cell of the table, and says what was wrong. */

import { failedLoad, Fleet, hasWindow } from './fleet.mjs';
import { Judge } from './judge.mjs';
import { ttlMs } from './table.mjs';

/**
 * @typedef {import('./fleet.mjs').World} World
 * @typedef {import('./fleet.mjs').Library} Library
 * @typedef {import('./random-programs.mjs').Op} Op
 * @typedef {import('./random-programs.mjs').Caller} Caller
 */

/** What a value may be too old by: a write that is late, a load that takes long. */
const slackMs = 3_000;
const stepsAtMost = 20_000;

/**
 * @param {import('./random-programs.mjs').Program} program
 * @param {import('./table.mjs').Cell} cell
 * @param {Library} library
 * @param {import('./tally.mjs').Tally} tally
 * @param {(step: string) => void} [onStep]
 * @returns {Promise<readonly string[]>} what was wrong, in words
 */
export async function runProgram(program, cell, library, tally, onStep) {
  const { seed, haste, stalls } = program;
  const { open = openFleet } = cell;
  const scheduler = new library.Scheduler({ seed, haste, stalls, ...(onStep && { onStep }) });
  const judge = new Judge();
  /** @type {World} */
  const world = { program, cell, library, scheduler, judge, tally, ...(onStep && { say: onStep }) };
  const fleet = await open(world);
  try {
    await fleet.warmUp();
    const run = new Run(world, fleet, onStep);
    await scheduler.run(Promise.all(program.callers.map((caller) => run.call(caller))), { stepsAtMost });
    await fleet.close();
  } catch (error) {
    judge.failed(`HANG: ${error.message}`);
  } finally {
    fleet.dispose();
  }
  tally.programs++;
  tally.steps += scheduler.steps;
  return judge.wrong;
}

/** @param {World} world */
function openFleet(world) {
  return new Fleet(world);
}

class Run {
  #world;
  #fleet;
  #onStep;
  #exclusion = new Exclusion();

  /**
   * @param {World} world
   * @param {Fleet} fleet
   * @param {((step: string) => void) | undefined} onStep
   */
  constructor(world, fleet, onStep) {
    this.#world = world;
    this.#fleet = fleet;
    this.#onStep = onStep;
  }

  /** @param {Caller} caller */
  call(caller) {
    return this.#whileAlive(caller.process, this.#carryOutAll(caller));
  }

  /** @param {Caller} caller */
  async #carryOutAll({ process: index, ops }) {
    const { scheduler } = this.#world;
    const { process } = this.#memberOf(index);
    for (const op of ops) {
      await scheduler.turn(`${process.name}: goes on`, { process });
      this.#onStep?.(`${process.name} ${JSON.stringify(op)}`);
      await this.#carryOut(op, index);
    }
  }

  /**
   * Nothing that a killed process waits for ever comes.
   *
   * @template T
   * @param {number} index
   * @param {Promise<T> | T} work
   * @returns {Promise<T | undefined>}
   */
  #whileAlive(index, work) {
    return Promise.race([work, this.#memberOf(index).dies]);
  }

  /** @param {number} index */
  #memberOf(index) {
    return /** @type {import('./fleet.mjs').Member} */ (this.#fleet.members[index]);
  }

  /**
   * @param {Op} op
   * @param {number} index
   */
  #carryOut(op, index) {
    const { process } = this.#memberOf(index);
    switch (op.do) {
      case 'read':
        return this.#exclusion.shared(index, () => this.#whileAlive(index, this.#read(op, index)));
      case 'write':
        return this.#write(op, index);
      case 'pass':
        return this.#pass(op.ms);
      case 'rest':
        return this.#memberOf(index).atRest();
      case 'set clock':
        process.behindMs = op.behindMs;
        return undefined;
      case 'pause':
        process.pause();
        this.#world.scheduler.after(op.ms, () => {
          if (op.cuts) this.#fleet.server.interrupt(process);
          process.resume();
        });
        return undefined;
      case 'evict':
        return this.#fleet.evict();
      case 'snapshot':
        return this.#fleet.snapshot();
      case 'restart':
        return this.#fleet.restart(op.with);
      case 'interrupt':
        return this.#fleet.server.interrupt(process);
      case 'kill':
        // Who has the feed is not killed: what it has taken and not told would be lost.
        if (this.#fleet.feed && index === 0) return undefined;
        this.#world.tally.killed++;
        return this.#memberOf(index).kill();
    }
  }

  /** @param {number} ms */
  #pass(ms) {
    return new Promise((resolve) => this.#world.scheduler.after(ms, () => resolve(undefined)));
  }

  /**
   * @param {Extract<Op, { do: 'read' }>} op
   * @param {number} index
   */
  async #read({ method, row }, index) {
    const { judge, scheduler, tally } = this.#world;
    tally.reads++;
    const before = scheduler.steps;
    const expected = judge.expect(index, method === 'one' ? [row] : [row, row + 1], scheduler.nowMs);
    const what = `P${index} ${method}(${row})`;
    try {
      const value = await this.#memberOf(index).read(method, row);
      if (scheduler.steps === before) tally.withoutIo++;
      if (scheduler.steps === before && value.by !== undefined && value.by !== this.#memberOf(index).process.name)
        tally.promoted++;
      if (expected.beganMs - value.atMs > ttlMs) tally.slid++;
      judge.check(what, expected, value, this.#livesAtMostMs(method));
      this.#onStep?.(`${what} gives ${JSON.stringify(value)}`);
    } catch (error) {
      if (error.message !== failedLoad) judge.failed(`FAILED: ${what}: ${error.message}`);
    }
  }

  /** A page lives as long as its parts, and they may have been old when it was made. */
  #livesAtMostMs(method) {
    const { cell, program } = this.#world;
    // A server ends an entry by its own clock, from when it was written; with haste a write may be on its way for long.
    if (program.haste > 0 || program.callers.some(({ ops }) => ops.some((op) => op.do === 'set clock')))
      return Infinity;
    const {
      staleWhileRevalidate = 0,
      staleIfError = 0,
      maxLifetime = ttlMs,
    } = /** @type {any} */ (cell.row.options ?? {});
    const livesMs = maxLifetime + staleWhileRevalidate + staleIfError;
    return slackMs + (method === 'page' || method === 'both' ? 2 : 1) * livesMs;
  }

  /**
   * @param {Extract<Op, { do: 'write' }>} op
   * @param {number} index
   */
  async #write({ row, softly }, index) {
    const { judge, scheduler, tally, cell } = this.#world;
    const { process, cache } = this.#memberOf(index);
    tally.writes++;
    judge.write(row);
    const versions = cell.column.name === 'clear' ? judge.versions() : new Map([[row, judge.version(row)]]);
    await scheduler.turn(`${process.name}: has written`, { process });
    const status = softly ? (await cache.expire(`row:${row}`)).status : await this.#invalidate(row, index, cache);
    if (status === 'deferred') tally.deferred++;
    if (status !== 'unpromised') {
      tally.judged++;
      const who = this.#fleet.feed ? 0 : index;
      // Where there is no window, what is expired is not served any more.
      if (softly && hasWindow(cell.row)) judge.expired(versions, status, who);
      else judge.invalidated(versions, status, who);
    }
    if (this.#fleet.feed) tally.fed++;
    this.#onStep?.(`P${index} write(${row}) is ${status}`);
  }

  /**
   * @param {number} row
   * @param {number} index
   * @param {import('cachette').Cache} cache
   * @returns {Promise<'done' | 'deferred' | 'unpromised'>}
   */
  async #invalidate(row, index, cache) {
    const { cell } = this.#world;
    const { feed } = this.#fleet;
    const isClear = cell.column.name === 'clear';
    if (feed) return (await feed.tell(isClear ? { clear: true } : `row:${row}`)).status;
    if (isClear) return (await cache.clear()).status;
    if (cell.column.name === 'tag') return (await cache.invalidate(`row:${row}`)).status;
    const others = this.#fleet.members.filter((_, other) => other !== index);
    const forgetting = async () => {
      await Promise.all(others.map((member) => Promise.race([member.atRest(), member.dies])));
      return this.#memberOf(index).forget(row);
    };
    const forgotten = await this.#exclusion.alone(index, () => this.#whileAlive(index, forgetting()));
    if (!forgotten) return 'unpromised';
    const { status } = forgotten;
    return this.#forgets(status) ? /** @type {'done' | 'deferred'} */ (status) : 'unpromised';
  }

  /**
   * A process that was not reached goes on serving the entry, from its memory as the generations stand, or from the store where it
   * is still to be deleted; and it may make another entry of it, for all.
   *
   * @param {string} status
   */
  #forgets(status) {
    const { cell, program } = this.#world;
    if (program.processes === 1) return true;
    // Of a black box it means that the other processes are not told, which is judged by what this one reads.
    if (status === 'deferred' && cell.store.isWhole) return false;
    if (cell.store.name !== 'tiers') return true;
    const disturbs = (/** @type {Op} */ op) => op.do === 'pause' || op.do === 'interrupt' || op.do === 'restart';
    const areMessagesSafe = program.faults.messages === 0 || !program.hasForeignBus;
    const isCalm = areMessagesSafe && !program.callers.some(({ ops }) => ops.some(disturbs));
    return this.#fleet.hasBus && isCalm;
  }
}

/**
 * `forget` is strict where no other process computes meanwhile: its callers wait for the reads of other processes, and those for
 * it.
 */
class Exclusion {
  /** By process, how many read. @type {Map<number, Set<Promise<unknown>>>} */
  #reading = new Map();
  /** @type {Promise<unknown>} */
  #alone = Promise.resolve();
  /** @type {number | undefined} */
  #holder;

  /**
   * @param {number} index
   * @param {() => Promise<unknown>} read
   */
  async shared(index, read) {
    while (this.#holder !== undefined && this.#holder !== index) await this.#alone;
    const reading = read();
    const own = this.#reading.get(index) ?? new Set();
    this.#reading.set(index, own.add(reading));
    await reading.finally(() => own.delete(reading));
  }

  /**
   * @template T
   * @param {number} index
   * @param {() => Promise<T>} work
   * @returns {Promise<T>}
   */
  async alone(index, work) {
    while (this.#holder !== undefined) await this.#alone;
    this.#holder = index;
    const done = (async () => {
      await Promise.all([...this.#reading].filter(([other]) => other !== index).flatMap(([, running]) => [...running]));
      return work();
    })();
    this.#alone = done.finally(() => (this.#holder = undefined));
    return done;
  }
}
