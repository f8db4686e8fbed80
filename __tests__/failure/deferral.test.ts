import { type RedisTestServer, startMemcached, startRedis, type TestServer, until } from '../support/servers.js';
import { type Caller, startCaller } from './caller.js';
import { read, untilItHits } from './failure.suite.js';
import { type Proxy, startProxy } from './proxy.js';

jest.setTimeout(30_000);

/** Long enough for a server on a busy machine: what is expected of a hit would else be computed anew. */
const setup = { deadlineMs: 1_000, methodMs: 20 };
const { deadlineMs } = setup;
const slackMs = 1_000;

const kinds = [
  { name: 'redis', start: () => startRedis({}) },
  { name: 'memcached', start: () => startMemcached({}) },
];

/**
 * One process reaches the server directly, one by a way that is cut. What was cached is still on the server, so that only
 * the refusal here and the delivery afterwards keep it from being served.
 */
describe.each(kinds)('an invalidation by a process that is cut off from $name', (kind) => {
  let server: TestServer;
  let proxy: Proxy;
  let cutOff: Caller;
  let other: Caller;

  beforeAll(async () => {
    server = await kind.start();
    proxy = await startProxy(server.port);
    [cutOff, other] = [startCaller(), startCaller()];
    await Promise.all([
      cutOff.open(server.uri.replace(`${server.port}`, `${proxy.port}`), setup),
      other.open(server.uri, setup),
    ]);
  });
  afterAll(() => Promise.all([cutOff.kill(), other.kill(), proxy.stop().then(() => server.stop())]));

  const set = (row: string): Promise<unknown> => Promise.all([cutOff.set(row), other.set(row)]);
  /** What is read here under `id` until the other process reads `row`. */
  const readUntilOther = async (id: string, row: string): Promise<unknown[]> => {
    const [otherId = ''] = row.split(':');
    const seen: unknown[] = [];
    await until('The other process reads the new row', async () => {
      seen.push(await read(cutOff, id));
      return (await read(other, otherId)) === row;
    });
    return seen;
  };

  it('is deferred at once, holds there from then on, and everywhere soon after', async () => {
    await Promise.all([untilItHits(cutOff, 'x'), untilItHits(other, 'x')]);
    await proxy.cut();
    await set('second');
    const { status, ms } = await cutOff.invalidate('row:x');
    expect(status).toBe('deferred');
    expect(ms).toBeLessThan(deadlineMs + slackMs);
    expect(await read(cutOff, 'x')).toBe('x: second');
    expect(await read(other, 'x')).toBe('x: first');
    await proxy.mend();
    const seen = await readUntilOther('x', 'x: second');
    expect(new Set(seen)).toEqual(new Set(['x: second']));
    await Promise.all([untilItHits(cutOff, 'x'), untilItHits(other, 'x')]);
  });

  it('is delivered without anybody calling there', async () => {
    await set('third');
    await cutOff.invalidate('rows');
    await untilItHits(other, 'y');
    await proxy.cut();
    await set('fourth');
    expect(await cutOff.invalidate('row:y')).toMatchObject({ status: 'deferred' });
    await proxy.mend();
    await until('The other process reads the new row', async () => (await read(other, 'y')) === 'y: fourth');
  });

  it('becomes one of everything where there are too many to keep', async () => {
    // What is computed here after the invalidation is also written, so that the other process reads another one.
    await Promise.all([untilItHits(cutOff, 'z'), untilItHits(other, 'never read by the first')]);
    await proxy.cut();
    await set('fifth');
    const tags = Array.from({ length: 10_001 }, (_, i) => `tag-${i}`);
    expect(await cutOff.invalidate(...tags)).toMatchObject({ status: 'deferred' });
    await proxy.mend();
    const seen = await readUntilOther('z', 'never read by the first: fifth');
    expect(new Set(seen)).toEqual(new Set(['z: fifth']));
  });
});

describe('an invalidation that the server refuses, while it answers reads', () => {
  let server: RedisTestServer;
  let refused: Caller;
  let other: Caller;

  beforeAll(async () => {
    server = await startRedis({});
    [refused, other] = [startCaller(), startCaller()];
    await Promise.all([refused.open(server.uri, setup), other.open(server.uri, setup)]);
  });
  afterAll(() => Promise.all([refused.kill(), other.kill(), server.stop()]));

  it('holds in its process at once, and everywhere when the server takes it', async () => {
    await Promise.all([untilItHits(refused, 'x'), untilItHits(other, 'x'), untilItHits(refused, 'y')]);
    await server.cli('CONFIG', 'SET', 'min-replicas-to-write', '1');
    await Promise.all([refused.set('second'), other.set('second')]);
    expect(await refused.invalidate('row:x')).toMatchObject({ status: 'deferred' });
    const reads = await refused.inTurn('x', 'y', 'x');
    expect(reads.map(({ value }) => value)).toEqual(['x: second', 'y: first', 'x: second']);
    expect(await read(other, 'x')).toBe('x: first');
    await server.cli('CONFIG', 'SET', 'min-replicas-to-write', '0');
    await until('The other process reads the new row', async () => (await read(other, 'x')) === 'x: second');
    await untilItHits(refused, 'x');
  });
});
