/**
 * cache-manager, as its README says:
 * - `wrap`: "Wraps a function in cache. The first time the function is run, its results are stored in cache so subsequent calls
 *   retrieve from cache instead of calling the function."
 * - `stores`: in the first place `CacheableMemory`, in the second one Redis, both by way of Keyv.
 * - `refreshThreshold`: "If the remaining TTL is less than refreshThreshold, the system will update the value asynchronously in
 *   background."
 * It has no tags, and no means to tell other processes: what `del` and `clear` promise is for the process that calls them.
 */

import { KeyvStore } from './keyv-store.mjs';
import { importPeer } from './packages.mjs';

/** @type {import('./peer.mjs').Peer} */
export const cacheManager = {
  name: 'cache-manager',
  rows: ['foreground', 'joiner', 'background refresh', 'promotion'],
  columns: ['forget', 'clear'],
  stores: ['memory', 'shared', 'tiers'],
  tells: 'joiner / clear / shared',
  async load() {
    const { createCache } = await importPeer('cache-manager');
    const { CacheableMemory } = await importPeer('cacheable');
    const { Keyv } = await importPeer('keyv');
    return { createCache, CacheableMemory, Keyv };
  },
  open({ createCache, CacheableMemory, Keyv }, { load, connection, row, store, ttlMs, maxEntries }) {
    const memory = () => new Keyv({ store: new CacheableMemory({ ttl: ttlMs, lruSize: maxEntries }) });
    const shared = () => new Keyv({ store: new KeyvStore(connection) });
    const stores = [...(store === 'shared' ? [] : [memory()]), ...(store === 'memory' ? [] : [shared()])];
    const refreshThreshold = row === 'background refresh' ? { refreshThreshold: ttlMs / 2 } : {};
    const cache = createCache({ stores, ttl: ttlMs, ...refreshThreshold });
    const key = (/** @type {number} */ id) => `row:${id}`;
    return {
      read: (id) => cache.wrap(key(id), () => load(id)),
      forget: (id) => cache.del(key(id)),
      clear: () => cache.clear(),
      reaches: () => (store === 'tiers' ? 'this process' : 'everywhere'),
      close: () => cache.disconnect(),
    };
  },
};
