import type { Backend } from 'cachette';
import { type ContractTest, faultyStore, manualClock, type ManualClock, storeContract } from 'cachette/testing';
import { Keyv } from 'keyv';
import { PlainStore, type Rows } from './plain-store.js';

/** The names of the facts that a store does not keep. */
async function brokenFacts(facts: readonly ContractTest[]): Promise<string[]> {
  const broken: string[] = [];
  for (const { name, run } of facts) await run().catch(() => broken.push(name));
  return broken;
}

type StoreClass = new (clock: ManualClock, rows: Rows) => Backend;

/** The contract over stores of this class, all over the same rows. */
function contractOf(Store: StoreClass): readonly ContractTest[] {
  const [clock, rows]: [ManualClock, Rows] = [manualClock(), new Map()];
  return storeContract({ open: () => new Store(clock, rows), adds: true, touches: true, clock, manyKeys: 50 });
}

/** What is wrong, how, and the facts that say so. */
const wrongs: (readonly [what: string, store: StoreClass, facts: RegExp[]])[] = [
  [
    'has no name',
    class extends PlainStore {
      override name = '';
    },
    [/^has a name/],
  ],
  [
    'takes only short texts',
    class extends PlainStore {
      override maxTextBytes = 1_000;
    },
    [/^has a name/],
  ],
  [
    'leaves out what is absent',
    class extends PlainStore {
      override async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
        return (await super.getMany(keys)).filter((text) => text !== undefined);
      }
    },
    [/^getMany gives texts in the order/, /^deleteMany removes all/, /^concurrent commands/, /^a text is gone/],
  ],
  [
    'answers in the order in which keys were written',
    class extends PlainStore {
      override async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
        const order = [...this.rows.keys()];
        return super.getMany([...keys].sort((a, b) => order.indexOf(a) - order.indexOf(b)));
      }
    },
    [/^getMany gives texts in the order/],
  ],
  [
    'refuses to be asked for nothing',
    class extends PlainStore {
      override async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
        if (keys.length === 0) throw new Error('wrong number of arguments');
        return super.getMany(keys);
      }
    },
    [/^nothing asked/],
  ],
  [
    'does not tell upper from lower case',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        return super.set(key.toLowerCase(), text, ttlMs);
      }
      override getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
        return super.getMany(keys.map((key) => key.toLowerCase()));
      }
    },
    [/^keys that differ only in their ends/],
  ],
  [
    'refuses long keys',
    class extends PlainStore {
      override async set(key: string, text: string, ttlMs: number): Promise<void> {
        if (key.length > 240) throw new Error('key too long');
        return super.set(key, text, ttlMs);
      }
    },
    [/^a key of 250 bytes/],
  ],
  [
    'deletes by prefix',
    class extends PlainStore {
      override async deleteMany(keys: readonly string[]): Promise<void> {
        const [first] = keys;
        if (first === undefined) return;
        return super.deleteMany([...this.rows.keys()].filter((key) => key.startsWith(first.slice(0, -1))));
      }
    },
    [/^deleteMany removes all/],
  ],
  [
    'keeps the old ttl when it is written again',
    class extends PlainStore {
      override async set(key: string, text: string, ttlMs: number): Promise<void> {
        const row = this.row(key);
        if (row) row.text = text;
        else await super.set(key, text, ttlMs);
      }
    },
    [/^set replaces the text and its ttl/],
  ],
  [
    'never ends a key',
    class extends PlainStore {
      override set(key: string, text: string): Promise<void> {
        return super.set(key, text, Infinity);
      }
    },
    [/^a text is gone after its ttl/, /^what was added ends/],
  ],
  [
    'ends keys early',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        return super.set(key, text, ttlMs / 2);
      }
    },
    [/^a text is gone after its ttl/],
  ],
  [
    'takes long ttls for dates',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        return super.set(key, text, ttlMs > 30 * 86_400_000 ? 0 : ttlMs);
      }
    },
    [/^a ttl of 2678400000 ms/, /^a ttl of 34560000000 ms/, /^a ttl of 6307200000000 ms/, /^a ttl of Infinity ms/],
  ],
  [
    'refuses short ttls',
    class extends PlainStore {
      override async set(key: string, text: string, ttlMs: number): Promise<void> {
        if (ttlMs % 1_000 > 0) throw new Error('seconds, please');
        return super.set(key, text, ttlMs);
      }
    },
    [/^a ttl of 1 ms/, /^a ttl of 999 ms/, /^a ttl of 1001 ms/],
  ],
  [
    'ends all by noon',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        return super.set(key, text, ttlMs === 86_400_000 ? 0 : ttlMs);
      }
    },
    [/^a ttl of 86400000 ms/],
  ],
  [
    'takes texts for values',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        const isValue = text === '' || /^\d+$|^\{|^:base64:/.test(text);
        return super.set(key, isValue ? `${text} ` : text, ttlMs);
      }
    },
    [/is empty/, /is a number/, /is JSON/, /is not JSON/, /is Keyv's marks/],
  ],
  [
    'keeps bytes of one kind',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        return super.set(key, Buffer.from(text, 'latin1').toString('latin1'), ttlMs);
      }
    },
    [/is unicode/],
  ],
  [
    'cuts off big texts',
    class extends PlainStore {
      override set(key: string, text: string, ttlMs: number): Promise<void> {
        return super.set(key, text.slice(0, 65_536), ttlMs);
      }
    },
    [/^a big text/],
  ],
  [
    'is full after 40 keys',
    class extends PlainStore {
      override async set(key: string, text: string, ttlMs: number): Promise<void> {
        const oldest = [...this.rows.keys()].at(-40);
        if (oldest !== undefined) this.rows.delete(oldest);
        return super.set(key, text, ttlMs);
      }
    },
    [/^50 keys go in/],
  ],
  [
    'gives the answer of the command before',
    class extends PlainStore {
      #last: readonly (string | undefined)[] = [];
      override async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
        const found = await super.getMany(keys);
        await Promise.resolve();
        const isFirst = this.#last.length === 0;
        const before = this.#last;
        this.#last = found;
        return isFirst ? found : before;
      }
    },
    [/^concurrent commands/],
  ],
  [
    'works on when it is closed',
    class extends PlainStore {
      override async close(): Promise<void> {}
    },
    [/^commands after close/],
  ],
  [
    'does not say that it is closed in our words',
    class extends PlainStore {
      protected override check(): void {
        if (this.isClosed) throw new Error('closed');
      }
    },
    [/^commands after close/],
  ],
  [
    'keeps what it has to itself',
    class extends PlainStore {
      constructor(clock: ManualClock) {
        super(clock, new Map());
      }
    },
    [/^two over the same data/, /^of many that add at once/],
  ],
  [
    'adds over what is there',
    class extends PlainStore {
      override async add(key: string, text: string, ttlMs: number): Promise<boolean> {
        await this.set(key, text, ttlMs);
        return true;
      }
    },
    [/^add writes where nothing is/, /^of many that add at once/],
  ],
  [
    'looks before it adds',
    class extends PlainStore {
      override async add(key: string, text: string, ttlMs: number): Promise<boolean> {
        const [found] = await this.getMany([key]);
        if (found !== undefined) return false;
        await this.set(key, text, ttlMs);
        return true;
      }
    },
    [/^of many that add at once/],
  ],
  [
    'adds for ever',
    class extends PlainStore {
      override add(key: string, text: string): Promise<boolean> {
        return super.add(key, text, Infinity);
      }
    },
    [/^what was added ends/],
  ],
  [
    'cannot add',
    class extends PlainStore {
      override add = undefined as never;
    },
    [/^add writes where nothing is/, /^what was added ends/, /^of many that add at once/],
  ],
  [
    'says that it touches and does not',
    class extends PlainStore {
      override async touch(key: string): Promise<boolean> {
        return this.row(key) !== undefined;
      }
    },
    [/^touch restarts the ttl/, /^touch can shorten/],
  ],
  [
    'brings back what it touches',
    class extends PlainStore {
      override async touch(key: string, ttlMs: number): Promise<boolean> {
        await this.set(key, this.row(key)?.text ?? '', ttlMs);
        return true;
      }
    },
    [/^touch says false for what is gone/],
  ],
];

it('is kept by a store that does all of it', async () => {
  expect(await brokenFacts(contractOf(PlainStore))).toEqual([]);
});

describe.each(wrongs)('a store that %s', (_what, Store, facts) => {
  it('does not keep the facts that say so', async () => {
    const broken = await brokenFacts(contractOf(Store));
    expect(facts.filter((fact) => !broken.some((name) => fact.test(name)))).toEqual([]);
  });
});

describe('the facts', () => {
  it('can each be broken by one of these stores', () => {
    const names = contractOf(PlainStore).map(({ name }) => name);
    const seen = (name: string): boolean => wrongs.some(([, , facts]) => facts.some((fact) => fact.test(name)));
    expect(names.filter((name) => !seen(name))).toEqual([]);
    expect(names).toHaveLength(new Set(names).size);
  });

  it('say of a store which can more than was said what to say', async () => {
    const clock = manualClock();
    const facts = storeContract({ open: () => new PlainStore(clock), shares: false, clock });
    const failing = facts.filter(({ name }) => /^does not/.test(name)).map(({ run }) => run());
    await expect(failing[0]).rejects.toThrow('it has add: say so by adds: true');
    await expect(failing[1]).rejects.toThrow('it has touch: say so by touches: true');
  });

  it('are kept by a Keyv, whose rows end by the clock', async () => {
    const [clock, rows] = [manualClock(), new Map<string, unknown>()];
    const open = (): Keyv => new Keyv({ store: rows });
    expect(await brokenFacts(storeContract({ open, clock, manyKeys: 50 }))).toEqual([]);
  });

  it('are kept by a faulty store that has no faults', async () => {
    const [clock, rows]: [ManualClock, Rows] = [manualClock(), new Map()];
    const open = (): Backend => faultyStore(new PlainStore(clock, rows), () => undefined, { clock });
    expect(await brokenFacts(storeContract({ open, adds: true, touches: true, clock, manyKeys: 50 }))).toEqual([]);
  });

  it('have a limit of time each', () => {
    for (const { timeoutMs } of contractOf(PlainStore)) expect(timeoutMs).toBeGreaterThan(10_000);
  });

  it('need something that opens a store', () => {
    expect(() => storeContract({} as never)).toThrow('storeContract: open is no function; write what gives a store');
  });
});

describe('a test', () => {
  it('closes all that it has opened, also where the fact is not so', async () => {
    const [opened, closed] = [[] as Keyv[], [] as Keyv[]];
    const open = (): Keyv => {
      opened.push(new Keyv());
      return opened.at(-1) as Keyv;
    };
    const facts = storeContract({ open, close: async (keyv) => closed.push(keyv), clock: manualClock(), manyKeys: 5 });
    // Each Keyv has data of its own, so that those that are to share do not.
    expect(await brokenFacts(facts)).toEqual([expect.stringMatching(/^two over the same data/)]);
    expect(closed).toHaveLength(opened.length);
    expect(new Set(closed)).toEqual(new Set(opened));
  });
});
