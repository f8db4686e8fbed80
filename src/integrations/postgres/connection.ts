/**
 * One connection to PostgreSQL that listens to a channel, from the first byte to its end. Only this file knows pg.
 *
 * The socket is made here: the client's own `end()` waits for a server that may be frozen, and does nothing while the client
 * still connects.
 */

import { Socket } from 'node:net';

import { CacheConfigError } from '../../base/errors.js';
import { later, withDeadline } from '../../policies/deadline.js';
import { identifier } from './identifier.js';

/** Where to listen. */
export interface ListenPlan {
  /** What pg takes. */
  readonly config: object;
  readonly channel: string;
  /** The longest that connecting may take, and the answer to a health check. */
  readonly deadlineMs: number;
  readonly healthCheckMs: number;
  /** Called for each notification. */
  readonly receive: (payload: string) => void;
  /** Ends it, whatever it is doing. */
  readonly signal: AbortSignal;
}

/** A connection on which LISTEN was acknowledged. */
export interface Listening {
  /** Resolves with the reason when the connection is of no use any more. Never rejects. */
  readonly lost: Promise<unknown>;
  /** Takes leave of the server, within a second. Never rejects. */
  close(): Promise<void>;
}

const leaveMs = 1_000;

type Library = typeof import('pg');
type Client = InstanceType<Library['Client']>;

/**
 * Connects, and resolves when the server has acknowledged LISTEN: what is committed from then on is notified.
 *
 * @throws CacheConfigError if pg is not installed
 */
export async function listen(plan: ListenPlan): Promise<Listening> {
  const { Client } = await loadLibrary();
  const { config, channel, deadlineMs, receive, signal } = plan;
  if (signal.aborted) throw new Error('It was closed');
  const socket = socketFor(config);
  const fixed = { fallback_application_name: 'cachette', keepAlive: true };
  const client = new Client({ ...fixed, ...config, stream: () => socket });
  const hangUp = (): void => void socket.destroy();
  signal.addEventListener('abort', hangUp, { once: true });
  const lost = lossOf(client, plan).then((cause) => {
    signal.removeEventListener('abort', hangUp);
    hangUp();
    return cause;
  });
  client.on('notification', ({ channel: from, payload = '' }) => {
    if (from === channel) receive(payload);
  });
  try {
    await withDeadline(begin(client, channel), deadlineMs);
  } catch (cause) {
    hangUp();
    throw cause;
  }
  return { lost, close: () => takeLeave(client).finally(hangUp) };
}

async function begin(client: Client, channel: string): Promise<void> {
  await client.connect();
  await client.query(`LISTEN ${identifier(channel)}`);
}

async function takeLeave(client: Client): Promise<void> {
  await withDeadline(client.end(), leaveMs).catch(() => undefined);
}

/**
 * A server that is frozen, and a connection that a firewall has forgotten, say nothing: they are asked now and then. For this alone
 * nothing keeps the process alive; the connection itself does.
 */
function lossOf(client: Client, { healthCheckMs, deadlineMs }: ListenPlan): Promise<unknown> {
  return new Promise((resolve) => {
    let cancel = (): void => {};
    const lose = (cause: unknown): void => {
      cancel();
      resolve(cause);
    };
    const ask = (): void => {
      withDeadline(client.query('SELECT 1'), deadlineMs).then(askLater, lose);
    };
    const askLater = (): void => {
      cancel = later(healthCheckMs, ask);
    };
    client.on('error', lose);
    client.on('end', () => lose(new Error('the server has closed the connection')));
    // Before it, the deadline of connecting watches.
    client.once('connect', askLater);
  });
}

/** A config may bring a socket of its own, as those for proxies of cloud databases do. */
function socketFor(config: object): Socket {
  const { stream } = config as { readonly stream?: unknown };
  return typeof stream === 'function' ? (stream as () => Socket)() : new Socket();
}

/** Not part of this package's dependencies: who listens to PostgreSQL uses pg anyway. */
async function loadLibrary(): Promise<Pick<Library, 'Client'>> {
  try {
    const library = await import('pg');
    // Where modules of CommonJS have a default export alone.
    return 'Client' in library ? library : (library as { readonly default: Library }).default;
  } catch (cause) {
    if (!/MODULE_NOT_FOUND$/.test(String((cause as NodeJS.ErrnoException).code))) throw cause;
    const complaint = { where: 'postgresChanges', what: 'needs the package pg, which is not installed' };
    throw new CacheConfigError({ ...complaint, instead: 'run: npm install pg' }, { cause });
  }
}

// ------------------------------------------------------------------------------------------------ failures

const mistakenCodes =
  /^(28...|3D000|25006|42...|ENOTFOUND|EPROTO|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN|UNABLE_TO_\w+|CERT_\w+|ERR_TLS_\w+|ERR_SSL_\w+)$/;

/** Whether waiting is of no use: a wrong password, no such database, a replica, which cannot LISTEN. */
export function isMistake(cause: unknown): boolean {
  const { code, message } = (cause ?? {}) as { readonly code?: unknown; readonly message?: unknown };
  return mistakenCodes.test(String(code)) || /^SASL|password must be|support SSL/.test(String(message));
}
