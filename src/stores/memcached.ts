/**
 * Memcached. Only this file knows @keyv/memcache and memjs under it, whose adapter deletes on a miss, ends the process
 * on a value that is no JSON, and waits for ever when the server ends a connection; none of that happens here.
 *
 * Why it is sure that an `add` is carried out at most once, as read in memjs 1.3: only `Client.perform` repeats a
 * command, while `--retries > 0`; with `retries: 1` the first failure is final. `failover` stays off: it would put a
 * generation on another server, and when the first one comes back it has the token that was deleted on the second.
 */

import type { KeyvMemcache } from '@keyv/memcache';

import { type Backend, BackendError } from './backend.js';
import { reason, serverBackend } from './keyv.js';
import type { HostPort } from './uri-parts.js';

/** Where the memcached servers are and how to log in. */
export interface MemcachedAddress {
  /** For messages; no password in it. */
  readonly name: string;
  /** A key is on the server that its hash names, so every process must name the same servers in the same order. */
  readonly hosts: readonly HostPort[];
  /** For SASL; empty where the servers ask for none. */
  readonly username: string;
  readonly password: string;
  /** For servers that were started with another `-I` than 1 MiB. */
  readonly maxTextBytes: number | undefined;
}

/** A memcached can add and touch, and its clock ticks in seconds. It has no sessions: after a restart it is empty. */
export type MemcachedBackend = Required<Omit<Backend, 'session' | 'serverIds' | 'bus'>>;

/** A server refuses an item over 1 MiB with its key (250 bytes) and its header; measured to be enough. */
const largestTextBytes = 1_048_576 - 512;
/** A connection on which nothing was answered for so long is replaced. Longer than any sensible deadline. */
const silenceSeconds = 2;
const connectSeconds = 5;

/** Loads the adapter at once; memjs connects when the first command comes. */
export function memcachedBackend(address: MemcachedAddress): MemcachedBackend {
  return new MemjsBackend(address);
}

interface Opened {
  readonly client: Client;
  readonly keyv: Backend;
  hangUp(): void;
}

class MemjsBackend implements MemcachedBackend {
  readonly name: string;
  readonly maxTextBytes: number;
  /** What {@link expirationSeconds} adds at most. */
  readonly lateByMs = 2_000;
  readonly loaded: Promise<Opened>;
  #closed = false;

  constructor(address: MemcachedAddress) {
    this.name = address.name;
    this.maxTextBytes = address.maxTextBytes ?? largestTextBytes;
    this.loaded = open(address);
    // Whoever sends a command hears of it.
    this.loaded.catch(() => undefined);
  }

  getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#run(({ keyv }) => keyv.getMany(keys));
  }

  set(key: string, text: string, ttlMs: number): Promise<void> {
    return this.#run(({ keyv }) => {
      this.#checkSize(text);
      return keyv.set(key, text, ttlMs);
    });
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    return this.#run(({ keyv }) => keyv.deleteMany(keys));
  }

  readonly add = (key: string, text: string, ttlMs: number): Promise<boolean> =>
    this.#run(({ client }) => {
      this.#checkSize(text);
      return client.add(key, text, { expires: expirationSeconds(ttlMs, Date.now()) });
    });

  readonly touch = (key: string, ttlMs: number): Promise<boolean> =>
    this.#run(({ client }) => client.touch(key, expirationSeconds(ttlMs, Date.now())));

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    (await this.loaded.catch(() => undefined))?.hangUp();
  }

  /** A value that the server refuses would have cost its transfer, and memcached drops the old one for it. */
  #checkSize(text: string): void {
    if (text.length * 3 <= this.maxTextBytes || Buffer.byteLength(text) <= this.maxTextBytes) return;
    throw new BackendError('refused', `Value too large: more than ${this.maxTextBytes} bytes`);
  }

  async #run<T>(command: (opened: Opened) => Promise<T>): Promise<T> {
    try {
      const opened = await this.loaded;
      if (this.#closed) throw new Error('The connection was closed by cache.close()');
      return await command(opened);
    } catch (error) {
      throw memcachedFailure(error);
    }
  }
}

/** The longest time in seconds that memcached does not take for a date, and the last date that it can tell. */
const longestDelta = 30 * 24 * 60 * 60;
const lastDate = 2 ** 32 - 1;

/**
 * What memcached calls an expiration: seconds, or the date in seconds where they are more than 30 days, or 0 for never.
 *
 * Rounded up and one more, because the clock of the server ticks once a second: what was written with 1 just before a
 * tick would be gone at once. That an entry is over its reader sees in the entry.
 */
export function expirationSeconds(ttlMs: number, nowMs: number): number {
  const seconds = Math.ceil(ttlMs / 1_000) + 1;
  if (seconds <= longestDelta) return seconds;
  const date = Math.floor(nowMs / 1_000) + seconds;
  return date <= lastDate ? date : 0;
}

async function open(address: MemcachedAddress): Promise<Opened> {
  const { KeyvMemcache } = await import('@keyv/memcache');
  const adapter = new (safeMemcache(KeyvMemcache))(address);
  const client = adapter.client as unknown as Client;
  const hangUp = superviseServers(client, address);
  const keyv = await serverBackend(adapter, { name: address.name, failure: memcachedFailure });
  return { client, keyv, hangUp };
}

/**
 * KeyvMemcache without its traps: a miss is `undefined` (it says `{ expires: 0 }`, whereupon Keyv deletes the key, also
 * where somebody has just written it), a value is the text itself (it parses JSON in the socket's callback, where a
 * throw ends the process), errors of a batch reject (it takes them for misses), and `clear` does not flush the server.
 */
function safeMemcache(Base: typeof KeyvMemcache) {
  return class SafeMemcache extends Base {
    constructor({ hosts }: MemcachedAddress) {
      // Never empty, or memjs takes the servers from the environment. The servers themselves are made below.
      super(hosts.map(() => 'localhost').join(','), { logger: { log: () => {} }, retries: 1, failover: false });
    }

    override async get(key: string): Promise<never> {
      const { value } = await (this.client as unknown as Client).get(key);
      return (value === null ? undefined : value.toString()) as never;
    }

    override async getMany(keys: string[]): Promise<never[]> {
      return Promise.all(keys.map((key) => this.get(key)));
    }

    override async set(key: string, text: string, ttlMs: number = Infinity): Promise<void> {
      await (this.client as unknown as Client).set(key, text, { expires: expirationSeconds(ttlMs, Date.now()) });
    }

    override async delete(key: string): Promise<boolean> {
      return (this.client as unknown as Client).delete(key);
    }

    override async deleteMany(keys: string[]): Promise<boolean> {
      return (await Promise.all(keys.map((key) => this.delete(key)))).includes(true);
    }

    override async clear(): Promise<void> {
      throw new Error('clear() would flush the whole server, other applications included');
    }
  };
}

// ------------------------------------------------------------------------------------------- connections

/** What is used of memjs: its types need a package of their own. */
interface Client {
  readonly servers: Server[];
  get(key: string): Promise<{ readonly value: Buffer | null }>;
  set(key: string, text: string, options: { expires: number }): Promise<boolean>;
  add(key: string, text: string, options: { expires: number }): Promise<boolean>;
  delete(key: string): Promise<boolean>;
  touch(key: string, expires: number): Promise<boolean>;
}

interface Socket {
  readonly writableCorked: number;
  cork(): void;
  uncork(): void;
  once(event: 'end' | 'close', listener: () => void): unknown;
  destroy(): unknown;
}

interface Server {
  username: string;
  password: string;
  readonly _socket?: Socket;
  sock(sasl: boolean, go: (socket: Socket) => void): void;
  error(error: unknown): void;
}

type ServerClass = new (host: string, port: number, username: string, password: string, options: object) => Server;

/**
 * Gives each connection a memjs `Server` of its own, and a new one when it ends for whatever reason. The one that memjs
 * would go on with cannot be trusted: it keeps the half of a reply that the end of a connection cut off and reads the
 * next connection's bytes as its rest; it lets requests wait for ever when the server ends the connection in good
 * order; it only half closes a silent connection, whose late end then disconnects the next one.
 */
function superviseServers(client: Client, { hosts, username, password }: MemcachedAddress): () => void {
  const ServerClass = client.servers[0]?.constructor as unknown as ServerClass;
  const options = { timeout: silenceSeconds, conntimeout: connectSeconds, keepAlive: true };
  const place = (index: number, { host, port }: HostPort): void => {
    const server = new ServerClass(host, port, '', '', { ...options });
    // Set afterwards: what is empty in the constructor memjs takes from the environment.
    Object.assign(server, { username, password });
    replaceAtEnd(server, () => {
      if (client.servers[index] === server) place(index, { host, port });
    });
    client.servers[index] = server;
  };
  hosts.forEach((host, index) => place(index, host));
  return () => {
    const servers = client.servers.splice(0);
    for (const server of servers) server.error(new Error('The connection was closed'));
  };
}

/** Every end goes through `error`, which rejects what waits; those that memjs overlooks are sent there. */
function replaceAtEnd(server: Server, replace: () => void): void {
  const sock = server.sock.bind(server);
  const error = server.error.bind(server);
  let socket: Socket | undefined;
  const tick = { hasBegun: false };
  server.sock = (sasl, go) => {
    if (server._socket !== undefined) writeTogether(server._socket, tick);
    sock(sasl, go);
    if (socket !== undefined || server._socket === undefined) return;
    socket = server._socket;
    const onEnd = (): void => server.error(new Error('The server closed the connection'));
    socket.once('end', onEnd);
    socket.once('close', onEnd);
  };
  server.error = (cause) => {
    replace();
    error(typeof cause === 'string' ? new Error(cause) : cause);
    socket?.destroy();
  };
}

/**
 * The commands of one tick leave in two packets: the first one by itself, so that the server is awake when the others come, which
 * takes it longer than the command. By a promise job, as the timers of a user's test may be fakes.
 */
function writeTogether(socket: Socket, tick: { hasBegun: boolean }): void {
  if (!tick.hasBegun) {
    tick.hasBegun = true;
    void Promise.resolve().then(() => (tick.hasBegun = false));
  } else if (socket.writableCorked === 0) {
    socket.cork();
    void Promise.resolve().then(() => socket.uncork());
  }
}

// ------------------------------------------------------------------------------------------------ failures

const misconfiguredCodes = /^(ENOTFOUND|EAI_AGAIN)$/;

/** memjs names a reply `MemJS SET: Value too large`; what has another name comes from the socket. */
function memcachedFailure(error: unknown): BackendError {
  if (error instanceof BackendError) return error;
  const message = reason(error);
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (/authentication/i.test(message) || misconfiguredCodes.test(code)) {
    return new BackendError('misconfigured', message, { cause: error });
  }
  return new BackendError(/^MemJS [A-Z]+: /.test(message) ? 'refused' : 'unreachable', message, { cause: error });
}
