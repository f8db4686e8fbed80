/** The simulated server as a storage adapter of Keyv: the methods that `@keyv/redis` has, each one command, as there. */

export class KeyvStore {
  /** Keyv sets it. @type {string | undefined} */
  namespace;
  #connection;

  /** @param {import('./connection.mjs').Connection} connection */
  constructor(connection) {
    this.#connection = connection;
  }

  /** @param {string} key */
  get(key) {
    return this.#connection.get(key);
  }

  /** @param {readonly string[]} keys */
  getMany(keys) {
    return this.#connection.getMany(keys);
  }

  /**
   * @param {string} key
   * @param {string} text
   * @param {number} [ttlMs]
   */
  set(key, text, ttlMs) {
    return this.#connection.set(key, text, ttlMs);
  }

  /** @param {string} key */
  delete(key) {
    return this.#connection.delete([key]);
  }

  /** @param {readonly string[]} keys */
  deleteMany(keys) {
    return this.#connection.delete(keys);
  }

  clear() {
    return this.#connection.clear();
  }
}
