/** The city catalogue under load, without the cache and then with it: `npm start`. */

import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Cache, createCache, setDefaultCache } from 'cachette';
import { Presets, SingleBar } from 'cli-progress';
import { Cities } from './cities.js';
import { DatabaseThread } from './database-thread.js';
import { places } from './database.js';
import { count, methodTable, summary } from './table.js';
import { type Plan, type Report, runWorkload } from './workload.js';

const help = `A city catalogue over PostgreSQL: some seconds of reads and writes without the cache, then with it.
No read may show a row that is older than a write which had returned before the read began; each is checked
for that. Some are also compared whole with the database, as a row that is missing has no age, and in the end
everything that was written is. The exit code is 1 if one of them was stale.

  npm start -- [options]

  --store URI    where the cache keeps its entries (default memory://), such as redis://localhost:6379
                 or memcached://localhost:11211
  --seconds N    how long the run with the cache takes; the one without takes half as long (default 5)
  --readers N    how many read at the same time (default 20)
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
}

function readArguments(): Wanted | undefined {
  const { values } = parseArgs({
    options: {
      store: { type: 'string', default: 'memory://' },
      seconds: { type: 'string', default: '5' },
      readers: { type: 'string', default: '20' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return undefined;
  const [seconds, readers] = [positive('--seconds', values.seconds), positive('--readers', values.readers)];
  return { store: values.store, seconds, readers: Math.ceil(readers) };
}

function positive(option: string, text: string): number {
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw Object.assign(new RangeError(`${option}: '${text}' is not above 0; write a number such as 5.`), {
    code: 'ERR_PARSE_ARGS_NUMBER',
  });
}

/** `createCache` finds what is wrong with the store, `parseArgs` with the rest; their messages are made to be shown. */
function isMistakeOfTheUser(error: unknown): error is Error {
  const code = error instanceof Error && 'code' in error ? String(error.code) : '';
  return code === 'CACHE_CONFIG' || code.startsWith('ERR_PARSE_ARGS');
}

async function run({ store, seconds, readers }: Wanted): Promise<void> {
  // The database is a new one: what an earlier run has left in the store does not belong to it.
  const cache = createCache(store, { namespace: `cities-${randomUUID().slice(0, 8)}` });
  setDefaultCache(cache);
  tellProblems(cache);

  process.stdout.write(`Filling PostgreSQL with ${count(places.length)} cities … `);
  const startedAt = performance.now();
  const database = new DatabaseThread();
  await database.query('SELECT 1');
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s`);

  const plan = { cache, cities: new Cities(database), places, readers };
  cache.enabled = false;
  // The first queries are slow, as PGlite is still being compiled by then; they are nobody's fault and count for nobody.
  await runWithBar('warming up', { ...plan, seconds: 1 });
  const without = await runWithBar('without the cache', { ...plan, seconds: seconds / 2 });
  cache.enabled = true;
  const cached = await runWithBar('with the cache', { ...plan, seconds });

  const results = { without, cached, stats: cache.stats() };
  console.log(`${methodTable(results)}\n${summary(results)}`);
  if (without.stale + cached.stale > 0) process.exitCode = 1;
  await cache.close();
  await database.close();
}

/** Without its store the catalogue is merely slow; whoever looks at the table should know why. */
function tellProblems(cache: Cache): void {
  const told = new Set<string>();
  cache.on('error', ({ code, message }) => {
    if (!told.has(code)) console.error(message);
    told.add(code);
  });
}

/** The bar shows the time, and nothing where the output is no terminal. */
async function runWithBar(name: string, plan: Plan): Promise<Report> {
  const format = `${name.padEnd(17)} {bar} {percentage} %`;
  const bar = new SingleBar({ format, stream: process.stdout }, Presets.shades_classic);
  bar.start(plan.seconds, 0);
  const timer = setInterval(() => bar.increment(0.1), 100);
  const report = await runWorkload(plan).finally(() => clearInterval(timer));
  bar.update(plan.seconds);
  bar.stop();
  return report;
}
