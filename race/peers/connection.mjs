/**
 * What clients of Redis give to one process, over the simulated server. Each command, reply and message is a step; commands of one
 * process stay in the order in which it sends them, and so do their replies, as on one connection.
 *
 * @typedef {import('cachette/testing').SimulatedServer} SimulatedServer
 * @typedef {import('cachette/testing').SimulatedProcess} SimulatedProcess
 * @typedef {import('cachette/testing').Scheduler} Scheduler
 * @typedef {(channel: string, text: string) => void} Listener
 */

export class Connection {
  /** Commands that are on their way. @type {Set<Promise<unknown>>} */
  pending = new Set();
  /** Its `text` and `keep` are internal to the package. @type {any} */
  server;
  #scheduler;
  #process;
  /** @type {any} */
  #bus;

  /**
   * @param {SimulatedServer} server
   * @param {Scheduler} scheduler
   * @param {SimulatedProcess} process
   */
  constructor(server, scheduler, process) {
    this.server = server;
    this.#scheduler = scheduler;
    this.#process = process;
    this.#bus = /** @type {any} */ (server.connect(process)).bus();
  }

  /** @param {string} key @returns {Promise<string | undefined>} */
  get(key) {
    return this.run('get', [key], () => this.server.text(key));
  }

  /** @param {readonly string[]} keys @returns {Promise<(string | undefined)[]>} */
  getMany(keys) {
    return this.run('get', keys, () => keys.map((key) => this.server.text(key)));
  }

  /**
   * @param {string} key
   * @param {string} text
   * @param {number} [ttlMs] for ever unless stated
   * @returns {Promise<void>}
   */
  set(key, text, ttlMs = Infinity) {
    return this.run('set', [key], () => this.server.keep(key, text, ttlMs));
  }

  /** @param {readonly string[]} keys @returns {Promise<boolean>} whether any was there */
  delete(keys) {
    return this.run('delete', keys, () => {
      const isThere = keys.some((key) => this.server.text(key) !== undefined);
      this.server.evict(keys);
      return isThere;
    });
  }

  /** At one moment, which real clients do not manage. @param {string} [prefix] @returns {Promise<void>} */
  clear(prefix = '') {
    return this.run('clear', [], () =>
      this.server.evict(this.server.keys.filter((/** @type {string} */ key) => key.startsWith(prefix))),
    );
  }

  /**
   * A command of one's own: it is carried out, and the reply arrives.
   *
   * @template T
   * @param {string} operation
   * @param {readonly string[]} keys
   * @param {() => T} command
   * @returns {Promise<T>}
   */
  run(operation, keys, command) {
    const process = this.#process;
    const label = `${process.name}: ${[operation, ...keys].join(' ')}`;
    const commands = { process, line: `commands of ${process.name}` };
    const replies = { process, line: `replies to ${process.name}` };
    return this.#track(
      new Promise((resolve) => {
        const carryOut = () => {
          const answer = command();
          this.#scheduler.step(`${label}, the reply`, () => resolve(answer), replies);
        };
        this.#scheduler.step(label, carryOut, commands);
      }),
    );
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
