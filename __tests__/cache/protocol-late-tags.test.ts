/** Tags that the arguments do not tell: of results, and of cached calls inside. */

import { createCache } from 'cachette';
import { Gate, jobs } from '../support/stepped-backend.js';
import { type Setting, settings, SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

describe.each(settings)('late tags %s', (_name, open) => {
  let setting: Setting;
  let A: number;
  let C: number;
  let x: SteppedMethod<[], number>;
  let readX: () => Promise<number>;

  beforeEach(() => {
    setting = open();
    A = 0;
    C = 0;
    x = new SteppedMethod(() => A);
    readX = setting.cache.wrap('x', x.run, { tags: 'a' });
  });

  afterEach(() => setting.close());

  // T0 reads m: C=0 · C=1, invalidate(r) deletes nothing · T0 ends, names r for the first time · T0 reads m
  it('of a result are not captured after the compute', async () => {
    const m = new SteppedMethod(() => C);
    const readM = setting.cache.wrap('m', m.run, { tags: 'a', resultTags: 'r' });
    const t0 = readM();
    const run = await m.begun();
    C = 1;
    await setting.other.invalidate('r');
    await run.end();
    expect(await t0).toBe(0);
    m.automatic = true;
    expect(await readM()).toBe(1);
    expect(await readM()).toBe(1);
    expect(await readM()).toBe(1);
    expect(m.runs).toBe(2);
    C = 2;
    await setting.other.invalidate('r');
    expect(await readM()).toBe(2);
  });

  // m is stored under r · T0 refreshes m: C=0, names q now · C=1, invalidate(q) · T0 ends
  it('of a result that change from one compute to the next are captured before they count', async () => {
    let tag = 'r';
    const m = new SteppedMethod(() => C);
    const readM = setting.cache.wrap('m', m.run, { tags: 'a', resultTags: () => tag });
    m.automatic = true;
    await readM();
    await readM();
    m.automatic = false;
    tag = 'q';
    const t0 = setting.cache.refresh(() => readM());
    const run = await m.begun();
    C = 1;
    await setting.other.invalidate('q');
    await run.end();
    await t0;
    await setting.other.invalidate('a');
    m.automatic = true;
    await readM();
    C = 2;
    await setting.other.invalidate('q');
    expect(await readM()).toBe(2);
  });

  // T0 reads o · o calls m: C=0 · C=1, invalidate(r) · m ends, names r, is not stored · o ends, must not be either
  it('of an inner result that was not storable make the outer one unstorable', async () => {
    const m = new SteppedMethod(() => C);
    const readM = setting.cache.wrap('m', m.run, { tags: 'a', resultTags: 'r' });
    const readO = setting.cache.wrap('o', () => readM(), { tags: 'b' });
    const t0 = readO();
    const run = await m.begun();
    C = 1;
    await setting.other.invalidate('r');
    await run.end();
    expect(await t0).toBe(0);
    m.automatic = true;
    expect(await readO()).toBe(1);
    await setting.other.invalidate('r');
    C = 2;
    expect(await readO()).toBe(2);
  });

  // o calls x: A=0 · A=1, invalidate(a) · o calls y: A=1 · o ends with A=0
  it('under two generations within one compute make it unstorable', async () => {
    const y = new SteppedMethod(() => A);
    const readY = setting.cache.wrap('y', y.run, { tags: 'a' });
    const readO = setting.cache.wrap('o', async () => [await readX(), await readY()], { tags: 'b' });
    const t0 = readO();
    const first = await x.begun();
    A = 1;
    await setting.other.invalidate('a');
    await first.end();
    await (await y.begun()).end();
    expect(await t0).toEqual([0, 1]);
    x.automatic = y.automatic = true;
    expect(await readO()).toEqual([1, 1]);
  });

  // o calls x and y at once · y reads A=0 under Ga · A=1, invalidate(a) · x reads A=1 under a new Ga · both end
  it.each(['x', 'y'])('under two generations make a compute unstorable, if %s ends first', async (first) => {
    const y = new SteppedMethod(() => A);
    const readY = setting.cache.wrap('y', y.run, { tags: 'a' });
    const delay = new Gate();
    const readO = setting.cache.wrap('o', () => Promise.all([delay.promise.then(readX), readY()]), { tags: 'b' });
    const t0 = readO();
    const runY = await y.begun();
    A = 1;
    await setting.other.invalidate('a');
    delay.open();
    const runX = await x.begun();
    for (const run of first === 'x' ? [runX, runY] : [runY, runX]) await run.end();
    expect(await t0).toEqual([1, 0]);
    x.automatic = y.automatic = true;
    expect(await readO()).toEqual([1, 1]);
  });

  // o, itself tagged a, reads A=0 · A=1, invalidate(a) · o calls x under a new Ga · o ends
  it('under another generation than the one that the outer call has captured make it unstorable', async () => {
    const before = new SteppedMethod(() => A);
    const readO = setting.cache.wrap('o', async () => [await before.run(), await readX()], { tags: 'a' });
    const t0 = readO();
    const run = await before.begun();
    A = 1;
    await setting.other.invalidate('a');
    await run.end();
    await (await x.begun()).end();
    expect(await t0).toEqual([0, 1]);
    before.automatic = x.automatic = true;
    expect(await readO()).toEqual([1, 1]);
  });

  // o is stored with the inherited a, which is known as a hint then · refresh(o): x is a hit · A=1, invalidate(a)
  it('that were prefetched are tags of the entry all the same', async () => {
    x.automatic = true;
    const readO = setting.cache.wrap('o', () => readX(), { tags: 'b' });
    await readO();
    const again = setting.cache.wrap('o2', () => setting.cache.refresh(() => readO()));
    expect(await again()).toBe(0);
    A = 1;
    await setting.other.invalidate('a');
    expect(await readO()).toBe(1);
    expect(await again()).toBe(1);
  });

  // o is stored with the inherited a · o changes and calls x no more · A=1, invalidate(a)
  it('that an earlier result had are not tags of this one', async () => {
    let runs = 0;
    x.automatic = true;
    const readO = setting.cache.wrap('o', async () => (++runs === 1 ? readX() : 'alone'), { tags: 'b' });
    await readO();
    await setting.other.invalidate('b');
    expect(await readO()).toBe('alone');
    await setting.other.invalidate('a');
    expect(await readO()).toBe('alone');
    expect(runs).toBe(2);
  });

  // o calls x: no such row · o catches the error, answers 'none' · the row comes, invalidate(a) · T0 reads o
  it('of a failure that the outer method has caught make its result unstorable', async () => {
    const find = setting.cache.wrap('find', () => (A === 0 ? Promise.reject(new Error('no row')) : readX()), {
      tags: 'a',
    });
    const readO = setting.cache.wrap('o', () => find().catch(() => 'none'), { tags: 'b' });
    x.automatic = true;
    expect(await readO()).toBe('none');
    A = 1;
    await setting.other.invalidate('a');
    expect(await readO()).toBe(1);
  });

  // T1 computes find · o calls find: joins, fails, is caught · the row comes, invalidate(a) · T0 reads o
  it('of a failure that it has only shared count as well', async () => {
    const failing = new SteppedMethod(() => (A === 0 ? Promise.reject(new Error('no row')) : A));
    const find = setting.cache.wrap('find', failing.run, { tags: 'a' });
    const readO = setting.cache.wrap('o', () => find().catch(() => 'none'), { tags: 'b' });
    const t1 = find();
    const run = await failing.begun();
    const t0 = readO();
    await jobs();
    const failed = expect(t1).rejects.toThrow('no row');
    await run.end();
    await failed;
    expect([await t0, failing.runs]).toEqual(['none', 1]);
    A = 1;
    await setting.other.invalidate('a');
    failing.automatic = true;
    expect(await readO()).toBe(1);
  });

  it('are taken over from a shared compute', async () => {
    const readO = setting.cache.wrap('o', () => readX(), { tags: 'b' });
    const t1 = readX();
    const run = await x.begun();
    const t0 = readO();
    await jobs();
    await run.end();
    expect([await t1, await t0, await readO(), x.runs]).toEqual([0, 0, 0, 1]);
    A = 1;
    await setting.other.invalidate('a');
    x.automatic = true;
    expect(await readO()).toBe(1);
  });

  it('go up through several calls', async () => {
    x.automatic = true;
    const readO = setting.cache.wrap('o', () => readX());
    const readP = setting.cache.wrap('p', () => readO());
    const readQ = setting.cache.wrap('q', () => readP());
    await readO();
    expect(await readQ()).toBe(0);
    A = 1;
    await setting.other.invalidate('a');
    expect(await readQ()).toBe(1);
  });

  it('include the method of the call inside', async () => {
    x.automatic = true;
    const readO = setting.cache.wrap('o', () => readX(), { tags: 'b' });
    await readO();
    A = 1;
    await setting.other.wrap('x', x.run, { tags: 'a' }).forgetAll();
    expect(await readO()).toBe(1);
  });

  it.each<[why: string, call: (inner: () => Promise<number>) => Promise<unknown>]>([
    ['bypasses the cache', (inner) => setting.cache.bypass(inner)],
    ['is not to be cached', () => setting.cache.wrap('never', x.run, { when: () => false })()],
    ['has an argument without a key', () => setting.cache.wrap('odd', async (_f: () => void) => A)(() => {})],
    [
      'has tags that cannot be told',
      () => setting.cache.wrap('bad', x.run, { tags: () => JSON.parse('{') as string })(),
    ],
    ['found nothing', () => setting.cache.get('nothing').then(() => A)],
  ])('are not known, and the result not stored, if a call inside %s', async (_why, call) => {
    setting.cache.on('warning', () => {});
    x.automatic = true;
    const readO = setting.cache.wrap('o', () => call(readX), { tags: 'b' });
    expect(await readO()).toBe(0);
    A = 1;
    await setting.other.invalidate('a');
    expect(await readO()).toBe(1);
  });

  it('of another cache say nothing here, and the result is not stored', async () => {
    const another = createCache('memory://');
    x.automatic = true;
    const inner = another.wrap('x', x.run, { tags: 'a' });
    const readO = setting.cache.wrap('o', () => inner(), { tags: 'b' });
    expect(await readO()).toBe(0);
    A = 1;
    await another.invalidate('a');
    expect(await readO()).toBe(1);
    await another.close();
  });
});

describe('late tags over stepped commands', () => {
  let data: Map<string, string>;
  let here: SteppedProcess;
  let there: SteppedProcess;

  beforeEach(() => {
    data = new Map();
    here = new SteppedProcess({ data });
    there = new SteppedProcess({ data });
  });

  afterEach(async () => {
    await here.close();
    await there.close();
  });

  // T0 reads o · o calls x: the store fails · A=1, invalidate(a) · o ends, must not be stored without a
  it('of a call inside that the store has failed make the outer result unstorable', async () => {
    let A = 0;
    const readX = here.cache.wrap('x', async () => A, { tags: 'a' });
    const readO = here.cache.wrap('o', () => readX(), { tags: 'b' });
    const reading = here.backend.sent('getMany', ':x');
    const t0 = readO();
    await (await reading).fail();
    expect(await t0).toBe(0);
    A = 1;
    await there.cache.invalidate('a');
    expect(await readO()).toBe(1);
  });

  // nobody has made r · P1 computes m: C=0 · P0 sends add Gr, late · C=1, invalidate(r) deletes nothing, returns ·
  // add Gr executes · P1 reads Gr for another call, then m ends: Gr stands, and yet m began before this process saw it
  it.each(['only when it ends', 'for another call in between'])(
    'of a result are believed only if this process had read them before the compute, not %s',
    async (when) => {
      let C = 0;
      const n = new SteppedMethod(() => C);
      const m = new SteppedMethod(() => C);
      const readN = here.cache.wrap('n', n.run, { tags: 'b', resultTags: 'r' });
      const readM = there.cache.wrap('m', m.run, { tags: 'a', resultTags: 'r' });
      n.automatic = true;
      await readN();
      const mint = here.backend.sent('add', '#t:r');
      const t0 = readN();
      const add = await mint;
      const t1 = readM();
      const run = await m.begun();
      C = 1;
      await there.cache.invalidate('r');
      await add.answer();
      await t0;
      if (when !== 'only when it ends') {
        await there.cache.wrap('k', async () => C, { resultTags: 'r' })();
      }
      await run.end();
      expect(await t1).toBe(0);
      m.automatic = true;
      expect(await readM()).toBe(1);
    },
  );

  // m is unchanged when it ends: the store gives no answer to the second reading of Gr
  it('that cannot be read once more are taken for changed', async () => {
    let C = 0;
    const m = new SteppedMethod(() => C);
    const readM = here.cache.wrap('m', m.run, { tags: 'a', resultTags: 'r' });
    m.automatic = true;
    await readM();
    await readM();
    await there.cache.invalidate('a');
    m.automatic = false;
    const t1 = readM();
    const run = await m.begun();
    C = 1;
    await there.cache.invalidate('r');
    const t0 = readM();
    await jobs();
    const checking = here.backend.sent('getMany', '#t:r');
    m.automatic = true;
    const ended = run.end();
    await (await checking).fail();
    await ended;
    expect([await t1, await t0]).toEqual([0, 1]);
  });

  // a warm entry with late tags: the hints make its reading one command
  it('cost no second round trip once this process has seen them', async () => {
    const readX = here.cache.wrap('x', async () => 0, { tags: 'a' });
    const readO = here.cache.wrap('o', () => readX(), { tags: 'b' });
    const readThere = there.cache.wrap('o', async () => 1, { tags: 'b' });
    await readO();
    await jobs();
    expect(await readThere()).toBe(0);
    const sent = there.backend.sentSoFar.length;
    expect(await readThere()).toBe(0);
    expect(there.backend.log.slice(sent)).toHaveLength(1);
    expect(there.backend.log.slice(0, sent)).toHaveLength(2);
  });
});
