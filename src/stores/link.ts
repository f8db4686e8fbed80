/**
 * Keeps one connection alive: dials, hands it to commands, notices that it is lost or stalled, dials again with growing
 * pauses. Knows nothing of what it is connected to.
 */

import timers from 'node:timers';

// Taken from the module and at import: fake timers in a user's test move neither a pause nor a limit.
const { setTimeout, clearTimeout } = timers;

/** What a {@link Dial} brings. It is closed by the signal of its line. */
export interface Connection {
  /** How much of it can take commands now, from 0 to 1. */
  health(): number;
}

/** The life of one connection, from the first byte to its end. */
export interface Line {
  /** Aborted when the connection has to go, whatever it is doing. */
  readonly signal: AbortSignal;
  /** The connection is of no use any more. Ends the dialling too. */
  lost(cause: unknown): void;
  /** A part of it is lost. What is left goes on until all of it has been dialled anew. */
  damaged(): void;
  /** A part of the connection was made anew by itself. */
  renewed(): void;
}

/** Makes one connection, in one attempt. It may be damaged from the beginning. */
export type Dial<C extends Connection> = (line: Line) => Promise<C>;

/** Limits in milliseconds. */
export interface LinkLimits {
  /** For one attempt, from the first byte until commands can be sent. */
  readonly connectMs: number;
  /** A connection on which a command waits longer than this for its reply is replaced. */
  readonly stallMs: number;
  /** A connection that is younger is not renewed. */
  readonly renewAfterMs: number;
}

/** Looked up once: fake timers in a user's test move neither a stall nor a connection. */
const monotonicMs = performance.now.bind(performance);
const graceMs = 1_000;
const steadyMs = 1_000;
const firstPauseMs = 50;
const longestPauseMs = 2_000;

/** Pauses double up to two seconds; each is drawn from its upper half, so that processes do not come back in step. */
export function pauseMs(attempt: number, random: () => number = Math.random): number {
  const longest = Math.min(firstPauseMs * 2 ** attempt, longestPauseMs);
  return longest * (0.5 + random() / 2);
}

type State<C extends Connection> =
  /** Nobody has been told yet whether there is a connection: commands wait. */
  | { readonly kind: 'first'; readonly settled: Promise<void> }
  | { readonly kind: 'up'; readonly call: Call<C> }
  /** Commands fail at once, with what was wrong last. */
  | { readonly kind: 'down'; readonly cause: unknown };

export class Link<C extends Connection> {
  readonly #dial: Dial<C>;
  readonly #limits: LinkLimits;
  readonly #calls = new Set<Call<C>>();
  #state: State<C>;
  #dialling = true;
  #closed = false;
  #wake: (() => void) | undefined;
  #session = 0;
  #upSinceMs = 0;

  /** Dials at once; nobody needs to wait for it. */
  constructor(dial: Dial<C>, limits: LinkLimits) {
    this.#dial = dial;
    this.#limits = limits;
    const settled = Promise.resolve().then(() => this.#attempt());
    this.#state = { kind: 'first', settled };
    void settled.then(() => this.#keepTrying());
  }

  /** Grows with every new connection; what was read under another number was read before a reconnect. */
  get session(): number {
    return this.#session;
  }

  /**
   * Runs a command on the connection. Waits only for the very first attempt to connect; later a command that finds no
   * connection rejects at once with the reason, and none is kept until there is one.
   */
  use<T>(command: (connection: C) => Promise<T>): Promise<T> {
    if (this.#state.kind === 'up') return this.#useNow(this.#state.call, command);
    return this.#useLater(command);
  }

  async #useLater<T>(command: (connection: C) => Promise<T>): Promise<T> {
    if (this.#state.kind === 'first') await this.#state.settled;
    return this.#useNow(this.#current(), command);
  }

  #useNow<T>(call: Call<C>, command: (connection: C) => Promise<T>): Promise<T> {
    // The stalled one stays in use meanwhile: if the server was only frozen, no other will come up before it thaws.
    if (call.waitsLongerThan(this.#limits.stallMs)) call.damage();
    return call.run(command);
  }

  /** Makes the connection anew, and goes on with the old one until then. Does nothing while the old one is young. */
  renew(): void {
    if (this.#state.kind === 'up' && monotonicMs() - this.#upSinceMs > this.#limits.renewAfterMs)
      this.#state.call.damage();
  }

  /** Ends every connection. Commands that run are rejected, later ones too. */
  close(): void {
    this.#closed = true;
    this.#state = { kind: 'down', cause: new Error('The connection was closed by cache.close()') };
    for (const call of this.#calls) call.hangUp();
    this.#wake?.();
  }

  #current(): Call<C> {
    if (this.#state.kind === 'up') return this.#state.call;
    throw this.#state.kind === 'down' ? this.#state.cause : new Error('Not connected');
  }

  #onLost(call: Call<C>, cause: unknown): void {
    this.#calls.delete(call);
    if (this.#closed || this.#state.kind !== 'up' || this.#state.call !== call) return;
    this.#state = { kind: 'down', cause };
    if (!this.#dialling) void this.#redial();
  }

  #onDamaged(call: Call<C>): void {
    if (this.#closed || this.#state.kind !== 'up' || this.#state.call !== call) return;
    if (!this.#dialling) void this.#redial();
  }

  /** Without a pause, since most losses are a restart or an idle connection cut; not so if it happens again and again. */
  async #redial(): Promise<void> {
    this.#dialling = true;
    if (monotonicMs() - this.#upSinceMs < steadyMs) await this.#pause(pauseMs(0));
    if (!this.#closed) await this.#attempt();
    await this.#keepTrying();
  }

  async #keepTrying(): Promise<void> {
    for (let attempt = 0; !this.#closed && this.#needsConnection(); attempt += 1) {
      await this.#pause(pauseMs(attempt));
      if (!this.#closed) await this.#attempt();
    }
    this.#dialling = false;
  }

  #needsConnection(): boolean {
    return this.#state.kind !== 'up' || this.#state.call.isDamaged;
  }

  async #attempt(): Promise<void> {
    const call = new Call<C>({
      onLost: (cause) => this.#onLost(call, cause),
      onDamaged: () => this.#onDamaged(call),
      onRenewed: () => void (this.#session += 1),
    });
    this.#calls.add(call);
    try {
      await call.dial(this.#dial, this.#limits.connectMs);
      this.#offer(call);
    } catch (cause) {
      this.#drop(call);
      if (this.#state.kind !== 'up' && !this.#closed) this.#state = { kind: 'down', cause };
    }
  }

  /** One that is damaged too takes the place of a damaged one only if more of it works: a swap costs what is under way. */
  #offer(call: Call<C>): void {
    const current = this.#state.kind === 'up' ? this.#state.call : undefined;
    const isWorse = current !== undefined && call.isDamaged && call.health() <= current.health();
    if (this.#closed || isWorse) return this.#drop(call);
    this.#session += 1;
    this.#upSinceMs = monotonicMs();
    this.#state = { kind: 'up', call };
    if (current !== undefined) this.#retire(current);
  }

  #drop(call: Call<C>): void {
    call.hangUp();
    this.#calls.delete(call);
  }

  /** Commands that were sent over the old connection may still be answered. */
  #retire(call: Call<C>): void {
    setTimeout(() => this.#drop(call), graceMs).unref();
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      timer.unref();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

interface CallEvents {
  readonly onLost: (cause: unknown) => void;
  readonly onDamaged: () => void;
  readonly onRenewed: () => void;
}

/** One connection with the commands that wait on it. */
class Call<C extends Connection> {
  readonly #controller = new AbortController();
  readonly #events: CallEvents;
  readonly #waiting = new Set<{ readonly sinceMs: number }>();
  #connection: C | undefined;
  #failDial: ((cause: unknown) => void) | undefined;
  #isDamaged = false;

  constructor(events: CallEvents) {
    this.#events = events;
  }

  get isDamaged(): boolean {
    return this.#isDamaged;
  }

  health(): number {
    return this.#connection?.health() ?? 0;
  }

  async dial(dial: Dial<C>, limitMs: number): Promise<void> {
    const failed = new Promise<never>((_, reject) => (this.#failDial = reject));
    const timer = setTimeout(() => this.#failDial?.(new Error(`No connection within ${limitMs} ms`)), limitMs);
    timer.unref();
    try {
      this.#connection = await Promise.race([dial(this.#line()), failed]);
    } finally {
      clearTimeout(timer);
      this.#failDial = undefined;
    }
    if (this.#controller.signal.aborted) throw new Error('The connection was lost as soon as it was made');
  }

  async run<T>(command: (connection: C) => Promise<T>): Promise<T> {
    const ticket = { sinceMs: monotonicMs() };
    this.#waiting.add(ticket);
    try {
      return await command(this.#connection as C);
    } finally {
      this.#waiting.delete(ticket);
    }
  }

  /** Sets keep the order of insertion, so the first ticket is the oldest. */
  waitsLongerThan(ms: number): boolean {
    const oldest = this.#waiting.values().next().value;
    return oldest !== undefined && monotonicMs() - oldest.sinceMs > ms;
  }

  damage(): void {
    this.#isDamaged = true;
    this.#events.onDamaged();
  }

  hangUp(): void {
    this.#controller.abort();
    this.#failDial?.(new Error('The connection was closed'));
  }

  #line(): Line {
    return {
      signal: this.#controller.signal,
      lost: (cause) => this.#lose(cause),
      damaged: () => this.damage(),
      renewed: this.#events.onRenewed,
    };
  }

  /** What was sent and not answered is rejected with the connection. */
  #lose(cause: unknown): void {
    this.#failDial?.(cause);
    this.#controller.abort();
    this.#events.onLost(cause);
  }
}
