/** Where two values differ and how, without what stands there: for logs, which are no place for people's data. */

import { isDeepStrictEqual } from 'node:util';

/** One more is not told. */
const differencesAtMost = 10;
const deepest = 8;

/**
 * Such as `.price: number, another one`, `.tags[2]: only in the new one`; `result` for the value itself. Empty where both are
 * equal. Keys that look like data are shown as `*`.
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
  const where = path === '' ? 'result' : path;
  const [before, after] = [kindOf(cached), kindOf(fresh)];
  if (before !== after) yield `${where}: ${before}, now ${after}`;
  else if (depth === deepest || (before !== 'object' && before !== 'array')) yield `${where}: ${before}, another one`;
  else yield* compareParts(path, cached as Parts, fresh as Parts, depth + 1);
}

type Parts = Readonly<Record<string, unknown>>;

function* compareParts(path: string, cached: Parts, fresh: Parts, depth: number): Generator<string> {
  for (const name of new Set([...Object.keys(cached), ...Object.keys(fresh)])) {
    const part = `${path}${step(name, Array.isArray(cached))}`;
    if (!Object.hasOwn(fresh, name)) yield `${part}: only in the cached one`;
    else if (!Object.hasOwn(cached, name)) yield `${part}: only in the new one`;
    else yield* compare(part, cached[name], fresh[name], depth);
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
