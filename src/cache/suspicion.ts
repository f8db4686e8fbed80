/**
 * An entry is not what its method gives by now. Whether somebody has forgotten to invalidate it shows only later: who writes does
 * so before it invalidates, so there is a time in which the two differ and all is well:
 *
 *   T0 update(1): the row is written · V runs find(1): the new row · V reads Ga: unchanged · T0 invalidate(a)
 *
 * So writes that run now are waited for, and then as long as others may take, who write and invalidate by hand. An invalidation by
 * a write that began only afterwards explains nothing, and the entry stood until then:
 *
 *   T0 writes A=1, forgets to invalidate · V runs find(1): A=1, and x says A=0 · T0 remove(1): invalidate(a)
 */

import { withDeadline } from '../policies/deadline.js';
import type { Core, RemovalListener } from './core.js';

/** Who writes and invalidates by hand needs so long, at the most, from the one to the other. */
const byHandWithinMs = 1_000;
/** Writes that run longer than this are not waited for, and nothing is said of the entry. */
const writesAtMostMs = 5_000;

export interface Suspected {
  readonly key: string;
  /** Of its generations. */
  readonly names: readonly string[];
  /** Whether writes of other processes need not be thought of. */
  readonly isAlone: boolean;
  /** Whether the entry stands now. */
  readonly stands: () => Promise<boolean>;
  /** It was wrong, and nothing has said so. */
  readonly confirm: () => void;
}

export class Suspicion {
  /** Resolves when it is confirmed or not. Never rejects. */
  readonly settled: Promise<void>;
  readonly #core: Core;
  readonly #suspected: Suspected;
  /** The last write that may explain the difference. */
  readonly #lastWrite: number;
  readonly #names: ReadonlySet<string>;
  #isOver = false;
  #isDoubtOver = false;
  #onDoubtOver = (): void => {};

  constructor(core: Core, suspected: Suspected) {
    this.#core = core;
    this.#suspected = suspected;
    this.#lastWrite = core.writers.latest;
    this.#names = new Set([suspected.key, ...suspected.names]);
    core.onRemoved.add(this.#removed);
    this.settled = this.#settle();
  }

  /** Who has written by hand has invalidated by now. */
  endDoubt(): void {
    this.#isDoubtOver = true;
    this.#onDoubtOver();
  }

  readonly #removed: RemovalListener = (names, write) => {
    if (!names.some((name) => this.#names.has(name))) return;
    const isLater = write !== undefined && write > this.#lastWrite;
    this.#end(isLater && this.#suspected.isAlone);
  };

  async #settle(): Promise<void> {
    try {
      const haveEnded = this.#core.writers.settled().then(() => true);
      const isKnown = await withDeadline(haveEnded, writesAtMostMs, this.#core).catch(() => false);
      if (isKnown) await this.#doubt();
      if (!this.#isOver) this.#end(isKnown && (await this.#suspected.stands()));
    } catch {
      this.#end(false);
    }
  }

  #doubt(): Promise<void> {
    if (this.#isDoubtOver || this.#isOver) return Promise.resolve();
    return new Promise((resolve) => {
      const cancel = this.#core.time.later(byHandWithinMs, resolve);
      this.#onDoubtOver = () => {
        cancel();
        resolve();
      };
    });
  }

  #end(isConfirmed: boolean): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#core.onRemoved.delete(this.#removed);
    if (isConfirmed) this.#suspected.confirm();
    this.#onDoubtOver();
  }
}
