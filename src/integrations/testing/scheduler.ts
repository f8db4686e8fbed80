/**
 * Decides by a seed in which order everything happens that is asynchronous: commands and their replies, messages, the ends
 * of loads, timers, and how time goes on. Between two steps all promise jobs run that are ready, so the same seed gives the
 * same run, to the last step.
 */

import { performance } from 'node:perf_hooks';
import timers from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Clock } from '../../base/clock.js';
import { breakerLoaded } from '../../policies/breaker.js';
import { Random } from './random.js';

/** How a {@link Scheduler} chooses. */
export interface SchedulerOptions {
  /** What every choice follows from. Default 0. */
  readonly seed?: number | undefined;
  /** How often (0 to 1) time goes on to the next timer although steps are ready. Default 0.05. */
  readonly haste?: number | undefined;
  /**
   * How often (0 to 1) a step is put off until hardly anything else is left, as an answer that takes its time while everybody else
   * goes on: the races that need many steps in between are found like that. Default 0.1.
   */
  readonly stalls?: number | undefined;
  /** Is told of each step, in words, before it is taken. */
  readonly onStep?: ((step: string) => void) | undefined;
}

/** What binds a step. */
export interface StepOptions {
  /** Whose it is: it waits while that process is paused, and never comes once it was killed. Default: nobody's. */
  readonly process?: SimulatedProcess | undefined;
  /** Steps with the same line are taken in the order in which they came, as bytes on a connection. Default: in any order. */
  readonly line?: string | undefined;
}

/** The bounds of a run. */
export interface RunOptions {
  /** After so many steps it is taken for endless, and the run rejects. Default 100,000. */
  readonly stepsAtMost?: number | undefined;
}

interface Step {
  readonly process: SimulatedProcess | undefined;
  readonly line: string | undefined;
  readonly label: string;
  readonly take: () => void;
  readonly isStalled: boolean;
}

interface Timer {
  readonly process: SimulatedProcess | undefined;
  readonly dueMs: number;
  readonly task: () => void;
}

// Taken at import, so that fake timers do not stop it.
const { setImmediate, clearImmediate } = timers;

/** How often one that was put off comes all the same. */
const endsOfStalls = 0.03;

/** Callbacks of one turn of the event loop. */
const turnsAtOnce = 8;

/** Nothing else that is real is waited for. */
const loadingTakesMs = 1_000;

/** A simulated process starts at this time of day. */
const epochMs = Date.UTC(2026, 0, 1);

/**
 * Owns every step of the simulated processes.
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { Scheduler, SimulatedServer } from 'cachette/testing';
 *
 * const scheduler = new Scheduler({ seed: 7 });
 * const server = new SimulatedServer(scheduler);
 * const here = scheduler.process('here');
 * const cache = createCache(server.connect(here), { clock: here });
 * const find = cache.wrap('find', async (id: number) => `row ${id}`, { tags: 'rows' });
 *
 * await scheduler.run(Promise.all([find(1), cache.invalidate('rows')]));
 * ```
 */
export class Scheduler {
  /** Draws from the seed: for whatever else a test chooses at random. */
  readonly random: Random;
  /** Steps so far. */
  steps = 0;
  /** True: steps are taken in the order in which they came, and time goes on only when there are none. Default false. */
  isCalm = false;
  #nowMs = 0;
  #ready: Step[] = [];
  #timers: Timer[] = [];
  readonly #haste: number;
  readonly #stalls: number;
  readonly #onStep: ((step: string) => void) | undefined;

  constructor({ seed = 0, haste = 0.05, stalls = 0.1, onStep }: SchedulerOptions = {}) {
    this.random = new Random(seed);
    this.#haste = haste;
    this.#stalls = stalls;
    this.#onStep = onStep;
  }

  /** @internal Whether anybody hears of the steps, so that their words need not be made for nobody. */
  get tells(): boolean {
    return this.#onStep !== undefined;
  }

  /** Milliseconds since the beginning. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** A process, which is the `clock` of its cache. `behindMs`: how far its time of day is behind. */
  process(name: string, { behindMs = 0 }: { readonly behindMs?: number | undefined } = {}): SimulatedProcess {
    return new SimulatedProcess(this, name, behindMs);
  }

  /** Has `take` called when it is this step's turn. */
  step(label: string, take: () => void, options: StepOptions = {}): void {
    const { process, line } = options;
    if (process?.isKilled) return;
    const isStalled = !this.isCalm && this.random.chance(this.#stalls);
    this.#ready.push({ process, line, label, take, isStalled });
  }

  /** Resolves when it is this step's turn: for what a load, or whatever else is asynchronous, waits for. */
  turn(label: string, options?: StepOptions): Promise<void> {
    return new Promise((resolve) => this.step(label, resolve, options));
  }

  /** Runs `task` when `ms` have passed. The returned function cancels it. */
  after(ms: number, task: () => void, process?: SimulatedProcess): () => void {
    const timer: Timer = { process, dueMs: this.#nowMs + Math.max(0, ms), task };
    const timers = this.#timers;
    let at = timers.length;
    for (; at > 0 && (timers[at - 1] as Timer).dueMs > timer.dueMs; at--) timers[at] = timers[at - 1] as Timer;
    timers[at] = timer;
    return () => remove(this.#timers, timer);
  }

  /**
   * Takes steps until `work` has settled, and settles as it does.
   *
   * @throws Error if there is nothing left to be done, or too much
   */
  async run<T>(work: Promise<T>, { stepsAtMost = 100_000 }: RunOptions = {}): Promise<T> {
    let isOver = false;
    const end = (): void => void (isOver = true);
    work.then(end, end);
    await breakerLoaded();
    const { random } = Math;
    Math.random = this.random.next;
    try {
      await this.#takeSteps(() => isOver, stepsAtMost);
    } finally {
      Math.random = random;
    }
    return work;
  }

  /** Lets so much time pass, with whatever becomes due or ready meanwhile. */
  async advance(ms: number): Promise<void> {
    await this.run(new Promise<void>((resolve) => this.after(ms, resolve)));
  }

  /** @internal What was the process's never comes. */
  forget(process: SimulatedProcess): void {
    this.#ready = this.#ready.filter((step) => step.process !== process);
    this.#timers = this.#timers.filter((timer) => timer.process !== process);
  }

  /** By callbacks, as a promise for each step would cost as much as the step. */
  #takeSteps(isOver: () => boolean, stepsAtMost: number): Promise<void> {
    let steps = 0;
    return new Promise((resolve, reject) => {
      const fail = (error: Error): void => {
        turns.end();
        reject(error);
      };
      const goOn = (hasMore: boolean): void => {
        if (hasMore) turns.ask(1);
        else fail(new Error('The work has not settled, and nothing is left that could happen.'));
      };
      const takeOne = (): void => {
        if (isOver()) {
          turns.end();
          resolve();
          return;
        }
        if (steps++ === stepsAtMost) throw new Error(`The work has not settled after ${stepsAtMost} steps.`);
        const taken = this.#next();
        if (taken === 'step') return turns.askIfNone();
        turns.end();
        if (taken === 'timer') turns.ask(1);
        else this.#hasMore(isOver).then(goOn, fail);
      };
      const turns = new Turns(() => {
        try {
          takeOne();
        } catch (error) {
          fail(error as Error);
        }
      });
      turns.ask(1);
    });
  }

  /** Undefined if nothing can happen any more. */
  #next(): 'step' | 'timer' | undefined {
    this.steps++;
    const timer = this.#firstTimer();
    const step = timer && !this.isCalm && this.random.chance(this.#haste) ? undefined : this.#pick();
    if (step) this.#take(step);
    else if (timer) this.#fire(timer);
    if (step) return 'step';
    return timer && 'timer';
  }

  /** The first command of a process loads modules, which the scheduler does not own. */
  async #hasMore(isOver: () => boolean): Promise<boolean> {
    const endsAt = performance.now() + loadingTakesMs;
    const hasMore = (): boolean => isOver() || this.#ready.length + this.#timers.length > 0;
    while (!hasMore() && performance.now() < endsAt) await sleep(1);
    return hasMore();
  }

  #firstTimer(): Timer | undefined {
    for (const timer of this.#timers) if (!timer.process?.isPaused) return timer;
    return undefined;
  }

  #pick(): Step | undefined {
    const withStalled = this.isCalm || this.random.chance(endsOfStalls);
    const possible: Step[] = [];
    const prompt: Step[] = [];
    let lines: Set<string> | undefined;
    for (const step of this.#ready) {
      const { line } = step;
      if (line !== undefined) {
        if (lines?.has(line)) continue;
        (lines ??= new Set()).add(line);
      }
      if (step.process?.isPaused) continue;
      possible.push(step);
      if (!step.isStalled) prompt.push(step);
    }
    if (this.isCalm) return possible[0];
    return this.random.pick(withStalled || prompt.length === 0 ? possible : prompt);
  }

  #take(step: Step): void {
    remove(this.#ready, step);
    this.#onStep?.(step.label);
    step.take();
  }

  #fire(timer: Timer): void {
    remove(this.#timers, timer);
    this.#nowMs = Math.max(this.#nowMs, timer.dueMs);
    this.#onStep?.(`${timer.process?.name ?? 'the test'}: a timer, at ${this.#nowMs} ms`);
    timer.task();
  }
}

/** A process of its own: its time, its timers, and whether it runs at all. Made by {@link Scheduler.process}. */
export class SimulatedProcess implements Required<Clock> {
  /** For the words of a step. */
  readonly name: string;
  /** How far its time of day is behind; may be set, as somebody sets a machine's clock. */
  behindMs: number;
  /** Who says when something of it happens. */
  readonly scheduler: Scheduler;
  #isPaused = false;
  #isKilled = false;

  /** @internal */
  constructor(scheduler: Scheduler, name: string, behindMs: number) {
    this.scheduler = scheduler;
    this.name = name;
    this.behindMs = behindMs;
  }

  /** Nothing of it happens now. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /** Nothing of it happens any more. */
  get isKilled(): boolean {
    return this.#isKilled;
  }

  now(): number {
    return epochMs + this.scheduler.nowMs - this.behindMs;
  }

  monotonic(): number {
    return this.scheduler.nowMs;
  }

  after(ms: number, task: () => void): () => void {
    return this.#isKilled ? () => {} : this.scheduler.after(ms, task, this);
  }

  /** Nothing of it happens until {@link resume}: as by a long garbage collection, or `SIGSTOP`. Time goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  /** What has become due or ready meanwhile happens now, in any order. */
  resume(): void {
    this.#isPaused = this.#isKilled;
  }

  /** Nothing of it ever happens again. */
  kill(): void {
    this.#isPaused = this.#isKilled = true;
    this.scheduler.forget(this);
  }
}

/**
 * Callbacks of the event loop, between which all promise jobs run that are ready, and those that they make ready. Several that are
 * asked for at once come in one turn of the loop, which costs more than a step. What the cache puts off to the next turn, after a
 * deadline, has to come after the next step: so after a timer there is one at a time.
 */
class Turns {
  readonly #task: () => void;
  readonly #asked: NodeJS.Immediate[] = [];

  constructor(task: () => void) {
    this.#task = () => {
      this.#asked.shift();
      task();
    };
  }

  ask(count: number): void {
    for (let asked = 0; asked < count; asked++) this.#asked.push(setImmediate(this.#task));
  }

  askIfNone(): void {
    if (this.#asked.length === 0) this.ask(turnsAtOnce);
  }

  end(): void {
    for (const turn of this.#asked) clearImmediate(turn);
    this.#asked.length = 0;
  }
}

/** As `splice` does, which makes an array of what it removes. */
function remove<T>(from: T[], what: T): void {
  const at = from.indexOf(what);
  if (at < 0) return;
  for (let next = at + 1; next < from.length; next++) from[next - 1] = from[next] as T;
  from.pop();
}
