/** The database is stopped in the middle of a run, while everybody goes on reading. */

import { setTimeout } from 'node:timers/promises';
import { type CachePolicy, createCache, type CacheStats, setDefaultCache } from 'cachette';
import { Cities } from './cities.js';
import type { DatabaseThread } from './database-thread.js';
import type { Place } from './database.js';
import { Gate } from './gate.js';
import { type Report, runWorkload } from './workload.js';

/** What was never read cannot be served, so these many of the largest cities are all that is read and written. */
export const popular = 100;

/** Entries are over after so long, that all of them expire during the outage; a method's own `ttl` may be longer. */
const maxLifetime = '400ms';

/** Much longer than the outage. */
export const staleIfError = '5m';

export interface OutageOptions {
  readonly store: string;
  readonly namespace: string;
  readonly database: DatabaseThread;
  readonly places: readonly Place[];
  readonly readers: number;
  /** How long the whole run takes. The database is stopped for half of it. */
  readonly seconds: number;
  readonly onProblem: (message: string) => void;
}

export interface OutageReport {
  readonly report: Report;
  readonly stats: CacheStats;
  /** How long nobody could ask the database. */
  readonly secondsDown: number;
}

/** The catalogue is the same with and without `policy`, which holds for all of its methods. */
export async function runWithOutage(options: OutageOptions, policy: CachePolicy): Promise<OutageReport> {
  const { store, namespace, database, readers, seconds } = options;
  const cache = createCache(store, { namespace, defaults: { maxLifetime, ...policy } });
  cache.on('error', ({ code, message }) => {
    if (code !== 'stale-if-error') options.onProblem(message);
  });
  setDefaultCache(cache);
  const places = options.places.slice(0, popular);
  const cities = new Cities(database);
  const gate = new Gate();
  let secondsDown = 0;
  const incident = async (): Promise<void> => {
    secondsDown = await goThrough({ ...options, places, cities, gate });
  };
  const report = await runWorkload({ cache, cities, places, readers, seconds, gate, incident, countsFailures: true });
  const stats = cache.stats();
  await cache.close();
  return { report, stats, secondsDown };
}

interface Course extends OutageOptions {
  readonly cities: Cities;
  readonly gate: Gate;
}

/** Writers wait meanwhile, as there is nothing to write to. What they had invalidated is read once more before. */
async function goThrough({ database, places, cities, gate, seconds }: Course): Promise<number> {
  await setTimeout(seconds * 250);
  await gate.close();
  await readAll(cities, places);
  const stoppedAt = performance.now();
  await database.stop();
  await setTimeout(seconds * 500);
  await database.start();
  gate.open();
  return (performance.now() - stoppedAt) / 1000;
}

async function readAll(cities: Cities, places: readonly Place[]): Promise<void> {
  const countries = new Set(places.map(({ country }) => country));
  const beginnings = new Set(places.map(({ name }) => name.slice(0, 3)));
  await Promise.all([
    ...places.map(({ id }) => cities.find(id)),
    ...[...countries].map((country) => cities.largest(country)),
    ...[...beginnings].map((beginning) => cities.search(beginning)),
  ]);
}
