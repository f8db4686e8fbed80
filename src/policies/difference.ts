/** Where two values differ and how, without what stands there: for logs, which are no place for people's data. */

import { isDeepStrictEqual } from 'node:util';

/** One more is not told. */
const differencesAtMost = 10;
const deepest = 8;

/**
 * Such as `.price: number, another one`, `.tags[2]: only in the new one`; `result` for the value itself. Empty where both are
 * equal. Keys that look like data are shown as `*`, and so is one that only one of the two has. Functions are all the same.
 */
export function differences(cached: unknown, fresh: unknown): readonly string[] {
  const found: string[] = [];
  for (const difference of compare('', cached, fresh, 0)) {
    if (found.length === differencesAtMost) return [...found, '…'];
    found.push(difference);
  }
  return found;
}

function* compare(path: string, cached: unknown, fresh: unknown, depth: number): Generator<string> {
  if (isDeepStrictEqual(cached, fresh)) return;
  if (typeof cached === 'function' && typeof fresh === 'function') return;
  const where = path === '' ? 'result' : path;
  const [before, after] = [kindOf(cached), kindOf(fresh)];
  if (before !== after) yield `${where}: ${before}, now ${after}`;
  else if (depth === deepest || (before !== 'object' && before !== 'array')) yield `${where}: ${before}, another one`;
  else yield* compareParts(path, cached as Parts, fresh as Parts, depth + 1);
}

type Parts = Readonly<Record<string, unknown>>;

function* compareParts(path: string, cached: Parts, fresh: Parts, depth: number): Generator<string> {
  for (const name of new Set([...Object.keys(cached), ...Object.keys(fresh)])) {
    const isIndex = Array.isArray(cached);
    const whole = `${path}${isIndex ? `[${name}]` : '.*'}`;
    if (!Object.hasOwn(fresh, name)) yield `${whole}: only in the cached one`;
    else if (!Object.hasOwn(cached, name)) yield `${whole}: only in the new one`;
    else yield* compare(`${path}${step(name, isIndex)}`, cached[name], fresh[name], depth);
  }
}

function step(name: string, isIndex: boolean): string {
  if (isIndex) return `[${name}]`;
  return /^[a-z_$][\w$]{0,39}$/i.test(name) ? `.${name}` : '.*';
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'array';
  if (typeof value !== 'object') return typeof value;
  const prototype: unknown = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return 'object';
  const name: unknown = value.constructor?.name;
  return typeof name === 'string' && name !== '' ? name : 'object';
}
