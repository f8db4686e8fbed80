/** Redis is gone for some seconds under load, with memory in front of it in four processes. */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Caller, startCaller } from '../failure/caller.js';
import { type RedisTestServer, startRedis, until } from '../support/servers.js';
import { runSeconds, show } from './figures.js';

const outageMs = Math.min(runSeconds(4), 10) * 1_000;
jest.setTimeout(60_000 + 2 * outageMs);

const processes = 4;
const deadlineMs = 1_000;
const methodMs = 50;
const graceMs = 1_500;
/** For a machine that is busy with something else; less than a second deadline. */
const slackMs = 800;
const restMs = 500;
const recoversWithinMs = 15_000;

const ids = Array.from({ length: 20 }, (_, id) => `x${id}`);
/** Each process invalidates one of its own during the outage. */
const own = Array.from({ length: processes }, (_, process) => `own${process}`);

interface Outage {
  begin(server: RedisTestServer): Promise<void>;
  end(server: RedisTestServer): Promise<void>;
}

describe.each<[string, Outage]>([
  [
    'frozen, and thaws with its data',
    { begin: async (server) => server.freeze(), end: async (server) => server.thaw() },
  ],
  ['killed, and comes back with its data', { begin: (server) => server.kill(), end: (server) => server.restart() }],
])('while Redis is %s', (title, outage) => {
  let server: RedisTestServer;
  let fleet: Caller[];

  beforeAll(async () => {
    server = await startRedis({ keepData: true });
    fleet = Array.from({ length: processes }, startCaller);
    const setup = { deadlineMs, methodMs, outageGraceMs: graceMs };
    await Promise.all(fleet.map((each) => each.open(['memory://', server.uri], setup)));
    await warmUp();
    await server.cli('SAVE');
  });
  afterAll(() => Promise.all([...fleet.map((each) => each.kill()), server.stop()]));

  async function warmUp(): Promise<void> {
    await fleet[0]?.atOnce(...ids, ...own);
    await until('Memory has everything', async () => {
      const reports = (await Promise.all(fleet.map((each) => each.atOnce(...ids, ...own)))).flat();
      return reports.every(({ runs, ms }) => runs === 0 && ms < methodMs);
    });
  }

  it('no call waits for longer than a deadline, no method runs twice in a grace period, and nothing old comes back', async () => {
    // Memory is trusted all the time, though its generations were read long ago.
    await sleep(graceMs);
    const loading = Promise.all(fleet.map((each) => each.load(2 * restMs + outageMs, ...ids)));
    await sleep(restMs);
    await outage.begin(server);
    await sleep(outageMs / 4);
    await Promise.all(fleet.map((each) => each.set('new')));
    const results = await Promise.all(fleet.map((each, i) => each.invalidate(`row:${own[i] ?? ''}`)));
    expect(results.map(({ status }) => status)).toEqual(fleet.map(() => 'deferred'));
    const seen = await Promise.all(fleet.map((each, i) => each.inTurn(own[i] as string, own[i] as string)));
    expect(new Set(seen.flat().map(({ value }) => value))).toEqual(new Set(own.map((id) => `${id}: new`)));
    await sleep(outageMs / 2);
    const loads = await loading;

    const slowestMs = Math.max(...loads.map((load) => load.slowestMs));
    const calls = loads.reduce((total, load) => total + load.calls, 0);
    const runs = loads.flatMap(({ runsAtMs }) => Object.values(runsAtMs));
    show(
      `Redis ${title}: ${calls} calls during ${outageMs / 1_000} s, slowest ${slowestMs.toFixed(0)} ms, ` +
        `${runs.flat().length} runs, the first after ${(Math.min(...runs.flat()) - restMs).toFixed(0)} ms, for ${ids.length} keys in ${processes} processes with a grace of ${graceMs} ms`,
    );
    expect(slowestMs).toBeLessThan(methodMs + deadlineMs + slackMs);
    // From the end of the lease on, and not from when the generations were read.
    expect(Math.min(...runs.flat())).toBeGreaterThan(graceMs);
    expect(Math.min(...runs.flatMap(gaps))).toBeGreaterThan(graceMs);
    expect(runs.flat().length).toBeGreaterThan(0);

    await outage.end(server);
    await until(
      'All have delivered',
      async () => (await Promise.all(fleet.map(isDelivered))).every(Boolean),
      recoversWithinMs,
    );
    for (let round = 0; round < 5; round++) {
      const reports = (await Promise.all(fleet.map((each) => each.atOnce(...own)))).flat();
      expect(new Set(reports.map(({ value }) => value))).toEqual(new Set(own.map((id) => `${id}: new`)));
    }
  });
});

const gaps = (times: readonly number[]): number[] => times.slice(1).map((at, i) => at - (times[i] ?? 0));

/** What is pending is delivered before a read, and `done` says that all others have heard of everything before it. */
async function isDelivered(caller: Caller): Promise<boolean> {
  await caller.inTurn('probe');
  const [again] = await caller.inTurn('probe');
  return again?.runs === 0 && (await caller.invalidate('row:other')).status === 'done';
}
