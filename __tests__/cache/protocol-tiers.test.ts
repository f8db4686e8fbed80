/** Memory in front of a shared store: what it may trust, and from when on. */

import { setTimeout as sleep } from 'node:timers/promises';

import { monotonicMs } from '../../src/policies/deadline.js';
import { leaseMs } from '../../src/policies/lease.js';
import { Cache } from '../../src/decorators/cache.js';
import { jobs, SteppedBackend } from '../support/stepped-backend.js';
import { type SteppedLink, SteppedMedium } from '../support/stepped-bus.js';
import { SteppedMethod, SteppedProcess, SteppedTiers } from '../support/stepped-process.js';

let data: Map<string, string>;
let medium: SteppedMedium;
let links: [SteppedLink, SteppedLink];
let here: SteppedTiers;
let there: SteppedTiers;
let A: number;
let x: SteppedMethod<[], number>;
let readX: () => Promise<number>;

function open(link: SteppedLink): SteppedTiers {
  return new SteppedTiers({ data, link });
}

beforeEach(() => {
  data = new Map();
  medium = new SteppedMedium();
  links = [medium.connect(), medium.connect()];
  [here, there] = [open(links[0]), open(links[1])];
  A = 0;
  x = new SteppedMethod(() => A);
  x.automatic = true;
  readX = here.cache.wrap('x', x.run, { tags: 'a' });
});

afterEach(async () => {
  await Promise.all([here.close(), there.close()]);
});

describe('a hit in memory', () => {
  it('makes no I/O once the own heartbeats come back', async () => {
    await readX();
    await here.trusting(readX);
    const before = here.backend.log.length;
    for (let i = 0; i < 10; i++) expect(await readX()).toBe(0);
    expect(here.backend.log).toHaveLength(before);
  });

  it('is a miss at once after an invalidation here', async () => {
    await readX();
    await here.trusting(readX);
    A = 1;
    expect(await here.cache.invalidate('a')).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
  });

  // P0 trusts Ga=1 · P1: A=1, del Ga and its message · P0 answers · P1 returns `done` · P0 reads x
  it('is a miss at once after an invalidation by another process', async () => {
    await readX();
    await here.trusting(readX);
    A = 1;
    expect(await there.cache.invalidate('a')).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
  });

  it('keeps its tags and ages from the shared store, and the time of writing', async () => {
    await readX();
    await jobs();
    const readThere = there.cache.wrap('x', x.run, { tags: 'a' });
    await readThere();
    await there.trusting(readThere);
    const { calls } = await there.cache.explain(readThere);
    expect(calls).toMatchObject([{ status: 'hit', tier: 'memory', tags: ['a'] }]);
    expect(x.runs).toBe(1);
  });
});

describe('the commands of a warm read', () => {
  const many = Array.from({ length: 30 }, (_, i) => `many:${i}`);

  it.each<[tags: string, options: object, inner: boolean]>([
    ['no tags', {}, false],
    ['thirty tags', { tags: many }, false],
    ['thirty tags that only the result tells', { resultTags: many }, false],
    ['tags of calls inside', { tags: 'a' }, true],
  ])('with %s: none for a hit in memory, one for a hit in the store', async (_what, options, isOuter) => {
    const inner = (process: SteppedTiers) => process.cache.wrap('inner', x.run, { tags: many });
    const read = (process: SteppedTiers) => {
      const inside = inner(process);
      return process.cache.wrap('outer', async () => (isOuter ? inside() : x.run()), options);
    };
    const readHere = read(here);
    // The first compute finds out what the late tags are, the second one stores under them.
    for (let i = 0; i < 3; i++) {
      await readHere();
      await jobs();
    }
    await here.trusting(readHere);
    const before = here.backend.sentSoFar.length;
    await readHere();
    expect(here.backend.sentSoFar.length - before).toBe(0);

    // Thirty callers at once, of which memory answers none.
    const cold = new SteppedTiers({ data }, { bus: false, maxStaleness: 0 });
    const readCold = read(cold);
    await readCold();
    const log = cold.backend.log.length;
    await Promise.all(Array.from({ length: 30 }, () => readCold()));
    expect(cold.backend.log.slice(log)).toHaveLength(1);
    await cold.close();
  });
});

describe('who invalidates', () => {
  // P0 trusts Ga=1 · P1: del Ga, the message is on its way to P0 · P1 must not return yet
  it('waits for every process that may still trust what it remembers', async () => {
    await readX();
    await here.trusting(readX);
    links[0].hold();
    A = 1;
    let status: string | undefined;
    const invalidation = there.cache.invalidate('a').then((result) => (status = result.status));
    await sleep(150);
    expect(status).toBeUndefined();
    links[0].release();
    await invalidation;
    expect(status).toBe('done');
    expect(await readX()).toBe(1);
  });

  // P1 announces its 1, P0 has heard it and says so, over a bus that tells all · P2: del Ga, announces its 1 · P0 trusts Ga=1
  it('does not take for an answer what another process was told', async () => {
    const third = open(medium.connect());
    await readX();
    await here.trusting(readX);
    await third.cache.invalidate('b');
    const answer = medium.sentSoFar.find((text) => text.includes('"heard"') && text.includes(links[0].id as string));
    links[0].hold();
    A = 1;
    let status: string | undefined;
    const invalidation = there.cache.invalidate('a').then((result) => (status = result.status));
    await jobs();
    links[1].deliver(answer as string);
    await sleep(150);
    expect(status).toBeUndefined();
    links[0].release();
    await invalidation;
    expect(await readX()).toBe(1);
    await third.close();
  });

  // P0 trusts Ga=1 · P0 is frozen, or its link is dead · P1: del Ga · P0 neither answers nor beats
  it('waits for a silent process no longer than its lease, and that one trusts nothing then', async () => {
    await readX();
    await here.trusting(readX);
    links[0].cut();
    A = 1;
    const start = monotonicMs();
    expect(await there.cache.invalidate('a')).toEqual({ status: 'done' });
    expect(monotonicMs() - start).toBeLessThan(leaseMs + 1_000);
    expect(await here.isAnsweredByMemory(readX)).toBe(false);
    expect(await readX()).toBe(1);
  });

  it('does not wait for a process that has left', async () => {
    await readX();
    await here.trusting(readX);
    // Until everybody has beaten, somebody may be unknown.
    await sleep(leaseMs + 100);
    await here.close();
    const start = monotonicMs();
    expect(await there.cache.invalidate('a')).toEqual({ status: 'done' });
    expect(monotonicMs() - start).toBeLessThan(leaseMs / 2);
  });

  it('says it again to who has not heard', async () => {
    await readX();
    await here.trusting(readX);
    links[0].hold();
    A = 1;
    const invalidation = there.cache.invalidate('a');
    await sleep(20);
    // Lost.
    links[0].release([]);
    expect(await invalidation).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
  });

  it('is heard twice, late and in another order without harm', async () => {
    await readX();
    await here.trusting(readX);
    links[0].hold();
    A = 1;
    const invalidations = [there.cache.invalidate('a'), there.cache.invalidate('b')];
    await jobs();
    const [first, second] = [...links[0].held];
    links[0].release([second, first, second, first].map(String));
    await Promise.all(invalidations);
    expect(await readX()).toBe(1);
  });
});

describe('a bus of the user', () => {
  const quiet = { subscribe: (): void => {}, close: async (): Promise<void> => {} };

  // P1: del Ga, acknowledged · the message cannot be sent · P0 beats, and trusts Ga=1
  it('that cannot send makes no invalidation `done`', async () => {
    const alone = new SteppedTiers({ data }, { bus: { ...quiet, publish: () => Promise.reject(new Error('down')) } });
    const problems: string[] = [];
    alone.cache.on('error', ({ code }) => problems.push(code));
    expect(await alone.cache.invalidate('a')).toEqual({ status: 'deferred' });
    expect(new Set(problems)).toEqual(new Set(['bus']));
    await alone.close();
  });

  it('that throws where it should reject harms nobody', async () => {
    const publish = (): never => {
      throw new Error('not connected');
    };
    const alone = new SteppedTiers({ data }, { bus: { ...quiet, publish } });
    const read = alone.cache.wrap('x', x.run, { tags: 'a' });
    await sleep(300);
    expect([await read(), await read()]).toEqual([0, 0]);
    await alone.close();
  });
});

describe('an entry that the store does not take', () => {
  // P0 and P1 write the same x, which is too large, and remove what stands there: each waits for the other to have written
  it('keeps no two processes waiting for each other', async () => {
    const [one, two] = [open(medium.connect()), open(medium.connect())];
    for (const { backend } of [one, two]) Object.assign(backend, { maxTextBytes: 10 });
    const reads = [one, two].map(({ cache }) => cache.wrap('x', x.run, { tags: 'a' }));
    const start = monotonicMs();
    await Promise.all(reads.map((read) => read()));
    await Promise.all(reads.map((read) => read()));
    expect(monotonicMs() - start).toBeLessThan(leaseMs);
    await Promise.all([one.close(), two.close()]);
  });

  it('or that does not decode is a miss, also where memory is measured', async () => {
    const measured = new Cache(
      [
        { kind: 'memory', maxSize: 1_000_000 },
        { kind: 'backend', name: 'stepped', open: () => new SteppedBackend({ data, automatic: true }) },
      ],
      { bus: false, maxStaleness: 0 },
    );
    await readX();
    await jobs();
    const key = [...data.keys()].find((each) => each.endsWith(':x:')) ?? '';
    data.set(key, `${data.get(key)?.split('\n')[0]}\n{"rubbish`);
    A = 1;
    expect(await measured.wrap('x', x.run, { tags: 'a' })()).toBe(1);
    await measured.close();
  });
});

describe('a process without memory', () => {
  it('subscribes to nothing while nobody remembers anything', async () => {
    const alone = new SteppedMedium();
    const [one, two] = [alone.connect(), alone.connect()];
    const [worker, other] = [new SteppedProcess({ data, link: one }), new SteppedProcess({ data, link: two })];
    const start = monotonicMs();
    expect(await worker.cache.invalidate('a')).toEqual({ status: 'done' });
    expect(monotonicMs() - start).toBeLessThan(leaseMs / 2);
    expect([one.id, two.id]).toEqual([undefined, undefined]);
    await Promise.all([worker.close(), other.close()]);
  });

  // P0 trusts Ga=1 · P1, without memory: A=1, del Ga, its message is held up · P1 must not return before P0 has heard
  it('waits for those that remember, also the first time, when it knows none of them', async () => {
    await readX();
    await here.trusting(readX);
    const worker = new SteppedProcess({ data, link: medium.connect() });
    for (let i = 1; i <= 3; i++) {
      links[0].hold();
      A = i;
      const invalidation = worker.cache.invalidate('a');
      setTimeout(() => links[0].release(), 100);
      expect(await invalidation).toEqual({ status: 'done' });
      expect(await readX()).toBe(i);
      await here.trusting(readX);
    }
    await worker.close();
  });
});

describe('a process that has only begun', () => {
  // P0 trusts Ga=1, beats every half second · P1 begins, knows nobody: A=1, del Ga, the message to P0 is held up
  it('waits for those that it has not heard of yet', async () => {
    await readX();
    await here.trusting(readX);
    const begun = open(medium.connect());
    links[0].hold();
    A = 1;
    const invalidation = begun.cache.invalidate('a');
    setTimeout(() => links[0].release(), 300);
    expect(await invalidation).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
    await begun.close();
  });
});

describe('what a read brings is not trusted', () => {
  // T0 reads x, executed · P1: del Ga, its message arrives here · the reply of T0 arrives: Ga=1 · T0 reads x again
  it('if the message of an invalidation has overtaken its reply', async () => {
    await readX();
    await here.trusting(readX);
    const fresh = open(medium.connect());
    const read = fresh.cache.wrap('x', x.run, { tags: 'a' });
    const warm = fresh.cache.wrap('warm', async () => 0);
    await warm();
    await fresh.trusting(warm);
    const reading = fresh.backend.sent('getMany', ':x');
    const t0 = read();
    const getMany = (await reading).exec();
    A = 1;
    await there.cache.invalidate('a');
    await getMany.answer();
    await t0;
    expect(await read()).toBe(1);
    await fresh.close();
  });

  // T2 sends del Ga · T0 reads x: Ga=1 · del Ga executed, acknowledged · T0 reads x again
  it('if it was sent while the invalidation was under way here', async () => {
    await readX();
    await here.trusting(readX);
    const deleting = here.backend.sent('deleteMany');
    A = 1;
    const invalidation = here.cache.invalidate('a');
    const del = await deleting;
    const t0 = readX();
    await t0;
    await del.answer();
    await invalidation;
    expect(await readX()).toBe(1);
  });

  // T0 reads x, executed · del Ga executed, acknowledged, T2 returns · the reply of T0 arrives · T0 reads x again
  it('if its reply comes after the invalidation here was acknowledged', async () => {
    await readX();
    const fresh = here.cache.wrap('x', x.run, { tags: 'a', maxStaleness: 0 });
    await here.trusting(readX);
    const reading = here.backend.sent('getMany', '#t:a');
    const t0 = fresh();
    const getMany = (await reading).exec();
    A = 1;
    await here.cache.invalidate('a');
    await getMany.answer();
    await t0;
    expect(await readX()).toBe(1);
  });

  // P0 trusts Ga=1 · its link breaks, nobody tells · P1: del Ga · P0 subscribes again · P0 reads x
  it('after the subscription was interrupted, until it is verified', async () => {
    await readX();
    await here.trusting(readX);
    links[0].cut();
    A = 1;
    const invalidation = there.cache.invalidate('a');
    links[0].mend();
    expect(await here.isAnsweredByMemory(readX)).toBe(false);
    expect(await readX()).toBe(1);
    await invalidation;
  });

  // P0 trusts Ga=1 · P1: del Ga, the message to P0 is lost, P1 dies · P1's heartbeats said that there was something
  it('after a message was missed', async () => {
    await readX();
    await here.trusting(readX);
    links[0].hold();
    void there.cache.invalidate('a');
    await jobs();
    links[0].release([]);
    medium.send(JSON.stringify(['1', 'beat', links[1].id, 1, 999]));
    await jobs();
    expect(await here.isAnsweredByMemory(readX)).toBe(false);
  });
});

describe('maxStaleness', () => {
  // x is trusted here · A=1, del Ga, the message is on its way · T0 reads o with maxStaleness 0: inside, x must not be the old one
  it('0 asks the store each time, also for the calls inside', async () => {
    const o = here.cache.wrap('o', () => readX(), { tags: 'b', maxStaleness: 0 });
    await readX();
    await here.trusting(readX);
    links[0].hold();
    A = 1;
    const invalidation = there.cache.invalidate('a');
    await jobs();
    // P1 has not returned, so memory may still answer; who asks for more gets more.
    expect(await readX()).toBe(0);
    expect(await o()).toBe(1);
    links[0].release();
    await invalidation;
  });

  it('0 does not join a compute whose calls inside may be answered by memory', async () => {
    const method = new SteppedMethod(() => A);
    const weak = here.cache.wrap('m', method.run, { tags: 'b' });
    const strong = here.cache.wrap('m', method.run, { tags: 'b', maxStaleness: 0 });
    const t0 = weak();
    const first = await method.begun();
    const t1 = strong();
    const second = await method.begun();
    await first.end();
    await second.end();
    await Promise.all([t0, t1]);
    expect(method.runs).toBe(2);
  });

  it('lets memory answer for so long where nothing else can be trusted', async () => {
    const alone = new SteppedTiers({ data }, { bus: false });
    const patient = alone.cache.wrap('p', x.run, { tags: 'a', maxStaleness: '1h' });
    const usual = alone.cache.wrap('q', x.run, { tags: 'a' });
    await patient();
    await usual();
    await jobs();
    expect(await alone.isAnsweredByMemory(patient)).toBe(true);
    expect(await alone.isAnsweredByMemory(usual)).toBe(false);
    await alone.close();
  });
});

describe('without a bus', () => {
  it.each([
    ['is told once what a hit costs and what would spare it', {}, [expect.stringContaining("maxStaleness: '1s'")]],
    ['is told nothing where that was decided', { maxStaleness: 0 }, []],
  ])('who makes the cache %s', async (_what, options, expected) => {
    const alone = new SteppedTiers({ data }, { bus: false, ...options });
    const warnings: string[] = [];
    alone.cache.on('warning', ({ message }) => warnings.push(message));
    await jobs();
    expect(warnings).toEqual(expected);
    await alone.close();
  });

  it('a hit reads its generations in one command, and not the value', async () => {
    const alone = new SteppedTiers({ data }, { bus: false });
    const usual = alone.cache.wrap('q', x.run, { tags: ['a', 'b'] });
    await usual();
    await jobs();
    const before = alone.backend.log.length;
    const { calls } = await alone.cache.explain(usual);
    expect(calls).toMatchObject([{ status: 'hit', tier: 'memory' }]);
    const [only, ...more] = alone.backend.log.slice(before);
    expect(more).toEqual([]);
    expect(only).toMatch(/^getMany [^ ]*#/);
    expect(only?.split(' ')).not.toContain('cachette:1:q:');
    await alone.close();
  });

  it('an invalidation elsewhere is seen by the next call', async () => {
    const alone = new SteppedTiers({ data }, { bus: false });
    const other = new SteppedProcess({ data });
    const usual = alone.cache.wrap('q', x.run, { tags: 'a' });
    expect(await usual()).toBe(0);
    A = 1;
    await other.cache.invalidate('a');
    expect(await usual()).toBe(1);
    await Promise.all([alone.close(), other.close()]);
  });
});

describe('forget', () => {
  it('reaches the memory of other processes', async () => {
    const forgetting = there.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await here.trusting(readX);
    A = 1;
    expect(await forgetting.forget()).toEqual({ status: 'done' });
    expect(await readX()).toBe(1);
  });

  // P0 writes x, on its way · P1: forget(x), del x · P0 hears of it: its own write must not bring x back
  it('takes away what another process is just writing', async () => {
    const forgetting = there.cache.wrap('x', x.run, { tags: 'a' });
    const writing = here.backend.sent('set', ':x');
    await readX();
    const set = await writing;
    const forgotten = forgetting.forget();
    await jobs();
    await set.answer();
    expect(await forgotten).toEqual({ status: 'done' });
    expect(data.has('cachette:1:x:')).toBe(false);
  });
});

describe('sliding', () => {
  it('reaches the shared store also where only memory is read, once in an eighth of the window', async () => {
    const clock = { now: () => now };
    let now = 1_000_000;
    const link = medium.connect();
    const sliding = new SteppedTiers({ data, link }, { clock });
    const read = sliding.cache.wrap('s', x.run, { ttl: '80s', sliding: true });
    await read();
    await sliding.trusting(read);
    const touches = (): number =>
      sliding.backend.log.filter((line) => line.startsWith('touch') && line.endsWith(':s:')).length;
    const before = touches();
    for (let second = 0; second < 100; second++) {
      now += 1_000;
      await read();
      await jobs();
    }
    expect(touches() - before).toBe(10);
    expect(x.runs).toBe(1);
    await sliding.close();
  });
});
