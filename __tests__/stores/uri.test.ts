import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';

import KeyvMemcache from '@keyv/memcache';
import KeyvRedis from '@keyv/redis';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';

import { isCacheConfigError } from '../../src/base/errors.js';
import { parseStore, redact, registerScheme } from '../../src/stores/uri.js';
import { StoreUri } from '../../src/stores/uri-parts.js';
import {
  freePort,
  startMemcached,
  startRedis,
  until,
  type MemcachedTestServer,
  type RedisTestServer,
} from '../support/servers.js';
import { closeOpened, open, timed } from './open.js';
import { startProxy } from './scripted-server.js';

jest.setTimeout(30_000);
afterEach(closeOpened);

const parse = (input: unknown): ReturnType<typeof parseStore> => parseStore(input, 'createCache');

/** The message of the `CacheConfigError` that parsing throws. */
function complaint(input: unknown): string {
  try {
    parse(input);
  } catch (error) {
    if (isCacheConfigError(error)) return error.message;
    throw error;
  }
  throw new Error(`${inspect(input)} was taken`);
}

describe('memory://', () => {
  test.each([
    ['memory://', undefined, undefined],
    ['MEMORY://', undefined, undefined],
    ['memory://?maxEntries=5', 5, undefined],
    ['memory://?maxSize=64mb', undefined, 64 * 1_048_576],
    ['memory://?maxEntries=5&maxSize=1GB', 5, 1_073_741_824],
    ['memory://?maxSize=100', undefined, 100],
    ['memory://?maxSize=2kb', undefined, 2_048],
    ['memory://?maxSize=7b', undefined, 7],
  ])('%s', (uri, maxEntries, maxSize) => expect(parse(uri)).toEqual({ kind: 'memory', maxEntries, maxSize }));

  test.each([
    ['memory://localhost', 'names a place'],
    ['memory:///x', 'names a place'],
    ['memory://?maxEntries=0', 'maxEntries=0'],
    ['memory://?maxEntries=1.5', 'maxEntries=1.5'],
    ['memory://?maxEntries=-1', 'maxEntries=-1'],
    ['memory://?maxEntries=1e3', 'maxEntries=1e3'],
    ['memory://?maxEntries=', 'maxEntries='],
    ['memory://?maxEntries=99999999999999999999', 'maxEntries'],
    ['memory://?maxSize=5tb', 'maxSize=5tb'],
    ['memory://?maxSize=0mb', 'maxSize=0mb'],
    ['memory://?maxEntrys=5', "'maxEntrys'"],
    ['memory://?maxEntries=5&maxEntries=6', 'twice'],
  ])('%s is refused', (uri, part) => {
    expect(complaint(uri)).toContain(part);
    expect(complaint(uri)).toMatch(/^createCache: /);
  });
});

describe('what is no URI of a store', () => {
  test.each([
    ['localhost:6379', /has no scheme.*redis:\/\/localhost:6379/],
    ['localhost:11211', /has no scheme.*memcached:\/\//],
    ['', /has no scheme/],
    ['redis:localhost', /has no scheme/],
    ['redis://host/0#x', /is not a URI/],
    ['redsi://h', /unknown scheme 'redsi'.*did you mean 'redis:\/\/'\?/],
    ['rediss+clutser://h', /did you mean 'rediss\+cluster:\/\/'\?/],
    ['memcachd://h', /did you mean 'memcached:\/\/'\?/],
    ['postgress://h', /did you mean 'postgres:\/\/'\?/],
    ['http://h', /unknown scheme 'http'.*memory:\/\/.*redis:\/\/.*registerScheme/],
    ['constructor://h', /unknown scheme/],
  ])('%s', (uri, message) => expect(complaint(uri)).toMatch(message));
});

describe('redis://', () => {
  test.each([
    ['redis://localhost:abc', 'port'],
    ['redis://localhost:0', 'port'],
    ['redis://localhost:65536', 'port'],
    ['redis://localhost:', 'port'],
    ['redis://ho st', 'host'],
    ['redis://[::1', 'host'],
    ['redis://a,b', 'redis+cluster://a,b'],
    ['redis://h/x', "'/x'"],
    ['redis://h/1/2', "'/1/2'"],
    ['redis://h/-1', "'/-1'"],
    ['redis://h?db=1', "'db'"],
    ['redis://h?family=5', 'family=4'],
    ['redis://h?connectTimeout=soon', 'connectTimeout'],
    ['redis://h?ca=/tmp/ca.pem', 'rediss://'],
    ['rediss://h?ca=/no/such/file', 'ca=/no/such/file'],
    ['rediss://h?rejectUnauthorized=no', 'rejectUnauthorized=true'],
    ['redis://h?sentinelPassword=x', "'sentinelPassword'"],
    ['redis+cluster://h/1', 'only database 0'],
    ['redis+sentinel://h', 'does not name the master'],
    ['redis+sentinel://h/m/x', "'/m/x'"],
    ['redis+sentinel://h/m/1/2', "'/m/1/2'"],
    ['redis+cluster://a,,b', 'no host'],
  ])('%s is refused', (uri, part) => expect(complaint(uri)).toContain(part));

  test('what was meant for TLS names the scheme with TLS', () => {
    expect(complaint('redis+cluster://h?ca=/x')).toContain('rediss+cluster://');
    expect(complaint('valkey://h?ca=/x')).toContain('valkeys://');
  });

  test.each([
    'redis://',
    'redis://h',
    'redis://[::1]:6379/3',
    'rediss://u:p@h?rejectUnauthorized=false',
    'valkey://h',
    'valkeys://h',
    'redis+cluster://a:1,b:2,[::1]:3',
    'redis+sentinel://a,b:2/m',
    'redis+sentinel://a/m/2?sentinelPassword=x',
    'redis://h?family=4&clientName=x&connectTimeout=1s',
    'redis://h?connectTimeout=1000',
  ])('%s is taken, and nothing is connected to by that', (uri) =>
    expect(parse(uri)).toMatchObject({ kind: 'backend' }),
  );
});

describe('memcached://', () => {
  test.each([
    ['memcached://h/1', "'/1'"],
    ['memcached://user@h', 'half of a login'],
    ['memcached://h?retries=2', "'retries'"],
    ['memcached://h?maxTextBytes=x', 'maxTextBytes=x'],
    ['memcached://h:port', 'port'],
  ])('%s is refused', (uri, part) => expect(complaint(uri)).toContain(part));

  test('memcache:// is the same', () =>
    expect(parse('memcache://a,b:2')).toMatchObject({ kind: 'backend', name: 'memcache://a,b:2' }));
});

describe('a password', () => {
  const secrets = ['s3cret', 's/3cr@et', 's?3cret', 's#3cret', 's:3cret', '%zzs3cret', 's3cret,x'];
  const shapes = (secret: string): string[] => [
    `redis://user:${secret}@host:6379/0`,
    `redis://:${secret}@host`,
    `redis://user:${secret}@host:bad`,
    `redis://user:${secret}@host/zero?x=1`,
    `redis://user:${secret}`,
    `redsi://user:${secret}@host`,
    `user:${secret}@host:6379`,
    `http://user:${secret}@host`,
    `memcached://user:${secret}@host/1`,
    `memory://user:${secret}@host`,
    `redis+sentinel://user:${secret}@a:1,b:2`,
    `postgres://user:${secret}@host/db`,
  ];
  const everywhere = (value: unknown): string =>
    inspect(value, { depth: 9, showHidden: true }) + JSON.stringify(value) + String(value);

  test.each(
    secrets.flatMap((secret) =>
      [secret, encodeURIComponent(secret)].flatMap((text) => shapes(text).map((uri) => [uri])),
    ),
  )('is in no message and in no property: %s', (uri) => {
    let result: unknown;
    try {
      result = parse(uri);
    } catch (error) {
      result = error;
      expect(isCacheConfigError(error)).toBe(true);
      expect(everywhere((error as Error).stack)).not.toMatch(/3cr/);
    }
    expect(everywhere(result)).not.toMatch(/3cr/);
    expect(redact(uri)).not.toMatch(/3cr/);
  });

  test('with a bare character of meaning is told so', () => {
    expect(complaint('redis://u:12/34@host')).toContain("an '@' behind its host");
    expect(complaint('redis://u:12?34@host')).toContain('encodeURIComponent');
    expect(complaint('redis://u:12#34@host')).toContain('encodeURIComponent');
    expect(complaint('redis://u:100%@host')).toContain("'%25'");
  });

  test.each([
    ['redis://user:pw@host:1/0', 'redis://user:***@host:1/0'],
    ['redis://:pw@host', 'redis://:***@host'],
    ['redis://pw@host', 'redis://***@host'],
    ['redis://host:6379/0?family=4', 'redis://host:6379/0?family=4'],
    ['redis+cluster://a:1,b:2', 'redis+cluster://a:1,b:2'],
    ['redis://[::1]:6379', 'redis://[::1]:6379'],
    ['redis+sentinel://a/m?sentinelPassword=x&family=4', 'redis+sentinel://a/m?sentinelPassword=***&family=4'],
    ['sqlite://:memory:', 'sqlite://:memory:'],
    ['sqlite:///var/lib/cache.sqlite', 'sqlite:///var/lib/cache.sqlite'],
  ])('%s is shown as %s', (uri, shown) => expect(redact(uri)).toBe(shown));

  test('is decoded for the driver, and printing the parts shows none', () => {
    const uri = new StoreUri('x://us%65r:p%40ss%2F@h:1,[::1]:2/a%20b?k=v%26w&flag', 'x');
    expect([uri.scheme, uri.username, uri.password, uri.authority, uri.path]).toEqual([
      'x',
      'user',
      'p@ss/',
      'h:1,[::1]:2',
      'a b',
    ]);
    expect([...uri.options]).toEqual([
      ['k', 'v&w'],
      ['flag', ''],
    ]);
    expect(uri.hosts(9)).toEqual([
      { host: 'h', port: 1 },
      { host: '::1', port: 2 },
    ]);
    expect(everywhere(uri)).not.toContain('p@ss');
  });
});

describe('what is handed in', () => {
  test.each([
    ['a number', 5, /a store is number/],
    ['null', null, /a store is null/],
    ['undefined', undefined, /a store is undefined/],
    ['an empty object', {}, /neither a Keyv nor/],
    ['an array', [], /neither a Keyv nor/],
    ['a class', Keyv, /a store is function/],
    ['a Map', new Map(), /a store is a Map.*memory:\/\/\?maxEntries=/],
    ['an LRUCache', new LRUCache({ max: 5 }), /LRUCache.*memory:\/\/\?maxEntries=/],
    ['a Keyv over an LRUCache', new Keyv({ store: new LRUCache({ max: 5 }) }), /LRUCache/],
    ['a Keyv made from a URI', new Keyv('redis://localhost' as never), /made from a URI/],
    ['a Keyv made from { uri }', new Keyv({ uri: 'redis://localhost' } as never), /made from a URI/],
  ])('%s is refused', (_, input, message) => expect(complaint(input)).toMatch(message));

  test('a KeyvMemcache, bare or in a Keyv, is refused with the URI to write', () => {
    const memcache = new KeyvMemcache('localhost:11211');
    expect(complaint(memcache)).toMatch(/KeyvMemcache.*'memcached:\/\/localhost:11211'/);
    expect(complaint(new Keyv({ store: memcache as never }))).toMatch(/KeyvMemcache/);
    memcache.client.close();
  });

  test.each([
    ['a Keyv', () => new Keyv(), 'Keyv over Map'],
    ['a Keyv over an adapter', () => new Keyv({ store: new KeyvRedis() as never }), 'Keyv over KeyvRedis'],
    ['an adapter', () => new KeyvRedis(), 'KeyvRedis'],
  ])('%s has a name', (_, make, name) => expect(parse(make())).toMatchObject({ kind: 'backend', name }));
});

describe('schemes of packages', () => {
  test.each([
    ['sqlite:///tmp/x.sqlite', '@keyv/sqlite'],
    ['postgres://u:pw@h/db', '@keyv/postgres'],
    ['postgresql://u:pw@h/db', '@keyv/postgres'],
    ['mysql://u:pw@h/db', '@keyv/mysql'],
    ['mongodb://u:pw@h/db', '@keyv/mongo'],
    ['mongodb+srv://u:pw@h/db', '@keyv/mongo'],
    ['etcd://h:2379', '@keyv/etcd'],
  ])('%s that is not installed says what to install, when it is used', async (uri, name) => {
    const backend = open(uri);
    const failure: unknown = await backend.getMany(['k']).catch((error: unknown) => error);
    expect(failure).toMatchObject({
      failure: 'misconfigured',
      message: expect.stringContaining(`npm install ${name}`),
    });
    expect(isCacheConfigError((failure as Error).cause)).toBe(true);
    expect(inspect(failure, { depth: 9 })).not.toContain('pw');
    await expect(backend.close()).resolves.toBeUndefined();
  });
});

describe('registerScheme', () => {
  test.each([
    ['redis', /built in/],
    ['memory', /built in/],
    ['Redis', /no scheme/],
    ['a://', /no scheme/],
    ['', /no scheme/],
  ])('%s is refused', (scheme, message) => expect(() => registerScheme(scheme, () => new Keyv())).toThrow(message));

  test('what is no function is refused', () => expect(() => registerScheme('x', 'y' as never)).toThrow(/no function/));

  test('the factory gets the parts, once for each URI, and what it made is closed with the last holder', async () => {
    const made: string[] = [];
    let disconnected = 0;
    registerScheme('app', async (uri) => {
      made.push(`${uri.username} ${uri.password} ${uri.authority} ${uri.path} ${uri.options.get('x')}`);
      return Object.assign(new Keyv(), { disconnect: async () => void (disconnected += 1) });
    });
    const [one, two] = [open('app://u:p%40@place/path?x=1'), open('app://u:p%40@place/path?x=1')];
    await Promise.all([one.set('k', 'v', 60_000), two.getMany(['x'])]);
    await expect(two.getMany(['k'])).resolves.toEqual(['v']);
    expect(made).toEqual(['u p@ place path 1']);
    await one.close();
    await one.close();
    expect(disconnected).toBe(0);
    await expect(two.getMany(['k'])).resolves.toEqual(['v']);
    await two.close();
    expect(disconnected).toBe(1);
    await expect(open('app://u:p%40@place/path?x=1').getMany(['k'])).resolves.toEqual([undefined]);
    expect(made).toHaveLength(2);
  });

  test('a factory that fails is asked again by the next command, and its password is not told', async () => {
    let isReady = false;
    registerScheme('late', (uri) => {
      if (!isReady) throw new Error(`cannot log in to ${uri.href} with ${uri.password}`);
      return new Keyv();
    });
    const backend = open('late://u:s3c%40ret@h');
    const failure: unknown = await backend.getMany(['k']).catch((error: unknown) => error);
    expect(failure).toMatchObject({ failure: 'unreachable', message: 'cannot log in to *** with ***' });
    expect(inspect(failure, { depth: 9 })).not.toMatch(/s3c/);
    isReady = true;
    await expect(backend.getMany(['k'])).resolves.toEqual([undefined]);
  });

  test('a factory that gives no Keyv is a misconfiguration', async () => {
    registerScheme('wrong', () => new Map() as never);
    await expect(timed(open('wrong://').getMany(['k']))).resolves.toMatchObject({
      failure: 'misconfigured',
      message: expect.stringContaining('a Map'),
    });
  });

  test('an adapter of a package can be replaced', async () => {
    registerScheme('etcd', () => new Keyv());
    await expect(open('etcd://h').getMany(['k'])).resolves.toEqual([undefined]);
  });
});

describe('one connection for each URI', () => {
  let redis: RedisTestServer;
  let memcached: MemcachedTestServer;
  beforeAll(async () => {
    [redis, memcached] = await Promise.all([startRedis({}), startMemcached({})]);
  });
  afterAll(() => Promise.all([redis.stop(), memcached.stop()]));

  test.each(['redis', 'memcached'])('%s: shared, closed with the last holder, made anew afterwards', async (scheme) => {
    const proxy = await startProxy(scheme === 'redis' ? redis.port : memcached.port);
    const uri = `${scheme}://127.0.0.1:${proxy.port}`;
    const backends = [open(uri), open(uri), open(uri)];
    await Promise.all(backends.map((backend) => backend.set('k', 'v', 60_000)));
    expect(proxy.connections()).toBe(1);
    await backends[0]?.close();
    await backends[0]?.close();
    await backends[1]?.close();
    await expect(backends[2]?.getMany(['k'])).resolves.toEqual(['v']);
    await expect(timed(backends[0]?.getMany(['k']) ?? Promise.resolve())).resolves.toMatchObject({
      failure: 'unreachable',
    });
    await backends[2]?.close();
    await expect(open(uri).getMany(['k'])).resolves.toEqual(['v']);
    expect(proxy.connections()).toBe(2);
    await proxy.stop();
  });
});

describe('TLS', () => {
  let directory: string;
  let server: RedisTestServer;
  let tlsPort: number;
  const file = (name: string): string => join(directory, name);
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { stdio: 'pipe', env: process.env });

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'cachette-tls-'));
    openssl(
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=ca',
      '-keyout',
      file('ca.key'),
      '-out',
      file('ca.pem'),
    );
    writeFileSync(file('ext'), 'subjectAltName=DNS:localhost,DNS:redis.example');
    for (const name of ['server', 'client']) {
      openssl(
        'req',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:prime256v1',
        '-nodes',
        '-subj',
        `/CN=${name}`,
        '-keyout',
        file(`${name}.key`),
        '-out',
        file(`${name}.csr`),
      );
      openssl(
        'x509',
        '-req',
        '-days',
        '2',
        '-in',
        file(`${name}.csr`),
        '-CA',
        file('ca.pem'),
        '-CAkey',
        file('ca.key'),
        '-CAcreateserial',
        '-extfile',
        file('ext'),
        '-out',
        file(`${name}.pem`),
      );
    }
    tlsPort = await freePort();
    server = await startRedis({
      args: [
        '--tls-port',
        `${tlsPort}`,
        '--tls-cert-file',
        file('server.pem'),
        '--tls-key-file',
        file('server.key'),
        '--tls-ca-cert-file',
        file('ca.pem'),
        '--tls-auth-clients',
        'optional',
      ],
    });
  });
  afterAll(async () => {
    await server.stop();
    rmSync(directory, { recursive: true });
  });
  const uri = (query: string, scheme = 'rediss'): string => `${scheme}://localhost:${tlsPort}?${query}`;

  test('with ca=', () => expect(open(uri(`ca=${file('ca.pem')}`)).getMany(['k'])).resolves.toEqual([undefined]));
  test('valkeys:// likewise', () =>
    expect(open(uri(`ca=${file('ca.pem')}`, 'valkeys')).getMany(['k'])).resolves.toEqual([undefined]));
  test('with rejectUnauthorized=false', () =>
    expect(open(uri('rejectUnauthorized=false')).getMany(['k'])).resolves.toEqual([undefined]));
  test('with servername=', () =>
    expect(
      open(`rediss://127.0.0.1:${tlsPort}?servername=redis.example&ca=${file('ca.pem')}`).getMany(['k']),
    ).resolves.toEqual([undefined]));
  test('with a certificate of the client', async () => {
    await server.cli('CONFIG', 'SET', 'tls-auth-clients', 'yes');
    await expect(
      open(uri(`ca=${file('ca.pem')}&cert=${file('client.pem')}&key=${file('client.key')}`)).getMany(['k']),
    ).resolves.toEqual([undefined]);
    await server.cli('CONFIG', 'SET', 'tls-auth-clients', 'optional');
  });
  test.each([
    ['a certificate that nobody signed', () => uri('')],
    ['a certificate for another name', () => `rediss://127.0.0.1:${tlsPort}?ca=${file('ca.pem')}`],
  ])('%s is a misconfiguration', async (_, make) => {
    await expect(timed(open(make()).getMany(['k']))).resolves.toMatchObject({ failure: 'misconfigured' });
  });
  test('a server without TLS does not answer, and the message asks for it', async () => {
    const result = await timed(open(`rediss://127.0.0.1:${server.port}?connectTimeout=500`).getMany(['k']));
    expect(result).toMatchObject({ failure: 'unreachable', message: expect.stringContaining('TLS') });
  });
});

describe('options of redis://', () => {
  test('the database, the name of the client and the family have an effect', async () => {
    const server = await startRedis({});
    const backend = open(`redis://localhost:${server.port}/3?clientName=shop&family=4`);
    await backend.set('k', 'v', 60_000);
    await expect(server.cli('CLIENT', 'LIST')).resolves.toMatch(/addr=127.0.0.1:\d+ .*name=shop .*db=3 /);
    await expect(timed(open(`redis://localhost:${server.port}?family=6`).getMany(['k']))).resolves.toMatchObject({
      failure: expect.stringMatching(/unreachable|misconfigured/),
    });
    await server.stop();
  });

  test('connectTimeout bounds the first attempt', async () => {
    const { startFaultyServer } = await import('../support/servers.js');
    const silent = await startFaultyServer('silent');
    const result = await timed(open(`redis://127.0.0.1:${silent.port}?connectTimeout=300ms`).getMany(['k']));
    expect(result).toMatchObject({ failure: 'unreachable', message: 'No connection within 300 ms' });
    expect(result.ms).toBeLessThan(2_000);
    await silent.stop();
  });

  test('the sentinels have a login of their own', async () => {
    const { startScriptedRedis } = await import('./scripted-server.js');
    const sentinel = await startScriptedRedis(() => '+OK\r\n');
    open(`redis+sentinel://u:p@127.0.0.1:${sentinel.port}/m?sentinelUsername=su&sentinelPassword=sp`);
    await until('The sentinel was asked', () => sentinel.commands.some(([name]) => name === 'SENTINEL'));
    expect(sentinel.commands[0]).toEqual(['AUTH', 'su', 'sp']);
    expect(sentinel.commands.flat()).not.toContain('p');
    await sentinel.stop();
  });
});
