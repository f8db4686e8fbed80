/**
 * Redis, Valkey and what speaks like them: one server, a cluster, or whatever server the sentinels call the master.
 * Only this file knows @keyv/redis and the client under it.
 *
 * Why it is sure that an `add` is carried out at most once, as read in @redis/client 5.12:
 * - A command that was sent and not answered when the connection ends is rejected, never sent again
 *   (`flushWaitingForReply`); one that was not yet sent is rejected too, because `disableOfflineQueue` makes that
 *   `flushAll`. Without it the queue is sent after the reconnect.
 * - A cluster client sends a command again only after `MOVED` or `ASK`, with which a node says that it did not run it.
 * - A sentinel client does send it again: `RedisSentinel.execute` repeats up to 16 times a command whose connection
 *   ended before the answer came, holds commands back during a failover, and prints errors to the console. It is
 *   therefore not used: the sentinels are asked here, and the master gets a plain client.
 * The client's own reconnecting is off as well. {@link Link} replaces whole clients, which also recovers from what the
 * client cannot: a frozen server, an answer that is no RESP, a cluster whose failover nobody tells by `MOVED`.
 */

import { setMaxListeners } from 'node:events';

import { type Backend, BackendError } from './backend.js';
import { exportedClass, reason, serverBackend } from './keyv.js';
import { type Connection, type Line, Link } from './link.js';
import type { HostPort } from './uri-parts.js';

/** Where a Redis is and how to log in. */
export interface RedisAddress {
  /** For messages; no password in it. */
  readonly name: string;
  readonly topology: 'single' | 'cluster' | 'sentinel';
  /** The server; some nodes of the cluster; the sentinels. */
  readonly hosts: readonly HostPort[];
  /** What the sentinels call the master. */
  readonly masterName: string;
  readonly login: RedisLogin;
  /** Of the sentinels themselves. */
  readonly sentinelLogin: RedisLogin;
  readonly database: number;
  readonly clientName: string | undefined;
  readonly connectMs: number;
  readonly family: 4 | 6 | undefined;
  readonly tls: RedisTls | undefined;
}

/** Undefined where there is none. */
export interface RedisLogin {
  readonly username: string | undefined;
  readonly password: string | undefined;
}

/** As for Node's `tls.connect`. */
export interface RedisTls {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
  readonly servername?: string | undefined;
  readonly rejectUnauthorized?: boolean | undefined;
}

/** A Redis has all that a backend can have. */
export type RedisBackend = Required<Backend>;

/** Longer than any deadline, shorter than what TCP needs to find out: a connection without a reply is replaced. */
const stallMs = 5_000;
/** A server that is a replica for good is asked again this seldom whether it still is. */
const renewAfterMs = 10_000;
const largestTextBytes = 512 * 1_048_576;

type Library = typeof import('@keyv/redis');

/** The few commands of the client that Keyv has no word for; of a cluster too. */
interface RawClient {
  set(
    key: string,
    text: string,
    options: { condition: 'NX'; expiration?: { type: 'PX'; value: number } },
  ): Promise<unknown>;
  pExpire(key: string, ms: number): Promise<number>;
  persist(key: string): Promise<number>;
  exists(key: string): Promise<number>;
}

interface RedisConnection extends Connection {
  readonly raw: RawClient;
  readonly keyv: Backend;
  serverIds(): Promise<readonly string[]>;
}

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
    this.loaded = import('@keyv/redis');
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

  async close(): Promise<void> {
    this.#link.close();
  }

  async #run<T>(command: (connection: RedisConnection) => Promise<T>): Promise<T> {
    try {
      return await this.#link.use(command);
    } catch (error) {
      const failure = redisFailure(error, this.#address);
      // A failover behind one host name leaves us at the old master, which is a replica now; the name has moved on.
      if (replica.test(failure.message)) this.#link.renew();
      throw failure;
    }
  }
}

function expiration(ttlMs: number): { expiration?: { type: 'PX'; value: number } } {
  return ttlMs === Infinity ? {} : { expiration: { type: 'PX', value: ttlMs } };
}

// ---------------------------------------------------------------------------------------------- connecting

async function dial(library: Library, address: RedisAddress, line: Line): Promise<RedisConnection> {
  // Every socket of a cluster listens to it.
  setMaxListeners(0, line.signal);
  if (address.topology === 'cluster') return dialCluster(library, address, line);
  if (address.topology === 'single') return dialServer(library, address, line, address.hosts[0] as HostPort);
  return dialMaster(library, address, line);
}

type ClientOptions = NonNullable<Parameters<Library['createClient']>[0]>;

/**
 * `signal` closes the socket in every phase; the client's own `destroy` does not, while it connects: the socket comes
 * up afterwards and keeps the process alive.
 */
function clientOptions(address: RedisAddress, signal: AbortSignal, login = address.login): ClientOptions {
  const { connectMs, family, tls } = address;
  const socket = {
    signal,
    reconnectStrategy: false,
    connectTimeout: connectMs,
    ...(family && { family }),
    ...(tls && { tls: true, ...tls }),
  };
  return { ...defined({ ...login }), disableOfflineQueue: true, socket } as ClientOptions;
}

function atHost(options: ClientOptions, { host, port }: HostPort): ClientOptions {
  return { ...options, socket: { ...options.socket, host, port } };
}

async function dialServer(
  library: Library,
  address: RedisAddress,
  line: Line,
  host: HostPort,
): Promise<RedisConnection> {
  const named = defined({ name: address.clientName }) as ClientOptions;
  const options: ClientOptions = { ...clientOptions(address, line.signal), database: address.database, ...named };
  const client = library.createClient(atHost(options, host));
  // Also for an answer that is no RESP, after which replies and commands would no longer belong together.
  client.on('error', (error: unknown) => line.lost(error));
  await client.connect();
  closeWith(line.signal, client);
  const send = (...args: string[]): Promise<unknown> => client.sendCommand(args);
  if (address.topology === 'sentinel') checkRole(await send('ROLE'));
  // One command: in a transaction, as the adapter has it, a server that is out of memory refuses even to delete.
  const deleteMany = async (keys: string[]): Promise<boolean> => (await client.unlink(keys)) > 0;
  const adapter = Object.assign(new (adapterClass(library))(client, adapterOptions), { deleteMany });
  return {
    raw: client as unknown as RawClient,
    keyv: await overKeyv(adapter, address),
    serverIds: async () => [runId(await send('INFO', 'server'))],
    health: () => (client.isReady ? 1 : 0),
  };
}

async function dialMaster(library: Library, address: RedisAddress, line: Line): Promise<RedisConnection> {
  const host = await askSentinels(library, address, line);
  const connection = await dialServer(library, address, line, host);
  for (const sentinel of address.hosts) watchSentinel(library, address, line, sentinel).catch(ignore);
  return connection;
}

/** A sentinel that has slept through a failover names the old master. */
function checkRole(role: unknown): void {
  const name = String((role as unknown[])[0]);
  if (name !== 'master') throw new Error(`The sentinels name a server that is a ${name}`);
}

/**
 * Hears of a failover while the old master still answers here, cut off from the others, or says nothing. If a sentinel
 * ends, others are left; without any, the end of the connection to the master tells.
 */
async function watchSentinel(library: Library, address: RedisAddress, line: Line, sentinel: HostPort): Promise<void> {
  const client = await toSentinel(library, address, line, sentinel);
  await client.subscribe('+switch-master', (message) => {
    if (message.startsWith(`${address.masterName} `))
      line.lost(new Error(`The sentinels switched the master: ${message}`));
  });
}

/** All are asked at once, as one that does not answer would hold up the others. The first answer counts. */
async function askSentinels(library: Library, address: RedisAddress, line: Line): Promise<HostPort> {
  try {
    return await Promise.any(address.hosts.map((sentinel) => askSentinel(library, address, line, sentinel)));
  } catch (error) {
    const { errors } = error as AggregateError;
    throw errors.find((each) => each instanceof UnknownMaster) ?? errors[0];
  }
}

async function askSentinel(library: Library, address: RedisAddress, line: Line, sentinel: HostPort): Promise<HostPort> {
  const client = await toSentinel(library, address, line, sentinel);
  try {
    const reply = await client.sendCommand<[string, string] | null>([
      'SENTINEL',
      'GET-MASTER-ADDR-BY-NAME',
      address.masterName,
    ]);
    if (reply === null) throw new UnknownMaster(address.masterName);
    return { host: reply[0], port: Number(reply[1]) };
  } finally {
    destroy(client);
  }
}

async function toSentinel(library: Library, address: RedisAddress, line: Line, sentinel: HostPort) {
  const client = library.createClient(atHost(clientOptions(address, line.signal, address.sentinelLogin), sentinel));
  client.on('error', ignore);
  await client.connect();
  closeWith(line.signal, client);
  return client;
}

function ignore(): void {}

class UnknownMaster extends Error {
  constructor(name: string) {
    super(
      `The sentinels know no master '${name}': write its name behind the hosts, as in redis+sentinel://host:26379/mymaster`,
    );
  }
}

async function dialCluster(library: Library, address: RedisAddress, line: Line): Promise<RedisConnection> {
  // The nodes are asked one after the other; each has a share of the time, or one that is silent would take all of it.
  const shareMs = Math.ceil(address.connectMs / (address.hosts.length + 1));
  const limits = { connectTimeout: shareMs, socketTimeout: shareMs };
  const rootNodes = address.hosts.map((host) => ({ socket: { ...host, ...limits } }));
  const defaults = clientOptions(address, line.signal);
  const client = library.createCluster({ rootNodes: rootNodes, defaults, minimizeConnections: true });
  const cluster = client as unknown as Cluster;
  let lastError: unknown;
  let isUp = false;
  const onError = (error: unknown): void => {
    lastError = error;
    if (isUp) line.damaged();
  };
  client.on('error', onError).on('node-error', onError);
  client.on('node-ready', () => {
    if (isUp) line.renewed();
  });
  try {
    // Before the first batch: KeyvRedis.getMany on a cluster that is not connected fails on its empty slot table.
    await client.connect();
    await connectMasters(cluster, shareMs);
  } catch (error) {
    throw lastError ?? error;
  }
  isUp = true;
  closeWith(line.signal, client);
  const health = (): number => shareOfSlots(cluster);
  if (health() < 1) line.damaged();
  return {
    health,
    raw: client as unknown as RawClient,
    keyv: await overKeyv(clusterAdapter(library, client), address),
    serverIds: () => clusterIds(cluster),
  };
}

/** A master that cannot be reached must not keep the others from being used; without any there is no cluster. */
async function connectMasters(cluster: Cluster, limitMs: number): Promise<void> {
  const connecting = cluster.masters.map((master) => cluster.nodeClient(master));
  const all = Promise.allSettled(connecting);
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, limitMs).unref()));
  await Promise.race([all, late]).finally(() => clearTimeout(timer));
  if (shareOfSlots(cluster) === 0) throw new Error('No master of the cluster can be reached');
}

/** The client's own generics do not admit the client that they describe. */
type Cluster = Pick<ReturnType<Library['createCluster']>, 'masters' | 'slots' | 'nodeClient'>;

/** How many of the slots are at a master that can take commands. */
function shareOfSlots({ slots }: Cluster): number {
  let served = 0;
  for (const slot of slots) if (slot?.master.client?.isReady) served += 1;
  return served / slots.length;
}

async function clusterIds(cluster: Cluster): Promise<readonly string[]> {
  const ids = cluster.masters.map(async (master) => {
    const client = await cluster.nodeClient(master);
    return runId(await client.sendCommand(['INFO', 'server']));
  });
  return (await Promise.all(ids)).sort();
}

function runId(info: unknown): string {
  return /^run_id:(\w+)/m.exec(String(info))?.[1] ?? '';
}

/** Ends the client's books as well, which the end of its sockets does not. */
function closeWith(signal: AbortSignal, client: { readonly isOpen: boolean; destroy(): unknown }): void {
  signal.addEventListener('abort', () => destroy(client), { once: true });
}

/** A cluster throws when one of its nodes has gone before. */
function destroy(client: { readonly isOpen: boolean; destroy(): unknown }): void {
  try {
    if (client.isOpen) client.destroy();
  } catch {
    // The signal has closed its sockets.
  }
}

/** The library has no other export of it than the default, which is not in one place for all that import it. */
function adapterClass(library: Library): Library['default'] {
  return exportedClass(library, 'KeyvRedis') as Library['default'];
}

const adapterOptions = { throwOnErrors: true, throwOnConnectError: true };

/**
 * KeyvRedis sends the batches of a cluster straight to the nodes, past the redirections: after a slot has moved, every
 * batch would fail until another command notices. Single commands of one tick still travel together to each node.
 */
function clusterAdapter(library: Library, cluster: object): InstanceType<Library['default']> {
  class ClusterAdapter extends adapterClass(library)<unknown> {
    override getMany<T>(keys: string[]): Promise<(T | undefined)[]> {
      return Promise.all(keys.map((key) => this.get<T>(key)));
    }

    override async deleteMany(keys: string[]): Promise<boolean> {
      return (await Promise.all(keys.map((key) => this.delete(key)))).includes(true);
    }
  }
  return new ClusterAdapter(cluster, adapterOptions);
}

function overKeyv(store: object, address: RedisAddress): Promise<Backend> {
  return serverBackend(store, { name: address.name, failure: (error) => redisFailure(error, address) });
}

function defined<T extends object>(options: T): Partial<T> {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as Partial<T>;
}

// ------------------------------------------------------------------------------------------------ failures

const misconfiguredReplies =
  /^(WRONGPASS|NOAUTH|NOPERM|MOVED|ASK|CROSSSLOT|ERR (invalid password|AUTH |Client sent AUTH|DB index|invalid DB index|This instance has cluster support disabled|unknown command))/i;
const misconfiguredCodes =
  /^(ENOTFOUND|EAI_AGAIN|EPROTO|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|ERR_SSL_\w+|ERR_OSSL_\w+)$/;

/** An error reply begins with a word in capitals; the classes of two copies of the client do not recognise each other. */
const reply = /^[A-Z]{2,}( |$)/;
const replica = /^READONLY /;

/** How an error of the client, of its socket or of the server is a failure. */
export function redisFailure(error: unknown, address: Pick<RedisAddress, 'hosts' | 'tls'>): BackendError {
  if (error instanceof BackendError) return error;
  const cause = firstReply(error);
  const message = reason(cause);
  if (/^(MOVED|ASK) /.test(message)) return new BackendError('misconfigured', clusterNode(address), { cause });
  return new BackendError(kindOf(cause, message), message + hint(message, address), { cause });
}

function kindOf(error: unknown, message: string): BackendError['failure'] {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (error instanceof UnknownMaster || misconfiguredReplies.test(message) || misconfiguredCodes.test(code))
    return 'misconfigured';
  return code === '' && reply.test(message) ? 'refused' : 'unreachable';
}

/** A transaction fails with all its replies in one error; several addresses of one host with all their errors. */
function firstReply(error: unknown): unknown {
  const { replies, errorIndexes, errors } = (error ?? {}) as {
    replies?: unknown[];
    errorIndexes?: number[];
    errors?: unknown;
  };
  if (replies !== undefined && errorIndexes?.[0] !== undefined) return replies[errorIndexes[0]];
  return Array.isArray(errors) && errors.length > 0 ? errors[0] : error;
}

function clusterNode({ hosts }: Pick<RedisAddress, 'hosts'>): string {
  const nodes = hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  return `the server is a node of a cluster: write redis+cluster://${nodes}`;
}

function hint(message: string, { tls }: Pick<RedisAddress, 'tls'>): string {
  if (tls && /^No connection within/.test(message)) return ': does the server speak TLS there?';
  if (/cluster support disabled/.test(message)) return ': write redis:// instead of redis+cluster://';
  if (/wrong version number|packet length too long/i.test(message))
    return ': the server speaks no TLS there; write redis:// instead of rediss://';
  return '';
}
