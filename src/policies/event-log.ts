/**
 * A log of what happened to keys and to the names that invalidations go by, in arrays that grow up to a bound. Accesses of one
 * key that follow each other closely are one event with a count.
 */

/** What an event is about. */
export interface Owner {
  /** Where its last event is in the log; -1 where it has none. */
  last: number;
}

/** A name that keys carry: when it is removed, what was stored with it is worth nothing. */
export interface Name extends Owner {
  readonly text: string;
  /** How many sampled keys carry it. */
  uses: number;
  /** Nothing that carries it has been asked for since it was removed: another removal changes nothing. */
  isRemoved: boolean;
}

/** A key whose accesses are recorded. */
export interface SampledKey extends Owner {
  readonly key: string;
  readonly method: string;
  readonly hash: number;
  names: readonly Name[];
  /** Whether it had been accessed before this moment is not known; `-Infinity`: it is known that it had not. */
  unknownBefore: number;
  /** What was measured at the last store; undefined before that. */
  ttlMs: number | undefined;
  loadMs: number;
  isSampled: boolean;
}

export const access = 0;
/** An access that found an entry which was no longer right. */
export const accessOfInvalidated = 1;
/** The removal of a name, or of the entry itself. */
export const removal = 2;

/** The kinds of event. */
export type EventKind = typeof access | typeof accessOfInvalidated | typeof removal;

/** One event, while the log is rewritten. */
interface Moved {
  readonly owner: Owner;
  readonly time: number;
  readonly count: number;
  readonly kind: EventKind;
}

const firstCapacity = 1_024;

export class EventLog {
  readonly #capacity: number;
  #length = 0;
  #times = new Float64Array(firstCapacity);
  #counts = new Uint32Array(firstCapacity);
  #kinds = new Uint8Array(firstCapacity);
  readonly #owners: Owner[] = [];

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get length(): number {
    return this.#length;
  }

  get isFull(): boolean {
    return this.#length >= this.#capacity;
  }

  /** When the first event was; undefined in an empty log. */
  get beganAt(): number | undefined {
    return this.#length === 0 ? undefined : this.#times[0];
  }

  get endedAt(): number | undefined {
    return this.#length === 0 ? undefined : this.#times[this.#length - 1];
  }

  timeAt(index: number): number {
    return this.#times[index] as number;
  }

  countAt(index: number): number {
    return this.#counts[index] as number;
  }

  kindAt(index: number): EventKind {
    return this.#kinds[index] as EventKind;
  }

  ownerAt(index: number): Owner {
    return this.#owners[index] as Owner;
  }

  /**
   * Counts an access with the last event of its key if that is not longer ago than `quantumMs` and not more than `reach`
   * events; tells whether it did.
   */
  merge(owner: Owner, now: number, { quantumMs, reach }: Merging): boolean {
    const { last } = owner;
    if (last < 0 || this.#length - last > reach || now - (this.#times[last] as number) > quantumMs) return false;
    if (this.#kinds[last] === removal) return false;
    (this.#counts[last] as number)++;
    return true;
  }

  /** The log must not be full. Time does not run backwards in it. */
  append(owner: Owner, now: number, kind: EventKind): void {
    if (this.#length === this.#times.length) this.#grow();
    this.#put({ owner, time: Math.max(now, this.endedAt ?? now), count: 1, kind });
  }

  /** Leaves out the events of owners that `isKept` does not want. */
  filter(isKept: (owner: Owner, kind: EventKind) => boolean): void {
    this.#rewrite(0, (event) => {
      if (isKept(event.owner, event.kind)) this.#put(event);
    });
  }

  /** Makes accesses of one key one event where {@link merge} would have, given the same `merging`. */
  compact(merging: Merging): void {
    this.#rewrite(0, (event) => {
      if (event.kind === access && !this.#isParted(event.owner) && this.#join(event, merging)) return;
      this.#put(event);
    });
  }

  /** Leaves out the first `count` events, and tells `forgotten` of each of them. */
  dropFirst(count: number, forgotten: (owner: Owner, calls: number) => void): void {
    for (let i = 0; i < count; i++) forgotten(this.ownerAt(i), this.#kinds[i] === removal ? 0 : this.countAt(i));
    this.#rewrite(count, (event) => {
      this.#put(event);
    });
  }

  #join(event: Moved, merging: Merging): boolean {
    const { last } = event.owner;
    if (!this.merge(event.owner, event.time, merging)) return false;
    (this.#counts[last] as number) += event.count - 1;
    return true;
  }

  /** Whether a removal stands between the last access of a key and now. */
  #isParted(owner: Owner): boolean {
    return (owner as SampledKey).names.some((name) => name.last > owner.last);
  }

  #rewrite(from: number, keep: (event: Moved) => void): void {
    const end = this.#length;
    for (let i = 0; i < end; i++) this.ownerAt(i).last = -1;
    this.#length = 0;
    for (let i = from; i < end; i++) {
      keep({ owner: this.ownerAt(i), time: this.timeAt(i), count: this.countAt(i), kind: this.kindAt(i) });
    }
    this.#owners.length = this.#length;
  }

  #put({ owner, time, count, kind }: Moved): void {
    const index = this.#length++;
    this.#times[index] = time;
    this.#counts[index] = count;
    this.#kinds[index] = kind;
    this.#owners[index] = owner;
    owner.last = index;
  }

  #grow(): void {
    const capacity = Math.min(this.#capacity, this.#times.length * 2);
    const [times, counts, kinds] = [new Float64Array(capacity), new Uint32Array(capacity), new Uint8Array(capacity)];
    times.set(this.#times);
    counts.set(this.#counts);
    kinds.set(this.#kinds);
    [this.#times, this.#counts, this.#kinds] = [times, counts, kinds];
  }
}

/** Which accesses of one key are one event. */
export interface Merging {
  readonly quantumMs: number;
  /** Not over more events than this, so that what lies between them in memory's order is not lost. */
  readonly reach: number;
}
