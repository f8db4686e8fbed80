/**
 * Remembers when names were invalidated here, so that a read that was under way then is not believed afterwards:
 *
 *   T0 sends get Ga, executed · invalidate(a) deletes Ga, its message arrives here · the reply of T0 arrives: Ga=1
 *
 * Remembered as true, the message being consumed, it would be stale for ever.
 */

import { atMost, LRUCache } from './lru.js';

/** Names whose last invalidation is remembered; for one that is not, the latest that fell out stands. */
const remembered = 16_000;

export class Fence {
  #invalidations = 0;
  #fallenOut = 0;
  readonly #last = new LRUCache<string, number>({
    ...atMost(remembered),
    dispose: (at, _name, why) => {
      if (why === 'evict') this.#fallenOut = Math.max(this.#fallenOut, at);
    },
  });

  /** To be kept when a read is sent, and given to {@link isClean} at its reply. */
  get now(): number {
    return this.#invalidations;
  }

  note(names: readonly string[]): void {
    const at = ++this.#invalidations;
    for (const name of names) this.#last.set(name, at);
  }

  /** Whether nothing has invalidated `name` since. */
  isClean(name: string, since: number): boolean {
    return (this.#last.peek(name) ?? this.#fallenOut) <= since;
  }
}
