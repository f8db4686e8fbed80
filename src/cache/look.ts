/** One call's view of the store: reads the entry with all that it is held against, and says what it is good for. */

import { isCacheConfigError } from '../base/errors.js';
import { textOf } from '../base/text.js';
import { type Freshness, freshnessOf } from '../policies/freshness.js';
import { tagLifetimeMs, type Tokens, versionName } from '../policies/generations.js';
import type { Offers, Reading } from '../stores/store.js';
import type { Subject } from './compute.js';
import type { Core } from './core.js';
import { type Expectation, objectionTo } from './judgement.js';
import { type Scope, transactionOf } from './scope.js';
import type { Transaction } from './transaction.js';

/** What an entry is good for, and why it is not better. */
export interface Judgement {
  /** Undefined where there is no entry, or nothing that it could be held against. */
  readonly freshness: Freshness | undefined;
  readonly reason: string;
}

interface How {
  /** Whether memory in front of a store is passed over. */
  readonly beyondMemory?: boolean;
  /** Whether the method is to run if nothing is found. */
  readonly mayLoad?: boolean;
}

export class Look {
  /** The generations that the call knows beforehand: the two reserved ones and those of its argument tags. */
  readonly names: readonly string[];
  readonly tags: readonly string[];
  readonly isStrong: boolean;
  /** The one that runs around, if any; also when it has ended since. */
  readonly transaction: Transaction | undefined;
  readonly #core: Core;
  readonly #subject: Subject;
  readonly #isRefresh: boolean;
  #changes = 0;
  #version: Expectation['version'];

  /** Asks the user's function for the tags, and throws what that throws. */
  constructor(core: Core, subject: Subject, scope: Scope) {
    this.#core = core;
    this.#subject = subject;
    this.#isRefresh = scope.mode === 'refresh';
    this.isStrong = scope.isStrong || subject.policy.maxStalenessMs === 0;
    this.transaction = transactionOf(core, scope);
    this.tags = subject.policy.tags(subject.self, subject.args);
    this.names = [
      core.names.everything,
      subject.methodGeneration,
      ...core.names.tags(this.tags, subject.policy.staleMs > 0),
    ];
  }

  /** Of the writes of this process, when the store was read last. */
  get changes(): number {
    return this.#changes;
  }

  /** What the method's `version` gave at the last read; undefined where it has none, or gave no answer. */
  get version(): string | undefined {
    return typeof this.#version === 'object' ? this.#version.current : undefined;
  }

  /** Whether anybody could say later if a result is still right. */
  get isStorable(): boolean {
    return this.#version !== 'unknown';
  }

  /** The version is asked for before the method runs, so that the entry is no better than what the method has read. */
  read(how: How = {}): Promise<Reading> {
    const asking = this.#askVersion();
    const writing = this.#core.writes.settled(this.#subject.key);
    return asking || writing ? this.#readAfter(writing, how, asking) : this.#readNow(how);
  }

  async #readAfter(
    writing: Promise<unknown> | undefined,
    how: How,
    asking: Promise<Expectation['version']> | undefined,
  ): Promise<Reading> {
    if (writing) await writing;
    const reading = await this.#readNow(how);
    if (asking) this.#version = await asking;
    return reading;
  }

  /** Without a promise of its own, as most reads wait for nothing else. */
  #readNow({ beyondMemory = false, mayLoad = false }: How): Promise<Reading> {
    const { store, writes, hints } = this.#core;
    const { key, format, policy } = this.#subject;
    this.#changes = writes.changes;
    const hinted = hints.get(key);
    const names = hinted ? [...this.names, ...hinted] : this.names;
    const maxStalenessMs = this.isStrong ? 0 : policy.maxStalenessMs;
    const offers = mayLoad && this.#subject.counts.isMostlyAbsent ? this.#offers() : undefined;
    return store.read(key, { beyondMemory, names, format, maxStalenessMs, offers });
  }

  /** Of a method whose entries are mostly absent, the tags are probably new as well. */
  #offers(): Offers {
    const names = this.names.filter((name) => !this.#core.names.isReserved(name));
    return { names, lifetimeMs: tagLifetimeMs(this.#subject.policy) };
  }

  judge(reading: Reading): Judgement {
    const { clock, names, store } = this.#core;
    const { entry, remainingMs } = reading;
    const objection = objectionTo(reading, names, this.#expectation(reading));
    const flaw = objection?.makes;
    if (!entry || flaw === 'absent') return { freshness: undefined, reason: objection?.reason ?? reading.reason };
    const condition = {
      entry,
      remainingMs,
      flaw,
      now: clock.now(),
      chance: store.canLease ? undefined : 1 - Math.random(),
    };
    const freshness = freshnessOf(condition, this.#subject.policy);
    if (freshness.state !== 'fresh') return { freshness, reason: objection?.reason ?? 'expired' };
    return { freshness, reason: entry.isError ? 'error kept' : reading.reason };
  }

  /**
   * What a running compute is compared by: the generations, and the version as if it were one without a name. A compute that
   * began under another version is as old as one under another generation. Undefined if there is nothing to compare.
   */
  comparable(tokens: Tokens | undefined): Tokens | undefined {
    if (this.#version === undefined || !tokens) return tokens;
    return this.#version === 'unknown' ? undefined : new Map(tokens).set(versionName, this.#version.current);
  }

  /** Whether an old value may hide this failure. A mistake in how the cache is used is to be seen. */
  isCoverable(error: unknown): boolean {
    const { policy } = this.#subject;
    if (this.#isRefresh || isCacheConfigError(error)) return false;
    return this.#ask('staleIfError.when', () => policy.isCoverable(error));
  }

  /** Whether this failure is kept where no old value hides it. */
  isKept(error: unknown): boolean {
    const { errors } = this.#subject.policy;
    if (!errors || isCacheConfigError(error)) return false;
    return this.#ask('errors.when', () => errors.when(error));
  }

  #askVersion(): Promise<Expectation['version']> | undefined {
    const { key, policy, self, args } = this.#subject;
    const { versionOf } = policy;
    if (!versionOf) return undefined;
    const { versions } = this.#core;
    const { where } = policy;
    const ask = (): unknown => versionOf(self, args);
    const asking = this.transaction ? versions.alone(where, ask) : versions.current(key, { self, where, ask });
    return asking.then((current) => (current === undefined ? 'unknown' : { current }));
  }

  /** Judged by all that an entry has: its tag may be an inherited one, which the arguments do not tell. */
  #expectation({ refuses }: Reading): Expectation {
    const { transaction } = this;
    return {
      key: this.#subject.key,
      names: this.names,
      refuses: transaction ? (name) => refuses(name) || transaction.isPending(name) : refuses,
      version: this.#version,
      shown: (name) => this.#shown(name),
    };
  }

  #shown(name: string): string {
    return name === this.#subject.methodGeneration ? this.#subject.method : this.#core.names.shownTag(name);
  }

  #ask(option: string, question: () => boolean): boolean {
    try {
      return question();
    } catch (error) {
      const message = `${this.#subject.policy.where}, ${option}: ${textOf(error)}`;
      this.#core.report({ code: 'callback', message, cause: error, loud: true });
      return false;
    }
  }
}
