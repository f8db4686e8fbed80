/** The database in a thread of its own: the catalogue waits for it as for one on another machine. */

import { Worker } from 'node:worker_threads';
import type { Database } from './cities.js';

export interface Question {
  readonly id: number;
  readonly sql: string;
  readonly parameters: unknown[];
}

export interface Answer {
  readonly id: number;
  readonly rows?: unknown[];
  readonly error?: unknown;
}

export class DatabaseThread implements Database {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #questions = 0;

  /** With the `rows` most populous cities in it, or with all. */
  constructor(rows?: number) {
    this.#worker = new Worker(new URL('./database-worker.js', import.meta.url), { workerData: rows });
    this.#worker.on('message', (answer: Answer) => {
      this.#waiting.get(answer.id)?.(answer);
      this.#waiting.delete(answer.id);
    });
  }

  /** The first one waits until the tables are filled. */
  async query<Row>(sql: string, parameters: unknown[] = []): Promise<{ rows: Row[] }> {
    const id = ++this.#questions;
    const { rows, error } = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, sql, parameters } satisfies Question);
    });
    if (rows) return { rows: rows as Row[] };
    throw error;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
