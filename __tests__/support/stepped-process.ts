/** Processes and methods for tests that force an interleaving: commands and computes go on when the test says so. */

import type { CacheOptions } from '../../src/cache/options.js';
import { Cache } from '../../src/decorators/cache.js';
import { Gate, jobs, SteppedBackend, type SteppedOptions } from './stepped-backend.js';
import { until } from './until.js';

/** A cache over a backend of its own, as one process has it. Commands that the test does not ask for pass at once. */
export class SteppedProcess {
  readonly backend: SteppedBackend;
  readonly cache: Cache;

  constructor(stepped: SteppedOptions = {}, options: CacheOptions = {}) {
    const backend = new SteppedBackend({ automatic: true, ...stepped });
    this.backend = backend;
    this.cache = new Cache(
      { kind: 'backend', name: backend.name, open: () => backend },
      { deadline: '1m', ...options },
    );
  }

  async close(): Promise<void> {
    await this.backend.release();
    await this.cache.close();
  }
}

/** The same with memory in front of the backend. */
export class SteppedTiers {
  readonly backend: SteppedBackend;
  readonly cache: Cache;

  constructor(stepped: SteppedOptions = {}, options: CacheOptions = {}) {
    const backend = new SteppedBackend({ automatic: true, ...stepped });
    this.backend = backend;
    this.cache = new Cache([{ kind: 'memory' }, { kind: 'backend', name: backend.name, open: () => backend }], {
      deadline: '1m',
      ...options,
    });
    // That each hit is verified where there is no bus is what many tests are about.
    this.cache.on('warning', () => {});
  }

  /** Whether a call is answered by memory without a command. */
  async isAnsweredByMemory(call: () => Promise<unknown>): Promise<boolean> {
    const before = this.backend.sentSoFar.length;
    const { calls } = await this.cache.explain(call);
    return calls[0]?.tier === 'memory' && this.backend.sentSoFar.length === before;
  }

  /** Resolves when memory is trusted: then `call` is answered by it. */
  async trusting(call: () => Promise<unknown>): Promise<void> {
    await until('Memory is trusted', () => this.isAnsweredByMemory(call));
  }

  async close(): Promise<void> {
    await this.backend.release();
    await this.cache.close();
  }
}

/** Where readers and whoever invalidates may be. */
export interface Setting {
  /** The readers'. */
  readonly cache: Cache;
  /** Of whoever invalidates. */
  readonly other: Cache;
  close(): Promise<void>;
}

function inMemory(): Setting {
  const cache = new Cache({ kind: 'memory', maxEntries: undefined, maxSize: undefined }, {});
  return { cache, other: cache, close: () => cache.close() };
}

function inOneProcess(): Setting {
  const process = new SteppedProcess();
  return { cache: process.cache, other: process.cache, close: () => process.close() };
}

function inTwoProcesses(): Setting {
  const data = new Map<string, string>();
  const [here, there] = [new SteppedProcess({ data }), new SteppedProcess({ data })];
  const close = async (): Promise<void> => {
    await here.close();
    await there.close();
  };
  return { cache: here.cache, other: there.cache, close };
}

/** For `describe.each`. What a fence in the process hides, the third one shows. */
export const settings: [name: string, open: () => Setting][] = [
  ['in memory', inMemory],
  ['on a shared store', inOneProcess],
  ['on a shared store, invalidated by another process', inTwoProcesses],
];

/** One run of a {@link SteppedMethod}. */
export class Run {
  readonly gate = new Gate();

  async end(): Promise<void> {
    this.gate.open();
    await jobs();
  }

  async fail(error: unknown): Promise<void> {
    this.gate.fail(error);
    await jobs();
  }
}

/** A method whose every run reads its data at once and ends when the test says so. */
export class SteppedMethod<A extends unknown[], T> {
  /** From now on, runs end by themselves. */
  automatic = false;
  runs = 0;
  readonly #read: (...args: A) => T | Promise<T>;
  readonly #begun: Run[] = [];
  readonly #awaited: ((run: Run) => void)[] = [];

  constructor(read: (...args: A) => T | Promise<T>) {
    this.#read = read;
  }

  readonly run = async (...args: A): Promise<T> => {
    this.runs++;
    const reading = Promise.resolve(this.#read(...args));
    reading.catch(() => undefined);
    if (!this.automatic) await this.#begin().gate.promise;
    return reading;
  };

  /** The next run; waits until it has begun. */
  begun(): Promise<Run> {
    const run = this.#begun.shift();
    return run ? Promise.resolve(run) : new Promise((found) => this.#awaited.push(found));
  }

  #begin(): Run {
    const run = new Run();
    const found = this.#awaited.shift();
    if (found) found(run);
    else this.#begun.push(run);
    return run;
  }
}
