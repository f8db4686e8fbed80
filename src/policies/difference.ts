/** Where two values differ and how, without what stands there: for logs, which are no place for people's data. */

import { isDeepStrictEqual } from 'node:util';

/** One more is not told. */
const differencesAtMost = 10;
const deepest = 8;
/** What is longer is rather data than the name of a property. */
const longestName = 24;
/** An object with more properties, all of one kind, is rather a table by names that are data. */
const recordAtMost = 16;
/** The same for properties that are objects with the same properties. */
const sameObjectsAtMost = 2;

/**
 * Such as `.price: number, another one`, `.tags[2]: only in the new one`; `result` for the value itself. Empty where both are
 * equal. Keys that look like data are shown as `*`, and so is one that only one of the two has. Functions are all the same.
 */
export function differences(cached: unknown, fresh: unknown): readonly string[] {
  const found: string[] = [];
  for (const difference of compare({ path: '', depth: 0, seen: new Map() }, cached, fresh)) {
    if (found.length === differencesAtMost) return [...found, '…'];
    found.push(difference);
  }
  return found;
}

/** What is told where there is no new value: the kind of what was thrown, and nothing that it says. */
export function thrownInstead(cached: unknown, error: unknown): string {
  const kind = typeof error === 'object' && error !== null ? kindOf(error) : typeof error;
  return `result: ${kindOf(cached)}, now ${isName(kind) ? kind : 'something'} is thrown`;
}

interface Place {
  readonly path: string;
  readonly depth: number;
  /** Which objects were compared with which: those that contain themselves differ in one place, and not in many. */
  readonly seen: Map<object, Set<object>>;
}

function* compare(place: Place, cached: unknown, fresh: unknown): Generator<string> {
  if (isDeepStrictEqual(cached, fresh)) return;
  if (typeof cached === 'function' && typeof fresh === 'function') return;
  const where = place.path === '' ? 'result' : place.path;
  const [before, after] = [kindOf(cached), kindOf(fresh)];
  if (before !== after) yield `${where}: ${before}, now ${after}`;
  else if (place.depth === deepest || (before !== 'object' && before !== 'array'))
    yield `${where}: ${before}, another one`;
  else if (isNewPair(place.seen, cached as object, fresh as object))
    yield* compareParts({ ...place, depth: place.depth + 1 }, cached as Parts, fresh as Parts);
}

function isNewPair(seen: Place['seen'], cached: object, fresh: object): boolean {
  const others = seen.get(cached) ?? new Set();
  if (others.has(fresh)) return false;
  seen.set(cached, others.add(fresh));
  return true;
}

type Parts = Readonly<Record<string, unknown>>;

function* compareParts(place: Place, cached: Parts, fresh: Parts): Generator<string> {
  const isIndex = Array.isArray(cached);
  const isHidden = !isIndex && (isTable(cached) || isTable(fresh));
  for (const name of new Set([...Object.keys(cached), ...Object.keys(fresh)])) {
    const whole = `${place.path}${isIndex ? `[${name}]` : '.*'}`;
    if (!Object.hasOwn(fresh, name)) yield `${whole}: only in the cached one`;
    else if (!Object.hasOwn(cached, name)) yield `${whole}: only in the new one`;
    else {
      const step = isIndex ? `[${name}]` : isHidden || !isName(name) ? '.*' : `.${name}`;
      yield* compare({ ...place, path: `${place.path}${step}` }, cached[name], fresh[name]);
    }
  }
}

/** Whether the names of its properties are rather data, as in `{ alice: { … }, bob: { … } }`: a guess. */
function isTable(parts: Parts): boolean {
  const kinds = Object.values(parts).map(shapeOf);
  if (new Set(kinds).size > 1) return false;
  return kinds.length > (kinds[0]?.startsWith('{') ? sameObjectsAtMost : recordAtMost);
}

function shapeOf(value: unknown): string {
  const kind = kindOf(value);
  return kind === 'object'
    ? `{${Object.keys(value as object)
        .sort()
        .join()}}`
    : kind;
}

/** Not an id, a hash, a token. */
function isName(text: string): boolean {
  return text.length <= longestName && /^[a-z_$][\w$]*$/i.test(text) && !/\d{3}/.test(text);
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
