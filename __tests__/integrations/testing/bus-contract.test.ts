import { type Bus, type BusSubscriber, localBus } from 'cachette';
import { busContract, type ContractTest, faultyBus, manualClock } from 'cachette/testing';

/** All who have subscribed, and a way to interrupt them. */
class Medium {
  readonly subscribers = new Map<string, BusSubscriber>();

  interrupt(): void {
    for (const subscriber of this.subscribers.values()) subscriber.interrupted();
  }
}

/** A connection to a bus as somebody who writes one of his own would begin. */
class PlainBus implements Bus {
  protected isClosed = false;
  protected id: string | undefined;

  constructor(readonly medium: Medium) {}

  async publish(message: string, to?: string): Promise<unknown> {
    if (this.isClosed) throw new Error('it is closed');
    const { subscribers } = this.medium;
    const receivers = to === undefined ? [...subscribers.keys()] : [to];
    for (const id of receivers) void Promise.resolve().then(() => subscribers.get(id)?.message(message));
    return receivers.length;
  }

  subscribe(id: string, subscriber: BusSubscriber): void {
    this.id = id;
    this.medium.subscribers.set(id, subscriber);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    if (this.id !== undefined) this.medium.subscribers.delete(this.id);
  }
}

/** The names of the facts that a bus does not keep. */
async function brokenFacts(facts: readonly ContractTest[]): Promise<string[]> {
  const broken: string[] = [];
  for (const { name, run } of facts) await run().catch(() => broken.push(name));
  return broken;
}

type BusClass = new (medium: Medium) => Bus;

/** The contract over connections of this class, all to the same medium. */
function contractOf(Connection: BusClass): readonly ContractTest[] {
  const medium = new Medium();
  return busContract({
    connect: () => new Connection(medium),
    interrupt: () => medium.interrupt(),
    ordered: true,
    clock: manualClock(),
    withinMs: 50,
  });
}

let publishings = 0;

/** What is wrong, how, and the facts that say so. */
const wrongs: (readonly [what: string, connection: BusClass, facts: RegExp[]])[] = [
  [
    'does not hear itself',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        const own = this.id === undefined ? undefined : this.medium.subscribers.get(this.id);
        if (this.id !== undefined) this.medium.subscribers.delete(this.id);
        const receivers = await super.publish(message, to);
        if (own && this.id !== undefined) this.medium.subscribers.set(this.id, own);
        return receivers;
      }
    },
    [/^a message comes to every subscriber/],
  ],
  [
    'does not know who is meant',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        return to === undefined ? super.publish(message) : 0;
      }
    },
    [/^a message to one/],
  ],
  [
    'publishes only for those who have subscribed',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        if (this.id === undefined) throw new Error('subscribe first');
        return super.publish(message, to);
      }
    },
    [/^who has not subscribed/],
  ],
  [
    'splits at blanks and quotes',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        return super.publish(message.replace(/["\n].*/s, ''), to);
      }
    },
    [/of JSON comes as it was/, /in unicode/],
  ],
  [
    'cuts off long messages',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        return super.publish(message.slice(0, 65_536), to);
      }
    },
    [/of 100,000 characters/],
  ],
  [
    'sends every other message later',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        for (let turns = publishings++ % 3; turns > 0; turns--) await Promise.resolve();
        return super.publish(message, to);
      }
    },
    [/^the messages of one sender/],
  ],
  [
    'counts only others',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        return Number(await super.publish(message, to)) - 1;
      }
    },
    [/^publishing ends, and if it gives a number/],
  ],
  [
    'never ends a publishing',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        await super.publish(message, to);
        return new Promise(() => {});
      }
    },
    [/^publishing ends/, /^a message comes to every subscriber/],
  ],
  [
    'cries wolf',
    class extends PlainBus {
      override subscribe(id: string, subscriber: BusSubscriber): void {
        const message = (text: string): void => {
          subscriber.interrupted();
          subscriber.message(text);
        };
        super.subscribe(id, { ...subscriber, message });
      }
    },
    [/^nobody is told of an interruption/],
  ],
  [
    'goes on hearing when it is closed',
    class extends PlainBus {
      override async close(): Promise<void> {
        this.isClosed = true;
      }
    },
    [/^nothing comes after close/],
  ],
  [
    'closes all when one is closed',
    class extends PlainBus {
      override async close(): Promise<void> {
        this.medium.subscribers.clear();
      }
    },
    [/^nothing comes after close, and the others go on/],
  ],
  [
    'is angry at a second close',
    class extends PlainBus {
      override async close(): Promise<void> {
        if (this.isClosed) throw new Error('it is closed already');
        return super.close();
      }
    },
    [/^close ends, and a second close/],
  ],
  [
    'waits for ever for a connection that it has closed',
    class extends PlainBus {
      override async publish(message: string, to?: string): Promise<unknown> {
        return this.isClosed ? new Promise(() => {}) : super.publish(message, to);
      }
    },
    [/^publishing after close ends/],
  ],
  [
    'says nothing of an interruption',
    class extends PlainBus {
      override subscribe(id: string, subscriber: BusSubscriber): void {
        super.subscribe(id, { ...subscriber, interrupted: () => {} });
      }
    },
    [/^an interruption is told/],
  ],
  [
    'hears nothing any more after an interruption',
    class extends PlainBus {
      override subscribe(id: string, subscriber: BusSubscriber): void {
        const interrupted = (): void => {
          subscriber.interrupted();
          this.medium.subscribers.delete(id);
        };
        super.subscribe(id, { ...subscriber, interrupted });
      }
    },
    [/^an interruption is told to every subscriber, and messages come again/],
  ],
];

it('is kept by a bus that does all of it', async () => {
  expect(await brokenFacts(contractOf(PlainBus))).toEqual([]);
});

describe.each(wrongs)('a bus that %s', (_what, Connection, facts) => {
  it('does not keep the facts that say so', async () => {
    const broken = await brokenFacts(contractOf(Connection));
    expect(facts.filter((fact) => !broken.some((name) => fact.test(name)))).toEqual([]);
  });
});

describe('the facts', () => {
  it('can each be broken by one of these buses', () => {
    const names = contractOf(PlainBus).map(({ name }) => name);
    const seen = (name: string): boolean => wrongs.some(([, , facts]) => facts.some((fact) => fact.test(name)));
    expect(names.filter((name) => !seen(name))).toEqual([]);
    expect(names).toHaveLength(new Set(names).size);
  });

  it('are not about order and interruptions unless that is said', () => {
    const names = (options: object): string[] =>
      busContract({ connect: () => localBus().connect(), ...options }).map(({ name }) => name);
    const more = names({ ordered: true, interrupt: () => {} }).filter((name) => !names({}).includes(name));
    expect(more).toEqual([
      'the messages of one sender come in their order',
      'an interruption is told to every subscriber, and messages come again after it',
    ]);
  });

  it('need something that connects', async () => {
    expect(() => busContract({} as never)).toThrow(
      'busContract: connect is no function; write what gives a connection',
    );
    const [fact] = busContract({ connect: () => localBus() as never });
    await expect(fact?.run()).rejects.toThrow('connect gives no bus: one has publish, subscribe and close');
  });
});

describe.each([
  ['the bus of one process', (bus: Bus) => bus],
  ['a faulty bus that has no faults', (bus: Bus) => faultyBus(bus, () => undefined)],
])('%s', (_what, around) => {
  const bus = localBus();
  const facts = busContract({ connect: () => around(bus.connect()), ordered: true, clock: manualClock() });
  for (const { name, run, timeoutMs } of facts) test(name, run, timeoutMs);
});

test('a bus whose messages are delayed keeps all but the order', async () => {
  const [bus, clock] = [localBus(), manualClock()];
  let ms = 0;
  const connect = (): Bus => faultyBus(bus.connect(), () => ({ kind: 'delay', ms: (ms = (ms + 7) % 20) }), { clock });
  expect(await brokenFacts(busContract({ connect, ordered: true, clock }))).toEqual([
    'the messages of one sender come in their order',
  ]);
});

test('a bus that loses every other message is not one that is well', async () => {
  const bus = localBus();
  let isLost = false;
  const connect = (): Bus =>
    faultyBus(bus.connect(), () => {
      isLost = !isLost;
      return isLost ? { kind: 'drop' } : undefined;
    });
  expect(await brokenFacts(busContract({ connect, clock: manualClock(), withinMs: 50 }))).not.toEqual([]);
});
