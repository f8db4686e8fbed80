/**
 * Eight processes read and write at random, with memory in front of one Redis: whatever happens to them, to the server and
 * to the messages, no read is older than an invalidation that had returned `done` before it began.
 */
import { setTimeout as sleep } from 'node:timers/promises';

import { type RedisTestServer, startRedis } from '../support/servers.js';
import { type BusProxy, startBusProxy } from './bus-proxy.js';
import { percentile, runSeconds, show, sum } from './figures.js';
import { type End, type Fleet, startFleet } from './random.js';

const seconds = runSeconds(3);
jest.setTimeout(60_000 + seconds * 3_000);

const processes = 8;

let server: RedisTestServer;
let fleet: Fleet;

function startEight(uri: string): Promise<Fleet> {
  const work = { stores: ['memory://', uri], rows: 50, callers: 4, pauseMs: 40, readsPerWrite: 50, deadlineMs: 500 };
  return startFleet(Array.from({ length: processes }, () => work));
}

beforeAll(async () => {
  server = await startRedis({});
  fleet = await startEight(server.uri);
});
afterAll(async () => {
  await fleet.stop();
  await server.stop();
});

/** `share`: more than this part of the reads made no I/O. */
function judge(title: string, ends: readonly End[], share = 0.02): void {
  const invalidatedMs = ends.flatMap((end) => end.invalidatedMs);
  const reads = sum(ends, 'reads');
  show(
    `${title}: ${reads} reads, ${sum(ends, 'withoutIo')} without I/O; ${sum(ends, 'writes')} writes, ` +
      `${sum(ends, 'deferred')} deferred; invalidate() p50 ${percentile(invalidatedMs, 50)}, ` +
      `p99 ${percentile(invalidatedMs, 99)}, at most ${percentile(invalidatedMs, 100)}`,
  );
  expect(ends.flatMap(({ stale }) => stale)).toEqual([]);
  expect(sum(ends, 'withoutIo') / reads).toBeGreaterThan(share);
  expect(invalidatedMs.length).toBeGreaterThan(processes);
}

/** Again and again until the work is over, with a rest before each. */
async function repeat(signal: AbortSignal, restMs: number, disturb: () => Promise<unknown>): Promise<void> {
  for (;;) {
    await sleep(restMs, undefined, { signal }).catch(() => undefined);
    if (signal.aborted) return;
    await disturb();
  }
}

const anyOf = <T>(items: readonly T[]): T => items[Math.floor(Math.random() * items.length)] as T;

it('while nothing else happens, and many reads make no I/O', async () => {
  const ends = await fleet.work(seconds);
  judge('undisturbed', ends);
  expect(sum(ends, 'deferred')).toBe(0);
  expect(sum(ends, 'withoutIo') / sum(ends, 'reads')).toBeGreaterThan(0.3);
});

it('while processes are frozen, for less than a lease and for more, and thawed', async () => {
  const lengths = [300, 1_500, 700, 2_500];
  let count = 0;
  const ends = await fleet.work(seconds, (workers, signal) =>
    repeat(signal, 300, async () => {
      const worker = anyOf(workers);
      worker.freeze();
      await sleep(lengths[count++ % lengths.length]);
      worker.thaw();
    }),
  );
  judge('processes frozen', ends);
  expect(count).toBeGreaterThan(1);
});

it('while processes are so busy that they hear of nothing, and then read what they remember', async () => {
  const ends = await fleet.work(seconds, (workers, signal) =>
    repeat(signal, 700, async () => void anyOf(workers).block(1_500)),
  );
  judge('processes blocked', ends);
});

it.each<[string, () => Promise<unknown>]>([
  ['killed, and restarted empty', () => server.restart()],
  [
    'killed, and restarted empty after a second',
    async () => {
      await server.kill();
      await sleep(1_000);
      await server.restart();
    },
  ],
  [
    'frozen and thawed',
    async () => {
      server.freeze();
      await sleep(1_200);
      server.thaw();
    },
  ],
  ['emptied', () => server.cli('FLUSHALL')],
])('while the server is %s', async (title, disturb) => {
  const ends = await fleet.work(seconds, (_, signal) => repeat(signal, 1_500, disturb));
  // While it is gone, and for a moment after, nothing is trusted.
  judge(`server ${title}`, ends, 0);
});

describe('with a proxy in between', () => {
  let proxy: BusProxy;
  let behindProxy: Fleet;
  beforeAll(async () => {
    proxy = await startBusProxy(server.port);
    behindProxy = await startEight(`redis://127.0.0.1:${proxy.port}`);
  });
  afterAll(async () => {
    await behindProxy.stop();
    await proxy.stop();
  });

  it('while one after the other gets no messages for longer than a lease', async () => {
    const ends = await behindProxy.work(seconds, (_, signal) => repeat(signal, 500, async () => proxy.hold(2_000)));
    judge('messages held up', ends);
    expect(proxy.did.held).toBeGreaterThan(10);
  });

  it('while messages are dropped, doubled, delayed and put in another order', async () => {
    proxy.disturb({ drop: 0.1, double: 0.1, delay: 0.2, delayMs: 400, swap: 0.1 });
    const ends = await behindProxy.work(seconds);
    judge('messages disturbed', ends);
    const { dropped, doubled, delayed, swapped } = proxy.did;
    show(`  ${JSON.stringify(proxy.did)}`);
    expect(Math.min(dropped, doubled, delayed, swapped)).toBeGreaterThan(10);
  });
});
