/** Several processes that share one store, with memory in front of it, and one database, which is here. */

import { type ChildProcess, fork } from 'node:child_process';
import type { Audit, CacheStats } from 'cachette';
import type { Database } from './cities.js';
import { Latency } from './latency.js';
import type { FromMember, SentReport, Setup, ToMember } from './messages.js';
import type { Report } from './workload.js';

/** The members' reports as one, and what their caches have counted together. */
export interface FleetReport {
  readonly report: Report;
  readonly stats: CacheStats;
  readonly audits: readonly Audit[];
}

interface Member {
  readonly child: ChildProcess;
  readonly reports: { readonly report: SentReport; readonly stats: CacheStats; readonly audit: Audit }[];
}

export interface FleetOptions extends Omit<Setup, 'seed'> {
  readonly database: Database;
  readonly processes: number;
  /** Hears each problem of a cache. */
  readonly onProblem: (message: string) => void;
}

export class Fleet {
  readonly #options: FleetOptions;
  readonly #members: readonly Member[];
  /** Every write passes here on its way to the database, and when it has returned to its caller. */
  #writesBegun = 0;
  #writesEnded = 0;
  /** How many members have said what they are waited for. */
  #said = 0;
  #onSaid = (): void => {};

  constructor(options: FleetOptions) {
    this.#options = options;
    this.#members = Array.from({ length: options.processes }, () => this.#fork());
  }

  async open(): Promise<void> {
    const { stores, namespace, readers } = this.#options;
    for (const [n, member] of this.#members.entries())
      tell(member, { kind: 'open', setup: { stores, namespace, readers, seed: n * 10_000 } });
    await this.#all();
  }

  async run(seconds: number, isCached: boolean): Promise<FleetReport> {
    for (const member of this.#members) tell(member, { kind: 'run', seconds, isCached });
    await this.#all();
    // Nobody writes any more: now everything that was written anywhere must show everywhere.
    for (const member of this.#members) tell(member, { kind: 'standstill' });
    await this.#all();
    const last = this.#members.map(({ reports }) => reports[reports.length - 1]!);
    return {
      report: sumOfReports(last.map(({ report }) => report)),
      stats: sumOfStats(last.map(({ stats }) => stats)),
      audits: last.map(({ audit }) => audit),
    };
  }

  /** Resolves when all processes have ended by themselves. */
  async close(): Promise<void> {
    await Promise.all(
      this.#members.map(({ child }) => {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.disconnect();
        return ended;
      }),
    );
  }

  #fork(): Member {
    const child = fork(new URL('./member.js', import.meta.url), { serialization: 'advanced' });
    const member: Member = { child, reports: [] };
    child.on('message', (message: FromMember) => void this.#receive(member, message));
    child.on('exit', (code) => {
      if (code) throw new Error(`A process of the catalogue has ended with ${code}.`);
    });
    return member;
  }

  #all(): Promise<void> {
    this.#said = 0;
    return new Promise((resolve) => (this.#onSaid = resolve));
  }

  async #receive(member: Member, message: FromMember): Promise<void> {
    switch (message.kind) {
      case 'query':
        return this.#query(member, message);
      case 'writes':
        return tell(member, { ...message, writes: { begun: this.#writesBegun, ended: this.#writesEnded } });
      case 'written':
        return this.#written(member, message);
      case 'problem':
        return this.#options.onProblem(message.message);
      case 'report':
        member.reports.push(message);
        break;
      case 'ready':
      case 'ended':
    }
    if (++this.#said === this.#members.length) this.#onSaid();
  }

  async #query(member: Member, { id, sql, parameters }: Extract<FromMember, { kind: 'query' }>): Promise<void> {
    if (sql.startsWith('UPDATE')) this.#writesBegun++;
    try {
      const { rows } = await this.#options.database.query<unknown>(sql, parameters);
      tell(member, { kind: 'rows', id, rows });
    } catch (error) {
      tell(member, { kind: 'rows', id, error });
    }
  }

  #written(member: Member, { city }: Extract<FromMember, { kind: 'written' }>): void {
    this.#writesEnded++;
    if (!city) return;
    for (const other of this.#members) if (other !== member) tell(other, { kind: 'written', city });
  }
}

function tell({ child }: Member, message: ToMember): void {
  if (child.connected) child.send(message);
}

function sumOfReports(reports: readonly SentReport[]): Report {
  const sum = (field: 'reads' | 'writes' | 'compared' | 'stale') =>
    reports.reduce((total, report) => total + report[field], 0);
  const latency = (method: keyof Report['latency']) =>
    Latency.sum(reports.map((report) => new Latency(report.latency[method])));
  return {
    seconds: Math.max(...reports.map(({ seconds }) => seconds)),
    reads: sum('reads'),
    writes: sum('writes'),
    compared: sum('compared'),
    stale: sum('stale'),
    // The first one would have ended the run.
    failed: { find: 0, largest: 0, search: 0 },
    latency: { find: latency('find'), largest: latency('largest'), search: latency('search') },
  };
}

type MethodStats = CacheStats['methods'][string];

function sumOfStats(all: readonly CacheStats[]): CacheStats {
  const methods: Record<string, MethodStats> = {};
  for (const stats of all)
    for (const [name, counts] of Object.entries(stats.methods)) methods[name] = plus(methods[name], counts);
  const total = all.reduce<CacheStats | undefined>((sum, each) => ({ ...each, ...plus(sum, each) }), undefined);
  return { ...(total as CacheStats), methods };
}

function plus(one: MethodStats | undefined, other: MethodStats): MethodStats {
  if (!one) return other;
  const hits = one.hits + other.hits;
  const misses = one.misses + other.misses;
  const [stale, bypassed] = [one.stale + other.stale, one.bypassed + other.bypassed];
  return { ...other, hits, misses, stale, bypassed, hitRate: hits / Math.max(1, hits + misses + stale) };
}
