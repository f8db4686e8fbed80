/** Processes that remember nothing can be asked, and hold up no invalidation. */

import { setImmediate as turn } from 'node:timers/promises';
import { manualClock } from 'cachette/testing';
import { timeOf } from '../../src/policies/deadline.js';
import { everyLeaseMs } from '../../src/policies/lease.js';
import { type BusSubscriber, everyone, type StoreBus } from '../../src/stores/bus.js';
import { Coherence } from '../../src/stores/coherence.js';

const clock = manualClock();
const time = timeOf(clock);

/** As Redis has it: whoever subscribes hears all, whoever attends hears what is sent to everyone or to him. */
class Medium {
  readonly subscribers = new Map<string, BusSubscriber>();
  readonly attending = new Map<string, Pick<BusSubscriber, 'message'>>();
  /** Those of whom messages are held back. */
  readonly held = new Set<string>();

  connect(): StoreBus {
    let own = '';
    return {
      publish: async (message, to) => this.#send(message, to),
      deleteAndPublish: async (_keys, message) => this.#send(message),
      subscribe: (id, subscriber) => {
        own = id;
        this.attending.delete(id);
        this.subscribers.set(id, subscriber);
      },
      attend: (id, subscriber) => {
        own = id;
        this.attending.set(id, subscriber);
      },
      close: async () => {
        this.subscribers.delete(own);
        this.attending.delete(own);
      },
    };
  }

  #send(message: string, to?: string): number {
    const all = to === undefined ? this.subscribers : new Map([...this.attending, ...this.subscribers]);
    const receivers = [...all].filter(([id]) => to === undefined || to === everyone || to === id);
    for (const [id, { message: hear }] of receivers) if (!this.held.has(id)) queueMicrotask(() => hear(message));
    return receivers.length;
  }
}

let medium: Medium;
let opened: Coherence[];

beforeEach(() => {
  medium = new Medium();
  opened = [];
});

afterEach(() => Promise.all(opened.map((each) => each.close())));

function open(name: string, remembers = false): Coherence {
  const coherence = new Coherence({
    bus: medium.connect(),
    remembers,
    deleteMany: () => Promise.resolve(),
    forget: () => Promise.resolve(),
    answer: (question) => `${name} was asked: ${question}`,
    report: () => undefined,
    time,
  });
  opened.push(coherence);
  return coherence;
}

/** Lets time go by in small steps until `work` is done; how long that was. */
async function taken(work: Promise<unknown>): Promise<number> {
  const began = time.monotonicMs();
  let isDone = false;
  void work.then(() => (isDone = true));
  for (;;) {
    for (let i = 0; i < 5; i++) await turn();
    if (isDone) return time.monotonicMs() - began;
    await clock.advance(25);
  }
}

const removed = async (by: Coherence): Promise<boolean> => (await by.remove(['a']))();

it('asks all, whether they remember something or not, and is answered at once', async () => {
  const asker = open('asker');
  open('plain');
  open('memory', true);
  const asked = asker.ask('well?', 500);
  expect(await taken(asked)).toBeLessThan(100);
  expect([...(await asked)].sort()).toEqual(['memory was asked: well?', 'plain was asked: well?']);
});

it('is asked by one that remembers something', async () => {
  const asker = open('asker', true);
  open('plain');
  const asked = asker.ask('well?', 500);
  expect(await taken(asked)).toBeLessThan(100);
  expect(await asked).toEqual(['plain was asked: well?']);
});

it('costs an invalidation nothing where nobody remembers anything', async () => {
  const remover = open('remover');
  open('plain');
  expect(await taken(removed(remover))).toBe(0);
  expect(medium.subscribers.size).toBe(0);
});

// P0 remembers, and its messages are held up · P1 only attends: its question comes back, long ago · P1: del Ga
it('does not take the return of its question for a sign that it knows those that remember', async () => {
  open('memory', true);
  medium.held.add([...medium.subscribers.keys()][0] as string);
  const remover = open('remover');
  await taken(remover.ask('well?', 100));
  await clock.advance(10 * everyLeaseMs);
  expect(await taken(removed(remover))).toBeGreaterThanOrEqual(everyLeaseMs);
});

it('is asked no less when it has subscribed for its first announcement', async () => {
  open('memory', true);
  const remover = open('remover');
  await taken(removed(remover));
  expect([medium.attending.size, medium.subscribers.size]).toEqual([0, 2]);
  const asked = open('asker').ask('well?', 500);
  await taken(asked);
  expect([...(await asked)].sort()).toEqual(['memory was asked: well?', 'remover was asked: well?']);
});
