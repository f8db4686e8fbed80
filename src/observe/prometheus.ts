/**
 * Shows what a cache does to Prometheus, through prom-client: counts are read when Prometheus asks, so that calls pay nothing.
 *
 * @packageDocumentation
 */

import type { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { CacheConfigError } from '../base/errors.js';
import type { LoadEvent } from '../base/events.js';
import type { Insight } from '../base/insight.js';
import { check, type Rule } from '../cache/policy.js';
import { callCounts, insightOf, loadPeer, type ObservedCache, read, type Reading } from './observed.js';

export type { ObservedCache };

/** Options of {@link prometheusMetrics}. */
export interface PrometheusOptions {
  /** Where the metrics are. Default: the global one of prom-client. */
  readonly registry?: Registry;
  /** What their names begin with. Default `cachette_`. */
  readonly prefix?: string;
  /** The value of the label `cache`. Default: the `namespace` of the cache. */
  readonly name?: string;
  /** More labels, the same for each metric of this cache. Caches that share a registry have the same names of labels. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Upper bounds of the histogram of loads, in seconds. The first cache of a registry decides. Default: 1 ms to 10 s. */
  readonly buckets?: readonly number[];
}

/** Metrics that are being shown. */
export interface PrometheusMetrics {
  /** For the handler that Prometheus asks: `registry.metrics()`. */
  readonly registry: Registry;
  /** Takes the cache out of the registry; with the last cache go the metrics. */
  stop(): void;
}

type Library = typeof import('prom-client');
type Labels = Readonly<Record<string, string>>;

const where = 'prometheusMetrics';
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isLabels = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.values(value).every((label) => typeof label === 'string');

const rules = {
  registry: ['write a Registry of prom-client', (value) => typeof (value as Partial<Registry>)?.metrics === 'function'],
  prefix: [
    "write the beginning of a metric's name, such as 'shop_'",
    (value) => /^[a-zA-Z_:][\w:]*$/.test(String(value)),
  ],
  name: ["write a name such as 'shop'", isText],
  labels: ["write names with texts, such as { service: 'shop' }", isLabels],
  buckets: ['write numbers of seconds, ascending', (value) => Array.isArray(value) && value.every(isAscending)],
} satisfies Record<keyof PrometheusOptions, Rule>;

const defaultBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/**
 * Shows what a cache does to Prometheus. Several caches may share a registry: the label `cache` tells them apart, and those
 * with the same labels are summed.
 *
 * @throws CacheConfigError if prom-client is not installed, the registry has other metrics of these names, or it is no cache
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { prometheusMetrics } from 'cachette/prometheus';
 *
 * const cache = createCache();
 * const { registry } = await prometheusMetrics(cache);
 * await registry.metrics(); // what Prometheus is to get
 * ```
 */
export async function prometheusMetrics(
  cache: ObservedCache,
  options: PrometheusOptions = {},
): Promise<PrometheusMetrics> {
  const told = insightOf(cache, where);
  check(options, rules, where);
  const library = await loadPeer<Library>(where, 'prom-client', () => import('prom-client'));
  const { registry = library.register, prefix = 'cachette_', name = told.snapshot().namespace } = options;
  const labels = { ...options.labels, cache: name };
  const meters = metersOf(registry, prefix, () => new Meters(library, { registry, prefix, labels, options }));
  const stop = meters.add(new Metered(cache, told, labels));
  return { registry, stop };
}

function isAscending(bound: unknown, index: number, bounds: readonly unknown[]): boolean {
  return Number.isFinite(bound) && (index === 0 || Number(bound) > Number(bounds[index - 1]));
}

/** One cache, with a reading that serves all metrics of one scrape. */
class Metered {
  readonly cache: ObservedCache;
  readonly labels: Labels;
  readonly #told: Insight;
  #reading: Reading | undefined;

  constructor(cache: ObservedCache, told: Insight, labels: Labels) {
    this.cache = cache;
    this.labels = labels;
    this.#told = told;
  }

  /** prom-client asks all metrics of a registry in one go, and this is forgotten when it has. */
  get reading(): Reading {
    if (this.#reading) return this.#reading;
    void Promise.resolve().then(() => (this.#reading = undefined));
    return (this.#reading = read(this.cache, this.#told));
  }
}

/** A value with what its labels say, apart from those of the cache. */
type Sample = readonly [value: number, labels?: Labels];

interface Definition {
  readonly kind: 'Counter' | 'Gauge';
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  readonly samples: (reading: Reading) => readonly Sample[];
}

const byMethod = (of: (stats: Reading['stats']['methods'][string]) => number): Definition['samples'] => {
  return ({ stats }) => Object.entries(stats.methods).map(([method, counts]) => [of(counts), { method }]);
};

const byTier = (of: (store: Reading['state']['stores'][number]) => number | undefined): Definition['samples'] => {
  return ({ state }) =>
    state.stores.flatMap((store) => {
      const value = of(store);
      return value === undefined || !Number.isFinite(value) ? [] : [[value, { tier: store.tier }] as const];
    });
};

const definitions: readonly Definition[] = [
  {
    kind: 'Counter',
    name: 'calls_total',
    help: 'Calls, by what they came to.',
    labels: ['method', 'result', 'tier', 'reason'],
    samples: ({ stats }) => callCounts(stats).map(({ count, ...labels }) => [count, labels]),
  },
  {
    kind: 'Counter',
    name: 'load_saved_seconds_total',
    help: 'How long the methods would have run for what was served without them.',
    labels: ['method'],
    samples: byMethod(({ savedMs }) => savedMs / 1_000),
  },
  {
    kind: 'Counter',
    name: 'invalidated_entries_total',
    help: 'Entries that were asked for and had been invalidated.',
    labels: ['method'],
    samples: byMethod(({ invalidated }) => invalidated),
  },
  {
    kind: 'Counter',
    name: 'mismatches_total',
    help: 'Hits that verify found to be wrong.',
    labels: ['method'],
    samples: byMethod(({ mismatches }) => mismatches),
  },
  {
    kind: 'Counter',
    name: 'invalidations_total',
    help: 'Invalidations by this process.',
    labels: [],
    samples: ({ stats }) => [[stats.invalidations]],
  },
  {
    kind: 'Counter',
    name: 'errors_total',
    help: 'Store operations, callbacks and background loads that failed.',
    labels: [],
    samples: ({ stats }) => [[stats.errors]],
  },
  {
    kind: 'Gauge',
    name: 'value_mean_bytes',
    help: 'The mean size of the values that were measured.',
    labels: ['method'],
    samples: byMethod(({ bytes }) => bytes.mean),
  },
  {
    kind: 'Gauge',
    name: 'value_max_bytes',
    help: 'The greatest size of the values that were measured.',
    labels: ['method'],
    samples: byMethod(({ bytes }) => bytes.max),
  },
  {
    kind: 'Gauge',
    name: 'entries',
    help: 'Entries in memory.',
    labels: ['tier'],
    samples: byTier(({ entries }) => entries),
  },
  {
    kind: 'Gauge',
    name: 'max_entries',
    help: 'Entries that memory may hold.',
    labels: ['tier'],
    samples: byTier(({ maxEntries }) => maxEntries),
  },
  {
    kind: 'Gauge',
    name: 'breaker_open',
    help: '1 while the store is not asked, as it has been silent.',
    labels: ['tier'],
    samples: byTier(({ breaker }) => (breaker === 'none' ? undefined : Number(breaker !== 'closed'))),
  },
  {
    kind: 'Gauge',
    name: 'pending_invalidations',
    help: 'Invalidations that the store has not acknowledged yet.',
    labels: ['tier'],
    samples: byTier(({ pending }) => pending),
  },
  {
    kind: 'Gauge',
    name: 'bus_peers',
    help: 'Other processes that are heard on the bus.',
    labels: [],
    samples: ({ state }) => (state.bus.state === 'none' ? [] : [[state.bus.peers]]),
  },
];

interface MetersParts {
  readonly registry: Registry;
  readonly prefix: string;
  readonly labels: Labels;
  readonly options: PrometheusOptions;
}

/** The metrics of one registry under one prefix, and the caches in them. */
class Meters {
  readonly #parts: MetersParts;
  readonly #caches = new Set<Metered>();
  readonly #loads: Histogram;
  readonly #names: readonly string[];

  constructor(library: Library, parts: MetersParts) {
    const { registry, prefix, labels, options } = parts;
    const loads = `${prefix}load_duration_seconds`;
    this.#parts = parts;
    this.#names = [...definitions.map(({ name }) => prefix + name), loads];
    this.#check();
    for (const definition of definitions) this.#define(library, definition);
    this.#loads = new library.Histogram({
      name: loads,
      help: 'How long the methods ran for the cache.',
      labelNames: [...Object.keys(labels), 'method', 'status'],
      buckets: [...(options.buckets ?? defaultBuckets)],
      registers: [registry],
    });
  }

  add(metered: Metered): () => void {
    this.#checkLabels(metered.labels);
    const stop = metered.cache.on('load', (load) => this.#observe(load, metered));
    this.#caches.add(metered);
    return () => {
      stop();
      if (this.#caches.delete(metered)) this.#removed(metered);
    };
  }

  #observe({ method, status, durationMs }: LoadEvent, { labels }: Metered): void {
    this.#loads.observe({ ...labels, method, status }, durationMs / 1_000);
  }

  #define(library: Library, { kind, name, help, labels, samples }: Definition): void {
    const caches = this.#caches;
    new library[kind]({
      name: this.#parts.prefix + name,
      help,
      labelNames: [...Object.keys(this.#parts.labels), ...labels],
      registers: [this.#parts.registry],
      collect(this: Counter | Gauge) {
        this.reset();
        for (const { reading, labels: own } of caches)
          for (const [value, more] of samples(reading)) this.inc({ ...own, ...more }, value);
      },
    });
  }

  /** Before the first is there, so that none is left behind. */
  #check(): void {
    const { registry } = this.#parts;
    const taken = this.#names.find((name) => registry.getSingleMetric(name) !== undefined);
    if (taken === undefined) return;
    const instead = "take another prefix, such as prefix: 'products_'";
    throw new CacheConfigError({ where, what: `the registry has a metric ${taken} already`, instead });
  }

  #checkLabels(labels: Labels): void {
    const [own, first] = [labels, this.#parts.labels].map((some) => Object.keys(some).sort().join(', '));
    if (own === first) return;
    const instead = 'give all caches of a registry the same names of labels, or each a prefix';
    throw new CacheConfigError({
      where,
      what: `the labels are ${own}, those of the cache before it ${first}`,
      instead,
    });
  }

  #removed({ labels }: Metered): void {
    if (this.#caches.size === 0) return this.#removeAll();
    const isOf = (some: Partial<Record<string, string | number>>): boolean =>
      Object.entries(labels).every(([name, value]) => some[name] === value);
    if ([...this.#caches].some((other) => isOf(other.labels))) return;
    void this.#loads.get().then(({ values }) => {
      const own = values.filter((value) => isOf(value.labels)).map(({ labels: { le: _, ...rest } }) => rest);
      for (const one of own) this.#loads.remove(one as Record<string, string>);
    });
  }

  #removeAll(): void {
    const { registry, prefix } = this.#parts;
    for (const name of this.#names) registry.removeSingleMetric(name);
    shared.get(registry)?.delete(prefix);
  }
}

/** By registry and prefix. */
const shared = new WeakMap<Registry, Map<string, Meters>>();

function metersOf(registry: Registry, prefix: string, make: () => Meters): Meters {
  let meters = shared.get(registry);
  if (!meters) shared.set(registry, (meters = new Map<string, Meters>()));
  let found = meters.get(prefix);
  if (!found) meters.set(prefix, (found = make()));
  return found;
}
