/** What the stores of a cache are made into: memory alone, a shared store alone, or the one in front of the other. */

import type { Clock } from '../base/clock.js';
import { CacheConfigError } from '../base/errors.js';
import type { CacheProblem } from '../base/events.js';
import { nextTurn, timeOf } from '../policies/deadline.js';
import type { Backend } from '../stores/backend.js';
import type { StoreBus } from '../stores/bus.js';
import { Coherence } from '../stores/coherence.js';
import type { Answering } from '../stores/questions.js';
import { layered } from '../stores/layered.js';
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
  /** What an entry takes in memory that is bounded by that, in bytes. */
  readonly onMeasured: (key: string, bytes: number) => void;
  /** What this process answers when another one asks; undefined: nothing. */
  readonly answer: Answering;
}

type MemoryTarget = Extract<StoreTarget, { kind: 'memory' }>;
type BackendTarget = Extract<StoreTarget, { kind: 'backend' }>;

/** @throws CacheConfigError if the stores cannot be combined */
export function openStores(parts: StoreParts): Store {
  const [first, ...others] = parts.targets;
  if (!first) throw notTogether('there is no store');
  const behind = (first.kind === 'memory' ? others : parts.targets).map((target) => {
    if (target.kind === 'memory') throw notTogether('memory is not the first of the stores');
    return target;
  });
  if (behind.length === 0 && parts.settings.bus) throw busForNothing();
  if (first.kind !== 'memory') return openShared(behind, parts, undefined).shared;
  return behind.length === 0
    ? new MemoryStore(parts.clock, { ...first, onMeasured: parts.onMeasured })
    : openTiers(first, behind, parts);
}

function notTogether(what: string): CacheConfigError {
  return new CacheConfigError({
    where: 'createCache',
    what,
    instead: "write the nearest first, and memory only there: ['memory://', 'redis://localhost:6379']",
  });
}

function busForNothing(): CacheConfigError {
  return new CacheConfigError({
    where: 'createCache',
    what: 'there is a bus, and no shared store whose invalidations it could carry',
    instead: "leave it out, or write a shared store behind memory: ['memory://', 'memcached://localhost:11211']",
  });
}

function openBackend(targets: readonly BackendTarget[], { settings, clock, report }: StoreParts): Backend {
  const backends = targets.map((target) => target.open(clock));
  if (backends.length === 1) return backends[0] as Backend;
  return layered(backends, {
    clock,
    deadlineMs: Math.ceil(settings.deadlineMs / 2),
    report: (message, cause) => report({ code: 'store', message, cause }),
  });
}

/** `onRemoved`: of memory in front of it. Without, others are told of what is removed here, and nothing is remembered. */
function openShared(
  targets: readonly BackendTarget[],
  parts: StoreParts,
  onRemoved: StoreParts['onRemoved'] | undefined,
): Opened {
  const { settings, clock, names, report } = parts;
  const backend = openBackend(targets, parts);
  const bus = busOf(settings, backend.bus?.(names.channel));
  const coherence =
    bus &&
    new Coherence({
      bus,
      remembers: onRemoved !== undefined,
      time: timeOf(clock),
      answer: parts.answer,
      deleteMany: (keys) => backend.deleteMany(keys),
      session: () => backend.session ?? 0,
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
  return { shared, coherence, name: backend.name };
}

interface Opened {
  readonly shared: SharedStore;
  readonly coherence: Coherence | undefined;
  /** For messages. */
  readonly name: string;
}

function busOf({ bus }: CacheSettings, own: StoreBus | undefined): StoreBus | undefined {
  if (bus === false) return undefined;
  return bus ?? own;
}

function openTiers(memory: MemoryTarget, targets: readonly BackendTarget[], parts: StoreParts): TieredStore {
  const { shared, coherence, name } = openShared(targets, parts, (removed, discard) => {
    tiers.forget(removed);
    return parts.onRemoved(removed, discard);
  });
  if (!coherence && parts.settings.maxStalenessMs === undefined) tellOfVerification(name, parts);
  const tiers: TieredStore = new TieredStore(shared, {
    clock: parts.clock,
    bounds: { ...memory, onMeasured: parts.onMeasured },
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
