/** Real Redis servers for tests: single, with or without a password, and with or without a memory of its data. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';

import { externalServer } from './external-server.js';
import { redisCommand, type RedisAddress } from './redis-command.js';
import { startServer, type ServerPlan, type ServerProcess, type TestServer } from './server-process.js';

export interface RedisOptions {
  readonly password?: string;
  /** Further redis-server arguments, such as `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[];
  readonly port?: number;
  /** `restart()` ends the server cleanly and it comes back with its data; after `kill()` with what SAVE wrote last. */
  readonly keepData?: boolean;
}

export interface RedisTestServer extends TestServer {
  /** One command as with redis-cli; elements of a list are lines. An error reply rejects with the server's message. */
  cli(...args: string[]): Promise<string>;
}

/**
 * A Redis of its own. Called without any options it is the server of `CACHETTE_TEST_REDIS_URL` where that is set:
 * a test that kills or freezes it passes options, if only `{}`.
 */
export async function startRedis(options?: RedisOptions): Promise<RedisTestServer> {
  const url = process.env['CACHETTE_TEST_REDIS_URL'];
  if (options === undefined && url) return externalRedis(url);
  return withCli(await startServer(redisPlan(options ?? {})), options?.password);
}

export function redisPlan(options: RedisOptions): ServerPlan {
  const { password, keepData = false } = options;
  return {
    name: 'redis-server',
    port: options.port,
    args: (port, directory) => redisArgs(port, directory, options),
    uri: (port) => `redis://${password === undefined ? '' : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    askPid: (port) => askRedisPid({ host: '127.0.0.1', port, password }),
    // A replica writes a dump to synchronise, even when it saves nothing by itself.
    beforeRestart: (directory) => void (keepData || rmSync(join(directory, 'dump.rdb'), { force: true })),
    restartSignal: keepData ? 'SIGTERM' : 'SIGKILL',
  };
}

export async function askRedisPid(address: RedisAddress): Promise<number> {
  const info = await redisCommand(address, ['INFO', 'server']);
  await redisCommand(address, ['PING']);
  return Number(/^process_id:(\d+)/m.exec(info)?.[1]);
}

export function withCli(server: ServerProcess, password?: string): RedisTestServer {
  const address = { host: server.host, port: server.port, password };
  return Object.assign(server, { cli: (...args: string[]) => redisCommand(address, args) });
}

function redisArgs(port: number, directory: string, { password, keepData, args = [] }: RedisOptions): string[] {
  const place = ['--bind', '127.0.0.1', '--port', `${port}`, '--dir', directory];
  const saving = ['--save', keepData ? '3600 1' : '', '--appendonly', 'no'];
  const login = password === undefined ? [] : ['--requirepass', password, '--masterauth', password];
  return [...place, ...saving, '--repl-diskless-sync-delay', '0', ...login, ...args];
}

async function externalRedis(url: string): Promise<RedisTestServer> {
  const { hostname, port, username, password } = new URL(url);
  const address = {
    host: hostname,
    port: Number(port || 6379),
    username: decodeURIComponent(username) || undefined,
    password: decodeURIComponent(password) || undefined,
  };
  await redisCommand(address, ['PING']);
  const server = externalServer({ uri: url, ...address, variable: 'CACHETTE_TEST_REDIS_URL' });
  return { ...server, cli: (...args) => redisCommand(address, args) };
}
