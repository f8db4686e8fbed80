/** Readers and writers for some seconds. Every read is checked, and some are compared with the database. */

import { setImmediate, setTimeout } from 'node:timers/promises';
import type { Cache } from 'cachette';
import { Checks, type Read } from './checks.js';
import type { Cities } from './cities.js';
import type { Place } from './database.js';
import { Gate } from './gate.js';
import { Latency } from './latency.js';
import { type Random, randomFrom, zipf } from './zipf.js';

export interface Plan {
  readonly cache: Pick<Cache, 'bypass' | 'enabled'>;
  readonly cities: Cities;
  /** What is read and written; the first are asked for most. */
  readonly places: readonly Place[];
  readonly readers: number;
  readonly seconds: number;
  /** Where it is not 0, other reads and writes than elsewhere. */
  readonly seed?: number;
  /** Those that know of other processes' writes. */
  readonly checks?: Checks;
  /** Resolves when no other process writes any more. */
  readonly standstill?: () => Promise<void>;
  /** Happens during the run, which does not end before. */
  readonly incident?: () => Promise<void>;
  /** Who writes, or compares with the database, passes here; who reads does not. */
  readonly gate?: Gate;
  /** Failures of reads are counted. Without it, the first one ends the run. */
  readonly countsFailures?: boolean;
}

export type Method = 'find' | 'largest' | 'search';

export interface Report {
  readonly seconds: number;
  readonly reads: number;
  readonly writes: number;
  readonly compared: number;
  readonly stale: number;
  /** How many reads failed. */
  readonly failed: Readonly<Record<Method, number>>;
  /** The time of each read that gave something. */
  readonly latency: Readonly<Record<Method, Latency>>;
}

interface AnyRead {
  readonly method: Method;
  readonly read: Read;
}

const writers = 2;
const pauseOfWriterMs = 20;
const pauseOfComparerMs = 5;

export async function runWorkload(plan: Plan): Promise<Report> {
  const workload = new Workload(plan);
  await workload.run();
  return workload.report();
}

class Workload {
  readonly #plan: Plan;
  readonly #checks: Checks;
  readonly #latency = { find: new Latency(), largest: new Latency(), search: new Latency() };
  readonly #failed = { find: 0, largest: 0, search: 0 };
  readonly #gate: Gate;
  readonly #anyPlace: (random: Random) => Place;
  readonly #anyCountry: (random: Random) => string;
  #isIncidentOver = true;
  #startedAt = 0;
  #seconds = 0;

  constructor(plan: Plan) {
    this.#plan = plan;
    this.#checks = plan.checks ?? new Checks();
    this.#gate = plan.gate ?? new Gate();
    this.#anyPlace = zipf(plan.places);
    this.#anyCountry = zipf([...new Set(plan.places.map(({ country }) => country))]);
  }

  async run(): Promise<void> {
    const { readers, seed = 0, standstill } = this.#plan;
    this.#startedAt = performance.now();
    const tasks = [
      this.#goThroughIncident(),
      ...Array.from({ length: readers }, (_, n) => this.#keepReading(randomFrom(seed + n))),
      ...Array.from({ length: writers }, (_, n) => this.#keepWriting(randomFrom(seed + readers + n))),
      this.#keepComparing(randomFrom(seed + readers + writers)),
    ];
    await Promise.all(tasks);
    this.#seconds = this.#elapsed;
    await standstill?.();
    await this.#compareWritten();
  }

  report(): Report {
    const { checked, compared, stale, writes } = this.#checks;
    const [seconds, failed, latency] = [this.#seconds, this.#failed, this.#latency];
    return { seconds, reads: checked, writes, compared, stale, failed, latency };
  }

  async #goThroughIncident(): Promise<void> {
    this.#isIncidentOver = false;
    await this.#plan.incident?.();
    this.#isIncidentOver = true;
  }

  async #keepReading(random: Random): Promise<void> {
    while (this.#isRunning) {
      await this.#read(this.#anyRead(random));
      // Each request to a server comes by itself; between two of them others have their turn.
      await setImmediate();
    }
  }

  async #read({ method, read }: AnyRead): Promise<void> {
    const check = this.#checks.beforeRead();
    const startedAt = performance.now();
    try {
      const seen = await read();
      this.#latency[method].record(Math.ceil((performance.now() - startedAt) * 1e6));
      check(seen);
    } catch (error) {
      if (!this.#plan.countsFailures) throw error;
      this.#failed[method]++;
    }
  }

  async #keepWriting(random: Random): Promise<void> {
    const { cities } = this.#plan;
    for (let count = 1; this.#isRunning; count++) {
      const { id, name, population } = this.#anyPlace(random);
      const newPopulation = Math.round(population * (0.5 + random()));
      const write = () => (count % 2 ? cities.rename(id, `${name} ${count}`) : cities.setPopulation(id, newPopulation));
      await this.#gate.pass(() => this.#checks.write(write));
      await setTimeout(pauseOfWriterMs);
    }
  }

  async #keepComparing(random: Random): Promise<void> {
    while (this.#isRunning) {
      const { method, read } = this.#anyRead(random);
      // A search may miss a new name for ten seconds, as it says; that its rows are current is checked at each read.
      if (method !== 'search') await this.#gate.pass(() => this.#compare(read));
      await setTimeout(pauseOfComparerMs);
    }
  }

  /** When nobody writes any more, everything that was written must show. */
  async #compareWritten(): Promise<void> {
    const { cities, places } = this.#plan;
    const written = new Set(this.#checks.writtenIds);
    const countries = new Set(places.filter(({ id }) => written.has(id)).map(({ country }) => country));
    await Promise.all([
      ...[...written].map((id) => this.#compare(() => cities.find(id))),
      ...[...countries].map((country) => this.#compare(() => cities.largest(country))),
    ]);
  }

  /** With the cache off there is nothing to compare. */
  async #compare(read: Read): Promise<void> {
    const { cache } = this.#plan;
    if (cache.enabled) await this.#checks.compare(read, () => cache.bypass(read));
  }

  #anyRead(random: Random): AnyRead {
    const { cities } = this.#plan;
    const { id, name } = this.#anyPlace(random);
    const country = this.#anyCountry(random);
    const dice = random();
    if (dice < 0.8) return { method: 'find', read: () => cities.find(id) };
    if (dice < 0.95) return { method: 'largest', read: () => cities.largest(country) };
    return { method: 'search', read: () => cities.search(name.slice(0, 3)) };
  }

  get #elapsed(): number {
    return (performance.now() - this.#startedAt) / 1000;
  }

  get #isRunning(): boolean {
    return this.#elapsed < this.#plan.seconds || !this.#isIncidentOver;
  }
}
