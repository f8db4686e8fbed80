import { createCache } from '../../../src/decorators/cache.js';
import { Random } from '../../../src/integrations/testing/random.js';
import { Scheduler, type SimulatedProcess } from '../../../src/integrations/testing/scheduler.js';
import { SimulatedBus } from '../../../src/integrations/testing/simulated-bus.js';
import { SimulatedServer } from '../../../src/integrations/testing/simulated-server.js';

/** What three callers do that each take three turns. */
async function orderOf(seed: number): Promise<string> {
  const scheduler = new Scheduler({ seed });
  const order: string[] = [];
  const call = async (name: string): Promise<void> => {
    for (let turn = 0; turn < 3; turn++) {
      await scheduler.turn(name);
      order.push(name);
    }
  };
  await scheduler.run(Promise.all(['a', 'b', 'c'].map(call)));
  return order.join('');
}

describe('the random numbers', () => {
  it('are the same for the same seed, and spread over what they are picked from', () => {
    const numbers = (seed: number) => Array.from({ length: 1_000 }, new Random(seed).next);
    expect(numbers(7)).toEqual(numbers(7));
    expect(numbers(7)).not.toEqual(numbers(8));
    expect(numbers(7).every((number) => number >= 0 && number < 1)).toBe(true);
    const random = new Random(1);
    const picked = Array.from({ length: 3_000 }, () => random.pick(['a', 'b', 'c']));
    for (const each of ['a', 'b', 'c']) expect(picked.filter((other) => other === each).length).toBeGreaterThan(850);
    expect(random.pick([] as string[])).toBeUndefined();
    expect([random.chance(0), random.chance(1)]).toEqual([false, true]);
  });
});

describe('a scheduler', () => {
  it('takes the same steps for the same seed, and others for others', async () => {
    expect(await orderOf(3)).toBe(await orderOf(3));
    const orders = new Set(await Promise.all(Array.from({ length: 20 }, (_, seed) => orderOf(seed))));
    expect(orders.size).toBeGreaterThan(15);
  });

  it('takes the steps of a line in their order', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const scheduler = new Scheduler({ seed });
      const order: number[] = [];
      for (const step of [1, 2, 3, 4]) scheduler.step(`${step}`, () => void order.push(step), { line: 'one' });
      const last = new Promise<void>((resolve) => scheduler.step('last', resolve, { line: 'one' }));
      await scheduler.run(last);
      expect(order).toEqual([1, 2, 3, 4]);
    }
  });

  it('lets all promise jobs run between two steps', async () => {
    const scheduler = new Scheduler({ seed: 1 });
    const seen: string[] = [];
    const call = async (name: string): Promise<void> => {
      await scheduler.turn(name);
      seen.push(`${name} begins`);
      for (let job = 0; job < 30; job++) await Promise.resolve();
      seen.push(`${name} ends`);
    };
    await scheduler.run(Promise.all([call('a'), call('b')]));
    expect(seen[1]).toBe(`${seen[0]?.slice(0, 1)} ends`);
  });

  it('moves time to the next timer when there is nothing else to do', async () => {
    const scheduler = new Scheduler({ haste: 0 });
    const process = scheduler.process('P', { behindMs: 5 });
    const before = process.now();
    const seen: unknown[] = [];
    process.after(500, () => seen.push(['late', process.monotonic(), process.now() - before]));
    const cancel = process.after(100, () => seen.push('cancelled'));
    scheduler.after(200, () => seen.push('soon'));
    cancel();
    await scheduler.advance(1_000);
    expect(seen).toEqual(['soon', ['late', 500, 500]]);
    expect(scheduler.nowMs).toBe(1_000);
  });

  it('does nothing of a process that is paused, and never again anything of one that was killed', async () => {
    const scheduler = new Scheduler();
    const [paused, killed] = [scheduler.process('paused'), scheduler.process('killed')];
    const seen: string[] = [];
    for (const process of [paused, killed]) {
      scheduler.step('step', () => void seen.push(`${process.name} step`), { process });
      process.after(10, () => seen.push(`${process.name} timer`));
    }
    paused.pause();
    killed.kill();
    await scheduler.advance(100);
    expect(seen).toEqual([]);
    paused.resume();
    killed.resume();
    scheduler.step('step', () => void seen.push('killed, later'), { process: killed });
    killed.after(1, () => seen.push('killed, timer'));
    await scheduler.advance(100);
    expect(seen.sort()).toEqual(['paused step', 'paused timer']);
  });

  it('makes Math.random its own while it runs, and gives it back', async () => {
    const own = Math.random;
    const numbers = async (): Promise<number[]> => {
      const scheduler = new Scheduler({ seed: 5 });
      const seen: number[] = [];
      const look = async (): Promise<void> => {
        await scheduler.turn('look');
        seen.push(Math.random());
      };
      await scheduler.run(look());
      return seen;
    };
    expect(await numbers()).toEqual(await numbers());
    expect(Math.random).toBe(own);
    await expect(new Scheduler().run(Promise.reject(new Error('mine')))).rejects.toThrow('mine');
    expect(Math.random).toBe(own);
  });

  it('says that work cannot end, or does not', async () => {
    const scheduler = new Scheduler();
    await expect(scheduler.run(new Promise(() => {}))).rejects.toThrow('nothing is left that could happen');
    const forEver = async (): Promise<never> => {
      for (;;) await scheduler.turn('again');
    };
    await expect(scheduler.run(forEver(), { stepsAtMost: 50 })).rejects.toThrow('not settled after 50 steps');
  });
});

describe('a simulated server', () => {
  let scheduler: Scheduler;
  let process: SimulatedProcess;

  beforeEach(() => {
    scheduler = new Scheduler({ seed: 2, haste: 0 });
    process = scheduler.process('P');
  });

  it('ends texts by its own clock, adds and touches', async () => {
    const backend = new SimulatedServer(scheduler).connect(process);
    const text = async (): Promise<string | undefined> => (await scheduler.run(backend.getMany(['a'])))[0];
    await scheduler.run(backend.set('a', 'one', 100));
    expect(await scheduler.run(backend.add?.('a', 'two', 100) as Promise<boolean>)).toBe(false);
    await scheduler.advance(99);
    expect(await text()).toBe('one');
    expect(await scheduler.run(backend.touch?.('a', 100) as Promise<boolean>)).toBe(true);
    await scheduler.advance(99);
    expect(await text()).toBe('one');
    await scheduler.advance(1);
    expect(await text()).toBeUndefined();
    expect(await scheduler.run(backend.add?.('a', 'two', 100) as Promise<boolean>)).toBe(true);
    expect(await scheduler.run(backend.touch?.('b', 100) as Promise<boolean>)).toBe(false);
  });

  it('can do as little as it is told to', () => {
    const server = new SimulatedServer(scheduler, { lacks: ['add', 'touch', 'bus', 'runId'] });
    const { add, touch, bus, serverIds } = server.connect(process);
    expect([add, touch, bus, serverIds]).toEqual([undefined, undefined, undefined, undefined]);
  });

  it('answers for keys one by one where it lacks atomicity', async () => {
    const mixed = async (lacks: readonly 'atomicity'[]): Promise<boolean> => {
      for (let seed = 0; seed < 40; seed++) {
        const own = new Scheduler({ seed });
        const server = new SimulatedServer(own, { lacks });
        const [reader, writer] = ['R', 'W'].map((name) => server.connect(own.process(name)));
        const write = async (): Promise<void> => {
          await writer?.set('a', 'new', Infinity);
          await writer?.set('b', 'new', Infinity);
        };
        const [found] = await own.run(Promise.all([reader?.getMany(['a', 'b']), write()]));
        // `b` is written last: whoever sees it and not `a` has not read both at one moment.
        if (found?.[0] === undefined && found?.[1] === 'new') return true;
      }
      return false;
    };
    expect([await mixed([]), await mixed(['atomicity'])]).toEqual([false, true]);
  });

  it('comes back under another name with what it had before, and loses what was under way', async () => {
    const server = new SimulatedServer(scheduler);
    const backend = server.connect(process);
    await scheduler.run(backend.set('a', 'old', Infinity));
    const snapshot = server.snapshot();
    await scheduler.run(backend.set('a', 'new', Infinity));
    const ids = await scheduler.run(backend.serverIds?.() as Promise<readonly string[]>);
    const underWay = backend.getMany(['a']);
    server.restart(snapshot);
    await expect(scheduler.run(underWay)).rejects.toMatchObject({ failure: 'unreachable' });
    expect(await scheduler.run(backend.getMany(['a']))).toEqual(['old']);
    expect(await scheduler.run(backend.serverIds?.() as Promise<readonly string[]>)).not.toEqual(ids);
    expect(backend.session).toBe(2);
    server.restart();
    expect(server.keys).toEqual([]);
  });

  it('evicts what it is told to', async () => {
    const server = new SimulatedServer(scheduler);
    const backend = server.connect(process);
    await scheduler.run(Promise.all([backend.set('a', 'A', Infinity), backend.set('b', 'B', Infinity)]));
    server.evict(['a']);
    expect(server.keys).toEqual(['b']);
  });

  it('delivers in order what is published, until the subscription is interrupted', async () => {
    const server = new SimulatedServer(scheduler);
    const bus = server.connect(process).bus?.('channel');
    const heard: string[] = [];
    bus?.subscribe('id', { message: (text) => heard.push(text), interrupted: () => heard.push('interrupted') });
    for (const text of ['1', '2', '3']) await scheduler.run(bus?.publish(text) as Promise<unknown>);
    await scheduler.advance(1);
    expect(heard).toEqual(['1', '2', '3']);
    await scheduler.run(bus?.deleteAndPublish?.(['a'], '4') as Promise<number>);
    server.interrupt(process);
    await scheduler.advance(1);
    await bus?.close();
    expect(heard.slice(3)).toEqual(heard.includes('4') ? ['4', 'interrupted'] : ['interrupted']);
  });
});

it('a simulated bus lets messages overtake each other', async () => {
  const orders = new Set<string>();
  for (let seed = 0; seed < 20; seed++) {
    const scheduler = new Scheduler({ seed, haste: 0 });
    const bus = new SimulatedBus(scheduler);
    const [here, there] = ['here', 'there'].map((name) => bus.connect(scheduler.process(name)));
    const heard: string[] = [];
    there?.subscribe('there', { message: (text) => heard.push(text), interrupted: () => {} });
    await scheduler.run(Promise.all(['1', '2', '3'].map(async (text) => here?.publish(text))));
    await scheduler.advance(1);
    await scheduler.run(here?.publish('not for it', 'another') as Promise<unknown>);
    orders.add(heard.join(''));
    await there?.close();
  }
  expect(orders.size).toBeGreaterThan(3);
  expect([...orders].every((order) => order.length === 3)).toBe(true);
});

it('the same seed gives the same run of caches over a server, to the last step', async () => {
  const run = async (): Promise<string[]> => {
    const steps: string[] = [];
    const scheduler = new Scheduler({
      seed: 11,
      // Without the ids of the processes, which are random.
      onStep: (step) => steps.push(step.replaceAll(/"[\w-]{12}"/g, '')),
    });
    const server = new SimulatedServer(scheduler);
    const members = ['P0', 'P1'].map((name) => {
      const process = scheduler.process(name);
      const cache = createCache(['memory://', server.connect(process)], { clock: process });
      const read = cache.wrap('read', async (id: number) => scheduler.turn(`load ${id}`).then(() => id), {
        tags: (id) => `row:${id}`,
      });
      return { cache, read };
    });
    await scheduler.run(
      Promise.all(
        members.map(async ({ cache, read }) => [await read(1), await cache.invalidate('row:1'), await read(1)]),
      ),
    );
    await scheduler.run(Promise.all(members.map(({ cache }) => cache.close())));
    return steps;
  };
  await run();
  const steps = await run();
  expect(await run()).toEqual(steps);
  expect(steps.length).toBeGreaterThan(50);
});
