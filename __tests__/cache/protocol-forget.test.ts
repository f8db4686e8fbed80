/** Forgetting one entry: strict in the process that forgets, where no write outlives its deadline. A tag is strict everywhere. */

import { manualClock } from 'cachette/testing';
import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

const clock = manualClock();
let data: Map<string, string>;
let here: SteppedProcess;
let there: SteppedProcess;
let A: number;
let x: SteppedMethod<[], number>;

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
}

function wrapX(process: SteppedProcess, sliding = false) {
  return process.cache.wrap('x', x.run, { tags: 'a', ttl: '10s', sliding });
}

describe('forget', () => {
  // forget(x) sends del x · T0 reads x, sliding, before it is executed · del x executed, acknowledged · T0's reply: writes x again
  it('is not undone by a window that is restarted by writing', async () => {
    await here.close();
    await there.close();
    open(['touch']);
    const readX = wrapX(here, true);
    x.automatic = true;
    await readX();
    await jobs();
    await clock.advance(5_000);
    const deleting = here.backend.sent('deleteMany', ':x');
    const forgetting = readX.forget();
    const del = await deleting;
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readX();
    const getMany = (await reading).exec();
    del.exec();
    await getMany.answer();
    await t0;
    await jobs();
    A = 1;
    await del.answer();
    await forgetting;
    expect(await readX()).toBe(1);
  });

  // T0 computes x: A=0, set x is on its way · A=1, forget(x) · T0 reads x
  it('waits for the write of this process, which it must remove', async () => {
    const readX = wrapX(here);
    x.automatic = true;
    const writing = here.backend.sent('set', ':x');
    await readX();
    const set = await writing;
    A = 1;
    const forgetting = readX.forget();
    await jobs();
    expect(here.backend.log.filter((command) => command.startsWith('deleteMany'))).toEqual([]);
    await set.answer();
    expect(await forgetting).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
  });

  // T0 computes x: A=0 · A=1, forget(x) returns · T0 ends
  it('is not undone by a compute of this process, nor shared by who comes later', async () => {
    const readX = wrapX(here);
    const t0 = readX();
    const run = await x.begun();
    A = 1;
    await readX.forget();
    const t1 = readX();
    const next = await x.begun();
    await run.end();
    expect(await t0).toBe(0);
    expect(here.backend.log.filter((command) => command.startsWith('set'))).toEqual([]);
    await next.end();
    expect([await t1, await readX(), x.runs]).toEqual([1, 1, 2]);
  });

  // T1 computes x: A=0, and then T0 under another Ga · A=1, forget(x) returns · both end
  it('is undone by none of several computes of one key', async () => {
    const readX = wrapX(here);
    const t1 = readX();
    const first = await x.begun();
    await there.cache.invalidate('a');
    const t0 = readX();
    const second = await x.begun();
    A = 1;
    await readX.forget();
    await first.end();
    await second.end();
    await Promise.all([t1, t0]);
    x.automatic = true;
    expect(await readX()).toBe(1);
  });

  // T0 computes x: A=0, set x: deadline · A=1, forget(x) returns · set x executes late · T0 reads x
  it('cannot reach a write that outlives its deadline, and a tag does', async () => {
    const readX = wrapX(here);
    x.automatic = true;
    const writing = here.backend.sent('set', ':x');
    await readX();
    const set = await writing;
    await set.fail();
    A = 1;
    expect(await readX.forget()).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
    set.exec();
    expect(await readX()).toBe(0);
    await here.cache.invalidate('a');
    set.exec();
    expect(await readX()).toBe(1);
  });

  // P0 computes x: A=0 · A=1, forget(x) in P1 returns · P0 ends and stores · P1 reads x
  it('cannot reach a compute of another process, and a tag does', async () => {
    const readX = wrapX(here);
    const readThere = wrapX(there);
    const t0 = readX();
    const run = await x.begun();
    A = 1;
    expect(await readThere.forget()).toEqual({ status: 'done' });
    await run.end();
    x.automatic = true;
    expect([await t0, await readThere()]).toEqual([0, 0]);
    await there.cache.invalidate('a');
    expect([await readThere(), await readX()]).toEqual([1, 1]);
  });

  it('removes one entry alone, in every process that is not computing it', async () => {
    let runs = 0;
    const readN = here.cache.wrap('n', async (n: number) => `${n}#${++runs}`);
    const readThere = there.cache.wrap('n', async (n: number) => `${n}#${++runs}`);
    await readN(1);
    await readN(2);
    await readN.forget(1);
    expect(await readThere(1)).toBe('1#3');
    expect(await readThere(2)).toBe('2#2');
  });
});

describe('sliding on a server that cannot touch', () => {
  beforeEach(() => open(['touch']));

  it('writes the entry again, with the times of its first writing and of its last reading', async () => {
    const readX = wrapX(here, true);
    x.automatic = true;
    await readX();
    await jobs();
    const key = readX.keyOf();
    const text = data.get(key)?.replace(/^((?:[^,]*,){7})0,/, '$15000,');
    await clock.advance(5_000);
    const rewriting = here.backend.sent('set', ':x');
    await readX();
    expect((await rewriting).text).toBe(text);
  });

  // T0 reads x, executed · forget(x) returns · the reply arrives: a hit, due to be written again
  it('does not bring back what was forgotten', async () => {
    const readX = wrapX(here, true);
    x.automatic = true;
    await readX();
    await jobs();
    await clock.advance(5_000);
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readX();
    const getMany = (await reading).exec();
    A = 1;
    await readX.forget();
    await getMany.answer();
    expect(await t0).toBe(0);
    expect(data.has(readX.keyOf())).toBe(false);
    expect(await readX()).toBe(1);
  });

  // T0 reads x: a hit, set x is on its way · forget(x) · set x executes
  it('is removed by who forgets while it writes', async () => {
    const readX = wrapX(here, true);
    x.automatic = true;
    await readX();
    await jobs();
    await clock.advance(5_000);
    const rewriting = here.backend.sent('set', ':x');
    await readX();
    const set = await rewriting;
    A = 1;
    const forgetting = readX.forget();
    await jobs();
    await set.answer();
    await forgetting;
    expect(await readX()).toBe(1);
  });

  // T0 reads x, executed · A=1, T1 refreshes x and stores it · the window goes on · the reply of T0 arrives
  it('does not take the place of a newer entry', async () => {
    const readX = wrapX(here, true);
    x.automatic = true;
    await readX();
    await jobs();
    await clock.advance(5_000);
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readX();
    const getMany = (await reading).exec();
    A = 1;
    expect(await here.cache.refresh(() => readX())).toBe(1);
    await clock.advance(2_000);
    await getMany.answer();
    expect([await t0, await readX()]).toEqual([0, 1]);
  });

  // T0 reads x, executed · A=1, invalidate(a) returns · the reply arrives, x is written again under the deleted Ga
  it('does not bring back what was invalidated', async () => {
    const readX = wrapX(here, true);
    x.automatic = true;
    await readX();
    await jobs();
    await clock.advance(5_000);
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readX();
    const getMany = (await reading).exec();
    A = 1;
    await there.cache.invalidate('a');
    await getMany.answer();
    expect([await t0, await readX()]).toEqual([0, 1]);
  });
});
