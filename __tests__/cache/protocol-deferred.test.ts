/** Invalidations that could not be delivered: what is refused here until they are. */

import { expectMiss } from 'cachette/testing';
import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

let data: Map<string, string>;
let here: SteppedProcess;
let A: number;
let x: SteppedMethod<[], number>;
let o: SteppedMethod<[], number>;
let readX: () => Promise<number>;
let readO: () => Promise<number>;

beforeEach(() => {
  data = new Map();
  here = new SteppedProcess({ data });
  A = 0;
  x = new SteppedMethod(() => A);
  readX = here.cache.wrap('x', x.run, { tags: 'a' });
  o = new SteppedMethod(() => readX());
  readO = here.cache.wrap('o', o.run, { tags: 'b' });
});

afterEach(() => here.close());

/** An invalidation whose command has no answer in time. */
async function defer(...tags: string[]): Promise<void> {
  const removing = here.backend.sent('deleteMany');
  const invalidation = here.cache.invalidate(...tags);
  await (await removing).fail();
  expect(await invalidation).toEqual({ status: 'deferred' });
}

describe('a read that is under way', () => {
  // set x: deadline, executes late · T0 reads x, executed · A=1, del Ga done · T1 reads x · the reply of T0 arrives
  it('answers nobody who came after the invalidation, even if a write was late', async () => {
    x.automatic = true;
    const writing = here.backend.sent('set', ':x');
    await readX();
    const set = await writing;
    await set.fail();
    set.exec();
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readX();
    const getMany = (await reading).exec();
    A = 1;
    expect(await here.cache.invalidate('a')).toEqual({ status: 'done' });
    const t1 = readX();
    await jobs();
    await getMany.answer();
    expect([await t0, await t1]).toEqual([0, 1]);
  });
});

describe('a deferred invalidation', () => {
  // T0 computes x: A=0 · A=1, del Ga fails · T1 reads x: Ga stands unchanged · T0 ends
  it('keeps later callers from a compute that began before it', async () => {
    const t0 = readX();
    const run = await x.begun();
    A = 1;
    await defer('a');
    x.automatic = true;
    const t1 = readX();
    await jobs();
    await run.end();
    expect([await t0, await t1, await readX()]).toEqual([0, 1, 1]);
  });

  // x is stored · A=1, del Ga fails · T1 reads x: entry and Ga are what they were
  it('refuses the entries that stand in the store', async () => {
    x.automatic = true;
    await readX();
    A = 1;
    await defer('a');
    expect(await expectMiss(here.cache, readX, 'invalidation pending: a')).toBe(1);
  });

  // o is stored with the inherited a · A=1, del Ga fails · T1 reads o: Gb is not pending
  it('refuses an entry that has the tag from a call inside', async () => {
    x.automatic = o.automatic = true;
    await readO();
    A = 1;
    await defer('a');
    expect(await readO()).toBe(1);
  });

  // o is stored with the inherited a · A=1, del Ga fails · T0 reads o, executed · the replay is executed and acknowledged ·
  // the reply of T0 arrives
  it('refuses what was read while it was pending, also if it is delivered before the reply', async () => {
    x.automatic = o.automatic = true;
    await readO();
    await jobs();
    A = 1;
    await defer('a');
    const reading = here.backend.sent('getMany', ':o');
    const t0 = readO();
    const getMany = (await reading).exec();
    await here.backend.pass('deleteMany', '#t:a');
    await getMany.answer();
    expect(await t0).toBe(1);
  });

  // x is stored · T0 reads x, executed · A=1, del Ga fails · the reply of T0 arrives
  it('refuses what was read before, if it is pending at the reply', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readX();
    const getMany = (await reading).exec();
    A = 1;
    await defer('a');
    await getMany.answer();
    expect(await t0).toBe(1);
  });

  // T0 computes o, which calls x: A=0 · A=1, del Ga fails · T1 reads o: Gb unchanged, joins · x ends, o ends, Ga stands
  it('keeps joiners from a compute that has the tag from a call inside', async () => {
    const t0 = readO();
    const runO = await o.begun();
    const runX = await x.begun();
    A = 1;
    await defer('a');
    const t1 = readO();
    await jobs();
    x.automatic = o.automatic = true;
    await runX.end();
    await runO.end();
    expect([await t0, await t1]).toEqual([0, 1]);
  });

  // x is stored · A=1, del Ga is sent · T0 computes o, which reads x: a hit under Ga · del Ga fails · T1 reads o: joins
  it('keeps joiners from a compute that began while it was being sent', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    A = 1;
    const removing = here.backend.sent('deleteMany');
    const invalidation = here.cache.invalidate('a');
    const remove = await removing;
    const t0 = readO();
    const run = await o.begun();
    await jobs();
    await remove.fail();
    expect(await invalidation).toEqual({ status: 'deferred' });
    const t1 = readO();
    await jobs();
    o.automatic = true;
    await run.end();
    expect([await t0, await t1, x.runs]).toEqual([0, 1, 2]);
  });

  // a compute hangs · more tags than a flight remembers are invalidated, then A=1, del Ga fails · T1 reads o · it ends
  it('keeps joiners from a compute that has hung through ten thousand others', async () => {
    const t0 = readO();
    const run = await o.begun();
    await (await x.begun()).end();
    await here.cache.invalidate(...Array.from({ length: 10_001 }, (_, n) => `other:${n}`));
    A = 1;
    await defer('a');
    x.automatic = o.automatic = true;
    const t1 = readO();
    await jobs();
    await run.end();
    expect([await t0, await t1]).toEqual([0, 1]);
  });

  // A=1, del Ga fails · the replay is sent · T0 comes: the store is read only after the replay
  it('is delivered before the store is read again', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    A = 1;
    await defer('a');
    const replay = await here.backend.sent('deleteMany', '#t:a');
    const sent = here.backend.sentSoFar.length;
    const t0 = readX();
    await jobs();
    expect(here.backend.sentSoFar).toHaveLength(sent);
    await replay.answer();
    expect(await t0).toBe(1);
    expect(await readX()).toBe(1);
    expect(x.runs).toBe(2);
  });

  // A=1, del Ga fails · the replay fails · T0 reads x: refused · the second replay is acknowledged · x is cached again
  it('is tried again until the store acknowledges it', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    A = 1;
    await defer('a');
    await (await here.backend.sent('deleteMany', '#t:a')).fail();
    expect([await readX(), await readX(), x.runs]).toEqual([1, 1, 3]);
    await here.backend.pass('deleteMany', '#t:a');
    expect([await readX(), await readX(), x.runs]).toEqual([1, 1, 4]);
  });

  // del Ga fails · the replay is sent · A=1, del Ga fails once more · the replay is acknowledged: of the first one
  it('is not taken for delivered by the replay of an earlier one', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    await defer('a');
    const replay = await here.backend.sent('deleteMany', '#t:a');
    replay.exec();
    const there = new SteppedProcess({ data });
    await there.cache.wrap('x', x.run, { tags: 'a' })();
    A = 1;
    await defer('a');
    await replay.answer();
    expect(await readX()).toBe(1);
    await there.close();
  });

  // more are pending than are kept: everything is
  it('becomes one of the whole namespace where there are over ten thousand', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    await defer(...Array.from({ length: 10_001 }, (_, n) => `other:${n}`));
    A = 1;
    expect(await expectMiss(here.cache, readX, 'invalidation pending: (everything)')).toBe(1);
    const replay = await here.backend.sent('deleteMany');
    expect(replay.keys).toEqual(['cachette:1:#']);
    await replay.answer();
    expect([await readX(), await readX(), x.runs]).toEqual([1, 1, 3]);
  });

  // forget(x) fails · T0 reads x: its generations are what they were
  it('of one entry refuses that entry', async () => {
    const call = here.cache.wrap('x', x.run, { tags: 'a' });
    x.automatic = true;
    await call();
    await jobs();
    A = 1;
    const removing = here.backend.sent('deleteMany');
    const forgetting = call.forget();
    await (await removing).fail();
    expect(await forgetting).toEqual({ status: 'deferred' });
    expect(await expectMiss(here.cache, call, 'removal pending')).toBe(1);
  });

  it('is delivered when the cache closes', async () => {
    x.automatic = true;
    await readX();
    await jobs();
    await defer('a');
    expect(data.has('cachette:1:#t:a')).toBe(true);
    await here.cache.close();
    expect(data.has('cachette:1:#t:a')).toBe(false);
  });
});

describe('close', () => {
  // invalidate(a) is on its way · close · del Ga fails: it must be tried once more
  it('delivers an invalidation that is under way', async () => {
    const there = new SteppedProcess({ data });
    x.automatic = true;
    await readX();
    await jobs();
    const deleting = here.backend.sent('deleteMany');
    const invalidation = here.cache.invalidate('a');
    const del = await deleting;
    const closing = here.cache.close();
    await del.fail();
    await closing;
    expect(await invalidation).toEqual({ status: 'deferred' });
    A = 1;
    expect(await there.cache.wrap('x', x.run, { tags: 'a' })()).toBe(1);
    await there.close();
  });
});
