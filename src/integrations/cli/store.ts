/** How a command gets at the store that was named, and what it says where it cannot. */

import type { Names } from '../../cache/names.js';
import type { Backend } from '../../stores/backend.js';
import type { ArgumentSpec, Given, OptionSpec } from './command.js';
import { UsageError } from './command.js';

/** The first argument of what talks to a store. */
export const uriArgument: ArgumentSpec = {
  name: 'URI',
  about: 'The shared store, such as redis://localhost:6379',
  variable: 'CACHETTE_URL',
};

/** Beside it. */
export const storeOptions = {
  namespace: { value: 'name', about: 'The namespace of the cache; cachette unless stated' },
  json: { about: 'Prints JSON' },
} satisfies Record<string, OptionSpec>;

export const unreachable = { 3: 'The store cannot be reached' } as const;

/** The store cannot be reached. */
export class StoreError extends Error {}

/** A person waits for it. */
const patienceMs = 10_000;

export interface StorePlace {
  readonly uri: string;
  readonly namespace: string;
  /** Of the command, for messages and help. */
  readonly words: readonly string[];
}

export function placeOf(given: Given, words: readonly string[]): StorePlace {
  return { uri: given.argument('URI'), namespace: given.text('namespace') ?? 'cachette', words };
}

/** @throws CacheConfigError if the namespace cannot be one */
export async function namesOf({ namespace, words: own }: StorePlace): Promise<Names> {
  const [{ Names: Made }, { cacheSettings }] = await Promise.all([
    import('../../cache/names.js'),
    import('../../cache/policy.js'),
  ]);
  return new Made(cacheSettings({ namespace }, ['cachette', ...own].join(' ')).namespace);
}

/**
 * Runs `work` with a connection to the store, which has answered.
 *
 * @throws UsageError if it is no store of several processes; StoreError; CacheConfigError if the URI is wrong
 */
export async function withStore<T>(place: StorePlace, work: (backend: Backend) => Promise<T>): Promise<T> {
  const { parseStore } = await import('../../stores/uri.js');
  const target = parseStore(place.uri, ['cachette', ...place.words].join(' '));
  if (target.kind === 'memory')
    throw new UsageError(
      'memory:// is the memory of one process, which no other can see: name its shared store',
      place.words,
    );
  const backend = target.open();
  try {
    await inTime(backend, backend.getMany([`${place.namespace}:#`]));
    return await work(backend);
  } finally {
    await backend.close().catch(() => undefined);
  }
}

/** Settles as `work` does; what fails there, and says that it is the store's failure, is a {@link StoreError}. */
export async function inTime<T>({ name }: Backend, work: Promise<T>): Promise<T> {
  const [{ BackendError }, { DeadlineError, withDeadline }, { isCacheConfigError }] = await Promise.all([
    import('../../stores/backend.js'),
    import('../../policies/deadline.js'),
    import('../../base/errors.js'),
  ]);
  try {
    return await withDeadline(work, patienceMs);
  } catch (error) {
    if (error instanceof BackendError && isCacheConfigError(error.cause)) throw error.cause;
    if (!(error instanceof BackendError || error instanceof DeadlineError)) throw error;
    throw new StoreError(`${name} cannot be reached: ${error.message}`, { cause: error });
  }
}
