/**
 * A way to a Redis on which whole messages to subscribers are dropped, doubled, delayed and put in another order. Replies
 * to commands pass as they are, so that nothing but the bus is disturbed.
 */
import { connect, createServer, type Socket } from 'node:net';

import { freePort } from '../support/servers.js';

/** For each message the share of its kind, from 0 to 1. */
export interface Disturbance {
  readonly drop: number;
  readonly double: number;
  readonly delay: number;
  /** At most. */
  readonly delayMs: number;
  /** It comes after the one that follows it. */
  readonly swap: number;
}

type Deed = 'passed' | 'dropped' | 'doubled' | 'delayed' | 'swapped' | 'held';

export interface BusProxy {
  readonly port: number;
  /** How many messages it has done what to. */
  readonly did: Readonly<Record<Deed, number>>;
  /** What happens to messages from now on. */
  disturb(disturbance: Disturbance | undefined): void;
  /** One subscriber gets nothing for so long, and then everything. */
  hold(ms: number): void;
  stop(): Promise<void>;
}

export async function startBusProxy(serverPort: number): Promise<BusProxy> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const lines = new Set<MessageLine>();
  const did = { passed: 0, dropped: 0, doubled: 0, delayed: 0, swapped: 0, held: 0 };
  const chance: Chance = { disturbance: undefined };
  const server = createServer((near) => {
    const far = connect(serverPort, '127.0.0.1');
    const line = new MessageLine(near, { did, chance });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('error', () => to.destroy());
      from.on('close', () => void (to.destroy(), sockets.delete(from), lines.delete(line)));
    }
    near.pipe(far);
    const deliver = (message: Buffer): void => void (lines.add(line), line.deliver(message));
    far.on(
      'data',
      splitting((reply) => (isMessage(reply) ? deliver(reply) : near.write(reply))),
    );
  });
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
  const stop = (): Promise<void> =>
    new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  const disturb = (disturbance: Disturbance | undefined): void => void (chance.disturbance = disturbance);
  const hold = (ms: number): void => [...lines][Math.floor(Math.random() * lines.size)]?.hold(ms);
  return { port, did, disturb, hold, stop };
}

interface Chance {
  disturbance: Disturbance | undefined;
}

/** The messages on the way to one subscriber. */
class MessageLine {
  readonly #socket: Socket;
  readonly #did: Record<Deed, number>;
  readonly #chance: Chance;
  #swapped: Buffer | undefined;
  #held: Buffer[] | undefined;

  constructor(socket: Socket, { did, chance }: { readonly did: Record<Deed, number>; readonly chance: Chance }) {
    this.#socket = socket;
    this.#did = did;
    this.#chance = chance;
  }

  hold(ms: number): void {
    this.#held ??= [];
    setTimeout(() => this.#release(), ms).unref();
  }

  deliver(message: Buffer): void {
    const deed = this.#deed();
    this.#did[deed]++;
    if (deed === 'held') this.#held?.push(message);
    else if (deed === 'delayed') this.#later(message);
    else if (deed === 'swapped') this.#keep(message);
    else if (deed !== 'dropped') for (let times = deed === 'doubled' ? 2 : 1; times > 0; times--) this.#pass(message);
  }

  #deed(): Deed {
    if (this.#held) return 'held';
    const { disturbance } = this.#chance;
    if (!disturbance) return 'passed';
    const { drop, double, delay, swap } = disturbance;
    let dice = Math.random();
    const falls = (share: number): boolean => (dice -= share) < 0;
    if (falls(drop)) return 'dropped';
    if (falls(double)) return 'doubled';
    if (falls(delay)) return 'delayed';
    return falls(swap) ? 'swapped' : 'passed';
  }

  #later(message: Buffer): void {
    setTimeout(() => this.#pass(message), Math.random() * (this.#chance.disturbance?.delayMs ?? 0)).unref();
  }

  #keep(message: Buffer): void {
    const before = this.#swapped;
    this.#swapped = message;
    if (before) this.#write(before);
  }

  #pass(message: Buffer): void {
    this.#write(message);
    if (this.#swapped) this.#write(this.#swapped);
    this.#swapped = undefined;
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const message of held) this.#write(message);
  }

  #write(message: Buffer): void {
    if (this.#socket.writable) this.#socket.write(message);
  }
}

const messageHead = Buffer.from('*3\r\n$7\r\nmessage\r\n');

function isMessage(reply: Buffer): boolean {
  return reply.subarray(0, messageHead.length).equals(messageHead);
}

/** Calls `each` with every whole reply of a server. */
function splitting(each: (reply: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (let end = endOfReply(rest, 0); end !== undefined; end = endOfReply(rest, 0)) {
      each(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
  };
}

/** Where the reply that begins at `at` ends; undefined while bytes of it are missing. */
function endOfReply(bytes: Buffer, at: number): number | undefined {
  const lineEnd = bytes.indexOf('\r\n', at);
  if (lineEnd < 0) return undefined;
  const kind = bytes.toString('latin1', at, at + 1);
  const count = Number(bytes.toString('latin1', at + 1, lineEnd));
  const next = lineEnd + 2;
  if (kind === '*') {
    let end: number | undefined = next;
    for (let i = 0; i < count && end !== undefined; i++) end = endOfReply(bytes, end);
    return end;
  }
  if (kind !== '$' || count < 0) return next;
  const end = next + count + 2;
  return end <= bytes.length ? end : undefined;
}
