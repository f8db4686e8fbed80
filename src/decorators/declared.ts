/**
 * Lists what is decorated and wrapped, for whoever looks at a project from outside, as `cachette check` does: what is not
 * exported is found too. Where nobody has opened a list nothing is kept, and nothing is made.
 */

import type { AnyCachedOptions, AnyInvalidatesOptions } from '../cache/policy.js';
import type { DecoratedMethod } from './dialect.js';

/** One decorator on one method, or one wrapped function. */
export interface Declared {
  readonly kind: 'cached' | 'cachedMany' | 'invalidates' | 'wrapped';
  /** `find`; of a wrapped function the name that it was given. */
  readonly name: string;
  readonly isStatic: boolean;
  readonly options: Readonly<AnyCachedOptions> | Readonly<AnyInvalidatesOptions>;
  /** What was decorated: the method, or what another decorator has made of it. */
  readonly original: object;
  readonly wrapper: object;
  /** Undefined for the default cache where none was set. */
  readonly cache: () => object | undefined;
  /** Prototypes or classes that have it, as far as they are known: in the standard dialect only an object tells. */
  readonly holders: object[];
}

// Symbol.for: the ESM and the CommonJS copy of this package write into one list.
const listKey = Symbol.for('cachette.declared');
const place = globalThis as { [listKey]?: Declared[] | undefined };

/** Opens the list: from now on everything is in it until `close`. */
export function listDeclared(): { readonly list: readonly Declared[]; readonly close: () => void } {
  const list: Declared[] = [];
  place[listKey] = list;
  return { list, close: () => void (place[listKey] = undefined) };
}

type OfMethod = Pick<Declared, 'kind' | 'options' | 'wrapper' | 'cache'>;

export function declareMethod({ source, whenPlaced }: DecoratedMethod, given: OfMethod): void {
  if (place[listKey] === undefined) return;
  const { name, isStatic, original } = source;
  const holders: object[] = [];
  whenPlaced((holder) => holders.push(holder));
  place[listKey].push({ ...given, name, isStatic, original, holders });
}

export function declareWrapped(given: Omit<Declared, 'kind' | 'isStatic' | 'holders'>): void {
  place[listKey]?.push({ ...given, kind: 'wrapped', isStatic: false, holders: [] });
}
