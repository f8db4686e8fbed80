/**
 * A key-value server whose every command waits until the test says when it is carried out and when its reply arrives, so
 * that a test can force an interleaving. It keeps text in a map; what it forces could happen with any real server.
 */

import { type Backend, BackendError } from '../../src/stores/backend.js';
import type { StoreBus } from '../../src/stores/bus.js';
import type { SteppedLink } from './stepped-bus.js';

type Operation = 'getMany' | 'set' | 'add' | 'touch' | 'deleteMany' | 'serverIds';

interface Sent {
  readonly operation: Operation;
  readonly keys: readonly string[];
  readonly text?: string;
  readonly ttlMs?: number;
}

/** One command on its way. */
export class Command {
  readonly operation: Operation;
  readonly keys: readonly string[];
  /** What it writes, if it does. */
  readonly text: string | undefined;
  /** How long the key lives from now on, where the command says it. */
  readonly ttlMs: number | undefined;
  readonly reply: Promise<unknown>;
  readonly #run: () => unknown;
  #result: unknown;
  #executed = false;
  #settle!: { resolve: (value: unknown) => void; reject: (error: unknown) => void };

  constructor({ operation, keys, text, ttlMs }: Sent, run: () => unknown) {
    this.operation = operation;
    this.keys = keys;
    this.text = text;
    this.ttlMs = ttlMs;
    this.#run = run;
    this.reply = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
  }

  /** The server carries the command out; again, if it is called again. The reply is that of the first time. */
  exec(): this {
    const result = this.#run();
    if (!this.#executed) this.#result = result;
    this.#executed = true;
    return this;
  }

  /** The reply arrives; the command is carried out before, unless it has been. */
  async answer(): Promise<void> {
    if (!this.#executed) this.exec();
    this.#settle.resolve(this.#result);
    await jobs();
  }

  /** The caller gives up, as after a deadline. The command may still be carried out later, by {@link exec}. */
  async fail(message = 'no answer within the deadline'): Promise<void> {
    this.#settle.reject(new BackendError('unreachable', message));
    await jobs();
  }
}

interface Awaited {
  readonly fits: (command: Command) => boolean;
  readonly found: (command: Command) => void;
}

export interface SteppedOptions {
  /** What the server keeps. Two backends over one map are two processes at one server. */
  readonly data?: Map<string, string>;
  /** Whether commands that no test waits for are carried out and answered at once. Default: they wait. */
  readonly automatic?: boolean;
  /** What the server cannot do. Default: it can do both. */
  readonly lacks?: readonly ('add' | 'touch')[];
  /** The server that the data are on, for backends whose connections are made anew. */
  readonly server?: SteppedServer;
  /** Deletes and publishes at one moment over it. */
  readonly link?: SteppedLink;
}

/** A server that can be restarted: with the data that it had at an earlier time, under a new run id. */
export class SteppedServer {
  readonly data = new Map<string, string>();
  runs = 1;
  readonly #backends = new Set<SteppedBackend>();

  add(backend: SteppedBackend): void {
    this.#backends.add(backend);
  }

  snapshot(): ReadonlyMap<string, string> {
    return new Map(this.data);
  }

  /** Every connection is a new one afterwards. */
  restart(snapshot: ReadonlyMap<string, string> = new Map()): void {
    this.runs++;
    this.data.clear();
    for (const [key, text] of snapshot) this.data.set(key, text);
    for (const backend of this.#backends) backend.session = (backend.session ?? 0) + 1;
  }
}

export class SteppedBackend implements Backend {
  readonly name = 'stepped://test';
  readonly maxTextBytes = Infinity;
  readonly data: Map<string, string>;
  /** Commands that are neither carried out automatically nor taken by the test yet. */
  readonly waiting: Command[] = [];
  /** Every command that was sent, in order. */
  readonly sentSoFar: Command[] = [];
  automatic: boolean;
  /** Every command fails at once. */
  broken = false;
  readonly add?: (key: string, text: string, ttlMs: number) => Promise<boolean>;
  readonly touch?: (key: string, ttlMs: number) => Promise<boolean>;
  readonly serverIds?: () => Promise<readonly string[]>;
  readonly bus?: (channel: string) => StoreBus;
  session?: number;
  readonly #awaited: Awaited[] = [];

  constructor({ server, data = server?.data ?? new Map(), automatic = false, lacks = [], link }: SteppedOptions = {}) {
    this.data = data;
    this.automatic = automatic;
    if (!lacks.includes('add')) this.add = (key, text, ttlMs) => this.#add(key, text, ttlMs);
    if (!lacks.includes('touch')) this.touch = (key, ttlMs) => this.#touch(key, ttlMs);
    if (link) this.bus = () => this.#busOver(link);
    if (!server) return;
    this.session = 1;
    server.add(this);
    this.serverIds = () => this.#send({ operation: 'serverIds', keys: [] }, () => [`run-${server.runs}`]);
  }

  /** Every command that was sent, as `operation key key`, for counting. */
  get log(): string[] {
    return this.sentSoFar.map(({ operation, keys }) => [operation, ...keys].join(' '));
  }

  getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    return this.#send({ operation: 'getMany', keys }, () => keys.map((key) => this.data.get(key)));
  }

  set(key: string, text: string, ttlMs: number): Promise<void> {
    if (!isLength(ttlMs)) return refusal(ttlMs);
    return this.#send({ operation: 'set', keys: [key], text, ttlMs }, () => void this.data.set(key, text));
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    return this.#send({ operation: 'deleteMany', keys }, () => {
      for (const key of keys) this.data.delete(key);
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /**
   * The next command of this operation that names a key which contains `part`; waits until it is sent. The test has it
   * alone then, also where the backend is automatic, if it asked before the command was sent.
   */
  sent(operation: Operation, part = ''): Promise<Command> {
    const fits = (command: Command): boolean =>
      command.operation === operation && command.keys.some((key) => key.includes(part));
    const index = this.waiting.findIndex(fits);
    if (index >= 0) return Promise.resolve(this.waiting.splice(index, 1)[0] as Command);
    return new Promise((found) => this.#awaited.push({ fits, found }));
  }

  /** Takes the next such command and carries it out with its reply. */
  async pass(operation: Operation, part = ''): Promise<void> {
    await (await this.sent(operation, part)).answer();
  }

  /** Ends the stepping: whatever waits is answered, and whatever comes too. */
  async release(): Promise<void> {
    this.automatic = true;
    this.#awaited.length = 0;
    await Promise.all(this.sentSoFar.map((command) => command.answer()));
  }

  #busOver(link: SteppedLink): StoreBus {
    const deleteAndPublish = (keys: readonly string[], message: string): Promise<number> =>
      this.#send({ operation: 'deleteMany', keys }, () => {
        for (const key of keys) this.data.delete(key);
        return link.publishNow(message);
      });
    return {
      publish: (message, to) => link.publish(message, to),
      subscribe: (id, subscriber) => link.subscribe(id, subscriber),
      close: () => link.close(),
      deleteAndPublish,
    };
  }

  #add(key: string, text: string, ttlMs: number): Promise<boolean> {
    const run = (): boolean => {
      if (this.data.has(key)) return false;
      this.data.set(key, text);
      return true;
    };
    return isLength(ttlMs) ? this.#send({ operation: 'add', keys: [key], text, ttlMs }, run) : refusal(ttlMs);
  }

  #touch(key: string, ttlMs: number): Promise<boolean> {
    if (!isLength(ttlMs)) return refusal(ttlMs);
    return this.#send({ operation: 'touch', keys: [key], ttlMs }, () => this.data.has(key));
  }

  #send<T>(sent: Sent, run: () => T): Promise<T> {
    if (this.broken) return Promise.reject(new BackendError('unreachable', 'connection refused'));
    const command = new Command(sent, run);
    this.sentSoFar.push(command);
    const index = this.#awaited.findIndex(({ fits }) => fits(command));
    if (index >= 0) this.#awaited.splice(index, 1)[0]?.found(command);
    else if (this.automatic) void command.answer();
    else this.waiting.push(command);
    return command.reply as Promise<T>;
  }
}

/** Redis answers the same to a fraction. */
function isLength(ttlMs: number): boolean {
  return ttlMs === Infinity || (Number.isSafeInteger(ttlMs) && ttlMs >= 1);
}

function refusal(ttlMs: number): Promise<never> {
  return Promise.reject(new BackendError('refused', `value is not an integer or out of range: ${ttlMs}`));
}

/** Lets all promise jobs run that are ready, and those that they make ready. */
export function jobs(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A promise that the test settles. */
export class Gate<T = void> {
  readonly promise: Promise<T>;
  open!: (value: T) => void;
  fail!: (error: unknown) => void;

  constructor() {
    this.promise = new Promise((resolve, reject) => {
      this.open = resolve;
      this.fail = reject;
    });
  }
}
