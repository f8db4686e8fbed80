import { workTogether } from '../fleet/random.js';
import {
  type MemcachedTestServer,
  type RedisTestServer,
  startMemcached,
  startRedis,
  until,
} from '../support/servers.js';
import { type Caller, startCaller } from './caller.js';

jest.setTimeout(60_000);

interface Kind {
  readonly name: string;
  start(): Promise<RedisTestServer | MemcachedTestServer>;
  /** Deletes a key over a connection of its own; whether there was one. */
  evict(server: RedisTestServer | MemcachedTestServer, key: string): Promise<boolean>;
}

const kinds: Kind[] = [
  {
    name: 'redis',
    start: () => startRedis({}),
    evict: async (server, key) => (await (server as RedisTestServer).cli('DEL', key)) === '1',
  },
  {
    name: 'memcached',
    start: () => startMemcached({ memoryMb: 128 }),
    evict: async (server, key) =>
      (server as MemcachedTestServer).command(`delete ${key}`).then((reply) => reply === 'DELETED'),
  },
];

const behindMs = 5_000;
const setup = { deadlineMs: 5_000, methodMs: 0 };

describe.each(kinds)('two processes over $name', (kind) => {
  let server: RedisTestServer | MemcachedTestServer;
  let here: Caller;
  let there: Caller;
  let late: Caller;
  let ids = 0;

  beforeAll(async () => {
    server = await kind.start();
    [here, there, late] = [startCaller(), startCaller(), startCaller()];
    await Promise.all([
      here.open(server.uri, setup),
      there.open(server.uri, setup),
      late.open(server.uri, { ...setup, behindMs }),
    ]);
  });
  afterAll(() => Promise.all([here.kill(), there.kill(), late.kill(), server.stop()]));

  /** Who computes, and who invalidates meanwhile. */
  const castings = {
    'its own process': () => ({ computing: here, invalidating: here }),
    'another process': () => ({ computing: here, invalidating: there }),
    'a process whose clock is behind': () => ({ computing: here, invalidating: late }),
    'another process, and its own has a clock that is behind': () => ({ computing: late, invalidating: here }),
  };

  const disturbances = {
    'nothing else happens': async () => {},
    'the tag was evicted': async (id: string) => expect(await kind.evict(server, `failure:1:#t:row:${id}`)).toBe(true),
    'the whole namespace was evicted': async () => expect(await kind.evict(server, 'failure:1:#')).toBe(true),
  };

  const readings = { 'everybody reads meanwhile': true, 'all others read meanwhile': false };

  const cases = Object.entries(disturbances).flatMap(([disturbance, disturb]) =>
    Object.entries(readings).map(([reading, isReadThere]) => ({
      title: `${disturbance}, and ${reading}`,
      disturb,
      isReadThere,
    })),
  );

  describe.each(cases)('an old result is served to no later reader, $title', ({ disturb, isReadThere }) => {
    it.each(Object.entries(castings))('where it is computed during an invalidation by %s', async (_, cast) => {
      const { computing, invalidating } = cast();
      const everybody = [here, there, late];
      const id = `x${++ids}`;
      await Promise.all(everybody.map((each) => each.set('old')));
      await computing.hold();
      const old = computing.inTurn(id);
      await until('The old compute runs', async () => (await computing.running()) === 1);
      await disturb(id);
      await Promise.all(everybody.map((each) => each.set('new')));
      expect(await invalidating.invalidate(`row:${id}`)).toMatchObject({ status: 'done' });

      // A newer compute in its own process would keep the old one from storing by itself.
      const readers = everybody.filter((each) => isReadThere || each !== computing);
      expect(await readBy(readers, id)).toEqual(new Set([`${id}: new`]));
      expect(await computing.running()).toBe(1);
      await computing.release();
      expect((await old)[0]?.value).toBe(`${id}: old`);
      // Also when what it tried to store has reached the server.
      for (let round = 0; round < 5; round++) expect(await readBy(everybody, id)).toEqual(new Set([`${id}: new`]));
    });
  });
});

/** The values that they get, two callers each. */
async function readBy(readers: readonly Caller[], id: string): Promise<Set<unknown>> {
  const reports = await Promise.all(readers.map((reader) => reader.atOnce(id, id)));
  return new Set(reports.flat().map(({ value }) => value));
}

const seconds = 5;
const rows = 12;

describe.each(kinds)('four processes over $name that read and write at random', (kind) => {
  it('read nothing stale, though tags are evicted and one clock is behind', async () => {
    const server = await kind.start();
    const work = { stores: server.uri, rows, callers: 6 };
    const working = workTogether([work, work, work, { ...work, behindMs }], seconds);
    const evicted = await evictUntil(working, (row) => kind.evict(server, `random:1:#t:row:${row}`));
    const ends = await working;
    await server.stop();
    const sum = (of: (end: (typeof ends)[number]) => number): number => ends.reduce((total, end) => total + of(end), 0);
    expect(ends.flatMap(({ stale }) => stale)).toEqual([]);
    // There was something to be stale, on the slowest of machines too.
    expect(sum(({ reads }) => reads)).toBeGreaterThan(15);
    expect(sum(({ hits }) => hits)).toBeGreaterThan(3);
    expect(sum(({ writes }) => writes)).toBeGreaterThan(2);
    expect(evicted).toBeGreaterThan(0);
  });
});

/** How often there was something to evict before `work` ended. */
async function evictUntil(work: Promise<unknown>, evict: (row: number) => Promise<boolean>): Promise<number> {
  let evicted = 0;
  let isOver = false;
  const end = (): void => void (isOver = true);
  work.then(end, end);
  await until('The processes have ended', async () => {
    if (await evict(Math.floor(Math.random() * rows))) evicted += 1;
    return isOver;
  });
  return evicted;
}
