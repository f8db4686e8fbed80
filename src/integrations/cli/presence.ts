/** Which processes are there, as those that ask see it: one that has answered and is silent now is not gone at once. */

import type { Answered } from '../../base/insight.js';

/** What a process has said, and since when it has said nothing; 0 if it has just answered. */
export type Seen = Answered<'snapshot'> & { readonly silentMs?: number };

/** Its counts would be missing from the sums, which then fall as if all had begun anew. */
const keptMs = 10_000;

export class Presence {
  readonly #heard = new Map<string, { readonly said: Answered<'snapshot'>; readonly atMs: number }>();

  /** Those that have answered now, at `nowMs`, and those that did so not long ago; in the order in which they came. */
  seen(answers: readonly Answered<'snapshot'>[], nowMs: number): readonly Seen[] {
    const now = new Set(answers.map(({ process }) => process.id));
    for (const said of answers) this.#heard.set(said.process.id, { said, atMs: nowMs });
    for (const [id, { atMs }] of this.#heard) if (nowMs - atMs > keptMs) this.#heard.delete(id);
    const silent = [...this.#heard].filter(([id]) => !now.has(id));
    return [...answers, ...silent.map(([, { said, atMs }]) => ({ ...said, silentMs: nowMs - atMs }))];
  }
}
