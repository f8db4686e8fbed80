/** What every store does, whatever it stands for, and what some can: the facts that the cache builds upon. */

import assert from 'node:assert/strict';
import { monotonicMs } from '../../policies/deadline.js';
import { type Backend, failureOf } from '../../stores/backend.js';
import type { Wait } from './contract.js';

/** What a fact is stated about. */
export interface Subject {
  readonly store: Backend;
  /** Another one over the same data; closed with the first one. */
  readonly open: () => Promise<Backend>;
  /** A key that no other test has. */
  readonly key: (suffix: string | number) => string;
}

export interface Fact {
  readonly name: string;
  /** Default: {@link usualTimeoutMs}. */
  readonly timeoutMs?: number;
  readonly check: (subject: Subject, terms: Terms) => Promise<void>;
}

/** The options, with what is left out. */
export interface Terms {
  readonly tickMs: number;
  readonly bigBytes: number;
  readonly manyKeys: number;
  readonly wait: Wait;
  /** Time enough for a command, short enough to wait for. */
  readonly shortMs: number;
  /** When a key of {@link shortMs} is gone for certain. */
  readonly overMs: number;
}

/** What a store is said to be able to. */
export interface Abilities {
  readonly adds: boolean;
  readonly touches: boolean;
  /** Whether two of them can be over the same data. */
  readonly shares: boolean;
}

/** In the order in which it is of use to see them fail. */
export function storeFacts({ adds, touches, shares }: Abilities, { manyKeys }: Terms): readonly Fact[] {
  return [
    ...about,
    ...reading,
    ...lifetimes,
    ...ttls.map(takesTtl),
    ...texts.map(keepsText),
    ...manyAtOnce(manyKeys),
    ...closing,
    ...(shares ? sharing : []),
    ...(adds ? adding : cannot('add')),
    ...(adds && shares ? addingAtOnce : []),
    ...(touches ? touching : cannot('touch')),
  ];
}

const minuteMs = 60_000;
const dayMs = 86_400_000;

// ------------------------------------------------------------------------------------------- what every store does

const about: Fact[] = [
  {
    name: 'has a name for messages and a bound for texts',
    async check({ store }, { tickMs }) {
      assert.match(store.name, /\S/);
      assert.ok(store.maxTextBytes > 1_000_000, `maxTextBytes is ${store.maxTextBytes}, and a megabyte has to pass`);
      const lateByMs = store.lateByMs ?? 0;
      assert.ok(lateByMs >= tickMs, `lateByMs is ${lateByMs}, less than a tick of its clock of ${tickMs} ms`);
    },
  },
];

const reading: Fact[] = [
  {
    name: 'getMany gives texts in the order of the keys and undefined for what is absent',
    async check({ store, key }) {
      await Promise.all([store.set(key('b'), 'B', minuteMs), store.set(key('a'), 'A', minuteMs)]);
      const found = await store.getMany([key('x'), key('a'), key('y'), key('b'), key('a')]);
      assert.deepEqual(found, [undefined, 'A', undefined, 'B', 'A']);
      assert.deepEqual(await store.getMany([key('a')]), ['A']);
    },
  },
  {
    name: 'nothing asked is nothing answered',
    async check({ store }) {
      assert.deepEqual(await store.getMany([]), []);
      assert.equal(await store.deleteMany([]), undefined);
    },
  },
  {
    name: 'keys that differ only in their ends do not meet',
    async check({ store, key }) {
      const keys = ['q', 'q!', 'Q', '{q}', '{q}2', 'q:', ':q', 'keyv:q'].map(key);
      await Promise.all(keys.map((name) => store.set(name, name, minuteMs)));
      assert.deepEqual(await store.getMany(keys), keys);
    },
  },
  {
    name: 'a key of 250 bytes is legal',
    async check({ store, key }) {
      const long = key('').padEnd(250, 'k');
      await store.set(long, 'long', minuteMs);
      assert.deepEqual(await store.getMany([long]), ['long']);
    },
  },
  {
    name: 'deleteMany removes all, whether they were there or not, and nothing else',
    async check({ store, key }) {
      await Promise.all(['a', 'b', 'c'].map((name) => store.set(key(name), name, minuteMs)));
      assert.equal(await store.deleteMany([key('a'), key('absent'), key('b'), key('a')]), undefined);
      assert.deepEqual(await store.getMany([key('a'), key('b'), key('c')]), [undefined, undefined, 'c']);
      assert.equal(await store.deleteMany([key('a'), key('absent')]), undefined);
    },
  },
];

const lifetimes: Fact[] = [
  {
    name: 'set replaces the text and its ttl',
    async check({ store, key }, { shortMs, overMs, wait }) {
      await store.set(key('a'), 'old', shortMs);
      await store.set(key('a'), 'new', Infinity);
      await wait(overMs);
      assert.deepEqual(await store.getMany([key('a')]), ['new']);
    },
  },
  {
    name: 'a text is gone after its ttl, and not before',
    async check({ store, key }, { shortMs, overMs, wait }) {
      const start = monotonicMs();
      await store.set(key('a'), 'A', shortMs);
      await store.set(key('b'), 'B', minuteMs);
      await wait(shortMs * 0.75);
      const found = await store.getMany([key('a'), key('b')]);
      // On a machine that was busy for so long it says nothing.
      if (monotonicMs() - start < shortMs) assert.deepEqual(found, ['A', 'B']);
      await wait(overMs - shortMs * 0.75);
      assert.deepEqual(await store.getMany([key('a'), key('b')]), [undefined, 'B']);
    },
  },
];

const ttls = [1, 999, 1_001, dayMs, 31 * dayMs, 400 * dayMs, 200 * 365 * dayMs, Infinity];

const takesTtl = (ttlMs: number): Fact => ({
  name: `a ttl of ${ttlMs} ms is taken`,
  async check({ store, key }) {
    await store.set(key('a'), 'A', ttlMs);
    if (ttlMs > 100) assert.deepEqual(await store.getMany([key('a')]), ['A']);
  },
});

const texts: (readonly [what: string, text: string])[] = [
  ['empty', ''],
  ['a number', '42'],
  ['JSON', '{"value":"x","expires":1}'],
  ['not JSON', '{"value":'],
  ['unicode', 'žluťoučký 馬 🐎 \u0000 \u2028 \r\n'],
  ["Keyv's marks", ':base64:AAAA'],
];

const keepsText = ([what, text]: (typeof texts)[number]): Fact => ({
  name: `a text that is ${what} comes back as it was`,
  async check({ store, key }) {
    await store.set(key('a'), text, minuteMs);
    assert.deepEqual(await store.getMany([key('a')]), [text]);
  },
});

const manyAtOnce = (manyKeys: number): Fact[] => [
  {
    name: 'a big text comes back as it was',
    async check({ store, key }, { bigBytes }) {
      const text = 'é0123456789'.repeat(Math.ceil(bigBytes / 12));
      await store.set(key('big'), text, minuteMs);
      const [found] = await store.getMany([key('big')]);
      // Not by assert.equal, whose message would have both texts.
      assert.ok(found === text, `of ${text.length} characters ${found?.length ?? 0} came back, or other ones`);
    },
  },
  {
    name: `${manyKeys} keys go in, come out in order and are deleted`,
    timeoutMs: 60_000,
    async check({ store, key }) {
      const keys = Array.from({ length: manyKeys }, (_, index) => key(index));
      await Promise.all(keys.map((name, index) => store.set(name, `${index}`, minuteMs)));
      const found = await store.getMany(keys);
      assert.equal(found.length, keys.length);
      assert.equal(
        found.findIndex((text, index) => text !== `${index}`),
        -1,
        'the index of one that is wrong',
      );
      await store.deleteMany(keys);
      assert.equal(
        (await store.getMany(keys)).findIndex((text) => text !== undefined),
        -1,
        'the index of one that is left',
      );
    },
  },
  {
    name: 'concurrent commands do not mix up their answers',
    async check({ store, key }) {
      const rounds = Array.from({ length: 200 }, async (_, index) => {
        await store.set(key(index), `v${index}`, minuteMs);
        assert.deepEqual(await store.getMany([key(index), key(`none${index}`)]), [`v${index}`, undefined]);
      });
      await Promise.all(rounds);
    },
  },
];

const closing: Fact[] = [
  {
    name: 'commands after close reject, and a second close does nothing',
    async check({ store, key }) {
      await store.set(key('a'), 'A', minuteMs);
      await store.close();
      assert.equal(await store.close(), undefined);
      const commands: [what: string, command: () => Promise<unknown> | undefined][] = [
        ['getMany', () => store.getMany([key('a')])],
        ['set', () => store.set(key('a'), 'B', 1_000)],
        ['deleteMany', () => store.deleteMany([key('a')])],
        ['add', () => store.add?.(key('b'), 'B', 1_000)],
        ['touch', () => store.touch?.(key('a'), 1_000)],
      ];
      for (const [what, command] of commands) {
        const begun = command();
        if (begun) await assert.rejects(begun, isUnreachable(what));
      }
    },
  },
];

function isUnreachable(what: string): (error: unknown) => true {
  return (error) => {
    assert.equal(failureOf(error), 'unreachable', `failure of what ${what} rejects with: ${String(error)}`);
    return true;
  };
}

const sharing: Fact[] = [
  {
    name: 'two over the same data see the same, and one goes on when the other is closed',
    async check({ store, open, key }) {
      const other = await open();
      await store.set(key('a'), 'A', minuteMs);
      assert.deepEqual(await other.getMany([key('a')]), ['A']);
      await other.deleteMany([key('a')]);
      assert.deepEqual(await store.getMany([key('a')]), [undefined]);
      await other.close();
      await store.set(key('a'), 'still open', minuteMs);
      assert.deepEqual(await store.getMany([key('a')]), ['still open']);
    },
  },
];

// ------------------------------------------------------------------------------------------- what some stores can

const cannot = (what: 'add' | 'touch'): Fact[] => [
  {
    name: what === 'add' ? 'does not add' : 'does not touch',
    async check({ store }) {
      assert.equal(store[what], undefined, `it has ${what}: say so by ${what === 'add' ? 'adds' : 'touches'}: true`);
    },
  },
];

/** @throws AssertionError if the store has no `add` */
function adder({ store }: Pick<Subject, 'store'>): NonNullable<Backend['add']> {
  const { add } = store;
  assert.ok(add, 'it is said that it adds, and it has no add');
  return (...args) => add.apply(store, args);
}

/** @throws AssertionError if the store has no `touch` */
function toucher({ store }: Pick<Subject, 'store'>): NonNullable<Backend['touch']> {
  const { touch } = store;
  assert.ok(touch, 'it is said that it touches, and it has no touch');
  return (...args) => touch.apply(store, args);
}

const adding: Fact[] = [
  {
    name: 'add writes where nothing is, and nowhere else',
    async check({ store, key }) {
      const add = adder({ store });
      assert.equal(await add(key('a'), 'first', minuteMs), true);
      assert.equal(await add(key('a'), 'second', minuteMs), false);
      assert.deepEqual(await store.getMany([key('a')]), ['first']);
      await store.deleteMany([key('a')]);
      assert.equal(await add(key('a'), 'third', Infinity), true);
      assert.deepEqual(await store.getMany([key('a')]), ['third']);
    },
  },
  {
    name: 'what was added ends by its ttl, and can be added again',
    async check({ store, key }, { shortMs, overMs, wait }) {
      const add = adder({ store });
      assert.equal(await add(key('a'), 'A', shortMs), true);
      await wait(overMs);
      assert.equal(await add(key('a'), 'B', minuteMs), true);
    },
  },
];

const addingAtOnce: Fact[] = [
  {
    name: 'of many that add at once exactly one writes',
    async check({ store, open, key }) {
      const [here, there] = [adder({ store }), adder({ store: await open() })];
      const adds = Array.from({ length: 50 }, async (_, index) => {
        const isMine = await (index % 2 ? there : here)(key('a'), `${index}`, minuteMs);
        return isMine ? `${index}` : undefined;
      });
      const winners = (await Promise.all(adds)).filter((text) => text !== undefined);
      assert.equal(winners.length, 1, `those that wrote: ${winners.join(' ')}`);
      assert.deepEqual(await store.getMany([key('a')]), winners);
    },
  },
];

const touching: Fact[] = [
  {
    name: 'touch restarts the ttl without changing the text',
    async check({ store, key }, { shortMs, overMs, wait }) {
      await store.set(key('a'), 'A', shortMs);
      await store.set(key('b'), 'B', shortMs);
      assert.equal(await toucher({ store })(key('a'), minuteMs), true);
      await wait(overMs);
      assert.deepEqual(await store.getMany([key('a'), key('b')]), ['A', undefined]);
    },
  },
  {
    name: 'touch can shorten a ttl and take it away',
    async check({ store, key }, { shortMs, overMs, wait }) {
      const touch = toucher({ store });
      await store.set(key('a'), 'A', Infinity);
      await store.set(key('b'), 'B', shortMs);
      assert.equal(await touch(key('a'), shortMs), true);
      assert.equal(await touch(key('b'), Infinity), true);
      assert.equal(await touch(key('b'), Infinity), true);
      await wait(overMs);
      assert.deepEqual(await store.getMany([key('a'), key('b')]), [undefined, 'B']);
    },
  },
  {
    name: 'touch says false for what is gone and brings nothing back',
    async check({ store, key }) {
      const touch = toucher({ store });
      assert.equal(await touch(key('a'), minuteMs), false);
      assert.equal(await touch(key('a'), Infinity), false);
      assert.deepEqual(await store.getMany([key('a')]), [undefined]);
    },
  },
];
