/** What the stores of a cache are made into: memory alone, a shared store alone, or the one in front of the other. */

import type { Clock } from '../base/clock.js';
import { CacheConfigError } from '../base/errors.js';
import type { CacheProblem } from '../base/events.js';
import { nextTurn } from '../policies/deadline.js';
import type { StoreBus } from '../stores/bus.js';
import { Coherence } from '../stores/coherence.js';
import { MemoryStore } from '../stores/memory.js';
import { SharedStore } from '../stores/shared.js';
import type { Store } from '../stores/store.js';
import { noTrust, TieredStore } from '../stores/tiers.js';
import type { StoreTarget } from '../stores/uri.js';
import type { Names } from './names.js';
import type { CacheSettings } from './policy.js';

export interface StoreParts {
  readonly targets: readonly StoreTarget[];
  readonly settings: CacheSettings;
  readonly clock: Clock;
  readonly names: Names;
  readonly report: (problem: CacheProblem & { readonly loud?: boolean }) => void;
  /** Tells once of what somebody may want to change. */
  readonly warn: (code: string, message: string) => void;
  /** Another process has removed these; `discard` removes entries that this one has written since. */
  readonly onRemoved: (
    names: readonly string[],
    discard: (keys: readonly string[]) => Promise<unknown>,
  ) => Promise<void>;
}

type MemoryTarget = Extract<StoreTarget, { kind: 'memory' }>;
type BackendTarget = Extract<StoreTarget, { kind: 'backend' }>;

/** @throws CacheConfigError if the stores cannot be combined */
export function openStores(parts: StoreParts): Store {
  const [first, second, ...more] = parts.targets;
  if (!first || more.length > 0) throw notTogether(`there are ${parts.targets.length} stores`);
  if (!second)
    return first.kind === 'memory' ? new MemoryStore(parts.clock, first) : openShared(first, parts, undefined).shared;
  if (first.kind !== 'memory' || second.kind === 'memory')
    throw notTogether('memory is not in front of a shared store');
  return openTiers(first, second, parts);
}

function notTogether(what: string): CacheConfigError {
  return new CacheConfigError({
    where: 'createCache',
    what,
    instead: "write one store, or memory in front of a shared one: ['memory://', 'redis://localhost:6379']",
  });
}

/** `onRemoved`: of memory in front of it. Without, others are told of what is removed here, and nothing is remembered. */
function openShared(target: BackendTarget, parts: StoreParts, onRemoved: StoreParts['onRemoved'] | undefined): Opened {
  const { settings, clock, names, report } = parts;
  const backend = target.open();
  const bus = busOf(settings, backend.bus?.(names.channel));
  const coherence =
    bus &&
    new Coherence({
      bus,
      remembers: onRemoved !== undefined,
      deleteMany: (keys) => backend.deleteMany(keys),
      forget: (removed) => (onRemoved ?? parts.onRemoved)(removed, (keys) => shared.discard(keys)),
      report: (message, cause) => report({ code: 'bus', message: `${backend.name}: ${message}`, cause }),
    });
  const shared: SharedStore = new SharedStore(backend, {
    clock,
    deadlineMs: settings.deadlineMs,
    everything: names.everything,
    serversKey: names.servers,
    remover: coherence,
    report,
  });
  return { shared, coherence };
}

interface Opened {
  readonly shared: SharedStore;
  readonly coherence: Coherence | undefined;
}

function busOf({ bus }: CacheSettings, own: StoreBus | undefined): StoreBus | undefined {
  if (bus === false) return undefined;
  return bus ?? own;
}

function openTiers(memory: MemoryTarget, target: BackendTarget, parts: StoreParts): TieredStore {
  const { shared, coherence } = openShared(target, parts, (removed, discard) => {
    tiers.forget(removed);
    return parts.onRemoved(removed, discard);
  });
  if (!coherence && parts.settings.maxStalenessMs === undefined) tellOfVerification(target.name, parts);
  const tiers: TieredStore = new TieredStore(shared, {
    clock: parts.clock,
    bounds: memory,
    graceMs: parts.settings.outageGraceMs,
    trust: coherence ?? noTrust,
  });
  return tiers;
}

/** Who puts memory in front of a store expects hits that ask nobody. */
function tellOfVerification(name: string, { warn }: StoreParts): void {
  const message =
    `createCache: ${name} has no bus that would tell of invalidations, so each hit in memory reads its generations from ` +
    "the store: one small command, without the value. maxStaleness: '1s' would spare that, and let a hit be wrong for so " +
    'long after an invalidation by another process; maxStaleness: 0 says that it is to be so';
  // Whoever has just made the cache listens from now on.
  nextTurn(() => warn('no-bus', message));
}
