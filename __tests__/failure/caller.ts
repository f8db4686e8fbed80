/** The parent's side of a process that calls a cached function: what it can order, and what it is told. */
import { setTimeout as sleep } from 'node:timers/promises';

import { runChild, type TestChild } from '../support/child.js';

/** How one call of the cached function ended. */
export interface CallReport {
  readonly value?: string;
  /** `its own error`: the very object that the function threw; else what came instead. */
  readonly threw?: string;
  readonly ms: number;
  /** How often the function ran for this id while the call was under way. */
  readonly runs: number;
}

/** What calls under load came to. */
export interface Load {
  readonly calls: number;
  readonly slowestMs: number;
  /** For each id, after how many milliseconds the function ran. */
  readonly runsAtMs: Readonly<Record<string, readonly number[]>>;
}

export interface Setup {
  readonly deadlineMs: number;
  readonly methodMs: number;
  /** Hears the cache's warnings, which are then not printed. */
  readonly listens?: boolean;
  /** How far the clock of the cache is behind. */
  readonly behindMs?: number;
  readonly singleFlight?: 'process' | 'fleet';
  readonly outageGraceMs?: number;
}

/** What the process does when it is told to. */
export interface Orders {
  /** Makes a cache, which is the one that all other orders are about. */
  open(stores: string | readonly string[], setup: Setup): Promise<void>;
  /** Calls the function for each id, the next one when the last has answered. An id that begins with `broken` throws. */
  inTurn(...ids: string[]): Promise<CallReport[]>;
  atOnce(...ids: string[]): Promise<CallReport[]>;
  /** What the function reads from now on. */
  set(row: string): Promise<void>;
  /** The next run of the function, having read its row, does not return before `release`. */
  hold(): Promise<void>;
  release(): Promise<void>;
  /** How often the function has run for this id. */
  runs(id: string): Promise<number>;
  /** Calls it for any of these ids, several at the same time, for so long. */
  load(ms: number, ...ids: string[]): Promise<Load>;
  /** How many runs of the function have read their row and not returned. */
  running(): Promise<number>;
  invalidate(...tags: string[]): Promise<{ status: 'done' | 'deferred'; ms: number }>;
  /** Every event that was heard: the messages, and all of it inspected to the bottom. */
  told(): Promise<{ warnings: string[]; problems: string[]; everything: string }>;
  close(): Promise<{ ms: number }>;
  /** Sockets, timers and the like that keep the process alive, but for what it had before it opened a cache. */
  resources(): Promise<string[]>;
}

export interface Order {
  readonly id: number;
  readonly order: keyof Orders | 'leave';
  readonly args: unknown[];
}

/** How a process ended that has nothing more to do. */
export interface Ending {
  /** -1 if it did not end by itself. */
  readonly code: number;
  /** What it printed, all its life. */
  readonly output: string;
  readonly ms: number;
}

export interface Caller extends Orders {
  /** What it has printed so far. */
  output(): string;
  /** Lets it end: nothing but the cache could keep it alive now. */
  end(): Promise<Ending>;
  /** SIGTERM: it closes its cache, and ends when nothing keeps it alive. */
  terminate(): Promise<Ending>;
  freeze(): void;
  thaw(): void;
  kill(): Promise<void>;
}

interface Reply {
  readonly id: number;
  readonly result: unknown;
}

/** Longer than any bound that a test sets: the test then says what is wrong rather than that it took too long. */
const endsWithinMs = 5_000;

export function startCaller(): Caller {
  const child: TestChild<Reply> = runChild('__tests__/failure/caller.child.ts');
  let count = 0;
  const order =
    <K extends keyof Orders>(name: K) =>
    async (...args: unknown[]): Promise<Awaited<ReturnType<Orders[K]>>> => {
      const id = ++count;
      child.send({ id, order: name, args } satisfies Order);
      return (await child.next((reply) => reply.id === id)).result as Awaited<ReturnType<Orders[K]>>;
    };
  const signal = (name: NodeJS.Signals): void => void (child.pid !== undefined && process.kill(child.pid, name));
  return {
    open: order('open'),
    inTurn: order('inTurn'),
    atOnce: order('atOnce'),
    set: order('set'),
    hold: order('hold'),
    release: order('release'),
    runs: order('runs'),
    load: order('load'),
    running: order('running'),
    invalidate: order('invalidate'),
    told: order('told'),
    close: order('close'),
    resources: order('resources'),
    output: () => child.output(),
    end: () => ending(child, () => child.send({ id: 0, order: 'leave', args: [] } satisfies Order)),
    terminate: () => ending(child, () => signal('SIGTERM')),
    freeze: () => signal('SIGSTOP'),
    thaw: () => signal('SIGCONT'),
    kill: () => child.kill(),
  };
}

async function ending(child: TestChild<Reply>, begin: () => void): Promise<Ending> {
  const start = performance.now();
  begin();
  const code = await Promise.race([child.done, sleep(endsWithinMs, -1, { ref: false })]);
  return { code, output: child.output(), ms: performance.now() - start };
}
