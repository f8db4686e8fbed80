/** A cache whose clock is moved by hand has no other time: nothing happens while it stands. */

import { type Cache, createCache, localBus } from 'cachette';
import {
  type BusFault,
  expectHit,
  expectMiss,
  faultyBus,
  faultyStore,
  manualClock,
  type ManualClock,
  type MessageInTransit,
  type StoreCommand,
  type StoreFault,
} from 'cachette/testing';
import { Keyv } from 'keyv';
import { SteppedBackend } from '../../support/stepped-backend.js';

/** A process of its own with memory in front of the shared store. */
interface Process {
  readonly cache: Cache;
  readonly price: () => Promise<number>;
  /** Faults from now on. */
  ofStore: (command: StoreCommand) => StoreFault | undefined;
  ofBus: (message: MessageInTransit) => BusFault | undefined;
}

let clock: ManualClock;
let server: SteppedBackend;
let bus: ReturnType<typeof localBus>;
let price: number;
let processes: Process[];

beforeEach(() => {
  clock = manualClock();
  server = new SteppedBackend({ automatic: true });
  bus = localBus();
  price = 10;
  processes = [];
});

afterEach(async () => {
  const closing = Promise.all(processes.map(({ cache }) => cache.close()));
  await clock.advance('1m');
  await closing;
  expect(clock.pending).toBe(0);
});

function open(): Process {
  const cache = createCache(['memory://', faultyStore(server, (command) => process.ofStore(command), { clock })], {
    bus: faultyBus(bus.connect(), (message) => process.ofBus(message), { clock }),
    clock,
  });
  const process: Process = {
    cache,
    price: cache.wrap('price', async () => price, { ttl: '1h', tags: 'prices' }),
    ofStore: () => undefined,
    ofBus: () => undefined,
  };
  processes.push(process);
  return process;
}

/** What has become of it so far. */
function watched<T>(work: Promise<T>): { result: T | undefined } {
  const seen: { result: T | undefined } = { result: undefined };
  void work.then((result) => (seen.result = result));
  return seen;
}

async function tierOf({ cache, price: call }: Process): Promise<string | undefined> {
  const { calls } = await cache.explain(call);
  return calls[0]?.tier;
}

/** Real time goes by, in which the machine's timers would run. */
const realTime = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 150));

it('beats when the clock moves, and not while it stands', async () => {
  const process = open();
  let beats = 0;
  process.ofBus = ({ kind, direction }) => void (kind === 'beat' && direction === 'out' && beats++);
  await realTime();
  expect(beats).toBe(0);
  await clock.advance('10s');
  // In short order until it is trusted, and every half second then.
  expect(beats).toBeGreaterThan(20);
  expect(beats).toBeLessThan(40);
});

it('gives up on a store that says nothing at its deadline', async () => {
  const process = open();
  process.ofStore = () => ({ kind: 'hang' });
  const call = watched(process.cache.explain(process.price));
  await clock.advance(249);
  await realTime();
  expect(call.result).toBeUndefined();
  await clock.advance(1);
  expect(call.result).toMatchObject({ value: 10, calls: [{ status: 'miss', reason: 'deadline' }] });
});

it('trusts its memory under a lease, and no longer than it lasts', async () => {
  const process = open();
  await clock.advance('5s');
  await process.price();
  await clock.advance(0);
  expect(await tierOf(process)).toBe('memory');
  server.sentSoFar.length = 0;
  await expectHit(process.cache, process.price);
  expect(server.log).toEqual([]);
  process.ofBus = () => ({ kind: 'drop' });
  await clock.advance('2s');
  await expectHit(process.cache, process.price);
  expect(server.log).toEqual([expect.stringMatching(/^getMany .*#t:prices/)]);
});

it('waits with an invalidation for a process that is silent until that trusts nothing any more', async () => {
  const [here, there] = [open(), open()];
  await clock.advance('5s');
  await there.price();
  await clock.advance(0);
  there.ofBus = () => ({ kind: 'drop' });
  price = 12;
  const invalidating = watched(here.cache.invalidate('prices'));
  await clock.advance('500ms');
  await realTime();
  expect(invalidating.result).toBeUndefined();
  await clock.advance('1s');
  expect(invalidating.result).toEqual({ status: 'done' });
  expect(await there.price()).toBe(12);
});

it('delivers again, by the clock, what could not be delivered', async () => {
  const process = open();
  process.ofStore = ({ operation }) => (operation === 'deleteMany' ? { kind: 'throw' } : undefined);
  const invalidating = process.cache.invalidate('prices');
  await clock.advance('5s');
  expect(await invalidating).toEqual({ status: 'deferred' });
  process.ofStore = () => undefined;
  server.sentSoFar.length = 0;
  await realTime();
  expect(server.log).toEqual([]);
  await clock.advance('1s');
  expect(server.log).toEqual([expect.stringMatching(/^deleteMany .*#t:prices/)]);
});

it('ends an entry on a Keyv, also one that only the store has', async () => {
  const store = new Keyv();
  const [one, other] = [createCache(store, { clock }), createCache(store, { clock })];
  const read = (cache: Cache): (() => Promise<number>) => cache.wrap('price', async () => price, { ttl: '5m' });
  const [first, second] = [read(one), read(other)];
  await first();
  await clock.advance('299s');
  await expectHit(other, second);
  await clock.advance('1s');
  await expectMiss(other, second);
  await Promise.all([one.close(), other.close()]);
});
