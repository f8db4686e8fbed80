/**
 * Entries and generations on a server. Every command has a deadline and a circuit breaker; what fails is told to
 * `report` and becomes an answer, never an error of the caller.
 */

import { atMost, LRUCache } from '../policies/lru.js';
import type { Clock } from '../base/clock.js';
import { type Entry, type Generation, keptMs, type Lifetime, remainingMs } from '../base/entry.js';
import type { CacheProblem } from '../base/events.js';
import type { BusState, StoreState } from '../base/insight.js';
import { Breaker, BreakerOpenError } from '../policies/breaker.js';
import { DeadlineError, type Time, timeOf, turnOver, withDeadline } from '../policies/deadline.js';
import { generationLifetimeMs, isToken, newToken, tokenLifetimeMs, type Tokens } from '../policies/generations.js';
import { type Backend, failureOf } from './backend.js';
import { Batch } from './batch.js';
import type { Acknowledged, Remover } from './coherence.js';
import type { LeaseEnd, LeaseState, Offers, Reading, ReadOptions, Store } from './store.js';
import { Undelivered } from './undelivered.js';
import { ReconnectedError, Servers } from './servers.js';
import { readEntry, writeEntry } from './wire.js';

/** What a shared store needs from the cache. */
export interface SharedStoreOptions {
  readonly clock: Clock;
  readonly deadlineMs: number;
  /** The generation that every entry has. */
  readonly everything: string;
  /** Where the run ids of the servers are kept. */
  readonly serversKey: string;
  /** How names are removed. Default: they are deleted, and nobody is told. */
  readonly remover?: Remover | undefined;
  readonly report: (problem: CacheProblem & { readonly loud?: boolean }) => void;
}

/** What stands under a lease while somebody computes, and for a while after it could not be stored. */
const takenText = 'taken';
const openText = 'open';
const openMs = 1_000;

/** Touches of a key that this process has made are remembered for so many keys; one that is not is touched again. */
const rememberedTouches = 16_000;
/** A key is touched once in this part of its window. */
const touchesPerWindow = 8;

/** What this process knows of a key from having written or touched it. */
interface Touched {
  /** The token, of a generation. */
  readonly what: string;
  readonly at: number;
  /** When the server ends it, of an entry. */
  readonly until: number;
}

export class SharedStore implements Store {
  readonly keeps = 'text';
  readonly graceMs = 0;
  readonly #backend: Backend;
  readonly #options: SharedStoreOptions;
  readonly #breaker: Breaker;
  readonly #time: Time;
  readonly #batch: Batch;
  readonly #undelivered: Undelivered;
  readonly #remover: Remover;
  readonly #servers: Servers;
  readonly #mints = new Map<string, Promise<string | undefined>>();
  readonly #touched = new LRUCache<string, Touched>(atMost(rememberedTouches));
  /** The longest lifetime that was asked for a generation here, so that a new one need not be prolonged at once. */
  readonly #wanted = new LRUCache<string, number>(atMost(rememberedTouches));
  /** Generations that were offered or made by this process: one that is missing again is made when a read has shown it. */
  readonly #met = new LRUCache<string, true>(atMost(rememberedTouches));
  #loading: Promise<unknown> | undefined;
  /**
   * A deadline has passed in this very turn of the event loop; resolves when that is over. Who reads now has waited for just
   * that, for a write of its key, say, or a delivery, and does not wait for a second one.
   */
  #silence: Promise<void> | undefined;
  /**
   * The breaker has no say any more: what is pending has its last chance, perhaps with a server that is back, and a
   * connection that is not closed would keep the process alive.
   */
  #isClosing = false;
  #misconfigurationTold = false;
  readonly #told = new WeakSet<object>();

  constructor(backend: Backend, options: SharedStoreOptions) {
    this.#backend = backend;
    this.#options = options;
    this.#time = timeOf(options.clock);
    this.#breaker = new Breaker(isSilence, this.#time);
    this.#loading = backend.loaded?.then(
      () => (this.#loading = undefined),
      () => (this.#loading = undefined),
    );
    this.#remover = options.remover ?? new PlainRemover(backend);
    this.#servers = new Servers(backend, options);
    this.#batch = new Batch((keys) => this.#run(() => this.#servers.during(() => backend.getMany(keys))));
    const deliver = (names: readonly string[]): Promise<boolean> =>
      this.#succeeds('remove', () => this.#remover.remove(names));
    this.#undelivered = new Undelivered(options.everything, deliver, this.#time);
  }

  get canLease(): boolean {
    return this.#backend.add !== undefined;
  }

  /** Another number after each reconnect. */
  get session(): number {
    return this.#backend.session ?? 0;
  }

  peek(): undefined {
    return undefined;
  }

  async read(key: string, { names, format, offers }: ReadOptions): Promise<Reading> {
    const delivery = this.#delivery();
    if (delivery) await delivery;
    if (this.#silence) return this.#unreadAfter(this.#silence);
    const refuses = this.#undelivered.watch();
    const sentAt = this.#time.monotonicMs();
    if (offers) this.#offer(offers);
    try {
      const texts = await this.#batch.get([key, ...names]);
      const holds = this.#servers.watch();
      const text = texts.get(key);
      const entry = text === undefined ? undefined : readEntry(text, format);
      const reason = entry ? 'fresh' : text === undefined ? this.#whyAbsent(key) : 'undecodable';
      if (reason === 'undecodable') this.#tell('undecodable', `The entry ${key} is not in the format of this version.`);
      const tokens = tokensOf(names, texts);
      const unknown = entry && namesBeyond(entry, tokens);
      if (unknown) await this.#addTokens(tokens, unknown, sentAt);
      if (!holds()) return this.#unread('reconnected');
      const freshMs = entry ? storedFreshMs(entry, this.#options.clock.now(), this.#backend.lateByMs) : 0;
      return { entry, tier: 'store', remainingMs: freshMs, tokens, refuses, holds, isGraced: false, reason };
    } catch (error) {
      return this.#unread(this.#fail('read', error));
    }
  }

  /** The tokens of `names` alone, for an entry that is at hand. */
  async verify(names: readonly string[]): Promise<Reading> {
    const delivery = this.#delivery();
    if (delivery) await delivery;
    if (this.#silence) return this.#unreadAfter(this.#silence);
    const refuses = this.#undelivered.watch();
    try {
      const tokens = tokensOf(names, await this.#batch.get(names));
      const holds = this.#servers.watch();
      return {
        entry: undefined,
        tier: 'store',
        remainingMs: 0,
        tokens,
        refuses,
        holds,
        isGraced: false,
        reason: 'absent',
      };
    } catch (error) {
      return this.#unread(this.#fail('read', error));
    }
  }

  async readTokens(names: readonly string[]): Promise<Tokens | undefined> {
    try {
      return tokensOf(names, await this.#batch.get(names));
    } catch (error) {
      this.#fail('read', error);
      return undefined;
    }
  }

  /**
   * A caller may wait for a mint that is under way, although it was sent before: the compute that it leads to starts
   * after the caller came. A mint without a clean answer gives up its token, as it may still be carried out:
   *
   *   T0 sends add Ga=1, deadline · executed late? · invalidate(a) · add Ga=1 again would bring back what was deleted
   */
  mint(name: string, lifetimeMs: number): Promise<string | undefined> {
    let minting = this.#mints.get(name);
    if (!minting) {
      minting = this.#mint(name, lifetimeMs).finally(() => this.#mints.delete(name));
      this.#mints.set(name, minting);
    }
    return minting;
  }

  async write(key: string, entry: Entry): Promise<boolean> {
    const now = this.#options.clock.now();
    const ttlMs = Math.ceil(keptMs(entry, now));
    const text = writeEntry(entry);
    if (ttlMs <= 0 || !this.#fits(key, text)) {
      // What stands there is older than what could not be kept. Others are told nothing: they would wait for each other.
      await this.discard([key]);
      return false;
    }
    const [written] = await Promise.all([
      this.#succeeds('write', () => this.#backend.set(key, text, ttlMs)),
      this.#prolong(entry.generations, entry.ttlMs + entry.staleMs, now),
    ]);
    this.#touched.set(key, { what: '', at: now, until: now + ttlMs });
    return written;
  }

  async slide(key: string, entry: Entry): Promise<boolean> {
    const now = this.#options.clock.now();
    const ttlMs = Math.ceil(remainingMs(entry, now, now));
    if (ttlMs <= 0 || !this.#isDue(key, '', entry.ttlMs, now)) return true;
    const { touch } = this.#backend;
    // How old one is that outlives its expiry is told by what is written in it, and not by when the server ends it.
    if (!touch || entry.staleMs > 0) return false;
    this.#touched.set(key, { what: '', at: now, until: now + ttlMs });
    await Promise.all([
      this.#succeeds('touch', () => touch.call(this.#backend, key, ttlMs)),
      this.#prolong(entry.generations, entry.ttlMs, now),
    ]);
    return true;
  }

  async remove(names: readonly string[]): Promise<'done' | 'deferred'> {
    const acknowledged = await this.delete(names);
    return acknowledged && (await acknowledged()) ? 'done' : 'deferred';
  }

  /**
   * Resolves when the store has acknowledged, with a function that waits for the other processes; undefined where it has
   * not: then the names are refused until it has.
   */
  async delete(names: readonly string[]): Promise<Acknowledged | undefined> {
    for (const name of names) this.#touched.delete(name);
    try {
      return await this.#run(() => this.#remover.remove(names));
    } catch (error) {
      this.#fail('remove', error);
      this.#undelivered.add(names);
      return undefined;
    }
  }

  /** Deletes entries and tells nobody: this process has written them after it was told that they are removed. */
  async discard(keys: readonly string[]): Promise<void> {
    if (!(await this.#succeeds('remove', () => this.#backend.deleteMany(keys)))) this.#undelivered.add(keys);
  }

  /** Whether the window of an entry in the store is to be restarted now, as it was read elsewhere. Does not remember it. */
  isSlideDue(key: string, entry: Entry): boolean {
    const last = this.#touched.peek(key);
    const now = this.#options.clock.now();
    return last === undefined || now - last.at >= entry.ttlMs / touchesPerWindow || now < last.at;
  }

  async lease(name: string, ms: number): Promise<LeaseState> {
    const { add } = this.#backend;
    if (!add) return 'unable';
    try {
      if (await this.#run(() => add.call(this.#backend, name, takenText, ms))) return 'mine';
      return (await this.#batch.get([name])).get(name) === openText ? 'open' : 'taken';
    } catch (error) {
      this.#fail('lease', error);
      return 'unknown';
    }
  }

  async renewLease(name: string, ms: number): Promise<void> {
    const { touch } = this.#backend;
    if (touch) await this.#succeeds('lease', () => touch.call(this.#backend, name, ms));
  }

  /** Should it have ended before, another one's may go with it: then an entry is computed twice, and nothing is wrong. */
  async endLease(name: string, how: LeaseEnd): Promise<void> {
    if (how === 'stored') await this.#succeeds('lease', () => this.#backend.deleteMany([name]));
    else await this.#succeeds('lease', () => this.#backend.set(name, openText, openMs));
  }

  state(): { readonly stores: readonly StoreState[]; readonly bus: BusState } {
    const store: StoreState = {
      tier: 'store',
      name: this.#backend.name,
      entries: undefined,
      maxEntries: undefined,
      maxSize: undefined,
      size: undefined,
      evictions: undefined,
      breaker: this.#breaker.state,
      pending: this.#undelivered.size,
    };
    return { stores: [store], bus: this.#remover.state };
  }

  ask(question: string, waitMs: number): Promise<readonly string[]> {
    return this.#remover.ask(question, waitMs);
  }

  async flush(): Promise<void> {
    if (!this.#undelivered.isEmpty) await this.#undelivered.flush();
  }

  async close(): Promise<void> {
    this.#isClosing = true;
    await this.flush();
    this.#undelivered.close();
    await this.#succeeds('close', () => this.#remover.close());
    await this.#succeeds('close', () => this.#backend.close());
  }

  /** What is pending comes before a read; not while the breaker would only refuse it. */
  #delivery(): Promise<void> | undefined {
    const delivery = this.#undelivered.beforeRead();
    return delivery && this.#breaker.isClosed ? delivery : undefined;
  }

  async #unreadAfter(silence: Promise<void>): Promise<Reading> {
    await silence;
    return this.#unread('deadline');
  }

  /** The server forgets what has expired; who has written it knows when that was. */
  #whyAbsent(key: string): 'expired' | 'absent' {
    const until = this.#touched.peek(key)?.until ?? Infinity;
    return this.#options.clock.now() >= until ? 'expired' : 'absent';
  }

  /** There is no answer, and no token that anything could be held against. */
  #unread(reason: string): Reading {
    const refuses = this.#undelivered.watch();
    return {
      entry: undefined,
      tier: 'store',
      remainingMs: 0,
      tokens: undefined,
      refuses,
      holds: () => false,
      isGraced: false,
      reason,
    };
  }

  /** The names that the entry has and the caller did not know come in a second round trip. */
  async #addTokens(tokens: Map<string, string | undefined>, names: readonly string[], sinceMs: number): Promise<void> {
    const texts = await this.#rest(this.#batch.get(names), sinceMs);
    for (const [name, token] of tokensOf(names, texts)) tokens.set(name, token);
  }

  async #mint(name: string, atLeastMs: number): Promise<string | undefined> {
    const lifetimeMs = Math.max(atLeastMs, this.#wanted.get(name) ?? 0);
    this.#met.set(name, true);
    const token = newToken(lifetimeMs);
    const { add } = this.#backend;
    const sentAt = this.#time.monotonicMs();
    try {
      if (add) {
        if (await this.#run(() => add.call(this.#backend, name, token, lifetimeMs))) return this.#minted(name, token);
      } else {
        await this.#run(() => this.#backend.set(name, token, lifetimeMs));
      }
      return this.#standing(name, (await this.#rest(this.#batch.get([name]), sentAt)).get(name));
    } catch (error) {
      this.#fail('mint', error);
      return undefined;
    }
  }

  /**
   * Sent ahead of a read, whose answer says what stands by then: whoever takes such a token has read it. One that is carried
   * out late was captured by nobody:
   *
   *   T0 offers Ga=1, which is late · T0 reads Ga: absent, mints Ga=2, stores x under it · invalidate(a) deletes Ga=2 · Ga=1 is
   *   made: x is of Ga=2, and stays invalid
   */
  #offer({ names, lifetimeMs }: Offers): void {
    const { add } = this.#backend;
    // Not by way of the breaker: what is told of an offer is told by the read as well, and would count twice.
    if (!add || this.#loading || !this.#breaker.isClosed) return;
    for (const name of names) {
      if (this.#met.get(name)) continue;
      this.#met.set(name, true);
      const longestMs = Math.max(lifetimeMs, this.#wanted.get(name) ?? 0);
      void this.#offerOne(name, longestMs, add);
    }
  }

  /** If it fails, so does the read, or the mint that follows it; they tell of it. */
  async #offerOne(name: string, lifetimeMs: number, add: NonNullable<Backend['add']>): Promise<void> {
    const token = newToken(lifetimeMs);
    try {
      if (await add.call(this.#backend, name, token, lifetimeMs)) this.#minted(name, token);
    } catch {
      // nobody waits for it
    }
  }

  /** Rubbish would stand in the way of every mint, for ever where it has no end. */
  #standing(name: string, text: string | undefined): string | undefined {
    if (text === undefined || isToken(text)) return text;
    this.#tell('undecodable', `The generation ${name} is no token of this version, and is removed.`);
    void this.#succeeds('remove', () => this.#backend.deleteMany([name]));
    return undefined;
  }

  #minted(name: string, token: string): string {
    this.#touched.set(name, { what: token, at: this.#options.clock.now(), until: Infinity });
    return token;
  }

  /** Keeps generations alive for entries of `entryMs`. Where the server cannot touch, they end and fail closed. */
  async #prolong(generations: readonly Generation[], entryMs: number, now: number): Promise<void> {
    const { touch } = this.#backend;
    if (!touch) return;
    const due = generations.filter(([name, token]) => this.#isProlongable(name, token, entryMs, now));
    await Promise.all(
      due.map(([name, token]) => {
        const lifetimeMs = Math.max(tokenLifetimeMs(token), generationLifetimeMs(entryMs));
        this.#wanted.set(name, Math.max(lifetimeMs, this.#wanted.get(name) ?? 0));
        return this.#succeeds('touch', () => touch.call(this.#backend, name, lifetimeMs));
      }),
    );
  }

  #isProlongable(name: string, token: string, entryMs: number, now: number): boolean {
    const lifetimeMs = tokenLifetimeMs(token);
    if (token === '' || lifetimeMs === Infinity) return false;
    const outgrown = generationLifetimeMs(entryMs) > lifetimeMs;
    return this.#isDue(name, outgrown ? `${token}+` : token, lifetimeMs, now);
  }

  /** Whether a touch is due, and remembers that it will be made. */
  #isDue(key: string, what: string, windowMs: number, now: number): boolean {
    const last = this.#touched.get(key);
    if (last?.what === what && now - last.at < windowMs / touchesPerWindow && now >= last.at) return false;
    this.#touched.set(key, { what, at: now, until: Infinity });
    return true;
  }

  #fits(key: string, text: string): boolean {
    const bytes = Buffer.byteLength(text);
    if (bytes <= this.#backend.maxTextBytes) return true;
    this.#tell(
      'too-large',
      `The entry ${key} has ${bytes} bytes; ${this.#backend.name} takes ${this.#backend.maxTextBytes}.`,
    );
    return false;
  }

  async #succeeds(operation: string, work: () => Promise<unknown>): Promise<boolean> {
    try {
      await this.#run(work);
      return true;
    } catch (error) {
      this.#fail(operation, error);
      return false;
    }
  }

  /** A second round trip has what the first one has left of the deadline. */
  #rest<T>(work: Promise<T>, sinceMs: number): Promise<T> {
    const leftMs = sinceMs + this.#options.deadlineMs - this.#time.monotonicMs();
    return withDeadline(work, Math.max(1, leftMs), { time: this.#time });
  }

  #run<T>(work: () => Promise<T>): Promise<T> {
    return this.#loading ? this.#loading.then(() => this.#runInTime(work)) : this.#runInTime(work);
  }

  #runInTime<T>(work: () => Promise<T>): Promise<T> {
    const deadline = { time: this.#time, onLate: (error: unknown) => this.#failedLate(error) };
    const inTime = (): Promise<T> => withDeadline(work(), this.#options.deadlineMs, deadline);
    return this.#isClosing ? inTime() : this.#breaker.run(inTime);
  }

  /** Nobody waits any more, but it may say what is wrong: to find out that a host is unknown takes its time. */
  #failedLate(error: unknown): void {
    if (isMisconfiguration(error) && !this.#misconfigurationTold) this.#fail('connecting', error);
  }

  /** Tells of a failure and gives the word for it. */
  #fail(operation: string, error: unknown): string {
    if (error instanceof BreakerOpenError) return 'breaker';
    if (error instanceof ReconnectedError) return 'reconnected';
    if (!this.#isTold(error)) this.#report(operation, error);
    if (!(error instanceof DeadlineError)) return failureOf(error) ?? 'store';
    this.#silence ??= turnOver().then(() => void (this.#silence = undefined));
    return 'deadline';
  }

  /** All callers of a batch fail with the same error, which is one failure. */
  #isTold(error: unknown): boolean {
    if (typeof error !== 'object' || error === null) return false;
    const isTold = this.#told.has(error);
    this.#told.add(error);
    return isTold;
  }

  #report(operation: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    const loud = isMisconfiguration(error) && !this.#misconfigurationTold;
    if (loud) this.#misconfigurationTold = true;
    this.#options.report({
      code: 'store',
      message: `${this.#backend.name}: ${operation} failed: ${message}`,
      cause: error,
      loud,
    });
  }

  #tell(code: string, message: string): void {
    this.#options.report({ code, message });
  }
}

/**
 * How long an entry stays fresh that the server still has. The server's clock ends entries, as those of the processes differ.
 * One that ticks in seconds keeps them for a little longer; an entry that is over by more than that only seems so to a clock
 * that is wrong. Where entries are kept for longer than they are fresh, only the clocks of writer and reader tell when that
 * is over.
 */
export function storedFreshMs(entry: Lifetime, now: number, lateByMs = 0): number {
  const freshMs = Math.min(remainingMs(entry, entry.accessedAt, now), entry.ttlMs);
  if (entry.staleMs > 0 || freshMs > 0) return freshMs;
  const overMs = -remainingMs(entry, now, now);
  return overMs >= 0 && overMs < lateByMs ? freshMs : Infinity;
}

/** Deletes, and nobody is told. */
class PlainRemover implements Remover {
  readonly state = { state: 'none', peers: 0 } as const;
  readonly #backend: Backend;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  async remove(names: readonly string[]): Promise<Acknowledged> {
    await this.#backend.deleteMany(names);
    return () => Promise.resolve(true);
  }

  ask(): Promise<readonly string[]> {
    return Promise.resolve([]);
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** What stands for generations; whatever is no token is as good as nothing. */
export function tokensOf(
  names: readonly string[],
  texts: ReadonlyMap<string, string | undefined>,
): Map<string, string | undefined> {
  const tokens = new Map<string, string | undefined>();
  for (const name of names) {
    const text = texts.get(name);
    tokens.set(name, isToken(text) ? text : undefined);
  }
  return tokens;
}

/** A server that answers, if only to refuse, is alive; the breaker is for silence. */
function isSilence(error: unknown): boolean {
  if (error instanceof ReconnectedError) return false;
  return error instanceof DeadlineError || failureOf(error) !== 'refused';
}

function isMisconfiguration(error: unknown): boolean {
  return failureOf(error) === 'misconfigured';
}

/** The names that an entry has besides those whose tokens were read; undefined where there are none. */
function namesBeyond({ generations }: Entry, tokens: Tokens): string[] | undefined {
  let names: string[] | undefined;
  for (const [name] of generations) if (!tokens.has(name)) (names ??= []).push(name);
  return names;
}
