/** Runs a method once more for some hits, in the background, and tells where the entry was wrong: `verify`. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Entry } from '../base/entry.js';
import { textOf } from '../base/text.js';
import { withDeadline } from '../policies/deadline.js';
import { differences } from '../policies/difference.js';
import { atMost, LRUCache } from '../policies/lru.js';
import type { Subject } from './compute.js';
import type { Core } from './core.js';
import { Look } from './look.js';
import { currentScope, transactionOf, withoutScope, withScope } from './scope.js';

/** Hits that wait for their turn; one more is not verified. */
const waitingAtMost = 100;
/** Entries that were told of, so that each is told of once. */
const toldAtMost = 1_000;
/** Who writes and invalidates by hand needs so long, at the most, from the one to the other. */
const announcedWithinMs = 1_000;
/** A method that takes longer is given up, unless its `timeout.hard` says so earlier. */
const runAtMostMs = 10_000;
/** Writes that run longer than this are not waited for, and nothing is said of the hit. */
const writesAtMostMs = 5_000;
/** Who closes the cache waits no longer than this for the hits that are still to be verified. */
const closingAtMostMs = 10_000;

interface Served {
  readonly subject: Subject;
  readonly entry: Entry;
  /** Runs a function in the context of the call: its tenant, its request, but for what the cache knows of it. */
  readonly inContext: <T>(fn: () => T) => T;
}

const verifiers = new WeakMap<Core, Map<string, Verifier>>();

/** A hit was served: perhaps it is one of those that are verified. */
export function verify(core: Core, subject: Subject, entry: Entry): void {
  const fraction = subject.policy.verify;
  if (fraction < 1 && Math.random() >= fraction) return;
  if (entry.isError || transactionOf(core)) return;
  let methods = verifiers.get(core);
  if (!methods) verifiers.set(core, (methods = new Map<string, Verifier>()));
  let verifier = methods.get(subject.method);
  if (!verifier) methods.set(subject.method, (verifier = new Verifier(core)));
  verifier.add(subject, entry);
}

/** Verifies what waits, for a while; afterwards no method is run any more. */
export async function endVerifying(core: Core): Promise<void> {
  const methods = [...(verifiers.get(core)?.values() ?? [])];
  const ended = Promise.all(methods.map((verifier) => verifier.end()));
  await withDeadline(ended, closingAtMostMs, core).catch(() => undefined);
  for (const verifier of methods) verifier.giveUp();
}

/** Of one method: verifies one hit at a time. */
class Verifier {
  readonly #core: Core;
  /** By key, so that a hot one does not keep others out. */
  readonly #waiting = new Map<string, Served>();
  readonly #told = new LRUCache<string, number>(atMost(toldAtMost));
  #working: Promise<void> | undefined;
  #isEnding = false;
  /** Ends the pause before an entry is read once more, if there is one. */
  #endPause: () => void = () => {};

  constructor(core: Core) {
    this.#core = core;
  }

  add(subject: Subject, entry: Entry): void {
    const { key } = subject;
    if (this.#isEnding || (this.#waiting.size >= waitingAtMost && !this.#waiting.has(key))) return;
    const snapshot = AsyncLocalStorage.snapshot();
    const inContext = <T>(fn: () => T): T => snapshot(() => withoutScope(() => withScope({ mode: 'bypass' }, fn)));
    this.#waiting.set(key, { subject, entry, inContext });
    if (this.#working) return;
    withoutScope(() => {
      this.#working = this.#work();
      this.#core.inBackground(this.#working);
    });
  }

  /** Who closes the cache waits for no pause. */
  end(): Promise<void> {
    this.#isEnding = true;
    this.#endPause();
    return this.#working ?? Promise.resolve();
  }

  giveUp(): void {
    if (this.#waiting.size === 0) return;
    const { policy } = (this.#waiting.values().next().value as Served).subject;
    const message = `${policy.where}: ${this.#waiting.size} hits were not verified, as the cache was closed`;
    this.#waiting.clear();
    this.#core.report({ code: 'background', message });
  }

  async #work(): Promise<void> {
    try {
      for (let next = this.#next(); next; next = this.#next()) await this.#verify(next);
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
    const { subject, entry, inContext } = served;
    try {
      // The caller goes on, and may have changed what it gave as arguments.
      if (inContext(subject.keyNow) !== subject.key || this.#told.get(subject.key) === entry.writtenAt) return;
      const fresh = await this.#run(served);
      const [cached, current] = [entry.payload?.copy(), subject.format.fromValue(fresh).copy()];
      const found = differences(cached, current);
      if (found.length > 0 && (await this.#stands(served))) this.#tell(served, found);
    } catch (error) {
      const message = `${subject.policy.where}: a hit could not be verified: ${textOf(error)}`;
      this.#core.report({ code: 'background', message, cause: error });
    }
  }

  /** With a signal of its own: the caller's may be aborted when its request has ended. */
  async #run({ subject, inContext }: Served): Promise<unknown> {
    const giveUp = new AbortController();
    const ms = Math.min(subject.policy.hardTimeoutMs ?? runAtMostMs, runAtMostMs);
    try {
      return await withDeadline(
        inContext(async () => subject.run(() => giveUp.signal)),
        ms,
        this.#core,
      );
    } finally {
      giveUp.abort();
    }
  }

  /**
   * Whether nothing has invalidated the entry. Who writes does so before it invalidates, so there is a time in which the two
   * differ and nobody has forgotten anything:
   *
   *   T0 update(1): the row is written · V runs find(1): the new row · V reads Ga: unchanged · T0 invalidate(a)
   *
   * So writes that are known to run now are waited for, and then as long as others may take.
   */
  async #stands({ subject, entry, inContext }: Served): Promise<boolean> {
    const haveEnded = this.#core.writers.settled().then(() => true);
    if (!(await withDeadline(haveEnded, writesAtMostMs, this.#core).catch(() => false))) return false;
    await this.#pause();
    const look = inContext(() => new Look(this.#core, subject, currentScope()));
    const reading = await inContext(() => look.read());
    const isFresh = look.judge(reading).freshness?.state === 'fresh' && !reading.isGraced;
    return isFresh && reading.entry?.writtenAt === entry.writtenAt && hasSameGenerations(reading.entry, entry);
  }

  #pause(): Promise<void> {
    if (this.#isEnding) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#core.time.later(announcedWithinMs, resolve);
      this.#endPause = () => {
        cancel();
        resolve();
      };
    });
  }

  #tell({ subject, entry }: Served, found: readonly string[]): void {
    const { method, key, counts } = subject;
    this.#told.set(key, entry.writtenAt);
    const { names, outcomes } = this.#core;
    const tags = names.shownTags(entry.generations.map(([name]) => name));
    outcomes.mismatch(counts, { method, key, tags, differences: found });
  }
}

function hasSameGenerations(one: Entry, other: Entry): boolean {
  const tokens = new Map(other.generations);
  return one.generations.length === tokens.size && one.generations.every(([name, token]) => tokens.get(name) === token);
}
