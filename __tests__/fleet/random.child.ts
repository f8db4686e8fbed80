/**
 * Reads and writes rows at random through a cache. A read is stale if its row is older than one whose invalidation had
 * returned `done` before the read began, in whichever process.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Cache, createCache } from 'cachette';

import type { End, Order, Told, Work } from './random.js';
import { Truth } from './truth.js';

interface Row {
  readonly row: number;
  readonly version: number;
}

/** So many reads in a row, then a rest. */
const readsAtOnce = 8;
const loadTakesMs = 5;
/** A fleet that trusts nothing by then does not wait for it. */
const readyWithinMs = 5_000;

const random = (below: number): number => Math.floor(Math.random() * below);
const tell = (message: Told): void => void process.send?.(message);

const noEnd = () => ({
  reads: 0,
  withoutIo: 0,
  writes: 0,
  deferred: 0,
  slowestReadMs: 0,
  invalidatedMs: [] as number[],
  stale: [] as string[],
});

class Member {
  readonly cache: Cache;
  readonly #work: Work;
  readonly #truth: Truth;
  readonly #writer: number;
  readonly #reads: readonly ((row: number) => Promise<readonly Row[]>)[];
  readonly #written = new Map<number, (version: number) => void>();
  #end = noEnd();
  #questions = 0;

  constructor(work: Work, truth: Truth, writer: number) {
    const { stores, behindMs = 0, deadlineMs = 2_000, outageGraceMs = 0 } = work;
    const clock = { now: () => Date.now() - behindMs };
    const outageGrace = outageGraceMs === 0 ? 0 : outageGraceMs;
    this.cache = createCache(stores as string | string[], {
      namespace: 'random',
      deadline: deadlineMs,
      outageGrace,
      clock,
    });
    this.#work = work;
    this.#truth = truth;
    this.#writer = writer;
    this.#reads = this.#readers();
  }

  /** Each kind of tag: told by the arguments, by cached calls inside, by the result. */
  #readers() {
    const load = (row: number): Promise<Row> => this.#load(row);
    const one = this.cache.wrap('one', load, { ttl: '10s', tags: (row) => `row:${row}` });
    const page = this.cache.wrap('page', async (row: number) => [await one(row), await one(row + 1)], { ttl: '10s' });
    const list = this.cache.wrap('list', (row: number) => Promise.all([load(row), load(row + 1)]), {
      ttl: '10s',
      resultTags: (rows) => rows.map(({ row: each }) => `row:${each}`),
    });
    return [async (row: number) => [await one(row)], page, list];
  }

  /** The row may change while it is on its way. */
  async #load(row: number): Promise<Row> {
    const version = this.#truth.version(row);
    await sleep(random(loadTakesMs));
    return { row, version };
  }

  /** Resolves when memory answers, where there is any. */
  async warmUp(): Promise<void> {
    const hasTrust = [this.#work.stores].flat().length > 1 && /redis/.test(String(this.#work.stores));
    const end = performance.now() + (hasTrust ? readyWithinMs : 0);
    do {
      await this.#read(this.#work.rows - 1);
      await sleep(20);
    } while (this.#end.withoutIo === 0 && performance.now() < end);
    Object.assign(this.#end, { reads: 0, withoutIo: 0, slowestReadMs: 0 });
  }

  async run(seconds: number): Promise<End> {
    this.#end = noEnd();
    const before = this.cache.stats().hits;
    const end = performance.now() + seconds * 1_000;
    await Promise.all(Array.from({ length: this.#work.callers }, () => this.#call(end)));
    return { ...this.#end, hits: this.cache.stats().hits - before };
  }

  async block(ms: number): Promise<void> {
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
    await Promise.all(Array.from({ length: this.#work.rows }, (_, row) => this.#read(row)));
  }

  written(id: number, version: number): void {
    this.#written.get(id)?.(version);
    this.#written.delete(id);
  }

  async #call(end: number): Promise<void> {
    const { rows, pauseMs, readsPerWrite = 10 } = this.#work;
    for (let calls = 1; performance.now() < end; calls++) {
      await (random(readsPerWrite) === 0 ? this.#write(random(rows)) : this.#read(random(rows)));
      if (pauseMs !== undefined && calls % readsAtOnce === 0) await sleep(random(pauseMs));
    }
  }

  async #read(row: number): Promise<void> {
    const kind = random(this.#reads.length);
    const floors = [this.#truth.floor(row), this.#truth.floor(row + 1)];
    const startedAt = performance.now();
    const reading = this.#reads[kind]!(row);
    let isAnswered = false;
    const end = (): void => void (isAnswered = true);
    reading.then(end, end);
    // Comes after all that promises alone bring about, and before anything is received.
    process.nextTick(() => (this.#end.withoutIo += Number(isAnswered)));
    for (const { row: each, version } of await reading) {
      const floor = floors[each - row] ?? 0;
      if (version < floor) this.#end.stale.push(`row ${each} by reader ${kind}: ${version}, and ${floor} was there`);
    }
    this.#end.slowestReadMs = Math.max(this.#end.slowestReadMs, performance.now() - startedAt);
    this.#end.reads += 1;
  }

  async #write(row: number): Promise<void> {
    const id = ++this.#questions;
    tell({ kind: 'write', id, row });
    const version = await new Promise<number>((resolve) => this.#written.set(id, resolve));
    const startedAt = performance.now();
    const { status } = await this.cache.invalidate(`row:${row}`);
    if (status === 'done') {
      this.#truth.raise(row, this.#writer, version);
      this.#end.invalidatedMs.push(performance.now() - startedAt);
    } else this.#end.deferred += 1;
    this.#end.writes += 1;
  }
}

let member: Member;

async function carryOut(order: Order): Promise<void> {
  if (order.kind === 'written') return member.written(order.id, order.version);
  if (order.kind === 'block') return member.block(order.ms);
  if (order.kind === 'open') {
    const { work, truth, writer, writers } = order;
    member = new Member(work, new Truth(truth, writers), writer);
    await member.warmUp();
    return tell({ kind: 'ready' });
  }
  tell({ kind: 'end', ...(await member.run(order.seconds)) });
}

process.on('message', (order: Order) => void carryOut(order));
