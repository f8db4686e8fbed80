import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createCache, type Outcome } from 'cachette';
import { Emitter } from '../../src/base/events.js';
import { runChild } from '../support/child.js';

/** What comes over the channels of the process, until `stop`. */
function watched(...events: string[]): { readonly messages: unknown[]; stop(): void } {
  const messages: unknown[] = [];
  const listener = (message: unknown): void => void messages.push(message);
  for (const event of events) subscribe(`cachette:${event}`, listener);
  return { messages, stop: () => events.forEach((event) => unsubscribe(`cachette:${event}`, listener)) };
}

describe('the channels of the process', () => {
  let stop = (): void => {};
  afterEach(() => {
    stop();
    stop = () => {};
    jest.restoreAllMocks();
  });
  const watch = (...events: string[]): unknown[] => {
    const { messages, stop: end } = watched(...events);
    stop = end;
    return messages;
  };

  it.each(['outcome', 'invalidation', 'load', 'mismatch', 'error', 'warning'] as const)(
    'carry each %s, with the namespace of its cache',
    (event) => {
      const emitter = new Emitter('shop');
      expect(emitter.heard(event)).toBe(false);
      const messages = watch(event);
      expect(emitter.heard(event)).toBe(true);
      expect(emitter.hasListener(event)).toBe(false);
      const value = { method: 'find' } as never;
      emitter.emit(event, value);
      expect(messages).toEqual([{ namespace: 'shop', event: value }]);
      stop();
      expect(emitter.heard(event)).toBe(false);
    },
  );

  it('tell of the calls of every cache', async () => {
    const messages = watch('outcome', 'load', 'invalidation');
    for (const namespace of ['one', 'two']) {
      const cache = createCache('memory://', { namespace });
      const find = cache.wrap('find', (id: number) => Promise.resolve(id), { ttl: '1m', tags: 'all' });
      await find(1);
      await find(1);
      await cache.invalidate('all');
      await cache.close();
    }
    const of = (namespace: string) => [
      { namespace, event: expect.objectContaining({ method: 'find', status: 'ok' }) as unknown },
      { namespace, event: expect.objectContaining({ method: 'find', status: 'miss', reason: 'absent' }) as unknown },
      { namespace, event: expect.objectContaining({ method: 'find', status: 'hit', tier: 'memory' }) as unknown },
      { namespace, event: { tags: ['all'], kind: 'invalidate', status: 'done' } },
    ];
    expect(messages).toEqual([...of('one'), ...of('two')]);
  });

  it('come after the listeners of the cache', () => {
    const emitter = new Emitter('shop');
    const order: string[] = [];
    emitter.on('outcome', () => order.push('listener'));
    const subscriber = (): void => void order.push('subscriber');
    subscribe('cachette:outcome', subscriber);
    stop = () => unsubscribe('cachette:outcome', subscriber);
    emitter.emit('outcome', {} as Outcome);
    expect(order).toEqual(['listener', 'subscriber']);
  });

  it('do not keep warnings from the process', async () => {
    const messages = watch('warning');
    const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const cache = createCache();
    const odd = cache.wrap('odd', (_argument: unknown) => Promise.resolve(1));
    await odd(() => 1);
    expect(messages).toEqual([{ namespace: expect.any(String) as unknown, event: expect.anything() as unknown }]);
    expect(warned).toHaveBeenCalledTimes(1);
    await cache.close();
  });

  it('make nothing for nobody', () => {
    const publish = jest.spyOn(channel('cachette:outcome'), 'publish');
    new Emitter('shop').emit('outcome', {} as Outcome);
    expect(publish).not.toHaveBeenCalled();
  });
});

test('a subscriber that throws does not reach the caller: Node reports it when the call is over', async () => {
  const child = runChild('__tests__/base/throwing-subscriber.child.ts');
  await expect(child.next()).resolves.toEqual({ value: 1, reported: ['from a subscriber'] });
  await expect(child.done).resolves.toBe(0);
});

test.each<[string, string, () => unknown]>([
  [
    'throws',
    'threw',
    () => {
      throw new Error('no');
    },
  ],
  ['rejects', 'rejected', () => Promise.reject(new Error('no'))],
])('a listener that %s is a warning', async (_how, what, listener) => {
  const warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
  const cache = createCache();
  cache.on('outcome', listener);
  await expect(cache.getOrLoad('a', () => Promise.resolve(1))).resolves.toBe(1);
  expect(warned.mock.calls).toEqual([[`A listener of 'outcome' ${what}: Error: no`, { type: 'CacheWarning' }]]);
  jest.restoreAllMocks();
});

test('no listener can change what the next one is told, nor the tags of the next call', async () => {
  const cache = createCache();
  const told: unknown[] = [];
  cache.on('outcome', (outcome) => {
    expect(() => ((outcome as { status: string }).status = 'bypass')).toThrow(TypeError);
    expect(() => (outcome.tags as string[]).push('mine')).toThrow(TypeError);
  });
  cache.on('outcome', ({ status, tags }) => told.push([status, tags]));
  const find = cache.wrap('find', () => Promise.resolve(1), { tags: ['all'] });
  await find();
  await find();
  await cache.bypass(find);
  expect(told).toEqual([
    ['miss', ['all']],
    ['hit', ['all']],
    ['bypass', []],
  ]);
});
