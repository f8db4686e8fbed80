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
import type { LoadEvent, Outcome } from '../base/events.js';
import { type Insight, kindOf } from '../base/insight.js';
import { check, oneOf, type Rule } from '../cache/policy.js';
import { callCounts, insightOf, loadPeer, type ObservedCache, read, type Reading } from './observed.js';

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
const rules = {
  meterProvider: ['write a meter provider, or leave it out', (value) => has(value, 'getMeter')],
  tracerProvider: ['write a tracer provider, or leave it out', (value) => has(value, 'getTracer')],
  spans: oneOf('loads', 'all', 'none'),
  name: ["write a name such as 'shop'", (value) => typeof value === 'string' && value !== ''],
} satisfies Record<keyof OtelOptions, Rule>;

/**
 * Tells OpenTelemetry what a cache does, until the function that it gives is called. No key and no tag is an attribute.
 *
 * @throws CacheConfigError if `@opentelemetry/api` is not installed, an option is wrong, or it is no cache
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { instrument } from 'cachette/otel';
 *
 * const cache = createCache();
 * const stop = await instrument(cache, { spans: 'loads' });
 * stop();
 * ```
 */
export async function instrument(cache: ObservedCache, options: OtelOptions = {}): Promise<() => void> {
  const told = insightOf(cache, where);
  check(options, rules, where);
  const { spans = 'loads', name = told.snapshot().namespace } = options;
  const library = await loadPeer<Library>(where, '@opentelemetry/api', () => import('@opentelemetry/api'));
  const meter = (options.meterProvider ?? library.metrics).getMeter('cachette');
  const stops = [observeCounts(meter, name, { cache, told }), recordLoads(meter, name, cache)];
  if (spans !== 'none') {
    const tracer = (options.tracerProvider ?? library.trace).getTracer('cachette');
    stops.push(new Spans(library, tracer, name).of(cache, spans));
  }
  return () => stops.forEach((stop) => stop());
}

function has(value: unknown, method: string): boolean {
  return typeof (value as Readonly<Record<string, unknown>> | null)?.[method] === 'function';
}

// ------------------------------------------------------------------------------------------------ metrics

/** A value with its attributes, apart from the name of the cache. */
type Sample = readonly [value: number, attributes?: Attributes];

interface Definition {
  /** Of the method of `Meter` that makes it. */
  readonly kind: 'createObservableCounter' | 'createObservableUpDownCounter' | 'createObservableGauge';
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly samples: (reading: Reading) => readonly Sample[];
}

const byMethod = (of: (stats: Reading['stats']['methods'][string]) => number): Definition['samples'] => {
  return ({ stats }) =>
    Object.entries(stats.methods).map(([method, counts]) => [of(counts), { 'code.function.name': method }]);
};

const byTier = (of: (store: Reading['state']['stores'][number]) => number | undefined): Definition['samples'] => {
  return ({ state }) =>
    state.stores.flatMap((store) => {
      const value = of(store);
      return value === undefined || !Number.isFinite(value) ? [] : [[value, { 'cache.tier': store.tier }] as const];
    });
};

const definitions: readonly Definition[] = [
  {
    kind: 'createObservableCounter',
    name: 'cache.requests',
    unit: '{request}',
    description: 'Calls, by what they came to.',
    samples: ({ stats }) =>
      callCounts(stats).map(({ count, method, result, tier, reason }) => [
        count,
        {
          'code.function.name': method,
          'cache.result': result,
          ...(tier && { 'cache.tier': tier }),
          ...(reason && { 'cache.reason': reason }),
        },
      ]),
  },
  {
    kind: 'createObservableCounter',
    name: 'cache.load.saved',
    unit: 's',
    description: 'How long the methods would have run for what was served without them.',
    samples: byMethod(({ savedMs }) => savedMs / 1_000),
  },
  {
    kind: 'createObservableCounter',
    name: 'cache.invalidated_entries',
    unit: '{entry}',
    description: 'Entries that were asked for and had been invalidated.',
    samples: byMethod(({ invalidated }) => invalidated),
  },
  {
    kind: 'createObservableCounter',
    name: 'cache.mismatches',
    unit: '{mismatch}',
    description: 'Hits that verify found to be wrong.',
    samples: byMethod(({ mismatches }) => mismatches),
  },
  {
    kind: 'createObservableCounter',
    name: 'cache.invalidations',
    unit: '{invalidation}',
    description: 'Invalidations by this process.',
    samples: ({ stats }) => [[stats.invalidations]],
  },
  {
    kind: 'createObservableCounter',
    name: 'cache.errors',
    unit: '{error}',
    description: 'Store operations, callbacks and background loads that failed.',
    samples: ({ stats }) => [[stats.errors]],
  },
  {
    kind: 'createObservableUpDownCounter',
    name: 'cache.entry.count',
    unit: '{entry}',
    description: 'Entries in memory.',
    samples: byTier(({ entries }) => entries),
  },
  {
    kind: 'createObservableUpDownCounter',
    name: 'cache.entry.limit',
    unit: '{entry}',
    description: 'Entries that memory may hold.',
    samples: byTier(({ maxEntries }) => maxEntries),
  },
  {
    kind: 'createObservableGauge',
    name: 'cache.breaker.open',
    unit: '1',
    description: '1 while the store is not asked, as it has been silent.',
    samples: byTier(({ breaker }) => (breaker === 'none' ? undefined : Number(breaker !== 'closed'))),
  },
  {
    kind: 'createObservableUpDownCounter',
    name: 'cache.invalidation.pending',
    unit: '{invalidation}',
    description: 'Invalidations that the store has not acknowledged yet.',
    samples: byTier(({ pending }) => pending),
  },
  {
    kind: 'createObservableUpDownCounter',
    name: 'cache.bus.peers',
    unit: '{process}',
    description: 'Other processes that are heard on the bus.',
    samples: ({ state }) => (state.bus.state === 'none' ? [] : [[state.bus.peers]]),
  },
];

interface Observed {
  readonly cache: ObservedCache;
  readonly told: Insight;
}

/** One reading for all of them at each collection. */
function observeCounts(meter: Meter, name: string, { cache, told }: Observed): () => void {
  const made = definitions.map((definition) => {
    const { kind, name: metric, unit, description } = definition;
    return [definition, meter[kind](metric, { unit, description })] as const;
  });
  const observables: Observable[] = made.map(([, observable]) => observable);
  const observe: BatchObservableCallback = (result) => {
    const reading = read(cache, told);
    for (const [{ samples }, observable] of made)
      for (const [value, attributes] of samples(reading))
        result.observe(observable, value, { 'cache.name': name, ...attributes });
  };
  meter.addBatchObservableCallback(observe, observables);
  return () => meter.removeBatchObservableCallback(observe, observables);
}

function recordLoads(meter: Meter, name: string, cache: ObservedCache): () => void {
  const loads = meter.createHistogram('cache.load.duration', {
    unit: 's',
    description: 'How long the methods ran for the cache.',
    advice: { explicitBucketBoundaries: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10] },
  });
  return cache.on('load', ({ method, status, durationMs }) => {
    loads.record(durationMs / 1_000, {
      'cache.name': name,
      'code.function.name': method,
      'cache.load.status': status,
    });
  });
}

// ------------------------------------------------------------------------------------------------ spans

/** A load waits so long for the outcome of the call that it ran for; then it was one in the background. */
const waitMs = 1_000;
const waitingAtMost = 1_000;

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
    const ended = { load, context: this.#library.context.active(), endedAt: Date.now() };
    const id = idOf(load);
    const other = this.#waiting.get(id);
    if (other) this.#loadSpan(other, other.context);
    if (!other && this.#waiting.size >= waitingAtMost) return this.#loadSpan(ended, ended.context);
    this.#waiting.set(id, ended);
    this.#timer ??= this.#releaseLater();
  }

  #answered(outcome: Outcome): void {
    const parent = this.#library.context.active();
    const endedAt = Date.now();
    const startTime = endedAt - outcome.durationMs;
    const load = this.#takeLoad(outcome, startTime);
    const attributes = this.#attributesOf(outcome);
    const span = this.#tracer.startSpan(`cache ${outcome.method}`, { startTime, attributes }, parent);
    if (load) this.#loadSpan(load, this.#library.trace.setSpan(parent, span));
    this.#end(span, load?.load.status ?? 'ok', endedAt);
  }

  /** The load that ran for this call alone: those that shared it tell so, and it ran within the call. */
  #takeLoad(outcome: Outcome, startTime: number): EndedLoad | undefined {
    if (outcome.key === undefined || outcome.status !== 'miss' || outcome.reason === 'joined') return undefined;
    const id = idOf(outcome);
    const found = this.#waiting.get(id);
    // Both ends are in whole milliseconds.
    if (!found || found.endedAt - found.load.durationMs < startTime - 2) return undefined;
    this.#waiting.delete(id);
    return found;
  }

  #attributesOf({ method, status, tier, reason }: Outcome): Attributes {
    return {
      'cache.name': this.#cacheName,
      'code.function.name': method,
      'cache.result': status,
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
    this.#end(this.#tracer.startSpan(`cache load ${method}`, options, parent), status, endedAt);
  }

  #end(span: Span, status: LoadEvent['status'], endedAt: number): void {
    if (status === 'error') span.setStatus({ code: this.#library.SpanStatusCode.ERROR });
    span.end(endedAt);
  }

  #releaseLater(): NodeJS.Timeout {
    const timer = setTimeout(() => {
      this.#release(Date.now() - waitMs);
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
