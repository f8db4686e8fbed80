/** The parent's side of processes that read and write at random: the truth, and what they have seen of it. */
import { runChild, type TestChild } from '../support/child.js';

export interface Work {
  readonly kind: 'work';
  readonly uri: string;
  readonly seconds: number;
  readonly rows: number;
  /** How many reads and writes run at the same time. */
  readonly callers: number;
  readonly behindMs: number;
}

/** What a process asks of the truth. */
export interface Question {
  readonly kind: 'question';
  readonly id: number;
  /** The version that is there; the oldest that may still be read; make the next one; nobody may read an older one. */
  readonly question: 'load' | 'floor' | 'write' | 'invalidated';
  readonly rows: number[];
  readonly version: number;
}

export interface Answer {
  readonly kind: 'answer';
  readonly id: number;
  readonly versions: number[];
}

/** What a process did and saw. */
export interface End {
  readonly kind: 'end';
  readonly reads: number;
  readonly writes: number;
  readonly hits: number;
  readonly deferred: number;
  /** In words, each of them. */
  readonly stale: readonly string[];
}

export async function workTogether(works: readonly Omit<Work, 'kind'>[]): Promise<End[]> {
  const truth = new Truth();
  const children = works.map(() => runChild<Question | End>('__tests__/failure/random.child.ts'));
  try {
    children.forEach((child, i) => child.send({ kind: 'work', ...works[i] }));
    return await Promise.all(children.map((child) => serve(child, truth)));
  } finally {
    await Promise.all(children.map((child) => child.kill()));
  }
}

async function serve(child: TestChild<Question | End>, truth: Truth): Promise<End> {
  for (;;) {
    const message = await child.next();
    if (message.kind === 'end') return message;
    child.send({ kind: 'answer', id: message.id, versions: truth.answer(message) } satisfies Answer);
  }
}

class Truth {
  readonly #versions = new Map<number, number>();
  readonly #floors = new Map<number, number>();

  answer({ question, rows, version }: Question): number[] {
    return rows.map((row) => {
      if (question === 'load') return this.#versions.get(row) ?? 0;
      if (question === 'floor') return this.#floors.get(row) ?? 0;
      if (question === 'invalidated') return this.#raise(row, version);
      this.#versions.set(row, (this.#versions.get(row) ?? 0) + 1);
      return this.#versions.get(row) ?? 0;
    });
  }

  #raise(row: number, version: number): number {
    const floor = Math.max(this.#floors.get(row) ?? 0, version);
    this.#floors.set(row, floor);
    return floor;
  }
}
