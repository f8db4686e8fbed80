/** Eight processes read and write at random over several servers, one of which dies meanwhile. */
import { setTimeout as sleep } from 'node:timers/promises';

import { type RedisTestServer, startMemcached, startRedisCluster, type TestServer, until } from '../support/servers.js';
import { percentile, runSeconds, show, sum } from './figures.js';
import { type End, type Fleet, startFleet } from './random.js';

/** A cluster needs some to notice that a master is gone, and to put its replica in its place. */
const seconds = runSeconds(7);
jest.setTimeout(90_000 + seconds * 2_000);

const processes = 8;
const recoveredWithinMs = 30_000;

interface Topology {
  readonly uri: string;
  /** One server dies, and what it had is served again in the end. */
  disturb(): Promise<unknown>;
  stop(): Promise<unknown>;
}

/** The master of the channel dies, or one that comes some places after it. */
async function cluster(placesAfterTheBus: number): Promise<Topology> {
  const { uri, nodes, addReplica, stop } = await startRedisCluster();
  const slot = Number(await nodes[0]?.cli('CLUSTER', 'KEYSLOT', '{random:1:#bus}'));
  const place = Math.floor((slot * nodes.length) / 16_384) + placesAfterTheBus;
  const victim = nodes[place % nodes.length] as RedisTestServer;
  const replica = await addReplica(victim);
  const disturb = async (): Promise<void> => {
    await victim.kill();
    await until('The replica has taken over', async () => (await replica.cli('ROLE')).startsWith('master'));
  };
  return { uri, disturb, stop };
}

async function memcached(): Promise<Topology> {
  const servers: TestServer[] = await Promise.all([startMemcached({}), startMemcached({}), startMemcached({})]);
  const uri = `memcached://${servers.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  const disturb = async (): Promise<void> => {
    await servers[1]?.kill();
    await sleep((seconds * 1_000) / 3);
    await servers[1]?.restart();
  };
  return { uri, disturb, stop: () => Promise.all(servers.map((server) => server.stop())) };
}

function judge(title: string, ends: readonly End[]): void {
  const invalidatedMs = ends.flatMap((end) => end.invalidatedMs);
  show(
    `${title}: ${sum(ends, 'reads')} reads, ${sum(ends, 'hits')} hits, ${sum(ends, 'withoutIo')} without I/O; ` +
      `${sum(ends, 'writes')} writes, ${sum(ends, 'deferred')} deferred; invalidate() p50 ` +
      `${percentile(invalidatedMs, 50)}, p99 ${percentile(invalidatedMs, 99)}`,
  );
  expect(ends.flatMap(({ stale }) => stale)).toEqual([]);
}

/** A client needs some to find the new master; nothing may be stale until then either. */
async function recovered(fleet: Fleet): Promise<void> {
  const end = performance.now() + recoveredWithinMs;
  for (;;) {
    const later = await fleet.work(2);
    judge('  and afterwards', later);
    if (sum(later, 'hits') > sum(later, 'reads') / 4) return;
    if (performance.now() > end) throw new Error(`There were hardly any hits ${recoveredWithinMs} ms later`);
  }
}

describe.each<[string, () => Promise<Topology>]>([
  ['a cluster, a master of which is killed and replaced', () => cluster(1)],
  ['a cluster, whose master with the bus is killed and replaced', () => cluster(0)],
  ['three memcached, one of which is killed and restarted', memcached],
])('over %s', (title, start) => {
  it('nothing is stale', async () => {
    const topology = await start();
    const work = { stores: ['memory://', topology.uri], rows: 50, callers: 4, pauseMs: 60, readsPerWrite: 50 };
    const fleet = await startFleet(Array.from({ length: processes }, () => ({ ...work, deadlineMs: 500 })));
    try {
      const ends = await fleet.work(seconds, async () => {
        await sleep((seconds * 1_000) / 5);
        await topology.disturb();
      });
      judge(title, ends);
      expect(ends.flatMap(({ invalidatedMs }) => invalidatedMs).length).toBeGreaterThan(0);
      await recovered(fleet);
    } finally {
      await fleet.stop();
      await topology.stop();
    }
  });
});
