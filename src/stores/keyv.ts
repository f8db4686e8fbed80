/**
 * Text in a Keyv or in a bare Keyv store adapter. Hides that Keyv swallows errors, prefixes keys in two ways, fails a
 * whole batch for one bad row, and deletes what the reader's clock calls expired.
 *
 * Keyv's own `get` and `set` are therefore not used: rows are read from and written to the Keyv's store, under the
 * Keyv's namespace, through the Keyv's serializer and compression. Its default ttl, hooks and statistics have no part.
 */

import type { Keyv, KeyvStoreAdapter } from 'keyv';

import { type Clock, systemClock } from '../base/clock.js';
import { CacheConfigError } from '../base/errors.js';
import { BackendError, type Backend } from './backend.js';

/** A `Keyv` of version 5, from whichever copy of the package. */
export type KeyvLike = Pick<
  Keyv,
  'opts' | 'namespace' | 'useKeyPrefix' | 'serializeData' | 'deserializeData' | 'on' | 'off'
>;

/** What `new Keyv({ store })` takes. */
export type KeyvAdapterLike = Pick<KeyvStoreAdapter, 'get' | 'set' | 'delete' | 'clear' | 'getMany' | 'deleteMany'>;

/** What is known of a Keyv besides itself. */
export interface KeyvBackendOptions {
  /** For messages; no password in it. */
  readonly name: string;
  /** `Infinity` unless stated. */
  readonly maxTextBytes?: number;
  /** By which rows end, besides the store's own. Default: the machine's. */
  readonly clock?: Clock | undefined;
  /** Of a Keyv as {@link serverBackend} makes it: rows are the bare text, and its errors are thrown. */
  readonly serverExpires?: boolean;
  /** How an error of the store is a failure. By default the store is taken to be out of reach. */
  readonly failure?: (error: unknown) => BackendError;
  /** Closes what was opened for the Keyv; by default nothing, for a Keyv that was handed in. */
  readonly close?: () => Promise<void>;
}

/** For messages. */
export function nameOfKeyv(source: KeyvLike | KeyvAdapterLike): string {
  const inner: unknown = isKeyv(source) ? source.opts.store : undefined;
  const nameOfClass = (value: object): string => value.constructor?.name || 'an adapter';
  return typeof inner === 'object' && inner !== null ? `Keyv over ${nameOfClass(inner)}` : nameOfClass(source);
}

/** A backend over a Keyv, or over an adapter without a Keyv. Can neither add nor touch: Keyv has no word for them. */
export function keyvBackend(source: KeyvLike | KeyvAdapterLike, options: KeyvBackendOptions): Backend {
  const shelf = isKeyv(source) ? keyvShelf(source, options) : adapterShelf(source);
  return new KeyvBackend(shelf, options);
}

/**
 * A backend over an adapter of our own, whose server ends entries by its own clock. Rows are the bare text: an `expires`
 * in a row would be judged by the reader's clock, which then deletes what is fresh for others, and a touch could not
 * prolong it. Whatever Keyv and the adapter would swallow is thrown.
 */
export async function serverBackend(store: object, options: KeyvBackendOptions): Promise<Backend> {
  const { Keyv } = await import('keyv');
  const keyv = new Keyv({
    store: store as KeyvStoreAdapter,
    namespace: undefined as never,
    useKeyPrefix: false,
    throwOnErrors: true,
    serialize: ({ value }) => value as string,
    deserialize: (text: string) => ({ value: text as never }),
  });
  return keyvBackend(keyv, { ...options, serverExpires: true });
}

interface Row {
  readonly value?: unknown;
  readonly expires?: number | null | undefined;
}

/** A store with what its Keyv does to keys and rows. */
interface Shelf {
  readonly store: KeyvAdapterLike;
  keyOf(key: string): string;
  write(text: string, expires: number | undefined): unknown;
  read(row: unknown): Row | Promise<Row | undefined> | undefined;
  /** Called for errors that no call throws. */
  onError(listener: (error: unknown) => void): () => void;
}

class KeyvBackend implements Backend {
  readonly name: string;
  readonly maxTextBytes: number;
  readonly #shelf: Shelf;
  readonly #options: KeyvBackendOptions;
  readonly #clock: Clock;
  readonly #stopListening: () => void;
  /** Counts, because two calls may overlap one error: then both have failed. */
  #errors = 0;
  #lastError: unknown;
  #closed = false;

  constructor(shelf: Shelf, options: KeyvBackendOptions) {
    this.name = options.name;
    this.maxTextBytes = options.maxTextBytes ?? Infinity;
    this.#shelf = shelf;
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#stopListening = shelf.onError((error) => {
      this.#errors += 1;
      this.#lastError = error;
    });
  }

  async getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const rows = await this.#attempt(() => this.#rows(keys));
    if (this.#options.serverExpires === true) return rows.map((row) => (typeof row === 'string' ? row : undefined));
    return Promise.all(rows.map((row) => this.#textOf(row)));
  }

  async set(key: string, text: string, ttlMs: number): Promise<void> {
    const { store } = this.#shelf;
    const ttl = ttlMs === Infinity ? undefined : ttlMs;
    await this.#attempt(async () => {
      const row = await this.#shelf.write(text, ttl === undefined ? undefined : this.#clock.now() + ttl);
      const written: unknown = await store.set(this.#shelf.keyOf(key), row, ttl);
      if (written === false) throw new BackendError('refused', 'the store did not take the value');
    });
  }

  async deleteMany(keys: readonly string[]): Promise<void> {
    await this.#attempt(() => this.#delete(keys.map((key) => this.#shelf.keyOf(key))));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    // What was opened here may go on to emit errors, which nobody else would listen to.
    if (this.#options.close) await this.#options.close();
    else this.#stopListening();
  }

  async #rows(keys: readonly string[]): Promise<readonly unknown[]> {
    const { store } = this.#shelf;
    const names = keys.map((key) => this.#shelf.keyOf(key));
    if (names.length === 0) return [];
    if (store.getMany === undefined) return Promise.all(names.map((name) => store.get(name)));
    const rows = await store.getMany(names);
    if (rows.length === names.length) return rows;
    throw new Error(`getMany answered ${rows.length} rows for ${names.length} keys`);
  }

  /** `false` from an adapter means that nothing was there. */
  async #delete(names: string[]): Promise<void> {
    const { store } = this.#shelf;
    if (names.length === 0) return;
    if (store.deleteMany === undefined) await Promise.all(names.map((name) => store.delete(name)));
    else await store.deleteMany(names);
  }

  /** A row that is not ours, or that does not decode, is no row: one of them must not fail the batch. */
  async #textOf(row: unknown): Promise<string | undefined> {
    if (row === undefined || row === null) return undefined;
    try {
      const { value, expires } = (await this.#shelf.read(row)) ?? {};
      const isOver = typeof expires === 'number' && this.#clock.now() >= expires;
      return typeof value === 'string' && !isOver ? value : undefined;
    } catch {
      return undefined;
    }
  }

  /**
   * An adapter that swallows its errors says `undefined`, `false` or even `true` for them, and emits them. A call
   * during which an error was emitted has therefore failed, whatever it says.
   */
  async #attempt<T>(command: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new BackendError('unreachable', 'it is closed');
    const before = this.#errors;
    try {
      const result = await command();
      if (this.#errors === before) return result;
    } catch (error) {
      throw this.#failure(error);
    }
    throw this.#failure(this.#lastError);
  }

  #failure(error: unknown): BackendError {
    if (error instanceof BackendError) return error;
    return this.#options.failure?.(error) ?? new BackendError('unreachable', reason(error), { cause: error });
  }
}

/** Adapters export their class by name, as the default, or, where CommonJS is imported, as the default of the default. */
export function exportedClass(library: object, name: string): unknown {
  const outer = library as Record<string, unknown>;
  const inner = outer['default'] as Record<string, unknown> | undefined;
  return [outer[name], inner?.[name], inner?.['default'], inner].find((value) => typeof value === 'function');
}

/**
 * The message of an error, also of one that has none (Node's `AggregateError`) or is a string (memjs). Not by
 * `instanceof`: under jest, errors of Node's own modules are of another realm.
 */
export function reason(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { message, code, name } = error as Partial<NodeJS.ErrnoException>;
  return message || code || name || 'unknown error';
}

/**
 * Keyv writes `ns:key`, except where the key begins with `ns:` already; then two keys are one. A character in front of
 * our keys, one that the namespace does not begin with, rules that out.
 */
function keyvShelf(keyv: KeyvLike, { serverExpires = false }: KeyvBackendOptions): Shelf {
  const store = keyv.opts.store as KeyvAdapterLike;
  const keyOf = (key: string): string => {
    const { namespace } = keyv;
    if (!namespace || !keyv.useKeyPrefix) return key;
    return `${namespace}:${namespace.startsWith('.') ? '-' : '.'}${key}`;
  };
  return {
    store,
    keyOf,
    write: (text, expires) => (serverExpires ? text : keyv.serializeData({ value: text, expires })),
    // As in Keyv.get: without a serializer the row is the object itself.
    read: (row) =>
      typeof row === 'string' || keyv.opts.compression ? keyv.deserializeData(row as string) : (row as Row),
    onError: (listener) => (serverExpires ? ignoreErrors(keyv) : listen([keyv, store], listener)),
  };
}

/** An adapter that is not in a Keyv keeps its own namespace; a Keyv around it would overwrite that. */
function adapterShelf(store: KeyvAdapterLike): Shelf {
  return {
    store,
    keyOf: (key) => key,
    write: (value, expires) => JSON.stringify({ value, expires }),
    read: (row) => (typeof row === 'string' ? (JSON.parse(row) as Row) : (row as Row)),
    onError: (listener) => listen([store], listener),
  };
}

interface Emitter {
  on(event: 'error', listener: (error: unknown) => void): unknown;
  off?(event: 'error', listener: (error: unknown) => void): unknown;
}

/** An emitter without an `error` listener may throw, in the middle of a socket's callback. */
function ignoreErrors(keyv: KeyvLike): () => void {
  return listen([keyv], () => {});
}

function listen(sources: readonly unknown[], listener: (error: unknown) => void): () => void {
  const emitters = sources.filter((source): source is Emitter => typeof (source as Partial<Emitter>).on === 'function');
  for (const emitter of emitters) emitter.on('error', listener);
  return () => {
    for (const emitter of emitters) emitter.off?.('error', listener);
  };
}

function isKeyv(source: object): source is KeyvLike {
  return hasMethods(source, ['serializeData', 'deserializeData']) && 'opts' in source;
}

function hasMethods(source: object, names: readonly string[]): boolean {
  return names.every((name) => typeof (source as Record<string, unknown>)[name] === 'function');
}

/**
 * What was handed in, if it can be a backend; structural, since two copies of Keyv do not recognise each other's
 * classes.
 *
 * @throws CacheConfigError if it cannot; `where` goes into the message
 */
export function checkKeyv(source: unknown, where: string): KeyvLike | KeyvAdapterLike {
  const refusal = refusalOfKeyv(source);
  if (refusal === undefined) return source as KeyvLike | KeyvAdapterLike;
  const [what, instead] = refusal;
  throw new CacheConfigError({ where, what, instead });
}

/** Why it cannot be a backend, and what to give to `createCache` instead; undefined if it can. */
export function refusalOfKeyv(source: unknown): [what: string, instead: string] | undefined {
  if (typeof source === 'object' && source !== null) {
    return refusalOf(source, isKeyv(source) ? source.opts.store : source);
  }
  return [
    `a store is ${source === null ? 'null' : typeof source}`,
    'give a URI such as redis://localhost:6379, a Keyv, or a Keyv store adapter',
  ];
}

function refusalOf(source: object, store: unknown): [what: string, instead: string] | undefined {
  if (typeof store !== 'object' || store === null || !hasMethods(store, ['get', 'set', 'delete', 'clear'])) {
    return [
      'a store is an object that is neither a Keyv nor a Keyv store adapter',
      'give a URI such as redis://localhost:6379, a Keyv of version 5, or a Keyv store adapter',
    ];
  }
  if (isMemcache(store)) {
    return [
      'a store is a KeyvMemcache, which deletes fresh values when it misses and ends the process on a foreign value',
      "write its URI instead, such as 'memcached://localhost:11211'",
    ];
  }
  if (isLruCache(store)) {
    return [
      'a store is an LRUCache, which fails on every write that comes from Keyv',
      "write 'memory://?maxEntries=10000'",
    ];
  }
  if (!isMap(store)) return undefined;
  if (store === source) return ['a store is a Map, which grows without bound', "write 'memory://?maxEntries=10000'"];
  if (isUriInKeyv(source as KeyvLike)) {
    return [
      'a store is a Keyv that was made from a URI, which Keyv 5 ignores: it keeps everything in a Map',
      'give the URI itself to createCache',
    ];
  }
  return undefined;
}

/** `new Keyv('redis://…')` spreads the string into its options; `new Keyv({ uri })` keeps it. Either is a Map. */
function isUriInKeyv(keyv: KeyvLike): boolean {
  const options = keyv.opts as Record<string, unknown>;
  return typeof options['0'] === 'string' || typeof options['uri'] === 'string';
}

function isMemcache(store: object): boolean {
  const client = (store as { client?: { servers?: unknown } }).client;
  return Array.isArray(client?.servers) && hasMethods(store, ['formatKey']);
}

function isLruCache(store: object): boolean {
  return hasMethods(store, ['getRemainingTTL', 'purgeStale']);
}

/** Not `instanceof`: a Map may come from another realm. */
function isMap(store: object): boolean {
  return Object.prototype.toString.call(store) === '[object Map]';
}
