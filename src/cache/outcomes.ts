/** Counts what calls came to, and tells listeners. The one place where outcomes are emitted. */

import type { Clock } from '../base/clock.js';
import type { Entry } from '../base/entry.js';
import type { Emitter, InvalidationEvent, LoadEvent, Mismatch, Outcome, OutcomeStatus, Tier } from '../base/events.js';
import { type Audit, type CacheStats, kindOf } from '../base/insight.js';
import { errorTypeOf } from '../base/text.js';
import { approximateBytes } from '../policies/copies.js';
import type { SampledKey } from '../policies/event-log.js';
import { atMost, LRUCache } from '../policies/lru.js';
import type { Recorder } from '../policies/recording.js';
import type { LocalHit } from '../stores/store.js';
import { auditInSteps, type MemoryFacts } from './audit.js';
import { Counts, isOfInvalidation, type WhyUnstored } from './counts.js';
import type { Names } from './names.js';
import type { Policy } from './policy.js';

/** A call that has its answer. */
export interface AnsweredCall {
  readonly status: OutcomeStatus;
  readonly method: string;
  readonly counts: Counts;
  /** Undefined where the call has no key. */
  readonly key: string | undefined;
  readonly reason: string;
  /** The entry that was found, good enough or not, and where; undefined where there was none. */
  readonly entry: Entry | undefined;
  readonly tier: Tier | undefined;
  /** Those that the arguments tell. */
  readonly tags: readonly string[];
  /** Whether the method ran, or a running one was waited for, before there was an answer. */
  readonly hasWaited: boolean;
  /** What the call rejected with, but for an error that was kept; undefined where it did not. */
  readonly failure: { readonly error: unknown } | undefined;
  /** How long it took; asked for only where somebody wants to know. */
  readonly durationMs: () => number;
  /** Who asked to be told of this call alone. */
  readonly listener: ((outcome: Outcome) => void) | undefined;
}

/** A hit that memory could answer at once. */
export interface LocalCall extends Pick<AnsweredCall, 'method' | 'counts' | 'reason' | 'listener'> {
  readonly key: string;
  readonly entry: Entry;
  readonly hit: LocalHit;
  /** Read once for a hit: it costs as much as the rest. */
  readonly now: number;
}

const notSampled = false;

export interface OutcomesParts {
  readonly events: Emitter;
  readonly names: Names;
  readonly clock: Clock;
  /** Whether a stored value's text is at hand; a value in memory has to be measured. */
  readonly keepsText: boolean;
  /** Undefined: nothing is counted or recorded, and listeners are told all the same. */
  readonly recorder: Recorder | undefined;
}

const localHit = {
  status: 'hit',
  tier: 'memory',
  tags: [],
  hasWaited: false,
  failure: undefined,
  durationMs: () => 0,
} as const;

/** Entries that were found to be invalidated, so that each is counted once. */
const invalidatedAtMost = 8_000;

export class Outcomes {
  readonly #events: Emitter;
  readonly #names: Names;
  readonly #clock: Clock;
  readonly #keepsText: boolean;
  readonly #recorder: Recorder | undefined;
  readonly #methods = new Map<string, Counts>();
  /** When they were written, by key. */
  readonly #invalidated = new LRUCache<string, number>(atMost(invalidatedAtMost));
  #invalidations = 0;
  #errors = 0;

  constructor({ events, names, clock, keepsText, recorder }: OutcomesParts) {
    this.#events = events;
    this.#names = names;
    this.#clock = clock;
    this.#keepsText = keepsText;
    this.#recorder = recorder;
    if (!recorder) return;
    events.on('invalidation', (event) => this.#noteInvalidation(event));
    events.on('error', () => this.#errors++);
  }

  /** The counts of a method; hold on to them where calls are frequent. `policy`: where it is the same for each call. */
  of(method: string, policy?: Policy): Counts {
    let counts = this.#methods.get(method);
    if (!counts) this.#methods.set(method, (counts = new Counts()));
    counts.policy ??= policy;
    return counts;
  }

  /** Whether anybody is told of a call, so that it is worth measuring. */
  isHeard(listener: AnsweredCall['listener']): boolean {
    return listener !== undefined || this.#events.heard('outcome');
  }

  /** The one case in which each nanosecond counts. */
  tellLocal(call: LocalCall): void {
    const { counts, hit, entry, now, listener } = call;
    if (this.#recorder) {
      counts.hit(entry.loadMs);
      const sampled = (hit.memo ??= this.#recorder.find(call.key) ?? notSampled) as SampledKey | typeof notSampled;
      if (sampled !== notSampled) this.#recorder.accessed(sampled, now);
    }
    if (this.isHeard(listener)) this.#emit({ ...call, ...localHit });
  }

  tell(call: AnsweredCall): void {
    if (this.#recorder) this.#count(call, this.#recorder);
    if (this.isHeard(call.listener)) this.#emit(call);
  }

  #count(call: AnsweredCall, recorder: Recorder): void {
    const { status, counts, entry, tier, reason, method, key } = call;
    const loadMs = entry?.loadMs ?? 0;
    if (status === 'hit') counts.hitIn(tier ?? 'store', loadMs);
    else if (status === 'stale') counts.servedStale(call.hasWaited ? 0 : loadMs);
    else counts.other(status, reason);
    if (counts.looksAtTags()) counts.sawTags(this.#tagsOf(call));
    if (key === undefined || status === 'bypass') return;
    const now = this.#clock.now();
    if (status === 'miss') recorder.looked(method, key, now, isOfInvalidation(reason));
    else recorder.found(method, key, now, tier === 'store' ? entry?.writtenAt : undefined);
  }

  /** An entry was read that had been invalidated, or expired by a tag. It may be read again and again until it is replaced. */
  foundInvalidated(counts: Counts, key: string, { entry, reason }: { entry: Entry; reason: string }): void {
    if (!this.#recorder || !isOfInvalidation(reason) || this.#invalidated.get(key) === entry.writtenAt) return;
    this.#invalidated.set(key, entry.writtenAt);
    counts.foundInvalidated(reason);
  }

  #tagsOf({ entry, tags }: Pick<AnsweredCall, 'entry' | 'tags'>): readonly string[] {
    return entry ? this.#names.shownTags(entry.generations.map(([name]) => name)) : tags;
  }

  #emit(call: AnsweredCall): void {
    const { status, method, key, tier, reason, entry, durationMs, listener } = call;
    const outcome: Outcome = Object.freeze({
      status,
      method,
      key,
      tier,
      reason,
      // A copy, as tags that are the same for each call are one array.
      tags: Object.freeze([...this.#tagsOf(call)]),
      ageMs: entry && Math.max(0, this.#clock.now() - entry.writtenAt),
      durationMs: durationMs(),
      errorType: errorTypeOfCall(call),
    });
    this.#events.emit('outcome', outcome);
    listener?.(outcome);
  }

  /** The method has run for the cache. */
  loaded(counts: Counts, load: LoadEvent): void {
    if (this.#recorder) {
      counts.loaded(load.durationMs, load.status === 'error');
      this.#recorder.loaded(load.method, load.key, this.#clock.now());
    }
    if (this.#events.heard('load')) this.#events.emit('load', load);
  }

  /** A result is going to be stored; `written`: whether a store has taken it. */
  stored(counts: Counts, key: string, { entry, written }: { entry: Entry; written: Promise<boolean> }): void {
    if (!this.#recorder || !entry.payload) return;
    this.#invalidated.delete(key);
    void written.then((isKept) => (counts.puts += Number(isKept)));
    const names = entry.generations.map(([name]) => name);
    counts.stored(this.#names.shownTags(names), this.#sizeOf(counts, entry));
    const { loadMs, ttlMs, writtenAt } = entry;
    this.#recorder.stored(key, { names, loadMs, ttlMs, writtenAt });
  }

  /** A result is not stored, or was given to a store that has not kept it. */
  unstored(counts: Counts, key: string, why: WhyUnstored): void {
    if (!this.#recorder) return;
    counts.notStored(why);
    if (why === 'not kept') this.#recorder.refused(key);
  }

  /** What an entry takes in memory that is bounded by that, in bytes. */
  measured(key: string, bytes: number): void {
    this.#recorder?.measured(key, bytes);
  }

  /** What a hit in the store took, where memory is in front of it. */
  foundInStore(counts: Counts, ms: number): void {
    if (this.#recorder) counts.foundInStore(ms);
  }

  /** These generations or entries are gone, by this process or another one. */
  removed(names: readonly string[]): void {
    if (!this.#recorder) return;
    this.#recorder.removed(names, this.#clock.now());
    const kinds = new Set(this.#names.shownTags(names).map(kindOf));
    for (const counts of this.#methods.values()) counts.noteKinds(kinds);
  }

  mismatch(counts: Counts, found: Mismatch): void {
    if (this.#recorder) counts.mismatches++;
    this.#events.emit('mismatch', found);
  }

  stats(): CacheStats {
    const total = new Counts();
    for (const counts of this.#methods.values()) total.add(counts);
    return {
      ...total.stats(),
      errors: this.#errors,
      invalidations: this.#invalidations,
      methods: Object.fromEntries([...this.#methods].map(([method, counts]) => [method, counts.stats()])),
    };
  }

  /** What could be better, and what it would bring. */
  *auditInSteps(memory: MemoryFacts | undefined): Generator<undefined, Audit> {
    if (!this.#recorder) return { findings: [], methods: {}, spanMs: 0, sampled: 0 };
    const facts = [...this.#methods].map(([method, counts]) => {
      const { policy, kinds, warnings } = counts;
      const tagKinds = Object.fromEntries(kinds);
      return [method, { policy, tagKinds, warnings: [...warnings], results: counts.results }] as const;
    });
    const methods = Object.fromEntries(facts);
    return yield* auditInSteps({ stats: this.stats(), recorder: this.#recorder, methods, memory });
  }

  #noteInvalidation({ tags }: InvalidationEvent): void {
    this.#invalidations++;
    const kinds = new Set(tags.map(kindOf));
    for (const counts of this.#methods.values()) counts.noteInvalidation(kinds);
  }

  /** A class's own `toPlain` may fail; who stores the entry finds that out and tells of it. */
  #sizeOf(counts: Counts, { payload }: Entry): number | undefined {
    try {
      if (this.#keepsText) return payload && Buffer.byteLength(payload.text);
      return counts.measuresNext ? Math.ceil(approximateBytes(payload?.copy())) : undefined;
    } catch {
      return undefined;
    }
  }
}

/** A kept error is made anew from its entry, as for the caller; a class's own `fromPlain` may fail the second time. */
function errorTypeOfCall({ status, entry, failure }: AnsweredCall): string | undefined {
  if (failure) return errorTypeOf(failure.error);
  if (status === 'miss' || !entry?.isError) return undefined;
  try {
    return errorTypeOf(entry.payload?.copy());
  } catch {
    return 'Error';
  }
}
