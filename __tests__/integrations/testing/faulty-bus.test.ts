import { type Bus, createCache, isCacheConfigError, localBus } from 'cachette';
import { type BusFault, faultyBus, manualClock, type ManualClock, type MessageInTransit } from 'cachette/testing';
import { Keyv } from 'keyv';

let clock: ManualClock;
let passed: MessageInTransit[];
let faults: Partial<Record<'out' | 'in', BusFault | undefined>>;
/** Of the next message of a direction alone. */
const plan = (message: MessageInTransit): BusFault | undefined => {
  passed.push(message);
  const fault = faults[message.direction];
  faults[message.direction] = undefined;
  return fault;
};

let here: Bus;
let there: Bus;
let heard: { readonly here: string[]; readonly there: string[] };

beforeEach(() => {
  clock = manualClock();
  passed = [];
  faults = {};
  heard = { here: [], there: [] };
  const bus = localBus();
  here = faultyBus(bus.connect(), plan, { clock });
  there = bus.connect();
  here.subscribe('here', { message: (text) => heard.here.push(text), interrupted: () => heard.here.push('!') });
  there.subscribe('there', { message: (text) => heard.there.push(text), interrupted: () => heard.there.push('!') });
});

/** What has become of a publishing so far. */
function watched(publishing: Promise<unknown>): { state: string } {
  const result = { state: 'pending' };
  publishing.then(
    () => (result.state = 'sent'),
    (error: unknown) => (result.state = String(error)),
  );
  return result;
}

describe('a message without a fault', () => {
  it('comes to all, and to one where it is sent to one', async () => {
    await here.publish('all');
    await here.publish('one', 'there');
    await clock.advance(0);
    expect(heard).toEqual({ here: ['all'], there: ['all', 'one'] });
    expect(passed).toEqual([
      { text: 'all', direction: 'out', kind: undefined },
      { text: 'all', direction: 'in', kind: undefined },
      { text: 'one', direction: 'out', kind: undefined },
    ]);
  });

  it('is told to the plan by what a cache says with it', async () => {
    const bus = localBus();
    const kinds = new Set<string | undefined>();
    const watching = faultyBus(bus.connect(), ({ kind }) => void kinds.add(kind), { clock });
    const cache = createCache(['memory://', new Keyv()], { bus: watching, clock });
    await clock.advance('2s');
    const invalidated = cache.invalidate('a');
    await clock.advance('2s');
    expect(await invalidated).toEqual({ status: 'done' });
    await cache.close();
    expect([...kinds].sort()).toEqual(['beat', 'bye', 'removed']);
  });
});

describe('on its way out', () => {
  it('throw: is not sent, and publishing rejects', async () => {
    faults.out = { kind: 'throw', error: new Error('broken') };
    await expect(here.publish('a')).rejects.toThrow('broken');
    await clock.advance(0);
    expect(heard.there).toEqual([]);
  });

  it('delay: is sent after its time', async () => {
    faults.out = { kind: 'delay', ms: 50 };
    const publishing = watched(here.publish('a'));
    await clock.advance(49);
    expect([publishing.state, ...heard.there]).toEqual(['pending']);
    await clock.advance(1);
    expect([publishing.state, ...heard.there]).toEqual(['sent', 'a']);
  });

  it('hang: is lost, and publishing never ends', async () => {
    faults.out = { kind: 'hang' };
    const publishing = watched(here.publish('a'));
    await clock.advance('1d');
    expect([publishing.state, ...heard.there]).toEqual(['pending']);
  });

  it('drop: is lost, and publishing ends as if it were not', async () => {
    faults.out = { kind: 'drop' };
    await here.publish('a');
    await clock.advance('1d');
    expect(heard).toEqual({ here: [], there: [] });
  });

  it('double: is sent twice', async () => {
    faults.out = { kind: 'double', ms: 50 };
    await here.publish('a');
    await clock.advance(49);
    expect(heard.there).toEqual(['a']);
    await clock.advance(1);
    expect(heard.there).toEqual(['a', 'a']);
  });

  it('reorder: is overtaken by the next one', async () => {
    faults.out = { kind: 'reorder' };
    const first = here.publish('a');
    await clock.advance('1s');
    await Promise.all([first, here.publish('b')]);
    await clock.advance(0);
    expect(heard.there).toEqual(['b', 'a']);
  });
});

describe('on its way in', () => {
  const send = async (...texts: string[]): Promise<void> => {
    for (const text of texts) await there.publish(text);
    await clock.advance(0);
  };

  it('throw: is lost, and the subscriber hears that it was interrupted', async () => {
    faults.in = { kind: 'throw' };
    await send('a', 'b');
    expect(heard).toEqual({ here: ['!', 'b'], there: ['a', 'b'] });
  });

  it('delay: comes after its time, later than what was sent after it', async () => {
    faults.in = { kind: 'delay', ms: 50 };
    await send('a', 'b');
    await clock.advance(49);
    expect(heard.here).toEqual(['b']);
    await clock.advance(1);
    expect(heard.here).toEqual(['b', 'a']);
  });

  it.each(['hang', 'drop'] as const)('%s: is lost, and nobody is told', async (kind) => {
    faults.in = { kind };
    await send('a', 'b');
    await clock.advance('1d');
    expect(heard.here).toEqual(['b']);
  });

  it('double: comes twice', async () => {
    faults.in = { kind: 'double' };
    await send('a');
    expect(heard.here).toEqual(['a', 'a']);
  });

  it('reorder: is overtaken by the next one, or comes after its time', async () => {
    faults.in = { kind: 'reorder', ms: 50 };
    await send('a', 'b');
    expect(heard.here).toEqual(['b', 'a']);
    faults.in = { kind: 'reorder', ms: 50 };
    await send('c');
    expect(heard.here).toEqual(['b', 'a']);
    await clock.advance(50);
    expect(heard.here).toEqual(['b', 'a', 'c']);
  });
});

describe('closing', () => {
  it('loses what is under way, in both directions, and closes the connection behind', async () => {
    faults = { out: { kind: 'delay', ms: 50 }, in: { kind: 'delay', ms: 50 } };
    const publishing = watched(here.publish('out'));
    await there.publish('in');
    await clock.advance(0);
    await here.close();
    await clock.advance('1d');
    await there.publish('later');
    await clock.advance(0);
    expect([publishing.state, clock.pending]).toEqual(['BackendError: it is closed', 0]);
    expect(heard).toEqual({ here: [], there: ['in', 'later'] });
    await expect(here.publish('a')).rejects.toThrow('it is closed');
  });
});

describe('a mistake', () => {
  it('on the way out rejects the publishing', async () => {
    faults.out = { kind: 'evict' } as never;
    const error = await here.publish('a').catch((thrown: unknown) => thrown);
    expect(isCacheConfigError(error)).toBe(true);
    expect((error as Error).message).toBe(
      "faultyBus: there is no fault 'evict'; the kinds are throw, delay, hang, drop, double, reorder.",
    );
  });

  it('on the way in loses the message, and each publishing from then on rejects', async () => {
    faults.in = { kind: 'delay', ms: -5 };
    await there.publish('a');
    await clock.advance(0);
    expect(heard).toEqual({ here: [], there: ['a'] });
    await expect(here.publish('b')).rejects.toThrow("faultyBus: ms of 'delay' is -5; write milliseconds from 0.");
  });

  it.each([
    ['what only makes connections', localBus(), 'faultyBus: the bus is no bus; give a connection, such as localBus()'],
    ['nothing', undefined, 'faultyBus: the bus is no bus'],
  ])('is %s for a bus', (_what, thing, message) => {
    expect(() => faultyBus(thing as never, plan)).toThrow(message);
  });

  it('is a plan that is no function', () => {
    expect(() => faultyBus(there, undefined as never)).toThrow('faultyBus: the plan is no function; write ({');
  });
});
