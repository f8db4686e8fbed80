/** What the cache tells whoever listens, and a small emitter that costs nothing where nobody does. */

import { type Channel, channel } from 'node:diagnostics_channel';
import { isPromise } from 'node:util/types';
import { CacheConfigError } from './errors.js';
import { textOf } from './text.js';
import { nearest } from './suggest.js';

/** How a call was answered. */
export type OutcomeStatus = 'hit' | 'miss' | 'stale' | 'bypass';

/** Where an entry was found. */
export type Tier = 'memory' | 'store';

/** What the cache did for one call, and why. Frozen, as all listeners share it. */
export interface Outcome {
  /** How the call was answered. */
  readonly status: OutcomeStatus;
  /** `Class.method`, the `name` option, or the name given to `wrap`. */
  readonly method: string;
  /** Undefined where the call has no key. */
  readonly key: string | undefined;
  /** Where the entry was found: of a miss, the one that was not good enough. Undefined where there was none, and for a bypass. */
  readonly tier: Tier | undefined;
  /** For example `fresh`, `absent`, `expired`, `invalidated: product:1`, `joined`, `revalidating`, `deadline`. */
  readonly reason: string;
  /** The tags of the entry, also inherited ones; where there was none, those that the arguments tell. */
  readonly tags: readonly string[];
  /** Milliseconds since the entry was written; undefined where there was none. */
  readonly ageMs: number | undefined;
  /** Milliseconds that the call took. 0 for a hit in memory, which is not measured. */
  readonly durationMs: number;
  /**
   * The class of the error that the call rejected with, such as `TypeError`; undefined where it did not reject. The error itself
   * is the caller's.
   */
  readonly errorType: string | undefined;
}

/** One invalidation, as it ended. */
export interface InvalidationEvent {
  /** Empty where everything was invalidated. */
  readonly tags: readonly string[];
  /** `expire`: what has these tags is old, and stale policies may serve it; `invalidate`: it is wrong. */
  readonly kind: 'invalidate' | 'expire';
  /**
   * `deferred`: the store did not acknowledge it, and what it names is refused in this process until it does; or it did,
   * and another process lives that has not answered.
   */
  readonly status: 'done' | 'deferred';
}

/** One run of a method for the cache, as it ended. */
export interface LoadEvent {
  /** As in {@link Outcome}. */
  readonly method: string;
  /** Of the call that it was run for; of a `@CachedMany` method, of one of the elements that it was run for. */
  readonly key: string;
  /** `error`: the method threw or rejected. */
  readonly status: 'ok' | 'error';
  /** How long the method ran, in milliseconds. */
  readonly durationMs: number;
  /** The class of what it threw, such as `TypeError`; undefined where it did not throw. */
  readonly errorType: string | undefined;
}

/** A hit whose value the method would not have given, although nothing has invalidated it. */
export interface Mismatch {
  /** As in {@link Outcome}. */
  readonly method: string;
  /** Of the entry. */
  readonly key: string;
  /** All tags of the entry: one that should have been invalidated is among them, or is missing. */
  readonly tags: readonly string[];
  /** Where the two differ and how, without what stands there: `.price: number, another one`. */
  readonly differences: readonly string[];
}

/** Something that the cache survived and somebody should know of. */
export interface CacheProblem {
  /** For example `store`, `undecodable`, `callback`, `background`, `late`, `stale-if-error`, `feed`; of a warning `unstorable`, `unkeyable`, `many-instances`. */
  readonly code: string;
  /** For people; never a password in it. */
  readonly message: string;
  /** What was thrown. */
  readonly cause?: unknown;
}

/** The events of a cache. */
export interface CacheEvents {
  /** Each call. */
  outcome: Outcome;
  /** Each invalidation. */
  invalidation: InvalidationEvent;
  /** Each run of a method for the cache, also in the background. */
  load: LoadEvent;
  /** What `verify` has found: a forgotten `@Invalidates`, or a method whose result changes by itself. */
  mismatch: Mismatch;
  /** Each failure of a store operation or of a callback. */
  error: CacheProblem;
  /** Once for each kind of misuse that makes calls bypass the cache or share entries. */
  warning: CacheProblem;
}

type Listener<T> = (event: T) => void;

const known = ['outcome', 'invalidation', 'load', 'mismatch', 'error', 'warning'] satisfies (keyof CacheEvents)[];

/** What is published on the channel `cachette:<event>` of `node:diagnostics_channel`, by all caches of the process. */
export interface ChannelMessage<K extends keyof CacheEvents = keyof CacheEvents> {
  /** Of the cache. */
  readonly namespace: string;
  /** What `cache.on` gives as well. */
  readonly event: CacheEvents[K];
}

// Held for good: Node forgets a channel that nobody holds.
const channels = Object.fromEntries(known.map((event) => [event, channel(`cachette:${event}`)])) as Readonly<
  Record<keyof CacheEvents, Channel>
>;

/**
 * Calls listeners at once, in the order of their coming, and then the subscribers of the channel of the process. One that
 * throws or rejects harms neither the caller nor the others; what a subscriber throws, Node reports as an uncaught exception.
 */
export class Emitter {
  readonly #namespace: string;
  readonly #listeners = new Map<keyof CacheEvents, Set<Listener<never>>>();

  constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /**
   * Adds a listener; the returned function takes it away.
   *
   * @throws CacheConfigError if there is no such event, or the listener is no function
   */
  on<K extends keyof CacheEvents>(event: K, listener: Listener<CacheEvents[K]>): () => void {
    check(event, listener);
    let listeners = this.#listeners.get(event);
    if (!listeners) this.#listeners.set(event, (listeners = new Set()));
    listeners.add(listener);
    return () => {
      listeners.delete(listener);
    };
  }

  /** Whether anybody listens, so that an event need not be made for nobody. */
  heard(event: keyof CacheEvents): boolean {
    return this.hasListener(event) || channels[event].hasSubscribers;
  }

  /** Whether somebody listens to this very cache; who watches the whole process does not count. */
  hasListener(event: keyof CacheEvents): boolean {
    return (this.#listeners.get(event)?.size ?? 0) > 0;
  }

  emit<K extends keyof CacheEvents>(event: K, value: CacheEvents[K]): void {
    for (const listener of this.#listeners.get(event) ?? []) {
      try {
        const returned: unknown = (listener as (value: CacheEvents[K]) => unknown)(value);
        if (isPromise(returned)) returned.then(undefined, (error: unknown) => warnOf(event, 'rejected', error));
      } catch (error) {
        warnOf(event, 'threw', error);
      }
    }
    const watched = channels[event];
    if (!watched.hasSubscribers) return;
    const message: ChannelMessage<K> = { namespace: this.#namespace, event: value };
    watched.publish(message);
  }
}

function warnOf(event: string, what: 'threw' | 'rejected', error: unknown): void {
  process.emitWarning(`A listener of '${event}' ${what}: ${textOf(error)}`, { type: 'CacheWarning' });
}

/** For whom the types do not check it: a misspelt event would never come. */
function check(event: string, listener: unknown): void {
  const where = `on('${event}')`;
  if (!(known as readonly string[]).includes(event)) {
    const meant = nearest(event, known);
    const instead = meant ? `did you mean '${meant}'?` : `the events are ${known.join(', ')}`;
    throw new CacheConfigError({ where, what: 'there is no such event', instead });
  }
  if (typeof listener === 'function') return;
  throw new CacheConfigError({
    where,
    what: `${String(listener)} is not a function`,
    instead: `write on('${event}', (event) => …)`,
  });
}
