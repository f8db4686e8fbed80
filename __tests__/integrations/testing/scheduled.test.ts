import { type Backend, createCache, localBus, type StoreBus } from 'cachette';
import { faultyStore, Scheduler, scheduledBus, scheduledStore, SimulatedServer } from 'cachette/testing';
import { Keyv } from 'keyv';
import { SteppedBackend } from '../../support/stepped-backend.js';
import { SteppedMedium } from '../../support/stepped-bus.js';

const seeds = Array.from({ length: 40 }, (_, seed) => seed);

/** What is sent at once over one connection comes in these orders, by seed. */
async function ordersOf(options: { readonly ordered?: boolean }): Promise<Set<string>> {
  const orders = new Set<string>();
  for (const seed of seeds) {
    const steps: string[] = [];
    const scheduler = new Scheduler({ seed, onStep: (step) => steps.push(step) });
    const store = scheduledStore(new SteppedBackend({ automatic: true }), scheduler.process('P'), options);
    await scheduler.run(Promise.all(['a', 'b', 'c'].map((key) => store.set(key, key, 1_000))));
    orders.add(steps.filter((step) => !step.endsWith('the reply')).join(' '));
  }
  return orders;
}

describe('a store under a scheduler', () => {
  it('carries out each command in a step, and answers in another', async () => {
    const steps: string[] = [];
    const scheduler = new Scheduler({ haste: 0, onStep: (step) => steps.push(step) });
    const behind = new SteppedBackend({ automatic: true });
    const store = scheduledStore(behind, scheduler.process('P'));
    const writing = store.set('a', 'A', 1_000);
    expect(behind.log).toEqual([]);
    await scheduler.run(writing);
    expect(await scheduler.run(store.getMany(['a', 'b']))).toEqual(['A', undefined]);
    expect(await scheduler.run(store.add?.('a', 'B', 1_000) as Promise<boolean>)).toBe(false);
    expect(await scheduler.run(store.touch?.('a', 1_000) as Promise<boolean>)).toBe(true);
    await scheduler.run(store.deleteMany(['a']));
    expect(steps.filter((step) => !step.endsWith('the reply'))).toEqual([
      'P: set a',
      'P: getMany a b',
      'P: add a',
      'P: touch a',
      'P: deleteMany a',
    ]);
    expect(steps.length).toBe(10);
  });

  it('lets commands overtake each other, unless they come in order', async () => {
    expect((await ordersOf({})).size).toBe(6);
    expect([...(await ordersOf({ ordered: true }))]).toEqual(['P: set a P: set b P: set c']);
  });

  it('can what the store behind can', () => {
    const process = new Scheduler().process('P');
    const poor = scheduledStore(new SteppedBackend({ lacks: ['add', 'touch'] }), process);
    expect([poor.add, poor.touch, poor.bus, poor.serverIds, poor.session]).toEqual(Array(5).fill(undefined));
    const rich = scheduledStore(new SimulatedServer(new Scheduler()).connect(process), process);
    expect([rich.add, rich.touch, rich.bus, rich.serverIds].map((member) => typeof member)).toEqual(
      Array(4).fill('function'),
    );
    expect([rich.session, rich.name]).toEqual([1, 'simulated://P']);
  });

  it('rejects as the store behind does, in a step', async () => {
    const scheduler = new Scheduler();
    const behind = new SteppedBackend({ automatic: true });
    behind.broken = true;
    const store = scheduledStore(behind, scheduler.process('P'));
    await expect(scheduler.run(store.getMany(['a']))).rejects.toMatchObject({ failure: 'unreachable' });
  });

  it('carries out nothing of a process that is paused, and answers none that was killed', async () => {
    const scheduler = new Scheduler();
    const process = scheduler.process('P');
    const behind = new SteppedBackend({ automatic: true });
    const store = scheduledStore(behind, process);
    process.pause();
    const writing = store.set('a', 'A', 1_000);
    await scheduler.advance(100);
    expect(behind.log).toEqual([]);
    process.resume();
    await scheduler.run(writing);
    expect(behind.log).toEqual(['set a']);
    void store.set('b', 'B', 1_000);
    process.kill();
    void store.set('c', 'C', 1_000);
    await scheduler.advance(100);
    expect(behind.log).toEqual(['set a']);
  });

  it('ends the rows of a Keyv by the time of the process', async () => {
    const scheduler = new Scheduler({ haste: 0 });
    const store = scheduledStore(new Keyv(), scheduler.process('P'));
    await scheduler.run(store.set('a', 'A', 1_000));
    await scheduler.advance(999);
    expect(await scheduler.run(store.getMany(['a']))).toEqual(['A']);
    await scheduler.advance(1);
    expect(await scheduler.run(store.getMany(['a']))).toEqual([undefined]);
  });

  it('takes faults in front of it', async () => {
    const scheduler = new Scheduler({ haste: 0 });
    const process = scheduler.process('P');
    const behind = new SteppedBackend({ automatic: true });
    const plan = () => ({ kind: 'delay', ms: 50 }) as const;
    const store = faultyStore(scheduledStore(behind, process), plan, { clock: process });
    await scheduler.run(store.set('a', 'A', 1_000));
    expect(scheduler.nowMs).toBe(50);
  });

  it('leaves the store behind open', async () => {
    const behind = new SteppedBackend({ automatic: true });
    await scheduledStore(behind, new Scheduler().process('P')).close();
    expect(await behind.getMany(['a'])).toEqual([undefined]);
  });

  it('is refused where it is no store', () => {
    const process = new Scheduler().process('P');
    expect(() => scheduledStore('redis://localhost' as never, process)).toThrow(
      'scheduledStore: a store is string; give a Keyv of version 5, a store adapter for one, or a Backend; URIs are not',
    );
    expect(() => scheduledBus({} as never, process)).toThrow('scheduledBus: the bus is no bus; give a connection');
  });
});

describe('a bus under a scheduler', () => {
  const received: string[] = [];
  const subscriber = {
    message: (text: string) => received.push(text),
    interrupted: () => received.push('interrupted'),
  };
  beforeEach(() => void (received.length = 0));

  it('sends in a step, and lets a message arrive in another', async () => {
    const steps: string[] = [];
    const scheduler = new Scheduler({ haste: 0, onStep: (step) => steps.push(step) });
    const bus = localBus();
    const [here, there] = ['here', 'there'].map((name) => scheduledBus(bus.connect(), scheduler.process(name)));
    there?.subscribe('there', subscriber);
    await scheduler.run(here?.publish('hello') as Promise<unknown>);
    await scheduler.advance(1);
    expect(received).toEqual(['hello']);
    expect(steps.slice(0, 3).sort()).toEqual(['here: publish', 'here: publish, the reply', 'there: hears hello']);
  });

  it.each([
    ['lets messages overtake each other', false, 6],
    ['keeps them in order where it is told to', true, 1],
  ])('%s', async (_what, ordered, orders) => {
    const seen = new Set<string>();
    for (const seed of seeds) {
      const scheduler = new Scheduler({ seed, haste: 0 });
      const process = scheduler.process('P');
      const bus = scheduledBus(localBus().connect(), process, { ordered });
      bus.subscribe('P', subscriber);
      await scheduler.run(Promise.all(['1', '2', '3'].map((text) => bus.publish(text))));
      await scheduler.advance(1);
      seen.add(received.splice(0).join(''));
      await bus.close();
    }
    expect(seen.size).toBe(orders);
  });

  it('of a store carries deletions with their messages, and interruptions', async () => {
    const scheduler = new Scheduler({ haste: 0 });
    const link = new SteppedMedium().connect();
    const behind = new SteppedBackend({ automatic: true, link });
    const bus = scheduledStore(behind, scheduler.process('P')).bus?.('channel') as StoreBus;
    bus.subscribe('P', subscriber);
    await behind.set('a', 'A', 1_000);
    const deleting = bus.deleteAndPublish?.(['a'], 'gone') as Promise<number>;
    expect(behind.data.has('a')).toBe(true);
    expect(await scheduler.run(deleting)).toBe(1);
    await scheduler.advance(1);
    expect([behind.data.has('a'), received]).toEqual([false, ['gone']]);
  });

  it('lets nothing arrive after it was closed', async () => {
    const scheduler = new Scheduler({ haste: 0 });
    const process = scheduler.process('P');
    const bus = scheduledBus(localBus().connect(), process);
    bus.subscribe('P', subscriber);
    process.pause();
    const publishing = bus.publish('hello');
    process.resume();
    await scheduler.run(publishing);
    await bus.close();
    await scheduler.advance(1);
    expect(received.length).toBeLessThan(2);
  });
});

/** Two processes over one store; the row is written by one while the other reads. */
async function isStale(seed: number, store: Backend | Keyv): Promise<boolean> {
  const scheduler = new Scheduler({ seed });
  let price = 10;
  const [here, there] = ['here', 'there'].map((name) => {
    const process = scheduler.process(name);
    const cache = createCache(scheduledStore(store, process), { clock: process });
    const load = async (): Promise<number> => {
      const found = price;
      await scheduler.turn(`${name} loads`, { process });
      return found;
    };
    return { cache, find: cache.wrap('price', load, { tags: 'prices' }) };
  });
  const update = async (): Promise<void> => {
    price = 12;
    await here?.cache.invalidate('prices');
  };
  await scheduler.run(there?.find() as Promise<number>);
  await scheduler.run(Promise.all([update(), there?.find()]));
  const found = await scheduler.run(there?.find() as Promise<number>);
  await scheduler.run(Promise.all([here?.cache.close(), there?.cache.close()]));
  return found !== 12;
}

it('a store that forgets to delete is found out, and one that does not is not', async () => {
  let stale = 0;
  for (const seed of seeds) {
    expect(await isStale(seed, new SteppedBackend({ automatic: true }))).toBe(false);
    expect(await isStale(seed, new Keyv())).toBe(false);
    const forgetful = Object.assign(new SteppedBackend({ automatic: true }), { deleteMany: async () => {} });
    if (await isStale(seed, forgetful)) stale++;
  }
  expect(stale).toBeGreaterThan(0);
});

it('the same seed gives the same steps of caches over a Keyv', async () => {
  const run = async (): Promise<string[]> => {
    const steps: string[] = [];
    const scheduler = new Scheduler({ seed: 5, haste: 0, onStep: (step) => steps.push(step) });
    const process = scheduler.process('P');
    const cache = createCache(scheduledStore(new Keyv(), process), { clock: process });
    const read = cache.wrap('read', async (id: number) => id, { tags: (id) => `row:${id}` });
    await scheduler.run(Promise.all([read(1), cache.invalidate('row:1'), read(1), read(2)]));
    await scheduler.advance(100);
    await scheduler.run(cache.close());
    return steps;
  };
  await run();
  const steps = await run();
  expect(await run()).toEqual(steps);
  expect(steps.length).toBeGreaterThan(10);
});
