/** Runs a method once more for some hits, in the background, and tells where the entry was wrong: `verify`. */

import { isDeepStrictEqual } from 'node:util';
import type { Entry } from '../base/entry.js';
import { later } from '../policies/deadline.js';
import { differences } from '../policies/difference.js';
import type { Subject } from './compute.js';
import type { Core } from './core.js';
import { Look } from './look.js';
import { LRUCache } from '../policies/lru.js';
import { currentScope, transactionOf, withoutScope, withScope } from './scope.js';

/** Hits that wait for their turn; one more is not verified. */
const waitingAtMost = 100;
/** Entries that were told of, so that each is told of once. */
const toldAtMost = 1_000;
/** Who writes and invalidates by hand needs so long, at the most, from the one to the other. */
const announcedWithinMs = 1_000;

interface Served {
  readonly subject: Subject;
  readonly entry: Entry;
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
  verifier.add({ subject, entry });
}

/** Of one method: verifies one hit at a time. */
class Verifier {
  readonly #core: Core;
  /** By key, so that a hot one does not keep others out. */
  readonly #waiting = new Map<string, Served>();
  readonly #told = new LRUCache<string, number>({ max: toldAtMost });
  #isRunning = false;

  constructor(core: Core) {
    this.#core = core;
  }

  add(served: Served): void {
    const { key } = served.subject;
    if (this.#waiting.size >= waitingAtMost && !this.#waiting.has(key)) return;
    this.#waiting.set(key, served);
    if (this.#isRunning) return;
    this.#isRunning = true;
    withoutScope(() => {
      this.#core.inBackground(this.#work());
    });
  }

  async #work(): Promise<void> {
    try {
      for (let next = this.#next(); next; next = this.#next()) await this.#verify(next);
    } finally {
      this.#isRunning = false;
    }
  }

  #next(): Served | undefined {
    const [key] = this.#waiting.keys();
    const next = key === undefined ? undefined : this.#waiting.get(key);
    if (key !== undefined) this.#waiting.delete(key);
    return next;
  }

  async #verify({ subject, entry }: Served): Promise<void> {
    // The caller goes on, and may have changed what it gave as arguments.
    if (subject.keyNow() !== subject.key || this.#told.get(subject.key) === entry.writtenAt) return;
    try {
      const fresh = await withScope({ mode: 'bypass' }, () => subject.run());
      const [cached, current] = [entry.payload?.copy(), subject.format.fromValue(fresh).copy()];
      if (isDeepStrictEqual(cached, current) || !(await this.#stands({ subject, entry }))) return;
      this.#tell({ subject, entry }, differences(cached, current));
    } catch (error) {
      const message = `${subject.policy.where}: a hit could not be verified: ${String(error)}`;
      this.#core.report({ code: 'background', message, cause: error });
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
  async #stands({ subject, entry }: Served): Promise<boolean> {
    await this.#core.writers.settled();
    await this.#pause();
    const look = new Look(this.#core, subject, currentScope());
    const reading = await look.read();
    const isFresh = look.judge(reading).freshness?.state === 'fresh';
    return isFresh && reading.entry?.writtenAt === entry.writtenAt && hasSameGenerations(reading.entry, entry);
  }

  /** Not for who closes the cache. */
  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const cancel = later(announcedWithinMs, resolve);
      void this.#core.closing.then(() => {
        cancel();
        resolve();
      });
    });
  }

  #tell({ subject, entry }: Served, found: readonly string[]): void {
    const { method, key, counts } = subject;
    this.#told.set(key, entry.writtenAt);
    const { names, outcomes } = this.#core;
    const tags = entry.generations.map(([name]) => name).filter((name) => names.isTag(name));
    outcomes.mismatch(counts, { method, key, tags: tags.map((name) => names.shownTag(name)), differences: found });
  }
}

function hasSameGenerations(one: Entry, other: Entry): boolean {
  const tokens = new Map(other.generations);
  return one.generations.length === tokens.size && one.generations.every(([name, token]) => tokens.get(name) === token);
}
