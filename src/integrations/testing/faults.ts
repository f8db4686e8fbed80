/**
 * What may go wrong with anything that travels, a command or a message alike. Hides the timers and who overtakes whom, and what
 * becomes of those that are under way when everything is closed.
 */

import { type Clock, systemClock } from '../../base/clock.js';
import { CacheConfigError } from '../../base/errors.js';
import { textOf } from '../../base/text.js';
import { nearest } from '../../base/suggest.js';
import { type Time, timeOf } from '../../policies/deadline.js';
import { BackendError, type BackendFailure } from '../../stores/backend.js';

/** How faults wait. */
export interface FaultOptions {
  /** By which faults wait. Default: the machine's time and timers, which fake timers do not move. */
  readonly clock?: Clock | undefined;
}

/** What can befall a command as well as a message. */
export type CommonFault =
  | { readonly kind: 'throw'; readonly error?: unknown }
  | { readonly kind: 'delay'; readonly ms: number; readonly of?: 'command' | 'answer' | undefined }
  | { readonly kind: 'hang' }
  | { readonly kind: 'drop' }
  | { readonly kind: 'double'; readonly ms?: number | undefined }
  | { readonly kind: 'reorder'; readonly ms?: number | undefined };

type Parts = Readonly<Record<string, unknown>>;

/** The parts that a kind of fault has besides its kind; each says what is wrong with a value, or undefined. */
export type FaultRules<Kind extends string> = Readonly<Record<Kind, Readonly<Record<string, FaultRule>>>>;
type FaultRule = readonly [instead: string, isRight: (value: unknown) => boolean];

const isLength = (value: unknown): boolean => typeof value === 'number' && value >= 0 && value < Infinity;
const anyLength: FaultRule = ['write milliseconds from 0', isLength];
const perhapsLength: FaultRule = [
  'write milliseconds from 0, or leave it out',
  (value) => value === undefined || isLength(value),
];

/** The rules of {@link CommonFault}, and what others are made of. */
export const commonRules = {
  throw: { error: ['write what is to be thrown', () => true] },
  delay: {
    ms: anyLength,
    of: [
      "write 'command' or 'answer', or leave it out",
      (value) => [undefined, 'command', 'answer'].includes(value as string),
    ],
  },
  hang: {},
  drop: {},
  double: { ms: perhapsLength },
  reorder: { ms: perhapsLength },
} as const satisfies FaultRules<CommonFault['kind']>;

export const lengthRule = anyLength;

/** A mistake in a plan. It is found while the cache is at work, which is told of it once, loudly. */
class PlanError extends CacheConfigError {
  readonly failure: BackendFailure = 'misconfigured';
}

/** Asks `plan` for the fault of this subject, and checks what it says. */
export function planned<S, F extends { readonly kind: string }>(
  plan: (subject: S) => F | undefined,
  subject: S,
  { where, rules }: { readonly where: string; readonly rules: FaultRules<F['kind']> },
): F | undefined {
  const fault: unknown = askPlan(plan, subject, where);
  if (fault === undefined) return undefined;
  const complain = (what: string, instead: string): PlanError => new PlanError({ where, what, instead });
  if (typeof fault !== 'object' || fault === null) {
    throw complain(`the plan gives ${textOf(fault)}`, "write a fault such as { kind: 'throw' }, or undefined for none");
  }
  const { kind, ...parts } = fault as Parts;
  const kinds = Object.keys(rules);
  if (typeof kind !== 'string' || !kinds.includes(kind)) {
    const guess = nearest(textOf(kind), kinds);
    throw complain(
      `there is no fault '${textOf(kind)}'`,
      guess === undefined ? `the kinds are ${kinds.join(', ')}` : `did you mean '${guess}'?`,
    );
  }
  checkParts(parts, { kind, rules: rules[kind as F['kind']], complain });
  return fault as F;
}

interface KindCheck {
  readonly kind: string;
  readonly rules: Readonly<Record<string, FaultRule>>;
  readonly complain: (what: string, instead: string) => PlanError;
}

function checkParts(parts: Parts, { kind, rules, complain }: KindCheck): void {
  const unknown = Object.keys(parts).find((name) => !(name in rules));
  if (unknown !== undefined) {
    const known = Object.keys(rules);
    throw complain(
      `'${kind}' has no '${unknown}'`,
      known.length === 0 ? 'leave it out' : `it may have ${known.join(', ')}`,
    );
  }
  for (const [name, [instead, isRight]] of Object.entries(rules)) {
    if (!isRight(parts[name])) throw complain(`${name} of '${kind}' is ${textOf(parts[name])}`, instead);
  }
}

function askPlan<S>(plan: (subject: S) => unknown, subject: S, where: string): unknown {
  try {
    return plan(subject);
  } catch (cause) {
    const what = `the plan throws ${textOf(cause)}`;
    throw new PlanError({ where, what, instead: 'let it give a fault, or undefined for none' }, { cause });
  }
}

/** @throws CacheConfigError if `plan` is no function */
export function checkPlan(plan: unknown, where: string, example: string): void {
  if (typeof plan === 'function') return;
  throw new CacheConfigError({ where, what: 'the plan is no function', instead: `write ${example}` });
}

/** Lets things happen with faults: at most one for each. */
export class Faults {
  readonly #time: Time;
  /** Of timers that nobody waits for. */
  readonly #cancels = new Set<() => void>();
  /** Rejects each that waits, and cancels its timer. */
  readonly #waiting = new Set<() => void>();
  /** Sends off those that let the next one pass. */
  #held: (() => void)[] = [];
  #isClosed = false;

  constructor({ clock = systemClock }: FaultOptions) {
    this.#time = timeOf(clock);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Lets `act` happen under a fault; without one at once.
   * - `throw`: it does not happen, and rejects
   * - `delay`: it happens after `ms`; of the `answer`: it happens at once, and is answered after `ms`
   * - `hang`: it does not happen, and is never answered
   * - `drop`: it happens, and is never answered
   * - `double`: it happens, is answered, and happens once more, at once or after `ms`
   * - `reorder`: it happens after the next one has, or after `ms` where none has come by then
   */
  run<T>(fault: CommonFault | undefined, act: () => Promise<T>): Promise<T> {
    if (this.#isClosed) return Promise.reject(closedError());
    const overtaken = this.#held.splice(0);
    const release = (): void => overtaken.forEach((send) => send());
    const happen = async (): Promise<T> => {
      try {
        return await act();
      } finally {
        release();
      }
    };
    switch (fault?.kind) {
      case undefined:
        return happen();
      case 'throw':
        release();
        // eslint-disable-next-line @typescript-eslint/prefer-promise-reject-errors -- a test may want to see what is no error
        return Promise.reject(fault.error ?? new BackendError('unreachable', 'a fault of the test'));
      case 'hang':
        release();
        return never();
      case 'drop':
        unheard(happen());
        return never();
      case 'delay':
        return fault.of === 'answer' ? this.#answerLater(happen(), fault.ms) : this.#after(fault.ms, happen);
      case 'double':
        return this.#twice(happen, fault.ms);
      case 'reorder':
        return this.#afterNext(happen, fault.ms);
    }
  }

  /** What is under way never happens, and who waits is told. */
  close(): void {
    this.#isClosed = true;
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
    for (const giveUp of [...this.#waiting]) giveUp();
    this.#held = [];
  }

  /** Rejects if everything is closed before `ms` are over. */
  #after<T>(ms: number, act: () => Promise<T>): Promise<T> {
    return this.#until((go) => this.#time.awaited(ms, go), act);
  }

  async #answerLater<T>(answer: Promise<T>, ms: number): Promise<T> {
    answer.catch(() => undefined);
    return this.#after(ms, () => answer);
  }

  async #twice<T>(act: () => Promise<T>, ms = 0): Promise<T> {
    try {
      return await act();
    } finally {
      this.#again(act, ms);
    }
  }

  #again(act: () => Promise<unknown>, ms: number): void {
    if (this.#isClosed) return;
    if (ms > 0) this.#later(ms, act);
    else unheard(act());
  }

  /** It happens after `ms`, and nobody hears how it ended. */
  #later(ms: number, act: () => Promise<unknown>): void {
    const cancel = this.#time.later(ms, () => {
      this.#cancels.delete(cancel);
      unheard(act());
    });
    this.#cancels.add(cancel);
  }

  #afterNext<T>(act: () => Promise<T>, ms: number | undefined): Promise<T> {
    return this.#until((go) => {
      this.#held.push(go);
      return ms === undefined ? () => {} : this.#time.awaited(ms, go);
    }, act);
  }

  /** `begin` is given what lets it happen, and gives what cancels that. */
  #until<T>(begin: (go: () => void) => () => void, act: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const end = (): void => {
        cancel();
        this.#waiting.delete(giveUp);
      };
      const giveUp = (): void => {
        end();
        reject(closedError());
      };
      const go = (): void => {
        if (!this.#waiting.has(giveUp)) return;
        end();
        act().then(resolve, reject);
      };
      this.#waiting.add(giveUp);
      const cancel = begin(go);
    });
  }
}

export function closedError(): BackendError {
  return new BackendError('unreachable', 'it is closed');
}

/** Nobody wants to know how it ends. */
export function unheard(work: Promise<unknown>): void {
  work.catch(() => undefined);
}

function never(): Promise<never> {
  return new Promise(() => {});
}
