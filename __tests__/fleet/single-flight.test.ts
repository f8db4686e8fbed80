/** Eight processes with 200 callers each want what nobody has: one of them computes it, and all others get that. */
import { setTimeout as sleep } from 'node:timers/promises';

import { type Caller, startCaller } from '../failure/caller.js';
import { startMemcached, startRedis, type TestServer, until } from '../support/servers.js';
import { show } from './figures.js';

jest.setTimeout(60_000);

const processes = 8;
const callers = 200;
const leaseMs = 3_000;
/** The longest pause of who waits, and a machine that is busy with something else. */
const slackMs = 2_000;
const setup = { deadlineMs: 5_000, methodMs: 300, singleFlight: 'fleet' } as const;

describe.each<[string, () => Promise<TestServer>]>([
  ['Redis', () => startRedis({})],
  ['memcached', () => startMemcached({})],
])('eight processes over %s', (name, start) => {
  let server: TestServer;
  let fleet: Caller[];

  beforeAll(async () => {
    server = await start();
    fleet = Array.from({ length: processes }, startCaller);
  });
  afterAll(() => Promise.all([...fleet.map((each) => each.kill()), server.stop()]));

  const reading = (id: string, who: readonly Caller[]) =>
    Promise.all(who.map((each) => each.atOnce(...Array.from({ length: callers }, () => id))));

  async function runs(id: string, who: readonly Caller[]): Promise<number> {
    const counts = await Promise.all(who.map((each) => each.runs(id)));
    return counts.reduce((total, count) => total + count);
  }

  describe.each([
    ['alone', (uri: string) => uri],
    ['with memory in front', (uri: string) => ['memory://', uri]],
  ])('%s', (where, stores) => {
    beforeAll(() => Promise.all(fleet.map((each) => each.open(stores(server.uri), setup))));

    it('compute once what is wanted 200 times in each', async () => {
      const id = `cold ${where}`;
      const reports = (await reading(id, fleet)).flat();
      expect(new Set(reports.map(({ value }) => value))).toEqual(new Set([`${id}: first`]));
      expect(await runs(id, fleet)).toBe(1);
      const slowestMs = Math.max(...reports.map(({ ms }) => ms));
      show(
        `single flight over ${name} ${where}: ${reports.length} calls, 1 compute, slowest ${slowestMs.toFixed(0)} ms`,
      );
    });

    it('compute anew, once, after an invalidation', async () => {
      const id = `again ${where}`;
      await reading(id, fleet);
      await Promise.all(fleet.map((each) => each.set('second')));
      await fleet[0]?.invalidate(`row:${id}`);
      const reports = (await reading(id, fleet)).flat();
      expect(new Set(reports.map(({ value }) => value))).toEqual(new Set([`${id}: second`]));
      expect(await runs(id, fleet)).toBe(2);
    });
  });

  it('wait no longer than its lease for one that dies while it computes', async () => {
    const stores = ['memory://', server.uri];
    await Promise.all(fleet.map((each) => each.open(stores, setup)));
    const id = 'orphan';
    const leader = startCaller();
    await leader.open(stores, setup);
    await leader.hold();
    const lost = expect(leader.inTurn(id)).rejects.toThrow('ended with 137');
    await until('The leader computes', async () => (await leader.running()) === 1);
    const waiting = reading(id, fleet);
    // Longer than a lease: it is prolonged while the leader lives.
    await sleep(1.2 * leaseMs);
    expect(await runs(id, fleet)).toBe(0);
    const diedAt = performance.now();
    await leader.kill();
    await lost;
    await waiting;
    const waitedMs = performance.now() - diedAt;
    show(`  a dead leader held up the others for ${waitedMs.toFixed(0)} ms`);
    expect(waitedMs).toBeLessThan(leaseMs + setup.methodMs + slackMs);
    expect(await runs(id, fleet)).toBe(1);
  });
});
