/** Runs a method once more for some hits, in the background, and tells where the entry was wrong: `verify`. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Entry } from '../base/entry.js';
import type { Mismatch } from '../base/events.js';
import { textOf } from '../base/text.js';
import { DeadlineError, withDeadline } from '../policies/deadline.js';
import { differences, thrownInstead } from '../policies/difference.js';
import { atMost, LRUCache } from '../policies/lru.js';
import type { Subject } from './compute.js';
import type { Core } from './core.js';
import { Look } from './look.js';
import { currentScope, transactionOf, withoutScope, withScope } from './scope.js';
import { Suspicion } from './suspicion.js';

/** Hits that wait for their turn; one more is not verified. */
const waitingAtMost = 100;
/** The same where every hit is to be verified: in tests. */
const allWaitingAtMost = 10_000;
/** Entries that were told of, so that each is told of once. */
const toldAtMost = 1_000;
/** Suspicions that wait for the end of their doubt. */
const suspicionsAtMost = 100;
/** Mismatches kept for {@link verified}. */
const keptAtMost = 1_000;
/** A method that takes longer is given up, unless its `timeout.hard` says so earlier. */
const runAtMostMs = 10_000;
/** Who closes the cache waits no longer than this for the hits that are still to be verified. */
const closingAtMostMs = 10_000;

interface Served {
  readonly subject: Subject;
  readonly entry: Entry;
  /** Runs a function in the context of the call: its tenant, its request, but for what the cache knows of it. */
  readonly inContext: <T>(fn: () => T, signal?: AbortSignal) => T;
}

/** Of one cache. */
interface Verification {
  readonly methods: Map<string, Verifier>;
  /** What was found and not asked for yet. */
  found: Mismatch[];
}

const verifications = new WeakMap<Core, Verification>();

/** A hit was served: perhaps it is one of those that are verified. */
export function verify(core: Core, subject: Subject, entry: Entry): void {
  const fraction = subject.policy.verify;
  if (fraction < 1 && Math.random() >= fraction) return;
  if (entry.isError || transactionOf(core)) return;
  const { methods } = verificationOf(core);
  let verifier = methods.get(subject.method);
  if (!verifier) methods.set(subject.method, (verifier = new Verifier(core)));
  verifier.add(subject, entry);
}

function verificationOf(core: Core): Verification {
  let verification = verifications.get(core);
  if (!verification) verifications.set(core, (verification = { methods: new Map<string, Verifier>(), found: [] }));
  return verification;
}

/** Resolves when every hit that was chosen so far is verified, with what was found since the last call. */
export async function verified(core: Core): Promise<readonly Mismatch[]> {
  const verification = verificationOf(core);
  await Promise.all([...verification.methods.values()].map((verifier) => verifier.settled()));
  const { found } = verification;
  verification.found = [];
  return found;
}

/** Verifies what waits, for a while; afterwards no method is run any more. */
export async function endVerifying(core: Core): Promise<void> {
  const methods = [...(verifications.get(core)?.methods.values() ?? [])];
  const ended = Promise.all(methods.map((verifier) => verifier.end()));
  await withDeadline(ended, closingAtMostMs, core).catch(() => undefined);
  for (const verifier of methods) verifier.giveUp();
}

/** Of one method: runs it for one hit at a time. */
class Verifier {
  readonly #core: Core;
  /** By key, so that a hot one does not keep others out. */
  readonly #waiting = new Map<string, Served>();
  /** By key, what tells the entry from others of that key. */
  readonly #told = new LRUCache<string, string>(atMost(toldAtMost));
  readonly #suspicions = new Set<Suspicion>();
  #working: Promise<void> | undefined;
  /** A run was given up and goes on all the same: no other one until it has ended. */
  #isStuck = false;
  /** Hits of a method of which every hit is to be verified. */
  #leftOut = 0;
  #isEnding = false;
  /** Somebody waits, and says that what was written has been invalidated: no doubt is left to wait for. */
  #hurrying = 0;

  constructor(core: Core) {
    this.#core = core;
  }

  add(subject: Subject, entry: Entry): void {
    const { key, policy } = subject;
    if (this.#isEnding) return;
    const most = policy.verify === 1 ? allWaitingAtMost : waitingAtMost;
    if (this.#isStuck || (this.#waiting.size >= most && !this.#waiting.has(key))) {
      if (policy.verify === 1) this.#leftOut++;
      return;
    }
    const snapshot = AsyncLocalStorage.snapshot();
    const inContext: Served['inContext'] = (fn, signal) =>
      snapshot(() => withoutScope(() => withScope({ mode: 'bypass', signal }, fn)));
    this.#waiting.set(key, { subject, entry, inContext });
    if (this.#working) return;
    withoutScope(() => {
      // Not in the call that is a hit, and before whatever its caller does next: that may be the next write.
      this.#working = Promise.resolve().then(() => this.#work());
      this.#core.inBackground(this.#working);
    });
  }

  /** Resolves when what waits now is verified. */
  async settled(): Promise<void> {
    this.#hurrying++;
    try {
      this.#endDoubts();
      await this.#working;
      await Promise.all([...this.#suspicions].map(({ settled }) => settled));
    } finally {
      this.#hurrying--;
    }
    this.#tellOfLeftOut(this.#leftOut);
  }

  end(): Promise<void> {
    this.#isEnding = true;
    return this.settled();
  }

  giveUp(): void {
    this.#tellOfLeftOut(this.#leftOut + this.#waiting.size);
    this.#waiting.clear();
  }

  async #work(): Promise<void> {
    try {
      for (let next = this.#next(); next; next = this.#next()) {
        await this.#verify(next);
        if (this.#suspicions.size >= suspicionsAtMost)
          await Promise.race([...this.#suspicions].map(({ settled }) => settled));
      }
    } finally {
      this.#working = undefined;
    }
  }

  #next(): Served | undefined {
    const [next] = this.#waiting.values();
    if (next) this.#waiting.delete(next.subject.key);
    return next;
  }

  async #verify(served: Served): Promise<void> {
    const { subject, entry } = served;
    const { key } = subject;
    // The caller goes on, and may have changed what it gave as arguments.
    const isSame = (): boolean => served.inContext(subject.keyNow) === key;
    try {
      if (!isSame() || this.#told.get(key) === identityOf(entry)) return;
      const found = await this.#compare(served);
      if (found.length > 0 && isSame()) this.#suspect(served, found);
    } catch (error) {
      const message = `${subject.policy.where}: a hit could not be verified: ${textOf(error)}`;
      this.#core.report({ code: 'background', message, cause: error });
    }
  }

  /**
   * Where every hit is verified, in tests, that the method now throws is a difference as well: what was deleted is not found any
   * more. Elsewhere it says rather that the source is down.
   */
  async #compare(served: Served): Promise<readonly string[]> {
    const { subject, entry } = served;
    const cached = entry.payload?.copy();
    let fresh: unknown;
    try {
      fresh = await this.#run(served);
    } catch (error) {
      if (error instanceof DeadlineError || subject.policy.verify < 1) throw error;
      return [thrownInstead(cached, error)];
    }
    return differences(cached, subject.format.fromValue(fresh).copy());
  }

  /** With a signal of its own: the caller's may be aborted when its request has ended. */
  async #run({ subject, inContext }: Served): Promise<unknown> {
    const giveUp = new AbortController();
    const ms = Math.min(subject.policy.hardTimeoutMs ?? runAtMostMs, runAtMostMs);
    const run = inContext(async () => subject.run(() => giveUp.signal), giveUp.signal);
    try {
      return await withDeadline(run, ms, this.#core);
    } catch (error) {
      if (error instanceof DeadlineError) this.#waitFor(run);
      throw error;
    } finally {
      giveUp.abort();
    }
  }

  /** One at a time, also where one does not end. */
  #waitFor(run: Promise<unknown>): void {
    this.#isStuck = true;
    this.#leftOut += this.#waiting.size;
    this.#waiting.clear();
    const end = (): void => void (this.#isStuck = false);
    run.then(end, end);
  }

  #suspect(served: Served, found: readonly string[]): void {
    const { subject, entry } = served;
    const suspicion = new Suspicion(this.#core, {
      key: subject.key,
      names: entry.generations.map(([name]) => name),
      // Elsewhere a write of another process may be what this one's was taken for.
      isAlone: this.#core.store.keeps === 'value' || subject.policy.verify === 1,
      stands: () => this.#stands(served),
      confirm: () => this.#tell(served, found),
    });
    this.#suspicions.add(suspicion);
    this.#core.inBackground(suspicion.settled.finally(() => this.#suspicions.delete(suspicion)));
    if (this.#hurrying > 0) suspicion.endDoubt();
  }

  #endDoubts(): void {
    for (const suspicion of this.#suspicions) suspicion.endDoubt();
  }

  /** Whether the entry is still served, under the same generations. */
  async #stands({ subject, entry, inContext }: Served): Promise<boolean> {
    const look = inContext(() => new Look(this.#core, subject, currentScope()));
    const reading = await inContext(() => look.read());
    const isFresh = look.judge(reading).freshness?.state === 'fresh' && !reading.isGraced;
    return isFresh && reading.entry?.writtenAt === entry.writtenAt && hasSameGenerations(reading.entry, entry);
  }

  #tell({ subject, entry }: Served, found: readonly string[]): void {
    const { method, key, counts } = subject;
    if (this.#told.get(key) === identityOf(entry)) return;
    this.#told.set(key, identityOf(entry));
    const { names, outcomes } = this.#core;
    const tags = names.shownTags(entry.generations.map(([name]) => name));
    const mismatch: Mismatch = { method, key, tags, differences: found };
    const kept = verificationOf(this.#core).found;
    if (kept.length < keptAtMost) kept.push(mismatch);
    outcomes.mismatch(counts, mismatch);
  }

  #tellOfLeftOut(count: number): void {
    this.#leftOut = 0;
    if (count === 0) return;
    const [method] = [...verificationOf(this.#core).methods].find(([, verifier]) => verifier === this) ?? ['a method'];
    this.#core.report({ code: 'background', message: `${method}: hits that were not verified: ${count}` });
  }
}

/** Two entries of a key may be written in one millisecond, and then something was invalidated in between. */
function identityOf({ writtenAt, generations }: Entry): string {
  return `${writtenAt} ${generations.map(([, token]) => token).join(' ')}`;
}

function hasSameGenerations(one: Entry, other: Entry): boolean {
  const tokens = new Map(other.generations);
  return one.generations.length === tokens.size && one.generations.every(([name, token]) => tokens.get(name) === token);
}
