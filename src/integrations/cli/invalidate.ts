/** `cachette invalidate`: makes tags invalid, or old, by hand. */

import type { CacheProblem } from '../../base/events.js';
import type { InvalidationResult } from '../../cache/host.js';
import type { Cache } from '../../decorators/cache.js';
import type { Backend } from '../../stores/backend.js';
import { type Command, type Given, type Printed, type Terminal, UsageError } from './command.js';
import { placeOf, type StorePlace, storeOptions, unreachable, uriArgument, withStore } from './store.js';
import { counted, others, printable } from './text.js';

const words = ['invalidate'];

export const invalidate: Command = {
  words,
  about: 'Makes every entry with one of the tags invalid, in every process',
  arguments: [uriArgument, { name: 'TAG', about: 'A tag, such as product:1', isMultiple: true, isOptional: true }],
  options: {
    ...storeOptions,
    expire: { about: 'Makes them old instead: methods that serve stale values still may' },
    clear: { about: 'Invalidates everything in the namespace; needs --yes, and takes no tags' },
    yes: { about: 'Says that --clear is meant' },
  },
  examples: [
    'product:1 products',
    'redis://localhost:6379 product:1 products --namespace shop',
    'redis://localhost:6379 rates --expire',
    'redis://localhost:6379 --clear --yes',
  ],
  exits: {
    0: 'Done: nobody gets what was computed before',
    ...unreachable,
    4: 'Deferred: not acknowledged, or not by every process; to be run again',
  },
  run,
};

interface Order {
  readonly kind: 'invalidate' | 'expire' | 'clear';
  readonly tags: readonly string[];
}

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const order = orderOf(given);
  const place = placeOf(given, words);
  warnOfPatterns(order, terminal);
  const result = await carriedOut(order, place);
  const { status, reason, reached } = result;
  const { kind, tags } = order;
  const more = { ...(reason !== undefined && { reason }), ...(reached && { processes: reached.processes }) };
  const text = given.isOn('json') ? `${JSON.stringify({ status, kind, tags, ...more })}\n` : told(order, result, place);
  return { text, exitCode: status === 'done' ? 0 : 4 };
}

function warnOfPatterns({ tags }: Order, { error }: Terminal): void {
  for (const tag of tags.filter((each) => each.includes('*')))
    error(`cachette: the tag '${printable(tag)}' is taken as it stands: '*' is no pattern in a tag\n`);
}

function orderOf(given: Given): Order {
  const tags = given.arguments('TAG');
  const [expires, clears] = [given.isOn('expire'), given.isOn('clear')];
  const complain = (message: string): never => {
    throw new UsageError(message, words);
  };
  if (clears && tags.length > 0) complain(`--clear takes no tags, and there is '${printable(tags[0] ?? '')}'`);
  if (clears && expires) complain('--clear and --expire do not go together');
  if (clears && !given.isOn('yes'))
    complain('--clear invalidates everything in the namespace: write --clear --yes if that is meant');
  if (!clears && tags.length === 0)
    complain('TAG is missing: write the tags to be invalidated, or --clear --yes for everything');
  return { kind: clears ? 'clear' : expires ? 'expire' : 'invalidate', tags };
}

interface Result extends InvalidationResult {
  /** Of a status that is not `done`. */
  readonly reason: string | undefined;
  /** Who was there to be told; undefined where the store cannot say. */
  readonly reached: Reached | undefined;
}

interface Reached {
  readonly processes: number;
  /** Asked for where there was no process. */
  readonly namespaces: readonly string[] | undefined;
}

/** The store has answered before, so that a connection that takes its time is not taken for a store that does not answer. */
async function carriedOut(order: Order, place: StorePlace): Promise<Result> {
  const { createCache } = await import('../../decorators/cache.js');
  return withStore(place, async (backend) => {
    const cache = createCache(place.uri, { namespace: place.namespace, deadline: '5s' });
    const problems: CacheProblem[] = [];
    cache.on('error', (problem) => problems.push(problem));
    try {
      const { status } = await ordered(cache, order);
      const reason = problems[0]?.message ?? 'another process lives that has not answered';
      // Closed before the others are counted, or it would be one of them.
      await cache.close();
      return { status, reason: status === 'done' ? undefined : reason, reached: await reachedBy(backend, place) };
    } finally {
      await cache.close();
    }
  });
}

async function reachedBy(backend: Backend, place: StorePlace): Promise<Reached | undefined> {
  const { withFleetOf } = await import('./fleet.js');
  return withFleetOf(backend, place, async (fleet) => {
    const processes = (await fleet.snapshots()).length;
    return { processes, namespaces: processes === 0 ? await fleet.namespaces() : undefined };
  });
}

function ordered(cache: Cache, { kind, tags }: Order): Promise<InvalidationResult> {
  if (kind === 'clear') return cache.clear();
  return kind === 'expire' ? cache.expire(...tags) : cache.invalidate(...tags);
}

function told({ kind, tags }: Order, { status, reason, reached }: Result, place: StorePlace): string {
  const what = kind === 'clear' ? 'everything' : `${counted(tags.length, 'tag')} (${tags.map(printable).join(', ')})`;
  const verb = kind === 'expire' ? 'Expired' : 'Invalidated';
  if (status === 'done') return `${verb} ${what}: done${reached === undefined ? '.' : toldTo(reached, place)}\n`;
  return `${verb} ${what}: deferred, as ${printable(reason ?? '')}. This program ends now: run it again.\n`;
}

function toldTo({ processes, namespaces }: Reached, { namespace }: StorePlace): string {
  if (processes > 0) return `, told ${counted(processes, 'process', 'processes')}.`;
  return `, but no process is in the namespace '${namespace}'${others(namespaces)}`;
}
