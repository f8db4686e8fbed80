/** How a command asks the processes of a fleet: over the bus, without being one of them. */

import type { Answered, Answers, Question } from '../../base/insight.js';
import { nearest } from '../../base/suggest.js';
import type { Backend } from '../../stores/backend.js';
import type { StoreBus } from '../../stores/bus.js';
import { UsageError } from './command.js';
import { namesOf, type StorePlace, withStore } from './store.js';
import { others } from './text.js';

/** The processes that answer. */
export interface Fleet {
  snapshots(): Promise<readonly Answered<'snapshot'>[]>;
  audits(): Promise<readonly Answered<'audit'>[]>;
  /** Whether the store itself answers, without which nobody can. */
  isConnected(): Promise<boolean>;
  /** The other namespaces in which processes listen, a similar name first; undefined where the store does not tell. */
  namespaces(): Promise<readonly string[] | undefined>;
}

const snapshotWaitMs = 1_000;
/** An audit replays what was recorded. */
const auditWaitMs = 10_000;
const connectedWaitMs = 2_000;

/** What is said where nobody answers. */
export async function nobody({ namespace }: StorePlace, fleet: Fleet): Promise<string> {
  return `No process answers in the namespace '${namespace}'${others(await fleet.namespaces())}\n`;
}

/** @throws UsageError if the store has no bus; StoreError; CacheConfigError if the URI or the namespace is wrong */
export async function withFleet<T>(place: StorePlace, work: (fleet: Fleet) => Promise<T>): Promise<T> {
  await namesOf(place);
  return withStore(place, (backend) => {
    const asked = withFleetOf(backend, place, work);
    if (asked) return asked;
    throw new UsageError(
      `${backend.name} has no bus, over which processes could be asked; Redis and Valkey have one`,
      place.words,
    );
  });
}

/** The same over a connection that there is; undefined if the store has no bus. */
export function withFleetOf<T>(
  backend: Backend,
  place: StorePlace,
  work: (fleet: Fleet) => Promise<T>,
): Promise<T> | undefined {
  if (!backend.bus) return undefined;
  return asking(backend, backend.bus, { place, work });
}

interface Work<T> {
  readonly place: StorePlace;
  readonly work: (fleet: Fleet) => Promise<T>;
}

async function asking<T>(backend: Backend, open: NonNullable<Backend['bus']>, { place, work }: Work<T>): Promise<T> {
  const { channel } = await namesOf(place);
  const bus = open(channel);
  const asker = await askerOver(bus, backend);
  const ask = async <Topic extends keyof Answers>(
    question: Extract<Question, { topic: Topic }>,
    waitMs: number,
  ): Promise<readonly Answered<Topic>[]> => {
    const said = await asker.ask(JSON.stringify(question), waitMs);
    const { readAnswer } = await import('../../cache/answers.js');
    const answers = said.map((text) => readAnswer<Topic>(question.topic, text));
    return answers.filter((answer) => answer !== undefined).sort(byProcess);
  };
  try {
    return await work({
      snapshots: () => ask({ topic: 'snapshot' }, snapshotWaitMs),
      audits: () => ask({ topic: 'audit' }, auditWaitMs),
      isConnected: () => answers(backend, place),
      namespaces: () => namespacesOn(bus, { place, channel }),
    });
  } finally {
    await asker.close();
  }
}

async function answers(backend: Backend, { namespace }: StorePlace): Promise<boolean> {
  const { withDeadline } = await import('../../policies/deadline.js');
  try {
    await withDeadline(backend.getMany([`${namespace}:#`]), connectedWaitMs);
    return true;
  } catch {
    return false;
  }
}

/** A login that may not ask for channels is no reason to say less than could be said without them. */
async function namespacesOn(
  bus: StoreBus,
  { place: { namespace }, channel: own }: { readonly place: StorePlace; readonly channel: string },
): Promise<readonly string[] | undefined> {
  const ending = own.slice(namespace.length);
  const channels = await bus.channels?.().catch(() => undefined);
  const found = channels
    ?.filter((channel) => channel.endsWith(ending) && channel !== own)
    .map((channel) => channel.slice(0, -ending.length))
    .sort();
  const similar = found && nearest(namespace, found);
  return similar === undefined ? found : [similar, ...(found ?? []).filter((each) => each !== similar)];
}

/** Remembers nothing and has nothing to say; others that ask need not wait for it. */
async function askerOver(bus: StoreBus, backend: Backend) {
  const { Coherence } = await import('../../stores/coherence.js');
  return new Coherence({
    bus,
    remembers: false,
    deleteMany: (keys) => backend.deleteMany(keys),
    forget: () => Promise.resolve(),
    answer: () => '',
    report: () => undefined,
  });
}

type FromProcess = Pick<Answered<'snapshot'>, 'process'>;

function byProcess({ process: a }: FromProcess, { process: b }: FromProcess): number {
  return a.host.localeCompare(b.host) || a.pid - b.pid || a.startedAt - b.startedAt;
}
