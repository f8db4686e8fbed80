/**
 * Notices that a server may have gone back in time: a failover that lost writes, a restart from an old snapshot. Each new
 * connection asks the servers what they call themselves in this run, before anything else is read over it; where that is
 * not what is kept under the namespace, every entry is made invalid.
 *
 *   x is stored under Ga=1 · snapshot · invalidate(a) deletes Ga, returns · restart from the snapshot: Ga=1 stands again
 *
 * First the namespace's generation is deleted, then the new ids are written: who dies in between, or is overtaken by a
 * further restart, leaves it to the next one. Missing ids are changed ones, as they may have been evicted.
 */

import type { Backend } from './backend.js';

/** The connection was made anew while a read was under way: its answer may be of another time. */
export class ReconnectedError extends Error {
  constructor() {
    super('the connection was made anew meanwhile');
    this.name = 'ReconnectedError';
  }
}

export interface ServersOptions {
  /** The generation that every entry has. */
  readonly everything: string;
  /** Where the ids are kept. */
  readonly serversKey: string;
}

/** Connections come and go while a server starts; more attempts than this are left to the next read. */
const attempts = 3;

export class Servers {
  readonly #backend: Backend;
  readonly #options: ServersOptions;
  /** The session for which the ids have been compared. */
  #checked: number | undefined;
  #checking: Promise<void> | undefined;

  constructor(backend: Backend, options: ServersOptions) {
    this.#backend = backend;
    this.#options = options;
  }

  /**
   * Runs a read over a connection that has been checked.
   *
   * @throws ReconnectedError if the connection was made anew meanwhile
   */
  during<T>(read: () => Promise<T>): Promise<T> {
    if (!this.#backend.serverIds) return read();
    const isChecked = this.#checked !== undefined && this.#checked === this.#backend.session;
    return isChecked ? this.#within(read) : this.#check().then(() => this.#within(read));
  }

  async #within<T>(read: () => Promise<T>): Promise<T> {
    const session = this.#checked;
    const answer = await read();
    if (this.#backend.session === session) return answer;
    throw new ReconnectedError();
  }

  /** Gives a function that says whether the connection is still the one that it is now. */
  watch(): () => boolean {
    if (!this.#backend.serverIds) return () => true;
    const session = this.#checked;
    return () => this.#backend.session === session && this.#checked === session;
  }

  /** Everybody who comes meanwhile waits for the same answer, which spans no reconnect. */
  #check(): Promise<void> {
    return (this.#checking ??= this.#compare().finally(() => {
      this.#checking = undefined;
    }));
  }

  async #compare(): Promise<void> {
    for (let attempt = 0; attempt < attempts; attempt++) {
      const before = this.#backend.session;
      await this.#adopt();
      const after = this.#backend.session;
      // Of the first connection nothing is known before it stands.
      if (before === after) {
        this.#checked = after;
        return;
      }
    }
    throw new ReconnectedError();
  }

  async #adopt(): Promise<void> {
    const { everything, serversKey } = this.#options;
    const [ids, [kept]] = await Promise.all([this.#ids(), this.#backend.getMany([serversKey])]);
    if (kept === ids) return;
    await this.#backend.deleteMany([everything]);
    await this.#backend.set(serversKey, ids, Infinity);
  }

  async #ids(): Promise<string> {
    return (await this.#backend.serverIds?.())?.join(' ') ?? '';
  }
}
