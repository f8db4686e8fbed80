/**
 * Invalidates what a source says has changed. Hides how changes that come faster than they can be delivered are gathered, and
 * that whatever cannot be understood, or can no longer be heard, counts as "anything may have changed".
 */

import { CacheConfigError } from '../base/errors.js';
import { nextTurn, withDeadline } from '../policies/deadline.js';
import type { Core } from './core.js';
import type { Change, MappedFollowOptions } from './options.js';
import { checkedTags, checkFollowOptions } from './policy.js';
import { transactionOf, withoutScope } from './scope.js';

/** What `follow` gives. */
export interface Following {
  /** Stops following. What has come before is still invalidated. Never rejects. */
  close(): Promise<void>;
  /** Resolves when nothing is followed any more: after `close()`, or when the source has ended or failed. Never rejects. */
  readonly ended: Promise<void>;
}

/**
 * What a source has survived. A source with a method `onProblem(listener)` is given a listener by `follow`, which makes an `error`
 * event of each problem.
 */
export interface FeedProblem {
  /** For people; never a password in it. */
  readonly message: string;
  /** What was thrown. */
  readonly cause?: unknown;
  /** Somebody has to change something: a warning is told as well. */
  readonly loud?: boolean;
}

/** The cache, as its feeds see it. */
export interface FollowHost {
  readonly core: Core;
  /** The longest that the end of a source is waited for. */
  readonly deadlineMs: number;
  invalidate(tags: readonly string[]): Promise<unknown>;
  clear(): Promise<unknown>;
}

/** More tags than this, waiting for one invalidation, become an invalidation of everything. */
export const mostGathered = 10_000;

const where = 'follow';

type AnyOptions = Partial<MappedFollowOptions<never>>;

/** Throws a `CacheConfigError` if `source` cannot be followed, or an option is wrong. */
export function follow(source: unknown, options: AnyOptions, host: FollowHost): Following {
  checkFollowOptions(options, where);
  const tap = tapOf(source, options.event);
  return new Feed(tap, { host, changeOf: reading(options.tags, host.core), problems: problemsOf(source) });
}

// ------------------------------------------------------------------------------------------------ what changes

const everything = 'everything';
type Changed = readonly string[] | typeof everything;

/** Throws if an item is no change. */
function reading(tags: AnyOptions['tags'], { names }: Core): (item: unknown) => Changed {
  return (item) => {
    const change: unknown = tags === undefined ? item : tags(item as never);
    if (isClear(change)) return everything;
    const changed = checkedTags(change, where);
    for (const tag of changed) names.tag(tag);
    return changed;
  };
}

function isClear(change: unknown): change is Extract<Change, { clear: true }> {
  return typeof change === 'object' && change !== null && (change as { clear?: unknown }).clear === true;
}

/** What is to go out with the next invalidation. */
class Gathering {
  #tags = new Set<string>();
  #isEverything = false;

  get isEmpty(): boolean {
    return !this.#isEverything && this.#tags.size === 0;
  }

  add(changed: Changed): void {
    if (this.#isEverything) return;
    if (changed !== everything) for (const tag of changed) this.#tags.add(tag);
    if (changed !== everything && this.#tags.size <= mostGathered) return;
    this.#isEverything = true;
    this.#tags = new Set();
  }

  take(): Changed {
    const taken = this.#isEverything ? everything : [...this.#tags];
    this.#isEverything = false;
    this.#tags = new Set();
    return taken;
  }
}

// ------------------------------------------------------------------------------------------------ the feed

interface FeedParts {
  readonly host: FollowHost;
  readonly changeOf: (item: unknown) => Changed;
  /** Has a listener told of what the source survives. */
  readonly problems: (listener: (problem: FeedProblem) => void) => void;
}

class Feed implements Following {
  readonly ended: Promise<void>;
  readonly #tap: Tap;
  readonly #host: FollowHost;
  readonly #changeOf: FeedParts['changeOf'];
  readonly #gathering = new Gathering();
  #delivering: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #hasWarned = false;
  #release: () => void = () => {};
  readonly #released = new Promise<void>((resolve) => (this.#release = resolve));

  constructor(tap: Tap, { host, changeOf, problems }: FeedParts) {
    this.#tap = tap;
    this.#host = host;
    this.#changeOf = changeOf;
    problems((problem) => {
      if (!this.#closing) host.core.report({ code: 'feed', ...problem });
    });
    this.ended = withoutScope(() => this.#run());
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  async #close(): Promise<void> {
    const { deadlineMs, core } = this.#host;
    try {
      await withDeadline(this.#tap.close(), deadlineMs, core);
    } catch (cause) {
      this.#tell(`the source did not end cleanly: ${String(cause)}`, { cause });
    }
    this.#release();
    await this.ended;
  }

  async #run(): Promise<void> {
    try {
      await Promise.race([this.#tap.read((item) => this.#take(item)), this.#released]);
      if (!this.#closing) this.#lost('has ended');
    } catch (cause) {
      if (!this.#closing) this.#lost(`has failed: ${String(cause)}`, cause);
    }
    while (this.#delivering) await this.#delivering;
  }

  #take(item: unknown): void {
    if (this.#closing) return;
    const changed = this.#changed(item);
    // Told by who is changing the data: what is invalidated before the commit could be computed from the data before it.
    if (transactionOf(this.#host.core)) void this.#invalidate(changed);
    else this.#gather(changed);
  }

  #changed(item: unknown): Changed {
    try {
      return this.#changeOf(item);
    } catch (cause) {
      const isFirst = !this.#hasWarned;
      this.#hasWarned = true;
      const what = 'an item of the source is no change, so everything was invalidated';
      this.#tell(`${what}: ${String(cause)}`, { cause, loud: isFirst });
      return everything;
    }
  }

  #lost(how: string, cause?: unknown): void {
    const what = `the source ${how}; everything was invalidated, and of later changes the cache is not told`;
    this.#tell(what, { cause, loud: true });
    this.#gather(everything);
  }

  /**
   * The first change goes out at once; those that come while it is on its way go out together when it has arrived. A change is
   * therefore in the store, in an invalidation under way or in the gathering, and never forgotten with a flight that began
   * before it.
   */
  #gather(changed: Changed): void {
    this.#gathering.add(changed);
    if (this.#gathering.isEmpty || this.#delivering) return;
    this.#delivering = withoutScope(() => this.#deliver());
    this.#host.core.inBackground(this.#delivering);
  }

  async #deliver(): Promise<void> {
    while (!this.#gathering.isEmpty) await this.#invalidate(this.#gathering.take());
    // In the same turn as the look at the gathering: what comes later begins anew.
    this.#delivering = undefined;
  }

  async #invalidate(changed: Changed): Promise<void> {
    try {
      await (changed === everything ? this.#host.clear() : this.#host.invalidate(changed));
    } catch (cause) {
      this.#tell(String(cause), { cause });
    }
  }

  #tell(what: string, { cause, loud = false }: { readonly cause: unknown; readonly loud?: boolean }): void {
    this.#host.core.report({ code: 'feed', message: `${where}: ${what}`, cause, loud });
  }
}

// ------------------------------------------------------------------------------------------------ sources

/** Where items come from. */
interface Tap {
  /** Hands on each item. Resolves when the source has ended, rejects when it has failed. Called once, and listens at once. */
  read(take: (item: unknown) => void): Promise<void>;
  /** Asks the source to end. It may never answer. */
  close(): Promise<void>;
}

/** A source that never has to wait would otherwise keep the process from everything else. */
const itemsPerTurn = 1_000;

class IterableTap implements Tap {
  readonly #source: AsyncIterable<unknown>;
  #iterator: AsyncIterator<unknown> | undefined;
  #read = 0;

  constructor(source: AsyncIterable<unknown>) {
    this.#source = source;
  }

  async read(take: (item: unknown) => void): Promise<void> {
    const iterator = this.#source[Symbol.asyncIterator]();
    this.#iterator = iterator;
    try {
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) {
        take(next.value);
        if (++this.#read % itemsPerTurn === 0) await new Promise<void>(nextTurn);
      }
    } finally {
      this.#iterator = undefined;
    }
  }

  async close(): Promise<void> {
    await this.#iterator?.return?.();
  }
}

type Listener = (item: unknown) => void;
type ListenerMethod = (event: string, listener: Listener) => unknown;

class EmitterTap implements Tap {
  readonly #event: string;
  readonly #add: ListenerMethod;
  readonly #remove: ListenerMethod;
  #stopListening: (() => void)[] = [];

  constructor(event: string, { add, remove }: { readonly add: ListenerMethod; readonly remove: ListenerMethod }) {
    this.#event = event;
    this.#add = add;
    this.#remove = remove;
  }

  async read(take: (item: unknown) => void): Promise<void> {
    let stopTaking = (): void => {};
    try {
      await new Promise<void>((_, reject) => {
        stopTaking = this.#listen(this.#event, take);
        // Stays until `close()`: an emitter of Node's throws its next error if nobody listens.
        this.#listen('error', reject);
      });
    } finally {
      stopTaking();
    }
  }

  async close(): Promise<void> {
    for (const stop of this.#stopListening.splice(0)) stop();
  }

  #listen(event: string, listener: Listener): () => void {
    this.#add(event, listener);
    const stop = (): void => void this.#remove(event, listener);
    this.#stopListening.push(stop);
    return stop;
  }
}

/** A stream of Node's is both; with an `event` it is the emitter. */
function tapOf(source: unknown, event: string | undefined): Tap {
  const candidate = (typeof source === 'function' ? source : Object(source)) as AsyncIterable<unknown> & EmitterLike;
  const isIterable = typeof candidate[Symbol.asyncIterator] === 'function';
  if (isIterable && event === undefined) return new IterableTap(candidate);
  const methods = listenerMethods(candidate);
  if (methods) return new EmitterTap(event ?? 'change', methods);
  if (!isIterable) throw noSource(source);
  throw new CacheConfigError({
    where,
    what: `there is an event '${event}', and the source is no emitter`,
    instead: 'leave the event out',
  });
}

type EmitterLike = Partial<Record<'on' | 'off' | 'addListener' | 'removeListener', unknown>>;

function listenerMethods(emitter: EmitterLike): ConstructorParameters<typeof EmitterTap>[1] | undefined {
  const pairs = [
    [emitter.on, emitter.off],
    [emitter.addListener, emitter.removeListener],
  ];
  const [add, remove] = pairs.find((pair) => pair.every((method) => typeof method === 'function')) ?? [];
  if (add === undefined || remove === undefined) return undefined;
  return { add: (add as ListenerMethod).bind(emitter), remove: (remove as ListenerMethod).bind(emitter) };
}

function noSource(source: unknown): CacheConfigError {
  const shown = typeof source === 'object' && source !== null ? 'an object' : `a value of type ${typeof source}`;
  return new CacheConfigError({
    where,
    what: `${source === null ? 'null' : shown} is neither an async iterable nor an emitter`,
    instead: "give what `for await` takes, or what has on('change', listener) and off",
  });
}

function problemsOf(source: unknown): FeedParts['problems'] {
  const { onProblem } = source as { readonly onProblem?: unknown };
  return typeof onProblem === 'function' ? (listener) => void onProblem.call(source, listener) : () => {};
}
