import { EventEmitter } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';

import KeyvRedis from '@keyv/redis';
import { manualClock } from 'cachette/testing';
import { Keyv, type KeyvStoreAdapter } from 'keyv';

import { checkKeyv, keyvBackend } from '../../src/stores/keyv.js';
import { backendContract } from '../contract/backend.contract.js';
import { startRedis, type RedisTestServer } from '../support/servers.js';
import { closeOpened, open, timed } from './open.js';

jest.setTimeout(30_000);
afterEach(closeOpened);

type Fault = (method: string, key: unknown) => unknown;

/** A store as adapters are written: rows in a Map, with or without batches, and faults on demand. */
class HandmadeAdapter extends EventEmitter {
  readonly opts = { dialect: 'handmade' };
  namespace: string | undefined;
  readonly calls: string[] = [];
  fault: Fault = () => undefined;
  constructor(readonly rows = new Map<string, unknown>()) {
    super();
  }
  async get(key: string): Promise<never> {
    return this.#answer('get', key, this.rows.get(key)) as never;
  }
  async set(key: string, row: unknown, ttl?: number): Promise<unknown> {
    const answer = this.#answer('set', key, undefined);
    this.calls.push(`ttl ${ttl}`);
    this.rows.set(key, row);
    return answer;
  }
  async delete(key: string): Promise<boolean> {
    return this.#answer('delete', key, this.rows.delete(key)) as boolean;
  }
  async clear(): Promise<void> {
    throw new Error('clear was called');
  }
  #answer(method: string, key: string, answer: unknown): unknown {
    this.calls.push(`${method} ${key}`);
    return this.fault(method, key) ?? answer;
  }
}

class BatchingAdapter extends HandmadeAdapter {
  async getMany(keys: string[]): Promise<never[]> {
    return (this.fault('getMany', keys) ?? keys.map((key) => this.rows.get(key))) as never[];
  }
  async deleteMany(keys: string[]): Promise<boolean> {
    const answer = this.fault('deleteMany', keys);
    return (answer as boolean | undefined) ?? keys.map((key) => this.rows.delete(key)).some(Boolean);
  }
}

const asAdapter = (adapter: HandmadeAdapter): KeyvStoreAdapter => adapter;
const overKeyv = (adapter: HandmadeAdapter, options = {}): Keyv => new Keyv({ store: asAdapter(adapter), ...options });
const upsideDown = {
  compress: async (text: string) => [...text].reverse().join(''),
  decompress: async (text: string) => [...text].reverse().join(''),
};

const map = new Map<string, unknown>();
const rows = new Map<string, unknown>();
const batchRows = new Map<string, unknown>();
// One after another, so that they can share it.
const clock = manualClock();
backendContract('Keyv over a Map', {
  make: () => open(new Keyv({ store: map }), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('Keyv without prefixes over a Map', {
  make: () => open(new Keyv({ store: map, namespace: 'ns', useKeyPrefix: false }), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('Keyv with our namespace over a Map', {
  make: () => open(new Keyv({ store: map, namespace: 'shop' }), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('Keyv without a serializer over a Map', {
  make: () => open(new Keyv({ store: new Map(map), serialize: undefined, deserialize: undefined } as never), clock),
  adds: false,
  tickMs: 0,
  clock,
  shares: false,
});
backendContract('Keyv with compression over a Map', {
  make: () => open(new Keyv({ store: map, namespace: 'small', compression: upsideDown as never }), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('Keyv over an adapter', {
  make: () => open(overKeyv(new HandmadeAdapter(rows)), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('Keyv over an adapter with batches', {
  make: () => open(overKeyv(new BatchingAdapter(batchRows)), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('an adapter', {
  make: () => open(asAdapter(new HandmadeAdapter(rows)), clock),
  adds: false,
  tickMs: 0,
  clock,
});
backendContract('an adapter with batches', {
  make: () => open(asAdapter(new BatchingAdapter(batchRows)), clock),
  adds: false,
  tickMs: 0,
  clock,
});

describe('over a Redis', () => {
  let server: RedisTestServer;
  const made: Keyv[] = [];
  const make = (options: object): Keyv => {
    const keyv = new Keyv(new KeyvRedis(server.uri) as never, options);
    made.push(keyv);
    return keyv;
  };
  beforeAll(async () => void (server = await startRedis({})));
  afterAll(async () => {
    await Promise.all(made.map((keyv) => keyv.disconnect()));
    await server.stop();
  });
  backendContract('a Keyv of the user', { make: () => open(make({})), adds: false, tickMs: 0 });
  backendContract('a Keyv of the user with a namespace', {
    make: () => open(make({ namespace: 'shop', useKeyPrefix: false })),
    adds: false,
    tickMs: 0,
  });

  test('a Redis that is full is a failure, although the adapter and Keyv both swallow its error', async () => {
    const backend = open(make({}));
    await backend.set('k', 'v', 60_000);
    await server.cli('CONFIG', 'SET', 'maxmemory', '1');
    await expect(timed(backend.set('k', 'w', 60_000))).resolves.toMatchObject({
      failure: 'unreachable',
      message: expect.stringContaining('OOM'),
    });
    await server.cli('CONFIG', 'SET', 'maxmemory', '0');
    await expect(backend.set('k', 'w', 60_000)).resolves.toBeUndefined();
  });
});

describe('a Keyv that was handed in', () => {
  test('is not changed and not closed, and keeps its own listeners', async () => {
    const adapter = new HandmadeAdapter();
    const keyv = overKeyv(adapter, { namespace: 'mine', ttl: 5 });
    let disconnected = false;
    Object.assign(adapter, { disconnect: async () => void (disconnected = true) });
    const listener = (): void => {};
    keyv.on('error', listener);
    const before = {
      namespace: keyv.namespace,
      ttl: keyv.ttl,
      useKeyPrefix: keyv.useKeyPrefix,
      throwOnErrors: keyv.throwOnErrors,
      serialize: keyv.serialize,
      store: keyv.store,
    };
    const backend = open(keyv);
    await backend.set('k', 'v', 60_000);
    await backend.close();
    expect({
      namespace: keyv.namespace,
      ttl: keyv.ttl,
      useKeyPrefix: keyv.useKeyPrefix,
      throwOnErrors: keyv.throwOnErrors,
      serialize: keyv.serialize,
      store: keyv.store,
    }).toEqual(before);
    expect(keyv.listeners('error')).toEqual([listener]);
    expect(adapter.namespace).toBe('mine');
    expect(disconnected).toBe(false);
  });

  test('an adapter without a Keyv keeps its namespace', async () => {
    const adapter = new HandmadeAdapter();
    adapter.namespace = 'mine';
    const backend = open(asAdapter(adapter));
    await backend.set('k', 'v', 60_000);
    await backend.close();
    expect(adapter.namespace).toBe('mine');
    expect(adapter.listenerCount('error')).toBe(0);
  });

  test('its default ttl has no part, its namespace and serializer have', async () => {
    const adapter = new HandmadeAdapter();
    const keyv = overKeyv(adapter, {
      namespace: 'mine',
      ttl: 5,
      serialize: (data: object) => `!${JSON.stringify(data)}`,
      deserialize: (text: string) => JSON.parse(text.slice(1)),
    });
    const backend = open(keyv);
    await backend.set('shop:1:k', 'v', Infinity);
    await backend.set('shop:1:l', 'v', 60_000);
    expect(adapter.calls).toEqual(['set mine:.shop:1:k', 'ttl undefined', 'set mine:.shop:1:l', 'ttl 60000']);
    expect(adapter.rows.get('mine:.shop:1:k')).toBe('!{"value":"v"}');
    await expect(backend.getMany(['shop:1:k'])).resolves.toEqual(['v']);
  });

  test('the user reads through the Keyv what the cache wrote', async () => {
    const keyv = new Keyv({ namespace: 'mine' });
    await open(keyv).set('k', 'v', 60_000);
    await expect(keyv.get('.k')).resolves.toBe('v');
  });

  test.each(['.dotted', '-dashed', 'plain'])('under the namespace %s no two of our keys meet', async (namespace) => {
    const backend = open(new Keyv({ namespace }));
    const keys = ['a', `${namespace}:a`, `${namespace}:${namespace}:a`, `.a`, `-a`, `.${namespace}:a`];
    await Promise.all(keys.map((key) => backend.set(key, key, 60_000)));
    await expect(backend.getMany(keys)).resolves.toEqual(keys);
    for (const key of keys) await expect(backend.getMany([key])).resolves.toEqual([key]);
    await backend.deleteMany([keys[0] as string]);
    await expect(backend.getMany(keys)).resolves.toEqual([undefined, ...keys.slice(1)]);
  });
});

describe.each([
  ['Keyv over an adapter', HandmadeAdapter, true],
  ['Keyv over an adapter with batches', BatchingAdapter, true],
  ['an adapter', HandmadeAdapter, false],
  ['an adapter with batches', BatchingAdapter, false],
])('a failing store: %s', (_, Adapter, inKeyv) => {
  const boom = new Error('boom');
  let adapter: HandmadeAdapter;
  let backend: ReturnType<typeof open>;
  beforeEach(async () => {
    adapter = new Adapter();
    backend = open(inKeyv ? overKeyv(adapter) : asAdapter(adapter));
    await backend.set('a', 'A', 60_000);
  });
  const commands: [string, () => Promise<unknown>][] = [
    ['getMany', () => backend.getMany(['a', 'b'])],
    ['set', () => backend.set('a', 'B', 60_000)],
    ['deleteMany', () => backend.deleteMany(['a', 'b'])],
  ];

  test.each(commands)('%s rejects if the store throws', async (__, command) => {
    adapter.fault = () => {
      throw boom;
    };
    await expect(command()).rejects.toMatchObject({
      name: 'BackendError',
      failure: 'unreachable',
      message: 'boom',
      cause: boom,
    });
  });

  test.each(commands)('%s rejects if the store swallows its error and emits it', async (__, command) => {
    adapter.fault = (method) => {
      adapter.emit('error', boom);
      return method === 'getMany' ? [undefined, undefined] : method.startsWith('delete') ? false : undefined;
    };
    await expect(command()).rejects.toMatchObject({ failure: 'unreachable', message: 'boom' });
    adapter.fault = () => undefined;
    await expect(command()).resolves.not.toThrow();
  });

  test('set rejects if the store says false', async () => {
    adapter.fault = (method) => (method === 'set' ? false : undefined);
    await expect(backend.set('a', 'B', 60_000)).rejects.toMatchObject({ failure: 'refused' });
  });

  test('an error that is emitted while nothing runs fails nothing and ends nothing', async () => {
    adapter.emit('error', boom);
    await expect(backend.getMany(['a'])).resolves.toEqual(['A']);
  });

  test('two calls that overlap one error have both failed', async () => {
    adapter.fault = () => {
      adapter.emit('error', boom);
      return undefined;
    };
    const results = await Promise.allSettled([backend.set('a', 'B', 1_000), backend.set('b', 'B', 1_000)]);
    expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
  });

  test('a row that does not decode, or is not ours, is absent and fails no other row', async () => {
    const prefix = inKeyv ? 'keyv:.' : '';
    const foreign = {
      corrupt: '{"value":',
      text: 'hello',
      number: '42',
      none: 'null',
      other: '{"value":{"a":1}}',
      object: { value: 7 },
      array: [1],
    };
    for (const [key, row] of Object.entries(foreign)) adapter.rows.set(prefix + key, row);
    const keys = ['a', ...Object.keys(foreign), 'a'];
    await expect(backend.getMany(keys)).resolves.toEqual(['A', ...Object.keys(foreign).map(() => undefined), 'A']);
    expect(adapter.rows.size).toBe(keys.length - 1);
  });

  test('what the reader calls expired is absent, and is not deleted', async () => {
    await backend.set('short', 'S', 20);
    await sleep(50);
    await expect(backend.getMany(['short', 'a'])).resolves.toEqual([undefined, 'A']);
    expect(adapter.rows.size).toBe(2);
  });

  test('a batch of another length is a failure', async () => {
    if (!(adapter instanceof BatchingAdapter)) return;
    adapter.fault = (method) => (method === 'getMany' ? [undefined] : undefined);
    await expect(backend.getMany(['a', 'b'])).rejects.toMatchObject({ failure: 'unreachable' });
  });
});

test('a Keyv whose errors are not emitted still rejects where the store throws', async () => {
  const adapter = new HandmadeAdapter();
  const backend = open(overKeyv(adapter, { emitErrors: false, throwOnErrors: false }));
  adapter.fault = () => {
    throw new Error('boom');
  };
  await expect(backend.getMany(['a'])).rejects.toMatchObject({ failure: 'unreachable' });
  await expect(backend.set('a', 'A', 1_000)).rejects.toMatchObject({ failure: 'unreachable' });
  await expect(backend.deleteMany(['a'])).rejects.toMatchObject({ failure: 'unreachable' });
});

test('a Keyv from another copy of the package is taken', () => {
  const keyv = new Keyv();
  const twin = new Proxy(keyv, { getPrototypeOf: () => Object.prototype });
  expect(() => keyvBackend(checkKeyv(twin, 'createCache') as Keyv, { name: 'twin' })).not.toThrow();
});
