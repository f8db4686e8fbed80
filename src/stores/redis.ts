/**
 * A Redis as a backend: commands over a connection that is replaced when it is lost. How it is connected to is the secret
 * of redis-connect.ts, what processes tell each other over it that of redis-bus.ts.
 */

import type { Backend } from './backend.js';
import type { StoreBus } from './bus.js';
import { type Line, Link } from './link.js';
import { redisBus } from './redis-bus.js';
import {
  dial,
  type Library,
  loadLibrary,
  type RedisAddress,
  type RedisConnection,
  redisFailure,
  isReadOnly,
} from './redis-connect.js';

/** A Redis has all that a backend can have. */
export type RedisBackend = Required<Backend>;

/** Longer than any deadline, shorter than what TCP needs to find out: a connection without a reply is replaced. */
const stallMs = 5_000;
/** A server that is a replica for good is asked again this seldom whether it still is. */
const renewAfterMs = 10_000;
const largestTextBytes = 512 * 1_048_576;

/** Connects at once, without anybody waiting for it. */
export function redisBackend(address: RedisAddress): RedisBackend {
  return new RedisLinkBackend(address);
}

class RedisLinkBackend implements RedisBackend {
  readonly name: string;
  readonly maxTextBytes = largestTextBytes;
  readonly lateByMs = 0;
  readonly loaded: Promise<Library>;
  readonly #address: RedisAddress;
  readonly #link: Link<RedisConnection>;

  constructor(address: RedisAddress) {
    this.name = address.name;
    this.#address = address;
    this.loaded = loadLibrary();
    const dialOnce = async (line: Line): Promise<RedisConnection> => dial(await this.loaded, address, line);
    this.#link = new Link(dialOnce, { connectMs: address.connectMs, stallMs, renewAfterMs });
  }

  get session(): number {
    return this.#link.session;
  }

  getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#run(({ keyv }) => keyv.getMany(keys));
  }

  set(key: string, text: string, ttlMs: number): Promise<void> {
    return this.#run(({ keyv }) => keyv.set(key, text, ttlMs));
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    return this.#run(({ keyv }) => keyv.deleteMany(keys));
  }

  readonly add = (key: string, text: string, ttlMs: number): Promise<boolean> =>
    this.#run(async ({ raw }) => (await raw.set(key, text, { condition: 'NX', ...expiration(ttlMs) })) === 'OK');

  readonly touch = (key: string, ttlMs: number): Promise<boolean> =>
    this.#run(async ({ raw }) => {
      if (ttlMs !== Infinity) return (await raw.pExpire(key, ttlMs)) === 1;
      // PERSIST says 0 also for a key that never ended anyway.
      return (await raw.persist(key)) === 1 || (await raw.exists(key)) === 1;
    });

  readonly serverIds = (): Promise<readonly string[]> => this.#run((connection) => connection.serverIds());

  readonly bus = (channel: string): StoreBus =>
    redisBus({ address: this.#address, library: this.loaded, channel, run: (command) => this.#run(command) });

  async close(): Promise<void> {
    this.#link.close();
  }

  async #run<T>(command: (connection: RedisConnection) => Promise<T>): Promise<T> {
    try {
      return await this.#link.use(command);
    } catch (error) {
      const failure = redisFailure(error, this.#address);
      // A failover behind one host name leaves us at the old master, which is a replica now; the name has moved on.
      if (isReadOnly(failure)) this.#link.renew();
      throw failure;
    }
  }
}

function expiration(ttlMs: number): { expiration?: { type: 'PX'; value: number } } {
  return ttlMs === Infinity ? {} : { expiration: { type: 'PX', value: ttlMs } };
}
