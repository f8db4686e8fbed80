/**
 * Calls a cached function as its parent orders, and says what each call cost. The function takes `methodMs`, counts its
 * runs, and returns the row that the parent has set, or throws where the id says so.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';

import { type Cache, type CacheProblem, createCache, type Duration } from 'cachette';

import type { CallReport, Load, Order, Orders, Setup } from './caller.js';

const loadCallers = 10;
const loadPauseMs = 40;

/** One cache, from its opening to its closing. */
class Session {
  readonly cache: Cache;
  readonly #methodMs: number;
  readonly #problems: CacheProblem[] = [];
  readonly #warnings: CacheProblem[] = [];
  /** When it ran, by id. */
  readonly #runs = new Map<string, number[]>();
  readonly #thrown = new Map<string, unknown>();
  row = 'first';
  running = 0;
  /** For the next run. */
  gate: Promise<void> | undefined;
  release = (): void => {};

  constructor(stores: string | readonly string[], setup: Setup) {
    const { deadlineMs, methodMs, listens, behindMs = 0, singleFlight, outageGraceMs } = setup;
    const clock = { now: () => Date.now() - behindMs };
    const options = { namespace: 'failure', deadline: deadlineMs, clock, outageGrace: outageGraceMs as Duration };
    this.cache = createCache(stores as string | string[], options);
    this.#methodMs = methodMs;
    this.cache.on('error', (problem) => this.#problems.push(problem));
    if (listens) this.cache.on('warning', (warning) => this.#warnings.push(warning));
    this.#read = this.cache.wrap('read', (id: string) => this.#load(id), {
      ttl: '10m',
      tags: (id) => [`row:${id}`, 'rows'],
      singleFlight,
    });
  }

  readonly #read: (id: string) => Promise<string>;

  async #load(id: string): Promise<string> {
    const { row: seen, gate } = this;
    this.gate = undefined;
    this.#runs.set(id, [...(this.#runs.get(id) ?? []), performance.now()]);
    this.running += 1;
    await sleep(this.#methodMs);
    await gate;
    this.running -= 1;
    if (!id.startsWith('broken')) return `${id}: ${seen}`;
    const error = new Error('The method itself fails.');
    this.#thrown.set(id, error);
    throw error;
  }

  async call(id: string): Promise<CallReport> {
    const before = this.runsOf(id);
    const start = performance.now();
    const end = (outcome: Pick<CallReport, 'value' | 'threw'>): CallReport => {
      return { ...outcome, ms: performance.now() - start, runs: this.runsOf(id) - before };
    };
    try {
      return end({ value: await this.#read(id) });
    } catch (error) {
      return end({ threw: error === this.#thrown.get(id) ? 'its own error' : inspect(error) });
    }
  }

  async load(ms: number, ids: readonly string[]): Promise<Load> {
    const start = performance.now();
    let [calls, slowestMs] = [0, 0];
    const caller = async (): Promise<void> => {
      while (performance.now() < start + ms) {
        const report = await this.call(ids[Math.floor(Math.random() * ids.length)] as string);
        calls += 1;
        slowestMs = Math.max(slowestMs, report.ms);
        await sleep(Math.random() * loadPauseMs);
      }
    };
    await Promise.all(Array.from({ length: loadCallers }, caller));
    const since = (times: readonly number[]): number[] => times.filter((at) => at >= start).map((at) => at - start);
    return { calls, slowestMs, runsAtMs: Object.fromEntries(ids.map((id) => [id, since(this.#runs.get(id) ?? [])])) };
  }

  told(): { warnings: string[]; problems: string[]; everything: string } {
    const bottom = { depth: 20, showHidden: true, maxStringLength: null, maxArrayLength: null };
    return {
      warnings: this.#warnings.map(({ message }) => message),
      problems: this.#problems.map(({ message }) => message),
      everything: inspect([this.#problems, this.#warnings], bottom),
    };
  }

  runsOf(id: string): number {
    return this.#runs.get(id)?.length ?? 0;
  }
}

// Loading the clients takes time that is not the server's, and blocks the process meanwhile.
await Promise.all([import('@keyv/redis'), import('@keyv/memcache'), import('keyv'), import('cockatiel')]);

let session: Session;
let ownResources: readonly string[] | undefined;

async function inTurn(ids: readonly string[]): Promise<CallReport[]> {
  const reports: CallReport[] = [];
  for (const id of ids) reports.push(await session.call(id));
  return reports;
}

const orders: Orders = {
  open: async (stores, setup) => {
    ownResources ??= process.getActiveResourcesInfo();
    session = new Session(stores, setup);
  },
  inTurn: (...ids) => inTurn(ids),
  atOnce: (...ids) => Promise.all(ids.map((id) => session.call(id))),
  hold: async () => {
    session.gate = new Promise((resolve) => (session.release = resolve));
  },
  release: async () => session.release(),
  load: (ms, ...ids) => session.load(ms, ids),
  runs: async (id) => session.runsOf(id),
  running: async () => session.running,
  set: async (row) => void (session.row = row),
  invalidate: async (...tags) => {
    const start = performance.now();
    const { status } = await session.cache.invalidate(...tags);
    return { status, ms: performance.now() - start };
  },
  told: async () => session.told(),
  close: async () => {
    const start = performance.now();
    await session.cache.close();
    return { ms: performance.now() - start };
  },
  resources: async () => {
    const resources = process.getActiveResourcesInfo();
    for (const own of ownResources ?? []) if (resources.includes(own)) resources.splice(resources.indexOf(own), 1);
    return resources;
  },
};

process.on('message', ({ id, order, args }: Order) => {
  if (order === 'leave') return process.disconnect();
  const carryOut = orders[order] as (...given: unknown[]) => Promise<unknown>;
  void carryOut(...args).then((result) => process.send?.({ id, result }));
});

process.once('SIGTERM', () => {
  void session.cache.close().then(() => process.disconnect());
});
