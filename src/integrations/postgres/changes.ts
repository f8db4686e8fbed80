/**
 * The changes that are notified over a channel of PostgreSQL, as an async iterable without end. Hides that connections are lost:
 * it connects again, and says what may have been missed.
 *
 * LISTEN is acknowledged first, and then what may have been missed is told. The other way round a change could lie in between:
 *
 *   told: everything · T0 computes x from A=0, stores it · T1 commits A=1, nobody listens · LISTEN · x is served until its ttl
 */

import { type Duration, durationMs } from '../../base/duration.js';
import { CacheConfigError } from '../../base/errors.js';
import type { FeedProblem } from '../../cache/follow.js';
import type { Change } from '../../cache/options.js';
import { check, isDuration, type Rule } from '../../cache/policy.js';
import { later, monotonicMs } from '../../policies/deadline.js';
import { reason } from '../../stores/keyv.js';
import { changeOf, channelRule, defaultChannel } from './channel.js';
import { isMistake, listen, type Listening } from './connection.js';

/** The options of {@link postgresChanges}. */
export interface PostgresChangesOptions<Tag extends string = string> {
  /** What is listened to. Default `'cachette'`, as of the triggers. */
  readonly channel?: string | undefined;
  /**
   * What is invalidated after each connect, also the first, as it may have changed while nobody listened. Default `'everything'`.
   * An array of tags that cover all that is notified costs less; with `[]`, what was missed is served until its ttl.
   */
  readonly missed?: 'everything' | readonly Tag[] | undefined;
  /** How often the server is asked whether it is still there. Default `'5s'`. */
  readonly healthCheck?: Duration | undefined;
  /** The longest that connecting may take, and the answer to a health check. Default `'5s'`. */
  readonly deadline?: Duration | undefined;
  /** The pause before the second attempt to connect; it doubles with each. Default `'100ms'`. */
  readonly firstPause?: Duration | undefined;
  /** The longest pause between attempts. Default `'10s'`. */
  readonly longestPause?: Duration | undefined;
}

/** What {@link postgresChanges} gives, for `cache.follow`. Each iterator has a connection of its own, which `return()` ends. */
export interface PostgresChanges<Tag extends string = string> extends AsyncIterable<Change<Tag>> {
  /**
   * Calls `listener` once for each outage, and for each notification that cannot be read. `cache.follow` does it. Without a
   * listener, problems are told by `process.emitWarning`.
   */
  onProblem(listener: (problem: FeedProblem) => void): void;
}

const where = 'postgresChanges';
/** What a timer of Node's can count. */
const aDuration: Rule = [
  "write a duration such as '5s', or milliseconds",
  (value) => isDuration(value) && durationMs(value, where) < 2 ** 31,
];

const rules = {
  channel: channelRule,
  missed: [
    "write 'everything', or an array of tags",
    (value) => value === 'everything' || (Array.isArray(value) && value.every((tag) => typeof tag === 'string' && tag)),
  ],
  healthCheck: aDuration,
  deadline: aDuration,
  firstPause: aDuration,
  longestPause: aDuration,
} satisfies Record<keyof PostgresChangesOptions, Rule>;

/**
 * What changes in a PostgreSQL database, as its triggers or anybody else's NOTIFY tell: a tag, an array of tags as JSON, or
 * `{"clear":true}`. Connects when it is followed, again whenever the connection is lost, and keeps the process alive until
 * `cache.close()`. Needs the package `pg`.
 *
 * @param connection a URI such as `postgres://user:password@host:5432/database`, or what `new pg.Client()` takes
 * @throws CacheConfigError if `connection` or an option is wrong
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { postgresChanges } from 'cachette/postgres';
 *
 * const cache = createCache();
 * cache.follow(postgresChanges('postgres://app:secret@localhost/shop'));
 * await cache.close();
 * ```
 */
export function postgresChanges<Tag extends string = string>(
  connection: string | object,
  options: PostgresChangesOptions<Tag> = {},
): PostgresChanges<Tag> {
  check(options, rules, where);
  const { missed = 'everything', channel = defaultChannel } = options;
  const settings: Settings = {
    ...placeOf(connection),
    channel,
    missed: missed === 'everything' ? { clear: true } : missed,
    healthCheckMs: durationMs(options.healthCheck ?? '5s', where),
    deadlineMs: durationMs(options.deadline ?? '5s', where),
    firstPauseMs: durationMs(options.firstPause ?? '100ms', where),
    longestPauseMs: durationMs(options.longestPause ?? '10s', where),
  };
  // Which tags a database tells, its triggers say: TypeScript cannot know it, and the cache checks each.
  return new DatabaseChanges(settings) as PostgresChanges as PostgresChanges<Tag>;
}

interface Place {
  readonly config: object;
  /** For messages; without user and password. */
  readonly name: string;
}

/** What a config of pg's says of its place. */
interface PlaceConfig {
  readonly connectionString?: string;
  readonly host?: string;
  readonly port?: number;
  readonly database?: string;
}

interface Settings extends Place {
  readonly channel: string;
  readonly missed: Change;
  readonly healthCheckMs: number;
  readonly deadlineMs: number;
  readonly firstPauseMs: number;
  readonly longestPauseMs: number;
}

function placeOf(connection: unknown): Place {
  if (typeof connection === 'string') return { config: { connectionString: connection }, name: nameOf(connection) };
  if (typeof connection !== 'object' || connection === null || Array.isArray(connection)) {
    throw wrongConnection(`the connection is a value of type ${typeof connection}`);
  }
  const { connectionString, host, port, database } = connection as PlaceConfig;
  if (typeof connectionString === 'string') return { config: connection, name: nameOf(connectionString) };
  const { PGHOST = 'localhost', PGPORT = 5432 } = process.env;
  const name = `${host ?? PGHOST}:${port ?? PGPORT}`;
  return { config: connection, name: database === undefined ? name : `${name}/${database}` };
}

/** A path of a socket is taken as pg takes it. */
function nameOf(uri: string): string {
  if (/^(\/|socket:)/.test(uri)) return uri.replace(/^.*@/, '').replace(/\?.*$/, '');
  if (!/^postgres(ql)?:\/\//.test(uri)) throw wrongConnection('the connection string does not begin with postgres://');
  // What stands before an '@' may be a password, and pg accepts URIs without a host.
  const place = uri.replace(/^\w+:\/\/([^@/]*@)?/, '').replace(/\?.*$/, '');
  if (place.includes('@') || !URL.canParse(uri.replace('@/', '@localhost/'))) {
    throw wrongConnection('the connection string is no URI');
  }
  return place;
}

function wrongConnection(what: string): CacheConfigError {
  return new CacheConfigError({
    where,
    what,
    instead:
      'write postgres://user:password@host:5432/database, with user and password through encodeURIComponent(), or give what new pg.Client() takes',
  });
}

class DatabaseChanges implements PostgresChanges {
  readonly #settings: Settings;
  readonly #listeners = new Set<(problem: FeedProblem) => void>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  onProblem(listener: (problem: FeedProblem) => void): void {
    this.#listeners.add(listener);
  }

  [Symbol.asyncIterator](): AsyncIterator<Change> {
    return new Subscription(this.#settings, (problem) => this.#tell(problem));
  }

  #tell(problem: FeedProblem): void {
    for (const listener of this.#listeners) listener(problem);
    if (this.#listeners.size === 0) process.emitWarning(problem.message, { type: 'CacheWarning' });
  }
}

/** More changes than this that nobody has read become one: anything may have changed. */
const mostUnread = 10_000;

class Subscription implements AsyncIterator<Change> {
  readonly #settings: Settings;
  readonly #tell: (problem: FeedProblem) => void;
  /** Ends an attempt to connect. */
  readonly #dialling = new AbortController();
  #unread: Change[] = [];
  #readers: { resolve(result: IteratorResult<Change>): void; reject(cause: unknown): void }[] = [];
  #running: Promise<void> | undefined;
  #listening: Listening | undefined;
  #isClosed = false;
  #wake: () => void = () => {};
  #failure: { readonly cause: unknown } | undefined;
  /** Whether it was told that there is no connection. */
  #isOut = false;

  constructor(settings: Settings, tell: (problem: FeedProblem) => void) {
    this.#settings = settings;
    this.#tell = tell;
  }

  /** The first call connects. */
  next(): Promise<IteratorResult<Change>> {
    this.#running ??= this.#run();
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#serve();
    });
  }

  async return(): Promise<IteratorResult<Change>> {
    this.#isClosed = true;
    this.#wake();
    this.#serve();
    if (this.#listening) await this.#listening.close();
    else this.#dialling.abort();
    await this.#running;
    return done;
  }

  /** Never rejects; what nobody can mend is thrown at the reader. */
  async #run(): Promise<void> {
    try {
      for (let attempt = 0; !this.#isClosed; attempt++) {
        const lasted = await this.#connection();
        // One that is lost again and again as soon as it is made is no reason to hurry.
        if (lasted > this.#settings.longestPauseMs) attempt = 0;
        if (!this.#isClosed) await this.#pause(attempt);
      }
    } catch (cause) {
      this.#failure = { cause };
      this.#serve();
    }
  }

  /** One connection, from the attempt to its end; gives the milliseconds for which it stood. */
  async #connection(): Promise<number> {
    try {
      const { signal } = this.#dialling;
      this.#listening = await listen({ ...this.#settings, signal, receive: (payload) => this.#receive(payload) });
    } catch (cause) {
      if (cause instanceof CacheConfigError) throw cause;
      this.#lost(cause);
      return 0;
    }
    const sinceMs = monotonicMs();
    this.#isOut = false;
    this.#push(this.#settings.missed);
    const cause = await this.#listening.lost;
    this.#listening = undefined;
    this.#lost(cause);
    return monotonicMs() - sinceMs;
  }

  /** Once for each outage, however many attempts it takes. */
  #lost(cause: unknown): void {
    if (this.#isOut || this.#isClosed) return;
    this.#isOut = true;
    const what = `there is no connection to ${this.#settings.name}: ${reason(cause)}`;
    const message = `${where}: ${what}; it is tried again and again, and until then the cache is not told of changes`;
    this.#tell({ message, cause, loud: isMistake(cause) });
  }

  #receive(payload: string): void {
    try {
      this.#push(changeOf(payload));
    } catch (cause) {
      const message = `${where}: a notification cannot be read, so everything is invalidated: ${reason(cause)}`;
      this.#tell({ message, cause });
      this.#push({ clear: true });
    }
  }

  #push(change: Change): void {
    if (this.#unread.length >= mostUnread) this.#unread = [{ clear: true }];
    else this.#unread.push(change);
    this.#serve();
  }

  #serve(): void {
    while (this.#readers.length > 0) {
      const value = this.#isClosed ? undefined : this.#unread.shift();
      if (value === undefined && !this.#isClosed && !this.#failure) return;
      const reader = this.#readers.shift();
      if (value !== undefined) reader?.resolve({ done: false, value });
      else if (this.#failure && !this.#isClosed) reader?.reject(this.#failure.cause);
      else reader?.resolve(done);
    }
  }

  /** Drawn from its upper half, so that processes do not come back in step. Does not keep the process alive. */
  async #pause(attempt: number): Promise<void> {
    const { firstPauseMs, longestPauseMs } = this.#settings;
    const ms = Math.min(firstPauseMs * 2 ** attempt, longestPauseMs) * (0.5 + Math.random() / 2);
    await new Promise<void>((resolve) => {
      const cancel = later(ms, resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
  }
}

const done: IteratorResult<Change> = { done: true, value: undefined };
