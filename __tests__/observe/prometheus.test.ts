import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Cache, createCache } from 'cachette';
import { prometheusMetrics } from 'cachette/prometheus';
import parse from 'parse-prometheus-text-format';
import { Counter, Registry, register } from 'prom-client';
import type { StoreState } from '../../src/base/insight.js';
import { combined, measures } from '../../src/observe/observed.js';
import { startRedis } from '../support/servers.js';
import { until } from '../support/until.js';

type Labels = Readonly<Record<string, string>>;

/** One metric of what Prometheus gets, as its values by what its labels say. */
interface Family {
  readonly name: string;
  readonly type: string;
  readonly metrics: readonly { readonly value?: string; readonly count?: string; readonly labels?: Labels }[];
}

/** As Prometheus scrapes it: over HTTP. */
async function scraped(registry: Registry): Promise<{ readonly text: string; readonly families: readonly Family[] }> {
  const server = createServer((_request, response) => {
    void registry.metrics().then((text) => response.setHeader('content-type', registry.contentType).end(text));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`);
    const text = await response.text();
    return { text, families: parse(text) as Family[] };
  } finally {
    server.close();
  }
}

/** The value of a metric with these labels, or with more than these: their sum. */
function value(families: readonly Family[], name: string, labels: Labels = {}): number | undefined {
  const family = families.find((one) => one.name === name);
  const fitting = family?.metrics.filter((metric) =>
    Object.entries(labels).every(([label, wanted]) => (metric.labels?.[label] ?? '') === wanted),
  );
  if (!fitting || fitting.length === 0) return undefined;
  return fitting.reduce((sum, metric) => sum + Number(metric.value ?? metric.count), 0);
}

/** How many loads the histogram has with these labels; the parser above leaves the labels of histograms out. */
function loads(text: string, labels: Labels = {}): number | undefined {
  const wanted = Object.entries(labels).map(([name, label]) => `${name}="${label}"`);
  const lines = text.split('\n').filter((line) => line.startsWith('cache_load_duration_seconds_count'));
  const fitting = lines.filter((line) => wanted.every((label) => line.includes(label)));
  return fitting.length === 0 ? undefined : fitting.reduce((sum, line) => sum + Number(line.split('} ')[1]), 0);
}

describe('prometheusMetrics', () => {
  let registry: Registry;
  let caches: Cache[];
  beforeEach(() => {
    registry = new Registry();
    caches = [];
  });
  afterEach(() => Promise.all(caches.map((cache) => cache.close())));

  const open = (namespace: string): Cache => {
    const cache = createCache('memory://?maxEntries=100', { namespace });
    caches.push(cache);
    return cache;
  };

  /** Some of everything: hits, misses for several reasons, failures, invalidations. */
  const use = async (cache: Cache): Promise<void> => {
    const find = cache.wrap('Products.find', (id: string) => Promise.resolve({ id }), {
      ttl: '1m',
      tags: (id) => `product:${id}`,
    });
    const fail = cache.wrap('Products.fail', () => Promise.reject<number>(new Error('no')));
    for (const id of ['secret-1', 'secret-1', 'secret-2', 'secret-2', 'secret-2']) await find(id);
    await cache.invalidate('product:secret-1');
    await find('secret-1');
    await cache.bypass(() => find('secret-1'));
    await fail().catch(() => undefined);
  };

  it('shows what stats() says, over HTTP', async () => {
    const cache = open('shop');
    await prometheusMetrics(cache, { registry });
    await use(cache);
    const { text, families } = await scraped(registry);
    const stats = cache.stats();
    const of = (labels: Labels) => value(families, 'cache_gets_total', labels);
    expect(stats).toMatchObject({ hits: 3, misses: 4, bypassed: 1, invalidations: 1 });
    expect(of({ cache: 'shop' })).toBe(stats.calls);
    for (const [method, counts] of Object.entries(stats.methods)) {
      expect(of({ method, result: 'hit', tier: 'memory' })).toBe(counts.hitsByTier.memory);
      expect(of({ method, result: 'hit', tier: 'store' })).toBe(counts.hitsByTier.store);
      expect(of({ method, result: 'stale' })).toBe(counts.stale);
      expect(of({ method, result: 'bypass' })).toBe(counts.bypassed);
      expect(of({ method, result: 'miss' })).toBe(counts.misses);
      for (const [reason, count] of Object.entries(counts.missesByReason)) expect(of({ method, reason })).toBe(count);
      const one = (name: string) => value(families, `cache_${name}`, { cache: 'shop', method });
      expect(one('load_saved_seconds_total')).toBe(counts.savedMs / 1_000);
      expect(one('invalidated_entries_total')).toBe(counts.invalidated);
      expect(one('mismatches_total')).toBe(counts.mismatches);
      expect(one('puts_total')).toBe(counts.puts);
      const isMeasured = counts.bytes.count > 0;
      expect(one('value_bytes_total')).toBe(isMeasured ? counts.bytes.sum : undefined);
      expect(one('values_measured_total')).toBe(isMeasured ? counts.bytes.count : undefined);
      expect(one('value_max_bytes')).toBe(isMeasured ? counts.bytes.max : undefined);
      expect(loads(text, { cache: 'shop', method })).toBe(counts.loads.count);
    }
    expect(value(families, 'cache_invalidations_total')).toBe(1);
    expect(value(families, 'cache_errors_total')).toBe(stats.errors);
    expect(value(families, 'cache_size', { tier: 'memory' })).toBe(2);
    expect(value(families, 'cache_size_limit', { tier: 'memory' })).toBe(100);
    expect(loads(text, { status: 'error' })).toBe(1);
  });

  it('counts on from one scrape to the next', async () => {
    const cache = open('shop');
    await prometheusMetrics(cache, { registry });
    for (const calls of [1, 2, 3]) {
      await cache.getOrLoad('key', () => Promise.resolve(1));
      expect(value((await scraped(registry)).families, 'cache_gets_total')).toBe(calls);
    }
  });

  it('names metrics by the rules, and no key or tag', async () => {
    const cache = open('shop');
    await prometheusMetrics(cache, { registry });
    await use(cache);
    const { text, families } = await scraped(registry);
    expect(text).toContain('cache_gets_total');
    expect(text).not.toMatch(/secret|product:/);
    for (const { name, type } of families) {
      expect(name).toMatch(/^cache_[a-z_]+$/);
      expect(name.endsWith('_total')).toBe(type === 'COUNTER');
    }
    expect(text).not.toMatch(/_ms\b|milliseconds/);
  });

  it('shows the breaker, the bus and what is pending', async () => {
    const redis = await startRedis({});
    try {
      const cache = createCache(['memory://', redis.uri], { namespace: 'far', deadline: '200ms' });
      caches.push(cache);
      await prometheusMetrics(cache, { registry });
      await cache.getOrLoad('key', () => Promise.resolve(1), { tags: 'all' });
      const { families } = await scraped(registry);
      expect(value(families, 'cache_breaker_open', { tier: 'store' })).toBe(0);
      expect(value(families, 'cache_breaker_open', { tier: 'memory' })).toBeUndefined();
      expect(value(families, 'cache_bus_peers')).toBe(0);
      expect(value(families, 'cache_pending_invalidations', { tier: 'store' })).toBe(0);
      await redis.stop();
      await cache.invalidate('all');
      await until('the breaker is open and an invalidation pending', async () => {
        await cache.getOrLoad('key', () => Promise.resolve(1));
        const now = (await scraped(registry)).families;
        return (
          value(now, 'cache_breaker_open', { tier: 'store' }) === 1 &&
          (value(now, 'cache_pending_invalidations', { tier: 'store' }) ?? 0) > 0
        );
      });
    } finally {
      await redis.stop();
    }
  });

  it('lets caches share a registry, and leaves the others when one stops', async () => {
    const [one, two] = [open('one'), open('two')];
    const first = await prometheusMetrics(one, { registry, labels: { team: 'a' } });
    const second = await prometheusMetrics(two, { registry, labels: { team: 'b' }, name: 'other' });
    await use(one);
    await two.getOrLoad('key', () => Promise.resolve(1));
    const both = (await scraped(registry)).families;
    expect(value(both, 'cache_gets_total', { cache: 'one', team: 'a' })).toBe(8);
    expect(value(both, 'cache_gets_total', { cache: 'other', team: 'b' })).toBe(1);
    first.stop();
    first.stop();
    const left = await scraped(registry);
    expect(value(left.families, 'cache_gets_total', { cache: 'one' })).toBeUndefined();
    expect(loads(left.text, { cache: 'one' })).toBeUndefined();
    expect(loads(left.text, { cache: 'other' })).toBe(1);
    second.stop();
    expect((await scraped(registry)).text.trim()).toBe('');
    await prometheusMetrics(two, { registry });
    expect(value((await scraped(registry)).families, 'cache_gets_total')).toBe(1);
  });

  it('makes one of caches with the same labels: sums, and the greatest of what no sum says anything of', async () => {
    const [one, two] = [open('shop'), open('shop')];
    await prometheusMetrics(one, { registry });
    await prometheusMetrics(two, { registry });
    await one.getOrLoad('key', () => Promise.resolve('x'));
    await two.getOrLoad('key', () => Promise.resolve('x'.repeat(1_000)));
    const { families } = await scraped(registry);
    const [small, large] = [one.stats().bytes, two.stats().bytes];
    expect(value(families, 'cache_gets_total')).toBe(2);
    expect(value(families, 'cache_size')).toBe(2);
    expect(value(families, 'cache_size_limit')).toBe(200);
    expect(value(families, 'cache_value_bytes_total')).toBe(small.sum + large.sum);
    expect(value(families, 'cache_values_measured_total')).toBe(2);
    expect(value(families, 'cache_value_max_bytes')).toBe(large.max);
  });

  it('says that the store is not asked where one of two caches does not ask it, and not more', () => {
    const of = (...states: readonly ('closed' | 'open')[]) => {
      const shown = states.map((breaker) => {
        const state = {
          stores: [{ tier: 'store', breaker } as StoreState],
          bus: { state: 'trusted', peers: 3 } as const,
        };
        return { reading: { stats: open('any').stats(), state }, labels: {} };
      });
      return [measures.breakerOpen, measures.busPeers].map((measure) => combined(measure, shown).map(([one]) => one));
    };
    expect(of('open', 'open')).toEqual([[1], [3]]);
    expect(of('open', 'closed')).toEqual([[1], [3]]);
    expect(of('closed', 'closed')).toEqual([[0], [3]]);
  });

  it('shows what memory gave up, and its bound in bytes', async () => {
    const [few, small] = ['maxEntries=2', 'maxSize=1kb'].map((bound) => {
      const cache = createCache(`memory://?${bound}`, { namespace: bound.slice(0, 7) });
      caches.push(cache);
      return cache;
    }) as [Cache, Cache];
    for (const cache of [few, small]) {
      await prometheusMetrics(cache, { registry });
      for (let id = 0; id < 20; id++) await cache.getOrLoad(id, () => Promise.resolve('x'.repeat(100)));
    }
    const { families } = await scraped(registry);
    expect(value(families, 'cache_evictions_total', { cache: 'maxEntr', tier: 'memory' })).toBe(18);
    expect(value(families, 'cache_size_limit', { cache: 'maxEntr' })).toBe(2);
    expect(value(families, 'cache_size_limit_bytes', { cache: 'maxEntr' })).toBeUndefined();
    expect(value(families, 'cache_size_limit', { cache: 'maxSize' })).toBeUndefined();
    expect(value(families, 'cache_size_limit_bytes', { cache: 'maxSize' })).toBe(1_024);
    expect(value(families, 'cache_size_bytes', { cache: 'maxSize' })).toBeGreaterThan(500);
  });

  it('refuses a cache that the registry has already, until that one has stopped', async () => {
    const cache = open('shop');
    const { stop } = await prometheusMetrics(cache, { registry });
    await expect(prometheusMetrics(cache, { registry, name: 'other' })).rejects.toThrow(
      'prometheusMetrics: the registry has this cache already; call stop() of the metrics that it has, or give another registry.',
    );
    await cache.getOrLoad('key', () => Promise.resolve(1));
    expect(loads((await scraped(registry)).text)).toBe(1);
    stop();
    await prometheusMetrics(cache, { registry });
    await prometheusMetrics(cache, { registry: new Registry() });
  });

  it('takes a registry for OpenMetrics', async () => {
    const openMetrics = new Registry<typeof Registry.OPENMETRICS_CONTENT_TYPE>();
    openMetrics.setContentType(Registry.OPENMETRICS_CONTENT_TYPE);
    const cache = open('shop');
    const { registry: given } = await prometheusMetrics(cache, { registry: openMetrics });
    await cache.getOrLoad('key', () => Promise.resolve(1));
    expect(given).toBe(openMetrics);
    expect(await given.metrics()).toMatch(/^cache_gets_total\{.*result="miss".*\} 1$/m);
  });

  it.each([
    ['cache', "the metrics have a label 'cache' of their own; write another name, such as 'app_cache'."],
    ['le', "the metrics have a label 'le' of their own; write another name, such as 'app_le'."],
    [
      'service-name',
      "'service-name' cannot be the name of a label; write letters, digits and underscores, such as service_name.",
    ],
    ['__name', "'__name' cannot be the name of a label; write letters, digits and underscores, such as service_name."],
  ])('refuses the label %s', async (label, message) => {
    const refused = prometheusMetrics(open('shop'), { registry, labels: { [label]: 'a' } });
    await expect(refused).rejects.toThrow(`prometheusMetrics: ${message}`);
    expect(registry.getMetricsAsArray()).toEqual([]);
  });

  it('refuses a histogram without bounds', async () => {
    await expect(prometheusMetrics(open('shop'), { registry, buckets: [] })).rejects.toThrow(
      'prometheusMetrics: buckets is []; write numbers of seconds, ascending.',
    );
  });

  it('stops listening to loads', async () => {
    const cache = open('shop');
    const { stop } = await prometheusMetrics(cache, { registry });
    const { stop: other } = await prometheusMetrics(open('other'), { registry });
    stop();
    await cache.getOrLoad('key', () => Promise.resolve(1));
    expect(loads((await scraped(registry)).text, { cache: 'shop' })).toBeUndefined();
    other();
  });

  it('uses the global registry unless it is given one', async () => {
    const { registry: used, stop } = await prometheusMetrics(open('shop'), { prefix: 'mine_' });
    expect(used).toBe(register);
    expect(register.getSingleMetric('mine_gets_total')).toBeDefined();
    stop();
    expect(register.getSingleMetric('mine_gets_total')).toBeUndefined();
  });

  it('refuses a registry that has such a metric, and leaves nothing in it', async () => {
    new Counter({ name: 'cache_errors_total', help: 'mine', registers: [registry] });
    await expect(prometheusMetrics(open('shop'), { registry })).rejects.toThrow(
      "prometheusMetrics: the registry has a metric cache_errors_total already; take another prefix, such as prefix: 'products_'.",
    );
    expect(registry.getMetricsAsArray()).toHaveLength(1);
  });

  it('refuses other names of labels than those of the cache before', async () => {
    await prometheusMetrics(open('one'), { registry });
    await expect(prometheusMetrics(open('two'), { registry, labels: { team: 'a' } })).rejects.toThrow(
      'prometheusMetrics: the labels are cache, team, those of the cache before it cache; give all caches of a registry the same names of labels, or each a prefix.',
    );
  });

  it('refuses what is no cache', async () => {
    await expect(prometheusMetrics({} as Cache)).rejects.toThrow(
      'prometheusMetrics: what it was given is no cache; give what createCache() returned.',
    );
  });
});

test('without prom-client, it says what to install', async () => {
  jest.resetModules();
  jest.doMock('prom-client', () => {
    throw Object.assign(new Error("Cannot find module 'prom-client'"), { code: 'MODULE_NOT_FOUND' });
  });
  const alone = await import('cachette/prometheus');
  await expect(alone.prometheusMetrics(createCache())).rejects.toThrow(
    'prometheusMetrics: needs the package prom-client, which is not installed; run: npm install prom-client.',
  );
  jest.dontMock('prom-client');
});
