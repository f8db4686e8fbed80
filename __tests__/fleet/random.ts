/** The parent's side of processes that read and write at random: their rows, and what they have seen of them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { runChild, type TestChild } from '../support/child.js';
import { Truth } from './truth.js';

export interface Work {
  /** One, or the nearest first. */
  readonly stores: string | readonly string[];
  readonly rows: number;
  /** How many read and write at the same time. */
  readonly callers: number;
  /** How long each of them rests, at most, after some reads. Default: not at all. */
  readonly pauseMs?: number;
  /** One in so many calls is a write. Default 10. */
  readonly readsPerWrite?: number;
  /** How far the clock of the cache is behind. Default 0. */
  readonly behindMs?: number;
  readonly deadlineMs?: number;
  /** Nothing that cannot be verified is served in an outage, unless stated. */
  readonly outageGraceMs?: number;
}

/** What a process is told. */
export type Order =
  | {
      readonly kind: 'open';
      readonly work: Work;
      readonly truth: string;
      readonly writer: number;
      readonly writers: number;
    }
  | { readonly kind: 'begin'; readonly seconds: number }
  | { readonly kind: 'block'; readonly ms: number }
  | { readonly kind: 'written'; readonly id: number; readonly version: number };

/** What a process tells: that it trusts its memory, or has tried long enough; that a row changes; its end. */
export type Told =
  | { readonly kind: 'ready' }
  | { readonly kind: 'write'; readonly id: number; readonly row: number }
  | ({ readonly kind: 'end' } & End);

/** What a process did and saw. */
export interface End {
  readonly reads: number;
  readonly hits: number;
  /** Reads that were answered before anything could have been sent or received. */
  readonly withoutIo: number;
  readonly writes: number;
  readonly deferred: number;
  /** How long each invalidation took that was `done`. */
  readonly invalidatedMs: readonly number[];
  readonly slowestReadMs: number;
  /** In words, each of them. */
  readonly stale: readonly string[];
}

/** A process while it works. */
export interface Worker {
  /** From outside, wherever it is. */
  freeze(): void;
  thaw(): void;
  /** From inside: it does nothing else for so long, and reads every row at once before it hears of anything. */
  block(ms: number): void;
}

/** What happens while all of them work; the signal is aborted when the first has ended. */
export type Meanwhile = (workers: readonly Worker[], signal: AbortSignal) => Promise<void>;

export interface Fleet {
  /** Lets all of them work for so long. */
  work(seconds: number, meanwhile?: Meanwhile): Promise<End[]>;
  stop(): Promise<void>;
}

/** Resolves when each trusts its memory, as far as it has one. */
export async function startFleet(works: readonly Work[]): Promise<Fleet> {
  const directory = mkdtempSync(join(tmpdir(), 'cachette-truth-'));
  const path = join(directory, 'rows');
  writeFileSync(path, '');
  const truth = new Truth(path, works.length);
  const children = works.map(() => runChild<Told>('__tests__/fleet/random.child.ts'));
  const opening = children.map((child, writer) => {
    child.send({
      kind: 'open',
      work: works[writer] as Work,
      truth: path,
      writer,
      writers: works.length,
    } satisfies Order);
    return child.next(({ kind }) => kind === 'ready');
  });
  const stop = async (): Promise<void> => {
    await Promise.all(children.map((child) => child.kill()));
    truth.close();
    rmSync(directory, { recursive: true, force: true });
  };
  await Promise.all(opening).catch((error: unknown) => stop().then(() => Promise.reject(error as Error)));
  return {
    work: async (seconds, meanwhile) => {
      const ended = new AbortController();
      for (const child of children) child.send({ kind: 'begin', seconds } satisfies Order);
      const ends = children.map((child) => serve(child, truth).finally(() => ended.abort()));
      const disturbing = meanwhile?.(children.map(workerOf), ended.signal);
      return (await Promise.all([Promise.all(ends), disturbing]))[0];
    },
    stop,
  };
}

export async function workTogether(works: readonly Work[], seconds: number): Promise<End[]> {
  const fleet = await startFleet(works);
  return fleet.work(seconds).finally(fleet.stop);
}

async function serve(child: TestChild<Told>, truth: Truth): Promise<End> {
  for (;;) {
    const message = await child.next();
    if (message.kind === 'end') return message;
    if (message.kind === 'write')
      child.send({ kind: 'written', id: message.id, version: truth.next(message.row) } satisfies Order);
  }
}

function workerOf(child: TestChild<Told>): Worker {
  const signal = (name: NodeJS.Signals) => (): void => void (child.pid !== undefined && process.kill(child.pid, name));
  const block = (ms: number): void => child.send({ kind: 'block', ms } satisfies Order);
  return { freeze: signal('SIGSTOP'), thaw: signal('SIGCONT'), block };
}
