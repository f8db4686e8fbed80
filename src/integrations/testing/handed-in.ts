/** What a test gives for a store, as the backend that the cache would make of it. */

import type { Clock } from '../../base/clock.js';
import { CacheConfigError } from '../../base/errors.js';
import { type Backend, isBackend } from '../../stores/backend.js';
import { keyvBackend, type KeyvAdapterLike, type KeyvLike, nameOfKeyv, refusalOfKeyv } from '../../stores/keyv.js';
import { parseStore } from '../../stores/uri.js';

/** What `createCache` takes besides URIs. */
export type StoreObject = KeyvLike | KeyvAdapterLike | Backend;

export interface HandedIn {
  readonly backend: Backend;
  /** Gives up what was made here: the connection of a URI, or what stands over a Keyv. Other stores are closed by whom they belong to. */
  readonly release: () => Promise<void>;
}

export interface HandingIn {
  /** Goes into messages. */
  readonly where: string;
  /** By which the rows of a Keyv end. */
  readonly clock: Clock | undefined;
}

const objects = 'a Keyv of version 5, a store adapter for one, or a Backend';

/** @throws CacheConfigError if it is no store, or a URI */
export function handedIn(
  store: StoreObject,
  { where, clock }: HandingIn,
  instead = `give ${objects}; URIs are not taken here`,
): HandedIn {
  if (isBackend(store)) return { backend: store, release: () => Promise.resolve() };
  const [what] = refusalOfKeyv(store) ?? [];
  if (what !== undefined) throw new CacheConfigError({ where, what, instead });
  const backend = keyvBackend(store, { name: nameOfKeyv(store), clock });
  return { backend, release: () => backend.close() };
}

/** As {@link handedIn}; for a URI it is what `createCache` would connect to. */
export function opened(store: StoreObject | string, handing: HandingIn): HandedIn {
  const instead = `give the URI of a server such as redis://localhost:6379, ${objects}`;
  if (typeof store !== 'string') return handedIn(store, handing, instead);
  const { where, clock } = handing;
  const target = parseStore(store, where);
  if (target.kind === 'memory')
    throw new CacheConfigError({ where, what: 'memory has no commands that could fail', instead });
  const backend = target.open(clock);
  return { backend, release: () => backend.close() };
}
