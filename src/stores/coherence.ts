/**
 * Keeps what processes remember coherent: who removes something tells all others, and waits until each of them has
 * answered or can no longer trust what it remembers. Hides heartbeats, leases and acknowledgements.
 *
 *   P0 trusts Ga=1 · P1 deletes Ga and announces it, as one · P0 is frozen, or the message is lost
 *
 * P1 returns `done` when P0 has answered; or when P0 has been silent for as long as its lease can last, as P0 then trusts
 * nothing until heartbeats of its own have come back, and before those everything that was announced.
 */

import { crypto } from '../policies/crypto.js';
import { machineTime, type Time, withDeadline } from '../policies/deadline.js';
import type { BusState } from '../base/insight.js';
import { everyLeaseMs, heartbeatMs, Lease, Roster } from '../policies/lease.js';
import { type BusMessage, readMessage, type StoreBus, writeMessage } from './bus.js';
import { type Answering, Questions } from './questions.js';

/**
 * Resolves when no other process trusts what it remembers of what was removed; to false if one neither answers nor ends.
 */
export type Acknowledged = () => Promise<boolean>;

/** What removes keys from a store, and tells others of it. */
export interface Remover {
  /** Resolves when the store has acknowledged. */
  remove(names: readonly string[]): Promise<Acknowledged>;
  /** Asks the other processes; resolves with what they said when all have answered, and at the latest after `waitMs`. */
  ask(question: string, waitMs: number): Promise<readonly string[]>;
  readonly state: BusState;
  /** Tells that nobody needs to wait for this process any more. */
  close(): Promise<void>;
}

export interface CoherenceOptions {
  readonly bus: StoreBus;
  /**
   * Whether this process remembers anything itself. One that does not only announces what it removes, and listens for
   * answers from the first time on that there is somebody to answer.
   */
  readonly remembers: boolean;
  /** Deletes where the bus cannot do it at one moment with the message. */
  readonly deleteMany: (names: readonly string[]) => Promise<void>;
  /** Another process has removed these: forgets what is known of them here. Resolves when nothing brings it back. */
  readonly forget: (names: readonly string[]) => Promise<void>;
  /** Another process asks about this one; undefined: nothing is said. */
  readonly answer: Answering;
  /** The number of the connection over which the bus publishes; another one after each reconnect. Default: always the same. */
  readonly session?: () => number;
  readonly report: (message: string, cause?: unknown) => void;
  /** Default: the machine's. */
  readonly time?: Time;
}

/** Before it is trusted a process sends heartbeats in short order. */
const hurryMs = 100;
/** An announcement that has not been answered is sent again and again. */
const repeatMs = 100;
/** Who waits for answers waits no longer than this; a process that lives and does not answer is in a bad way. */
const patienceMs = 4_000;
/** A subscription on which no heartbeat has come back for so long is made anew. */
const deadAfterMs = 5_000;

/** Who does not hear that this process leaves waits for it as for one that is silent. */
const farewellMs = 100;

interface Announcement {
  readonly message: string;
  readonly answered: Set<string>;
  /** When the store acknowledged the removal; undefined before. */
  removedAt: number | undefined;
  /** When the message was sent, for the first time; undefined before. Leases are counted from then. */
  sentAt: number | undefined;
  repeatedAt: number;
  /** The message came back, and so did everything that was sent before it. */
  echoed: boolean;
  /** Whoever waits is told, once. */
  settle: (isDone: boolean) => void;
}

const nobodyWaits = (): void => {};
const done: Acknowledged = () => Promise.resolve(true);

export class Coherence implements Remover {
  readonly #id = crypto().randomBytes(9).toString('base64url');
  readonly #options: CoherenceOptions;
  readonly #time: Time;
  readonly #lease = new Lease();
  readonly #roster = new Roster();
  readonly #announcements = new Map<number, Announcement>();
  #announced = 0;
  readonly #questions: Questions;
  /** How many announcements somebody waits for; then the process is kept alive. */
  #waiting = 0;
  #aliveAt: number;
  #isSubscribed = false;
  /** Whether questions reach this process without a subscription. */
  #isAttending = false;
  /** Since when every message has been heard. Peers beat more often than once in a lease, so after that time all are known. */
  #listeningSince = Infinity;
  /** Of the store's connection, when the last heartbeat was sent. */
  #session = 0;
  #isPublishFailureTold = false;
  #cancelBeat: () => void = () => {};
  #cancelCheck: (() => void) | undefined;
  #closed = false;

  /** Subscribes at once where this process remembers something, else to questions alone; nobody needs to wait for it. */
  constructor(options: CoherenceOptions) {
    this.#options = options;
    this.#time = options.time ?? machineTime;
    this.#aliveAt = this.#time.monotonicMs();
    this.#questions = new Questions({
      id: this.#id,
      bus: options.bus,
      answer: options.answer,
      publish: (message, to) => this.#tryToPublish(message, to),
      time: this.#time,
    });
    if (!options.remembers) {
      this.#attend();
      return;
    }
    this.#subscribe();
    // Not yet: whoever makes this cannot be told of anything before he has it.
    this.#cancelBeat = this.#time.later(0, () => this.#beat());
  }

  /** Whether deletion and message are one, so that a process which has no message has nothing to forget. */
  get isAtomic(): boolean {
    return this.#options.bus.deleteAndPublish !== undefined;
  }

  /** 0 while nothing that is remembered is to be trusted; see {@link Lease.era}. */
  era(nowMs: number): number {
    return this.#lease.era(nowMs);
  }

  async remove(names: readonly string[]): Promise<Acknowledged> {
    const announced = ++this.#announced;
    const message = writeMessage({ kind: 'removed', from: this.#id, announced, names });
    const announcement: Announcement = {
      message,
      answered: new Set(),
      removedAt: undefined,
      sentAt: undefined,
      repeatedAt: 0,
      echoed: false,
      settle: nobodyWaits,
    };
    this.#announcements.set(announced, announcement);
    try {
      const receivers = await this.#removeAndTell(names, announcement);
      if (receivers === 0 && !this.#isSubscribed) {
        this.#announcements.delete(announced);
        return done;
      }
    } catch (error) {
      // The number stays used: whoever misses it trusts less, which is right if the message was sent after all.
      this.#announcements.delete(announced);
      throw error;
    }
    this.#subscribe();
    // Also where nobody waits: a replay is repeated as well to those that have not heard.
    this.#checkLater();
    return () => this.#acknowledged(announced, announcement);
  }

  async #removeAndTell(names: readonly string[], announcement: Announcement): Promise<unknown> {
    const { bus, deleteMany } = this.#options;
    const { message } = announcement;
    let receivers: unknown;
    if (bus.deleteAndPublish) receivers = await bus.deleteAndPublish(names, message);
    else await deleteMany(names);
    announcement.removedAt = announcement.repeatedAt = this.#time.monotonicMs();
    if (!bus.deleteAndPublish) return this.#send(announcement);
    announcement.sentAt = announcement.removedAt;
    return receivers;
  }

  /** Resolves, also where it fails: then it is sent again. */
  async #send(announcement: Announcement): Promise<unknown> {
    const sent = await this.#tryToPublish(announcement.message);
    if (sent) announcement.sentAt ??= this.#time.monotonicMs();
    return sent?.receivers;
  }

  #acknowledged(announced: number, announcement: Announcement): Promise<boolean> {
    if (this.#closed) return Promise.resolve(false);
    this.#check(announced, announcement, this.#roster.live(this.#time.monotonicMs()));
    if (!this.#announcements.has(announced)) return Promise.resolve(true);
    return new Promise((resolve) => {
      announcement.settle = resolve;
      this.#waiting++;
      this.#cancelCheck?.();
      this.#cancelCheck = undefined;
      this.#checkLater();
    });
  }

  get state(): BusState {
    const nowMs = this.#time.monotonicMs();
    const peers = this.#roster.live(nowMs).length;
    if (!this.#options.remembers) return { state: 'idle', peers };
    return { state: this.era(nowMs) > 0 ? 'trusted' : 'untrusted', peers };
  }

  ask(question: string, waitMs: number): Promise<readonly string[]> {
    if (this.#closed) return Promise.resolve([]);
    if (!this.#isAttending) this.#subscribe();
    return this.#questions.ask(question, waitMs);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#cancelBeat();
    this.#cancelCheck?.();
    for (const announcement of this.#announcements.values()) this.#settle(announcement, false);
    this.#announcements.clear();
    this.#questions.close();
    if (this.#isSubscribed) await this.#takeLeave();
    if (this.#isSubscribed || this.#isAttending) await this.#options.bus.close();
  }

  async #takeLeave(): Promise<void> {
    const bye = this.#tryToPublish(writeMessage({ kind: 'bye', from: this.#id }));
    await withDeadline(bye, farewellMs, { time: this.#time }).catch(() => undefined);
  }

  /**
   * What is heard this way says nothing of announcements: it must not be taken for a sign that all of those were heard.
   *
   *   P1 attends, and asks: its question comes back · P1 subscribes for its first announcement, and knows nobody yet
   */
  #attend(): void {
    const { bus } = this.#options;
    this.#isAttending = bus.attend !== undefined;
    bus.attend?.(this.#id, {
      message: (text) => {
        const message = readMessage(text);
        if (message && !this.#closed) this.#receiveQuestion(message);
      },
    });
  }

  #subscribe(): void {
    if (this.#isSubscribed || this.#closed) return;
    this.#isSubscribed = true;
    this.#options.bus.subscribe(this.#id, {
      message: (text) => this.#receive(text),
      interrupted: () => this.#interrupted(),
    });
  }

  // ------------------------------------------------------------------------------------------ heartbeats

  #beat(): void {
    const now = this.#time.monotonicMs();
    const beat = this.#lease.beat(now);
    this.#publish(writeMessage({ kind: 'beat', from: this.#id, announced: this.#announced, beat }));
    const session = this.#options.session?.() ?? 0;
    // The commands go over a new connection, perhaps to another server: the subscription has to follow.
    const hasMoved = this.#session !== 0 && session !== this.#session;
    if (hasMoved || now - this.#aliveAt > deadAfterMs) this.#renew(now);
    this.#session = session;
    // Those that have gone without a word are forgotten.
    this.#roster.live(now);
    this.#cancelBeat = this.#time.later(this.era(now) > 0 ? heartbeatMs : hurryMs, () => this.#beat());
  }

  /** What came over the old subscription until now may not have been all. */
  #renew(now: number): void {
    this.#aliveAt = now;
    this.#interrupted();
    this.#options.bus.renew?.();
  }

  #interrupted(): void {
    this.#listeningSince = Infinity;
    this.#lease.lose();
  }

  #publish(message: string, to?: string): void {
    if (!this.#closed) void this.#tryToPublish(message, to);
  }

  /** Undefined if it fails. A bus of the user's may throw instead of rejecting. */
  async #tryToPublish(message: string, to?: string): Promise<{ readonly receivers: unknown } | undefined> {
    try {
      const receivers = await this.#options.bus.publish(message, to);
      this.#isPublishFailureTold = false;
      return { receivers };
    } catch (error) {
      this.#tellOnce(error);
      return undefined;
    }
  }

  /** Heartbeats come ten times a second; what is wrong is told once. */
  #tellOnce(error: unknown): void {
    if (this.#isPublishFailureTold || this.#closed) return;
    this.#isPublishFailureTold = true;
    const reason = error instanceof Error ? error.message : String(error);
    this.#options.report(`Other processes cannot be told of invalidations: ${reason}`, error);
  }

  // -------------------------------------------------------------------------------------------- messages

  #receive(text: string): void {
    const message = readMessage(text);
    if (!message || this.#closed) return;
    if (message.from === this.#id) this.#receiveOwn(message);
    else this.#receiveOther(message);
  }

  #receiveQuestion(message: BusMessage): void {
    const isOwn = message.from === this.#id;
    if (message.kind === 'ask' && isOwn) this.#questions.returned(message);
    if (message.kind === 'ask' && !isOwn) this.#questions.answerLater(message);
    if (message.kind === 'tell' && message.to === this.#id) this.#questions.answered(message);
  }

  #receiveOwn(message: BusMessage): void {
    const now = this.#time.monotonicMs();
    this.#aliveAt = now;
    this.#listeningSince = Math.min(this.#listeningSince, now);
    if (message.kind === 'beat') this.#lease.returned(message.beat, now);
    if (message.kind === 'ask') this.#questions.returned(message);
    if (message.kind !== 'removed') return;
    const announcement = this.#announcements.get(message.announced);
    if (!announcement) return;
    announcement.echoed = true;
    this.#check(message.announced, announcement, this.#roster.live(now));
  }

  #receiveOther(message: BusMessage): void {
    const now = this.#time.monotonicMs();
    if (message.kind === 'ask' || message.kind === 'tell') {
      this.#receiveQuestion(message);
      return;
    }
    if ('to' in message && message.to !== this.#id) return;
    if (message.kind === 'bye') {
      this.#roster.left(message.from);
      this.#checkAll();
      return;
    }
    if (message.kind === 'heard') {
      const announcement = this.#announcements.get(message.announced);
      announcement?.answered.add(message.from);
      if (announcement) this.#check(message.announced, announcement, this.#roster.live(now));
      return;
    }
    const { from, announced } = message;
    if (message.kind === 'beat') {
      if (!this.#roster.beat(from, announced, now)) this.#lease.lose();
      return;
    }
    if (!this.#roster.announcement(from, announced, now)) this.#lease.lose();
    void this.#answer(message);
  }

  async #answer({ from, announced, names }: Extract<BusMessage, { kind: 'removed' }>): Promise<void> {
    await this.#options.forget(names);
    this.#publish(writeMessage({ kind: 'heard', from: this.#id, announced, to: from }), from);
  }

  // ---------------------------------------------------------------------------------------------- answers

  #checkLater(): void {
    if (this.#closed || this.#announcements.size === 0) return;
    const check = (): void => {
      this.#cancelCheck = undefined;
      this.#checkAll();
    };
    this.#cancelCheck ??= this.#time[this.#waiting > 0 ? 'awaited' : 'later'](repeatMs / 4, check);
  }

  #checkAll(): void {
    const live = this.#roster.live(this.#time.monotonicMs());
    for (const [announced, announcement] of this.#announcements) this.#check(announced, announcement, live);
    this.#checkLater();
  }

  /** `live`: the peers that may still trust what they remember. */
  #check(announced: number, announcement: Announcement, live: readonly string[]): void {
    const { removedAt, sentAt = Infinity, echoed, answered } = announcement;
    if (removedAt === undefined) return;
    const now = this.#time.monotonicMs();
    const waitedMs = now - removedAt;
    // Who is not known yet, as this process has only begun to listen, trusts nothing after a lease's time: no heartbeat of
    // its own has come back by then, but for those before which it has heard this.
    const isEveryoneKnown = echoed && now - this.#listeningSince >= everyLeaseMs;
    const isKnown = isEveryoneKnown || now - sentAt >= everyLeaseMs;
    if (isKnown && live.every((id) => answered.has(id))) this.#end(announced, announcement, true);
    else if (waitedMs > forgottenAfterMs) this.#announcements.delete(announced);
    else if (waitedMs > patienceMs) this.#giveUp(announcement);
    else if (now - announcement.repeatedAt >= repeatMs) this.#repeat(announcement, now);
  }

  #end(announced: number, announcement: Announcement, isDone: boolean): void {
    this.#announcements.delete(announced);
    this.#settle(announcement, isDone);
  }

  #settle(announcement: Announcement, isDone: boolean): void {
    if (announcement.settle === nobodyWaits) return;
    announcement.settle(isDone);
    announcement.settle = nobodyWaits;
    this.#waiting--;
  }

  /** Nobody waits any more; it is repeated all the same, until the silent one answers or ends. */
  #giveUp(announcement: Announcement): void {
    if (announcement.settle !== nobodyWaits) {
      this.#options.report('A process neither acknowledges an invalidation nor ends.');
      this.#settle(announcement, false);
    }
    const now = this.#time.monotonicMs();
    if (now - announcement.repeatedAt >= heartbeatMs) this.#repeat(announcement, now);
  }

  #repeat(announcement: Announcement, now: number): void {
    announcement.repeatedAt = now;
    void this.#send(announcement);
  }
}

/** An announcement that a living process does not answer is given up. */
const forgottenAfterMs = 60_000;
