/** What `createCache` takes for a store, and what becomes of it: which scheme is served by what, and who shares it. */

import { readFileSync } from 'node:fs';

import type { Clock } from '../base/clock.js';
import { CacheConfigError } from '../base/errors.js';
import { nearest } from '../base/suggest.js';
import { type Backend, BackendError, isBackend } from './backend.js';
import {
  checkKeyv,
  keyvBackend,
  nameOfKeyv,
  type KeyvAdapterLike,
  type KeyvLike,
  reason,
  exportedClass,
} from './keyv.js';
import { memcachedBackend } from './memcached.js';
import { redisBackend } from './redis.js';
import type { RedisAddress, RedisTls } from './redis-connect.js';
import type { MemoryBounds } from './residents.js';
import { type HostPort, redact, StoreUri } from './uri-parts.js';

export { type HostPort, type KeyvAdapterLike, type KeyvLike, redact, type StoreUri };

/** A URI, a `Keyv` of version 5, a store adapter for one, or a {@link Backend} of one's own. */
export type StoreInput = string | KeyvLike | KeyvAdapterLike | Backend;

/** What a {@link StoreInput} turned out to be. */
export type StoreTarget =
  | ({ readonly kind: 'memory' } & MemoryBounds)
  | {
      readonly kind: 'backend';
      /** For messages; no password in it. */
      readonly name: string;
      /**
       * Gives the backend at once; it connects by itself. Each one is closed by itself. `clock`: by which it ends what was
       * handed in and has no server; default: the machine's.
       */
      open(clock?: Clock): Backend;
    };

/** Makes what a scheme of one's own stands for. What it makes is closed with the last cache that uses the URI. */
export type SchemeFactory = (uri: StoreUri) => KeyvLike | KeyvAdapterLike | Promise<KeyvLike | KeyvAdapterLike>;

/**
 * Checks what was given for a store, without connecting to anything.
 *
 * @throws CacheConfigError if it is none; `where` goes into the message, a password never
 */
export function parseStore(input: unknown, where: string): StoreTarget {
  if (typeof input !== 'string') return handedIn(input, where);
  const uri = new StoreUri(input, where);
  if (uri.scheme === 'memory') return memory(uri);
  const make = makerOf(uri, where);
  return { kind: 'backend', name: uri.redacted, open: () => shared(uri, make) };
}

/**
 * Teaches `createCache` a scheme.
 *
 * @param scheme without `://`; one of `sqlite`, `postgres`, `mysql`, `mongodb`, `etcd` is replaced
 * @param factory called once for each URI, when a cache opens it; again if it failed, at the next command
 * @throws CacheConfigError if `scheme` cannot be one, or is one that is built in
 *
 * @example
 * ```ts
 * import { createCache, registerScheme } from 'cachette';
 * import { Keyv } from 'keyv';
 *
 * registerScheme('app', () => new Keyv());
 * const cache = createCache('app://anything');
 * ```
 */
export function registerScheme(scheme: string, factory: SchemeFactory): void {
  const complain = (what: string, instead: string): CacheConfigError =>
    new CacheConfigError({ where: 'registerScheme', what, instead });
  if (typeof scheme !== 'string' || !/^[a-z][a-z\d+.-]*$/.test(scheme)) {
    throw complain(`'${scheme}' is no scheme`, "write lower case letters, digits, '+', '.' and '-', without '://'");
  }
  if (scheme === 'memory' || Object.hasOwn(ownSchemes, scheme))
    throw complain(`'${scheme}' is built in`, 'choose another name');
  if (typeof factory !== 'function')
    throw complain(`the factory of '${scheme}' is no function`, 'write (uri) => new Keyv(…)');
  factories.set(scheme, factory);
}

// -------------------------------------------------------------------------------------------- the schemes

/** Checks the URI now; what it returns makes the backend later. */
type Scheme = (uri: StoreUri) => () => Backend;

const memcached: Scheme = (uri) => {
  const hosts = uri.hosts(11_211);
  const { username, password } = uri;
  if (uri.path !== '')
    throw uri.complaint(`has the path '/${uri.path}', and memcached has no databases`, 'leave it out');
  if ((username === '') !== (password === ''))
    throw uri.complaint('has only half of a login', 'write user:password@, both for SASL');
  uri.allowOptions(['maxTextBytes']);
  const address = { name: uri.redacted, hosts, username, password, maxTextBytes: uri.bytes('maxTextBytes') };
  return () => memcachedBackend(address);
};

const ownSchemes: Readonly<Record<string, Scheme>> = {
  redis: redis('single', false),
  rediss: redis('single', true),
  valkey: redis('single', false),
  valkeys: redis('single', true),
  'redis+cluster': redis('cluster', false),
  'rediss+cluster': redis('cluster', true),
  'redis+sentinel': redis('sentinel', false),
  'rediss+sentinel': redis('sentinel', true),
  memcached,
  memcache: memcached,
};

/** The packages that users install themselves, with the class that each exports. */
const packages = {
  sqlite: ['@keyv/sqlite', 'KeyvSqlite'],
  postgres: ['@keyv/postgres', 'KeyvPostgres'],
  postgresql: ['@keyv/postgres', 'KeyvPostgres'],
  mysql: ['@keyv/mysql', 'KeyvMysql'],
  mongodb: ['@keyv/mongo', 'KeyvMongo'],
  'mongodb+srv': ['@keyv/mongo', 'KeyvMongo'],
  etcd: ['@keyv/etcd', 'KeyvEtcd'],
} as const;

const factories = new Map<string, SchemeFactory>(
  Object.entries(packages).map(([scheme, [name, className]]) => [scheme, (uri) => adapterFrom(name, className, uri)]),
);

function makerOf(uri: StoreUri, where: string): () => Backend {
  const own = Object.hasOwn(ownSchemes, uri.scheme) ? ownSchemes[uri.scheme] : undefined;
  if (own !== undefined) return own(uri);
  const factory = factories.get(uri.scheme);
  if (factory !== undefined) return () => new LateBackend(uri, () => opened(uri, factory, where));
  throw unknownScheme(uri);
}

function unknownScheme(uri: StoreUri): CacheConfigError {
  const known = ['memory', ...Object.keys(ownSchemes), ...factories.keys()];
  const meant = nearest(uri.scheme, known);
  const instead =
    meant === undefined
      ? `write one of ${known.map((scheme) => `${scheme}://`).join(', ')}`
      : `did you mean '${meant}://'?`;
  return uri.complaint(`has the unknown scheme '${uri.scheme}'`, `${instead} Others are added by registerScheme()`);
}

function memory(uri: StoreUri): StoreTarget {
  if (uri.authority !== '' || uri.path !== '' || uri.username !== '') {
    throw uri.complaint('names a place, and memory has none', "write 'memory://' or 'memory://?maxEntries=10000'");
  }
  uri.allowOptions(['maxEntries', 'maxSize', 'ttl']);
  const [maxEntries, maxSize] = [uri.count('maxEntries'), uri.bytes('maxSize')];
  return { kind: 'memory', maxEntries, maxSize, ttlMs: uri.duration('ttl') };
}

// -------------------------------------------------------------------------------------------------- redis

const tlsOptions = ['ca', 'cert', 'key', 'servername', 'rejectUnauthorized'];
const defaultConnectMs = 5_000;

function redis(topology: RedisAddress['topology'], isSecure: boolean): Scheme {
  return (uri) => {
    const address = redisAddress(uri, topology, isSecure);
    return () => redisBackend(address);
  };
}

function redisAddress(uri: StoreUri, topology: RedisAddress['topology'], isSecure: boolean): RedisAddress {
  const hosts = uri.hosts(topology === 'sentinel' ? 26_379 : 6_379);
  if (topology === 'single' && hosts.length > 1) {
    throw uri.complaint(
      `names ${hosts.length} hosts`,
      `write redis+cluster://${uri.authority} for a cluster, or one host`,
    );
  }
  checkRedisOptions(uri, topology, isSecure);
  return {
    name: uri.redacted,
    topology,
    hosts,
    ...placeOf(uri, topology),
    login: { username: uri.username || undefined, password: uri.password || undefined },
    sentinelLogin: { username: uri.options.get('sentinelUsername'), password: uri.options.get('sentinelPassword') },
    clientName: uri.options.get('clientName'),
    connectMs: uri.duration('connectTimeout') ?? defaultConnectMs,
    family: familyOf(uri),
    tls: isSecure ? tlsOf(uri) : undefined,
  };
}

function checkRedisOptions(uri: StoreUri, topology: RedisAddress['topology'], isSecure: boolean): void {
  const plainTls = tlsOptions.find((name) => uri.options.has(name));
  if (!isSecure && plainTls !== undefined) {
    throw uri.complaint(
      `has the option '${plainTls}', which is for TLS`,
      `write ${uri.scheme.replace(/^(redis|valkey)/, '$1s')}:// for TLS`,
    );
  }
  const sentinel = topology === 'sentinel' ? ['sentinelUsername', 'sentinelPassword'] : [];
  uri.allowOptions(['clientName', 'connectTimeout', 'family', ...sentinel, ...(isSecure ? tlsOptions : [])]);
}

/** What the path means differs: a database, nothing, or a master's name and a database. */
function placeOf(uri: StoreUri, topology: RedisAddress['topology']): { masterName: string; database: number } {
  const [first = '', second = '', ...more] = uri.path.split('/');
  const masterName = topology === 'sentinel' ? first : '';
  const database = topology === 'sentinel' ? second : first;
  const rest = topology === 'sentinel' ? more : [second, ...more].filter(Boolean);
  if (topology === 'sentinel' && masterName === '') {
    throw uri.complaint('does not name the master', `write ${uri.scheme}://${uri.authority}/mymaster`);
  }
  if (topology === 'cluster' && uri.path !== '')
    throw uri.complaint(`has the path '/${uri.path}'`, 'leave it out: a cluster has only database 0');
  if (rest.length === 0 && /^\d{0,5}$/.test(database)) return { masterName, database: Number(database) };
  throw uri.complaint(`has '/${uri.path}' for its database`, 'write a number, such as /0');
}

function familyOf(uri: StoreUri): 4 | 6 | undefined {
  const family = uri.choice('family', ['4', '6']);
  return family === undefined ? undefined : (Number(family) as 4 | 6);
}

function tlsOf(uri: StoreUri): RedisTls {
  const refuse = uri.choice('rejectUnauthorized', ['true', 'false']);
  return {
    ca: fileOf(uri, 'ca'),
    cert: fileOf(uri, 'cert'),
    key: fileOf(uri, 'key'),
    servername: uri.options.get('servername'),
    rejectUnauthorized: refuse === undefined ? undefined : refuse === 'true',
  };
}

function fileOf(uri: StoreUri, name: string): string | undefined {
  const path = uri.options.get(name);
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw uri.complaint(`has ${name}=${path}, which cannot be read (${reason(error)})`, 'write the path of a PEM file');
  }
}

// -------------------------------------------------------------------------------- Keyv, its adapters, factories

function handedIn(input: unknown, where: string): StoreTarget {
  if (isBackend(input))
    return { kind: 'backend', name: input.name, open: () => new Share(input, () => Promise.resolve()) };
  const source = checkKeyv(input, where);
  const name = nameOfKeyv(source);
  return { kind: 'backend', name, open: (clock) => keyvBackend(source, { name, clock }) };
}

async function opened(uri: StoreUri, factory: SchemeFactory, where: string): Promise<Backend> {
  const source = checkKeyv(await factory(uri), `${where}: the factory of '${uri.scheme}://'`);
  return keyvBackend(source, {
    name: uri.redacted,
    close: () => disconnected(source),
    failure: (error) => withoutPassword(error, uri),
  });
}

/** What was never connected says so when it is disconnected; there is nothing to be done about it. */
async function disconnected(source: object): Promise<void> {
  const { disconnect } = source as { disconnect?: () => Promise<void> };
  if (typeof disconnect === 'function') await disconnect.call(source).catch(() => undefined);
}

/** Drivers put the URI into their messages, and more of it into the properties of their errors. */
function withoutPassword(error: unknown, uri: StoreUri): BackendError {
  const text = reason(error);
  const secrets = [uri.href, uri.password, encodeURIComponent(uri.password)].filter((secret) => secret !== '');
  if (uri.password === '' || error instanceof BackendError) return asFailure(text, error);
  return asFailure(
    secrets.reduce((message, secret) => message.replaceAll(secret, '***'), text),
    undefined,
  );
}

function asFailure(message: string, cause: unknown): BackendError {
  if (cause instanceof BackendError) return cause;
  return new BackendError('unreachable', message, cause === undefined ? {} : { cause });
}

async function adapterFrom(name: string, className: string, uri: StoreUri): Promise<KeyvAdapterLike> {
  const Adapter = exportedClass((await load(name, uri)) as object, className);
  return new (Adapter as new (uri: string) => KeyvAdapterLike)(uri.href);
}

async function load(name: string, uri: StoreUri): Promise<unknown> {
  try {
    return await import(name);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? '';
    if (!/MODULE_NOT_FOUND$/.test(code) || !reason(error).includes(name)) throw error;
    throw uri.complaint(`needs the package ${name}, which is not installed`, `run: npm install ${name}`);
  }
}

/** A backend that takes its time to be made. Whatever is made by a factory can neither add nor touch. */
class LateBackend implements Backend {
  readonly name: string;
  readonly maxTextBytes = Infinity;
  readonly loaded: Promise<unknown>;
  readonly #uri: StoreUri;
  readonly #make: () => Promise<Backend>;
  #made: Promise<Backend> | undefined;
  #closed = false;

  constructor(uri: StoreUri, make: () => Promise<Backend>) {
    this.name = uri.redacted;
    this.#uri = uri;
    this.#make = make;
    this.loaded = this.#backend().catch(() => undefined);
  }

  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return (await this.#backend()).getMany(keys);
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    return (await this.#backend()).set(key, text, ttlMs);
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    return (await this.#backend()).deleteMany(keys);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await (await this.#made?.catch(() => undefined))?.close();
  }

  /** What could not be made is tried again by the next command: a database may come up later. */
  async #backend(): Promise<Backend> {
    if (this.#closed) throw closedError();
    this.#made ??= this.#make().catch((error: unknown) => {
      this.#made = undefined;
      throw error;
    });
    try {
      return await this.#made;
    } catch (error) {
      if (error instanceof CacheConfigError) throw new BackendError('misconfigured', error.message, { cause: error });
      throw withoutPassword(error, this.#uri);
    }
  }
}

// -------------------------------------------------------------------------------------------------- sharing

/** One connection for each URI, as long as somebody holds it. */
const connections = new Map<string, { readonly backend: Backend; holders: number }>();

function shared(uri: StoreUri, make: () => Backend): Backend {
  const connection = connections.get(uri.href) ?? { backend: make(), holders: 0 };
  connections.set(uri.href, connection);
  connection.holders += 1;
  return new Share(connection.backend, async () => {
    connection.holders -= 1;
    if (connection.holders > 0) return;
    connections.delete(uri.href);
    await connection.backend.close();
  });
}

/** The backend for one holder, whose closing must not close it for others, nor for who handed it in. */
class Share implements Backend {
  readonly name: string;
  readonly maxTextBytes: number;
  declare readonly lateByMs?: number;
  declare readonly loaded?: Promise<unknown>;
  declare readonly add?: NonNullable<Backend['add']>;
  declare readonly touch?: NonNullable<Backend['touch']>;
  declare readonly serverIds?: NonNullable<Backend['serverIds']>;
  declare readonly bus?: NonNullable<Backend['bus']>;
  readonly #backend: Backend;
  readonly #release: () => Promise<void>;
  #closing: Promise<void> | undefined;

  constructor(backend: Backend, release: () => Promise<void>) {
    this.name = backend.name;
    this.maxTextBytes = backend.maxTextBytes;
    this.#backend = backend;
    this.#release = release;
    const { lateByMs, loaded, add, touch, serverIds, bus } = backend;
    if (lateByMs !== undefined) this.lateByMs = lateByMs;
    if (loaded) this.loaded = loaded;
    if (add) this.add = async (...args) => add.apply(this.#open(), args);
    if (touch) this.touch = async (...args) => touch.apply(this.#open(), args);
    if (serverIds) this.serverIds = async () => serverIds.apply(this.#open());
    if (bus) this.bus = (channel) => bus.call(backend, channel);
  }

  get session(): number | undefined {
    return this.#backend.session;
  }

  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#open().getMany(keys);
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    return this.#open().set(key, text, ttlMs);
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    return this.#open().deleteMany(keys);
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#release());
  }

  #open(): Backend {
    if (this.#closing !== undefined) throw closedError();
    return this.#backend;
  }
}

function closedError(): BackendError {
  return new BackendError('unreachable', 'The store was closed by cache.close()');
}
