import { faultyStore, Scheduler, scheduledStore, type StoreFault } from 'cachette/testing';
import { systemClock } from '../../src/base/clock.js';
import type { Backend } from '../../src/stores/backend.js';
import { layered } from '../../src/stores/layered.js';
import { Cache } from '../../src/decorators/cache.js';
import { backendContract } from '../contract/backend.contract.js';
import { SteppedMedium } from '../support/stepped-bus.js';
import { jobs, SteppedBackend } from '../support/stepped-backend.js';
import { type RedisTestServer, startRedis } from '../support/servers.js';
import { open } from './open.js';

jest.setTimeout(30_000);

let redis: RedisTestServer;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

const options = { clock: systemClock, deadlineMs: 5_000, report: (): void => {} };

backendContract('redis in front of redis', {
  make: () => layered([open(`${redis.uri}/1`), open(redis.uri)], options),
  adds: true,
  tickMs: 0,
  bigBytes: 900_000,
});

describe('a store in front of another', () => {
  let near: SteppedBackend;
  let far: SteppedBackend;
  let nearFault: StoreFault | undefined;
  let farFault: StoreFault | undefined;
  let problems: string[];
  let backend: Backend;

  beforeEach(() => {
    [near, far] = [new SteppedBackend({ automatic: true }), new SteppedBackend({ automatic: true })];
    [nearFault, farFault] = [undefined, undefined];
    problems = [];
    const stores = [faultyStore(near, () => nearFault), faultyStore(far, () => farFault)];
    backend = layered(stores, { clock: systemClock, deadlineMs: 50, report: (message) => problems.push(message) });
  });

  it('gives entries, and generations only from the farthest', async () => {
    near.data.set('n:1:x', 'entry');
    near.data.set('n:1:#t:a', 'never');
    far.data.set('n:1:#t:a', 'token');
    expect(await backend.getMany(['n:1:x', 'n:1:#t:a', 'n:1:y'])).toEqual(['entry', 'token', undefined]);
    expect(near.log).toEqual(['getMany n:1:x n:1:y']);
    expect(far.log).toEqual(['getMany n:1:#t:a', 'getMany n:1:y']);
  });

  it('keeps neither generations nor leases nearby', async () => {
    await backend.set('n:1:x', 'entry', 1_000);
    await backend.set('n:1:#t:a', 'token', 1_000);
    await backend.add?.('n:1:#l:x', 'lease', 1_000);
    expect([...near.data.keys()]).toEqual(['n:1:x']);
    expect([...far.data.keys()]).toEqual(['n:1:x', 'n:1:#t:a', 'n:1:#l:x']);
  });

  it('removes entries from both, and fails where one of them does', async () => {
    await backend.set('n:1:x', 'entry', 1_000);
    nearFault = { kind: 'throw' };
    await expect(backend.deleteMany(['n:1:x'])).rejects.toThrow('a fault of the test');
    nearFault = undefined;
    await backend.deleteMany(['n:1:x', 'n:1:#t:a']);
    expect([...near.data.keys(), ...far.data.keys()]).toEqual([]);
  });

  it('removes nearby, too, what the farthest deletes together with its message', async () => {
    const link = new SteppedMedium().connect();
    const afar = new SteppedBackend({ automatic: true, link });
    const both = layered([near, afar], { clock: systemClock, deadlineMs: 50, report: () => {} });
    await both.set('n:1:x', 'entry', 1_000);
    expect(await both.bus?.('channel').deleteAndPublish?.(['n:1:x', 'n:1:#t:a'], 'message')).toBe(0);
    expect([...near.data.keys(), ...afar.data.keys()]).toEqual([]);
  });

  // near misses x · far: get x, executed · forget(x) removes it from both, returns · the reply arrives: not to be kept nearby
  it('keeps nothing nearby that was removed while it was on its way', async () => {
    const text = JSON.stringify(['1', 'json', Date.now(), 60_000, 0, null, 0, 0, 0, null]) + '\n1';
    far.data.set('n:1:x', text);
    const reading = far.sent('getMany', 'n:1:x');
    const found = backend.getMany(['n:1:x']);
    const getMany = (await reading).exec();
    await backend.deleteMany(['n:1:x']);
    await getMany.answer();
    expect(await found).toEqual([text]);
    await jobs();
    expect([...near.data.keys()]).toEqual([]);
  });

  // far: get x, the reply arrives · set x nearby is on its way · forget(x): waits for it, and removes x
  it('removes what is just being kept nearby', async () => {
    far.data.set('n:1:x', JSON.stringify(['1', 'json', Date.now(), 60_000, 0, null, 0, 0, 0, null]) + '\n1');
    const writing = near.sent('set', 'n:1:x');
    await backend.getMany(['n:1:x']);
    const set = await writing;
    const deleting = backend.deleteMany(['n:1:x']);
    await jobs();
    await set.answer();
    await deleting;
    expect([...near.data.keys()]).toEqual([]);
  });

  it('goes on without a nearer one that fails or says nothing, and tells of it', async () => {
    far.data.set('n:1:x', 'entry');
    nearFault = { kind: 'throw' };
    expect(await backend.getMany(['n:1:x'])).toEqual(['entry']);
    expect(problems).toEqual(['stepped://test: a fault of the test']);
    nearFault = { kind: 'hang' };
    expect(await backend.getMany(['n:1:x'])).toEqual(['entry']);
    expect(problems).toContain('stepped://test: no answer within 50 ms');
  });

  it('fails where the farthest does', async () => {
    farFault = { kind: 'throw' };
    await expect(backend.getMany(['n:1:x'])).rejects.toThrow('a fault of the test');
    await expect(backend.set('n:1:x', 'entry', 1_000)).rejects.toThrow('a fault of the test');
  });

  // The two interleavings above, and those that nobody has thought of.
  it('keeps nothing nearby that was removed, in whichever order commands and replies come', async () => {
    let promoted = 0;
    for (let seed = 0; seed < 200; seed++) {
      const scheduler = new Scheduler({ seed, haste: 0 });
      const process = scheduler.process('P');
      const stores = [new SteppedBackend({ automatic: true }), new SteppedBackend({ automatic: true })] as const;
      const both = layered(
        stores.map((store) => scheduledStore(store, process)),
        { clock: process, deadlineMs: 50, report: () => {} },
      );
      stores[1].data.set('n:1:x', JSON.stringify(['1', 'json', process.now(), 60_000, 0, null, 0, 0, 0, null]) + '\n1');
      const forget = async (): Promise<void> => {
        for (let turns = scheduler.random.below(8); turns > 0; turns--) await scheduler.turn('not yet');
        await both.deleteMany(['n:1:x']);
      };
      await scheduler.run(Promise.all([both.getMany(['n:1:x']), forget()]));
      await scheduler.advance(100);
      expect([seed, ...stores[0].data.keys(), ...stores[1].data.keys()]).toEqual([seed]);
      if (stores[0].log.some((command) => command.startsWith('set'))) promoted++;
    }
    expect(promoted).toBeGreaterThan(20);
  });
});

describe('a cache over three tiers', () => {
  // x is stored in all three · A=1, del Ga in the farthest · T0 reads x: the nearer ones still have it
  it('promotes what it finds afar, and serves nothing from before an invalidation', async () => {
    const [near, far] = [new SteppedBackend({ automatic: true }), new SteppedBackend({ automatic: true })];
    const target = (backend: SteppedBackend) => ({ kind: 'backend' as const, name: backend.name, open: () => backend });
    const make = (): Cache =>
      new Cache([{ kind: 'memory' }, target(near), target(far)], { bus: false, maxStaleness: 0 });
    const [cache, other] = [make(), make()];
    let A = 0;
    const [read, readThere] = [cache, other].map((each) => each.wrap('x', async () => A, { tags: 'a' }));
    expect(await read?.()).toBe(0);
    await jobs();
    near.data.clear();
    A = 1;
    expect(await readThere?.()).toBe(0);
    await jobs();
    expect([...near.data.keys()]).toEqual(['cachette:1:x:']);
    await cache.invalidate('a');
    expect([...near.data.keys()]).toEqual(['cachette:1:x:']);
    expect([await read?.(), await readThere?.()]).toEqual([1, 1]);
    await Promise.all([cache.close(), other.close()]);
  });
});
