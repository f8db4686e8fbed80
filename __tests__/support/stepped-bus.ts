/** A bus whose messages the test holds back, loses, doubles and reorders. Heartbeats pass unless the link is cut. */

import type { Bus, BusSubscriber } from '../../src/stores/bus.js';

/** What all connections have in common. */
export class SteppedMedium {
  /** Every message so far. */
  readonly sentSoFar: string[] = [];
  readonly #links = new Set<SteppedLink>();

  connect(): SteppedLink {
    const link = new SteppedLink((message, to) => this.send(message, to));
    this.#links.add(link);
    return link;
  }

  /** To every subscriber, or to the one of that id; gives their number. */
  send(message: string, to?: string): number {
    this.sentSoFar.push(message);
    const receivers = [...this.#links].filter(({ id }) => id !== undefined && (to === undefined || id === to));
    for (const link of receivers) link.arrive(message);
    return receivers.length;
  }
}

/** One process's connection. */
export class SteppedLink implements Bus {
  id: string | undefined;
  /** Messages that were held back, in the order of their coming. */
  held: string[] = [];
  #isHolding = false;
  #isCut = false;
  #subscriber: BusSubscriber | undefined;
  readonly #send: (message: string, to?: string) => number;

  constructor(send: (message: string, to?: string) => number) {
    this.#send = send;
  }

  async publish(message: string, to?: string): Promise<number> {
    return this.publishNow(message, to);
  }

  publishNow(message: string, to?: string): number {
    return this.#isCut ? 0 : this.#send(message, to);
  }

  subscribe(id: string, subscriber: BusSubscriber): void {
    this.id = id;
    this.#subscriber = subscriber;
  }

  async close(): Promise<void> {
    this.#subscriber = undefined;
    this.id = undefined;
  }

  /** Messages come later, as replies over another connection do. */
  arrive(message: string): void {
    if (this.#isCut) return;
    if (this.#isHolding && !message.includes('"beat"')) this.held.push(message);
    else this.deliver(message);
  }

  deliver(message: string): void {
    queueMicrotask(() => this.#subscriber?.message(message));
  }

  /** Whatever comes now, but for heartbeats, waits in {@link held}. */
  hold(): void {
    this.#isHolding = true;
  }

  /** What was held comes, and what comes from now on is no longer held. */
  release(messages = this.held): void {
    this.#isHolding = false;
    this.held = [];
    for (const message of messages) this.deliver(message);
  }

  /** Nothing goes in or out any more, and nobody is told. */
  cut(): void {
    this.#isCut = true;
  }

  /** The link is there again, and its subscriber hears that it was interrupted. */
  mend(): void {
    this.#isCut = false;
    this.#subscriber?.interrupted();
  }
}
