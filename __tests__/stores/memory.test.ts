import type { Entry, Generation, Payload } from '../../src/base/entry.js';
import { valueCodec } from '../../src/policies/codec.js';
import { payloadFormat } from '../../src/policies/payload.js';
import { MemoryStore } from '../../src/stores/memory.js';
import type { ReadOptions } from '../../src/stores/store.js';
import { manualClock, type ManualClock } from 'cachette/testing';

let clock: ManualClock;

beforeEach(() => {
  clock = manualClock();
});

function payload(value: unknown): Payload {
  return { copy: () => value, text: '', codec: 'none' };
}

function entry(generations: readonly Generation[], change: Partial<Entry> = {}): Entry {
  const now = clock.now();
  const lifetime = {
    writtenAt: now,
    ttlMs: 10_000,
    sliding: false,
    maxLifetimeMs: Infinity,
    accessedAt: now,
    staleMs: 0,
  };
  const about = { isError: false, version: undefined, loadMs: 0 };
  return { ...lifetime, ...about, generations, payload: payload('value'), ...change };
}

const format = payloadFormat(valueCodec([]), 'isolated', [], 'value');

function reading(...names: string[]): ReadOptions {
  return { names, format, maxStalenessMs: undefined };
}

async function made(store: MemoryStore, ...names: string[]): Promise<Generation[]> {
  return Promise.all(names.map(async (name) => [name, await store.mint(name, 1_000)] as const));
}

async function flood(store: MemoryStore, prefix = 'flood'): Promise<void> {
  for (let i = 0; i < 10_001; i++) await store.mint(`${prefix}:${i}`, 1_000);
}

function hits(store: MemoryStore, ...keys: string[]): boolean[] {
  return keys.map((key) => store.peek(key, clock.now()) !== undefined);
}

describe('memory', () => {
  let store: MemoryStore;

  beforeEach(() => {
    store = new MemoryStore(clock, {});
  });

  it.each<[what: string, change: Partial<Entry>, advances: number[], hit: boolean]>([
    ['within its ttl', {}, [9_999], true],
    ['at its end', {}, [10_000], false],
    ['twice within its ttl, which does not slide', {}, [6_000, 6_000], false],
    ['twice within its window', { sliding: true }, [6_000, 6_000], true],
    ['after its window', { sliding: true }, [6_000, 10_000], false],
    ['at its maximal life', { sliding: true, maxLifetimeMs: 15_000 }, [6_000, 6_000, 3_000], false],
    ['before its maximal life', { sliding: true, maxLifetimeMs: 15_000 }, [6_000, 6_000, 2_999], true],
    ['after any time, if it never ends', { ttlMs: Infinity }, [1e15], true],
    ['that only names late tags', { payload: undefined }, [0], false],
  ])('finds an entry %s: %p', async (_what, change, advances, hit) => {
    await store.write('x', entry(await made(store, 'a'), change));
    let found: unknown;
    for (const ms of advances) {
      await clock.advance(ms);
      found = store.peek('x', clock.now());
    }
    expect(found !== undefined).toBe(hit);
    expect((await store.read('x', reading())).remainingMs <= 0).toBe(
      !hit && change.payload === undefined && !('payload' in change),
    );
  });

  it('restarts the window of an entry that was read without peeking', async () => {
    const sliding = entry(await made(store, 'a'), { sliding: true });
    await store.write('x', sliding);
    await clock.advance(6_000);
    await store.slide('x', sliding);
    await clock.advance(6_000);
    expect(hits(store, 'x')).toEqual([true]);
    await store.slide('x', entry([], { sliding: true }));
    await clock.advance(9_999);
    expect(hits(store, 'x')).toEqual([true]);
  });

  it('finds no entry one of whose generations was removed, and removes no other', async () => {
    const [a, b] = await made(store, 'a', 'b');
    await store.write('x', entry([a!, b!]));
    await store.write('y', entry([b!]));
    await store.remove(['a', 'never made']);
    expect(hits(store, 'x', 'y')).toEqual([false, true]);
    expect(await store.readTokens(['a', 'b'])).toEqual(
      new Map([
        ['a', undefined],
        ['b', b![1]],
      ]),
    );
  });

  it('keeps no entry that was computed under a generation which is gone, or which it never had', async () => {
    const [a] = await made(store, 'a');
    await store.remove(['a']);
    expect(await store.write('x', entry([a!]))).toBe(false);
    await made(store, 'a');
    expect(await store.write('x', entry([a!]))).toBe(false);
    expect(await store.write('x', entry([['b', 'AAAAAAAAAAAA.']]))).toBe(false);
    expect(hits(store, 'x')).toEqual([false]);
  });

  it('does not let go of a valid entry for one that it does not keep', async () => {
    const [a] = await made(store, 'a');
    await store.write('x', entry([a!]));
    await store.write('x', entry([['a', 'AAAAAAAAAAAA.']]));
    expect(hits(store, 'x')).toEqual([true]);
  });

  it('makes one generation of a name, however often it is asked', async () => {
    const [first, second] = await made(store, 'a', 'a');
    expect(first).toEqual(second);
    await store.remove(['a']);
    expect(await made(store, 'a')).not.toEqual([first]);
  });

  it('removes an entry by its key', async () => {
    await store.write('x', entry(await made(store, 'a')));
    await store.remove(['x']);
    expect((await store.read('x', reading('a'))).entry).toBeUndefined();
  });

  it('reads the entry with every generation it has', async () => {
    const generations = await made(store, 'a', 'b');
    await store.write('x', entry(generations));
    const { tokens, refuses } = await store.read('x', reading('a', 'c'));
    expect(tokens).toEqual(new Map<string, string | undefined>([...generations, ['c', undefined]]));
    expect(refuses('a')).toBe(false);
  });

  it('has nothing after it was closed', async () => {
    await store.write('x', entry(await made(store, 'a')));
    await store.close();
    expect(hits(store, 'x')).toEqual([false]);
    expect(await store.readTokens(['a'])).toEqual(new Map([['a', undefined]]));
  });
});

describe('a flood of tags', () => {
  let store: MemoryStore;

  beforeEach(() => {
    store = new MemoryStore(clock, { maxEntries: 2 });
  });

  it('takes no generation from an entry', async () => {
    const [a] = await made(store, 'a');
    await store.write('x', entry([a!]));
    await flood(store);
    expect(hits(store, 'x')).toEqual([true]);
    await store.remove(['a']);
    expect(hits(store, 'x')).toEqual([false]);
  });

  it('gives up the generations that no entry has', async () => {
    await made(store, 'a');
    await flood(store);
    expect(await store.readTokens(['a'])).toEqual(new Map([['a', undefined]]));
  });

  it('gives up the generations of entries that were evicted or replaced', async () => {
    const [a, b] = await made(store, 'a', 'b');
    await store.write('x', entry([a!]));
    await store.write('y', entry([b!]));
    await store.write('y', entry([]));
    await store.write('z', entry([]));
    expect(hits(store, 'x', 'y', 'z')).toEqual([false, true, true]);
    await flood(store);
    expect(await store.readTokens(['a', 'b'])).toEqual(
      new Map([
        ['a', undefined],
        ['b', undefined],
      ]),
    );
  });

  it('keeps the generation of an entry that was written again under it', async () => {
    const [a] = await made(store, 'a');
    await store.write('x', entry([a!]));
    await store.write('x', entry([a!]));
    await flood(store);
    expect(hits(store, 'x')).toEqual([true]);
  });

  // a compute captures Ga · a flood gives up Ga · invalidate(a) finds nothing · the compute ends and stores
  it('makes nothing valid that was invalidated when its generation had been given up', async () => {
    const [a] = await made(store, 'a');
    await flood(store);
    await store.remove(['a']);
    expect(await store.write('x', entry([a!]))).toBe(false);
    await made(store, 'a');
    expect(await store.write('x', entry([a!]))).toBe(false);
  });

  it('makes nothing valid that was evicted, invalidated and comes back', async () => {
    const [a] = await made(store, 'a');
    const old = entry([a!]);
    await store.write('x', old);
    await store.write('y', entry([]));
    await store.write('z', entry([]));
    await flood(store);
    await store.remove(['a']);
    await flood(store, 'again');
    expect(await store.write('x', old)).toBe(false);
    expect(hits(store, 'x')).toEqual([false]);
  });
});

describe('the bounds of memory', () => {
  it('are ten thousand entries unless something else is said', async () => {
    const store = new MemoryStore(clock, {});
    for (let i = 0; i <= 10_000; i++) await store.write(`x${i}`, entry([]));
    expect(hits(store, 'x0', 'x1', 'x10000')).toEqual([false, true, true]);
  });

  it('let go of the entry that was used the longest time ago', async () => {
    const store = new MemoryStore(clock, { maxEntries: 2 });
    await store.write('x', entry([]));
    await store.write('y', entry([]));
    store.peek('x', clock.now());
    await store.write('z', entry([]));
    expect(hits(store, 'x', 'y', 'z')).toEqual([true, false, true]);
  });

  it('count the bytes of keys and values', async () => {
    const store = new MemoryStore(clock, { maxSize: 10_000 });
    const large = payload('v'.repeat(3_000));
    for (const key of ['x', 'y', 'z']) await store.write(key, entry([], { payload: large }));
    expect(hits(store, 'x', 'y', 'z')).toEqual([true, true, true]);
    await store.write('k'.repeat(1_000), entry([]));
    expect(hits(store, 'x', 'y', 'z')).toEqual([false, true, true]);
  });

  it('hold for both, the number and the size', async () => {
    const store = new MemoryStore(clock, { maxEntries: 2, maxSize: 10_000 });
    for (const key of ['x', 'y', 'z']) await store.write(key, entry([]));
    expect(hits(store, 'x', 'y', 'z')).toEqual([false, true, true]);
    await store.write('x', entry([], { payload: payload('v'.repeat(9_800)) }));
    expect(hits(store, 'x', 'y', 'z')).toEqual([true, false, false]);
  });

  it('do not take in what is larger than everything, nor keep what it would have replaced', async () => {
    const store = new MemoryStore(clock, { maxSize: 10_000 });
    const [a] = await made(store, 'a');
    await store.write('x', entry([a!]));
    expect(await store.write('x', entry([a!], { payload: payload('v'.repeat(20_000)) }))).toBe(false);
    expect(hits(store, 'x')).toEqual([false]);
    await flood(store);
    expect(await store.readTokens(['a'])).toEqual(new Map([['a', undefined]]));
  });

  it.each<[unknown]>([[1n], [2n ** 61n], [-1n], [[0x123n, 'text']], [undefined], [new Map([[1n, 1]])]])(
    'have a size in whole bytes for %p',
    async (value) => {
      const store = new MemoryStore(clock, { maxSize: 10_000 });
      expect(await store.write('x', entry([], { payload: payload(value) }))).toBe(true);
    },
  );
});
