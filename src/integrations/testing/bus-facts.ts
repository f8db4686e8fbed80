/** What every bus does, whatever carries it: the facts that the cache builds upon. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Bus } from '../../stores/bus.js';
import { ended, type Patience, until, type Wait } from './contract.js';

/** The options, with what is left out. */
export interface Terms extends Patience {
  readonly quietMs: number;
}

/** What a fact is stated about. */
export interface Subject extends Terms {
  /** A connection, which is closed after the test. */
  readonly connect: () => Promise<Bus>;
  /** What all texts of this test begin with, and those of no other. */
  readonly run: string;
}

export interface Fact {
  readonly name: string;
  readonly check: (subject: Subject) => Promise<void>;
}

/** What a bus is said to promise, and how its subscriptions are interrupted. */
export interface Promises {
  readonly ordered: boolean;
  readonly interrupt: (() => unknown) | undefined;
}

export function busFacts({ ordered, interrupt }: Promises): readonly Fact[] {
  return [
    ...delivering,
    ...texts.map(carriesText),
    ...(ordered ? inOrder : []),
    ...publishing,
    ...closing,
    ...(interrupt ? interrupting(interrupt) : []),
  ];
}

// -------------------------------------------------------------------------------------------------------- members

/** One who has subscribed. */
class Member {
  readonly id = `member-${randomUUID().slice(0, 8)}`;
  readonly heard: string[] = [];
  readonly probes = new Set<string>();
  readonly bus: Bus;
  interruptions = 0;

  constructor(bus: Bus, run: string) {
    this.bus = bus;
    bus.subscribe(this.id, {
      message: (text) => {
        if (text.startsWith(probe)) this.probes.add(text);
        else if (text.startsWith(run)) this.heard.push(text);
      },
      interrupted: () => void this.interruptions++,
    });
  }
}

const probe = 'probe:';

/** So many members, when all of them hear each other. */
async function join<Count extends keyof Group>(count: Count, subject: Subject): Promise<Group[Count]> {
  const members: Member[] = [];
  for (let i = 0; i < count; i++) members.push(new Member(await subject.connect(), subject.run));
  await allHear(members, subject);
  return members as unknown as Group[Count];
}

interface Group {
  readonly 1: readonly [Member];
  readonly 2: readonly [Member, Member];
  readonly 3: readonly [Member, Member, Member];
}

/** A subscription is not there at once, and nobody says when it is: what is said before is lost. */
async function allHear(members: readonly Member[], subject: Subject): Promise<void> {
  const run = randomUUID();
  const toAll = members.map(({ id }) => `${probe}${run} ${id}`);
  const isDone = (): boolean =>
    members.every((member) => [...toAll, toOne(member)].every((text) => member.probes.has(text)));
  const toOne = ({ id }: Member): string => `${probe}${run} to ${id}`;
  const sayAgain = (member: Member): void => {
    // What cannot be sent yet is sent once more.
    publish(member.bus, `${probe}${run} ${member.id}`).catch(() => undefined);
    publish(member.bus, toOne(member), member.id).catch(() => undefined);
  };
  const again: Wait = (ms) => {
    members.forEach(sayAgain);
    return subject.wait(ms);
  };
  await until(`all ${members.length} subscribers hear all`, isDone, { ...subject, wait: again });
}

/** A text that no other test sends. */
function textOf({ run }: Subject, content: string): string {
  return `${run} ${content}`;
}

/** A bus may throw instead of rejecting. */
async function publish(bus: Bus, text: string, to?: string): Promise<unknown> {
  return bus.publish(text, to);
}

/** Publishes while all is well; what publishing gives. */
async function say(bus: Bus, text: string, subject: Subject, to?: string): Promise<unknown> {
  const result = await ended('publishing', publish(bus, text, to), subject);
  if (result.status === 'fulfilled') return result.value;
  assert.fail(`publishing rejects: ${String(result.reason)}`);
}

function hears(member: Member, text: string, subject: Subject): Promise<void> {
  return until(`a subscriber hears '${text.slice(0, 80)}'`, () => member.heard.includes(text), subject);
}

// ---------------------------------------------------------------------------------------------------------- facts

const delivering: Fact[] = [
  {
    name: 'a message comes to every subscriber, the sender included',
    async check(subject) {
      const members = await join(3, subject);
      const text = textOf(subject, 'to all');
      await say(members[0].bus, text, subject);
      for (const member of members) await hears(member, text, subject);
    },
  },
  {
    name: 'a message to one comes to that one',
    async check(subject) {
      const [here, there] = await join(2, subject);
      const [toOther, toSelf] = [textOf(subject, 'to the other'), textOf(subject, 'to oneself')];
      await say(here.bus, toOther, subject, there.id);
      await say(here.bus, toSelf, subject, here.id);
      await hears(there, toOther, subject);
      await hears(here, toSelf, subject);
    },
  },
  {
    name: 'who has not subscribed can publish',
    async check(subject) {
      const [member] = await join(1, subject);
      const [toAll, toOne] = [textOf(subject, 'to all'), textOf(subject, 'to one')];
      const stranger = await subject.connect();
      await say(stranger, toAll, subject);
      await say(stranger, toOne, subject, member.id);
      await hears(member, toAll, subject);
      await hears(member, toOne, subject);
    },
  },
];

const texts: (readonly [what: string, text: string])[] = [
  ['of JSON', '["1","removed",{"a":null}]'],
  ['in unicode', 'žluťoučký 馬 🐎 \u0000 \u2028 \r\n'],
  ['of 100,000 characters', 'é0123456789'.repeat(9_091)],
];

const carriesText = ([what, content]: (typeof texts)[number]): Fact => ({
  name: `a message ${what} comes as it was`,
  async check(subject) {
    const [here, there] = await join(2, subject);
    const text = textOf(subject, content);
    await say(here.bus, text, subject);
    await until('a subscriber hears it', () => there.heard.length > 0, subject);
    // Not by assert.equal, whose message would have both texts.
    assert.ok(there.heard.includes(text), 'it came, and was another one');
  },
});

const inOrder: Fact[] = [
  {
    name: 'the messages of one sender come in their order',
    async check(subject) {
      const [here, there] = await join(2, subject);
      const sent = Array.from({ length: 100 }, (_, index) => textOf(subject, `${index}`));
      await Promise.all(sent.map((text) => say(here.bus, text, subject)));
      for (const text of sent) await hears(there, text, subject);
      assert.deepEqual([...new Set(there.heard)], sent);
    },
  },
];

const publishing: Fact[] = [
  {
    name: 'publishing ends, and if it gives a number that counts all subscribers',
    async check(subject) {
      const [here] = await join(2, subject);
      const given = await say(here.bus, textOf(subject, 'to be counted'), subject);
      if (typeof given !== 'number') return;
      assert.ok(given >= 2, `publishing gives ${given} where there are 2 subscribers`);
    },
  },
  {
    name: 'nobody is told of an interruption while there is none',
    async check(subject) {
      const members = await join(2, subject);
      const before = members.map(({ interruptions }) => interruptions);
      await say(members[0].bus, textOf(subject, 'quiet'), subject);
      await subject.wait(subject.quietMs);
      assert.deepEqual(
        members.map(({ interruptions }) => interruptions),
        before,
      );
    },
  },
];

const closing: Fact[] = [
  {
    name: 'nothing comes after close, and the others go on',
    async check(subject) {
      const [here, there, third] = await join(3, subject);
      await there.bus.close();
      const [toAll, toOne] = [textOf(subject, 'to all'), textOf(subject, 'to one')];
      await say(here.bus, toAll, subject);
      await ended('publishing to one that is closed', publish(here.bus, toOne, there.id), subject);
      await hears(here, toAll, subject);
      await hears(third, toAll, subject);
      await subject.wait(subject.quietMs);
      assert.deepEqual(there.heard, []);
    },
  },
  {
    name: 'close ends, and a second close does nothing',
    async check(subject) {
      const [member] = await join(1, subject);
      for (const bus of [member.bus, await subject.connect()]) {
        for (const which of ['close', 'a second close']) {
          const { status } = await ended(which, bus.close(), subject);
          assert.equal(status, 'fulfilled', `${which} rejects`);
        }
      }
    },
  },
  {
    name: 'publishing after close ends, well or badly',
    async check(subject) {
      const [here, there] = await join(2, subject);
      await here.bus.close();
      await ended('publishing after close', publish(here.bus, textOf(subject, 'after close')), subject);
      await ended('publishing after close', publish(here.bus, textOf(subject, 'after close'), there.id), subject);
    },
  },
];

const interrupting = (interrupt: () => unknown): Fact[] => [
  {
    name: 'an interruption is told to every subscriber, and messages come again after it',
    async check(subject) {
      const members = await join(2, subject);
      const before = members.map(({ interruptions }) => interruptions);
      await interrupt();
      const isTold = (): boolean => members.every(({ interruptions }, index) => interruptions > (before[index] ?? 0));
      await until('every subscriber is told of the interruption', isTold, subject);
      await allHear(members, subject);
    },
  },
];
