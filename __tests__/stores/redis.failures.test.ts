import { setImmediate as turn, setTimeout as sleep } from 'node:timers/promises';

import { redisFailure } from '../../src/stores/redis-connect.js';
import {
  freePort,
  startFaultyServer,
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  until,
  type Fault,
  type RedisTestCluster,
  type RedisTestServer,
} from '../support/servers.js';
import { closeOpened, open, timed, within } from './open.js';
import { startProxy, startScriptedRedis } from './scripted-server.js';

jest.setTimeout(60_000);
afterEach(closeOpened);

/** Without waiting for anything outside of this process, whatever time that takes here. */
function atOnce(command: Promise<unknown>): Promise<unknown> {
  return Promise.race([timed(command), turn('pending')]);
}

describe('a server that goes away', () => {
  let server: RedisTestServer;
  beforeAll(async () => void (server = await startRedis({})));
  afterAll(() => server.stop());
  const works = async (backend: ReturnType<typeof open>): Promise<boolean> =>
    (await backend.getMany(['k'])).length === 1;

  test('commands before the first connection wait for it', async () => {
    const backend = open(server.uri);
    await expect(Promise.all([backend.set('k', 'v', 60_000), backend.getMany(['x'])])).resolves.toEqual([
      undefined,
      [undefined],
    ]);
  });

  test('never up: commands reject at once, and the first one after it came up works', async () => {
    const port = await freePort();
    const backend = open(`redis://127.0.0.1:${port}`);
    const first = await timed(backend.getMany(['k']));
    expect(first).toMatchObject({ failure: 'unreachable', message: expect.stringContaining('ECONNREFUSED') });
    await expect(atOnce(backend.set('k', 'v', 60_000))).resolves.toMatchObject({ failure: 'unreachable' });
    const late = await startRedis({ port });
    await until('The backend has found the server', () => works(backend));
    await late.stop();
  });

  test('killed: what waits is rejected, later commands reject at once, nothing is kept for later, a restart heals', async () => {
    const proxy = await startProxy(server.port);
    const cut = open(`redis://127.0.0.1:${proxy.port}`);
    const backend = open(server.uri);
    await Promise.all([backend.set('k', 'v', 60_000), cut.set('k', 'v', 60_000)]);
    proxy.swallow();
    const waiting = timed(cut.set('waiting', 'v', 60_000));
    await sleep(50);
    await Promise.all([server.kill(), proxy.stop()]);
    expect((await waiting).failure).toBe('unreachable');
    await timed(backend.getMany(['k']));
    await expect(atOnce(backend.set('offline', 'v', 60_000))).resolves.toMatchObject({ failure: 'unreachable' });
    await server.restart();
    await until('The backend works again', () => works(backend));
    await expect(backend.getMany(['waiting', 'offline', 'k'])).resolves.toEqual([undefined, undefined, undefined]);
  });

  test('frozen: commands wait, as nobody bounds them here, and are answered after it thaws', async () => {
    const backend = open(server.uri);
    await backend.set('k', 'v', 60_000);
    server.freeze();
    // Whatever it was at when the signal came, it finishes first.
    await sleep(50);
    const reading = backend.getMany(['k']);
    await expect(within(300, reading)).resolves.toBe('pending');
    server.thaw();
    await expect(reading).resolves.toEqual(['v']);
  });

  test('a connection that nothing comes through any more is replaced', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`redis://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    proxy.swallow();
    const lost = timed(backend.getMany(['k']));
    await sleep(5_100);
    await within(250, timed(backend.getMany(['k'])));
    await until('The backend has a new connection', async () => (await within(250, works(backend))) === true);
    expect(proxy.connections()).toBe(2);
    expect((await lost).failure).toBe('unreachable');
    await proxy.stop();
  });

  test('a connection that is cut while idle is made anew before anybody asks', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`redis://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    await sleep(1_100);
    proxy.cut();
    await until('The proxy has a second connection', () => proxy.connections() === 2);
    await until('The backend works again', () => works(backend));
    await proxy.stop();
  });

  test('after close nothing comes back', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`redis://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    await backend.close();
    await expect(timed(backend.getMany(['k']))).resolves.toMatchObject({ failure: 'unreachable' });
    await sleep(300);
    expect(proxy.connections()).toBe(1);
    await proxy.stop();
  });

  test('close ends what is still connecting, and what waits', async () => {
    const silent = await startFaultyServer('silent');
    const backend = open(`redis://127.0.0.1:${silent.port}`);
    const waiting = timed(backend.getMany(['k']));
    await sleep(200);
    await backend.close();
    expect(await waiting).toMatchObject({ failure: 'unreachable' });
    await silent.stop();
  });
});

describe('a session', () => {
  test('grows with every reconnect, and the ids tell whether the server is another one', async () => {
    const server = await startRedis({});
    const proxy = await startProxy(server.port);
    const backend = open(`redis://127.0.0.1:${proxy.port}`);
    expect(backend.session).toBe(0);
    const before = await backend.serverIds?.();
    expect(backend.session).toBe(1);
    expect(before).toEqual([expect.stringMatching(/^\w{40}$/)]);
    proxy.cut();
    await until('It has connected again', () => (backend.session ?? 0) > 1);
    await expect(backend.serverIds?.()).resolves.toEqual(before);
    await server.restart();
    await until('It has connected again', () => (backend.session ?? 0) > 2);
    const after = await backend.serverIds?.();
    expect(after).toHaveLength(1);
    expect(after).not.toEqual(before);
    await Promise.all([proxy.stop(), server.stop()]);
  });
});

describe('an add', () => {
  test('whose connection ends before the answer is sent once', async () => {
    const server = await startScriptedRedis(([name], socket) => {
      if (name !== 'SET') return '+OK\r\n';
      socket.destroy();
      return undefined;
    });
    const backend = open(`redis://127.0.0.1:${server.port}`);
    const adding = timed(backend.add?.('g', 'token', 60_000) ?? Promise.resolve());
    expect((await adding).failure).toBe('unreachable');
    await until('The backend has connected again', () => server.connections() >= 2);
    await sleep(200);
    expect(server.commands.filter(([name]) => name === 'SET')).toEqual([['SET', 'g', 'token', 'PX', '60000', 'NX']]);
    await server.stop();
  });

  test('without an end has no expiry', async () => {
    const server = await startScriptedRedis(() => '+OK\r\n');
    await open(`redis://127.0.0.1:${server.port}`).add?.('g', 'token', Infinity);
    expect(server.commands.filter(([name]) => name === 'SET')).toEqual([['SET', 'g', 'token', 'NX']]);
    await server.stop();
  });
});

describe('a server that will not', () => {
  test('wrong password is a misconfiguration, and the password is nowhere in it', async () => {
    const server = await startRedis({ password: 'right' });
    const backend = open(`redis://:wr%2Fong@127.0.0.1:${server.port}`);
    const error: unknown = await backend.getMany(['k']).catch((caught: unknown) => caught);
    expect(error).toMatchObject({ failure: 'misconfigured', message: expect.stringContaining('WRONGPASS') });
    const { inspect } = await import('node:util');
    expect(inspect(error, { depth: 9, showHidden: true }) + backend.name).not.toMatch(/wr(\/|%2F)ong/);
    const none = await timed(open(`redis://127.0.0.1:${server.port}`).getMany(['k']));
    expect(none).toMatchObject({ failure: 'misconfigured', message: expect.stringContaining('NOAUTH') });
    await server.stop();
  });

  test('a user without rights is a misconfiguration', async () => {
    const server = await startRedis({});
    await server.cli('ACL', 'SETUSER', 'bob', 'on', '>pw', '+@connection', '-@all');
    await expect(timed(open(`redis://bob:pw@127.0.0.1:${server.port}`).getMany(['k']))).resolves.toMatchObject({
      failure: 'misconfigured',
    });
    await server.stop();
  });

  test('unknown host and database are misconfigurations', async () => {
    await expect(timed(open('redis://no-such-host.invalid').getMany(['k']))).resolves.toMatchObject({
      failure: 'misconfigured',
    });
    const server = await startRedis({});
    await expect(timed(open(`${server.uri}/99`).getMany(['k']))).resolves.toMatchObject({
      failure: 'misconfigured',
      message: expect.stringContaining('DB index'),
    });
    await server.stop();
  });

  test('read-only and out of memory are refusals, for every command that writes', async () => {
    const server = await startRedis({});
    const backend = open(server.uri);
    await backend.set('k', 'v', 60_000);
    await server.cli('CONFIG', 'SET', 'maxmemory', '1');
    expect(await timed(backend.set('k', 'w', 60_000))).toMatchObject({
      failure: 'refused',
      message: expect.stringContaining('OOM'),
    });
    expect(await timed(backend.add?.('n', 'v', 60_000) ?? Promise.resolve())).toMatchObject({ failure: 'refused' });
    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
    await server.cli('REPLICAOF', '127.0.0.1', '1');
    expect(await timed(backend.deleteMany(['k', 'l']))).toMatchObject({
      failure: 'refused',
      message: expect.stringContaining('READONLY'),
    });
    expect(await timed(backend.set('k', 'w', 60_000))).toMatchObject({ failure: 'refused' });
    expect(await timed(backend.touch?.('k', 60_000) ?? Promise.resolve())).toMatchObject({ failure: 'refused' });
    await expect(backend.getMany(['k'])).resolves.toEqual(['v']);
    await server.stop();
  });

  test('a key of another type is absent to a read and refused to nothing', async () => {
    const server = await startRedis({});
    const backend = open(server.uri);
    await server.cli('RPUSH', 'list', 'x');
    await backend.set('k', 'v', 60_000);
    await expect(backend.getMany(['list', 'k'])).resolves.toEqual([undefined, 'v']);
    await server.stop();
  });

  test.each<Fault>(['fin', 'reset', 'rubbish'])(
    'a server that answers with %s is unreachable, again and again',
    async (fault) => {
      const server = await startFaultyServer(fault);
      const backend = open(`redis://127.0.0.1:${server.port}`);
      expect((await timed(backend.getMany(['k']))).failure).toBe('unreachable');
      await sleep(300);
      expect((await timed(backend.add?.('k', 'v', 1_000) ?? Promise.resolve())).failure).toBe('unreachable');
      await server.stop();
    },
  );

  test('rubbish in the middle ends the connection rather than mixing up answers', async () => {
    let rubbish = false;
    const server = await startScriptedRedis(([name]) =>
      name !== 'MGET' ? '+OK\r\n' : rubbish ? '?rubbish\r\n' : '*1\r\n$1\r\nv\r\n',
    );
    const backend = open(`redis://127.0.0.1:${server.port}`);
    await expect(backend.getMany(['k'])).resolves.toEqual(['v']);
    rubbish = true;
    expect((await timed(backend.getMany(['k']))).failure).toBe('unreachable');
    rubbish = false;
    await until('The backend works again', async () => (await backend.getMany(['k']))[0] === 'v');
    await server.stop();
  });
});

describe('what an error means', () => {
  const address = { hosts: [{ host: 'h', port: 7 }], tls: undefined };

  test.each([
    ['WRONGPASS invalid username-password pair or user is disabled.', 'misconfigured'],
    ['NOAUTH Authentication required.', 'misconfigured'],
    ['NOPERM this user has no permissions', 'misconfigured'],
    ['ERR AUTH <password> called without any password configured for the default user', 'misconfigured'],
    ["ERR unknown command 'SENTINEL'", 'misconfigured'],
    ['MOVED 3999 127.0.0.1:6381', 'misconfigured'],
    ["READONLY You can't write against a read only replica.", 'refused'],
    ["OOM command not allowed when used memory > 'maxmemory'.", 'refused'],
    ['MISCONF Redis is configured to save RDB snapshots', 'refused'],
    ['LOADING Redis is loading the dataset in memory', 'refused'],
    ['NOREPLICAS Not enough good replicas to write.', 'refused'],
    ['CLUSTERDOWN The cluster is down', 'refused'],
    ['EXECABORT Transaction discarded because of previous errors.', 'refused'],
    ['ERR value is not an integer', 'refused'],
    ['Socket closed unexpectedly', 'unreachable'],
    ['The client is offline', 'unreachable'],
    ["Cannot read properties of undefined (reading 'master')", 'unreachable'],
  ])('%s is %s', (message, failure) => {
    expect(redisFailure(new Error(message), address)).toMatchObject({ failure });
  });

  test.each([
    ['ENOTFOUND', 'misconfigured'],
    ['EAI_AGAIN', 'misconfigured'],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', 'misconfigured'],
    ['CERT_HAS_EXPIRED', 'misconfigured'],
    ['ECONNREFUSED', 'unreachable'],
    ['ECONNRESET', 'unreachable'],
    ['EPIPE', 'unreachable'],
  ])('%s is %s, also of several addresses', (code, failure) => {
    const error = Object.assign(new Error(''), { code });
    expect(redisFailure(error, address)).toMatchObject({ failure, message: code });
    expect(redisFailure(new AggregateError([error, error]), address)).toMatchObject({ failure, message: code });
  });

  test('what is no error at all is unreachable', () => {
    expect(redisFailure('a string', address)).toMatchObject({ failure: 'unreachable', message: 'a string' });
    expect(redisFailure(undefined, address)).toMatchObject({ failure: 'unreachable' });
  });

  test('of a transaction the first reply that is an error counts', () => {
    const error = Object.assign(new Error('2 commands failed'), {
      replies: ['OK', new Error('READONLY x')],
      errorIndexes: [1],
    });
    expect(redisFailure(error, address)).toMatchObject({ failure: 'refused', message: 'READONLY x' });
  });
});

describe('a cluster', () => {
  let cluster: RedisTestCluster;
  beforeAll(async () => void (cluster = await startRedisCluster()));
  afterAll(() => cluster.stop());
  const keys = Array.from({ length: 60 }, (_, index) => `c${index}`);
  const worksAll = async (backend: ReturnType<typeof open>): Promise<boolean> => {
    await Promise.all(keys.map((key) => backend.set(key, key, 60_000)));
    return (await backend.getMany(keys)).every((text, index) => text === keys[index]);
  };

  test('the first command of a cold client may be a batch', async () => {
    await expect(open(cluster.uri).getMany(keys)).resolves.toHaveLength(keys.length);
  });

  test('a plain URI of one of its nodes is a misconfiguration that says what to write', async () => {
    const node = cluster.nodes[0] as RedisTestServer;
    const backend = open(node.uri);
    const results = await Promise.all(keys.map((key) => timed(backend.set(key, 'v', 60_000))));
    const moved = results.find(({ failure }) => failure === 'misconfigured');
    expect(moved?.message).toContain(`redis+cluster://127.0.0.1:${node.port}`);
    expect(new Set(results.map(({ failure }) => failure))).toEqual(new Set(['misconfigured', 'none']));
  });

  test('a cluster URI of a plain server is a misconfiguration that says what to write', async () => {
    const server = await startRedis({});
    const result = await timed(open(`redis+cluster://127.0.0.1:${server.port}`).getMany(['k']));
    expect(result).toMatchObject({ failure: 'misconfigured', message: expect.stringContaining('redis://') });
    await server.stop();
  });

  test('its session grows when one node comes back, and each master has an id', async () => {
    const backend = open(cluster.uri);
    const before = await backend.serverIds?.();
    const session = backend.session ?? 0;
    expect(new Set(before).size).toBe(3);
    await cluster.nodes[2]?.restart();
    await until('It has connected again', () => (backend.session ?? 0) > session, 20_000);
    const after = (await backend.serverIds?.()) ?? [];
    expect(after.filter((id) => before?.includes(id))).toHaveLength(2);
    await until('Every key works again', () => worksAll(backend), 20_000);
  });

  test('a slot that moves is followed by batches too', async () => {
    const backend = open(cluster.uri);
    expect(await worksAll(backend)).toBe(true);
    const [first, second, third] = cluster.nodes as [RedisTestServer, RedisTestServer, RedisTestServer];
    const slot = await first.cli('CLUSTER', 'KEYSLOT', 'moving');
    const ids = await Promise.all(cluster.nodes.map((node) => node.cli('CLUSTER', 'MYID')));
    const owner = cluster.nodes.findIndex((_, index) => Number(slot) < Math.floor((16_384 * (index + 1)) / 3));
    const target = (owner + 1) % 3;
    await backend.set('moving', 'here', 60_000);
    await cluster.nodes[target]?.cli('CLUSTER', 'SETSLOT', slot, 'IMPORTING', ids[owner] ?? '');
    await cluster.nodes[owner]?.cli('CLUSTER', 'SETSLOT', slot, 'MIGRATING', ids[target] ?? '');
    await expect(backend.getMany(['moving', 'c1'])).resolves.toEqual(['here', 'c1']);
    await cluster.nodes[owner]?.cli('MIGRATE', '127.0.0.1', `${cluster.nodes[target]?.port}`, 'moving', '0', '1000');
    await expect(backend.getMany(['moving', 'c1'])).resolves.toEqual(['here', 'c1']);
    for (const node of [first, second, third]) await node.cli('CLUSTER', 'SETSLOT', slot, 'NODE', ids[target] ?? '');
    await expect(backend.getMany(['moving', 'c1'])).resolves.toEqual(['here', 'c1']);
    await expect(backend.deleteMany(['moving'])).resolves.toBeUndefined();
    await expect(backend.add?.('moving', 'again', 60_000)).resolves.toBe(true);
  });

  test('one node killed: its keys fail at once, the others go on, a restart heals', async () => {
    const backend = open(cluster.uri);
    expect(await worksAll(backend)).toBe(true);
    const node = cluster.nodes[0] as RedisTestServer;
    await node.kill();
    const results = await Promise.all(keys.map((key) => timed(backend.getMany([key]))));
    expect(results.some(({ failure }) => failure === 'none')).toBe(true);
    expect(results.some(({ failure }) => failure === 'unreachable')).toBe(true);
    // Less than any limit on a connection attempt.
    expect(Math.max(...results.map(({ ms }) => ms))).toBeLessThan(1_000);
    await node.restart();
    await until('Every key works again', () => worksAll(backend), 20_000);
  });

  test('one node dead from the beginning: the keys of the others are served, and a restart heals', async () => {
    const node = cluster.nodes[2] as RedisTestServer;
    await node.kill();
    const backend = open(cluster.uri);
    const results = await Promise.all(keys.map((key) => timed(backend.getMany([key]))));
    expect(new Set(results.map(({ failure }) => failure))).toEqual(new Set(['none', 'unreachable']));
    await node.restart();
    await until('Every key works again', () => worksAll(backend), 20_000);
  });

  test('one node frozen: the keys of the others are served to who comes now', async () => {
    const node = cluster.nodes[0] as RedisTestServer;
    node.freeze();
    const backend = open(cluster.uri);
    const results = await Promise.all(keys.map((key) => within(4_500, timed(backend.getMany([key])))));
    node.thaw();
    expect(results.filter((result) => (result as { failure?: string }).failure === 'none').length).toBeGreaterThan(
      keys.length / 3,
    );
    await until('Every key works again', () => worksAll(backend), 20_000);
  });

  test('a failover that no node tells of is noticed', async () => {
    const node = cluster.nodes[1] as RedisTestServer;
    const replica = await cluster.addReplica(node);
    const backend = open(cluster.uri);
    await until('The cluster works', () => worksAll(backend));
    await node.kill();
    // Without waiting for an election, which a busy machine may let fail.
    await replica.cli('CLUSTER', 'FAILOVER', 'TAKEOVER');
    await until('The replica has taken over', async () => (await replica.cli('ROLE')).startsWith('master'), 30_000);
    await until('Every key works again', () => worksAll(backend), 20_000);
  });
});

describe('sentinels', () => {
  test('a failover is followed, adds included, and another one back', async () => {
    const sentinel = await startRedisSentinel();
    const backend = open(sentinel.uri);
    await backend.set('k', 'v', 60_000);
    await sentinel.master.kill();
    expect((await timed(backend.getMany(['k']))).failure).toBe('unreachable');
    await until('The new master is found', async () => (await backend.add?.('a', 'x', 60_000)) === true, 20_000);
    await expect(sentinel.replica.cli('GET', 'a')).resolves.toBe('x');
    await sentinel.stop();
  });

  test('a switch is heard while the old master still answers', async () => {
    const sentinel = await startRedisSentinel();
    const backend = open(sentinel.uri);
    await backend.set('k', 'v', 60_000);
    await sentinel.sentinels[0]?.cli('SENTINEL', 'FAILOVER', 'mymaster');
    await until('The replica is the master', async () => (await sentinel.replica.cli('ROLE')).startsWith('master'));
    await until('Writes arrive there', async () => {
      await backend.set('after', 'x', 60_000);
      return (await sentinel.replica.cli('GET', 'after')) === 'x';
    });
    await sentinel.stop();
  });

  test('a frozen master is left as soon as the sentinels have another', async () => {
    const sentinel = await startRedisSentinel();
    const backend = open(sentinel.uri);
    await backend.set('k', 'v', 60_000);
    sentinel.master.freeze();
    await until(
      'The new master is found',
      async () => (await within(250, backend.add?.('a', 'x', 60_000) ?? Promise.resolve())) === true,
      20_000,
    );
    await sentinel.stop();
  });

  test('a dead sentinel is passed over, and nothing is printed', async () => {
    const sentinel = await startRedisSentinel();
    await sentinel.sentinels[0]?.kill();
    const print = jest.spyOn(console, 'log');
    await expect(open(sentinel.uri).add?.('k', 'v', 60_000)).resolves.toBe(true);
    expect(print).not.toHaveBeenCalled();
    print.mockRestore();
    await sentinel.stop();
  });

  test('a silent sentinel holds up nobody', async () => {
    const [sentinel, silent] = await Promise.all([startRedisSentinel(), startFaultyServer('silent')]);
    const backend = open(sentinel.uri.replace('://', `://127.0.0.1:${silent.port},`));
    const result = await timed(backend.set('k', 'v', 60_000));
    expect(result.failure).toBe('none');
    // Waiting for it would take the five seconds of a connection attempt.
    expect(result.ms).toBeLessThan(4_000);
    await Promise.all([sentinel.stop(), silent.stop()]);
  });

  test('a sentinel that has slept through a failover, and names what is a replica now, is not believed', async () => {
    const [master, replica] = await Promise.all([startRedis({}), startRedis({})]);
    await replica.cli('REPLICAOF', '127.0.0.1', `${master.port}`);
    let named = replica.port;
    const answer = (): string => `*2\r\n$9\r\n127.0.0.1\r\n$${`${named}`.length}\r\n${named}\r\n`;
    const sentinel = await startScriptedRedis(([name]) => (name === 'SENTINEL' ? answer() : '+OK\r\n'));
    const backend = open(`redis+sentinel://127.0.0.1:${sentinel.port}/m`);
    const result = await timed(backend.getMany(['k']));
    expect(result).toMatchObject({ failure: 'unreachable', message: expect.stringContaining('slave') });
    named = master.port;
    await until('The master is found', async () => (await backend.add?.('a', 'x', 60_000)) === true);
    await Promise.all([master, replica, sentinel].map((server) => server.stop()));
  });

  test('an unknown master name is a misconfiguration', async () => {
    const sentinel = await startRedisSentinel();
    const result = await timed(open(sentinel.uri.replace('mymaster', 'other')).getMany(['k']));
    expect(result).toMatchObject({ failure: 'misconfigured', message: expect.stringContaining("'other'") });
    const server = await startRedis({});
    await expect(timed(open(`redis+sentinel://127.0.0.1:${server.port}/m`).getMany(['k']))).resolves.toMatchObject({
      failure: 'misconfigured',
    });
    await server.stop();
    await sentinel.stop();
  });
});
