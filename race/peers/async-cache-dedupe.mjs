/**
 * async-cache-dedupe, as its README says:
 * - `define` with `references`: "when a writing event involving `user {id: 1}` happens (usually an update), we can remove all the
 *   entries in the cache that have references to `user~1` ... and they will be reloaded at the next request with the new data":
 *   `invalidateAll`.
 * - `clear([name], [arg])`: "If arg is specified, only the elements cached with the given name and arg are cleared."
 * - `stale`: "the time after which the value is served from the cache after the ttl has expired".
 * - "Using a redis storage is the best choice for a shared and/or large cache"; "`referencesTTL` value should be set at the maximum of
 *   all the ttls".
 * It has no two tiers.
 */

import { importPeer } from './packages.mjs';

/** @type {import('./peer.mjs').Peer} */
export const asyncCacheDedupe = {
  name: 'async-cache-dedupe',
  rows: ['foreground', 'joiner', 'background refresh'],
  columns: ['tag', 'forget', 'clear'],
  stores: ['memory', 'shared'],
  tells: 'joiner / tag / shared',
  async load() {
    const { createCache } = await importPeer('async-cache-dedupe');
    return { createCache };
  },
  open({ createCache }, { load, connection, nowMs, row, store, ttlMs }) {
    const seconds = ttlMs / 1_000;
    const stale = row === 'background refresh' ? seconds : 0;
    const client = new Client(connection, nowMs);
    const invalidation = { referencesTTL: seconds + stale };
    const storage =
      store === 'memory'
        ? { type: 'memory', options: { invalidation: true } }
        : { type: 'redis', options: { client, invalidation } };
    const cache = createCache({ ttl: seconds, stale, storage });
    const options = { references: (/** @type {string} */ id) => [`row:${id}`] };
    cache.define('one', options, (/** @type {string} */ id) => load(Number(id)));
    return {
      read: (id) => cache.one(`${id}`),
      invalidate: (id) => cache.invalidateAll(`row:${id}`),
      forget: (id) => cache.clear('one', `${id}`),
      clear: () => cache.clear(),
      reaches: () => 'everywhere',
      close: async () => {},
    };
  },
};

/** @typedef {{ value: string | Set<string>, endsAtMs: number }} Row */

/** What a server has, which strings and sets are. @type {WeakMap<object, Map<string, Row>>} */
const rowsOf = new WeakMap();

/** The commands of `ioredis` that it uses. A pipeline is carried out at one moment, which a real one need not be. */
class Client {
  #connection;
  #nowMs;
  #rows;

  /**
   * @param {import('./connection.mjs').Connection} connection
   * @param {() => number} nowMs
   */
  constructor(connection, nowMs) {
    this.#connection = connection;
    this.#nowMs = nowMs;
    this.#rows = rowsOf.get(connection.server) ?? new Map();
    rowsOf.set(connection.server, this.#rows);
  }

  /** @param {string} key */
  get(key) {
    return this.#send('get', [key], () => this.#live(key)?.value ?? null);
  }

  /** @param {string} key @param {string} value @param {'EX'} _unit @param {number} seconds */
  set(key, value, _unit, seconds) {
    return this.#send('set', [key], () => {
      this.#rows.set(key, { value, endsAtMs: this.#nowMs() + seconds * 1_000 });
      return 'OK';
    });
  }

  /** @param {string} key */
  del(key) {
    return this.#send('del', [key], () => this.#delete(key));
  }

  /** @param {string} key */
  exists(key) {
    return this.#send('exists', [key], () => (this.#live(key) ? 1 : 0));
  }

  /** @param {string} key */
  pttl(key) {
    return this.#send('pttl', [key], () => {
      const row = this.#live(key);
      return row ? row.endsAtMs - this.#nowMs() : -2;
    });
  }

  /** @param {string} key */
  smembers(key) {
    return this.#send('smembers', [key], () => [...this.#set(key)]);
  }

  /** @param {string} pattern which ends with `*` */
  keys(pattern) {
    const isLike = (/** @type {string} */ key) => key.startsWith(pattern.slice(0, -1));
    return this.#send('keys', [pattern], () => [...this.#rows.keys()].filter((key) => isLike(key) && this.#live(key)));
  }

  flushall() {
    return this.#send('flushall', [], () => this.#rows.clear());
  }

  /** @param {readonly (readonly any[])[]} commands */
  pipeline(commands) {
    const label = commands.map(([name, key]) => `${name} ${key}`);
    const exec = () =>
      commands.length === 0
        ? Promise.resolve([])
        : this.#send('pipeline', label, () => commands.map((command) => [null, this.#carryOut(command)]));
    return { exec };
  }

  /** @param {readonly any[]} command */
  #carryOut([name, key, argument]) {
    switch (name) {
      case 'del':
        return this.#delete(key);
      case 'exists':
        return this.#live(key) ? 1 : 0;
      case 'smembers':
        return [...this.#set(key)];
      case 'sadd':
        return this.#change(key, (set) => [argument].flat().forEach((member) => set.add(member)));
      case 'srem':
        return this.#change(key, (set) => [argument].flat().forEach((member) => set.delete(member)));
      case 'expire':
        return this.#expire(key, argument);
      default:
        throw new Error(`There is no command ${name}`);
    }
  }

  /** @param {string} key */
  #delete(key) {
    const isThere = this.#live(key) !== undefined;
    this.#rows.delete(key);
    return isThere ? 1 : 0;
  }

  /** A set without members is none. @param {string} key @param {(set: Set<string>) => void} change */
  #change(key, change) {
    const set = this.#set(key);
    const endsAtMs = this.#live(key)?.endsAtMs ?? Infinity;
    change(set);
    if (set.size === 0) this.#rows.delete(key);
    else this.#rows.set(key, { value: set, endsAtMs });
    return 1;
  }

  /** @param {string} key @param {number} seconds */
  #expire(key, seconds) {
    const row = this.#live(key);
    if (row) row.endsAtMs = this.#nowMs() + seconds * 1_000;
    return row ? 1 : 0;
  }

  /** @param {string} key @returns {Set<string>} */
  #set(key) {
    const value = this.#live(key)?.value;
    return value instanceof Set ? value : new Set();
  }

  /** @param {string} key */
  #live(key) {
    const row = this.#rows.get(key);
    return row && this.#nowMs() < row.endsAtMs ? row : undefined;
  }

  /**
   * @template T
   * @param {string} operation
   * @param {readonly string[]} keys
   * @param {() => T} command
   */
  #send(operation, keys, command) {
    return this.#connection.run(operation, keys, command);
  }
}
