/** What a transaction shows to whom, and when what it invalidates is invalid. */

import { AsyncLocalStorage } from 'node:async_hooks';
import type { InvalidationEvent } from '../../src/base/events.js';
import type { WrappedFunction } from '../../src/cache/manager.js';
import { Cache } from '../../src/decorators/cache.js';
import { manualClock } from 'cachette/testing';
import { Gate, jobs } from '../support/stepped-backend.js';
import { type Setting, settings, SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

/** A row of a database: who is inside a transaction sees what that has written, others what was committed last. */
class Row {
  committed = 0;
  readonly #written = new AsyncLocalStorage<{ value: number | undefined }>();

  read(): number {
    return this.#written.getStore()?.value ?? this.committed;
  }

  write(value: number): void {
    const written = this.#written.getStore();
    if (written) written.value = value;
    else this.committed = value;
  }

  /** Rolls back where `fn` throws, unless it has committed before. */
  async transaction<T>(fn: (commit: () => void) => Promise<T>): Promise<T> {
    const written: { value: number | undefined } = { value: undefined };
    const commit = (): void => {
      this.committed = written.value ?? this.committed;
    };
    return this.#written.run(written, async () => {
      const result = await fn(commit);
      commit();
      return result;
    });
  }
}

const refused = new Error('no');

describe.each(settings)('a transaction %s', (_name, open) => {
  let setting: Setting;
  /** Of the readers, and of the transaction. */
  let cache: Cache;
  let other: Cache;
  let A: Row;
  let x: SteppedMethod<[], number>;
  let readX: () => Promise<number>;
  let readInside: WrappedFunction<() => Promise<number>>;

  beforeEach(() => {
    setting = open();
    ({ cache, other } = setting);
    A = new Row();
    x = new SteppedMethod(() => A.read());
    readX = cache.wrap('x', x.run, { tags: 'a' });
    readInside = other.wrap('x', x.run, { tags: 'a' });
  });

  afterEach(() => setting.close());

  /** Begins a transaction in the cache and in the database. */
  function transaction<T>(fn: (commit: () => void) => Promise<T>): Promise<T> {
    return other.transaction(() => A.transaction(fn));
  }

  // T1 writes A=1 · T1 reads x: A=1, ends · T0 reads x · T1 rolls back · T2 reads x
  it('stores nothing that was read inside', async () => {
    x.automatic = true;
    const [read, ended] = [new Gate(), new Gate()];
    const t1 = transaction(async () => {
      A.write(1);
      const { value, calls } = await other.explain(readInside);
      expect(value).toBe(1);
      expect(calls).toMatchObject([{ status: 'bypass', reason: 'transaction' }]);
      await jobs();
      read.open();
      await ended.promise;
      await other.invalidate('a');
      throw refused;
    });
    await read.promise;
    expect(await readX()).toBe(0);
    ended.open();
    await expect(t1).rejects.toBe(refused);
    expect([await readX(), x.runs]).toEqual([0, 3]);
  });

  // T1 writes A=1 · T1 reads x: A=1, runs · T0 reads x: nothing invalidated, joins · T1 rolls back
  it('shares no running method with who is outside', async () => {
    const ended = new Gate();
    const t1 = transaction(async () => {
      A.write(1);
      expect(await readInside()).toBe(1);
      await ended.promise;
      throw refused;
    });
    const inside = await x.begun();
    const t0 = readX();
    const outside = await x.begun();
    await inside.end();
    await outside.end();
    expect(await t0).toBe(0);
    ended.open();
    await expect(t1).rejects.toBe(refused);
    expect([await readX(), x.runs]).toEqual([0, 2]);
  });

  // T0 reads x: A=0, runs · T1 writes A=1 · T1 reads x: nothing invalidated, joins: its own write is not there
  it('does not join a method that runs outside', async () => {
    const t0 = readX();
    const outside = await x.begun();
    const t1 = transaction(async () => {
      A.write(1);
      return readInside();
    });
    const inside = await x.begun();
    await outside.end();
    await inside.end();
    expect([await t0, await t1, x.runs]).toEqual([0, 1, 2]);
  });

  it('shares no running method inside either', async () => {
    x.automatic = true;
    const both = await transaction(() => Promise.all([readInside(), readInside()]));
    expect([both, x.runs]).toEqual([[0, 0], 2]);
  });

  // T0 reads x: A=0 · T1 writes A=1, commits, the answer is lost, fn throws · T2 reads x · T0 ends
  it('invalidates also when its function throws after the commit', async () => {
    const t0 = readX();
    const run = await x.begun();
    const t1 = transaction(async (commit) => {
      A.write(1);
      await other.invalidate('a');
      commit();
      throw refused;
    });
    await expect(t1).rejects.toBe(refused);
    x.automatic = true;
    const t2 = readX();
    await jobs();
    await run.end();
    expect([await t0, await t2, await readX(), x.runs]).toEqual([0, 1, 1, 2]);
  });

  // T0 reads o · o calls x: A=0 · T1 begins · o is stored under the inherited a · T1 writes A=1, invalidates a · T1 reads o
  it('sees its own write, also where an entry has the tag from a call inside', async () => {
    const o = new SteppedMethod(() => readX());
    const readO = cache.wrap('o', o.run, { tags: 'b' });
    const oInside = new SteppedMethod(() => readInside());
    const readOInside = other.wrap('o', oInside.run, { tags: 'b' });
    const t0 = readO();
    const [runO, runX] = [await o.begun(), await x.begun()];
    await runX.end();
    const t1 = transaction(async () => {
      await runO.end();
      expect(await t0).toBe(0);
      await jobs();
      expect(await readOInside()).toBe(0);
      expect([o.runs, oInside.runs]).toEqual([1, 0]);
      A.write(1);
      await other.invalidate('a');
      x.automatic = o.automatic = oInside.automatic = true;
      return readOInside();
    });
    expect([await t1, await readO()]).toEqual([1, 1]);
  });

  it('serves entries that nothing pending concerns', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    const { value, calls } = await other.transaction(async () => {
      await other.invalidate('b');
      return other.explain(readInside);
    });
    expect([value, x.runs]).toEqual([0, 1]);
    expect(calls).toMatchObject([{ status: 'hit', reason: 'fresh' }]);
  });

  it.each<[string, () => Promise<unknown>]>([
    ['invalidate', () => other.invalidate('a')],
    ['clear', () => other.clear()],
    ['forget', () => readInside.forget()],
    ['forgetAll', () => readInside.forgetAll()],
  ])('keeps %s from who is outside until it has ended', async (_what, remove) => {
    x.automatic = true;
    await readX();
    await jobs();
    const [written, ended] = [new Gate(), new Gate()];
    const t1 = transaction(async () => {
      A.write(1);
      expect(await remove()).toEqual({ status: 'deferred' });
      expect(await readInside()).toBe(1);
      written.open();
      await ended.promise;
    });
    await written.promise;
    expect([await readX(), x.runs]).toEqual([0, 2]);
    expect(await cache.invalidate('b')).toEqual({ status: 'done' });
    ended.open();
    await t1;
    expect([await readX(), await readX(), x.runs]).toEqual([1, 1, 3]);
  });

  it('inside another one is part of it', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    const [written, ended] = [new Gate(), new Gate()];
    const t1 = transaction(async () => {
      await expect(
        other.transaction(async () => {
          A.write(1);
          await other.invalidate('a');
          throw refused;
        }),
      ).rejects.toBe(refused);
      written.open();
      await ended.promise;
      return readInside();
    });
    await written.promise;
    expect(await readX()).toBe(0);
    ended.open();
    expect([await t1, await readX()]).toEqual([1, 1]);
  });

  it('leaves alone what it has left running when it ends', async () => {
    x.automatic = true;
    await readX();
    const late = new Gate();
    let left: Promise<unknown> | undefined;
    await other.transaction(async () => {
      left = late.promise.then(async () => {
        A.write(1);
        return [await other.invalidate('a'), await readInside(), await readInside()];
      });
    });
    late.open();
    expect([await left, x.runs]).toEqual([[{ status: 'done' }, 1, 1], 2]);
  });

  // T1 leaves a read under way, fn ends: A=1 is committed or not · the reply arrives
  it('stores nothing of a call that it has left running', async () => {
    let left: Promise<number> | undefined;
    await transaction(async () => {
      A.write(1);
      left = readInside();
      await x.begun().then((run) => jobs().then(() => run.gate.open()));
      throw refused;
    }).catch(() => undefined);
    x.automatic = true;
    expect([await left, await readX()]).toEqual([1, 0]);
  });

  it('stores nothing under refresh', async () => {
    x.automatic = true;
    await readX();
    await transaction(async () => {
      A.write(1);
      expect(await other.refresh(readInside)).toBe(1);
      throw refused;
    }).catch(() => undefined);
    expect([await readX(), x.runs]).toEqual([0, 2]);
  });

  it('does not let `get` see what is pending', async () => {
    await cache.getOrLoad('key', async () => 'value', { tags: 'a' });
    await jobs();
    await other.transaction(async () => {
      expect(await other.get('key')).toBe('value');
      await other.invalidate('a');
      expect(await other.get('key')).toBeUndefined();
    });
    expect(await cache.get('key')).toBeUndefined();
  });

  it('keeps a cached method around it from being stored with what it has not captured', async () => {
    const outer = other.wrap('outer', () => transaction(async () => (A.write(1), readInside())));
    x.automatic = true;
    await outer();
    await outer();
    expect(x.runs).toBe(2);
  });

  it('tells of its invalidations when it has ended, each once', async () => {
    const told: InvalidationEvent[] = [];
    other.on('invalidation', (event) => told.push(event));
    await other.transaction(async () => {
      await other.invalidate('a', 'b');
      await other.clear();
      await other.invalidate('a');
      expect(told).toEqual([]);
    });
    expect(told).toEqual([
      { tags: ['a', 'b'], kind: 'invalidate', status: 'done' },
      { tags: [], kind: 'invalidate', status: 'done' },
      { tags: ['a'], kind: 'invalidate', status: 'done' },
    ]);
  });

  it('refuses a wrong tag at once', async () => {
    await other.transaction(async () => {
      await expect(other.invalidate('')).rejects.toThrow('is not a tag');
    });
  });

  it('passes on what its function gives, and what it throws at once', async () => {
    expect(await other.transaction(async () => 7)).toBe(7);
    const throwing = (): never => {
      throw refused;
    };
    await expect(other.transaction(throwing)).rejects.toBe(refused);
  });
});

it('of one cache is none of another one', async () => {
  const [one, two] = [SteppedProcess, SteppedProcess].map((Process) => new Process());
  const calls = [one!, two!].map(({ cache }) => cache.wrap('x', async () => ({}), { tags: 'a' }));
  const [x1, x2] = [calls[0]!, calls[1]!];
  await one!.cache.transaction(async () => {
    expect(await two!.cache.invalidate('a')).toEqual({ status: 'done' });
    expect(await x2()).toEqual(await x2());
    await two!.cache.transaction(async () => {
      expect(await one!.cache.invalidate('a')).toEqual({ status: 'deferred' });
      expect(await two!.cache.invalidate('a')).toEqual({ status: 'deferred' });
    });
    expect(two!.backend.log.filter((line) => line.startsWith('deleteMany'))).toHaveLength(2);
    expect(one!.backend.log.filter((line) => line.startsWith('deleteMany'))).toHaveLength(0);
    const { calls: told } = await one!.cache.explain(x1);
    expect(told).toMatchObject([{ reason: 'transaction' }]);
  });
  expect(one!.backend.log).toEqual([
    'getMany cachette:1:x: cachette:1:# cachette:1:#m:x cachette:1:#t:a',
    'deleteMany cachette:1:#t:a cachette:1:#h:a',
  ]);
  await Promise.all([one!.close(), two!.close()]);
});

it('sends all its invalidations in one command, and is over when that is acknowledged', async () => {
  const process = new SteppedProcess();
  const removing = process.backend.sent('deleteMany');
  let isOver = false;
  const t1 = process.cache
    .transaction(async () => {
      await process.cache.invalidate('a');
      await process.cache.invalidate('b', 'a');
    })
    .then(() => (isOver = true));
  const command = await removing;
  expect(command.keys).toEqual(['cachette:1:#t:a', 'cachette:1:#h:a', 'cachette:1:#t:b', 'cachette:1:#h:b']);
  await jobs();
  expect(isOver).toBe(false);
  await command.answer();
  await t1;
  await process.close();
});

it('whose invalidations cannot be delivered refuses their entries here', async () => {
  const process = new SteppedProcess();
  const { backend, cache } = process;
  const told: InvalidationEvent[] = [];
  cache.on('invalidation', (event) => told.push(event));
  let runs = 0;
  const x = cache.wrap('x', async () => ++runs, { tags: 'a' });
  await x();
  await jobs();
  const removing = backend.sent('deleteMany');
  const t1 = cache.transaction(() => cache.invalidate('a'));
  await (await removing).fail();
  await t1;
  expect(told).toEqual([{ tags: ['a'], kind: 'invalidate', status: 'deferred' }]);
  expect(await x()).toBe(2);
  await process.close();
});

it('does not let an entry in memory slide', async () => {
  const clock = manualClock();
  const cache = new Cache({ kind: 'memory', maxEntries: undefined, maxSize: undefined }, { clock });
  const x = cache.wrap('x', async () => 1, { ttl: '1m', sliding: true });
  await x();
  await clock.advance(40_000);
  const inside = await cache.transaction(() => cache.explain(x));
  await clock.advance(40_000);
  const after = await cache.explain(x);
  expect([...inside.calls, ...after.calls]).toMatchObject([{ status: 'hit' }, { status: 'miss', reason: 'expired' }]);
});

it.each<['add' | 'touch', string]>([
  ['add', 'touch'],
  ['touch', 'set'],
])('does not let an entry on a server without %s slide, by %s', async (lacks, operation) => {
  const clock = manualClock();
  const process = new SteppedProcess({ lacks: [lacks] }, { clock });
  const { cache, backend } = process;
  const x = cache.wrap('x', async () => 1, { ttl: '1m', sliding: true });
  await x();
  await jobs();
  const slid = () => backend.log.filter((line) => line.startsWith(`${operation} cachette:1:x`)).length;
  const before = slid();
  await clock.advance(40_000);
  const { calls } = await cache.transaction(() => cache.explain(x));
  await jobs();
  expect([calls[0]?.status, slid() - before]).toEqual(['hit', 0]);
  await x();
  await jobs();
  expect(slid() - before).toBe(1);
  await process.close();
});

it('waits with @Invalidates, also where its tags cannot be told', async () => {
  const cache = new Cache({ kind: 'memory', maxEntries: undefined, maxSize: undefined }, {});
  cache.on('warning', () => undefined);
  class Rows {
    value = 0;

    @cache.Cached('5m', { tags: 'rows' })
    async read(): Promise<number> {
      return this.value;
    }

    @cache.Invalidates('rows')
    async write(value: number): Promise<void> {
      this.value = value;
    }

    @cache.Invalidates(() => {
      throw new Error('which?');
    })
    async writeAny(value: number): Promise<void> {
      this.value = value;
    }
  }
  const rows = new Rows();
  for (const write of [rows.write, rows.writeAny]) {
    const before = await rows.read();
    const ended = new Gate();
    const written = new Gate();
    const t1 = cache.transaction(async () => {
      await write.call(rows, before + 1);
      expect(await rows.read()).toBe(before + 1);
      written.open();
      await ended.promise;
    });
    await written.promise;
    expect(await rows.read()).toBe(before);
    ended.open();
    await t1;
    expect(await rows.read()).toBe(before + 1);
  }
});
