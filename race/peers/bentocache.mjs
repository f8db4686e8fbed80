/**
 * bentocache, as its pages say (bentocache.dev/docs):
 * - "getOrSet: This is the most powerful method of BentoCache. You should probably use this method most of the time."
 * - tags: "To invalidate all entries linked to a tag", `deleteByTag`. "When fetching an entry, Bentocache checks if it was created
 *   before the tag was invalidated. If it was, Bentocache considers the entry stale and ignores it."
 * - multi-tier: "just combine useL1Layer() and useL2Layer()", with the bus "to synchronize the different in-memory caches between
 *   the different instances". "Every time a key is invalidated or updated, the instance will notify other ones".
 * - a background refresh is a grace period with `timeout: 0`, a soft timeout one with another `timeout`: "the expired entry still
 *   under grace period will be returned immediately, and the factory will continue its execution in the background".
 */

import { importPeer } from './packages.mjs';

/** @type {import('./peer.mjs').Peer} */
export const bentocache = {
  name: 'bentocache',
  rows: ['foreground', 'joiner', 'background refresh', 'soft timeout', 'promotion'],
  columns: ['tag', 'forget', 'clear'],
  stores: ['memory', 'shared', 'tiers'],
  tells: 'foreground / tag / memory',
  async load() {
    const { BentoCache, bentostore } = await importPeer('bentocache');
    const { memoryDriver } = await importPeer('bentocache/drivers/memory');
    return { BentoCache, bentostore, memoryDriver };
  },
  open({ BentoCache, bentostore, memoryDriver }, setup) {
    const { load, connection, row, store, ttlMs, maxEntries } = setup;
    const layers = bentostore();
    if (store !== 'shared') layers.useL1Layer(memoryDriver({ maxItems: maxEntries }));
    if (store !== 'memory') layers.useL2Layer({ factory: (config) => new Driver(connection, config) });
    if (store === 'tiers') layers.useBus({ factory: () => new Transport(connection) });
    const cache = new BentoCache({ default: 'main', stores: { main: layers }, ttl: ttlMs, ...refreshing(row, ttlMs) });
    const key = (/** @type {number} */ id) => `row:${id}`;
    const tagsOf = (/** @type {number} */ id) => (setup.column === 'tag' ? { tags: [key(id)] } : {});
    return {
      read: (id) => cache.getOrSet({ key: key(id), factory: () => load(id), ...tagsOf(id) }),
      invalidate: (id) => cache.deleteByTag({ tags: [key(id)] }),
      forget: (id) => cache.delete({ key: key(id) }),
      clear: () => cache.clear(),
      reaches: () => (store === 'tiers' ? 'in time' : 'everywhere'),
      close: () => cache.disconnect(),
    };
  },
};

/** @param {string} row @param {number} ttlMs */
function refreshing(row, ttlMs) {
  if (row === 'background refresh') return { grace: 2 * ttlMs, timeout: 0 };
  if (row === 'soft timeout') return { grace: 2 * ttlMs, timeout: 20 };
  return {};
}

/** A second layer, as its page on drivers of one's own wants it. */
class Driver {
  type = 'l2';
  #connection;
  #prefix;

  /**
   * @param {import('./connection.mjs').Connection} connection
   * @param {{ readonly prefix?: string }} config
   */
  constructor(connection, { prefix = '' }) {
    this.#connection = connection;
    this.#prefix = prefix;
  }

  /** @param {string} name */
  namespace(name) {
    return new Driver(this.#connection, { prefix: `${this.#prefix}:${name}` });
  }

  /** @param {string} key */
  get(key) {
    return this.#connection.get(this.#full(key));
  }

  /** @param {string} key */
  async pull(key) {
    const text = await this.get(key);
    if (text !== undefined) await this.delete(key);
    return text;
  }

  /**
   * @param {string} key
   * @param {string} text
   * @param {number} [ttlMs]
   */
  async set(key, text, ttlMs) {
    await this.#connection.set(this.#full(key), text, ttlMs);
    return true;
  }

  /** @param {string} key */
  delete(key) {
    return this.#connection.delete([this.#full(key)]);
  }

  /** @param {readonly string[]} keys */
  deleteMany(keys) {
    return this.#connection.delete(keys.map((key) => this.#full(key)));
  }

  clear() {
    return this.#connection.clear(`${this.#prefix}:`);
  }

  async disconnect() {}

  /** @param {string} key */
  #full(key) {
    return `${this.#prefix}:${key}`;
  }
}

/** Publish and subscribe; a process does not hear itself, as with the transport for Redis. */
class Transport {
  #connection;
  #id = '';

  /** @param {import('./connection.mjs').Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** @param {string} id */
  setId(id) {
    this.#id = id;
    return this;
  }

  onReconnect() {}

  /** @param {string} channel @param {unknown} payload */
  publish(channel, payload) {
    return this.#connection.publish(channel, JSON.stringify({ busId: this.#id, payload }));
  }

  /** @param {string} channel @param {(payload: unknown) => void} handler */
  async subscribe(channel, handler) {
    this.#connection.subscribe((other, text) => {
      const { busId, payload } = JSON.parse(text);
      if (other === channel && busId !== this.#id) handler(payload);
    });
  }

  async unsubscribe() {}

  disconnect() {
    return this.#connection.close();
  }
}
