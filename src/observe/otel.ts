/**
 * Tells OpenTelemetry what a cache does: counts when they are collected, how long loads take, and spans.
 *
 * @packageDocumentation
 */

import type {
  Attributes,
  BatchObservableCallback,
  Context,
  Meter,
  MeterProvider,
  Observable,
  Span,
  Tracer,
  TracerProvider,
} from '@opentelemetry/api';
import { CacheConfigError } from '../base/errors.js';
import type { LoadEvent, Outcome } from '../base/events.js';
import { type Insight, kindOf } from '../base/insight.js';
import { check, oneOf, type Rule } from '../cache/policy.js';
import {
  combined,
  insightOf,
  type LabelName,
  type Labels,
  loadBuckets,
  loadHelp,
  loadPeer,
  type Measure,
  measures,
  type ObservedCache,
  read,
} from './observed.js';
import { packageVersion } from './version.js';

export type { ObservedCache };

/** Options of {@link instrument}. */
export interface OtelOptions {
  /** Default: the global one. */
  readonly meterProvider?: MeterProvider;
  /** Default: the global one. */
  readonly tracerProvider?: TracerProvider;
  /**
   * Which calls make spans. `loads`: all but hits in memory, which take a microsecond. `all`: these too. `none`: no call.
   * Default `loads`.
   */
  readonly spans?: 'loads' | 'all' | 'none';
  /** The attribute `cache.name`. Default: the `namespace` of the cache. */
  readonly name?: string;
}

type Library = typeof import('@opentelemetry/api');

const where = 'instrument';
const noMeter =
  'instrument: there will be no metrics, as no meter provider is registered yet; call it after sdk.start(), or give a meterProvider';
const rules = {
  meterProvider: ['write a meter provider, or leave it out', (value) => has(value, 'getMeter')],
  tracerProvider: ['write a tracer provider, or leave it out', (value) => has(value, 'getTracer')],
  spans: oneOf('loads', 'all', 'none'),
  name: ["write a name such as 'shop'", (value) => typeof value === 'string' && value !== ''],
} satisfies Record<keyof OtelOptions, Rule>;

/**
 * Tells OpenTelemetry what a cache does, until the function that it gives is called. No key and no tag is an attribute.
 *
 * The SDK has to be started before: metrics go to the meter provider that is registered by then, and without one a warning tells so.
 * Caches with the same `name` are one: their counts are summed.
 *
 * @throws CacheConfigError if `@opentelemetry/api` is not installed, an option is wrong, the meter provider has this cache already, or
 *   it is no cache
 *
 * @example
 * ```ts
 * import { MeterProvider } from '@opentelemetry/sdk-metrics';
 * import { createCache } from 'cachette';
 * import { instrument } from 'cachette/otel';
 *
 * const cache = createCache();
 * const meterProvider = new MeterProvider(); // to be left out after sdk.start()
 * const stop = await instrument(cache, { meterProvider, spans: 'loads' });
 * stop();
 * ```
 */
export async function instrument(cache: ObservedCache, options: OtelOptions = {}): Promise<() => void> {
  const told = insightOf(cache, where);
  check(options, rules, where);
  const { spans = 'loads', name = told.snapshot().namespace } = options;
  const library = await loadPeer<Library>(where, '@opentelemetry/api', () => import('@opentelemetry/api'));
  const meter = (options.meterProvider ?? library.metrics).getMeter('cachette', packageVersion);
  const stops = [observeCounts(meter, { cache, told, name }), recordLoads(meter, name, cache)];
  if (!options.meterProvider && meter === library.createNoopMeter()) told.warn('no-meter', noMeter);
  if (spans !== 'none') {
    const tracer = (options.tracerProvider ?? library.trace).getTracer('cachette', packageVersion);
    stops.push(new Spans(library, tracer, name).of(cache, spans));
  }
  return () => stops.forEach((stop) => stop());
}

function has(value: unknown, method: string): boolean {
  return typeof (value as Readonly<Record<string, unknown>> | null)?.[method] === 'function';
}

// ------------------------------------------------------------------------------------------------ metrics

interface Metric {
  readonly measure: Measure;
  readonly name: string;
  readonly unit: string;
}

const named: Readonly<Record<keyof typeof measures, readonly [name: string, unit: string]>> = {
  gets: ['cache.requests', '{request}'],
  puts: ['cache.puts', '{entry}'],
  evictions: ['cache.evictions', '{entry}'],
  loadSaved: ['cache.load.saved', 's'],
  invalidatedEntries: ['cache.invalidated_entries', '{entry}'],
  mismatches: ['cache.mismatches', '{mismatch}'],
  invalidations: ['cache.invalidations', '{invalidation}'],
  errors: ['cache.errors', '{error}'],
  valueBytes: ['cache.value.measured.size', 'By'],
  valuesMeasured: ['cache.value.measured.count', '{value}'],
  valueMaxBytes: ['cache.value.size.max', 'By'],
  entries: ['cache.entry.count', '{entry}'],
  entryLimit: ['cache.entry.limit', '{entry}'],
  size: ['cache.estimated_size', 'By'],
  sizeLimit: ['cache.size.limit', 'By'],
  breakerOpen: ['cache.breaker.open', '1'],
  pending: ['cache.invalidation.pending', '{invalidation}'],
  busPeers: ['cache.bus.peers', '{process}'],
};

const metrics: readonly Metric[] = Object.entries(named).map(([measure, [name, unit]]) => {
  return { measure: measures[measure as keyof typeof measures], name, unit };
});

const instruments = {
  counter: 'createObservableCounter',
  amount: 'createObservableUpDownCounter',
  level: 'createObservableGauge',
} as const satisfies Readonly<Record<Measure['kind'], keyof Meter>>;

/** What OpenTelemetry calls the labels. */
const attributeNames: Readonly<Record<LabelName | 'cache', string>> = {
  cache: 'cache.name',
  method: 'code.function.name',
  result: 'cache.request.result',
  tier: 'cache.tier',
  reason: 'cache.reason',
};

function attributesOf(labels: Labels & { readonly cache: string }): Attributes {
  const told = Object.entries(labels).filter(([, value]) => value !== '');
  return Object.fromEntries(told.map(([label, value]) => [attributeNames[label as LabelName], value]));
}

interface Observed {
  readonly cache: ObservedCache;
  readonly told: Insight;
  readonly name: string;
}

/**
 * The caches of one meter, which are observed together: of two observations with the same attributes the later one would be all
 * that is left.
 */
class Observation {
  readonly #meter: Meter;
  readonly #caches = new Map<Insight, Observed>();
  readonly #metrics: readonly (readonly [Measure, Observable])[];

  constructor(meter: Meter) {
    this.#meter = meter;
    this.#metrics = metrics.map(({ measure, name, unit }) => {
      return [measure, meter[instruments[measure.kind]](name, { unit, description: measure.help })] as const;
    });
  }

  /** @throws CacheConfigError if it is there already */
  add(observed: Observed): () => void {
    const { told } = observed;
    if (this.#caches.has(told)) throw twice();
    if (this.#caches.size === 0) this.#meter.addBatchObservableCallback(this.#observe, this.#observables);
    this.#caches.set(told, observed);
    return () => {
      if (this.#caches.get(told) !== observed) return;
      this.#caches.delete(told);
      if (this.#caches.size === 0) this.#meter.removeBatchObservableCallback(this.#observe, this.#observables);
    };
  }

  get #observables(): Observable[] {
    return this.#metrics.map(([, observable]) => observable);
  }

  /** One reading of each cache for all metrics. */
  readonly #observe: BatchObservableCallback = (result) => {
    const shown = [...this.#caches.values()].map(({ cache, told, name }) => {
      return { reading: read(cache, told), labels: { cache: name } };
    });
    for (const [measure, observable] of this.#metrics)
      for (const [value, labels] of combined(measure, shown)) result.observe(observable, value, attributesOf(labels));
  };
}

function twice(): CacheConfigError {
  return new CacheConfigError({
    where,
    what: 'the meter provider has this cache already',
    instead: 'call the function that instrument() gave, which stops it, or give another meterProvider',
  });
}

const observations = new WeakMap<Meter, Observation>();

function observeCounts(meter: Meter, observed: Observed): () => void {
  let observation = observations.get(meter);
  if (!observation) observations.set(meter, (observation = new Observation(meter)));
  return observation.add(observed);
}

function recordLoads(meter: Meter, name: string, cache: ObservedCache): () => void {
  const loads = meter.createHistogram('cache.load.duration', {
    unit: 's',
    description: loadHelp,
    advice: { explicitBucketBoundaries: [...loadBuckets] },
  });
  return cache.on('load', ({ method, status, durationMs, errorType }) => {
    loads.record(durationMs / 1_000, {
      'cache.name': name,
      'code.function.name': method,
      'cache.load.status': status,
      ...(errorType !== undefined && { 'error.type': errorType }),
    });
  });
}

// ------------------------------------------------------------------------------------------------ spans

/** A load waits so long for the outcome of the call that it ran for; then it was one in the background. */
const waitMs = 1_000;
const waitingAtMost = 1_000;

/** The time of day and the steady clock differ by this, at the last look. */
let driftMs = 0;
/** The time of day is told in whole milliseconds. */
const coarseMs = 2;

/** Milliseconds since the epoch with their fractions, on which the time of day, where it is set, has the last word. */
function epochMs(): number {
  const steadyMs = performance.timeOrigin + performance.now();
  const nowMs = Date.now();
  if (Math.abs(nowMs - steadyMs - driftMs) > coarseMs) driftMs = nowMs - steadyMs;
  return steadyMs + driftMs;
}

/** A load that has ended, and the context that it ran in. */
interface EndedLoad {
  readonly load: LoadEvent;
  readonly context: Context;
  /** Milliseconds since the epoch. */
  readonly endedAt: number;
}

/**
 * Makes spans when calls and loads have ended, with the times when they ran. A load is told before the call that it ran for,
 * whose span is its parent: it is kept until then.
 */
class Spans {
  readonly #library: Library;
  readonly #tracer: Tracer;
  readonly #cacheName: string;
  /** By method and key. */
  readonly #waiting = new Map<string, EndedLoad>();
  #timer: NodeJS.Timeout | undefined;

  constructor(library: Library, tracer: Tracer, cacheName: string) {
    this.#library = library;
    this.#tracer = tracer;
    this.#cacheName = cacheName;
  }

  of(cache: ObservedCache, spans: 'loads' | 'all'): () => void {
    const stops = [
      cache.on('load', (load) => this.#loaded(load)),
      cache.on('outcome', (outcome) => {
        if (spans === 'all' || outcome.status !== 'hit' || outcome.tier !== 'memory') this.#answered(outcome);
      }),
    ];
    return () => {
      stops.forEach((stop) => stop());
      clearTimeout(this.#timer);
      this.#release(Infinity);
    };
  }

  #loaded(load: LoadEvent): void {
    const ended = { load, context: this.#library.context.active(), endedAt: epochMs() };
    const id = idOf(load);
    const other = this.#waiting.get(id);
    if (other) this.#loadSpan(other, other.context);
    if (!other && this.#waiting.size >= waitingAtMost) return this.#loadSpan(ended, ended.context);
    this.#waiting.set(id, ended);
    this.#timer ??= this.#releaseLater();
  }

  #answered(outcome: Outcome): void {
    const parent = this.#library.context.active();
    const endedAt = epochMs();
    const startTime = endedAt - outcome.durationMs;
    const load = this.#takeLoad(outcome, startTime);
    const attributes = this.#attributesOf(outcome);
    const span = this.#tracer.startSpan(`cache ${outcome.method}`, { startTime, attributes }, parent);
    if (load) this.#loadSpan(load, this.#library.trace.setSpan(parent, span));
    this.#end(span, outcome, endedAt);
  }

  /** The load that ran for this call alone: those that shared it tell so, and it ran within the call. */
  #takeLoad(outcome: Outcome, startTime: number): EndedLoad | undefined {
    if (outcome.key === undefined || outcome.status !== 'miss' || outcome.reason === 'joined') return undefined;
    const id = idOf(outcome);
    const found = this.#waiting.get(id);
    // What was measured by other clocks, at slightly other moments, may seem to have begun before.
    if (!found || found.endedAt - found.load.durationMs < startTime - coarseMs) return undefined;
    this.#waiting.delete(id);
    return found;
  }

  #attributesOf({ method, status, tier, reason }: Outcome): Attributes {
    return {
      'cache.name': this.#cacheName,
      'code.function.name': method,
      'cache.request.result': status,
      'cache.reason': kindOf(reason),
      ...(tier && { 'cache.tier': tier }),
    };
  }

  #loadSpan({ load, endedAt }: EndedLoad, parent: Context): void {
    const { method, status, durationMs } = load;
    const attributes = {
      'cache.name': this.#cacheName,
      'code.function.name': method,
      'cache.load.status': status,
    };
    const options = { startTime: endedAt - durationMs, attributes };
    this.#end(this.#tracer.startSpan(`cache load ${method}`, options, parent), load, endedAt);
  }

  #end(span: Span, { errorType }: Pick<Outcome, 'errorType'>, endedAt: number): void {
    if (errorType !== undefined) {
      span.setStatus({ code: this.#library.SpanStatusCode.ERROR });
      span.setAttribute('error.type', errorType);
    }
    span.end(endedAt);
  }

  #releaseLater(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#release(epochMs() - waitMs);
      this.#timer = this.#waiting.size > 0 ? this.#releaseLater() : undefined;
    }, waitMs);
    return timer.unref();
  }

  /** Loads that no call has waited for. */
  #release(until: number): void {
    for (const [id, ended] of this.#waiting) {
      if (ended.endedAt > until) continue;
      this.#waiting.delete(id);
      this.#loadSpan(ended, ended.context);
    }
  }
}

function idOf({ method, key }: Pick<Outcome, 'method' | 'key'>): string {
  return `${method} ${key}`;
}
