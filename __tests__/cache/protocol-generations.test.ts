/** Generations on their own: when they are captured, how they are made, what deleting one does. */

import { jobs } from '../support/stepped-backend.js';
import { expectMiss, manualClock } from 'cachette/testing';
import { type Setting, settings, SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

describe.each(settings)('a compute %s', (_name, open) => {
  let setting: Setting;

  beforeEach(() => {
    setting = open();
  });

  afterEach(() => setting.close());

  // T0 reads x, makes Ga · reads A=0 · A=1, invalidate(a) returns · T0 ends and stores · T0 reads x
  it('does not store under a generation that was made after it began', async () => {
    const { cache, other } = setting;
    let A = 0;
    const x = new SteppedMethod(() => A);
    const readX = cache.wrap('x', x.run, { tags: 'a' });
    const t0 = readX();
    const run = await x.begun();
    A = 1;
    await other.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    x.automatic = true;
    expect(await readX()).toBe(1);
  });

  it('of refresh that is not to be stored leaves nothing of the value before it', async () => {
    const { cache } = setting;
    let A = 0;
    const read = cache.wrap('x', async () => A, { tags: 'a', storeWhen: (value) => value === 0 });
    await read();
    A = 1;
    expect(await cache.refresh(() => read())).toBe(1);
    expect(await read()).toBe(1);
  });

  // x('A') and x('a') are one to `key` · x('a') is stored under the tag a · A=1, invalidate(A) returns · T0 reads x('A')
  it('is not answered by the entry of a call with other tags, though its key is the same', async () => {
    const { cache, other } = setting;
    let A = 0;
    const read = cache.wrap('x', async (_id: string) => A, { key: (id) => id.toLowerCase(), tags: (id) => id });
    await read('a');
    await read('a');
    A = 1;
    await other.invalidate('A');
    expect(await read('A')).toBe(1);
  });

  // x is stored without tags · the program is deployed with a tag · A=1, invalidate(a) returns · T0 reads x
  it('is not answered by an entry that was stored without one of its tags', async () => {
    const { cache, other } = setting;
    let A = 0;
    const before = cache.wrap('x', async () => A);
    await before();
    await cache.getOrLoad('k', async () => A);
    A = 1;
    await other.invalidate('a');
    const after = cache.wrap('x', async () => A, { tags: 'a' });
    expect(await after()).toBe(1);
    expect(await cache.getOrLoad('k', async () => A, { tags: 'a' })).toBe(1);
    expect(await cache.getOrLoad('k', async () => A, { tags: () => 'b' })).toBe(1);
  });

  // x is stored · refresh(x) reads A=0 · A=1, invalidate(a) returns · refresh ends and stores · T0 reads x
  it('does not store what refresh computed before an invalidation', async () => {
    const { cache, other } = setting;
    let A = 0;
    const x = new SteppedMethod(() => A);
    const readX = cache.wrap('x', x.run, { tags: 'a' });
    x.automatic = true;
    await readX();
    x.automatic = false;
    const t0 = cache.refresh(() => readX());
    const run = await x.begun();
    A = 1;
    await other.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    x.automatic = true;
    expect(await readX()).toBe(1);
  });

  // T0 reads x · the method itself invalidates a · T0 ends
  it('that invalidates its own tag is not stored', async () => {
    const { cache, other } = setting;
    let runs = 0;
    const readX = cache.wrap('x', async () => (await other.invalidate('a'), ++runs), { tags: 'a' });
    expect(await readX()).toBe(1);
    expect(await readX()).toBe(2);
  });

  // T0 reads x: A=0 · clear() returns · T0 ends and stores · T0 reads x; the same with forgetAll(x)
  it('does not outlive a clear of the namespace or of its method', async () => {
    const { cache, other } = setting;
    let A = 0;
    const x = new SteppedMethod(() => A);
    const readX = cache.wrap('x', x.run);
    const elsewhere = other.wrap('x', x.run);
    for (const forgetting of [() => other.clear(), () => elsewhere.forgetAll()]) {
      x.automatic = false;
      const t0 = readX();
      const run = await x.begun();
      A++;
      await forgetting();
      await run.end();
      expect(await t0).toBe(A - 1);
      x.automatic = true;
      expect(await readX()).toBe(A);
      await cache.clear();
    }
  });
});

describe('generations on a shared store', () => {
  const clock = manualClock();
  let data: Map<string, string>;
  let here: SteppedProcess;
  let there: SteppedProcess;
  let A: number;
  let x: SteppedMethod<[], number>;
  let readX: () => Promise<number>;

  beforeEach(() => {
    data = new Map();
    A = 0;
    x = new SteppedMethod(() => A);
    open();
  });

  afterEach(async () => {
    await here.close();
    await there.close();
  });

  function open(lacks: readonly ('add' | 'touch')[] = []): void {
    here = new SteppedProcess({ data, lacks }, { clock });
    there = new SteppedProcess({ data, lacks }, { clock });
    readX = here.cache.wrap('x', x.run, { tags: 'a' });
  }

  function nameOf(tag: string): string {
    return `cachette:1:#t:${tag}`;
  }

  // T1 reads x, sends add Ga · the reply is on its way
  it('are acknowledged before the method starts', async () => {
    const mint = here.backend.sent('add', '#t:a');
    const t1 = readX();
    const add = (await mint).exec();
    await jobs();
    expect(x.runs).toBe(0);
    await add.answer();
    await (await x.begun()).end();
    expect(await t1).toBe(0);
  });

  // A=1, T1 deletes Ga · T0 reads x, makes Ga, reads A=1 · A=2, T1 deletes Ga · T0 stores · all that T1 sent at first comes again
  it('are not brought back by a deletion that the network repeats', async () => {
    A = 1;
    await there.cache.invalidate('a');
    const first = [...there.backend.sentSoFar];
    for (const command of first) command.exec();
    const t0 = readX();
    const run = await x.begun();
    A = 2;
    await there.cache.invalidate('a');
    await run.end();
    expect(await t0).toBe(1);
    for (const command of first) command.exec();
    x.automatic = true;
    expect(await readX()).toBe(2);
  });

  // T0 reads x, makes Ga, reads A=0 · A=1, invalidate(a) in the same millisecond · T0 stores · T0 reads x
  it('tell an invalidation from a compute of the same millisecond, as they hold no time', async () => {
    const t0 = readX();
    const run = await x.begun();
    A = 1;
    await there.cache.invalidate('a');
    expect(data.has(nameOf('a'))).toBe(false);
    await run.end();
    await t0;
    x.automatic = true;
    expect(await readX()).toBe(1);
  });

  // T0 reads x, makes Ga, reads A=0 · T1 stores y, sends touch Ga · A=1, invalidate(a) · touch Ga executes · T0 stores
  it('are kept alive by the touch of the server alone', async () => {
    const t0 = readX();
    const run = await x.begun();
    const readY = here.cache.wrap('y', () => Promise.resolve('y'), { tags: 'a', ttl: '1d' });
    const sent = here.backend.sent('touch', '#t:a');
    await readY();
    const touch = await sent;
    A = 1;
    await there.cache.invalidate('a');
    await touch.answer();
    expect(data.has(nameOf('a'))).toBe(false);
    await run.end();
    await t0;
    x.automatic = true;
    expect(await readX()).toBe(1);
    const written = here.backend.sentSoFar.filter(({ operation }) => operation === 'set').map(({ keys }) => keys[0]);
    expect(written.filter((key) => key?.includes('#'))).toEqual([]);
  });

  // T0 reads x, add Ga: deadline · T0 reads A=0 · A=1, invalidate(a) returns · T0 ends · add Ga executes late · T0 reads x
  it('whose making had no clean answer are given up, and the result is not stored', async () => {
    const mint = here.backend.sent('add', '#t:a');
    const t0 = readX();
    const add = await mint;
    await add.fail();
    const run = await x.begun();
    A = 1;
    await there.cache.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    add.exec();
    x.automatic = true;
    expect(await readX()).toBe(1);
    expect(await readX()).toBe(1);
    expect(x.runs).toBe(2);
  });

  // add Ga: deadline, twice · then it works · every token on its way was another one
  it('are never sent twice', async () => {
    x.automatic = true;
    for (let attempt = 0; attempt < 2; attempt++) {
      const mint = here.backend.sent('add', '#t:a');
      const t0 = readX();
      await (await mint).fail();
      await t0;
    }
    await readX();
    const tokens = here.backend.sentSoFar.filter(({ operation }) => operation === 'add').map(({ text }) => text);
    expect(tokens).toHaveLength(5);
    expect(new Set(tokens).size).toBe(5);
  });

  // T0 reads x, makes Ga, reads A=0 · A=1, invalidate(a) returns · a proxy sends add Ga again · T0 stores · T0 reads x
  it('are brought back by a proxy that repeats their making, which no client can tell', async () => {
    const mint = here.backend.sent('add', '#t:a');
    const t0 = readX();
    const add = await mint;
    await add.answer();
    const run = await x.begun();
    A = 1;
    await there.cache.invalidate('a');
    expect(data.has(nameOf('a'))).toBe(false);
    add.exec();
    await run.end();
    x.automatic = true;
    expect([await t0, await readX()]).toEqual([0, 0]);
    await there.cache.invalidate('a');
    expect(await readX()).toBe(1);
  });

  // T0 reads x: A=0 · A=1, invalidate(a) in the same process returns · T0 ends: what it would write is dead
  it('deleted by this process save it the writing of what was computed under them', async () => {
    const t0 = readX();
    const run = await x.begun();
    A = 1;
    await here.cache.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    expect(here.backend.log.filter((command) => command.startsWith('set'))).toEqual([]);
  });

  // T0 sends add Ga, executed · A=1, invalidate(a) deletes it, returns · T2 comes · the reply of add arrives
  it('deleted while they are made cost an entry and never a stale value', async () => {
    const mint = here.backend.sent('add', '#t:a');
    const t0 = readX();
    const add = (await mint).exec();
    A = 1;
    await there.cache.invalidate('a');
    const t2 = readX();
    await jobs();
    await add.answer();
    await (await x.begun()).end();
    expect([await t0, await t2]).toEqual([1, 1]);
    expect(x.runs).toBe(1);
    A = 2;
    x.automatic = true;
    expect(await readX()).toBe(2);
  });

  // T0 reads x: Ga absent · T1 makes Ga and stores x · add Ga of T0: there is one
  it('made by another process first are adopted', async () => {
    x.automatic = true;
    const mint = here.backend.sent('add', '#t:a');
    const t0 = readX();
    const add = await mint;
    const readThere = there.cache.wrap('x', x.run, { tags: 'a' });
    await readThere();
    const token = data.get(nameOf('a'));
    await add.answer();
    await t0;
    expect(data.get(nameOf('a'))).toBe(token);
    expect([await readX(), await readThere()]).toEqual([0, 0]);
    expect(x.runs).toBe(2);
    A = 1;
    await there.cache.invalidate('a');
    expect([await readX(), await readThere()]).toEqual([1, 1]);
  });

  // T0 writes Ga · T1 writes Ga over it · T0 reads back
  it('are what a read-back shows where the server has no add', async () => {
    open(['add']);
    x.automatic = true;
    const [setHere, setThere] = [here.backend.sent('set', '#t:a'), there.backend.sent('set', '#t:a')];
    const readThere = there.cache.wrap('x', x.run, { tags: 'a' });
    const [t0, t1] = [readX(), readThere()];
    const [first, second] = [await setHere, await setThere];
    first.exec();
    second.exec();
    await first.answer();
    await second.answer();
    await Promise.all([t0, t1]);
    await jobs();
    expect([await readX(), await readThere()]).toEqual([0, 0]);
    expect(x.runs).toBe(2);
    A = 1;
    await there.cache.invalidate('a');
    expect([await readX(), await readThere()]).toEqual([1, 1]);
  });

  // T0 writes Ga: deadline · T0 reads A=0 · A=1, invalidate(a) · T0 ends · the write executes late · T0 reads x
  it('whose writing had no clean answer are given up as well', async () => {
    open(['add']);
    const mint = here.backend.sent('set', '#t:a');
    const t0 = readX();
    const set = await mint;
    await set.fail();
    const run = await x.begun();
    A = 1;
    await there.cache.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    set.exec();
    x.automatic = true;
    expect(await readX()).toBe(1);
  });

  // T0 reads x, makes Ga, reads A=0 · the server evicts Ga · A=1, invalidate(a) deletes nothing · T0 stores · T0 reads x
  it('that the server evicted during the compute make a miss', async () => {
    const t0 = readX();
    const run = await x.begun();
    data.delete(nameOf('a'));
    A = 1;
    await there.cache.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    x.automatic = true;
    expect(await expectMiss(here.cache, readX, 'invalidated: a')).toBe(1);
  });

  // x is stored · the server evicts Ga, Gx or G# · T0 reads x
  it('that are missing are no reason to believe an entry', async () => {
    x.automatic = true;
    await readX();
    for (const name of [...data.keys()].filter((key) => key.includes('#'))) {
      data.delete(name);
      A++;
      expect(await readX()).toBe(A);
    }
    expect(A).toBe(3);
  });

  it('and entries live for whole milliseconds, whatever fractions the clock counts', async () => {
    let now = 1_700_000_000_000.25;
    const fine = new SteppedProcess({ data }, { clock: { now: () => (now += 0.3) } });
    const problems: unknown[] = [];
    fine.cache.on('error', (problem) => problems.push(problem));
    x.automatic = true;
    const call = fine.cache.wrap('x', x.run, { tags: 'a', ttl: 1_000, sliding: true });
    await call();
    await jobs();
    now += 500;
    expect([await call(), x.runs]).toEqual([0, 1]);
    await jobs();
    expect(problems).toEqual([]);
    expect(fine.backend.log.filter((command) => command.startsWith('touch'))).not.toEqual([]);
    await fine.close();
  });

  // T0 reads x, reads A=0, hangs · ten thousand tags are invalidated, then A=1, invalidate(a) · T0 ends
  it('outlast a compute that hangs while ten thousand others are deleted', async () => {
    const t0 = readX();
    const run = await x.begun();
    for (let i = 0; i < 101; i++) {
      await here.cache.invalidate(...Array.from({ length: 100 }, (_, n) => `other:${i}:${n}`));
    }
    A = 1;
    await here.cache.invalidate('a');
    await run.end();
    expect(await t0).toBe(0);
    x.automatic = true;
    expect(await readX()).toBe(1);
  });
});

describe('generations that are probably missing', () => {
  let data: Map<string, string>;
  let here: SteppedProcess;
  let there: SteppedProcess;
  let A: number;
  let x: SteppedMethod<[string], number>;
  let read: (id: string) => Promise<number>;

  beforeEach(async () => {
    data = new Map();
    A = 0;
    [here, there] = [new SteppedProcess({ data }), new SteppedProcess({ data })];
    x = new SteppedMethod(() => A);
    x.automatic = true;
    read = here.cache.wrap('x', x.run, { tags: (id) => [`t:${id}`, 'all'] });
    for (const id of ['1', '2', '3']) await read(id);
    await jobs();
    here.backend.sentSoFar.length = 0;
  });

  afterEach(async () => {
    await here.close();
    await there.close();
  });

  const adds = (): string[] => here.backend.log.filter((command) => command.startsWith('add'));

  it('as all entries were lately, are made with the read, and the method starts when that is answered', async () => {
    x.automatic = false;
    const [adding, reading] = [here.backend.sent('add', '#t:t:4'), here.backend.sent('getMany', '4')];
    const t0 = read('4');
    const [add, get] = await Promise.all([adding, reading]);
    expect(x.runs).toBe(3);
    add.exec();
    await get.answer();
    await (await x.begun()).end();
    expect(await t0).toBe(0);
    await add.answer();
    expect(adds()).toEqual(['add cachette:1:#t:t:4']);
    expect([await read('4'), x.runs]).toEqual([0, 4]);
  });

  // T0 offers Ga=1, which is late · reads Ga: absent, makes Ga=2, stores x · A=1, invalidate(a) · Ga=1 is made · T0 reads x
  it('bring nothing back when they are made late', async () => {
    const offering = here.backend.sent('add', '#t:t:4');
    await read('4');
    await jobs();
    expect(adds()).toHaveLength(2);
    A = 1;
    await there.cache.invalidate('t:4');
    (await offering).exec();
    expect(data.has('cachette:1:#t:t:4')).toBe(true);
    expect(await read('4')).toBe(1);
  });

  // T0 offers Ga=1, it is made · A=1, invalidate(a) · T0 reads Ga: absent · T0 must not use Ga=1
  it('and were deleted before they were read are made anew', async () => {
    const [offering, reading] = [here.backend.sent('add', '#t:t:4'), here.backend.sent('getMany', '4')];
    x.automatic = false;
    const t0 = read('4');
    await (await offering).answer();
    await there.cache.invalidate('t:4');
    await (await reading).answer();
    const run = await x.begun();
    A = 1;
    await there.cache.invalidate('t:4');
    await run.end();
    expect(await t0).toBe(0);
    expect(adds()).toHaveLength(2);
    x.automatic = true;
    expect(await read('4')).toBe(1);
  });

  it('and whose making fails cost the call nothing', async () => {
    const problems: unknown[] = [];
    here.cache.on('error', (problem) => problems.push(problem));
    const offering = here.backend.sent('add', '#t:t:4');
    const t0 = read('4');
    await (await offering).fail();
    expect(await t0).toBe(0);
    await jobs();
    expect([await read('4'), x.runs]).toEqual([0, 4]);
    expect(problems).toEqual([]);
  });

  it('are offered once, however many ask', async () => {
    await Promise.all([read('4'), read('4'), read('4')]);
    await there.cache.invalidate('t:4');
    await read('4');
    const offered = adds().filter((command) => command === 'add cachette:1:#t:t:4');
    expect(offered).toHaveLength(2); // the second when a read had shown that it is missing
  });

  it('are not made for calls in a transaction, which store nothing', async () => {
    await here.cache.transaction(() => read('4'));
    expect(adds()).toEqual([]);
  });

  it('are not offered while the breaker is open', async () => {
    here.backend.broken = true;
    await Promise.all(['5', '6', '7', '8', '9', '10'].map((tag) => here.cache.invalidate(tag)));
    here.backend.sentSoFar.length = 0;
    await read('4');
    expect(here.backend.log).toEqual([]);
  });

  it('are not made where entries are found', async () => {
    for (let time = 0; time < 3; time++) await read('1');
    const reading = here.backend.sent('getMany', '4');
    const t0 = read('4');
    const get = await reading;
    expect(adds()).toEqual([]);
    await get.answer();
    await t0;
    expect(adds()).toEqual(['add cachette:1:#t:t:4']);
  });

  it('are made after the read where the server has no add', async () => {
    const plain = new SteppedProcess({ lacks: ['add'] });
    const readPlain = plain.cache.wrap('x', x.run, { tags: (id) => `t:${id}` });
    for (const id of ['1', '2', '3', '4']) await readPlain(id);
    await jobs();
    const sent = plain.backend.log.filter((command) => command.includes('#t:t:4'));
    expect(sent[0]).toMatch(/^getMany/);
    await plain.close();
  });
});
