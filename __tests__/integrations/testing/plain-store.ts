/** A store in a map, as somebody who writes one of his own would begin: it adds, touches, and ends its keys by the test's clock. */

import type { Backend } from 'cachette';
import type { ManualClock } from 'cachette/testing';

interface Row {
  text: string;
  endsAt: number;
}

export type Rows = Map<string, Row>;

export class PlainStore implements Backend {
  name = 'plain';
  maxTextBytes = Infinity;
  protected isClosed = false;

  constructor(
    readonly clock: ManualClock,
    readonly rows: Rows = new Map(),
  ) {}

  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    this.check();
    return keys.map((key) => this.row(key)?.text);
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    this.check();
    this.rows.set(key, { text, endsAt: this.clock.monotonic() + ttlMs });
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    this.check();
    for (const key of keys) this.rows.delete(key);
  }

  async add(key: string, text: string, ttlMs: number): Promise<boolean> {
    this.check();
    if (this.row(key)) return false;
    await this.set(key, text, ttlMs);
    return true;
  }

  async touch(key: string, ttlMs: number): Promise<boolean> {
    this.check();
    const row = this.row(key);
    if (row) row.endsAt = this.clock.monotonic() + ttlMs;
    return row !== undefined;
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  protected check(): void {
    if (this.isClosed) throw Object.assign(new Error('it is closed'), { failure: 'unreachable' });
  }

  protected row(key: string): Row | undefined {
    const row = this.rows.get(key);
    return row && this.clock.monotonic() < row.endsAt ? row : undefined;
  }
}
