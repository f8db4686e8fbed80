import { setTimeout as sleep } from 'node:timers/promises';

import { expirationSeconds } from '../../src/stores/memcached.js';
import {
  freePort,
  startFaultyServer,
  startMemcached,
  until,
  type Fault,
  type MemcachedTestServer,
} from '../support/servers.js';
import { closeOpened, open, timed, within } from './open.js';
import { memcachedReply, startProxy, startScriptedMemcached } from './scripted-server.js';

jest.setTimeout(30_000);
afterEach(closeOpened);

/** Half of the time after which an answer is given up, for a busy machine. */
const atOnceMs = 1_000;

const ops = { set: '1', add: '2', saslList: '32', saslAuth: '33' };
const works = async (backend: ReturnType<typeof open>): Promise<boolean> => (await backend.getMany(['k'])).length === 1;

describe('a server that goes away', () => {
  let server: MemcachedTestServer;
  beforeAll(async () => void (server = await startMemcached({})));
  afterAll(() => server.stop());

  test('never up: commands reject at once, and the first one after it came up works', async () => {
    const port = await freePort();
    const backend = open(`memcached://127.0.0.1:${port}`);
    await timed(backend.getMany(['k']));
    const down = await timed(backend.add?.('k', 'v', 60_000) ?? Promise.resolve());
    expect(down).toMatchObject({ failure: 'unreachable', message: expect.stringContaining('ECONNREFUSED') });
    expect(down.ms).toBeLessThan(atOnceMs);
    const late = await startMemcached({ port });
    await expect(works(backend)).resolves.toBe(true);
    await late.stop();
  });

  test('killed and restarted: what waits is rejected, and the first command afterwards works', async () => {
    const proxy = await startProxy(server.port);
    const cut = open(`memcached://127.0.0.1:${proxy.port}`);
    const backend = open(server.uri);
    await Promise.all([backend.set('k', 'v', 60_000), cut.set('k', 'v', 60_000)]);
    proxy.swallow();
    const waiting = timed(cut.getMany(['k']));
    await sleep(50);
    await Promise.all([server.kill(), proxy.stop()]);
    expect((await waiting).failure).toBe('unreachable');
    const down = await timed(backend.getMany(['k']));
    expect(down.failure).toBe('unreachable');
    expect(down.ms).toBeLessThan(atOnceMs);
    await server.restart();
    await expect(backend.getMany(['k'])).resolves.toEqual([undefined]);
  });

  test('frozen: the connection is given up after two seconds and made anew', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`memcached://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    server.freeze();
    // Whatever it was at when the signal came, it finishes first.
    await sleep(50);
    const waiting = await timed(backend.getMany(['k']));
    expect(waiting.failure).toBe('unreachable');
    expect(waiting.ms).toBeGreaterThan(1_500);
    expect(waiting.ms).toBeLessThan(4_000);
    const again = backend.getMany(['k']);
    await expect(within(200, again)).resolves.toBe('pending');
    server.thaw();
    await expect(again).resolves.toEqual(['v']);
    expect(proxy.connections()).toBe(2);
    await proxy.stop();
  });

  test('a connection that nothing comes through any more is replaced', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`memcached://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    proxy.swallow();
    expect((await timed(backend.getMany(['k']))).failure).toBe('unreachable');
    await expect(backend.getMany(['k'])).resolves.toEqual(['v']);
    await proxy.stop();
  });

  test('a connection that is cut while idle costs no command', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`memcached://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    proxy.cut();
    await sleep(100);
    await expect(backend.getMany(['k'])).resolves.toEqual(['v']);
    await proxy.stop();
  });

  test('after close nothing comes back, and what waits is rejected', async () => {
    const proxy = await startProxy(server.port);
    const backend = open(`memcached://127.0.0.1:${proxy.port}`);
    await backend.set('k', 'v', 60_000);
    proxy.swallow();
    const waiting = timed(backend.getMany(['k']));
    await sleep(50);
    await backend.close();
    expect(await waiting).toMatchObject({ failure: 'unreachable' });
    expect((await timed(backend.getMany(['k']))).failure).toBe('unreachable');
    expect(proxy.connections()).toBe(1);
    await proxy.stop();
  });

  test('of several servers only the keys of the dead one fail', async () => {
    const other = await startMemcached({});
    const backend = open(`memcached://127.0.0.1:${server.port},127.0.0.1:${other.port}`);
    const keys = Array.from({ length: 20 }, (_, index) => `k${index}`);
    await Promise.all(keys.map((key) => backend.set(key, key, 60_000)));
    await other.kill();
    const results = await Promise.all(keys.map((key) => timed(backend.getMany([key]))));
    expect(new Set(results.map(({ failure }) => failure))).toEqual(new Set(['none', 'unreachable']));
    await other.restart();
    await expect(backend.getMany(keys)).resolves.toHaveLength(20);
    await other.stop();
  });
});

describe('a server that ends connections', () => {
  test.each<Fault>(['fin', 'reset', 'rubbish'])('by %s is unreachable, again and again', async (fault) => {
    const server = await startFaultyServer(fault);
    const backend = open(`memcached://127.0.0.1:${server.port}`);
    for (const command of [
      () => backend.getMany(['k', 'l']),
      () => backend.set('k', 'v', 1_000),
      () => backend.deleteMany(['k']),
    ]) {
      const result = await timed(command());
      expect(result.failure).toBe('unreachable');
      expect(result.ms).toBeLessThan(fault === 'rubbish' ? 4_000 : atOnceMs);
    }
    await server.stop();
  });

  test('an add whose connection ends before the answer is sent once', async () => {
    const server = await startScriptedMemcached((_, socket) => void socket.end());
    const backend = open(`memcached://127.0.0.1:${server.port}`);
    expect((await timed(backend.add?.('g', 'token', 60_000) ?? Promise.resolve())).failure).toBe('unreachable');
    await sleep(500);
    expect(server.commands.filter(([opcode]) => opcode === ops.add)).toHaveLength(1);
    await server.stop();
  });

  test('an add that is not answered is sent once', async () => {
    const server = await startScriptedMemcached(() => undefined);
    const backend = open(`memcached://127.0.0.1:${server.port}`);
    expect((await timed(backend.add?.('g', 'token', 60_000) ?? Promise.resolve())).failure).toBe('unreachable');
    await sleep(500);
    expect(server.commands.filter(([opcode]) => opcode === ops.add)).toHaveLength(1);
    await server.stop();
  });

  test('half a reply of a connection that ended is not read as the beginning of the next reply', async () => {
    const server = await startScriptedMemcached((command, socket) => {
      const reply = memcachedReply(command, 0, { extras: '\0\0\0\0', value: `value of ${command[2]}` });
      if (command[2] !== 'half') return reply;
      socket.end(reply.subarray(0, reply.length - 5));
      return undefined;
    });
    const backend = open(`memcached://127.0.0.1:${server.port}`);
    expect((await timed(backend.getMany(['half']))).failure).toBe('unreachable');
    await expect(backend.getMany(['a', 'b'])).resolves.toEqual(['value of a', 'value of b']);
    await server.stop();
  });
});

describe('a server that will not', () => {
  test.each([
    [0x03, 'Value too large', 'refused'],
    [0x04, 'Invalid arguments', 'refused'],
    [0x82, 'Out of memory', 'refused'],
    [0x85, 'Busy', 'refused'],
    [0x99, '', 'refused'],
    [0x20, 'authentication failed', 'misconfigured'],
  ])('status %p is a failure of its kind', async (status, message, failure) => {
    const server = await startScriptedMemcached((command) => memcachedReply(command, status));
    const backend = open(`memcached://127.0.0.1:${server.port}`);
    await expect(timed(backend.set('k', 'v', 1_000))).resolves.toMatchObject({
      failure,
      message: expect.stringContaining(message),
    });
    await expect(timed(backend.getMany(['k']))).resolves.toMatchObject({ failure });
    await server.stop();
  });

  test('unknown host is a misconfiguration', async () => {
    await expect(timed(open('memcached://no-such-host.invalid').getMany(['k']))).resolves.toMatchObject({
      failure: 'misconfigured',
    });
  });
});

describe('a login', () => {
  const login = (command: readonly string[]): Buffer =>
    command[0] === ops.saslList ? memcachedReply(command, 0, { value: 'PLAIN' }) : memcachedReply(command, 0);

  test('is decoded and sent by SASL', async () => {
    const server = await startScriptedMemcached(login);
    await open(`memcached://bob:p%40ss%3Aw%2F@127.0.0.1:${server.port}`).set('k', 'v', 1_000);
    expect(server.commands.map(([opcode]) => opcode)).toEqual([ops.saslList, ops.saslAuth, ops.set]);
    expect(server.commands[1]?.slice(2)).toEqual(['PLAIN', '\0bob\0p@ss:w/']);
    await server.stop();
  });

  test('is never taken from the environment, nor are the servers', async () => {
    const names = [
      'MEMCACHE_USERNAME',
      'MEMCACHE_PASSWORD',
      'MEMCACHIER_USERNAME',
      'MEMCACHIER_PASSWORD',
      'MEMCACHE_SERVERS',
      'MEMCACHIER_SERVERS',
    ];
    for (const name of names) process.env[name] = 'from-the-environment';
    const server = await startScriptedMemcached(login);
    await open(`memcached://127.0.0.1:${server.port}`).set('k', 'v', 1_000);
    expect(server.commands.map(([opcode]) => opcode)).toEqual([ops.set]);
    for (const name of names) Reflect.deleteProperty(process.env, name);
    await server.stop();
  });
});

describe('a text that is too large', () => {
  test('is refused before it is sent; the largest one is taken, under the longest key', async () => {
    const server = await startMemcached({});
    const backend = open(server.uri);
    const key = 'k'.repeat(250);
    await backend.set(key, 'x'.repeat(backend.maxTextBytes), 60_000);
    expect((await backend.getMany([key]))[0]).toHaveLength(backend.maxTextBytes);
    const before = (await server.stats())['bytes_read'];
    const large = 'é'.repeat(backend.maxTextBytes / 2) + 'x';
    await expect(timed(backend.set(key, large, 60_000))).resolves.toMatchObject({ failure: 'refused' });
    await expect(timed(backend.add?.('other', large, 60_000) ?? Promise.resolve())).resolves.toMatchObject({
      failure: 'refused',
    });
    expect(Number((await server.stats())['bytes_read']) - Number(before)).toBeLessThan(1_000);
    await server.stop();
  });

  test('is larger on a server that was told so', async () => {
    const server = await startMemcached({ args: ['-I', '4m'] });
    const backend = open(`${server.uri}?maxTextBytes=4000000`);
    await backend.set('k', 'x'.repeat(3_900_000), 60_000);
    expect((await backend.getMany(['k']))[0]).toHaveLength(3_900_000);
    await server.stop();
  });
});

describe('an expiration', () => {
  const now = 1_800_000_000_000;
  const day = 86_400_000;
  test.each([
    [1, 2],
    [1_000, 2],
    [1_001, 3],
    [29 * day, 29 * 86_400 + 1],
    [30 * day - 1_000, 30 * 86_400],
    [30 * day, 1_800_000_000 + 30 * 86_400 + 1],
    [400 * day, 1_800_000_000 + 400 * 86_400 + 1],
    [200 * 365 * day, 0],
    [Number.MAX_SAFE_INTEGER, 0],
    [Infinity, 0],
  ])('of %p ms is %p to memcached', (ttlMs, seconds) => expect(expirationSeconds(ttlMs, now)).toBe(seconds));
});

test('nothing is printed', async () => {
  const spies = (['log', 'error', 'warn', 'info'] as const).map((name) => jest.spyOn(console, name));
  await timed(open(`memcached://127.0.0.1:${await freePort()}`).getMany(['k', 'l']));
  await until('A tick', () => true);
  for (const spy of spies) {
    expect(spy).not.toHaveBeenCalled();
    spy.mockRestore();
  }
});
