/** What a client of Redis gives to one process, over the simulated server: each command, reply and message is a step. */

/**
 * @typedef {import('cachette/testing').SimulatedServer} SimulatedServer
 * @typedef {import('cachette/testing').SimulatedProcess} SimulatedProcess
 * @typedef {(channel: string, text: string) => void} Listener
 */

export class Connection {
  /** Commands that are on their way. @type {Set<Promise<unknown>>} */
  pending = new Set();
  /** @type {SimulatedServer} */
  server;
  /** @type {any} */
  #backend;
  /** @type {any} */
  #bus;

  /**
   * @param {SimulatedServer} server
   * @param {SimulatedProcess} process
   */
  constructor(server, process) {
    this.server = server;
    this.#backend = server.connect(process);
    this.#bus = this.#backend.bus();
  }

  /** @param {string} key @returns {Promise<string | undefined>} */
  async get(key) {
    return (await this.getMany([key]))[0];
  }

  /** @param {readonly string[]} keys @returns {Promise<readonly (string | undefined)[]>} */
  getMany(keys) {
    return this.#track(this.#backend.getMany(keys));
  }

  /**
   * @param {string} key
   * @param {string} text
   * @param {number} [ttlMs] for ever unless stated
   * @returns {Promise<void>}
   */
  set(key, text, ttlMs = Infinity) {
    return this.#track(this.#backend.set(key, text, ttlMs));
  }

  /** @param {readonly string[]} keys @returns {Promise<boolean>} whether any was there */
  delete(keys) {
    return this.run('delete', keys, () => {
      const isThere = keys.some((key) => this.server.keys.includes(key));
      this.server.evict(keys);
      return isThere;
    });
  }

  /** At one moment, which real clients do not manage. @param {string} [prefix] @returns {Promise<void>} */
  clear(prefix = '') {
    return this.run('clear', [], () => this.server.evict(this.server.keys.filter((key) => key.startsWith(prefix))));
  }

  /**
   * A command of one's own.
   *
   * @template T
   * @param {string} operation
   * @param {readonly string[]} keys
   * @param {() => T} command
   * @returns {Promise<T>}
   */
  run(operation, keys, command) {
    return this.#track(this.#backend.send(operation, keys, command));
  }

  /** @param {string} channel @param {string} text @returns {Promise<unknown>} */
  publish(channel, text) {
    return this.#track(this.#bus.publish(JSON.stringify([channel, text])));
  }

  /** Is told of all messages, those of this process too, as with Redis. @param {Listener} listener */
  subscribe(listener) {
    this.#bus.subscribe('', {
      message: (/** @type {string} */ text) => {
        const [channel, message] = JSON.parse(text);
        listener(channel, message);
      },
      interrupted: () => {},
    });
  }

  close() {
    return this.#bus.close();
  }

  /**
   * @template T
   * @param {Promise<T>} command
   * @returns {Promise<T>}
   */
  #track(command) {
    this.pending.add(command);
    const end = () => void this.pending.delete(command);
    command.then(end, end);
    return command;
  }
}
