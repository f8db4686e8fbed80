/** The database in a thread of its own: the catalogue waits for it as for one on another machine. */

import { EventEmitter, on } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Database } from './cities.js';

export interface Question {
  readonly id: number;
  readonly sql: string;
  readonly parameters: unknown[];
}

/** To the database itself: to be gone for a while, to come back with the data that it had, to tell of changes. */
export interface Command {
  readonly id: number;
  readonly command: 'stop' | 'start' | 'tell';
}

/** Which tags have changed, as JSON. */
export interface Notification {
  readonly change: string;
}

export interface Answer {
  readonly id: number;
  readonly rows?: unknown[];
  readonly error?: unknown;
}

export class DatabaseThread implements Database {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  readonly #changes = new EventEmitter();
  #questions = 0;

  /** With the `rows` most populous cities in it, or with all. */
  constructor(rows?: number) {
    this.#worker = new Worker(new URL('./database-worker.js', import.meta.url), { workerData: rows });
    this.#worker.on('message', (message: Answer | Notification) => {
      if ('change' in message) return this.#changes.emit('change', message.change);
      this.#waiting.get(message.id)?.(message);
      return this.#waiting.delete(message.id);
    });
  }

  /** The first one waits until the tables are filled. */
  async query<Row>(sql: string, parameters: unknown[] = []): Promise<{ rows: Row[] }> {
    return { rows: (await this.#ask({ sql, parameters })) as Row[] };
  }

  /** Until {@link start}, every query is refused. */
  async stop(): Promise<void> {
    await this.#ask({ command: 'stop' });
  }

  async start(): Promise<void> {
    await this.#ask({ command: 'start' });
  }

  /** What rows change from now on, whoever changes them: the tags, as JSON. */
  async changes(): Promise<AsyncIterable<[change: string]>> {
    const changes = on(this.#changes, 'change') as AsyncIterable<[change: string]>;
    await this.#ask({ command: 'tell' });
    return changes;
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }

  async #ask(message: Omit<Question, 'id'> | Omit<Command, 'id'>): Promise<unknown[]> {
    const id = ++this.#questions;
    const { rows, error } = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      this.#worker.postMessage({ id, ...message } satisfies Question | Command);
    });
    if (rows) return rows;
    throw error;
  }
}
