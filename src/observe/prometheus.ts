/**
 * Shows what a cache does to Prometheus, through prom-client: counts are read when Prometheus asks, so that calls pay nothing.
 *
 * @packageDocumentation
 */

import type { Counter, Gauge, Histogram, Registry, RegistryContentType } from 'prom-client';
import { CacheConfigError } from '../base/errors.js';
import type { LoadEvent } from '../base/events.js';
import type { Insight } from '../base/insight.js';
import { check, type Rule } from '../cache/policy.js';
import {
  combined,
  insightOf,
  loadBuckets,
  loadHelp,
  loadPeer,
  measures,
  type ObservedCache,
  read,
  type Reading,
} from './observed.js';

export type { ObservedCache };

/** Options of {@link prometheusMetrics}. */
export interface PrometheusOptions {
  /** Where the metrics are. Default: the global one of prom-client. */
  readonly registry?: Registry<RegistryContentType>;
  /** What their names begin with. Default `cache_`. */
  readonly prefix?: string;
  /** The value of the label `cache`. Default: the `namespace` of the cache. */
  readonly name?: string;
  /**
   * More labels, the same for each metric of this cache, with other names than those that the metrics have: `cache`, `method`,
   * `result`, `tier`, `reason`, `status`, `le`. Caches that share a registry have the same names of labels.
   */
  readonly labels?: Readonly<Record<string, string>>;
  /** Upper bounds of the histogram of loads, in seconds. The first cache of a registry decides. Default: 1 ms to 10 s. */
  readonly buckets?: readonly number[];
}

/** Metrics that are being shown. */
export interface PrometheusMetrics {
  /** For the handler that Prometheus asks: `registry.metrics()`. */
  readonly registry: Registry<RegistryContentType>;
  /** Takes the cache out of the registry; with the last cache go the metrics. */
  stop(): void;
}

type Library = typeof import('prom-client');
type OwnLabels = Readonly<Record<string, string>>;

const where = 'prometheusMetrics';
const isText = (value: unknown): boolean => typeof value === 'string' && value !== '';
const isLabels = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.values(value).every((label) => typeof label === 'string');

const isNotEmpty = (value: unknown): value is readonly unknown[] => Array.isArray(value) && value.length > 0;

/** Those that the metrics have. */
const ownLabels: readonly string[] = ['cache', 'method', 'result', 'tier', 'reason', 'status', 'le'];

const rules = {
  registry: ['write a Registry of prom-client', (value) => typeof (value as Partial<Registry>)?.metrics === 'function'],
  prefix: [
    "write the beginning of a metric's name, such as 'shop_'",
    (value) => /^[a-zA-Z_:][\w:]*$/.test(String(value)),
  ],
  name: ["write a name such as 'shop'", isText],
  labels: ["write names with texts, such as { service: 'shop' }", isLabels],
  buckets: ['write numbers of seconds, ascending', (value) => isNotEmpty(value) && value.every(isAscending)],
} satisfies Record<keyof PrometheusOptions, Rule>;

/**
 * Shows what a cache does to Prometheus. Several caches may share a registry: the label `cache` tells them apart, and those
 * with the same labels are one: their counts are summed.
 *
 * @throws CacheConfigError if prom-client is not installed, the registry has other metrics of these names or has the cache already,
 *   an option is wrong, or it is no cache
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
  Object.keys(options.labels ?? {}).forEach(checkLabel);
  const library = await loadPeer<Library>(where, 'prom-client', () => import('prom-client'));
  const { registry = library.register, prefix = 'cache_', name = told.snapshot().namespace } = options;
  const labels = { ...options.labels, cache: name };
  const meters = metersOf(registry, prefix, () => new Meters(library, { registry, prefix, labels, options }));
  const stop = meters.add(new Metered(cache, told, labels));
  return { registry, stop };
}

/** prom-client would let one take the place of the other, or throw at the first scrape. */
function checkLabel(label: string): void {
  if (ownLabels.includes(label)) {
    const instead = `write another name, such as 'app_${label}'`;
    throw new CacheConfigError({ where, what: `the metrics have a label '${label}' of their own`, instead });
  }
  if (/^(?!__)[a-zA-Z_]\w*$/.test(label)) return;
  const instead = 'write letters, digits and underscores, such as service_name';
  throw new CacheConfigError({ where, what: `'${label}' cannot be the name of a label`, instead });
}

function isAscending(bound: unknown, index: number, bounds: readonly unknown[]): boolean {
  return Number.isFinite(bound) && (index === 0 || Number(bound) > Number(bounds[index - 1]));
}

/** One cache, with a reading that serves all metrics of one scrape. */
class Metered {
  readonly cache: ObservedCache;
  readonly labels: OwnLabels;
  readonly told: Insight;
  #reading: Reading | undefined;

  constructor(cache: ObservedCache, told: Insight, labels: OwnLabels) {
    this.cache = cache;
    this.labels = labels;
    this.told = told;
  }

  /** prom-client asks all metrics of a registry in one go, and this is forgotten when it has. */
  get reading(): Reading {
    if (this.#reading) return this.#reading;
    void Promise.resolve().then(() => (this.#reading = undefined));
    return (this.#reading = read(this.cache, this.told));
  }
}

/** After the prefix. The first ones are what Micrometer calls them. */
const names = {
  gets: 'gets_total',
  puts: 'puts_total',
  evictions: 'evictions_total',
  entries: 'size',
  entryLimit: 'size_limit',
  size: 'size_bytes',
  sizeLimit: 'size_limit_bytes',
  loadSaved: 'load_saved_seconds_total',
  invalidatedEntries: 'invalidated_entries_total',
  mismatches: 'mismatches_total',
  invalidations: 'invalidations_total',
  errors: 'errors_total',
  valueBytes: 'value_bytes_total',
  valuesMeasured: 'values_measured_total',
  valueMaxBytes: 'value_max_bytes',
  breakerOpen: 'breaker_open',
  pending: 'pending_invalidations',
  busPeers: 'bus_peers',
} as const satisfies Readonly<Record<keyof typeof measures, string>>;

const metrics = Object.entries(names).map(([measure, name]) => {
  return { name, measure: measures[measure as keyof typeof measures] };
});

interface MetersParts {
  readonly registry: Registry<RegistryContentType>;
  readonly prefix: string;
  readonly labels: OwnLabels;
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
    this.#names = [...metrics.map(({ name }) => prefix + name), loads];
    this.#check();
    for (const metric of metrics) this.#define(library, metric);
    this.#loads = new library.Histogram({
      name: loads,
      help: loadHelp,
      labelNames: [...Object.keys(labels), 'method', 'status'],
      buckets: [...(options.buckets ?? loadBuckets)],
      registers: [registry],
    });
  }

  add(metered: Metered): () => void {
    this.#checkLabels(metered.labels);
    this.#checkIsNew(metered);
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

  #define(library: Library, { name, measure }: (typeof metrics)[number]): void {
    const caches = this.#caches;
    const { registry, prefix, labels } = this.#parts;
    const Metric = measure.kind === 'counter' ? library.Counter : library.Gauge;
    new Metric({
      name: prefix + name,
      help: measure.help,
      labelNames: [...Object.keys(labels), ...measure.labels],
      registers: [registry],
      collect(this: Counter | Gauge) {
        this.reset();
        for (const [value, shown] of combined(measure, [...caches])) this.inc(shown, value);
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

  #checkLabels(labels: OwnLabels): void {
    const [own, first] = [labels, this.#parts.labels].map((some) => Object.keys(some).sort().join(', '));
    if (own === first) return;
    const instead = 'give all caches of a registry the same names of labels, or each a prefix';
    throw new CacheConfigError({
      where,
      what: `the labels are ${own}, those of the cache before it ${first}`,
      instead,
    });
  }

  /** Counted twice, everything would be twice as much. */
  #checkIsNew({ told }: Metered): void {
    if (![...this.#caches].some((other) => other.told === told)) return;
    throw new CacheConfigError({
      where,
      what: 'the registry has this cache already',
      instead: 'call stop() of the metrics that it has, or give another registry',
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
const shared = new WeakMap<Registry<RegistryContentType>, Map<string, Meters>>();

function metersOf(registry: Registry<RegistryContentType>, prefix: string, make: () => Meters): Meters {
  let meters = shared.get(registry);
  if (!meters) shared.set(registry, (meters = new Map<string, Meters>()));
  let found = meters.get(prefix);
  if (!found) meters.set(prefix, (found = make()));
  return found;
}
