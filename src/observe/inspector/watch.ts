/** Asks the fleet once a second for all who watch, and nothing while nobody does. */

import type { Answered } from '../../base/insight.js';
import type { Reader } from './exchange.js';

const everyMs = 1_000;

/** What the stream tells. */
export interface Fleet {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly processes: readonly Answered<'snapshot'>[];
}

export class Watch {
  readonly #ask: () => Promise<Fleet['processes']>;
  readonly #readers = new Set<Reader>();
  #isAsking = false;
  #isClosed = false;
  #timer: NodeJS.Timeout | undefined;

  /** `ask` never rejects. */
  constructor(ask: () => Promise<Fleet['processes']>) {
    this.#ask = ask;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Returns what takes the reader away. */
  add(reader: Reader): () => void {
    if (this.#isClosed) {
      reader.end();
      return () => {};
    }
    this.#readers.add(reader);
    // the client hears at once that it is connected
    reader.write(': watching\n\n');
    if (this.#timer === undefined && !this.#isAsking) void this.#turn();
    return () => this.#remove(reader);
  }

  close(): void {
    this.#isClosed = true;
    for (const reader of this.#readers) reader.end();
    this.#readers.clear();
    this.#pause();
  }

  #remove(reader: Reader): void {
    this.#readers.delete(reader);
    if (this.#readers.size === 0) this.#pause();
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  async #turn(): Promise<void> {
    this.#timer = undefined;
    this.#isAsking = true;
    const startedAt = performance.now();
    const event = await this.#event();
    this.#isAsking = false;
    this.#leaveBehind();
    // one that does not take its events gets none, rather than all of them later
    for (const reader of this.#readers) if (reader.isReady()) reader.write(event);
    if (this.#readers.size === 0) return;
    this.#timer = setTimeout(() => void this.#turn(), Math.max(everyMs - (performance.now() - startedAt), 0));
    this.#timer.unref();
  }

  /** A server that is closed waits for its connections; those that stream would never end. */
  #leaveBehind(): void {
    for (const reader of this.#readers) {
      if (!reader.isLeftBehind()) continue;
      this.#readers.delete(reader);
      reader.end();
    }
  }

  /** A comment where there is nothing to tell: the connection lives. */
  async #event(): Promise<string> {
    try {
      const fleet: Fleet = { at: Date.now(), processes: await this.#ask() };
      return `event: fleet\ndata: ${JSON.stringify(fleet)}\n\n`;
    } catch {
      return ': no answer\n\n';
    }
  }
}
