/**
 * cacheable, as its README says:
 * - "Layer 1 and Layer 2 Caching": a primary store in memory, a secondary one that is shared.
 * - "The `getOrSet` method provides a convenient way to implement the cache-aside pattern". It takes no tags; the section on tags
 *   shows `set` with `tags`, and says of `invalidateTag`: "on the next `get` / `getMany` the snapshot is compared to the live
 *   versions. If any tag has been bumped since, the entry is treated as a miss". "With a shared secondary store (such as Redis), an
 *   invalidation performed by one instance is seen by every instance".
 * - "CacheableSync": "When a value is set or deleted in one cache instance, all other connected instances automatically receive and
 *   apply the update"; such events "are eventually consistent". Of `clear` it sends none.
 */

import { KeyvStore } from './keyv-store.mjs';
import { importPeer } from './packages.mjs';

/** @type {import('./peer.mjs').Peer} */
export const cacheable = {
  name: 'cacheable',
  rows: ['foreground', 'joiner', 'promotion'],
  columns: ['tag', 'forget', 'clear'],
  stores: ['memory', 'shared', 'tiers'],
  tells: 'joiner / tag / shared',
  async load() {
    const { Cacheable, createKeyv } = await importPeer('cacheable');
    const { Keyv } = await importPeer('keyv');
    return { Cacheable, createKeyv, Keyv };
  },
  open({ Cacheable, createKeyv, Keyv }, { load, connection, column, store, ttlMs, maxEntries }) {
    const memory = () => createKeyv({ lruSize: maxEntries });
    const shared = () => new Keyv({ store: new KeyvStore(connection) });
    const cache = new Cacheable({
      primary: store === 'shared' ? shared() : memory(),
      ...(store === 'tiers' && { secondary: shared(), sync: { qified: new MessageProvider(connection) } }),
      ttl: ttlMs,
      tags: column === 'tag',
    });
    const key = (/** @type {number} */ id) => `row:${id}`;
    const readTagged = async (/** @type {number} */ id) => {
      const cached = await cache.get(key(id));
      if (cached !== undefined) return cached;
      const value = await load(id);
      await cache.set(key(id), value, { ttl: ttlMs, tags: [key(id)] });
      return value;
    };
    return {
      read: column === 'tag' ? readTagged : (id) => cache.getOrSet(key(id), () => load(id)),
      invalidate: (id) => cache.tags.invalidateTag(key(id)),
      forget: (id) => cache.delete(key(id)),
      clear: () => cache.clear(),
      reaches: () => (store === 'tiers' ? reachInTiers(column) : 'everywhere'),
      close: () => cache.disconnect(),
    };
  },
};

/** @param {string} column */
function reachInTiers(column) {
  if (column === 'tag') return 'everywhere';
  return column === 'forget' ? 'in time' : 'this process';
}

/** Publish and subscribe for its `sync`. */
class MessageProvider {
  id = 'simulated';
  /** @type {Map<string, { readonly id?: string, readonly handler: (message: any) => Promise<void> }[]>} */
  subscriptions = new Map();
  #connection;

  /** @param {import('./connection.mjs').Connection} connection */
  constructor(connection) {
    this.#connection = connection;
    connection.subscribe((topic, text) => {
      for (const { handler } of this.subscriptions.get(topic) ?? []) void handler(JSON.parse(text));
    });
  }

  /** @param {string} topic @param {object} message */
  async publish(topic, message) {
    await this.#connection.publish(topic, JSON.stringify({ ...message, providerId: this.id }));
  }

  /** @param {string} topic @param {any} subscription */
  async subscribe(topic, subscription) {
    this.subscriptions.set(topic, [...(this.subscriptions.get(topic) ?? []), subscription]);
  }

  /** @param {string} topic */
  async unsubscribe(topic) {
    this.subscriptions.delete(topic);
  }

  async disconnect() {
    this.subscriptions.clear();
    await this.#connection.close();
  }
}
