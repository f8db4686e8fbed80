/** How far a scope reaches: `bypass`, `refresh`, and what a method leaves running. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { type Cache, createCache } from 'cachette';
import { runChild } from '../support/child.js';

let opened: Cache[] = [];

afterEach(async () => {
  jest.restoreAllMocks();
  await Promise.all(opened.map((cache) => cache.close()));
  opened = [];
});

function counting() {
  const cache = createCache('memory://');
  opened.push(cache);
  let runs = 0;
  const find = cache.wrap('find', async (id: number) => `${id}: ${++runs}`, { ttl: '1h', copies: 'shared' });
  return { cache, find };
}

/** A promise that is settled from outside. */
function gate() {
  let open = () => {};
  const opens = new Promise<void>((resolve) => (open = resolve));
  return { opens, open };
}

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

// Before all others: a scope that goes on, as one below does, keeps it in use.
describe('the storage that follows each await of the process', () => {
  it('is in use only while something runs in a scope', async () => {
    const { cache, find } = counting();
    const disable = jest.spyOn(AsyncLocalStorage.prototype, 'disable');
    const [first, second] = [gate(), gate()];
    const calls = [first, second].map(({ opens }, i) => cache.getOrLoad(i, () => opens.then(() => i)));
    await find(1);
    first.open();
    await calls[0];
    expect(disable).not.toHaveBeenCalled();
    second.open();
    await calls[1];
    expect(disable).toHaveBeenCalledTimes(1);
    const run = jest.spyOn(AsyncLocalStorage.prototype, 'run');
    await find(1);
    expect(run).not.toHaveBeenCalled();
  });
});

describe('bypass', () => {
  it('reaches through what is awaited inside', async () => {
    const { cache, find } = counting();
    await find(1);
    const inside = await cache.bypass(async () => {
      await turn();
      const first = await find(1);
      await turn();
      return [first, await find(1)];
    });
    expect(inside).toEqual(['1: 2', '1: 3']);
    expect(await find(1)).toBe('1: 1');
  });

  // What is left running must not depend on whether something else runs, as the storage is in use only then.
  it.each([false, true])('is over when its promise has settled; something else running: %s', async (isBusy) => {
    const { cache, find } = counting();
    const busy = gate();
    const other = isBusy ? cache.getOrLoad('other', () => busy.opens.then(() => 0)) : undefined;
    await find(1);
    const later = gate();
    let left: Promise<string> | undefined;
    await cache.bypass(async () => {
      left = later.opens.then(turn).then(() => find(1));
    });
    later.open();
    expect(await left).toBe('1: 1');
    busy.open();
    await other;
  });

  it('is over also where it failed', async () => {
    const { cache, find } = counting();
    await find(1);
    const later = gate();
    const left: Promise<string>[] = [];
    const failing = () => {
      left.push(later.opens.then(() => find(1)));
      throw new Error('failed');
    };
    await expect(cache.bypass(async () => failing())).rejects.toThrow('failed');
    expect(() => cache.bypass(failing)).toThrow('failed');
    later.open();
    expect(await Promise.all(left)).toEqual(['1: 1', '1: 1']);
  });

  it('falls back to the scope around when it is over', async () => {
    const { cache, find } = counting();
    await find(1);
    const inside = await cache.bypass(async () => {
      let left: Promise<string> | undefined;
      await cache.refresh(async () => {
        left = turn().then(() => find(1));
      });
      return left;
    });
    // The inner one would have stored it.
    expect(inside).toBe('1: 2');
    expect(await find(1)).toBe('1: 1');
  });

  it('goes on for what is left running where no promise is returned', async () => {
    const { cache, find } = counting();
    await find(1);
    const next = gate();
    let answered: Promise<string> | undefined;
    cache.bypass(() => {
      answered = next.opens.then(() => find(1));
    });
    await turn();
    next.open();
    expect(await answered).toBe('1: 2');
  });

  it('leaves a rejection that nobody handles to the process', async () => {
    const child = runChild('__tests__/cache/unhandled.child.ts');
    expect(await child.done).toBe(1);
    expect(child.output()).toContain('nobody handles it');
  });
});

it('what a method leaves running is no part of it', async () => {
  const { cache, find } = counting();
  const later = gate();
  let left: Promise<string> | undefined;
  await cache.getOrLoad('outer', async () => {
    left = later.opens.then(() => cache.explain(() => find(1))).then(({ calls }) => String(calls[0]?.reason));
    return 0;
  });
  later.open();
  expect(await left).toBe('absent');
  expect(await find(1)).toBe('1: 1');
});
