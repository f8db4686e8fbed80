/** One process of several: the catalogue with a cache of its own. The database is asked through the parent. */

import { type Cache, createCache, setDefaultCache } from 'cachette';
import { Checks, type WritesSoFar } from './checks.js';
import { Cities, type Database } from './cities.js';
import type { Answer } from './database-thread.js';
import { places } from './database.js';
import type { FromMember, Setup, ToMember } from './messages.js';
import { runWorkload } from './workload.js';

const tell = (message: FromMember): void => void process.send?.(message);

class DatabaseOfParent implements Database {
  readonly #waiting = new Map<number, (answer: Answer) => void>();
  #questions = 0;

  async query<Row>(sql: string, parameters: unknown[]): Promise<{ rows: Row[] }> {
    const id = ++this.#questions;
    const { rows, error } = await new Promise<Answer>((resolve) => {
      this.#waiting.set(id, resolve);
      tell({ kind: 'query', id, sql, parameters });
    });
    if (rows) return { rows: rows as Row[] };
    throw error;
  }

  answered(answer: Answer): void {
    this.#waiting.get(answer.id)?.(answer);
    this.#waiting.delete(answer.id);
  }
}

class Member {
  readonly #setup: Setup;
  readonly #cache: Cache;
  readonly #database = new DatabaseOfParent();
  readonly #cities = new Cities(this.#database);
  readonly #counting = new Map<number, (writes: WritesSoFar) => void>();
  #counted = 0;
  #checks = this.#newChecks();
  #standStill = (): void => {};

  constructor(setup: Setup) {
    this.#setup = setup;
    this.#cache = createCache(setup.stores, { namespace: setup.namespace });
    setDefaultCache(this.#cache);
    this.#cache.on('error', ({ message }) => tell({ kind: 'problem', message }));
  }

  receive(message: ToMember): void {
    if (message.kind === 'rows') this.#database.answered(message);
    if (message.kind === 'written') this.#checks.hear(message.city);
    if (message.kind === 'standstill') this.#standStill();
    if (message.kind === 'run') void this.#run(message.seconds, message.isCached);
    if (message.kind !== 'writes') return;
    this.#counting.get(message.id)?.(message.writes);
    this.#counting.delete(message.id);
  }

  async close(): Promise<void> {
    await this.#cache.close();
  }

  async #run(seconds: number, isCached: boolean): Promise<void> {
    const { readers, seed } = this.#setup;
    this.#cache.enabled = isCached;
    // The rows stay, and so does what is known of them.
    const checks = (this.#checks = this.#newChecks(this.#checks));
    const standstill = (): Promise<void> => {
      const standing = new Promise<void>((resolve) => (this.#standStill = resolve));
      tell({ kind: 'ended' });
      return standing;
    };
    const plan = { cache: this.#cache, cities: this.#cities, places, readers, seconds, seed, checks, standstill };
    const { latency, ...counts } = await runWorkload(plan);
    const { find, largest, search } = latency;
    const sent = { find: find.calls, largest: largest.calls, search: search.calls };
    tell({
      kind: 'report',
      report: { ...counts, latency: sent },
      stats: this.#cache.stats(),
      audit: this.#cache.audit(),
    });
  }

  #newChecks(before?: Checks): Checks {
    const written = (city: Parameters<Checks['hear']>[0] | undefined): void => tell({ kind: 'written', city });
    return new Checks({ before, elsewhere: { written, soFar: () => this.#writesEverywhere() } });
  }

  #writesEverywhere(): Promise<WritesSoFar> {
    const id = ++this.#counted;
    return new Promise((resolve) => {
      this.#counting.set(id, resolve);
      tell({ kind: 'writes', id });
    });
  }
}

let member: Member | undefined;

process.on('message', (message: ToMember) => {
  if (message.kind !== 'open') return member?.receive(message);
  member = new Member(message.setup);
  tell({ kind: 'ready' });
});

process.on('disconnect', () => void member?.close());
