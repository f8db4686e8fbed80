import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
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
      [1, { ...own, 'cache.result': 'hit', 'cache.tier': 'memory' }],
      [0, { ...own, 'cache.result': 'hit', 'cache.tier': 'store' }],
      [0, { ...own, 'cache.result': 'stale' }],
      [0, { ...own, 'cache.result': 'bypass' }],
      [2, { ...own, 'cache.result': 'miss', 'cache.reason': 'absent' }],
      [1, { ...own, 'cache.result': 'miss', 'cache.reason': 'invalidated' }],
    ]);
    expect(points(metrics.get('cache.load.duration'))).toEqual([[3, { ...own, 'cache.load.status': 'ok' }]]);
    expect(points(metrics.get('cache.invalidated_entries'))).toEqual([[1, own]]);
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
      'cache.result': 'miss',
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
      .map((attributes) => [attributes['cache.name'], attributes['cache.result'] ?? 'load']);
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
      'cache.result': 'stale',
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
