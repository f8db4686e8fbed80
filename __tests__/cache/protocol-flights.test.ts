/** Who may share a running compute, and who has to start another one. */

import { jobs } from '../support/stepped-backend.js';
import { type Setting, settings, SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

describe.each(settings)('a running compute %s', (_name, open) => {
  let setting: Setting;
  let A: number;
  let x: SteppedMethod<[], number>;

  beforeEach(() => {
    setting = open();
    A = 0;
    x = new SteppedMethod(() => A);
  });

  afterEach(() => setting.close());

  it('is shared by a caller that comes later, if nothing was invalidated', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const t1 = readX();
    const run = await x.begun();
    const t0 = readX();
    await jobs();
    await run.end();
    expect([await t1, await t0, x.runs]).toEqual([0, 0, 1]);
  });

  // T1 computes o, which reads x: no such row · the row comes, invalidate(a) returns · T0 reads o: Gb unchanged · T1 fails
  it('fails for nobody who came after an invalidation of what it has read inside', async () => {
    const { cache, other } = setting;
    const row = cache.wrap('row', async () => A, { tags: 'a' });
    const o = new SteppedMethod(async () => {
      if ((await row()) === 0) throw new Error('no such row');
      return 1;
    });
    const readO = cache.wrap('o', o.run, { tags: 'b' });
    const t1 = readO();
    t1.catch(() => undefined);
    const run = await o.begun();
    await jobs();
    A = 1;
    await other.invalidate('a');
    o.automatic = true;
    const t0 = readO();
    await jobs();
    await run.end();
    await expect(t1).rejects.toThrow('no such row');
    expect(await t0).toBe(1);
  });

  // T1 reads A=0 · A=1 · refresh T2 begins and fails · T0 reads x: 1, stored · T1 ends: must not store 0 over it
  it('stores nothing over what a later one has brought, also where one in between has failed', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const t1 = readX();
    const first = await x.begun();
    A = 1;
    const t2 = setting.cache.refresh(() => readX());
    t2.catch(() => undefined);
    const second = await x.begun();
    await second.fail(new Error('mine'));
    await expect(t2).rejects.toThrow('mine');
    x.automatic = true;
    expect(await setting.cache.refresh(() => readX())).toBe(1);
    await first.end();
    await t1;
    await jobs();
    expect(await readX()).toBe(1);
  });

  // T1 reads x, makes Ga, reads A=0 · A=1, invalidate(a) returns · T0 reads x: Ga absent · T1 ends
  it('that began before an invalidation is not shared by a caller that has seen it', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const t1 = readX();
    const run = await x.begun();
    A = 1;
    await setting.other.invalidate('a');
    x.automatic = true;
    const t0 = readX();
    await jobs();
    await run.end();
    expect([await t1, await t0, x.runs]).toEqual([0, 1, 2]);
  });

  // T1 reads x: A=0 · A=1, invalidate(a) · T0 reads x: A=1, ends, stores · T1 ends · T2 reads x
  it('of the same key that ends after a newer one does not take the place of what that stored', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const t1 = readX();
    const run = await x.begun();
    A = 1;
    await setting.other.invalidate('a');
    x.automatic = true;
    expect(await readX()).toBe(1);
    await run.end();
    expect([await t1, await readX(), x.runs]).toEqual([0, 1, 2]);
  });

  // T1 reads x: A=0 · A=1, nobody says so · T2 refreshes x
  it('that began before is not shared by refresh, and does not take the place of what refresh stored', async () => {
    const { cache } = setting;
    const readX = cache.wrap('x', x.run);
    const t1 = readX();
    const run = await x.begun();
    A = 1;
    x.automatic = true;
    const t2 = cache.refresh(() => readX());
    await jobs();
    await run.end();
    expect([await t1, await t2]).toEqual([0, 1]);
    expect([await readX(), x.runs]).toEqual([1, 2]);
  });

  // T1 reads o · o calls x: A=0 · x ends · A=1, invalidate(a) · T0 reads o: Gb unchanged, joins · o ends
  it('whose inherited tag was invalidated is not shared by who came after that', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const o = new SteppedMethod(() => readX());
    const readO = setting.cache.wrap('o', o.run, { tags: 'b' });
    const t1 = readO();
    const run = await o.begun();
    await (await x.begun()).end();
    A = 1;
    await setting.other.invalidate('a');
    const joiners = [readO(), readO(), readO()];
    await jobs();
    x.automatic = o.automatic = true;
    await run.end();
    expect([await t1, ...(await Promise.all(joiners))]).toEqual([0, 1, 1, 1]);
    expect(o.runs).toBe(2);
    expect(await readO()).toBe(1);
  });

  it('with inherited tags is shared and stored, if they are unchanged when it ends', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const o = new SteppedMethod(() => readX());
    const readO = setting.cache.wrap('o', o.run, { tags: 'b' });
    const t1 = readO();
    const run = await o.begun();
    await (await x.begun()).end();
    const t0 = readO();
    await jobs();
    await run.end();
    expect([await t1, await t0, await readO(), o.runs]).toEqual([0, 0, 0, 1]);
  });

  // m knows r from before · T1 reads m: C=0 · C=1, invalidate(r) · T0 reads m: Ga unchanged, joins · m ends
  it('whose result tag was invalidated is not shared by who came after that', async () => {
    const readM = setting.cache.wrap('m', x.run, { tags: 'a', resultTags: 'r' });
    x.automatic = true;
    await readM();
    await readM();
    x.automatic = false;
    const t1 = setting.cache.refresh(() => readM());
    const run = await x.begun();
    A = 1;
    await setting.other.invalidate('r');
    const t0 = readM();
    await jobs();
    x.automatic = true;
    await run.end();
    expect([await t1, await t0, await readM()]).toEqual([0, 1, 1]);
  });

  it('with a result tag that is known from before is shared, if it is unchanged when it ends', async () => {
    const readM = setting.cache.wrap('m', x.run, { tags: 'a', resultTags: 'r' });
    x.automatic = true;
    await readM();
    await readM();
    await setting.other.invalidate('a');
    x.automatic = false;
    const t1 = readM();
    const run = await x.begun();
    const t0 = readM();
    await jobs();
    await run.end();
    expect([await t1, await t0, await readM(), x.runs]).toEqual([0, 0, 0, 3]);
  });

  // nobody knows r · T1 reads m: C=0 · C=1, invalidate(r) deletes nothing · T0 reads m: Ga unchanged, joins · m ends
  it('whose result tag nobody had read before is not shared by who came after it began', async () => {
    const readM = setting.cache.wrap('m', x.run, { tags: 'a', resultTags: 'r' });
    const t1 = readM();
    const run = await x.begun();
    A = 1;
    await setting.other.invalidate('r');
    const t0 = readM();
    await jobs();
    x.automatic = true;
    await run.end();
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  it('fails with the very error of the method for all who share it, and not for who comes later', async () => {
    const readX = setting.cache.wrap('x', x.run, { tags: 'a' });
    const error = new Error('mine');
    const t1 = readX();
    const run = await x.begun();
    const joiners = [readX(), readX()];
    const caught = Promise.all([t1, ...joiners].map((call) => call.catch((reason: unknown) => reason)));
    await jobs();
    await run.fail(error);
    for (const reason of await caught) expect(reason).toBe(error);
    expect(x.runs).toBe(1);
    expect(setting.cache.stats()).toMatchObject({ misses: 3, hits: 0 });
    x.automatic = true;
    expect(await readX()).toBe(0);
  });

  it.each([
    ['tags', { tags: 'a' }],
    ['result tags', { tags: 'a', resultTags: 'r' }],
  ])('of a cold key with %s is one for a thousand callers', async (_of, options) => {
    const readX = setting.cache.wrap('x', x.run, options);
    const callers = Array.from({ length: 1_000 }, () => readX());
    await (await x.begun()).end();
    expect(new Set(await Promise.all(callers))).toEqual(new Set([0]));
    expect(x.runs).toBe(1);
  });

  // T0 calls f(1) · T1 calls g(1) · f calls g, which T1 runs · g calls f, which T0 runs
  it('never waits for itself, over however many calls', async () => {
    const { cache } = setting;
    let depth = 0;
    const f: (n: number) => Promise<number> = cache.wrap('f', async (n) => (depth++ < 4 ? 1 + (await g(n)) : 0), {
      tags: 'a',
    });
    const g: (n: number) => Promise<number> = cache.wrap('g', async (n) => (depth++ < 4 ? 1 + (await h(n)) : 0), {
      tags: 'a',
    });
    const h: (n: number) => Promise<number> = cache.wrap('h', async (n) => (depth++ < 4 ? 1 + (await f(n)) : 0), {
      tags: 'a',
    });
    const answers = await Promise.all([f(1), g(1), h(1), f(1)]);
    for (const answer of answers) expect(answer).toBeLessThanOrEqual(4);
    depth = 0;
    await setting.other.invalidate('a');
    expect(await f(1)).toBe(4);
  });

  it('that calls itself with other arguments stores each of them', async () => {
    let runs = 0;
    const factorial: (n: number) => Promise<number> = setting.cache.wrap('factorial', async (n) => {
      runs++;
      return n === 0 ? 1 : n * (await factorial(n - 1));
    });
    expect(await Promise.all([factorial(5), factorial(3), factorial(5)])).toEqual([120, 6, 120]);
    expect(await factorial(4)).toBe(24);
    expect(runs).toBe(6);
  });
});

describe('a running compute over stepped commands', () => {
  let here: SteppedProcess;
  let there: SteppedProcess;
  let A: number;
  let x: SteppedMethod<[], number>;
  let readX: () => Promise<number>;

  beforeEach(() => {
    const data = new Map<string, string>();
    here = new SteppedProcess({ data });
    there = new SteppedProcess({ data });
    A = 0;
    x = new SteppedMethod(() => A);
    readX = here.cache.wrap('x', x.run, { tags: 'a' });
  });

  afterEach(async () => {
    await here.close();
    await there.close();
  });

  // x is stored · T1 reads x: executed, the reply is on its way · A=1, invalidate(a) returns · T0 reads x · the reply arrives
  it('is nothing that a read which was already sent can stand for', async () => {
    x.automatic = true;
    await readX();
    const reading = here.backend.sent('getMany', ':x');
    const t1 = readX();
    const getMany = (await reading).exec();
    A = 1;
    await there.cache.invalidate('a');
    const t0 = readX();
    await jobs();
    await getMany.answer();
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  // T1 reads x, sends add Ga · A=1, invalidate(a) returns · T2 reads x · add executes, T1 reads A=1
  it('that has not started is shared by who came after an invalidation', async () => {
    const mint = here.backend.sent('add', '#t:a');
    const t1 = readX();
    const add = await mint;
    A = 1;
    await there.cache.invalidate('a');
    const t2 = readX();
    await jobs();
    await add.answer();
    await (await x.begun()).end();
    expect([await t1, await t2, await readX(), x.runs]).toEqual([1, 1, 1, 1]);
  });

  // o ends, its Ga is read: executed, unchanged · A=1, invalidate(a) · T0 reads o: Gb unchanged · the reply arrives
  it('is closed to newcomers as soon as its late generations are read', async () => {
    const o = new SteppedMethod(() => readX());
    const readO = here.cache.wrap('o', o.run, { tags: 'b' });
    x.automatic = true;
    const t1 = readO();
    const run = await o.begun();
    const checking = here.backend.sent('getMany', '#t:a');
    await jobs();
    await (await checking).answer();
    const again = here.backend.sent('getMany', '#t:a');
    await run.end();
    const check = (await again).exec();
    A = 1;
    await there.cache.invalidate('a');
    o.automatic = true;
    const t0 = readO();
    await jobs();
    await check.answer();
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  // o is unchanged, set o is on its way · A=1, invalidate(a) · T0 reads o
  it('is not shared while its result is being stored', async () => {
    const o = new SteppedMethod(() => readX());
    const readO = here.cache.wrap('o', o.run, { tags: 'b' });
    x.automatic = o.automatic = true;
    const storing = here.backend.sent('set', ':o');
    const t1 = readO();
    const set = await storing;
    A = 1;
    await there.cache.invalidate('a');
    const t0 = readO();
    await jobs();
    await set.answer();
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  // T1 reads x under Ga, hangs · Gm is evicted and made again by another process · T0 reads x
  it('is shared only if every generation of the arguments is the one it was captured under', async () => {
    const t1 = readX();
    const run = await x.begun();
    A = 1;
    await there.cache.wrap('x', x.run, { tags: 'a' }).forgetAll();
    x.automatic = true;
    const t0 = readX();
    await jobs();
    await run.end();
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  // the store gives no answer · T1 computes · A=1 · T0 reads x: no answer, it cannot know
  it('is not shared by who could not read the generations', async () => {
    const t1 = readX();
    const run = await x.begun();
    const reading = here.backend.sent('getMany', ':x');
    x.automatic = true;
    A = 1;
    const t0 = readX();
    await (await reading).fail();
    await jobs();
    await run.end();
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  it('of a cold key costs one read and its mints, however many callers there are', async () => {
    x.automatic = true;
    await Promise.all(Array.from({ length: 1_000 }, () => readX()));
    await jobs();
    const operations = here.backend.sentSoFar.map(({ operation }) => operation);
    expect(operations.filter((operation) => operation !== 'touch')).toEqual(['getMany', 'add', 'add', 'add', 'set']);
  });

  // each of three calls all of the next three, and so on: the paths are countless
  it('finds out quickly that it does not wait for itself', async () => {
    const layers = Array.from({ length: 16 }, (_, layer) =>
      [0, 1, 2].map(() => new SteppedMethod(() => callAll(layer + 1))),
    );
    const reads = layers.map((methods, layer) => methods.map(({ run }, n) => here.cache.wrap(`x${layer}.${n}`, run)));
    const callAll = async (layer: number): Promise<void> => {
      await Promise.all((reads[layer] ?? []).map((read) => read()));
    };
    const all = callAll(0);
    for (const method of layers.flat()) (await method.begun()).gate.open();
    await all;
    expect(layers.flat().map(({ runs }) => runs)).toEqual(layers.flat().map(() => 1));
  });
});
