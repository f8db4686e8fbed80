import { createCache } from 'cachette';
import { expectHit, expectMiss, faultyStore, type StoreCommand, type StoreFault } from 'cachette/testing';
import { randomUUID } from 'node:crypto';
import {
  type MemcachedTestServer,
  type RedisTestServer,
  startMemcached,
  startRedis,
  until,
} from '../../support/servers.js';

jest.setTimeout(30_000);

let namespace: string;
let fault: ((command: StoreCommand) => StoreFault | undefined) | undefined;
let operations: Set<string>;

const plan = (command: StoreCommand): StoreFault | undefined => {
  operations.add(command.operation);
  return fault?.(command);
};

beforeEach(() => {
  namespace = `faulty-${randomUUID().slice(0, 8)}`;
  fault = undefined;
  operations = new Set();
});

describe('a Redis by its URI', () => {
  let server: RedisTestServer;
  beforeAll(async () => void (server = await startRedis({})));
  afterAll(() => server.stop());

  it('fails as planned in front of a cache, and is a Redis otherwise', async () => {
    const store = faultyStore(server.uri, plan);
    const cache = createCache(store, { namespace, deadline: '5s' });
    const find = cache.wrap('find', async (id: number) => `row ${id}`, { tags: 'rows' });
    await expectMiss(cache, () => find(1), 'absent');
    await expectHit(cache, () => find(1));

    fault = ({ operation }) => (operation === 'getMany' ? { kind: 'throw' } : undefined);
    await expectMiss(cache, () => find(1));
    fault = ({ operation }) => (operation === 'getMany' ? { kind: 'evict' } : undefined);
    await expectMiss(cache, () => find(1));
    fault = undefined;
    await expectHit(cache, () => find(1));
    await cache.invalidate('rows');
    expect([...operations].sort()).toEqual(['add', 'deleteAndPublish', 'deleteMany', 'getMany', 'serverIds', 'set']);
    await cache.close();
    await store.close();
  });

  it('keeps its connection until it is closed', async () => {
    const connected = async (): Promise<number> => (await server.cli('CLIENT', 'LIST')).split('name=faulty').length - 1;
    const store = faultyStore(`${server.uri}?clientName=faulty`, plan);
    const cache = createCache(store, { namespace, deadline: '5s', bus: false });
    await cache.getOrLoad('greeting', async () => 'hello');
    await cache.close();
    expect(await connected()).toBe(1);
    await store.close();
    await until('the connection is closed', async () => (await connected()) === 0);
    await expect(store.getMany(['a'])).rejects.toMatchObject({ failure: 'unreachable' });
  });

  it('has faults of messages over its own bus: an invalidation waits for a process that is cut off', async () => {
    const told = new Set<unknown>();
    let isCutOff = false;
    const cut = faultyStore(server.uri, plan, {
      messages: ({ kind, direction }) => {
        told.add(`${kind} ${direction}`);
        return isCutOff ? { kind: 'drop' } : undefined;
      },
    });
    const here = createCache(['memory://', cut], { namespace, deadline: '5s' });
    const there = createCache(['memory://', server.uri], { namespace, deadline: '5s' });
    let price = 10;
    const priceHere = here.wrap('price', async () => price, { tags: 'prices' });
    const isInMemory = async (): Promise<boolean> => (await here.explain(priceHere)).calls[0]?.tier === 'memory';
    await until('a hit in memory', isInMemory);

    isCutOff = true;
    price = 12;
    const since = performance.now();
    expect(await there.invalidate('prices')).toEqual({ status: 'done' });
    expect(performance.now() - since).toBeGreaterThan(300);
    expect(await priceHere()).toBe(12);
    expect([...told]).toEqual(expect.arrayContaining(['beat out', 'beat in', 'removed in']));
    await Promise.all([here.close(), there.close()]);
    await cut.close();
  });
});

describe('a memcached by its URI', () => {
  let server: MemcachedTestServer;
  beforeAll(async () => void (server = await startMemcached({})));
  afterAll(() => server.stop());

  it('fails as planned in front of a cache, and is a memcached otherwise', async () => {
    const store = faultyStore(server.uri, plan);
    const cache = createCache(store, { namespace, deadline: '5s' });
    const find = cache.wrap('find', async (id: number) => `row ${id}`, { tags: 'rows' });
    fault = ({ operation }) => (operation === 'set' ? { kind: 'throw' } : undefined);
    await expectMiss(cache, () => find(1), 'absent');
    await expectMiss(cache, () => find(1), 'absent');

    fault = ({ operation }) => (operation === 'set' ? { kind: 'double' } : undefined);
    await expectMiss(cache, () => find(1), 'absent');
    fault = undefined;
    await expectHit(cache, () => find(1));
    await cache.invalidate('rows');
    expect([...operations].sort()).toEqual(['add', 'deleteMany', 'getMany', 'set']);
    await cache.close();
    await store.close();
  });

  it('has no bus whose messages could fail', () => {
    expect(() => faultyStore(server.uri, plan, { messages: () => undefined })).toThrow(
      /messages, and memcached:.* no bus/,
    );
  });
});
