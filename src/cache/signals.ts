/** The `AbortSignal`s among a call's arguments: each ends that caller's wait, and the method gets the one of all its callers. */

import { isAbortSignal } from '../policies/key.js';

/** Those among the arguments, and the properties of those that are plain objects. */
function signalsIn(args: readonly unknown[]): AbortSignal[] {
  const signals: AbortSignal[] = [];
  for (const arg of args) {
    if (typeof arg !== 'object' || arg === null) continue;
    if (isAbortSignal(arg)) signals.push(arg);
    else if (isPlain(arg)) signals.push(...Object.values(arg).filter(isAbortSignal));
  }
  return signals;
}

/** Aborted when the caller wants no answer any more; undefined where it has not said how it would tell. */
export function callersSignal(args: readonly unknown[]): AbortSignal | undefined {
  const signals = signalsIn(args);
  return signals.length > 1 ? AbortSignal.any(signals) : signals[0];
}

/** `args` with `signal` in the place of the caller's own; objects that hold one are copied. */
export function withSignal(args: readonly unknown[], signal: () => AbortSignal): readonly unknown[] {
  if (signalsIn(args).length === 0) return args;
  const replaced = (value: unknown): unknown => (isAbortSignal(value) ? signal() : value);
  return args.map((arg) => {
    if (!isPlain(arg) || !Object.values(arg).some(isAbortSignal)) return replaced(arg);
    return Object.fromEntries(Object.entries(arg).map(([name, value]) => [name, replaced(value)]));
  });
}

function isPlain(value: unknown): value is object {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value) as unknown;
  return prototype === Object.prototype || prototype === null;
}
