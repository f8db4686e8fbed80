/** The inspector's server side: who gets what, under each kind of server. */

import { createServer, type IncomingHttpHeaders, type OutgoingHttpHeaders, request, type Server } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { type Cache, createCache, isCacheConfigError, localBus } from 'cachette';
import { createInspector, type Inspector, type InspectorOptions } from 'cachette/inspector';
import express from 'express';
import { createGzip } from 'node:zlib';
import { connect as connect2, createServer as createServer2 } from 'node:http2';
import fastify from 'fastify';
import { Keyv } from 'keyv';
import { type Answered, insight } from '../../../src/base/insight.js';
import { until } from '../../support/servers.js';

const token = 'reading-0123456789abcdef';
const invalidationToken = 'invalidating-0123456789abcdef';

let closing: (() => unknown)[];

beforeEach(() => {
  closing = [];
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
});

function open(...[stores, options]: Parameters<typeof createCache>): Cache {
  const cache = createCache(stores, options);
  closing.push(() => cache.close());
  return cache;
}

/** To `inspector.fetch`, by who has the token. */
function authorized(url: string, init: RequestInit = {}): Request {
  const headers = { ...(init.headers as Record<string, string>), authorization: `Bearer ${token}` };
  return new Request(url, { ...init, headers });
}

function inspectorOf(cache: Cache, options?: InspectorOptions): Inspector {
  const inspector = createInspector(cache, options);
  closing.push(() => inspector.close());
  return inspector;
}

/** The URL of a listening inspector. */
async function inspected(options?: InspectorOptions, cache = open()): Promise<string> {
  return (await inspectorOf(cache, options).listen()).url;
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

interface Got {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

interface Sent {
  readonly method?: string;
  readonly headers?: OutgoingHttpHeaders;
  readonly body?: string;
}

/** Unlike `fetch`, sends whatever headers and paths it is told to. */
function ask(url: string, { method = 'GET', headers = {}, body }: Sent = {}): Promise<Got> {
  const { hostname, port } = new URL(url);
  const path = url.slice(url.indexOf('/', 8));
  return new Promise((resolve, reject) => {
    const asked = request({ hostname: hostname.replace(/[[\]]/g, ''), port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.once('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          text: Buffer.concat(chunks).toString(),
        }),
      );
    });
    asked.once('error', reject);
    asked.end(body);
  });
}

/** Of the page, asked for in this version of HTTP. */
function rawStatus(url: string, version: '1.0' | '1.1'): Promise<number> {
  const { port, host } = new URL(url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    socket.once('error', reject);
    socket.once('data', (data) => {
      resolve(Number(/^HTTP\/1\.\d (\d+)/.exec(data.toString())?.[1]));
      socket.destroy();
    });
    socket.write(`GET / HTTP/${version}\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  });
}

const status = async (url: string, sent?: Sent): Promise<number> => (await ask(url, sent)).status;

/** Invalidates `a`, as the page does. */
function invalidation(headers: OutgoingHttpHeaders = {}, body: unknown = { tags: ['a'] }): Sent {
  const usual = { 'content-type': 'application/json', 'x-cachette-invalidation-token': invalidationToken };
  return {
    method: 'POST',
    headers: { ...usual, ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

interface Fleet {
  readonly at: number;
  readonly processes: readonly Answered<'snapshot'>[];
}

/** The first event of a stream that `isWanted`. */
async function firstEvent(response: Response, isWanted: (fleet: Fleet) => boolean = () => true): Promise<Fleet> {
  expect(response.status).toBe(200);
  let text = '';
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    text += Buffer.from(chunk).toString();
    const events = text
      .split('\n\n')
      .slice(0, -1)
      .filter((event) => event.startsWith('event: fleet\n'));
    const wanted = events
      .map((event) => JSON.parse(event.replace(/^event: fleet\ndata: /, '')) as Fleet)
      .find(isWanted);
    if (wanted) return wanted;
  }
  throw new Error(`The stream ended: ${text}`);
}

function refusal(act: () => unknown): string {
  try {
    act();
  } catch (error) {
    if (isCacheConfigError(error)) return error.message;
  }
  return 'none';
}

describe('options', () => {
  it.each<[unknown, string]>([
    [{ token: 'short' }, 'token has 5 characters; write at least 16'],
    [{ invalidationToken: 'short' }, 'invalidationToken has 5 characters'],
    [{ token: 5 }, 'token is not a string'],
    [{ token: 'sixteen characters' }, 'token has characters that no header can carry'],
    [{ token, invalidationToken: token }, 'token and invalidationToken are the same'],
    [{ tokens: token }, "there is no option 'tokens'; did you mean 'token'?"],
    [{ base: 'cache/' }, "base is 'cache/'; write a path such as '/cache'"],
    [null, 'null is not an object of options'],
  ])('%j is refused', (options, message) => {
    const said = refusal(() => createInspector(open(), options as InspectorOptions));
    expect(said).toContain(`createInspector: ${message}`);
    expect(said).not.toMatch(/short|sixteen|reading/);
  });

  it('of listen are checked, and other machines are not let in without a token', async () => {
    const inspector = inspectorOf(open());
    for (const options of [
      { host: '0.0.0.0' },
      { host: '::' },
      { host: 'example.org' },
      { host: '127.0.0.1.example.org' },
    ])
      await expect(inspector.listen(options)).rejects.toThrow(/is reached from other machines, and there is no token/);
    await expect(inspector.listen({ port: 70_000 })).rejects.toThrow(/write a port from 0 to 65535/);
    const { url } = await inspectorOf(open(), { token }).listen({ host: '0.0.0.0' });
    expect(url).toMatch(/^http:\/\/0\.0\.0\.0:\d+\/$/);
  });
});

describe('the files of the page', () => {
  it('are there, with their types and with headers that keep others out', async () => {
    const url = await inspected();
    for (const [path, type] of [
      ['', 'text/html'],
      ['page.js', 'text/javascript'],
      ['charts.js', 'text/javascript'],
      ['numbers.js', 'text/javascript'],
      ['words.js', 'text/javascript'],
      ['page.css', 'text/css'],
      ['uplot.js', 'text/javascript'],
      ['uplot.css', 'text/css'],
    ] as const) {
      const { status, headers, text } = await ask(url + path);
      expect([path, status, headers['content-type']]).toEqual([path, 200, `${type}; charset=utf-8`]);
      expect(text.length).toBeGreaterThan(100);
      expect(headers).toMatchObject({
        'content-security-policy':
          "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
          "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
        'x-content-type-options': 'nosniff',
        'referrer-policy': 'no-referrer',
      });
    }
    expect((await ask(`${url}uplot.js`)).text).toContain('export { uPlot as default }');
  });

  it('are all that there is, whatever the path', async () => {
    const url = await inspected();
    for (const path of [
      'page.html',
      'x',
      '../package.json',
      '..%2fpackage.json',
      '/page.js',
      '__proto__',
      'constructor',
      'api',
      'api/',
    ])
      expect([path, await status(url + path)]).toEqual([path, 404]);
  });

  it('are for GET and HEAD; the rest is for its one method', async () => {
    const url = await inspected({ invalidationToken });
    const head = await ask(url, { method: 'HEAD' });
    expect([head.status, head.text]).toEqual([200, '']);
    for (const [path, method, allow] of [
      ['', 'POST', 'GET, HEAD'],
      ['uplot.js', 'DELETE', 'GET, HEAD'],
      ['api/stream', 'POST', 'GET'],
      ['api/invalidate', 'GET', 'POST'],
    ] as const)
      expect(await ask(url + path, { method })).toMatchObject({ status: 405, headers: { allow } });
  });
});

describe('the answers about the cache', () => {
  it('are the audit, the last outcomes and what may be done, never stored', async () => {
    const cache = open();
    const url = await inspected({}, cache);
    const method = cache.wrap('Shop.find', async (id: number) => ({ id }));
    const recent = `${url}api/recent?method=Shop.find`;
    expect((await ask(recent)).text).toBe('{"outcomes":[]}');
    await method(1);
    await method(1);
    const outcomes = [
      { status: 'hit', method: 'Shop.find', process: cache[insight].snapshot().process.id },
      { status: 'miss', method: 'Shop.find' },
    ];
    expect(JSON.parse((await ask(recent)).text)).toMatchObject({ outcomes });
    expect(await status(`${url}api/recent`)).toBe(400);
    const audit = await ask(`${url}api/audit`);
    expect(JSON.parse(audit.text)).toMatchObject({
      processes: [{ process: { pid: process.pid }, answer: { findings: [] } }],
    });
    const session = await ask(`${url}api/session`);
    expect(JSON.parse(session.text)).toEqual({ canInvalidate: false, needsToken: false });
    for (const { headers } of [audit, session]) {
      expect(headers).toMatchObject({ 'cache-control': 'no-store', 'content-type': 'application/json; charset=utf-8' });
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });

  it('of recent outcomes take turns between processes, newest first', async () => {
    const cache = open();
    const outcome = (key: string): object => ({ method: 'm', key });
    jest.spyOn(cache[insight], 'ask').mockResolvedValue([
      { process: { id: 'p' } as never, answer: ['1', '2', '3'].map(outcome) as never },
      { process: { id: 'q' } as never, answer: ['4'].map(outcome) as never },
    ]);
    const { outcomes } = JSON.parse((await ask(`${await inspected({}, cache)}api/recent?method=m`)).text) as {
      outcomes: { key: string; process: string }[];
    };
    expect(outcomes.map(({ key, process }) => `${process}${key}`)).toEqual(['p3', 'q4', 'p2', 'p1']);
  });

  it('are JSON whatever names are like', async () => {
    const cache = open();
    const name = '</script>\n\ndata: {"\u2028';
    await cache.wrap(name, async () => 1)();
    const fleet = await firstEvent(await fetch(`${await inspected({}, cache)}api/stream`));
    expect(Object.keys(fleet.processes[0]?.answer.stats.methods ?? {})).toEqual([name]);
  });
});

describe('without a token', () => {
  it('names of this machine are answered, and no other that leads here', async () => {
    const url = await inspected();
    for (const host of ['localhost', 'LOCALHOST:80', '127.0.0.1:3000', '[::1]', '[::1]:3000'])
      expect([host, await status(url, { headers: { host } })]).toEqual([host, 200]);
    for (const host of [
      'example.org',
      'localhost.example.org',
      '127.0.0.1.example.org',
      'a@localhost',
      'localhost:80@a',
      '::1',
    ])
      for (const path of ['', 'page.js', 'api/session', 'api/stream'])
        expect([host, path, await status(url + path, { headers: { host } })]).toEqual([host, path, 403]);
    expect((await ask(url, { headers: { host: 'example.org' } })).text).toContain('createInspector(cache, { token })');
  });

  it('what a proxy passes on is refused', async () => {
    const url = await inspected();
    for (const name of [
      'X-Forwarded-For',
      'X-Forwarded-Proto',
      'X-Forwarded-Prefix',
      'Forwarded',
      'X-Real-IP',
      'True-Client-IP',
      'CF-Connecting-IP',
      'CF-Ray',
      'Via',
    ])
      expect([name, await status(url, { headers: { [name]: '1.2.3.4' } })]).toEqual([name, 403]);
  });

  it('HTTP/1.0 is refused, which proxies speak that tell nothing else of themselves', async () => {
    const url = await inspected();
    expect([await rawStatus(url, '1.0'), await rawStatus(url, '1.1')]).toEqual([403, 200]);
    expect(await rawStatus(await inspected({ token }), '1.0')).toBe(200);
  });

  it('it is mounted in no server in production, and may listen by itself', async () => {
    jest.replaceProperty(process, 'env', { ...process.env, NODE_ENV: 'production' });
    closing.push(() => jest.restoreAllMocks());
    const inspector = createInspector(open());
    expect(refusal(() => inspector.handler)).toContain("there is no token, and NODE_ENV is 'production'");
    expect(refusal(() => createInspector(open(), { token }).handler)).toBe('none');
    const { url } = await inspector.listen();
    closing.push(() => inspector.close());
    expect((await fetch(url)).status).toBe(200);
  });

  it('what comes to an address that others reach is refused, whatever it calls itself', async () => {
    const own = Object.values(networkInterfaces())
      .flat()
      .find((address) => address?.family === 'IPv4' && !address.internal);
    const server = createServer((incoming, response) => {
      // stands in for a machine without a network
      if (!own) Object.defineProperty(incoming.socket, 'localAddress', { value: '192.0.2.1' });
      inspector.handler(incoming, response);
    });
    const inspector = inspectorOf(open());
    await new Promise<void>((resolve) => server.listen(0, resolve));
    closing.push(() => server.close());
    const { port } = server.address() as AddressInfo;
    const url = `http://${own?.address ?? '127.0.0.1'}:${port}/`;
    expect(await status(url, { headers: { host: 'localhost', connection: 'close' } })).toBe(403);
  });
});

describe('with a token', () => {
  it('the files need none, the answers need the right one', async () => {
    const url = await inspected({ token });
    const host = 'cache.example.org';
    for (const path of ['', 'page.js', 'uplot.css', 'api/session'])
      expect([path, await status(url + path, { headers: { host } })]).toEqual([path, 200]);
    expect(JSON.parse((await ask(`${url}api/session`)).text)).toEqual({ canInvalidate: false, needsToken: true });
    for (const path of ['api/stream', 'api/recent?method=a', 'api/audit'])
      for (const authorization of [undefined, '', 'Bearer', 'Bearer x', `Bearer ${token}x`, `Basic ${token}`, token]) {
        const headers = authorization === undefined ? {} : { authorization };
        expect([path, authorization, await status(url + path, { headers })]).toEqual([path, authorization, 401]);
      }
    const headers = { host, authorization: `Bearer ${token}` };
    expect(await status(`${url}api/audit`, { headers })).toBe(200);
    await firstEvent(await fetch(`${url}api/stream`, { headers: { authorization: `Bearer ${token}` } }));
  });

  it('reading is no permission to invalidate, and the other way round', async () => {
    const url = `${await inspected({ token, invalidationToken })}api/invalidate`;
    const authorization = `Bearer ${token}`;
    expect(await status(url, invalidation())).toBe(401);
    expect(await status(url, invalidation({ authorization, 'x-cachette-invalidation-token': token }))).toBe(403);
    expect(await status(url, invalidation({ authorization: `Bearer ${invalidationToken}` }))).toBe(401);
    expect(await status(url, invalidation({ authorization }))).toBe(200);
  });
});

describe('invalidating', () => {
  it('makes entries invalid, for whoever has the token', async () => {
    const cache = open();
    const url = await inspected({ invalidationToken }, cache);
    const load = jest.fn(async () => 1);
    await cache.getOrLoad('k', load, { tags: 'a' });
    expect(JSON.parse((await ask(`${url}api/session`)).text)).toEqual({ canInvalidate: true, needsToken: false });
    const answer = await ask(`${url}api/invalidate`, invalidation());
    expect([answer.status, JSON.parse(answer.text)]).toEqual([200, { status: 'done' }]);
    await cache.getOrLoad('k', load, { tags: 'a' });
    expect(load).toHaveBeenCalledTimes(2);
  });

  it('is for nobody where there is no token for it', async () => {
    const cache = open();
    const url = `${await inspected({}, cache)}api/invalidate`;
    for (const given of [invalidationToken, '', 'undefined'])
      expect(await status(url, invalidation({ 'x-cachette-invalidation-token': given }))).toBe(403);
    expect(cache.stats().invalidations).toBe(0);
  });

  it.each<[string, number, OutgoingHttpHeaders, unknown?]>([
    ['no token', 403, { 'x-cachette-invalidation-token': '' }],
    ['a wrong token', 403, { 'x-cachette-invalidation-token': `${invalidationToken}x` }],
    ['another site', 403, { 'sec-fetch-site': 'cross-site' }],
    ['a sister site', 403, { 'sec-fetch-site': 'same-site' }],
    ['another origin', 403, { origin: 'https://example.org' }],
    ['another port', 403, { origin: 'http://127.0.0.1:1' }],
    ['a hidden origin', 403, { origin: 'null' }],
    ['a form', 415, { 'content-type': 'text/plain' }],
    ['a form that looks like JSON', 415, { 'content-type': 'text/plain; application/json' }],
    ['too much', 413, {}, { tags: ['a'], more: 'x'.repeat(16_001) }],
    ['too much of it in parts', 413, { 'transfer-encoding': 'chunked' }, { tags: ['a'], more: 'x'.repeat(50_000) }],
    ['no JSON', 400, {}, '{'],
    ['null', 400, {}, 'null'],
    ['no tags', 400, {}, { tags: [] }],
    ['too many tags', 400, {}, { tags: Array.from({ length: 101 }, () => 'a') }],
    ['a tag that is none', 400, {}, { tags: ['a', 1] }],
    ['an empty tag', 400, {}, { tags: [''] }],
    ['a long tag', 400, {}, { tags: ['a'.repeat(501)] }],
    ['one tag without its array', 400, {}, { tags: 'a' }],
  ])('%s is refused with %i', async (...[, expected, headers, body]) => {
    const cache = open();
    const url = await inspected({ invalidationToken }, cache);
    expect(await status(`${url}api/invalidate`, invalidation(headers, body))).toBe(expected);
    expect(cache.stats().invalidations).toBe(0);
    expect(await status(url)).toBe(200);
  });

  it('is done over HTTP/2, whose requests name their host elsewhere', async () => {
    const inspector = inspectorOf(open(), { invalidationToken });
    const server = createServer2(inspector.handler as never);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const session = connect2(url);
    closing.push(
      () => server.close(),
      () => session.destroy(),
    );
    const post = (origin: string): Promise<unknown> =>
      new Promise((resolve, reject) => {
        const { headers, body } = invalidation({ origin, ':method': 'POST', ':path': '/api/invalidate' });
        const asked = session.request(headers);
        asked.once('response', (told) => resolve(told[':status']));
        asked.once('error', reject);
        asked.end(body);
      });
    expect([await post(url), await post('http://127.0.0.1:1')]).toEqual([200, 403]);
  });

  it('is refused as soon as there is too much, not when all has come', async () => {
    const url = new URL(`${await inspected({ invalidationToken })}api/invalidate`);
    const { method, headers } = invalidation({ 'transfer-encoding': 'chunked' }) as {
      method: string;
      headers: OutgoingHttpHeaders;
    };
    const answered = await new Promise((resolve) => {
      const asked = request(url, { method, headers }, (response) => resolve(response.statusCode));
      closing.push(() => asked.destroy());
      asked.on('error', () => undefined);
      asked.write('x'.repeat(20_000));
    });
    expect(answered).toBe(413);
  });

  it('is done for its own page, and for programs, with the largest that is allowed', async () => {
    const url = await inspected({ invalidationToken });
    const own = { origin: new URL(url).origin, 'sec-fetch-site': 'same-origin' };
    expect(await status(`${url}api/invalidate`, invalidation(own))).toBe(200);
    expect(
      await status(`${url}api/invalidate`, invalidation({ 'content-type': 'application/json; charset=utf-8' })),
    ).toBe(200);
    const tags = Array.from({ length: 100 }, (_, i) => `${i}`.padStart(150, 'a'));
    expect(await status(`${url}api/invalidate`, invalidation({}, { tags }))).toBe(200);
  });

  it('tells what is not delivered yet, also where the cache throws for it', async () => {
    const cache = open('redis://127.0.0.1:1', { deadline: '50ms', onInvalidationFailure: 'throw' });
    const url = await inspected({ invalidationToken }, cache);
    expect((await ask(`${url}api/invalidate`, invalidation())).text).toBe('{"status":"deferred"}');
  });
});

describe('the stream', () => {
  it('tells of every process, again and again', async () => {
    const [store, bus] = [new Keyv(), localBus()];
    const fleet = [1, 2].map(() => open(['memory://', store], { namespace: 'fleet', bus: bus.connect() }));
    await Promise.all(fleet.map((cache) => cache.getOrLoad('k', async () => 1)));
    const url = await inspected({}, fleet[0]);
    const { at, processes } = await firstEvent(await fetch(`${url}api/stream`), (told) => told.processes.length === 2);
    expect(Math.abs(Date.now() - at)).toBeLessThan(10_000);
    const ids = fleet.map((cache) => cache[insight].snapshot().process.id);
    expect(processes.map(({ process }) => process.id).sort()).toEqual(ids.sort());
    expect(processes.every(({ answer }) => answer.stats.calls === 1)).toBe(true);
  });

  it('asks once for all who watch, and nobody while none does', async () => {
    const cache = open();
    const asking = jest.spyOn(cache[insight], 'ask');
    const url = await inspected({}, cache);
    await ask(url);
    expect(asking).toHaveBeenCalledTimes(0);
    const abort = new AbortController();
    const streams = await Promise.all([1, 2, 3].map(() => fetch(`${url}api/stream`, { signal: abort.signal })));
    const first = await Promise.all(streams.map((stream) => firstEvent(stream)));
    expect(new Set(first.map(({ at }) => at)).size).toBeLessThanOrEqual(2);
    expect(asking.mock.calls.length).toBeLessThanOrEqual(2);
    abort.abort();
    await until('all have left', () => {
      const before = asking.mock.calls.length;
      return new Promise((resolve) => setTimeout(() => resolve(asking.mock.calls.length === before), 1_200));
    });
  });

  it('asks no more where all have left while it was asking', async () => {
    const cache = open();
    let answer = (): void => undefined;
    const asked = new Promise<void>((resolve) => {
      jest.spyOn(cache[insight], 'ask').mockImplementation(() => {
        resolve();
        return new Promise((answered) => (answer = () => answered([])));
      });
    });
    const inspector = inspectorOf(cache, { token });
    const { body } = await inspector.fetch(authorized('http://localhost/api/stream'));
    await asked;
    await body?.cancel();
    const timer = jest.spyOn(globalThis, 'setTimeout');
    answer();
    await new Promise((resolve) => setImmediate(resolve));
    expect(timer).not.toHaveBeenCalled();
    timer.mockRestore();
  });

  it('keeps nothing for a client that does not read', async () => {
    const cache = open();
    const [told] = await cache[insight].ask({ topic: 'snapshot' });
    const large = { ...told, answer: { ...told?.answer, namespace: 'x'.repeat(20_000_000) } } as Answered<'snapshot'>;
    const asking = jest.spyOn(cache[insight], 'ask').mockResolvedValue([large] as never);
    const inspector = inspectorOf(cache);
    let buffered = (): number => -1;
    const url = await listening(
      createServer((incoming, response) => {
        buffered = () => response.writableLength;
        inspector.handler(incoming, response);
      }),
    );
    const client = await stalled(url);
    closing.push(() => client.destroy());
    await until('it has been asked three times', () => asking.mock.calls.length >= 3);
    expect(buffered()).toBeGreaterThan(1_000_000);
    expect(buffered()).toBeLessThan(25_000_000);
  });

  it('ends when the inspector is closed, and is not there afterwards', async () => {
    const inspector = inspectorOf(open(), { token });
    const url = await listening(createServer(inspector.handler));
    const response = await fetch(`${url}/api/stream`, { headers: { authorization: `Bearer ${token}` } });
    const whole = response.text();
    const web = (await inspector.fetch(authorized('http://localhost/api/stream'))).text();
    await inspector.close();
    expect(await whole).toMatch(/^: watching\n\n/);
    expect(await web).toMatch(/^: watching\n\n/);
    for (const path of ['/', '/page.js', '/api/session', '/api/stream']) {
      const late = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${token}` } });
      expect([path, late.status, late.headers.get('connection')]).toEqual([path, 503, 'close']);
    }
    await expect(inspector.listen()).rejects.toThrow('inspector.listen: this inspector is closed');
    await inspector.close();
  });

  it('does not keep a server from closing that others have, though somebody watches', async () => {
    const inspector = inspectorOf(open());
    const server = createServer(inspector.handler);
    const url = await listening(server);
    const response = await fetch(`${url}/api/stream`);
    expect(response.headers.get('connection')).toBe('close');
    await Promise.all([new Promise((resolve) => server.close(resolve)), response.text()]);
  });

  it('does not keep an application from closing either', async () => {
    const url = await onFastify(inspectorOf(open(), { base: '/cache' }));
    const response = await fetch(`${url}/cache/api/stream`);
    // Fastify ends connections itself, perhaps before all is read.
    const ended = response.text().catch(() => 'ended');
    await Promise.all([closing.pop()?.(), closing.pop()?.(), ended]);
  });

  it('is not kept by what compresses answers', async () => {
    const inspector = inspectorOf(open());
    const app = express().use(compresses).use('/cache', inspector.handler);
    const url = await listening(createServer(app));
    expect((await fetch(`${url}/cache/page.js`)).headers.get('content-encoding')).toBe('gzip');
    await firstEvent(await fetch(`${url}/cache/api/stream`));
  });

  it('leaves no port and no timer behind', async () => {
    const inspector = inspectorOf(open());
    const { url } = await inspector.listen();
    await firstEvent(await fetch(`${url}api/stream`));
    await inspector.close();
    await expect(ask(url)).rejects.toThrow('ECONNREFUSED');
    const again = await inspectorOf(open()).listen();
    const watching = (await fetch(`${again.url}api/stream`)).text();
    await again.close();
    await again.close();
    expect(await watching).toMatch(/^: watching\n\n/);
    await expect(ask(again.url)).rejects.toThrow('ECONNREFUSED');
  });
});

/** As the package `compression` does: what is written goes through gzip, and what may not be transformed does not. */
const compresses: express.RequestHandler = (_request, response, next) => {
  const [head, write, end] = [response.writeHead, response.write, response.end].map((one) => one.bind(response)) as [
    (status: number, headers: OutgoingHttpHeaders) => void,
    (chunk: unknown) => boolean,
    (chunk?: unknown) => Response,
  ];
  const gzip = createGzip().on('data', write).once('end', end);
  response.writeHead = ((code: number, headers: OutgoingHttpHeaders = {}) => {
    const isPlain = /no-transform/.test(String(headers['Cache-Control']));
    Object.assign(response, isPlain ? { write, end } : {});
    head(code, isPlain ? headers : { ...headers, 'Content-Encoding': 'gzip' });
    return response;
  }) as never;
  response.write = ((chunk: unknown) => gzip.write(chunk)) as never;
  response.end = ((chunk?: unknown) => gzip.end(chunk)) as never;
  next();
};

/** A client of the stream that reads nothing. */
function stalled(url: string): Promise<Socket> {
  const { port, host } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), '127.0.0.1', () => {
      socket.pause();
      socket.write(`GET /api/stream HTTP/1.1\r\nHost: ${host}\r\n\r\n`, () => resolve(socket));
    });
  });
}

describe.each<[string, (inspector: Inspector) => Promise<string>]>([
  ['Express', (inspector) => listening(createServer(express().use('/cache', inspector.handler)))],
  [
    'Express, behind a parser of bodies',
    (inspector) => listening(createServer(express().use(express.json()).use('/cache', inspector.handler))),
  ],
  ['Express with base as well', (inspector) => listening(createServer(express().use('/cache', inspector.handler)))],
  ['Fastify', onFastify],
  ['node:http', (inspector) => listening(createServer(inspector.handler))],
])('under %s', (name, mount) => {
  const base = /base|Fastify|node/.test(name) ? '/cache' : undefined;

  it('the page is where it is mounted, with a slash', async () => {
    const url = await mount(inspectorOf(open(), { base }));
    const { status: redirected, headers } = await ask(`${url}/cache`);
    expect([redirected, new URL(headers.location ?? '', `${url}/cache`).href]).toEqual([302, `${url}/cache/`]);
    for (const path of ['', 'uplot.js', 'api/session', 'api/recent?method=a'])
      expect([path, await status(`${url}/cache/${path}`)]).toEqual([path, 200]);
    for (const path of ['/cache/no', '/cachet', '/page.js'])
      expect([path, await status(url + path)]).toEqual([path, 404]);
  });

  it('there are stream and invalidation', async () => {
    const url = await mount(inspectorOf(open(), { base, invalidationToken }));
    await firstEvent(await fetch(`${url}/cache/api/stream`));
    expect(await ask(`${url}/cache/api/invalidate`, invalidation())).toMatchObject({
      status: 200,
      text: '{"status":"done"}',
    });
    const large = invalidation({}, { tags: ['a'], more: 'x'.repeat(20_000) });
    expect(await status(`${url}/cache/api/invalidate`, large)).toBe(413);
  });
});

async function onFastify(inspector: Inspector): Promise<string> {
  const app = fastify();
  await app.register(async (scope) => {
    // the inspector reads bodies itself
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, _payload, done) => done(null));
    for (const path of ['/cache', '/cache/*'])
      scope.all(path, (asked, reply) => {
        reply.hijack();
        inspector.handler(asked.raw, reply.raw);
      });
  });
  closing.push(
    () => app.close(),
    () => app.server.closeAllConnections(),
  );
  return app.listen({ host: '127.0.0.1', port: 0 });
}

describe('fetch', () => {
  const local = 'http://localhost:3000/cache';

  it('answers requests of the web standard', async () => {
    const inspector = inspectorOf(open(), { base: '/cache', token, invalidationToken });
    const get = (path: string): Promise<Response> => inspector.fetch(authorized(local + path));
    const redirect = await get('');
    expect([redirect.status, redirect.headers.get('location')]).toEqual([302, './cache/']);
    expect(await (await get('/')).text()).toContain('<html');
    expect((await get('/uplot.js')).headers.get('content-type')).toBe('text/javascript; charset=utf-8');
    expect((await inspector.fetch(authorized(`${local}/`, { method: 'HEAD' }))).body).toBeNull();
    expect((await get('/no')).status).toBe(404);
    expect(await (await get('/api/session')).json()).toEqual({ canInvalidate: true, needsToken: true });
    const { method, headers, body } = invalidation() as {
      method: string;
      headers: Record<string, string>;
      body: string;
    };
    const post = (text: string): Promise<Response> =>
      inspector.fetch(authorized(`${local}/api/invalidate`, { method, headers, body: text }));
    expect(await (await post(body)).json()).toEqual({ status: 'done' });
    expect((await post('x'.repeat(16_001))).status).toBe(413);
  });

  it('needs a token, as a name in a URL says nothing of where the request has come from', async () => {
    const inspector = inspectorOf(open());
    for (const host of ['localhost', '127.0.0.1', '[::1]:80', 'example.org'])
      expect((await inspector.fetch(new Request(`http://${host}/api/audit`))).status).toBe(403);
    const guarded = inspectorOf(open(), { token });
    expect((await guarded.fetch(new Request('http://localhost/api/audit'))).status).toBe(401);
    expect((await guarded.fetch(authorized('http://example.org/api/audit'))).status).toBe(200);
  });

  it('streams to who reads, one event at most for who does not, and stops for who has left', async () => {
    const cache = open();
    const asking = jest.spyOn(cache[insight], 'ask');
    const inspector = inspectorOf(cache, { token });
    const idle = await inspector.fetch(authorized('http://localhost/api/stream'));
    const abort = new AbortController();
    const { body } = await inspector.fetch(authorized('http://localhost/api/stream', { signal: abort.signal }));
    await firstEvent(await inspector.fetch(authorized('http://localhost/api/stream')));
    await until('it has been asked twice', () => asking.mock.calls.length >= 2);
    abort.abort();
    expect((await text(body)).split('event: fleet').length).toBeLessThanOrEqual(2);
    await inspector.close();
    expect((await text(idle.body)).split('event: fleet').length).toBeLessThanOrEqual(2);
  });

  it('streams nothing to who has left before being answered', async () => {
    const inspector = inspectorOf(open(), { token });
    const signal = AbortSignal.abort();
    const { body } = await inspector.fetch(authorized('http://localhost/api/stream', { signal }));
    expect(await text(body)).not.toContain('event: fleet');
  });
});

async function text(body: ReadableStream<Uint8Array> | null): Promise<string> {
  return new Response(body).text();
}
