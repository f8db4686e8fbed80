/**
 * A log of what happened to keys and to the names that invalidations go by, in arrays that grow up to a bound. Accesses of one
 * key that follow each other closely are one event with a count.
 */

/** What an event is about. */
export interface Owner {
  /** Where its last event is in the log; -1 where it has none. */
  last: number;
  /**
   * When that was, if accesses may be counted with it, else `longAgo`. From the beginning of the log on: a small integer, where the
   * time itself is an object.
   */
  lastAt: number;
  /**
   * Accesses that are to be counted with it. A hit in memory looks at its owner alone, and not for the place in the log: what it
   * waits for is the processor's caches.
   */
  uncounted: number;
}

/** No access is counted with an event of then. */
export const longAgo = -(2 ** 30);

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
  /** What its entry takes in memory; 0: not known. */
  bytes: number;
  /** When this process has written its entry last; another time in a store says that somebody else has. */
  writtenAt: number | undefined;
  /** Whether what the method gave last was stored. */
  isStored: boolean;
  isSampled: boolean;
}

/** An access that memory has answered at once. */
export const access = 0;
/** One that had to be looked into: it was told when it was answered, and began as long before as that took. */
export const look = 1;
/** The same, and the entry that it found was no longer right. */
export const lookAtInvalidated = 2;
/** The removal of a name, or of the entry itself. */
export const removal = 3;
/** A look after which the method ran, and there was no entry all the same: it failed, or its result was not to be stored. */
export const unstored = 4;

/** The kinds of event. */
export type EventKind = typeof access | typeof look | typeof lookAtInvalidated | typeof removal | typeof unstored;

const firstCapacity = 1_024;

export class EventLog {
  readonly #capacity: number;
  #length = 0;
  /** When the first event of all was; 0 before that. */
  #origin = 0;
  #hasBegun = false;
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
    const { last, uncounted } = this.ownerAt(index);
    return (this.#counts[index] as number) + (last === index ? uncounted : 0);
  }

  kindAt(index: number): EventKind {
    return this.#kinds[index] as EventKind;
  }

  ownerAt(index: number): Owner {
    return this.#owners[index] as Owner;
  }

  /**
   * Counts an access with the last event of its key if that is not longer ago than `quantumMs` and not more than `reach`
   * events, and left an entry as this one does; tells whether it did.
   */
  merge(owner: Owner, now: number, merging: Merging, kind: EventKind = access): boolean {
    if (kind === unstored) return this.#mergeUnstored(owner, now, merging);
    if (now - this.#origin - owner.lastAt > merging.quantumMs || this.#length - owner.last > merging.reach)
      return false;
    owner.uncounted++;
    return true;
  }

  #mergeUnstored(owner: Owner, now: number, { quantumMs, reach }: Merging): boolean {
    const { last } = owner;
    if (last < 0 || this.#kinds[last] !== unstored) return false;
    if (this.#length - last > reach || now - (this.#times[last] as number) > quantumMs) return false;
    owner.uncounted++;
    return true;
  }

  /** The log must not be full. Time does not run backwards in it. */
  append(owner: Owner, now: number, kind: EventKind): void {
    if (this.#length === this.#times.length) this.#grow();
    const index = this.#length;
    if (!this.#hasBegun) this.#origin = now;
    this.#hasBegun = true;
    this.#times[index] = index === 0 ? now : Math.max(now, this.timeAt(index - 1));
    this.#counts[index] = 1;
    this.#kinds[index] = kind;
    this.#add(owner);
  }

  /** The last look of a key left no entry, as is known afterwards. */
  leftNothing(owner: Owner): void {
    if (owner.last < 0 || this.#kinds[owner.last] === removal) return;
    this.#kinds[owner.last] = unstored;
    owner.lastAt = longAgo;
  }

  /** Leaves out the events of owners that `isKept` does not want. */
  filter(isKept: (owner: Owner) => boolean): void {
    this.#rewrite(0, (index) => {
      if (isKept(this.ownerAt(index))) this.#move(index);
    });
  }

  /** Makes accesses of one key one event where {@link merge} would have, given the same `merging`. */
  compact(merging: Merging): void {
    this.#rewrite(0, (index) => {
      if (!this.#join(index, merging)) this.#move(index);
    });
  }

  /** Leaves out the first `count` events, and tells `forgotten` of each of them. */
  dropFirst(count: number, forgotten: (owner: Owner, calls: number) => void): void {
    for (let i = 0; i < count; i++) forgotten(this.ownerAt(i), this.#kinds[i] === removal ? 0 : this.countAt(i));
    this.#rewrite(count, (index) => {
      this.#move(index);
    });
  }

  /** Adds the calls of an event to the last one of its key that was kept, if they may be one. */
  #join(index: number, merging: Merging): boolean {
    const kind = this.kindAt(index);
    if (kind === lookAtInvalidated || kind === removal) return false;
    const [owner, calls] = [this.ownerAt(index) as SampledKey, this.countAt(index)];
    if (owner.last < 0 || isParted(owner) || !this.merge(owner, this.timeAt(index), merging, kind)) return false;
    (this.#counts[owner.last] as number) += calls - 1;
    return true;
  }

  /** `keep` is called for each event from `from` on, and moves those that stay. */
  #rewrite(from: number, keep: (index: number) => void): void {
    const end = this.#length;
    for (let i = 0; i < end; i++) this.#release(this.ownerAt(i));
    this.#length = 0;
    for (let i = from; i < end; i++) keep(i);
    this.#owners.length = this.#length;
  }

  #move(from: number): void {
    const to = this.#length;
    this.#times[to] = this.timeAt(from);
    this.#counts[to] = this.countAt(from);
    this.#kinds[to] = this.kindAt(from);
    this.#add(this.ownerAt(from));
  }

  #add(owner: Owner): void {
    this.#release(owner);
    const index = this.#length++;
    owner.last = index;
    const kind = this.#kinds[index];
    owner.lastAt = kind === removal || kind === unstored ? longAgo : this.timeAt(index) - this.#origin;
    this.#owners[index] = owner;
  }

  /** Counts what is to be counted with its last event, which is its last one no more. */
  #release(owner: Owner): void {
    if (owner.last >= 0) (this.#counts[owner.last] as number) += owner.uncounted;
    owner.last = -1;
    owner.lastAt = longAgo;
    owner.uncounted = 0;
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

/** Whether a removal stands between the last access of a key and now. */
function isParted({ names, last }: SampledKey): boolean {
  for (const name of names) if (name.last > last) return true;
  return false;
}
