/** One compute over all processes. */

import { jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

let data: Map<string, string>;
let here: SteppedProcess;
let there: SteppedProcess;
let A: number;
let x: SteppedMethod<[], number>;
let readHere: () => Promise<number>;
let readThere: () => Promise<number>;

const options = { tags: 'a', singleFlight: 'fleet' } as const;
const isLeased = (): boolean => [...data.keys()].some((key) => key.includes(':#l:'));

beforeEach(() => {
  data = new Map();
  [here, there] = [new SteppedProcess({ data }), new SteppedProcess({ data })];
  A = 0;
  x = new SteppedMethod(() => A);
  readHere = here.cache.wrap('x', x.run, options);
  readThere = there.cache.wrap('x', x.run, options);
});

afterEach(() => Promise.all([here.close(), there.close()]));

it('runs the method in one process while all others wait for the value', async () => {
  const calls = [readHere(), readThere(), readThere(), readHere()];
  const run = await x.begun();
  await jobs();
  await run.end();
  expect(await Promise.all(calls)).toEqual([0, 0, 0, 0]);
  expect(x.runs).toBe(1);
  await here.cache.close();
  expect(isLeased()).toBe(false);
});

// P0 computes x: A=0 · A=1, del Ga, returns · T1 in P1 comes, waits for P0 · P0 ends: not stored, as Ga is another one
it('gives nobody who came after an invalidation the value from before it', async () => {
  const t0 = readHere();
  const run = await x.begun();
  A = 1;
  await there.cache.invalidate('a');
  x.automatic = true;
  const t1 = readThere();
  await jobs();
  await run.end();
  expect([await t0, await t1]).toEqual([0, 1]);
});

it('lets the others compute at once where the method fails', async () => {
  const t0 = readHere();
  t0.catch(() => undefined);
  const run = await x.begun();
  const t1 = readThere();
  await jobs();
  x.automatic = true;
  await run.fail(new Error('mine'));
  await expect(t0).rejects.toThrow('mine');
  expect(await t1).toBe(0);
});

it('lets the others compute at the same time where the result cannot be stored', async () => {
  const unstored = { ...options, storeWhen: () => false };
  const [one, two] = [here.cache.wrap('y', x.run, unstored), there.cache.wrap('y', x.run, unstored)];
  const t0 = one();
  const run = await x.begun();
  const [t1, t2] = [two(), there.cache.wrap('y', x.run, unstored)()];
  await jobs();
  x.automatic = true;
  await run.end();
  expect(await Promise.all([t0, t1, t2])).toEqual([0, 0, 0]);
});

it('computes where the store gives no answer about the lease', async () => {
  x.automatic = true;
  const leasing = here.backend.sent('add', ':#l:');
  const t0 = readHere();
  await (await leasing).fail();
  expect(await t0).toBe(0);
});

it('computes at once, and warns once, where the store cannot lease', async () => {
  const unable = new SteppedProcess({ data, lacks: ['add'] });
  const warnings: string[] = [];
  unable.cache.on('warning', ({ message }) => warnings.push(message));
  x.automatic = true;
  const read = unable.cache.wrap('z', x.run, options);
  expect(await read()).toBe(0);
  await unable.cache.invalidate('a');
  expect(await read()).toBe(0);
  expect(warnings).toEqual([expect.stringContaining("singleFlight: 'fleet' is the same as 'process' here")]);
  await unable.close();
});
