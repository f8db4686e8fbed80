import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from 'pg';

import { runChild } from './child.js';
import * as ports from './ports.js';
import type { ServerProcess } from './server-process.js';
import {
  freePort,
  startMemcached,
  startPostgres,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  until,
  type MemcachedTestServer,
  type PostgresTestServer,
  type RedisTestServer,
  type TestServer,
} from './servers.js';

const open = new Set<{ stop(): Promise<void> }>();

async function track<S extends { stop(): Promise<void> }>(starting: Promise<S>): Promise<S> {
  const server = await starting;
  open.add(server);
  return server;
}

function isAlive(pid: number | undefined): boolean {
  try {
    return pid !== undefined && process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** A frozen server is still connected to by the system. The pid tells less: nobody may have collected it yet. */
function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function within(ms: number, promise: Promise<unknown>): Promise<unknown> {
  return Promise.race([promise, sleep(ms, 'no answer')]);
}

const kinds: readonly [string, (port?: number) => Promise<TestServer>, (server: TestServer) => Promise<unknown>][] = [
  ['Redis', (port) => startRedis(withPort(port)), (server) => (server as RedisTestServer).cli('PING')],
  [
    'memcached',
    (port) => startMemcached(withPort(port)),
    (server) => (server as MemcachedTestServer).command('version'),
  ],
  [
    'PostgreSQL',
    (port) => startPostgres(withPort(port)),
    async (server) => (await (server as PostgresTestServer).sql("SELECT 'PONG' AS reply"))[0]?.['reply'],
  ],
];

function withPort(port: number | undefined): { port?: number } {
  return port === undefined ? {} : { port };
}

afterEach(async () => {
  jest.restoreAllMocks();
  delete process.env['CACHETTE_TEST_REDIS_URL'];
  delete process.env['CACHETTE_TEST_MEMCACHED_URL'];
  await Promise.all([...open].map((server) => server.stop()));
  open.clear();
});

describe.each(kinds)('a %s server', (_name, start, ping) => {
  it('answers when its start resolves', async () => {
    const server = await track(start());
    expect(await ping(server)).toMatch(/^(PONG|VERSION)/);
    expect(server).toMatchObject({ host: '127.0.0.1', uri: expect.stringContaining(`127.0.0.1:${server.port}`) });
  });

  it('is gone after kill and back on the same port after restart', async () => {
    const server = await track(start());
    const first = server.pid;
    await server.kill();
    expect([isAlive(first), server.pid]).toEqual([false, undefined]);
    await expect(ping(server)).rejects.toThrow('ECONNREFUSED');
    await server.restart();
    expect(server.pid).not.toBe(first);
    await expect(ping(server)).resolves.toBeTruthy();
  });

  it('restarts while it runs, also while it is frozen', async () => {
    const server = await track(start());
    const first = server.pid;
    server.freeze();
    await server.restart();
    expect(isAlive(first)).toBe(false);
    await expect(ping(server)).resolves.toBeTruthy();
  });

  it('accepts connections but does not answer while frozen, and answers after thaw', async () => {
    const server = await track(start());
    server.freeze();
    const answer = ping(server);
    expect(await within(150, answer)).toBe('no answer');
    server.thaw();
    expect(await answer).toMatch(/^(PONG|VERSION)/);
  });

  it('is ended by stop even when frozen, leaves no files, and stays stopped', async () => {
    const server = await track(start());
    const { pid, directory } = server as ServerProcess;
    expect(existsSync(directory)).toBe(true);
    server.freeze();
    await server.stop();
    await server.stop();
    expect([isAlive(pid), existsSync(directory)]).toEqual([false, false]);
    await expect(server.restart()).rejects.toThrow('stopped for good');
  });

  it('cannot be frozen when it is dead', async () => {
    const server = await track(start());
    await server.kill();
    expect(() => server.freeze()).toThrow('is not running');
  });

  it('does not pass off a stranger on its port as itself', async () => {
    const stranger = await track(start());
    await expect(start(stranger.port)).rejects.toThrow(/already in use/i);
  });

  it('takes another port when the one it found is taken before it binds', async () => {
    const stranger = await track(start());
    jest.spyOn(ports, 'freePort').mockResolvedValueOnce(stranger.port);
    const server = await track(start());
    expect(server.port).not.toBe(stranger.port);
  });

  it('serves on the port that is asked for', async () => {
    const port = await freePort();
    expect((await track(start(port))).port).toBe(port);
  });
});

describe('Redis', () => {
  it('is empty after a restart', async () => {
    const redis = await track(startRedis({}));
    await redis.cli('SET', 'key', 'value');
    expect(await redis.cli('GET', 'key')).toBe('value');
    await redis.restart();
    expect(await redis.cli('GET', 'key')).toBe('');
  });

  it('keeps its data over a restart where keepData asks for it', async () => {
    const redis = await track(startRedis({ keepData: true }));
    await redis.cli('SET', 'key', 'value');
    await redis.restart();
    expect(await redis.cli('GET', 'key')).toBe('value');
  });

  it('comes back from a kill with what was saved last where keepData asks for it', async () => {
    const redis = await track(startRedis({ keepData: true }));
    await redis.cli('SET', 'saved', '1');
    await redis.cli('SAVE');
    await redis.cli('SET', 'unsaved', '1');
    await redis.kill();
    await redis.restart();
    expect(await redis.cli('KEYS', '*')).toBe('saved');
  });

  it('asks for the password that it was started with', async () => {
    const redis = await track(startRedis({ password: 'p@ss:word' }));
    expect(new URL(redis.uri).password).toBe('p%40ss%3Aword');
    expect(await redis.cli('PING')).toBe('PONG');
    process.env['CACHETTE_TEST_REDIS_URL'] = `redis://127.0.0.1:${redis.port}`;
    await expect(startRedis()).rejects.toThrow('NOAUTH');
  });

  it('takes further arguments', async () => {
    const redis = await track(startRedis({ args: ['--maxmemory', '7mb'] }));
    expect(await redis.cli('CONFIG', 'GET', 'maxmemory')).toBe('maxmemory\n7340032');
  });

  it('fails with the words of the server when its arguments are wrong', async () => {
    await expect(startRedis({ args: ['--no-such-thing', '1'] })).rejects.toThrow('no-such-thing');
  });

  it('replies as redis-cli prints to a pipe, and rejects with an error reply', async () => {
    const redis = await track(startRedis({}));
    await redis.cli('SET', 'umlaut', 'grün 🎈\r\n');
    expect(await redis.cli('GET', 'umlaut')).toBe('grün 🎈\r\n');
    expect(await redis.cli('INCR', 'counter')).toBe('1');
    await redis.cli('RPUSH', 'list', 'a', 'b');
    expect(await redis.cli('LRANGE', 'list', '0', '-1')).toBe('a\nb');
    await expect(redis.cli('INCR', 'list')).rejects.toThrow('WRONGTYPE');
  });
});

describe('memcached', () => {
  it('is empty after a restart', async () => {
    const memcached = await track(startMemcached({}));
    expect(await memcached.command('set key 0 0 5\r\nvalue')).toBe('STORED');
    expect(await memcached.command('get key')).toBe('VALUE key 0 5\r\nvalue\r\nEND');
    await memcached.restart();
    expect(await memcached.command('get key')).toBe('END');
  });

  it('tells its statistics and obeys its memory limit', async () => {
    const memcached = await track(startMemcached({ memoryMb: 9 }));
    expect(await memcached.stats()).toMatchObject({ pid: `${memcached.pid}`, limit_maxbytes: `${9 * 2 ** 20}` });
  });

  it('rejects with an error reply', async () => {
    const memcached = await track(startMemcached({}));
    await expect(memcached.command('nonsense')).rejects.toThrow('ERROR');
    await expect(memcached.command(`set key 0 0 ${2 ** 21}\r\n${'x'.repeat(2 ** 21)}`)).rejects.toThrow('too large');
  });
});

describe('PostgreSQL', () => {
  it('keeps its data over a restart and after a kill', async () => {
    const postgres = await track(startPostgres());
    await postgres.sql('CREATE TABLE cities (id int); INSERT INTO cities VALUES (1)');
    await postgres.restart();
    await postgres.sql('INSERT INTO cities VALUES (2)');
    await postgres.kill();
    await postgres.restart();
    expect(await postgres.sql('SELECT id FROM cities ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
  });

  it('asks for the password that it was started with', async () => {
    const postgres = await track(startPostgres({ password: 'p@ss:word' }));
    expect(await postgres.sql('SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const client = new Client({ host: postgres.host, port: postgres.port, user: 'postgres', password: 'wrong' });
    await expect(client.connect()).rejects.toThrow('password authentication failed');
  });

  it('takes its children with it, also those that are frozen', async () => {
    const postgres = await track(startPostgres());
    const children = spawnSync('pgrep', ['-P', `${postgres.pid}`], { encoding: 'utf8' })
      .stdout.trim()
      .split('\n');
    expect(children.length).toBeGreaterThan(2);
    postgres.freeze();
    await postgres.kill();
    await until('They are gone', () => !children.some((pid) => isAlive(Number(pid))));
  });
});

describe('a server that the environment names', () => {
  it('is what startRedis without options returns, and cannot be controlled', async () => {
    const own = await track(startRedis({ password: 'secret' }));
    process.env['CACHETTE_TEST_REDIS_URL'] = own.uri;
    const redis = await startRedis();
    await redis.cli('SET', 'key', 'value');
    expect([redis.uri, redis.pid, await own.cli('GET', 'key')]).toEqual([own.uri, undefined, 'value']);
    await expect(redis.kill()).rejects.toThrow('CACHETTE_TEST_REDIS_URL is not ours to control');
    await expect(redis.restart()).rejects.toThrow('Pass options');
    expect(() => redis.freeze()).toThrow('not ours to control');
    await redis.stop();
    expect(await own.cli('PING')).toBe('PONG');
  });

  it('is what startMemcached without options returns', async () => {
    const own = await track(startMemcached({}));
    process.env['CACHETTE_TEST_MEMCACHED_URL'] = own.uri;
    const memcached = await startMemcached();
    expect((await memcached.stats())['pid']).toBe(`${own.pid}`);
    await expect(memcached.kill()).rejects.toThrow('CACHETTE_TEST_MEMCACHED_URL is not ours to control');
  });

  it('is not what a test with options gets', async () => {
    process.env['CACHETTE_TEST_REDIS_URL'] = 'redis://127.0.0.1:1';
    await expect(track(startRedis({}))).resolves.toHaveProperty('pid', expect.any(Number));
  });
});

describe('a Redis cluster', () => {
  it('spreads keys over three masters and survives the restart of one', async () => {
    const cluster = await track(startRedisCluster());
    expect(cluster.uri).toBe(`redis+cluster://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`);
    const replies = await Promise.all(cluster.nodes.map((node) => node.cli('SET', 'key', 'value').catch(String)));
    expect(replies.filter((reply) => reply === 'OK')).toHaveLength(1);
    expect(replies.filter((reply) => reply.includes('MOVED'))).toHaveLength(2);
    await cluster.nodes[0]?.restart();
    await until('The cluster is ok again', async () =>
      ((await cluster.nodes[0]?.cli('CLUSTER', 'INFO')) ?? '').includes('cluster_state:ok'),
    );
  }, 30_000);
});

describe('a Redis with sentinels', () => {
  it('promotes the replica when the master is killed', async () => {
    const group = await track(startRedisSentinel());
    expect(group.uri).toBe(
      `redis+sentinel://${group.sentinels.map(({ port }) => `127.0.0.1:${port}`).join(',')}/mymaster`,
    );
    await group.master.cli('SET', 'key', 'value');
    await group.master.cli('WAIT', '1', '1000');
    await group.master.kill();
    await until('The replica is the master', async () => (await group.replica.cli('ROLE')).startsWith('master'));
    expect(await group.replica.cli('GET', 'key')).toBe('value');
  }, 30_000);
});

describe('the death of a test process', () => {
  it.each(['exit', 'throw', 'SIGKILL'])(
    'by %s leaves no server and no file behind',
    async (how) => {
      type Started = { readonly ports: number[]; readonly directories: string[] };
      const child = runChild<Started>('__tests__/support/leaves-servers.child.ts');
      const { ports: taken, directories } = await child.next();
      expect(await Promise.all(taken.map(isListening))).toEqual([true, true, true]);
      expect(directories.map((directory) => existsSync(directory))).toEqual([true, true, true]);
      if (how === 'SIGKILL') await child.kill();
      else child.send(how);
      await child.done;
      await until('The servers are gone', async () => !(await Promise.all(taken.map(isListening))).some(Boolean));
      await until('Their files are gone', () => !directories.some((directory) => existsSync(directory)));
    },
    60_000,
  );
});
