import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import * as api from '@opentelemetry/api';
import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPMetricExporter } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { AlwaysOffSampler, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { type Cache, createCache } from 'cachette';
import { instrument, type OtelOptions } from 'cachette/otel';
import { startRedis } from '../support/servers.js';

interface Attribute {
  readonly key: string;
  readonly value: { readonly stringValue?: string; readonly intValue?: number };
}
interface Point {
  readonly attributes: readonly Attribute[];
  readonly asInt?: number;
  readonly asDouble?: number;
  readonly count?: number;
  readonly sum?: number;
}
interface Metric {
  readonly name: string;
  readonly unit: string;
  readonly sum?: { readonly dataPoints: readonly Point[]; readonly isMonotonic: boolean };
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly histogram?: { readonly dataPoints: readonly Point[] };
}
interface Span {
  readonly name: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly Attribute[];
  readonly status: { readonly code?: number };
}
type Scopes<Key extends string, T> = readonly ({ readonly scope: { readonly name: string } } & Readonly<
  Record<Key, readonly T[]>
>)[];
interface Payload {
  readonly resourceMetrics?: readonly { readonly scopeMetrics: Scopes<'metrics', Metric> }[];
  readonly resourceSpans?: readonly { readonly scopeSpans: Scopes<'spans', Span> }[];
}

/** Takes OTLP over HTTP as JSON. */
class Collector {
  readonly bodies: string[] = [];
  readonly #server: Server;

  constructor() {
    this.#server = createServer((request, response) => {
      let body = '';
      request.setEncoding('utf8').on('data', (text: string) => (body += text));
      request.on('end', () => {
        this.bodies.push(body);
        response.setHeader('content-type', 'application/json').end('{}');
      });
    });
  }

  async start(): Promise<string> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  stop(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }

  /** Of the last export. */
  get metrics(): ReadonlyMap<string, Metric> {
    const all = this.#payloads().flatMap(({ resourceMetrics = [] }) => resourceMetrics);
    const metrics = all.at(-1)?.scopeMetrics.filter(({ scope }) => scope.name === 'cachette') ?? [];
    return new Map(metrics.flatMap((scope) => scope.metrics.map((metric) => [metric.name, metric])));
  }

  get spans(): readonly Span[] {
    return this.#payloads()
      .flatMap(({ resourceSpans = [] }) => resourceSpans)
      .flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans));
  }

  #payloads(): Payload[] {
    return this.bodies.map((body) => JSON.parse(body) as Payload);
  }
}

const attributesOf = ({ attributes }: Point | Span): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? value.intValue]));

/** The points of a metric, as their values with their attributes. */
function points(metric: Metric | undefined): [number | undefined, Record<string, unknown>][] {
  const found = (metric?.sum ?? metric?.gauge ?? metric?.histogram)?.dataPoints ?? [];
  return found.map((point) => [point.asInt ?? point.asDouble ?? point.count, attributesOf(point)]);
}

describe('instrument', () => {
  let collector: Collector;
  let meterProvider: MeterProvider;
  let tracerProvider: NodeTracerProvider;
  let caches: Cache[];
  let stops: (() => void)[];

  beforeEach(async () => {
    collector = new Collector();
    const url = await collector.start();
    const exporter = new OTLPMetricExporter({ url: `${url}/v1/metrics` });
    const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
    meterProvider = new MeterProvider({ readers: [reader] });
    const spans = new SimpleSpanProcessor(new OTLPTraceExporter({ url: `${url}/v1/traces` }));
    tracerProvider = new NodeTracerProvider({ spanProcessors: [spans] });
    tracerProvider.register();
    caches = [];
    stops = [];
  });

  afterEach(async () => {
    stops.forEach((stop) => stop());
    await Promise.all(caches.map((cache) => cache.close()));
    await meterProvider.shutdown();
    await tracerProvider.shutdown();
    trace.disable();
    context.disable();
    collector.stop();
  });

  const open = (namespace = 'shop', ...uris: string[]): Cache => {
    const cache = createCache(['memory://', ...uris], { namespace });
    caches.push(cache);
    return cache;
  };
  const observe = async (cache: Cache, options: OtelOptions = {}): Promise<() => void> => {
    const stop = await instrument(cache, { meterProvider, ...options });
    stops.push(stop);
    return stop;
  };
  const exported = async (): Promise<Collector> => {
    await meterProvider.forceFlush();
    await tracerProvider.forceFlush();
    return collector;
  };
  const finding = (cache: Cache) =>
    cache.wrap('Products.find', (id: string) => Promise.resolve({ id }), {
      ttl: '1m',
      tags: (id) => `product:${id}`,
    });
  /** The span that a caller has around it. */
  const within = <T>(fn: () => Promise<T>): Promise<T> =>
    trace.getTracer('test').startActiveSpan('caller', (span) => fn().finally(() => span.end()));

  it('exports what stats() says, with units and attributes', async () => {
    const cache = open();
    await observe(cache);
    const find = finding(cache);
    for (const id of ['secret-1', 'secret-1', 'secret-2']) await find(id);
    await cache.invalidate('product:secret-1');
    await find('secret-1');
    const { metrics } = await exported();
    const own = { 'cache.name': 'shop', 'code.function.name': 'Products.find' };
    expect(points(metrics.get('cache.requests'))).toEqual([
      [1, { ...own, 'cache.request.result': 'hit', 'cache.tier': 'memory' }],
      [0, { ...own, 'cache.request.result': 'hit', 'cache.tier': 'store' }],
      [0, { ...own, 'cache.request.result': 'stale' }],
      [0, { ...own, 'cache.request.result': 'bypass' }],
      [2, { ...own, 'cache.request.result': 'miss', 'cache.reason': 'absent' }],
      [1, { ...own, 'cache.request.result': 'miss', 'cache.reason': 'invalidated' }],
    ]);
    expect(points(metrics.get('cache.load.duration'))).toEqual([[3, { ...own, 'cache.load.status': 'ok' }]]);
    expect(points(metrics.get('cache.invalidated_entries'))).toEqual([[1, own]]);
    expect(points(metrics.get('cache.puts'))).toEqual([[3, own]]);
    expect(points(metrics.get('cache.evictions'))).toEqual([[0, { 'cache.name': 'shop', 'cache.tier': 'memory' }]]);
    const { sum, count, max } = cache.stats().bytes;
    expect(points(metrics.get('cache.value.measured.size'))).toEqual([[sum, own]]);
    expect(points(metrics.get('cache.value.measured.count'))).toEqual([[count, own]]);
    expect(points(metrics.get('cache.value.size.max'))).toEqual([[max, own]]);
    expect(points(metrics.get('cache.mismatches'))).toEqual([[0, own]]);
    expect(points(metrics.get('cache.invalidations'))).toEqual([[1, { 'cache.name': 'shop' }]]);
    expect(points(metrics.get('cache.errors'))).toEqual([[0, { 'cache.name': 'shop' }]]);
    expect(points(metrics.get('cache.entry.count'))).toEqual([[2, { 'cache.name': 'shop', 'cache.tier': 'memory' }]]);
    const units = Object.fromEntries([...metrics.values()].map(({ name, unit }) => [name, unit]));
    expect(units).toMatchObject({
      'cache.requests': '{request}',
      'cache.load.duration': 's',
      'cache.load.saved': 's',
      'cache.invalidations': '{invalidation}',
      'cache.entry.count': '{entry}',
    });
    expect(metrics.get('cache.requests')?.sum?.isMonotonic).toBe(true);
    expect(metrics.get('cache.entry.count')?.sum?.isMonotonic).toBe(false);
  });

  it('exports seconds', async () => {
    const cache = open();
    await observe(cache);
    const durations: number[] = [];
    cache.on('load', ({ durationMs }) => durations.push(durationMs));
    await finding(cache)('1');
    const [point] = (await exported()).metrics.get('cache.load.duration')?.histogram?.dataPoints ?? [];
    expect(point?.sum).toBeCloseTo((durations[0] ?? 0) / 1_000, 9);
  });

  it('exports the breaker and the bus', async () => {
    const redis = await startRedis({});
    try {
      const cache = open('far', redis.uri);
      await observe(cache);
      await finding(cache)('1');
      const { metrics } = await exported();
      const store = { 'cache.name': 'far', 'cache.tier': 'store' };
      expect(points(metrics.get('cache.breaker.open'))).toEqual([[0, store]]);
      expect(points(metrics.get('cache.invalidation.pending'))).toContainEqual([0, store]);
      expect(points(metrics.get('cache.bus.peers'))).toEqual([[0, { 'cache.name': 'far' }]]);
      await cache.close();
    } finally {
      await redis.stop();
    }
  });

  it('tells two caches apart, and stops with each', async () => {
    const [one, two] = [open('one'), open('two')];
    const stop = await observe(one);
    await observe(two, { name: 'other' });
    const counts = async (): Promise<unknown[]> =>
      points((await exported()).metrics.get('cache.invalidations')).map(([count, attributes]) => [
        attributes['cache.name'],
        count,
      ]);
    const invalidate = (): Promise<unknown> => Promise.all([one.invalidate('all'), two.invalidate('all')]);
    await invalidate();
    expect(await counts()).toEqual([
      ['one', 1],
      ['other', 1],
    ]);
    stop();
    await invalidate();
    // the SDK goes on exporting what it was told last
    expect(await counts()).toEqual([
      ['one', 1],
      ['other', 2],
    ]);
  });

  it('sums up two caches of one name, and forgets neither', async () => {
    const [one, two] = [open('shop'), open('shop')];
    const stop = await observe(one);
    await observe(two);
    const find = [finding(one), finding(two)];
    for (const each of find) await each('1');
    await find[1]?.('2');
    const own = { 'cache.name': 'shop', 'code.function.name': 'Products.find' };
    const missed = { ...own, 'cache.request.result': 'miss', 'cache.reason': 'absent' };
    const { metrics } = await exported();
    expect(points(metrics.get('cache.requests'))).toContainEqual([3, missed]);
    expect(points(metrics.get('cache.entry.count'))).toEqual([[3, { 'cache.name': 'shop', 'cache.tier': 'memory' }]]);
    expect(points(metrics.get('cache.load.duration'))[0]?.[0]).toBe(3);
    stop();
    stop();
    expect(points((await exported()).metrics.get('cache.entry.count'))[0]?.[0]).toBe(2);
  });

  it('exports the bound of memory in bytes', async () => {
    const cache = createCache('memory://?maxSize=1kb', { namespace: 'small' });
    caches.push(cache);
    await observe(cache);
    for (let id = 0; id < 20; id++) await cache.getOrLoad(id, () => Promise.resolve('x'.repeat(100)));
    const { metrics } = await exported();
    const own = { 'cache.name': 'small', 'cache.tier': 'memory' };
    const entries = points(metrics.get('cache.entry.count'))[0]?.[0] ?? 0;
    expect(points(metrics.get('cache.size.limit'))).toEqual([[1_024, own]]);
    expect(points(metrics.get('cache.estimated_size'))[0]?.[0]).toBeGreaterThan(500);
    expect(points(metrics.get('cache.evictions'))).toEqual([[20 - entries, own]]);
  });

  it('refuses a cache that the meter provider has already, until that one has stopped', async () => {
    const cache = open();
    const stop = await observe(cache);
    await expect(observe(cache)).rejects.toThrow(
      'instrument: the meter provider has this cache already; call the function that instrument() gave, which stops it, or give another meterProvider.',
    );
    stop();
    await observe(cache);
    await finding(cache)('1');
    const { metrics, spans } = await exported();
    expect(points(metrics.get('cache.load.duration'))[0]?.[0]).toBe(1);
    expect(spans).toHaveLength(2);
  });

  it('warns where no meter provider is registered yet', async () => {
    const cache = open();
    const warnings: string[] = [];
    cache.on('warning', ({ code, message }) => warnings.push(`${code} ${message}`));
    stops.push(await instrument(cache));
    expect(warnings).toEqual([
      'no-meter instrument: there will be no metrics, as no meter provider is registered yet; call it after sdk.start(), or give a meterProvider',
    ]);
    const other = open('other');
    other.on('warning', ({ message }) => warnings.push(message));
    api.metrics.setGlobalMeterProvider(meterProvider);
    stops.push(await instrument(other));
    api.metrics.disable();
    expect(warnings).toHaveLength(1);
  });

  it('makes a span of a miss under the span of the caller, and one of its load under that', async () => {
    const cache = open();
    await observe(cache);
    const find = finding(cache);
    await within(() => find('secret-1'));
    const { spans } = await exported();
    const [caller, call, load] = ['caller', 'cache Products.find', 'cache load Products.find'].map((name) =>
      spans.find((span) => span.name === name),
    );
    expect(spans).toHaveLength(3);
    expect(call?.parentSpanId).toBe(caller?.spanId);
    expect(load?.parentSpanId).toBe(call?.spanId);
    expect(call && attributesOf(call)).toEqual({
      'cache.name': 'shop',
      'code.function.name': 'Products.find',
      'cache.request.result': 'miss',
      'cache.reason': 'absent',
    });
    expect(load && attributesOf(load)).toEqual({
      'cache.name': 'shop',
      'code.function.name': 'Products.find',
      'cache.load.status': 'ok',
    });
    expect(BigInt(call?.endTimeUnixNano ?? 0)).toBeGreaterThanOrEqual(BigInt(call?.startTimeUnixNano ?? 0));
    expect(Math.abs(Number(call?.endTimeUnixNano) / 1e6 - Date.now())).toBeLessThan(10_000);
  });

  it('makes no span of a hit in memory, unless all are wanted', async () => {
    const [some, all, none] = [open('some'), open('all'), open('none')];
    await observe(some, { spans: 'loads' });
    await observe(all, { spans: 'all' });
    await observe(none, { spans: 'none' });
    for (const cache of [some, all, none]) {
      const find = finding(cache);
      await find('1');
      await find('1');
    }
    const made = (await exported()).spans
      .map(attributesOf)
      .map((attributes) => [attributes['cache.name'], attributes['cache.request.result'] ?? 'load']);
    expect(made).toEqual([
      ['some', 'load'],
      ['some', 'miss'],
      ['all', 'load'],
      ['all', 'miss'],
      ['all', 'hit'],
    ]);
  });

  it('marks both spans of a load that failed, and no other', async () => {
    const cache = open();
    await observe(cache);
    const fail = cache.wrap('fail', () => Promise.reject<number>(new Error('no')));
    await fail().catch(() => undefined);
    await finding(cache)('1');
    const codes = (await exported()).spans.map(({ name, status }) => [name, status.code ?? 0]);
    expect(codes).toEqual([
      ['cache load fail', SpanStatusCode.ERROR],
      ['cache fail', SpanStatusCode.ERROR],
      ['cache load Products.find', SpanStatusCode.UNSET],
      ['cache Products.find', SpanStatusCode.UNSET],
    ]);
  });

  it('marks the span of each call that fails, whatever it has to do with the load', async () => {
    const cache = open();
    await observe(cache);
    const failing = (): Promise<number> => Promise.reject(new RangeError('no'));
    const fail = cache.wrap('fail', failing);
    const kept = cache.wrap('kept', failing, { errors: { ttl: '1m' } });
    const slow = cache.wrap('slow', () => new Promise(() => {}), { timeout: { hard: '10ms' } });
    let load = (): Promise<number> => Promise.resolve(1);
    const covered = cache.wrap('covered', () => load(), { ttl: '1m', staleIfError: '1m', tags: 'all' });
    await covered();
    await cache.expire('all');
    load = failing;
    const calls = [fail, fail, () => cache.bypass(fail), kept, slow, covered];
    await Promise.allSettled(calls.map((call) => call()));
    stops.splice(0).forEach((stop) => stop());
    stops.push(await observe(cache, { spans: 'all' }));
    await kept().catch(() => undefined);
    const failed = (await exported()).spans.filter(({ status }) => status.code === SpanStatusCode.ERROR);
    const told = failed.map((span) => [span.name, attributesOf(span)] as const);
    const calledFor = told.filter(([name]) => !name.startsWith('cache load'));
    expect(calledFor.map(([name, is]) => [name, is['cache.reason'], is['error.type']]).sort()).toEqual([
      ['cache fail', 'absent', 'RangeError'],
      ['cache fail', 'bypass', 'RangeError'],
      ['cache fail', 'joined', 'RangeError'],
      ['cache kept', 'absent', 'RangeError'],
      ['cache kept', 'error kept', 'RangeError'],
      ['cache slow', 'timed out', 'CacheTimeoutError'],
    ]);
    const loaded = told.filter(([name]) => name.startsWith('cache load')).map(([name]) => name);
    expect(loaded.sort()).toEqual(['cache load covered', 'cache load fail', 'cache load kept']);
    const failures = points((await exported()).metrics.get('cache.load.duration'));
    expect(failures).toContainEqual([
      1,
      expect.objectContaining({ 'cache.load.status': 'error', 'error.type': 'RangeError' }),
    ]);
  });

  it('makes one span of a run for many elements', async () => {
    const cache = open();
    await observe(cache);
    class Products {
      @cache.CachedMany('1m')
      findMany(ids: readonly number[]): Promise<number[]> {
        return Promise.resolve([...ids]);
      }
    }
    await new Products().findMany([1, 2, 3]);
    const { spans } = await exported();
    const loads = spans.filter(({ name }) => name === 'cache load Products.findMany');
    const elements = spans.filter(({ name }) => name === 'cache Products.findMany');
    expect([loads.length, elements.length]).toEqual([1, 3]);
    expect(elements.map(({ spanId }) => spanId)).toContain(loads[0]?.parentSpanId);
  });

  it('has the times of spans by fractions of a millisecond', async () => {
    const cache = open();
    await observe(cache);
    const find = finding(cache);
    for (let id = 0; id < 5; id++) await find(`${id}`);
    const { spans } = await exported();
    const times = spans.flatMap((span) => [span.startTimeUnixNano, span.endTimeUnixNano].map(BigInt));
    expect(times.some((time) => time % 1_000_000n !== 0n)).toBe(true);
    for (const { name, spanId, startTimeUnixNano, endTimeUnixNano } of spans) {
      const load = spans.find(({ parentSpanId }) => parentSpanId === spanId);
      if (name.startsWith('cache load') || !load) continue;
      expect(BigInt(endTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(load.endTimeUnixNano));
      expect(Number(BigInt(endTimeUnixNano) - BigInt(startTimeUnixNano))).toBeLessThan(1e9);
    }
  });

  it('makes one span of a load that several calls shared', async () => {
    const cache = open();
    await observe(cache);
    const find = finding(cache);
    await Promise.all([find('1'), find('1'), find('1')]);
    const { spans } = await exported();
    expect(spans.filter(({ name }) => name.startsWith('cache load'))).toHaveLength(1);
    expect(spans.filter(({ name }) => name === 'cache Products.find')).toHaveLength(3);
  });

  it('makes a span of a load in the background too', async () => {
    const now = { ms: Date.now() };
    const cache = createCache('memory://', {
      namespace: 'shop',
      clock: { now: () => now.ms },
    });
    caches.push(cache);
    const stop = await observe(cache);
    const find = cache.wrap('find', () => Promise.resolve(1), { ttl: '1s', staleWhileRevalidate: '1h' });
    await find();
    now.ms += 5_000;
    const reloaded = new Promise((resolve) => cache.on('load', resolve));
    await within(find);
    await reloaded;
    stop();
    const { spans } = await exported();
    const caller = spans.find(({ name }) => name === 'caller');
    const results = spans.filter(({ parentSpanId }) => parentSpanId === caller?.spanId);
    expect(results.map(({ name }) => name).sort()).toEqual(['cache find', 'cache load find']);
    expect(attributesOf(results.find(({ name }) => name === 'cache find') as Span)).toMatchObject({
      'cache.request.result': 'stale',
      'cache.reason': 'revalidating',
    });
  });

  it('exports no key and no tag', async () => {
    const cache = open();
    await observe(cache, { spans: 'all' });
    const find = finding(cache);
    await find('secret-1');
    await find('secret-1');
    await cache.invalidate('product:secret-1');
    await find('secret-1');
    const { bodies } = await exported();
    expect(bodies.join('')).toContain('cache.reason');
    expect(bodies.join('')).not.toMatch(/secret|product:/);
  });

  it('makes no span where nothing is sampled', async () => {
    const url = 'http://127.0.0.1:9';
    const spans = new SimpleSpanProcessor(new OTLPTraceExporter({ url }));
    const silent = new NodeTracerProvider({ sampler: new AlwaysOffSampler(), spanProcessors: [spans] });
    const ended = jest.spyOn(spans, 'onEnd');
    const cache = open();
    await observe(cache, { tracerProvider: silent });
    await expect(finding(cache)('1')).resolves.toEqual({ id: '1' });
    expect(ended).not.toHaveBeenCalled();
    await silent.shutdown();
  });

  it('makes no span after it was stopped', async () => {
    const cache = open();
    const stop = await observe(cache);
    stop();
    await finding(cache)('1');
    expect((await exported()).spans).toEqual([]);
  });

  it('refuses other values of spans, and what is no cache', async () => {
    await expect(instrument(open(), { spans: 'some' as never })).rejects.toThrow(
      "instrument: spans is 'some'; write 'loads', 'all' or 'none'.",
    );
    await expect(instrument({} as Cache)).rejects.toThrow(
      'instrument: what it was given is no cache; give what createCache() returned.',
    );
  });
});

test('without @opentelemetry/api, it says what to install', async () => {
  jest.resetModules();
  jest.doMock('@opentelemetry/api', () => {
    throw Object.assign(new Error("Cannot find module '@opentelemetry/api'"), { code: 'MODULE_NOT_FOUND' });
  });
  const alone = await import('cachette/otel');
  await expect(alone.instrument(createCache())).rejects.toThrow(
    'instrument: needs the package @opentelemetry/api, which is not installed; run: npm install @opentelemetry/api.',
  );
  jest.dontMock('@opentelemetry/api');
});
