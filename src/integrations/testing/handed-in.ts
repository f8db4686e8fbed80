/** What a test hands in as a store, as the backend that the cache would make of it. */

import type { Clock } from '../../base/clock.js';
import { CacheConfigError } from '../../base/errors.js';
import { type Backend, isBackend } from '../../stores/backend.js';
import { keyvBackend, type KeyvAdapterLike, type KeyvLike, nameOfKeyv, refusalOfKeyv } from '../../stores/keyv.js';

/** What `createCache` takes besides URIs. */
export type StoreObject = KeyvLike | KeyvAdapterLike | Backend;

export interface HandedIn {
  readonly backend: Backend;
  /** Gives up what was made here over the store, which is closed by whom it belongs to. */
  readonly release: () => Promise<void>;
}

/**
 * `clock`: by which the rows of a Keyv end.
 *
 * @throws CacheConfigError if it is no store, or a URI; `where` goes into the message
 */
export function handedIn(
  store: StoreObject,
  { where, clock }: { readonly where: string; readonly clock: Clock | undefined },
): HandedIn {
  if (isBackend(store)) return { backend: store, release: () => Promise.resolve() };
  const [what] = refusalOfKeyv(store) ?? [];
  if (what !== undefined) {
    const instead = 'give a Keyv of version 5, a store adapter for one, or a Backend; URIs are not taken here';
    throw new CacheConfigError({ where, what, instead });
  }
  const backend = keyvBackend(store, { name: nameOfKeyv(store), clock });
  return { backend, release: () => backend.close() };
}
