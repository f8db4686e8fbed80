/**
 * Connects to Redis, Valkey and what speaks like them: one server, a cluster, or whatever server the sentinels call the
 * master. Only this file knows @keyv/redis and the client under it.
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
import timers from 'node:timers';

import { type Backend, BackendError } from './backend.js';
import { exportedClass, reason, serverBackend } from './keyv.js';
import type { Connection, Line } from './link.js';
import type { HostPort } from './uri-parts.js';

// Taken from the module and at import: fake timers in a user's test do not stop them.
const { setTimeout, clearTimeout } = timers;

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

export type Library = typeof import('@keyv/redis');

/** Takes a tenth of a second, so it waits until somebody needs it. */
export const loadLibrary = (): Promise<Library> => import('@keyv/redis');

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

/** A connection that commands are sent over. */
export interface RedisConnection extends Connection {
  readonly raw: RawClient;
  readonly keyv: Backend;
  serverIds(): Promise<readonly string[]>;
  /** The number of subscribers that the message was sent to. */
  publish(channel: string, message: string): Promise<number>;
  /** Those with subscribers whose names fit. */
  channels(pattern: string): Promise<readonly string[]>;
  /** Both at one moment of the server. Absent on a cluster, whose keys and channels are on different servers. */
  deleteAndPublish?(keys: readonly string[], channel: string, message: string): Promise<number>;
}

/** Connects once, whatever the topology. */
export async function dial(library: Library, address: RedisAddress, line: Line): Promise<RedisConnection> {
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

/**
 * The library makes a class of all its commands, in some tens of milliseconds, for each client whose options are not, as
 * JSON, those of the client before; what they say of host and socket is nothing to the class. In an outage, in which
 * several connections are tried again and again, that would take a third of a processor from the process.
 */
function atHost(options: ClientOptions, { host, port }: HostPort): ClientOptions {
  const oneClass = { toJSON: () => 'cachette' };
  return { ...options, ...oneClass, socket: { ...options.socket, host, port } };
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
    publish: (channel, message) => client.publish(channel, message),
    channels: async (pattern) => (await send('PUBSUB', 'CHANNELS', pattern)) as string[],
    deleteAndPublish: async (keys, channel, message) => {
      const replies = await client
        .multi()
        .unlink([...keys])
        .publish(channel, message)
        .exec();
      return Number(replies[1]);
    },
  };
}

/** A subscription that stands. It ends with its line. */
export async function dialSubscriber(
  library: Library,
  address: RedisAddress,
  line: Line,
  { channels, receive }: { readonly channels: readonly string[]; readonly receive: (message: string) => void },
): Promise<Connection> {
  setMaxListeners(0, line.signal);
  const host = await subscribedHost(library, address, line, channels[0] as string);
  const client = library.createClient(atHost(clientOptions(address, line.signal), host));
  client.on('error', (error: unknown) => line.lost(error));
  await client.connect();
  closeWith(line.signal, client);
  if (address.topology === 'cluster') await client.sSubscribe([...channels], receive);
  else await client.subscribe([...channels], receive);
  return { health: () => (client.isReady ? 1 : 0) };
}

/** The channels of a cluster are spread over its masters as its keys are. */
function subscribedHost(library: Library, address: RedisAddress, line: Line, channel: string): Promise<HostPort> {
  if (address.topology === 'single') return Promise.resolve(address.hosts[0] as HostPort);
  if (address.topology === 'sentinel') return askSentinels(library, address, line);
  return firstAnswer(address.hosts, (host) => askForMaster(library, address, line, { host, channel }));
}

async function askForMaster(
  library: Library,
  address: RedisAddress,
  line: Line,
  { host, channel }: { readonly host: HostPort; readonly channel: string },
): Promise<HostPort> {
  const client = library.createClient(atHost(clientOptions(address, line.signal), host));
  client.on('error', ignore);
  await client.connect();
  closeWith(line.signal, client);
  try {
    const slot = await client.sendCommand<number>(['CLUSTER', 'KEYSLOT', channel]);
    const ranges = await client.sendCommand<[number, number, [string, number]][]>(['CLUSTER', 'SLOTS']);
    const range = ranges.find(([from, to]) => from <= slot && slot <= to);
    if (!range) throw new Error(`The cluster has no server for the slot ${slot}`);
    const [, , [name, port]] = range;
    // A node that does not know its own name says that it is where it was asked.
    return { host: name || host.host, port };
  } finally {
    destroy(client);
  }
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
  return firstAnswer(address.hosts, (sentinel) => askSentinel(library, address, line, sentinel));
}

async function firstAnswer(hosts: readonly HostPort[], ask: (host: HostPort) => Promise<HostPort>): Promise<HostPort> {
  try {
    return await Promise.any(hosts.map(ask));
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
    publish: (channel, message) => client.sPublish(channel, message),
    channels: (pattern) => clusterChannels(cluster, pattern),
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

/** Each server knows of its own. */
async function clusterChannels(cluster: Cluster, pattern: string): Promise<readonly string[]> {
  const channels = cluster.masters.map(async (master) => {
    const client = await cluster.nodeClient(master);
    return client.sendCommand<string[]>(['PUBSUB', 'SHARDCHANNELS', pattern]);
  });
  return [...new Set((await Promise.all(channels)).flat())];
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

/** Whether a replica answered, which takes no writes. */
export function isReadOnly({ message }: BackendError): boolean {
  return message.startsWith('READONLY ');
}

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
