/** How long a caller waits: it may take an old value or an error, and the method goes on and stores. */

import { setTimeout as sleep } from 'node:timers/promises';

import { type Cache, createCache, isCacheTimeoutError } from 'cachette';
import { errorOf, told as toldOf } from '../support/calls.js';
import { manualClock, type ManualClock } from 'cachette/testing';
import { Gate, jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess } from '../support/stepped-process.js';
import { timeOfDay } from '../support/time-of-day.js';

const ttl = 10_000;

let clock: ManualClock;
let cache: Cache;
let A: number;
let x: SteppedMethod<[], number>;
/** The codes of the `error` events. */
let problems: string[];
let works: Promise<unknown>[];

beforeEach(() => {
  clock = manualClock();
  works = [];
  cache = createCache('memory://', { clock: timeOfDay(clock), deadline: 50, waitUntil: (work) => works.push(work) });
  problems = [];
  cache.on('error', ({ code }) => problems.push(code));
  A = 0;
  x = new SteppedMethod(() => A);
});

afterEach(() => cache.close());

/** How a call was answered, and with what. */
function told<T>(call: () => Promise<T>, of = cache): Promise<[value: T, outcome: string]> {
  return toldOf(of, call);
}

async function fill(read: () => Promise<unknown>): Promise<void> {
  x.automatic = true;
  await read();
  await jobs();
  x.automatic = false;
}

const failure = new Error('down');

describe('timeout.hard', () => {
  it('rejects, and the method goes on and stores', async () => {
    const read = cache.wrap('x', x.run, { ttl, timeout: { hard: 5 } });
    const error = await errorOf(read());
    expect(isCacheTimeoutError(error) && [error.timeoutMs, error.message]).toEqual([
      5,
      'x has given no result within 5 ms; it goes on, and its result is stored.',
    ]);
    expect(cache.stats()).toMatchObject({ misses: 1, hits: 0 });
    const run = await x.begun();
    await run.end();
    expect(await told(read)).toEqual([0, 'hit: fresh']);
    expect([x.runs, problems]).toEqual([1, []]);
  });

  it('tells of a failure that comes later, which nobody has to catch', async () => {
    const read = cache.wrap('x', x.run, { ttl, timeout: { hard: 5 } });
    expect(isCacheTimeoutError(await errorOf(read()))).toBe(true);
    const unhandled = jest.fn();
    process.once('unhandledRejection', unhandled);
    await (await x.begun()).fail(failure);
    await jobs();
    process.removeListener('unhandledRejection', unhandled);
    expect([problems, unhandled.mock.calls]).toEqual([['late'], []]);
    await Promise.all(works);
  });

  it('gives what goes on to waitUntil', async () => {
    const read = cache.wrap('x', x.run, { ttl, timeout: { hard: 5 } });
    await errorOf(read());
    expect(works).toHaveLength(1);
    let isOver = false;
    void works[0]?.then(() => (isOver = true));
    await jobs();
    expect(isOver).toBe(false);
    await (await x.begun()).end();
    expect(isOver).toBe(true);
  });

  it('is covered by staleIfError, once for all who wait', async () => {
    const read = cache.wrap('x', x.run, { ttl, staleIfError: '1h', timeout: { hard: 20 } });
    await fill(read);
    await clock.advance(ttl);
    A = 1;
    for (const answer of await Promise.all([told(read), told(read)])) expect(answer).toEqual([0, 'stale: error']);
    expect(problems).toEqual(['stale-if-error']);
    await (await x.begun()).end();
    expect(await told(read)).toEqual([1, 'hit: fresh']);
  });

  it('is no failure that is kept', async () => {
    const read = cache.wrap('x', x.run, { ttl, timeout: { hard: 5 }, errors: { ttl: '1m' } });
    await errorOf(read());
    await (await x.begun()).end();
    expect(await told(read)).toEqual([0, 'hit: fresh']);
  });

  it('ends each joiner by its own time', async () => {
    const hasty = cache.wrap('x', x.run, { ttl, timeout: { hard: 5 } });
    const patient = cache.wrap('x', x.run, { ttl });
    const waiting = patient();
    const run = await x.begun();
    expect(isCacheTimeoutError(await errorOf(hasty()))).toBe(true);
    await run.end();
    expect([await waiting, x.runs]).toEqual([0, 1]);
  });
});

describe('cache.signal()', () => {
  let signal: AbortSignal | undefined;
  let gate: Gate<number>;
  let runs: number;

  /** Ends when the test says so, or when nobody waits. */
  const attentive = async (): Promise<number> => {
    runs++;
    const own = cache.signal();
    signal = own;
    const aborted = new Promise<never>((_resolve, reject) => {
      own.addEventListener('abort', () => {
        reject(new Error('cut off', { cause: own.reason }));
      });
    });
    return Promise.race([gate.promise, aborted]);
  };

  beforeEach(() => {
    signal = undefined;
    gate = new Gate();
    runs = 0;
  });

  it('is aborted when the only caller has given up, with its reason', async () => {
    const read = cache.wrap('attentive', attentive, { ttl, timeout: { hard: 5 } });
    const error = await errorOf(read());
    expect(isCacheTimeoutError(error)).toBe(true);
    await jobs();
    expect(signal?.reason).toBe(error);
    expect(problems).toEqual(['late']);
  });

  it('is kept from that by a joiner that came later and waits longer', async () => {
    const hasty = cache.wrap('attentive', attentive, { ttl, timeout: { hard: 5 } });
    const patient = cache.wrap('attentive', attentive, { ttl });
    const first = errorOf(hasty());
    await jobs();
    const second = patient();
    expect(isCacheTimeoutError(await first)).toBe(true);
    expect(signal?.aborted).toBe(false);
    gate.open(1);
    expect([await second, runs]).toEqual([1, 1]);
  });

  it('is aborted when all have given up', async () => {
    const read = cache.wrap('attentive', attentive, { ttl, timeout: { hard: 10 } });
    const errors = await Promise.all([errorOf(read()), errorOf(read())]);
    expect(errors.every(isCacheTimeoutError)).toBe(true);
    await jobs();
    expect([signal?.aborted, runs]).toEqual([true, 1]);
  });

  // T1 gives up, the run is aborted and about to fail · T0 reads x: nothing was invalidated, and yet this run is of no use
  it('ends no run for who comes after that: it begins another one', async () => {
    const ending = new Gate();
    const slowToEnd = async (): Promise<number> => {
      const run = ++runs;
      signal = cache.signal();
      if (run > 1) return run;
      await ending.promise;
      throw signal.reason;
    };
    const read = cache.wrap('slow to end', slowToEnd, { ttl, timeout: { hard: 20 } });
    expect(isCacheTimeoutError(await errorOf(read()))).toBe(true);
    expect(signal?.aborted).toBe(true);
    const second = errorOf(read());
    await jobs();
    ending.open();
    expect(await second).toBeUndefined();
    expect(runs).toBe(2);
  });

  it('leaves the run that did not ask for it to who comes after that', async () => {
    const hasty = cache.wrap('x', x.run, { ttl, timeout: { hard: 5 } });
    const patient = cache.wrap('x', x.run, { ttl });
    await errorOf(hasty());
    const waiting = patient();
    await jobs();
    await (await x.begun()).end();
    expect([await waiting, x.runs]).toEqual([0, 1]);
  });

  it('keeps the failure that it has caused from being kept', async () => {
    const read = cache.wrap('attentive', attentive, { ttl, timeout: { hard: 5 }, errors: { ttl: '1m' } });
    expect(isCacheTimeoutError(await errorOf(read()))).toBe(true);
    await jobs();
    gate.open(1);
    expect(await told(read)).toEqual([1, 'miss: absent']);
  });

  it('is never aborted elsewhere, and is that of the run inside', async () => {
    expect(cache.signal().aborted).toBe(false);
    const inner = cache.wrap('inner', async () => cache.signal().aborted);
    let outer: AbortSignal | undefined;
    const read = cache.wrap('outer', async () => {
      outer = cache.signal();
      return [await inner(), cache.signal() === outer];
    });
    expect(await read()).toEqual([false, true]);
  });
});

describe('a signal among the arguments', () => {
  let received: (AbortSignal | undefined)[];
  let gate: Gate<string>;
  let runs: number;

  const load = async (id: string, signal?: AbortSignal): Promise<string> => {
    runs++;
    received.push(signal);
    return `${id}${await gate.promise}`;
  };

  beforeEach(() => {
    received = [];
    gate = new Gate();
    runs = 0;
  });

  it('rejects its caller alone, with its reason, and the method has the signal of all', async () => {
    const read = cache.wrap('load', load, { ttl });
    const mine = new AbortController();
    const first = errorOf(read('a', mine.signal));
    await jobs();
    const second = read('a');
    const third = read('a', new AbortController().signal);
    await jobs();
    mine.abort(failure);
    expect(await first).toBe(failure);
    expect(received).toHaveLength(1);
    expect(received[0]).not.toBe(mine.signal);
    expect(received[0]?.aborted).toBe(false);
    gate.open('!');
    expect([await second, await third, runs]).toEqual(['a!', 'a!', 1]);
    expect(await told(() => read('a', mine.signal))).toEqual(['a!', 'hit: fresh']);
  });

  it('aborts the method where no other caller waits, and who comes then begins anew', async () => {
    const read = cache.wrap('load', load, { ttl });
    const mine = new AbortController();
    const first = errorOf(read('a', mine.signal));
    await jobs();
    mine.abort(failure);
    expect(await first).toBe(failure);
    expect(received[0]?.reason).toBe(failure);
    const second = read('a');
    await jobs();
    expect(runs).toBe(2);
    gate.open('!');
    expect(await second).toBe('a!');
  });

  it('that is aborted before the call rejects it', async () => {
    const read = cache.wrap('load', load, { ttl });
    const aborted = AbortSignal.abort(failure);
    expect(await errorOf(read('a', aborted))).toBe(failure);
    gate.open('!');
    await jobs();
    expect(await read('a')).toBe('a!');
  });

  it('is no failure of the method, which an old value would cover', async () => {
    const read = cache.wrap('load', load, { ttl, staleIfError: '1h' });
    gate.open('!');
    await read('a');
    gate = new Gate();
    await clock.advance(ttl);
    const mine = new AbortController();
    const first = errorOf(read('a', mine.signal));
    await jobs();
    const second = told(() => read('a'));
    await jobs();
    mine.abort(failure);
    expect(await first).toBe(failure);
    expect(problems).toEqual([]);
    gate.open('?');
    expect((await second)[0]).toBe('a?');
  });

  it('leaves no back-off behind', async () => {
    const read = cache.wrap('load', load, { ttl, staleIfError: '1h' });
    gate.open('!');
    await read('a');
    gate = new Gate();
    await clock.advance(ttl);
    const mine = new AbortController();
    const first = errorOf(read('a', mine.signal));
    await jobs();
    mine.abort(failure);
    expect(await first).toBe(failure);
    gate.open('?');
    await jobs();
    expect(await read('a')).toBe('a?');
  });
});

describe('timeout.soft', () => {
  const options = { ttl, staleIfError: '1h', timeout: { soft: 5 } } as const;

  it('serves the old value, and the method goes on and stores', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    A = 1;
    for (const answer of await Promise.all([told(read), told(read)])) expect(answer).toEqual([0, 'stale: timeout']);
    const run = await x.begun();
    expect(x.runs).toBe(2);
    await run.end();
    expect(await told(read)).toEqual([1, 'hit: fresh']);
    expect([problems, cache.stats().stale]).toEqual([[], 2]);
  });

  it('serves what comes in time', async () => {
    const read = cache.wrap('x', x.run, { ...options, timeout: { soft: '5s' } });
    await fill(read);
    await clock.advance(ttl);
    A = 1;
    const reading = told(read);
    await (await x.begun()).end();
    expect(await reading).toEqual([1, 'miss: expired']);
  });

  it('waits where there is no old value', async () => {
    const read = cache.wrap('x', x.run, options);
    const reading = told(read);
    const run = await x.begun();
    await sleep(15);
    await run.end();
    expect(await reading).toEqual([0, 'miss: absent']);
  });

  it('goes on to the hard one where the old value has become wrong', async () => {
    const read = cache.wrap('x', x.run, { ...options, tags: 'a', timeout: { soft: 5, hard: 20 } });
    await fill(read);
    await clock.advance(ttl);
    const reading = errorOf(read());
    const run = await x.begun();
    await cache.invalidate('a');
    expect(isCacheTimeoutError(await reading)).toBe(true);
    await run.end();
  });

  it('aborts cache.signal() all the same when the hard one has passed', async () => {
    let signal: AbortSignal | undefined;
    const gate = new Gate<number>();
    const o = async (): Promise<number> => {
      signal = cache.signal();
      return gate.promise;
    };
    const read = cache.wrap('o', o, { ...options, timeout: { soft: 5, hard: 25 } });
    const first = read();
    await jobs();
    gate.open(0);
    await first;
    await clock.advance(ttl);
    const hanging = new Gate<number>();
    const readAgain = cache.wrap(
      'o2',
      async () => {
        signal = cache.signal();
        return signal && A === 0 ? 0 : hanging.promise;
      },
      { ...options, timeout: { soft: 5, hard: 25 } },
    );
    await readAgain();
    await clock.advance(ttl);
    A = 1;
    expect(await told(readAgain)).toEqual([0, 'stale: timeout']);
    expect(signal?.aborted).toBe(false);
    await new Promise((resolve) => signal?.addEventListener('abort', resolve));
    expect(isCacheTimeoutError(signal?.reason)).toBe(true);
    hanging.open(1);
    await jobs();
    expect(await told(readAgain)).toEqual([1, 'hit: fresh']);
  });

  it('tells of a failure that comes later, and leaves the method alone for a while', async () => {
    const read = cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    expect(await told(read)).toEqual([0, 'stale: timeout']);
    await (await x.begun()).fail(failure);
    expect(problems).toEqual(['late']);
    await clock.advance(999);
    expect(await told(read)).toEqual([0, 'stale: error']);
    expect(x.runs).toBe(2);
  });

  it('does not hide an error that is an answer', async () => {
    const notFound = new Error('not found');
    const read = cache.wrap('x', x.run, { ...options, staleIfError: { for: '1h', when: (e) => e !== notFound } });
    await fill(read);
    await clock.advance(ttl);
    expect(await told(read)).toEqual([0, 'stale: timeout']);
    await (await x.begun()).fail(notFound);
    const reading = errorOf(read());
    const run = await x.begun();
    // Longer than the soft one.
    await sleep(15);
    await run.fail(notFound);
    expect(await reading).toBe(notFound);
  });

  // the time is up, x is read once more: executed · the method ends, the call is answered by it · the reply arrives
  it('tells of a call once, also where the method ends while the old value is looked for', async () => {
    const process = new SteppedProcess({}, { clock: timeOfDay(clock) });
    const read = process.cache.wrap('x', x.run, options);
    await fill(read);
    await clock.advance(ttl);
    A = 1;
    const outcomes: string[] = [];
    process.cache.on('outcome', ({ status, reason }) => outcomes.push(`${status}: ${reason}`));
    const reading = read();
    const run = await x.begun();
    const looking = await process.backend.sent('getMany', ':x');
    await run.end();
    expect(await reading).toBe(1);
    await looking.answer();
    await jobs();
    expect(outcomes).toEqual(['miss: expired']);
    expect(process.cache.stats()).toMatchObject({ misses: 2, stale: 0, hits: 0 });
    await process.close();
  });

  it('serves old elements of many, each by itself', async () => {
    const gate = new Gate();
    const asked: string[][] = [];
    class Shop {
      @cache.CachedMany({ ...options, timeout: { soft: 5 } })
      async find(ids: readonly string[]): Promise<string[]> {
        asked.push([...ids]);
        if (A > 0) await gate.promise;
        return ids.map((id) => `${id}${A}`);
      }
    }
    const shop = new Shop();
    await shop.find(['a', 'b']);
    await clock.advance(ttl);
    A = 1;
    expect(await shop.find(['a', 'b'])).toEqual(['a0', 'b0']);
    gate.open();
    await jobs();
    expect(await shop.find(['a', 'b'])).toEqual(['a1', 'b1']);
    expect(asked).toEqual([
      ['a', 'b'],
      ['a', 'b'],
    ]);
  });
});
