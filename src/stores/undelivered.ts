/**
 * Invalidations that a store has not acknowledged. Their generations are refused in this process, and delivered before
 * the store is read again.
 */

import { machineTime, type Time } from '../policies/deadline.js';

/** More names than this become one: the namespace's, which every entry has. */
const namesAtMost = 10_000;
const retryMs = 1_000;

type Refuses = (name: string) => boolean;

export class Undelivered {
  readonly #deliver: (names: readonly string[]) => Promise<boolean>;
  readonly #everything: string;
  /** Names, each with the time of its last failure, so that a delivery does not take away one that came after it. */
  #names = new Map<string, number>();
  #failures = 0;
  #attempt: Promise<void> | undefined;
  #cancelRetry: (() => void) | undefined;
  readonly #time: Time;
  #closed = false;

  /** `everything`: the generation that every entry has. `deliver` says whether the store has acknowledged. */
  constructor(everything: string, deliver: (names: readonly string[]) => Promise<boolean>, time: Time = machineTime) {
    this.#everything = everything;
    this.#deliver = deliver;
    this.#time = time;
  }

  get size(): number {
    return this.#names.size;
  }

  get isEmpty(): boolean {
    return this.#names.size === 0;
  }

  add(names: readonly string[]): void {
    const at = ++this.#failures;
    for (const name of names) this.#names.set(name, at);
    if (this.#names.size > namesAtMost) this.#names = new Map([[this.#everything, at]]);
    this.#retryLater();
  }

  /** What is refused now or, once the returned function is asked, then: a reply is judged by both. */
  watch(): Refuses {
    if (this.isEmpty) return (name) => this.#names.has(name);
    const atSending = new Set(this.#names.keys());
    return (name) => atSending.has(name) || this.#names.has(name);
  }

  /** To be awaited before a read. Undefined if there is nothing, or if the last attempt has just failed. */
  beforeRead(): Promise<void> | undefined {
    return this.isEmpty || this.#cancelRetry ? this.#attempt : this.flush();
  }

  /** One attempt to deliver everything; callers at the same time share it. */
  flush(): Promise<void> {
    return (this.#attempt ??= this.#flush().finally(() => {
      this.#attempt = undefined;
    }));
  }

  /** Ends the retries. What is added from now on is refused here and never delivered. */
  close(): void {
    this.#closed = true;
    this.#cancelRetry?.();
  }

  async #flush(): Promise<void> {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const sent = new Map(this.#names);
    if (sent.size === 0) return;
    if (!(await this.#deliver([...sent.keys()]))) {
      this.#retryLater();
      return;
    }
    for (const [name, at] of sent) if (this.#names.get(name) === at) this.#names.delete(name);
    if (!this.isEmpty) this.#retryLater();
  }

  #retryLater(): void {
    if (this.#closed) return;
    this.#cancelRetry ??= this.#time.later(retryMs, () => {
      // Not by the attempt: one that is under way may have begun before this timer.
      this.#cancelRetry = undefined;
      void this.flush();
    });
  }
}
