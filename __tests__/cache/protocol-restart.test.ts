/** A store that goes back in time: restarts from an old snapshot and failovers that lose the last writes. */

import { jobs, SteppedServer } from '../support/stepped-backend.js';
import { SteppedMedium } from '../support/stepped-bus.js';
import { SteppedMethod, SteppedProcess, SteppedTiers } from '../support/stepped-process.js';

let server: SteppedServer;
let medium: SteppedMedium;
let A: number;
let x: SteppedMethod<[], number>;
let opened: { close(): Promise<void> }[];

beforeEach(() => {
  server = new SteppedServer();
  medium = new SteppedMedium();
  A = 0;
  x = new SteppedMethod(() => A);
  x.automatic = true;
  opened = [];
});

afterEach(() => Promise.all(opened.map((process) => process.close())));

const kinds: [name: string, open: () => SteppedProcess | SteppedTiers][] = [
  ['a shared store', () => new SteppedProcess({ server })],
  ['memory in front of it', () => new SteppedTiers({ server, link: medium.connect() })],
];

describe.each(kinds)('on %s', (_name, make) => {
  function open(): SteppedProcess | SteppedTiers {
    const process = make();
    opened.push(process);
    return process;
  }

  // x is stored under Ga=1 · SNAPSHOT · A=1, del Ga, returns · RESTART from the snapshot · T0 reads x: entry and Ga=1 stand again
  it('nothing from before an invalidation comes back by a restart from a snapshot', async () => {
    const here = open();
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await jobs();
    const snapshot = server.snapshot();
    A = 1;
    await here.cache.invalidate('a');
    server.restart(snapshot);
    expect(await readX()).toBe(1);
  });

  // The same · another process reads before the one that has invalidated, which is gone
  it('nor for a process that knows nothing of it', async () => {
    const [here, there] = [open(), open()];
    await here.cache.wrap('x', x.run, { tags: 'a' })();
    await jobs();
    const snapshot = server.snapshot();
    A = 1;
    await here.cache.invalidate('a');
    await here.close();
    server.restart(snapshot);
    expect(await there.cache.wrap('x', x.run, { tags: 'a' })()).toBe(1);
    const late = open();
    expect(await late.cache.wrap('x', x.run, { tags: 'a' })()).toBe(1);
  });

  // The same · RID is evicted · T1 reads: a missing one is not adopted
  it('nor where the run id was evicted', async () => {
    const here = open();
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await jobs();
    const snapshot = new Map(server.snapshot());
    snapshot.delete('cachette:1:#servers');
    A = 1;
    await here.cache.invalidate('a');
    server.restart(snapshot);
    expect(await readX()).toBe(1);
  });

  // T0 finds another run id · T0 deletes GNS, dies before it has written the new id · T1 reads
  it('nor where who found out died before it had written the new run id', async () => {
    const [here, there] = [open(), open()];
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await there.cache.wrap('y', x.run)();
    await jobs();
    const snapshot = server.snapshot();
    A = 1;
    await here.cache.invalidate('a');
    server.restart(snapshot);
    const writing = here.backend.sent('set', '#servers');
    const t0 = readX();
    const set = await writing;
    expect(server.data.has('cachette:1:#')).toBe(false);
    expect(await there.cache.wrap('x', x.run, { tags: 'a' })()).toBe(1);
    await set.fail();
    expect(await t0).toBe(1);
  });

  it('what was stored lives on where it is only the connection that is new', async () => {
    const here = open();
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    await readX();
    await jobs();
    here.backend.session = 2;
    expect(await readX()).toBe(0);
    expect(x.runs).toBe(1);
  });

  // T1 computes x under Ga=1 · RESTART · A=1, del Ga, returns · RESTART from what was before it · T1 ends: not stored
  it('a compute that spans a reconnect stores nothing, and nobody who came later shares it', async () => {
    const here = open();
    x.automatic = false;
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    const t1 = readX();
    const run = await x.begun();
    const snapshot = server.snapshot();
    A = 1;
    await here.cache.invalidate('a');
    server.restart(snapshot);
    x.automatic = true;
    const t0 = readX();
    await jobs();
    await run.end();
    expect([await t1, await t0, await readX()]).toEqual([0, 1, 1]);
  });

  // T1 computes o, which reads x under Ga=1 · A=1, del Ga, returns · T0 joins o, as Gb is unchanged · FAILOVER loses del Ga ·
  // T1 reads Ga once more: unchanged, and yet T0 must not get it
  it('a late tag that a failover brings back admits no joiner', async () => {
    const here = open();
    const readX = here.cache.wrap('x', x.run, { tags: 'a' });
    const o = new SteppedMethod(() => readX());
    const readO = here.cache.wrap('o', o.run, { tags: 'b' });
    const t1 = readO();
    const run = await o.begun();
    await jobs();
    const snapshot = server.snapshot();
    const other = open();
    A = 1;
    await other.cache.invalidate('a');
    const t0 = readO();
    await jobs();
    server.restart(snapshot);
    o.automatic = true;
    await run.end();
    expect([await t1, await t0, await readO()]).toEqual([0, 1, 1]);
  });

  // T0 reads x, executed · RESTART · the reply arrives
  it('a read whose reply comes after a reconnect is no hit', async () => {
    const here = open();
    const readX = here.cache.wrap('x', x.run, { tags: 'a', maxStaleness: 0 });
    await readX();
    await jobs();
    const reading = here.backend.sent('getMany', '#t:a');
    const t0 = readX();
    const getMany = (await reading).exec();
    const snapshot = server.snapshot();
    A = 1;
    server.restart(snapshot);
    await getMany.answer();
    expect(await t0).toBe(1);
  });
});
