/** How far a scope reaches: `bypass`, `refresh`, and what a method leaves running. */

import { AsyncLocalStorage } from 'node:async_hooks';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Cache, createCache } from 'cachette';

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
  it.each([false, true])('reaches what is left running; something else running: %s', async (isBusy) => {
    const { cache, find } = counting();
    const busy = gate();
    const other = isBusy ? cache.getOrLoad('other', () => busy.opens.then(() => 0)) : undefined;
    await find(1);
    const next = gate();
    const left: Promise<string>[] = [];
    const leaving = () => void left.push(next.opens.then(turn).then(() => find(1)));
    cache.bypass(leaving);
    await cache.bypass(async () => leaving());
    await turn();
    next.open();
    expect(await Promise.all(left)).toEqual(['1: 2', '1: 3']);
    expect(await find(1)).toBe('1: 1');
    busy.open();
    await other;
  });

  it('returns what its function returns', () => {
    const { cache } = counting();
    const lazy = { then: jest.fn() };
    const promise = Object.assign(Promise.reject(new Error('handled elsewhere')), { cancel: () => {} });
    promise.catch(() => {});
    for (const returned of [promise, lazy, 1]) {
      expect(cache.bypass(() => returned)).toBe(returned);
      expect(cache.refresh(() => returned)).toBe(returned);
    }
    expect(lazy.then).not.toHaveBeenCalled();
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

describe('the storage that follows each await of the process', () => {
  // What the tests before have left.
  beforeEach(() => collected(() => false));

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

  it('is in use while something can still run in a bypass', async () => {
    const { cache, find } = counting();
    const disable = jest.spyOn(AsyncLocalStorage.prototype, 'disable');
    const next = gate();
    let left = cache.bypass(() => [next.opens.then(() => find(1))]);
    expect(await collected(() => disable.mock.calls.length > 0)).toBe(false);
    next.open();
    expect(await Promise.all(left)).toEqual(['1: 1']);
    left = [];
    expect(await collected(() => disable.mock.calls.length > 0)).toBe(true);
    expect((await cache.explain(() => find(1))).calls[0]?.reason).toBe('absent');
  });

  // Its setters call themselves, so whoever is still running then would fail with a RangeError.
  it('is out of reach of jest, which replaces what global objects have when a file of tests has ended', () => {
    const places = Object.getOwnPropertySymbols(globalThis).filter((symbol) =>
      symbol.description?.startsWith('cachette.'),
    );
    expect(places.map((symbol) => symbol.description)).toContain('cachette.scope.3');
    for (const place of places) expect(Object.isFrozen((globalThis as Record<symbol, unknown>)[place])).toBe(true);
  });
});

/** Whether `isSo` becomes true when garbage is collected. */
async function collected(isSo: () => boolean): Promise<boolean> {
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc') as () => void;
  for (let round = 0; round < 10 && !isSo(); round++) {
    gc();
    await turn();
  }
  return isSo();
}
