/** A process with memory, Redis and a bus ends: it loses nothing, holds up nobody, and is not kept alive. */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Caller, startCaller } from '../failure/caller.js';
import { type RedisTestServer, startRedis, until } from '../support/servers.js';

jest.setTimeout(60_000);

const setup = { deadlineMs: 1_000, methodMs: 0 };
/** For a machine that is busy with something else. */
const slackMs = 1_000;

let server: RedisTestServer;
let here: Caller;
let there: Caller;

beforeEach(async () => {
  server = await startRedis({});
  [here, there] = [startCaller(), startCaller()];
  await Promise.all([here, there].map((each) => each.open(['memory://', server.uri], setup)));
});
afterEach(() => Promise.all([here.kill(), there.kill(), server.stop()]));

async function bothRemember(id: string): Promise<void> {
  await until('Both have it in memory', async () => {
    const reports = await Promise.all([here.inTurn(id), there.inTurn(id)]);
    return reports.flat().every(({ runs }) => runs === 0);
  });
}

it.each<[string, () => Promise<void>]>([
  ['as ever', () => Promise.resolve()],
  ['frozen', async () => server.freeze()],
  ['gone', () => server.kill()],
])('nothing keeps a closed process alive while Redis is %s', async (_title, disturb) => {
  await bothRemember('x');
  await disturb();
  const { ms } = await here.close();
  expect(ms).toBeLessThan(setup.deadlineMs + slackMs);
  expect(await here.resources()).toEqual([]);
  const ending = await here.end();
  expect(ending).toMatchObject({ code: 0, output: '' });
  expect(ending.ms).toBeLessThan(slackMs);
});

it('SIGTERM delivers what is pending', async () => {
  await bothRemember('x');
  server.freeze();
  await Promise.all([here.set('new'), there.set('new')]);
  expect(await here.invalidate('row:x')).toMatchObject({ status: 'deferred' });
  const ending = here.terminate();
  await sleep(setup.deadlineMs / 4);
  server.thaw();
  expect(await ending).toMatchObject({ code: 0, output: '' });
  expect(await there.inTurn('x')).toMatchObject([{ value: 'x: new' }]);
});

it('SIGTERM ends a write in the background', async () => {
  await bothRemember('other');
  await here.hold();
  const answer = here.inTurn('x');
  await until('It runs', async () => (await here.running()) === 1);
  server.freeze();
  await here.release();
  await answer;
  const ending = here.terminate();
  await sleep(setup.deadlineMs / 4);
  server.thaw();
  expect(await ending).toMatchObject({ code: 0, output: '' });
  expect(await there.inTurn('x')).toMatchObject([{ value: 'x: first', runs: 0 }]);
});

it('SIGTERM ends within the deadline though nothing can be delivered', async () => {
  await bothRemember('x');
  server.freeze();
  expect(await here.invalidate('row:x')).toMatchObject({ status: 'deferred' });
  const { code, ms } = await here.terminate();
  expect(code).toBe(0);
  expect(ms).toBeLessThan(setup.deadlineMs + slackMs);
});

it('nobody waits for a process that has closed', async () => {
  const waitedMs: number[] = [];
  // The quickest of some, as a busy machine may be slow by itself.
  for (let round = 0; round < 3; round++) {
    await bothRemember('x');
    await here.close();
    const { status, ms } = await there.invalidate('row:x');
    expect(status).toBe('done');
    waitedMs.push(ms);
    await here.open(['memory://', server.uri], setup);
  }
  // Shorter than the rest of a lease, after which nobody would wait for it in any case.
  expect(Math.min(...waitedMs)).toBeLessThan(400);
});
