import { type Backend, createCache, isCacheConfigError } from 'cachette';
import {
  type BusFault,
  faultyStore,
  manualClock,
  type ManualClock,
  type MessageInTransit,
  type StoreCommand,
  type StoreFault,
} from 'cachette/testing';
import { Keyv } from 'keyv';
import { SteppedBackend, SteppedServer } from '../../support/stepped-backend.js';
import { SteppedMedium } from '../../support/stepped-bus.js';

let clock: ManualClock;
let server: SteppedBackend;
let commands: StoreCommand[];
/** Of the next command alone. */
let fault: StoreFault | undefined;
let store: Backend;

const plan = (command: StoreCommand): StoreFault | undefined => {
  commands.push(command);
  const planned = fault;
  fault = undefined;
  return planned;
};

beforeEach(async () => {
  clock = manualClock();
  commands = [];
  fault = undefined;
  server = new SteppedBackend({ automatic: true });
  store = faultyStore(server, plan, { clock });
  await store.set('a', 'A', 60_000);
  await store.set('b', 'B', 60_000);
  server.sentSoFar.length = 0;
});

/** What has become of a command so far. */
function watched<T>(command: Promise<T>): { state: string } {
  const result = { state: 'pending' };
  command.then(
    (value) => (result.state = `answered ${JSON.stringify(value)}`),
    (error: unknown) => (result.state = String(error)),
  );
  return result;
}

const unreachable = { name: 'BackendError', failure: 'unreachable' };

describe('a command without a fault', () => {
  it('passes, with its operation and its keys known to the plan', async () => {
    expect(await store.getMany(['a', 'x'])).toEqual(['A', undefined]);
    expect(await store.add?.('c', 'C', 1_000)).toBe(true);
    expect(await store.touch?.('c', 1_000)).toBe(true);
    await store.deleteMany(['a', 'b']);
    expect(commands.slice(2)).toEqual([
      { operation: 'getMany', keys: ['a', 'x'] },
      { operation: 'add', keys: ['c'] },
      { operation: 'touch', keys: ['c'] },
      { operation: 'deleteMany', keys: ['a', 'b'] },
    ]);
    expect([...server.data]).toEqual([['c', 'C']]);
  });
});

describe('throw', () => {
  it('rejects as a server that is out of reach, and carries nothing out', async () => {
    fault = { kind: 'throw' };
    await expect(store.set('a', 'new', 1_000)).rejects.toMatchObject(unreachable);
    expect(server.log).toEqual([]);
  });

  it('rejects with the error of the plan', async () => {
    const error = new Error('mine');
    fault = { kind: 'throw', error };
    await expect(store.getMany(['a'])).rejects.toBe(error);
  });
});

describe('delay', () => {
  it('carries out and answers after its time', async () => {
    fault = { kind: 'delay', ms: 50 };
    const command = watched(store.set('a', 'new', 1_000));
    await clock.advance(49);
    expect([command.state, server.data.get('a')]).toEqual(['pending', 'A']);
    await clock.advance(1);
    expect([command.state, server.data.get('a')]).toEqual(['answered undefined', 'new']);
  });

  it('of the answer carries out at once, so that what was read is old when it comes', async () => {
    fault = { kind: 'delay', ms: 50, of: 'answer' };
    const command = watched(store.getMany(['a']));
    await store.set('a', 'new', 1_000);
    await clock.advance(49);
    expect(command.state).toBe('pending');
    await clock.advance(1);
    expect(command.state).toBe('answered ["A"]');
  });
});

describe('hang', () => {
  it('neither carries out nor answers', async () => {
    fault = { kind: 'hang' };
    const command = watched(store.set('a', 'new', 1_000));
    await clock.advance('1d');
    expect([command.state, server.data.get('a')]).toEqual(['pending', 'A']);
  });
});

describe('drop', () => {
  it('carries out and never answers', async () => {
    fault = { kind: 'drop' };
    const command = watched(store.set('a', 'new', 1_000));
    await clock.advance('1d');
    expect([command.state, server.data.get('a')]).toEqual(['pending', 'new']);
  });
});

describe('late', () => {
  it('carries out after its time and never answers', async () => {
    fault = { kind: 'late', ms: 500 };
    const command = watched(store.deleteMany(['a']));
    await clock.advance(499);
    expect(server.data.has('a')).toBe(true);
    await clock.advance(1);
    expect([command.state, server.data.has('a')]).toEqual(['pending', false]);
  });

  it('survives that the command fails then', async () => {
    fault = { kind: 'late', ms: 500 };
    void store.getMany(['a']);
    server.broken = true;
    await clock.advance(500);
    expect(clock.pending).toBe(0);
  });
});

describe('double', () => {
  it('carries out, answers, and carries out once more after its time: what was deleted is back', async () => {
    fault = { kind: 'double', ms: 50 };
    expect(await store.add?.('c', 'C', 1_000)).toBe(true);
    await store.deleteMany(['c']);
    await clock.advance(49);
    expect(server.data.has('c')).toBe(false);
    await clock.advance(1);
    expect(server.data.get('c')).toBe('C');
    expect(server.log).toEqual(['add c', 'deleteMany c', 'add c']);
  });

  it('carries out both at once where it has no time', async () => {
    fault = { kind: 'double' };
    await store.set('c', 'C', 1_000);
    expect(server.log).toEqual(['set c', 'set c']);
  });
});

describe('reorder', () => {
  it('carries out after the next command', async () => {
    fault = { kind: 'reorder' };
    const first = store.set('a', 'first', 1_000);
    await clock.advance('1s');
    expect(server.log).toEqual([]);
    await store.set('a', 'second', 1_000);
    await first;
    expect(server.log).toEqual(['set a', 'set a']);
    expect(server.data.get('a')).toBe('first');
  });

  it('carries out after its time where nothing follows', async () => {
    fault = { kind: 'reorder', ms: 100 };
    const command = watched(store.deleteMany(['a']));
    await clock.advance(99);
    expect(command.state).toBe('pending');
    await clock.advance(1);
    expect([command.state, server.data.has('a')]).toEqual(['answered undefined', false]);
  });

  it.each<StoreFault>([
    { kind: 'throw' },
    { kind: 'hang' },
    { kind: 'drop' },
    { kind: 'partial' },
    { kind: 'late', ms: 9 },
  ])('carries out after a next command with the fault %p', async (next) => {
    fault = { kind: 'reorder' };
    const first = store.set('a', 'first', 1_000);
    fault = next;
    store.getMany(['a', 'b']).catch(() => undefined);
    await clock.advance(9);
    await first;
    expect(server.data.get('a')).toBe('first');
  });

  it('of two in a row carries out the later one first', async () => {
    fault = { kind: 'reorder' };
    const first = store.deleteMany(['1']);
    fault = { kind: 'reorder' };
    const second = store.deleteMany(['2']);
    await Promise.all([store.deleteMany(['3']), first, second]);
    expect(server.log).toEqual(['deleteMany 3', 'deleteMany 2', 'deleteMany 1']);
  });
});

describe('evict', () => {
  it('removes the keys of the command just before', async () => {
    fault = { kind: 'evict' };
    expect(await store.getMany(['a'])).toEqual([undefined]);
    expect(await store.getMany(['a', 'b'])).toEqual([undefined, 'B']);
  });

  it('removes the keys that it names', async () => {
    fault = { kind: 'evict', keys: ['b'] };
    expect(await store.getMany(['a', 'b'])).toEqual(['A', undefined]);
  });
});

describe('partial', () => {
  it('carries out the first half and rejects', async () => {
    fault = { kind: 'partial' };
    await expect(store.deleteMany(['a', 'b', 'x'])).rejects.toMatchObject(unreachable);
    expect([...server.data.keys()]).toEqual(['b']);
  });

  it('carries out nothing of one key', async () => {
    fault = { kind: 'partial' };
    await expect(store.set('a', 'new', 1_000)).rejects.toMatchObject(unreachable);
    fault = { kind: 'partial' };
    await expect(store.deleteMany(['a'])).rejects.toMatchObject(unreachable);
    expect(server.data.get('a')).toBe('A');
  });
});

describe('closing', () => {
  it('rejects what waits, lets nothing happen any more, and leaves no timer', async () => {
    fault = { kind: 'delay', ms: 50 };
    const delayed = watched(store.set('a', 'new', 1_000));
    fault = { kind: 'late', ms: 50 };
    void store.deleteMany(['b']);
    fault = { kind: 'reorder', ms: 50 };
    const overtaken = watched(store.deleteMany(['b']));
    await clock.advance(0);
    await store.close();
    expect(clock.pending).toBe(0);
    await clock.advance(50);
    expect([delayed.state, overtaken.state]).toEqual(['BackendError: it is closed', 'BackendError: it is closed']);
    expect(server.log).toEqual([]);
  });

  it('repeats nothing that was to come twice', async () => {
    fault = { kind: 'double', ms: 50 };
    await store.deleteMany(['a']);
    await store.close();
    expect(clock.pending).toBe(0);
    await clock.advance(50);
    expect(server.log).toEqual(['deleteMany a']);
  });

  it('rejects commands without asking the plan, and closes nothing that was handed in', async () => {
    await store.close();
    await store.close();
    commands = [];
    await expect(store.getMany(['a'])).rejects.toMatchObject(unreachable);
    expect(commands).toEqual([]);
    expect(await server.getMany(['a'])).toEqual(['A']);
  });
});

describe('what a store can', () => {
  it('is what the store behind can', () => {
    const poor = new SteppedBackend({ automatic: true, lacks: ['add', 'touch'] });
    const { add, touch, serverIds, bus, session } = faultyStore(poor, () => undefined);
    expect([add, touch, serverIds, bus, session]).toEqual(Array(5).fill(undefined));
  });

  it('is known by its sessions and server ids, also when those change', async () => {
    const restarted = new SteppedServer();
    const behind = new SteppedBackend({ automatic: true, server: restarted });
    const faulty = faultyStore(behind, ({ operation }) => (operation === 'getMany' ? { kind: 'throw' } : undefined));
    expect([faulty.session, await faulty.serverIds?.()]).toEqual([1, ['run-1']]);
    restarted.restart();
    expect([faulty.session, await faulty.serverIds?.()]).toEqual([2, ['run-2']]);
  });

  it('deletes and publishes with faults over its bus', async () => {
    const link = new SteppedMedium().connect();
    const behind = new SteppedBackend({ automatic: true, link });
    const faulty = faultyStore(behind, plan, { clock });
    const bus = faulty.bus?.('channel');
    const received: string[] = [];
    bus?.subscribe('me', { message: (text) => received.push(text), interrupted: () => {} });
    await faulty.set('a', 'A', 1_000);
    fault = { kind: 'throw' };
    await expect(bus?.deleteAndPublish?.(['a'], 'gone')).rejects.toMatchObject(unreachable);
    expect(behind.data.has('a')).toBe(true);
    expect(await bus?.deleteAndPublish?.(['a'], 'gone')).toBe(1);
    await clock.advance(0);
    expect([behind.data.has('a'), received]).toEqual([false, ['gone']]);
    expect(commands.at(-1)).toEqual({ operation: 'deleteAndPublish', keys: ['a'] });
  });
});

describe('the messages over the bus of a store', () => {
  it('have the faults of a bus, on their way out and on their way in, with a deletion only on their way in', async () => {
    const link = new SteppedMedium().connect();
    const asked: string[] = [];
    const behind = new SteppedBackend({ automatic: true, link });
    const messages = ({ text, direction }: MessageInTransit): BusFault | undefined => {
      asked.push(`${text} ${direction}`);
      if (text === 'lost') return { kind: 'drop' };
      return text === 'late' && direction === 'in' ? { kind: 'delay', ms: 50 } : undefined;
    };
    const bus = faultyStore(behind, () => undefined, { clock, messages }).bus?.('channel');
    const received: string[] = [];
    bus?.subscribe('me', { message: (text) => received.push(text), interrupted: () => {} });
    await bus?.publish('lost');
    await bus?.publish('late');
    await bus?.deleteAndPublish?.(['a'], 'gone');
    await clock.advance(49);
    expect(received).toEqual(['gone']);
    await clock.advance(1);
    expect(received).toEqual(['gone', 'late']);
    expect(asked).toEqual(['lost out', 'late out', 'late in', 'gone in']);
  });
});

describe('over a Keyv', () => {
  it('keeps text under the rules of the Keyv, and ends it by the clock', async () => {
    const keyv = faultyStore(new Keyv(), () => undefined, { clock });
    await keyv.set('a', 'A', 1_000);
    await clock.advance(999);
    expect(await keyv.getMany(['a'])).toEqual(['A']);
    await clock.advance(1);
    expect(await keyv.getMany(['a'])).toEqual([undefined]);
  });

  it('closes nothing of the Keyv', async () => {
    const keyv = new Keyv();
    const faulty = faultyStore(keyv, () => undefined);
    await faulty.set('a', 'A', 1_000);
    await faulty.close();
    expect(await faultyStore(keyv, () => undefined).getMany(['a'])).toEqual(['A']);
  });
});

describe('a mistake', () => {
  const mistaken = (thing: unknown): Promise<unknown> => {
    fault = thing as StoreFault;
    return store.getMany(['a']).catch((error: unknown) => error);
  };

  it.each([
    [{ kind: 'delai', ms: 5 }, "faultyStore: there is no fault 'delai'; did you mean 'delay'?"],
    [
      { kind: 'explode' },
      "faultyStore: there is no fault 'explode'; the kinds are throw, delay, hang, drop, double, reorder, evict, partial, late.",
    ],
    [{ kind: 'delay', ms: -1 }, "faultyStore: ms of 'delay' is -1; write milliseconds from 0."],
    [{ kind: 'late' }, "faultyStore: ms of 'late' is undefined; write milliseconds from 0."],
    [{ kind: 'double', ms: NaN }, "faultyStore: ms of 'double' is NaN; write milliseconds from 0, or leave it out."],
    [
      { kind: 'delay', ms: 5, of: 'reply' },
      "faultyStore: of of 'delay' is reply; write 'command' or 'answer', or leave it out.",
    ],
    [{ kind: 'hang', ms: 5 }, "faultyStore: 'hang' has no 'ms'; leave it out."],
    [{ kind: 'evict', keys: 'a' }, "faultyStore: keys of 'evict' is a; write an array of keys, or leave it out."],
    ['throw', "faultyStore: the plan gives throw; write a fault such as { kind: 'throw' }, or undefined for none."],
  ])('%p rejects the command with a clear word', async (thing, message) => {
    const error = await mistaken(thing);
    expect(isCacheConfigError(error)).toBe(true);
    expect((error as Error).message).toBe(message);
    expect(server.log).toEqual([]);
  });

  it('in the plan itself says what the plan threw', async () => {
    const faulty = faultyStore(server, () => {
      throw new TypeError('no such thing');
    });
    await expect(faulty.getMany(['a'])).rejects.toThrow('faultyStore: the plan throws TypeError: no such thing;');
  });

  it('is told as a warning of the process, once, as the cache survives it', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
    const cache = createCache(faultyStore(new Keyv(), () => ({ kind: 'explode' }) as never));
    await cache.getOrLoad('a', async () => 1);
    await cache.getOrLoad('b', async () => 1);
    expect(warn.mock.calls.map(([text]) => String(text))).toEqual([
      expect.stringContaining("faultyStore: there is no fault 'explode'"),
    ]);
    await cache.close();
    warn.mockRestore();
  });

  it.each([
    [
      'memory',
      'memory://',
      'faultyStore: memory has no commands that could fail; give the URI of a server such as redis://localhost:6379, a Keyv of',
    ],
    ['a URI of no scheme', 'reddis://localhost', "has the unknown scheme 'reddis'; did you mean 'redis://'?"],
    ['a number', 5, 'faultyStore: a store is number; give the URI of a server'],
    ['a Map', new Map(), 'faultyStore: a store is a Map'],
  ])('is %s for a store', (_what, thing, message) => {
    expect(() => faultyStore(thing as never, () => undefined)).toThrow(message);
  });

  it('is a plan for messages where there is no bus, or one that is no function', () => {
    const messages = (): undefined => undefined;
    expect(() => faultyStore(new Keyv(), messages, { messages })).toThrow(
      'faultyStore: there is a plan for messages, and Keyv over Map has no bus; leave it out, or put faultyBus() around',
    );
    expect(() => faultyStore(server, messages, { messages: 'drop' as never })).toThrow(
      'faultyStore: the plan is no function; write messages: ({ direction }) =>',
    );
  });

  it('is a plan that is no function', () => {
    expect(() => faultyStore(server, { kind: 'throw' } as never)).toThrow(
      'faultyStore: the plan is no function; write ({',
    );
  });
});

it('waits by the machine where no clock is given', async () => {
  const faulty = faultyStore(server, () => ({ kind: 'delay', ms: 20 }));
  const since = performance.now();
  expect(await faulty.getMany(['a'])).toEqual(['A']);
  expect(performance.now() - since).toBeGreaterThan(15);
});
