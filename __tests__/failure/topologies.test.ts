/** A part of a Redis that is several servers fails: the method answers within its deadline, and the cache recovers. */

import { type Cache, createCache } from 'cachette';
import { startRedisCluster, startRedisSentinel, type TestServer, until } from '../support/servers.js';

jest.setTimeout(60_000);

const deadlineMs = 150;
const methodMs = 20;
/** For a machine that is busy with something else. */
const slackMs = 1_000;
const recoversWithinMs = 30_000;
const ids = Array.from({ length: 30 }, (_, id) => `${id}`);

function open(uri: string) {
  const cache: Cache = createCache(uri, { deadline: deadlineMs });
  const warnings: string[] = [];
  cache.on('warning', ({ message }) => warnings.push(message));
  let runs = 0;
  class Rows {
    @cache.Cached('1h', { tags: (id) => ['rows', `row:${id}`] })
    async find(id: string): Promise<string> {
      runs++;
      await new Promise((resolve) => setTimeout(resolve, methodMs));
      if (id === 'broken') throw new Error('its own error');
      return id;
    }
  }
  const rows = new Rows();
  const hits = async (): Promise<boolean> => {
    await Promise.all(ids.map((id) => rows.find(id)));
    const before = runs;
    await Promise.all(ids.map((id) => rows.find(id)));
    return runs === before;
  };
  return { cache, rows, hits, warnings, runs: () => runs };
}

async function timed<T>(call: () => Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const startedAt = performance.now();
  return { value: await call(), ms: performance.now() - startedAt };
}

interface Topology {
  readonly uri: string;
  readonly victim: TestServer;
  /** What helps, besides waiting. */
  recover(): Promise<unknown>;
  stop(): Promise<void>;
}

async function cluster(): Promise<Topology> {
  const { uri, nodes, stop } = await startRedisCluster();
  const victim = nodes[1] as TestServer;
  return { uri, victim, recover: () => victim.restart(), stop };
}

async function sentinel(): Promise<Topology> {
  const { uri, master, stop } = await startRedisSentinel();
  return { uri, victim: master, recover: () => Promise.resolve(), stop };
}

describe.each([
  ['a cluster, one node of which is killed and restarted', cluster],
  ['sentinels, whose master is killed and replaced', sentinel],
])('%s', (_title, start) => {
  let topology: Topology;
  beforeAll(async () => void (topology = await start()));
  afterAll(() => topology.stop());

  it('answers within the deadline, and is used again by itself', async () => {
    const { cache, rows, hits, warnings, runs } = open(topology.uri);
    await until('Everything is cached', hits, recoversWithinMs);

    await topology.victim.kill();
    const calls = await Promise.all(ids.map((id) => timed(() => rows.find(id))));
    expect(calls.map(({ value }) => value)).toEqual(ids);
    for (const id of ids.slice(0, 6)) calls.push(await timed(() => rows.find(id)));
    // One deadline for the read, and one for generations that cannot be made.
    expect(Math.max(...calls.map(({ ms }) => ms))).toBeLessThan(2 * deadlineMs + methodMs + slackMs);
    const before = runs();
    await expect(rows.find('broken')).rejects.toThrow('its own error');
    expect(runs()).toBe(before + 1);

    await topology.recover();
    await until('Everything is cached again', hits, recoversWithinMs);
    await until('Invalidations are acknowledged', async () => (await cache.invalidate('rows')).status === 'done');
    const later = runs();
    await Promise.all(ids.map((id) => rows.find(id)));
    expect(runs()).toBe(later + ids.length);
    expect(warnings).toEqual([]);
    await cache.close();
  });
});
