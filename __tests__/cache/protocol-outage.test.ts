/** Memory while the shared store gives no answer: what it serves, for how long, and what of it is left afterwards. */

import { setTimeout as sleep } from 'node:timers/promises';

import { expectMiss } from 'cachette/testing';
import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess, SteppedTiers } from '../support/stepped-process.js';
import { until } from '../support/until.js';

const graceMs = 400;

let data: Map<string, string>;
let here: SteppedTiers;
let there: SteppedProcess;
let A: number;
let x: SteppedMethod<[], number>;
let readX: () => Promise<number>;

beforeEach(() => {
  data = new Map();
  here = new SteppedTiers({ data }, { outageGrace: graceMs });
  there = new SteppedProcess({ data });
  A = 0;
  x = new SteppedMethod(() => A);
  x.automatic = true;
  readX = here.cache.wrap('x', x.run, { tags: 'a' });
});

afterEach(async () => {
  here.backend.broken = false;
  await Promise.all([here.close(), there.close()]);
});

describe('in an outage', () => {
  it('what was valid a moment ago is served', async () => {
    await readX();
    await readX();
    here.backend.broken = true;
    const { value, calls } = await here.cache.explain(readX);
    expect(value).toBe(0);
    expect(calls).toMatchObject([{ status: 'hit', tier: 'memory', reason: 'outage' }]);
  });

  it('it is served no longer than the grace period, and then computed once in each', async () => {
    await readX();
    await readX();
    here.backend.broken = true;
    await sleep(graceMs);
    A = 1;
    for (let i = 0; i < 20; i++) expect(await readX()).toBe(1);
    expect(x.runs).toBe(2);
    await sleep(graceMs);
    for (let i = 0; i < 20; i++) await readX();
    expect(x.runs).toBe(3);
  });

  it('a cold key is computed once, however many callers come while the method runs', async () => {
    here.backend.broken = true;
    x.automatic = false;
    const t0 = readX();
    const run = await x.begun();
    const later = [readX(), readX()];
    await jobs();
    later.push(readX());
    await jobs();
    await run.end();
    expect(await Promise.all([t0, ...later])).toEqual([0, 0, 0, 0]);
    expect(x.runs).toBe(1);
  });

  it('nothing is served that the user wants to be asked for each time', async () => {
    const strict = here.cache.wrap('strict', x.run, { tags: 'a', maxStaleness: 0 });
    await strict();
    await strict();
    here.backend.broken = true;
    A = 1;
    expect(await strict()).toBe(1);
    A = 2;
    expect(await strict()).toBe(2);
  });

  it('nothing is served where the grace period is 0', async () => {
    const none = new SteppedTiers({ data }, { outageGrace: 0 });
    const read = none.cache.wrap('x', x.run, { tags: 'a' });
    await read();
    none.backend.broken = true;
    A = 1;
    expect(await read()).toBe(1);
    none.backend.broken = false;
    await none.close();
  });

  // x is stored · the store is gone · A=1, del Ga is deferred · T0 reads x
  it('nothing is served that was invalidated here meanwhile', async () => {
    await readX();
    await readX();
    here.backend.broken = true;
    A = 1;
    expect(await here.cache.invalidate('a')).toEqual({ status: 'deferred' });
    expect(await readX()).toBe(1);
  });

  // x is stored · A=1, del Ga, done · the store is gone · T0 reads x
  it('nothing is served that was invalidated before it', async () => {
    await readX();
    await readX();
    A = 1;
    expect(await here.cache.invalidate('a')).toEqual({ status: 'done' });
    here.backend.broken = true;
    expect(await readX()).toBe(1);
  });

  // T1 computes x in the outage: A=0 · A=1, del Ga is deferred · T0 reads x: must not join · T1 ends: not kept
  it('no compute is shared or kept that began before an invalidation here', async () => {
    here.backend.broken = true;
    x.automatic = false;
    const t1 = readX();
    const run = await x.begun();
    A = 1;
    await here.cache.invalidate('a');
    const t0 = readX();
    const second = await x.begun();
    await run.end();
    await second.end();
    expect([await t1, await t0]).toEqual([0, 1]);
    x.automatic = true;
    expect(await readX()).toBe(1);
  });

  // The store is gone · T0 computes o, which reads x · A=1, del Ga is deferred: o has that tag only from x
  it('a result that depends on a tag by a call inside is invalidated with it', async () => {
    const o = new SteppedMethod(() => readX());
    o.automatic = true;
    const readO = here.cache.wrap('o', o.run, { tags: 'b' });
    here.backend.broken = true;
    expect([await readO(), await readO()]).toEqual([0, 0]);
    expect(o.runs).toBe(1);
    A = 1;
    await here.cache.invalidate('a');
    expect(await readO()).toBe(1);
  });
});

describe('after an outage', () => {
  // The store is gone for P0 · P0 computes x: A=0, kept here · A=1, P1: del Ga, returns · the store is back · T0 reads x
  it('nothing is left of what was computed in it', async () => {
    here.backend.broken = true;
    expect(await readX()).toBe(0);
    A = 1;
    expect(await there.cache.invalidate('a')).toEqual({ status: 'done' });
    here.backend.broken = false;
    await until('The store is asked again', async () => {
      const { calls } = await here.cache.explain(readX);
      return calls[0]?.reason !== 'outage' && calls[0]?.reason !== 'breaker';
    });
    expect(await readX()).toBe(1);
  });

  // x is stored · P0: A=1, del Ga is deferred · the store is back · T0 reads x: refused until the replay is acknowledged
  it('what is pending is refused until its replay is acknowledged, and then is gone for everybody', async () => {
    await readX();
    await jobs();
    here.backend.broken = true;
    A = 1;
    await here.cache.invalidate('a');
    const deleting = here.backend.sent('deleteMany', '#t:a');
    here.backend.broken = false;
    expect(await expectMiss(here.cache, readX, 'invalidation pending: a')).toBe(1);
    await (await deleting).answer();
    A = 2;
    await there.cache.invalidate('a');
    expect(await readX()).toBe(2);
  });
});

describe("onInvalidationFailure: 'throw'", () => {
  it('rejects after the method has run, and the tag is refused here all the same', async () => {
    const throwing = new SteppedTiers({ data }, { onInvalidationFailure: 'throw' });
    const read = throwing.cache.wrap('x', x.run, { tags: 'a' });
    class Rows {
      @throwing.cache.Invalidates('a')
      async write(): Promise<void> {
        A = 1;
      }

      @throwing.cache.Invalidates('a')
      async fail(): Promise<void> {
        throw new Error('mine');
      }
    }
    await read();
    throwing.backend.broken = true;
    await expect(new Rows().write()).rejects.toMatchObject({ code: 'CACHE_INVALIDATION', tags: ['a'] });
    await expect(new Rows().fail()).rejects.toThrow('mine');
    await expect(throwing.cache.clear()).rejects.toMatchObject({ code: 'CACHE_INVALIDATION', tags: [] });
    expect(await read()).toBe(1);
    // Inside a transaction everything is deferred, and only its end can say whether it was delivered.
    const inside = throwing.cache.transaction(async () => {
      expect(await throwing.cache.invalidate('a')).toEqual({ status: 'deferred' });
      expect(await read.forget()).toEqual({ status: 'deferred' });
      expect(await read.forgetAll()).toEqual({ status: 'deferred' });
    });
    await expect(inside).rejects.toMatchObject({ code: 'CACHE_INVALIDATION' });
    throwing.backend.broken = false;
    await throwing.close();
  });
});
