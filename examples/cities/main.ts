/** The city catalogue under load, without the cache and then with it: `npm start`. */

import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { type Cache, createCache, setDefaultCache } from 'cachette';
import { Presets, SingleBar } from 'cli-progress';
import { Cities } from './cities.js';
import { DatabaseThread } from './database-thread.js';
import { places } from './database.js';
import { changePastTheCache } from './feed.js';
import { Fleet } from './fleet.js';
import { popular, runWithOutage, staleIfError } from './outage.js';
import {
  count,
  failures,
  findingLines,
  methodTable,
  outageSummary,
  outageTable,
  type Results,
  summary,
} from './table.js';
import { runWorkload } from './workload.js';

const help = `A city catalogue over PostgreSQL: some seconds of reads and writes without the cache, then with it.
No read may show a row that is older than a write which had returned before the read began; each is checked
for that. Some are also compared whole with the database, as a row that is missing has no age, and in the end
everything that was written is. The exit code is 1 if one of them was stale. At last, in one process, some rows
are changed by plain SQL, past the catalogue: the database tells the cache of them. Then follows what the
cache would change about itself.

  npm start -- [options]

  --store URI    where the cache keeps its entries (default memory://), such as redis://localhost:6379
                 or memcached://localhost:11211
  --seconds N    how long the run with the cache takes; the one without takes half as long (default 5, and 60
                 with --inspect)
  --readers N    how many read at the same time, in each process (default 20)
  --processes N  how many processes share the store, each with memory in front of it (default 1); the database
                 is one, and each read is checked against what all of them have written
  --inspect      shows the cache as a page while it runs, on an address of this machine that is printed;
                 with --processes it shows all of them. On a terminal it stays until Enter is pressed
  --outage       stops the database in the middle of two runs with the cache, each of N seconds, for half of the
                 time or a little longer: first with the cache as it is, then with staleIfError. Readers go on,
                 writers wait. Entries live for less than a second here, so all of them expire meanwhile; only the
                 ${popular} largest cities are used, each of which is read once before, as what was never read cannot be
                 served. The exit code is 1 if a call failed with staleIfError, or a read was stale: what was
                 invalidated is not served, whatever has failed. For one process
  --help         prints this`;

try {
  const wanted = readArguments();
  if (wanted) await run(wanted);
  else console.log(help);
} catch (error) {
  if (!isMistakeOfTheUser(error)) throw error;
  console.error(error.message.replaceAll('\n', ' '));
  process.exitCode = 1;
}

interface Wanted {
  readonly store: string;
  readonly seconds: number;
  readonly readers: number;
  readonly processes: number;
  readonly outage: boolean;
  readonly inspect: boolean;
}

function readArguments(): Wanted | undefined {
  const { values } = parseArgs({
    options: {
      store: { type: 'string', default: 'memory://' },
      seconds: { type: 'string' },
      readers: { type: 'string', default: '20' },
      processes: { type: 'string', default: '1' },
      outage: { type: 'boolean', default: false },
      inspect: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const seconds = positive('--seconds', values.seconds ?? (values.inspect ? '60' : '5'));
  const readers = positive('--readers', values.readers);
  const processes = Math.ceil(positive('--processes', values.processes));
  const { store, outage, inspect } = values;
  if (outage && inspect) throw mistake('--outage has a cache of its own for each run; leave out --inspect.');
  if (processes > 1 && outage) throw mistake('--outage is for one process; leave out one of the two options.');
  if (processes > 1 && store.startsWith('memory:')) throw mistake(nothingShared(processes));
  return { store, seconds, readers: Math.ceil(readers), processes, outage, inspect };
}

function nothingShared(processes: number): string {
  return (
    `--processes ${processes}: with memory:// alone each process would have a memory of its own, ` +
    'and hear of no write in another; add --store redis://localhost:6379.'
  );
}

function mistake(message: string): Error {
  return Object.assign(new RangeError(message), { code: 'ERR_PARSE_ARGS_NUMBER' });
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw mistake(`${option}: '${text}' is not above 0; write a number such as 5.`);
}

/** `createCache` finds what is wrong with the store, `parseArgs` with the rest; their messages are made to be shown. */
function isMistakeOfTheUser(error: unknown): error is Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'CACHE_CONFIG' || code.startsWith('ERR_PARSE_ARGS');
}

async function run({ store, seconds, readers, processes, outage, inspect }: Wanted): Promise<void> {
  // The database is a new one: what an earlier run has left in the store does not belong to it.
  const namespace = `cities-${randomUUID().slice(0, 8)}`;
  if (outage) return throughOutages({ store, seconds, readers, namespace });
  const runs = processes > 1 ? inProcesses : inThisProcess;
  const { results, end } = await runs({ store, seconds, readers, processes, inspect, namespace });
  console.log(`${methodTable(results)}\n${summary(results)}\n${findingLines(results.audits)}`);
  if (results.without.stale + results.cached.stale > 0) process.exitCode = 1;
  if (inspect && process.stdin.isTTY && process.stdout.isTTY) await untilEnter();
  await end();
}

/** What came of a run, with what is still open. */
interface Ran {
  readonly results: Results;
  readonly end: () => Promise<unknown>;
}

async function untilEnter(): Promise<void> {
  console.log('The page stays until you press Enter.');
  process.stdin.resume();
  await once(process.stdin, 'data');
  process.stdin.pause();
}

type Run = Omit<Wanted, 'outage'> & { readonly namespace: string };

async function throughOutages({
  store,
  seconds,
  readers,
  namespace,
}: Omit<Run, 'processes' | 'inspect'>): Promise<void> {
  // Says what is wrong with the store before there is a database.
  await createCache(store, { namespace }).close();
  const database = await filledDatabase(popular);
  const runs = { store, database, places, readers, seconds, onProblem: problemTeller() };
  const bare = await withBar('as it is', seconds, () => runWithOutage({ ...runs, namespace: `${namespace}-1` }, {}));
  const covered = await withBar('with staleIfError', seconds, () =>
    runWithOutage({ ...runs, namespace: `${namespace}-2` }, { staleIfError }),
  );
  await database.close();
  const results = { bare, covered, staleIfError };
  console.log(`${outageTable(results)}\n${outageSummary(results)}`);
  if (failures(covered) + bare.report.stale + covered.report.stale > 0) process.exitCode = 1;
}

/** The cache as a page; gives what closes it. */
async function opened(cache: Cache): Promise<() => Promise<void>> {
  const { createInspector } = await import('cachette/inspector');
  const page = await createInspector(cache).listen();
  console.log(`The cache as a page: ${page.url}`);
  return () => page.close();
}

async function nothing(): Promise<void> {}

async function inThisProcess({ store, seconds, readers, inspect, namespace }: Run): Promise<Ran> {
  const cache = createCache(store, { namespace });
  setDefaultCache(cache);
  const tellOnce = problemTeller();
  cache.on('error', ({ message }) => tellOnce(message));
  const database = await filledDatabase();

  const plan = { cache, cities: new Cities(database), places, readers };
  cache.enabled = false;
  // The first queries are slow, as PGlite is still being compiled by then; they are nobody's fault and count for nobody.
  await withBar('warming up', 1, () => runWorkload({ ...plan, seconds: 1 }));
  const without = await withBar('without the cache', seconds / 2, () => runWorkload({ ...plan, seconds: seconds / 2 }));
  cache.enabled = true;
  const closePage = inspect ? await opened(cache) : nothing;
  const cached = await withBar('with the cache', seconds, () => runWorkload({ ...plan, seconds }));

  const [stats, audits] = [cache.stats(), [cache.audit()]];
  const changes = await changePastTheCache({ cache, cities: plan.cities, database, places });
  const end = async (): Promise<void> => {
    await closePage();
    await cache.close();
    await database.close();
  };
  return { results: { without, cached, stats, audits, changes }, end };
}

async function inProcesses({ store, seconds, readers, processes, inspect, namespace }: Run): Promise<Ran> {
  const stores = ['memory://', store];
  // Says here what is wrong with the store, before there are processes that would all say it.
  const cache = createCache(stores, { namespace });
  // Only who shows the page takes part: others would wait for its answers for nothing.
  if (!inspect) await cache.close();
  const database = await filledDatabase();
  const fleet = new Fleet({ stores, namespace, readers, processes, database, onProblem: problemTeller() });
  await fleet.open();

  await withBar('warming up', 1, () => fleet.run(1, false));
  const without = await withBar('without the cache', seconds / 2, () => fleet.run(seconds / 2, false));
  const closePage = inspect ? await opened(cache) : nothing;
  const { report, stats, audits } = await withBar('with the cache', seconds, () => fleet.run(seconds, true));

  const end = async (): Promise<void> => {
    await closePage();
    await fleet.close();
    await cache.close();
    await database.close();
  };
  return { results: { without: without.report, cached: report, stats, audits, processes }, end };
}

async function filledDatabase(rows = places.length): Promise<DatabaseThread> {
  process.stdout.write(`Filling PostgreSQL with ${count(rows)} cities … `);
  const startedAt = performance.now();
  const database = new DatabaseThread(rows);
  await database.query('SELECT 1');
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  return database;
}

/** Without its store the catalogue is merely slow; whoever looks at the table should know why. */
function problemTeller(): (message: string) => void {
  const told = new Set<string>();
  return (message) => {
    const kind = message.split(':', 2).join(':');
    if (!told.has(kind)) console.error(message);
    told.add(kind);
  };
}

/** The bar shows the time, and nothing where the output is no terminal. */
async function withBar<T>(name: string, seconds: number, work: () => Promise<T>): Promise<T> {
  const format = `${name.padEnd(17)} {bar} {percentage} %`;
  const bar = new SingleBar({ format, stream: process.stdout }, Presets.shades_classic);
  bar.start(seconds, 0);
  const timer = setInterval(() => bar.increment(0.1), 100);
  const result = await work().finally(() => clearInterval(timer));
  bar.update(seconds);
  bar.stop();
  return result;
}
