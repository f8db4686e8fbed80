/** What `audit()` predicts for other ttls and sizes, held against the real cache that gets the same calls with these settings. */

import Keyv from 'keyv';
import { type Audit, type Cache, type CachedOptions, createCache, type MethodAudit } from 'cachette';
import { seeded, zipf } from '../support/random.js';

/** Time passes, then a key is read, or its tag is invalidated. */
interface Step {
  readonly after: number;
  readonly id: number;
  readonly isWrite?: boolean;
}

type Options = CachedOptions<unknown, (id: number) => Promise<unknown>>;

interface Row {
  readonly name: string;
  /** The URI of memory; undefined: none. */
  readonly memory?: string;
  readonly options: Options;
  readonly trace: (seed: number) => Step[];
  readonly processes?: number;
  /** Memory in front of a store. */
  readonly isBehind?: boolean;
  readonly method?: 'wrap' | 'getOrLoad' | 'many';
  readonly load?: (id: number, run: number) => unknown;
}

interface Ran {
  readonly audit: Audit;
  readonly hitRate: number;
  readonly inMemory: number;
}

type Change = { readonly ttlMs?: number | undefined; readonly uri?: string };

/** Runs the trace; with several processes each step is that of one at random. */
async function run(row: Row, change: Change = {}): Promise<Ran> {
  const { processes = 1, options, isBehind = processes > 1, trace } = row;
  let time = 1_000_000;
  const shared = new Keyv({ store: new Map() });
  const uri = change.uri ?? row.memory ?? 'memory://';
  const readers = Array.from({ length: processes }, () => {
    const settings = { clock: { now: () => time }, statistics: true };
    const cache = isBehind
      ? createCache([uri, shared], { ...settings, maxStaleness: '1d' })
      : createCache(uri, settings);
    const ttl = 'ttlMs' in change ? { ttl: change.ttlMs as number } : {};
    return { cache, read: reader(cache, row, { ...options, ...ttl }) };
  });
  const pick = seeded(99);
  for (const { after, id, isWrite } of trace(5)) {
    time += after;
    const { cache, read } = readers[Math.floor(pick() * processes)] as (typeof readers)[number];
    if (isWrite) await cache.invalidate(`tag:${id}`);
    else await read(id).catch(() => {});
    if (options.staleWhileRevalidate !== undefined || options.refreshAhead !== undefined)
      await new Promise((resolve) => setImmediate(resolve));
  }
  const { cache } = readers[0] as (typeof readers)[number];
  const { hits, misses, stale, hitsByTier } = cache.stats();
  const calls = hits + misses + stale;
  const ran = { audit: cache.audit(), hitRate: hits / calls, inMemory: hitsByTier.memory / calls };
  for (const each of readers) await each.cache.close();
  return ran;
}

function reader(
  cache: Cache,
  { method, load = (id) => ({ id }) }: Row,
  options: Options,
): (id: number) => Promise<unknown> {
  const runs = new Map<number, number>();
  const once = async (id: number): Promise<unknown> => {
    const runsOfId = runs.get(id) ?? 0;
    runs.set(id, runsOfId + 1);
    return load(id, runsOfId);
  };
  if (method === 'getOrLoad') return (id) => cache.getOrLoad(['read', id], () => once(id), options as never);
  if (method !== 'many') return cache.wrap('read', once, options);
  class Items {
    @cache.CachedMany(options)
    async read(ids: readonly number[]): Promise<unknown[]> {
      return Promise.all(ids.map((id) => once(id)));
    }
  }
  const items = new Items();
  return (id) => items.read([id, id + 1, id + 2] as never);
}

function methodOf({ audit }: Ran): MethodAudit {
  return Object.values(audit.methods)[0] as MethodAudit;
}

/** The mean absolute error of what is predicted, and the largest one. */
async function errorsOf(row: Row): Promise<{ mean: number; shown: string }> {
  const first = await run(row);
  const { byTtl, bySize, hitRate, expectedHitRate } = methodOf(first);
  const errors = [Math.abs(expectedHitRate - hitRate)];
  const shown = [`now ${expectedHitRate.toFixed(3)}/${hitRate.toFixed(3)}`];
  const note = (what: string, predicted: number, real: number): void => {
    errors.push(Math.abs(predicted - real));
    shown.push(`${what} ${predicted.toFixed(3)}/${real.toFixed(3)}`);
  };
  const told = byTtl.filter(({ ttlMs = 0 }) => ttlMs <= first.audit.spanMs);
  const step = (row.processes ?? 1) > 1 || first.audit.sampled < 1 ? 3 : 2;
  for (const { ttlMs, hitRate: predicted } of told.filter((_, i) => i % step === 1))
    note(`ttl ${ttlMs}`, predicted, (await run(row, { ttlMs })).hitRate);
  const { isBehind = (row.processes ?? 1) > 1 } = row;
  for (const { maxEntries, maxSize, hitRate: predicted } of bySize.slice(0, -1).filter((_, i) => i % 4 === 1)) {
    const bound = maxSize === undefined ? `maxEntries=${maxEntries}` : `maxSize=${maxSize}`;
    const uri = `memory://?${bound}${row.memory?.includes('ttl=') ? '&ttl=2s' : ''}`;
    const real = await run(row, { uri });
    note(`size ${maxSize ?? maxEntries}`, predicted, isBehind ? real.inMemory : real.hitRate);
  }
  return { mean: errors.reduce((sum, error) => sum + error, 0) / errors.length, shown: shown.join('  ') };
}

/** Popular keys, one call each 20 ms or so; now and then a write. */
function popular({ keys = 800, calls = 2_500, everyMs = 20, writes = 0, skew = 0.9 } = {}) {
  return (seed: number): Step[] => {
    const [random, draw] = [seeded(seed), zipf(seeded(seed + 1), keys, skew)];
    return Array.from({ length: calls }, () => ({
      after: Math.floor(random() * 2 * everyMs),
      id: draw(),
      isWrite: random() < writes,
    }));
  };
}

function withHotKey(part: number, hot: number) {
  return (seed: number): Step[] => {
    const random = seeded(seed);
    return Array.from({ length: 30_000 }, () => ({
      after: 4,
      id: random() < part ? hot : Math.floor(random() * 12_000),
    }));
  };
}

const plain: Options = { ttl: 5_000 };
const small = 'memory://?maxEntries=300';

const rows: Row[] = [
  { name: 'a ttl', memory: small, options: plain, trace: popular() },
  { name: 'tags', memory: small, options: { ...plain, tags: (id) => `tag:${id}` }, trace: popular({ writes: 0.05 }) },
  { name: 'sliding', memory: small, options: { ...plain, sliding: true, maxLifetime: 20_000 }, trace: popular() },
  { name: 'jitter', memory: small, options: { ...plain, jitter: 0.8 }, trace: popular() },
  {
    name: 'staleWhileRevalidate',
    memory: small,
    options: { ...plain, staleWhileRevalidate: 10_000 },
    trace: popular(),
  },
  { name: 'refreshAhead', memory: small, options: { ...plain, refreshAhead: 0.5 }, trace: popular() },
  {
    name: 'storeWhen',
    memory: small,
    options: { ...plain, storeWhen: (value) => (value as { id: number }).id % 3 > 0 },
    trace: popular(),
  },
  {
    name: 'a method that fails for some',
    memory: small,
    options: plain,
    trace: popular(),
    load: (id) => {
      if (id % 3 === 0) throw new Error('no such row');
      return { id };
    },
  },
  {
    name: 'a method that fails now and then',
    memory: small,
    options: plain,
    trace: popular(),
    load: (id, runs) => {
      if ((id + runs) % 2 === 0) throw new Error('overloaded');
      return { id };
    },
  },
  {
    name: 'a ttl that a function tells',
    memory: small,
    options: { ttl: (value) => ((value as { id: number }).id % 2 ? 2_000 : 20_000) },
    trace: popular(),
  },
  { name: 'getOrLoad', memory: small, options: plain, trace: popular(), method: 'getOrLoad' },
  { name: 'many at a time', memory: small, options: plain, trace: popular(), method: 'many' },
  { name: 'a ttl in the URI of memory', memory: 'memory://?ttl=2s', options: plain, trace: popular() },
  { name: 'memory in front of a store', memory: small, options: plain, trace: popular(), isBehind: true },
  {
    name: 'maxSize, values of one size',
    memory: 'memory://?maxSize=300kb',
    options: { ttl: 30_000 },
    trace: popular({ skew: 0.5 }),
    load: (id) => ({ id, text: 'x'.repeat(1_000) }),
  },
  {
    name: 'maxSize, small and large values',
    memory: 'memory://?maxSize=2mb',
    options: { ttl: 30_000 },
    trace: popular({ skew: 0.5 }),
    load: (id) => ({ id, text: 'x'.repeat(id % 5 === 0 ? 50_000 : 100) }),
  },
  { name: 'two processes', options: plain, trace: popular({ calls: 2_000, everyMs: 10, keys: 300 }), processes: 2 },
  { name: 'four processes', options: plain, trace: popular({ calls: 4_000, everyMs: 5, keys: 300 }), processes: 4 },
  {
    name: 'two processes, and writes',
    options: { ...plain, tags: (id) => `tag:${id}` },
    trace: popular({ calls: 2_000, everyMs: 10, keys: 300, writes: 0.05 }),
    processes: 2,
  },
  {
    name: 'two processes, keys as likely',
    options: plain,
    trace: popular({ calls: 2_000, everyMs: 10, keys: 300, skew: 0 }),
    processes: 2,
  },
  // Of these keys one is in the sample and one is not.
  ...[1, 2].map((hot) => ({
    name: `a hot key (${hot})`,
    memory: 'memory://?maxEntries=50000',
    options: { ttl: 10_000 },
    trace: withHotKey(0.3, 100_003 * hot),
  })),
];

it.each(rows.map((row) => [row.name, row] as const))(
  'is right to 0.02 on average with %s',
  async (_, row) => {
    const { mean, shown } = await errorsOf(row);
    if (process.env['SHOW']) console.log(`${mean.toFixed(4)} ${row.name}: ${shown}`);
    expect([shown, mean <= 0.02]).toEqual([shown, true]);
  },
  60_000,
);
