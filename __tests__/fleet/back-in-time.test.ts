/**
 * Redis forgets an invalidation: it is restarted from a snapshot that was taken before, or a replica takes over that was
 * cut off before. Nobody gets a value from before the invalidation afterwards.
 */
import { type Caller, startCaller } from '../failure/caller.js';
import { type RedisTestServer, startRedis, startRedisSentinel, until } from '../support/servers.js';

jest.setTimeout(90_000);

/** No value of before is served because the server says nothing. */
const setup = { deadlineMs: 1_000, methodMs: 0, outageGraceMs: 1 };
const ids = ['read again', 'not read again'];
const recoversWithinMs = 30_000;

interface Forgetting {
  readonly uri: string;
  /** What is written from now on will be forgotten. */
  remember(): Promise<unknown>;
  forget(): Promise<unknown>;
  stop(): Promise<void>;
}

async function snapshot(): Promise<Forgetting> {
  const server = await startRedis({ keepData: true });
  const forget = async (): Promise<void> => {
    await server.kill();
    await server.restart();
  };
  return { uri: server.uri, remember: () => server.cli('SAVE'), forget, stop: () => server.stop() };
}

/** The replica does not know the password that it is to give to its master, and lives on with what it has. */
async function cutOff(replica: RedisTestServer): Promise<void> {
  await replica.cli('CONFIG', 'SET', 'masteruser', 'nobody', 'masterauth', 'wrong');
  await replica.cli('CLIENT', 'KILL', 'TYPE', 'master');
  await until('It is cut off', async () =>
    (await replica.cli('INFO', 'replication')).includes('master_link_status:down'),
  );
}

async function failover(): Promise<Forgetting> {
  const { uri, master, replica, stop } = await startRedisSentinel();
  const forget = async (): Promise<void> => {
    await master.kill();
    await until(
      'The replica takes over',
      async () => (await replica.cli('ROLE')).startsWith('master'),
      recoversWithinMs,
    );
  };
  return { uri, remember: () => cutOff(replica), forget, stop };
}

describe.each([
  ['restarted from a snapshot of before an invalidation', snapshot],
  ['replaced by a replica that was cut off before an invalidation', failover],
])('a Redis that is %s', (_title, start) => {
  let redis: Forgetting;
  let callers: Caller[];

  beforeEach(async () => {
    redis = await start();
    callers = Array.from({ length: 4 }, startCaller);
  });
  afterEach(() => Promise.all([...callers.map((each) => each.kill()), redis.stop()]));

  it.each([
    ['alone', (uri: string) => uri],
    ['with memory in front', (uri: string) => ['memory://', uri]],
  ])('gives nobody a value from before it, %s', async (_where, stores) => {
    const [late, ...early] = callers as [Caller, ...Caller[]];
    await Promise.all(early.map((each) => each.open(stores(redis.uri), setup)));
    await until('All have the old values from the store', async () => {
      const reports = (await Promise.all(early.map((each) => each.atOnce(...ids)))).flat();
      return reports.every(({ runs }) => runs === 0);
    });

    await redis.remember();
    await Promise.all(early.map((each) => each.set('new')));
    expect(await early[0]?.invalidate(...ids.map((id) => `row:${id}`))).toMatchObject({ status: 'done' });
    expect(await valuesOf(early, 'read again')).toEqual(new Set(['read again: new']));
    await redis.forget();

    // One that knows nothing of before, and those that do; from the first moment on, and when the store is used again.
    await late.open(stores(redis.uri), setup);
    await late.set('new');
    const seen = new Set<unknown>();
    await until(
      'The store is used again',
      async () => {
        const reports = (await Promise.all(callers.map((each) => each.atOnce(...ids)))).flat();
        for (const { value } of reports) seen.add(value);
        return reports.every(({ runs }) => runs === 0);
      },
      recoversWithinMs,
    );
    for (const value of await valuesOf(callers, ...ids)) seen.add(value);
    expect(seen).toEqual(new Set(ids.map((id) => `${id}: new`)));
  });
});

async function valuesOf(callers: readonly Caller[], ...wanted: string[]): Promise<Set<unknown>> {
  const reports = await Promise.all(callers.map((each) => each.atOnce(...wanted)));
  return new Set(reports.flat().map(({ value }) => value));
}
