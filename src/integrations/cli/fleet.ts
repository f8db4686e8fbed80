/** How a command asks the processes of a fleet: over the bus, without being one of them. */

import type { Answered, Answers, Question } from '../../base/insight.js';
import type { Backend } from '../../stores/backend.js';
import type { StoreBus } from '../../stores/bus.js';
import { UsageError } from './command.js';
import { namesOf, type StorePlace, withStore } from './store.js';

/** The processes that answer. */
export interface Fleet {
  snapshots(): Promise<readonly Answered<'snapshot'>[]>;
  audits(): Promise<readonly Answered<'audit'>[]>;
}

const snapshotWaitMs = 1_000;
/** An audit replays what was recorded. */
const auditWaitMs = 10_000;

/** What is said where nobody answers. */
export function nobody({ namespace }: StorePlace): string {
  return `No process answers in the namespace '${namespace}': is there another one in createCache(…, { namespace })?\n`;
}

/** @throws UsageError if the store has no bus; StoreError; CacheConfigError if the URI or the namespace is wrong */
export async function withFleet<T>(place: StorePlace, work: (fleet: Fleet) => Promise<T>): Promise<T> {
  const { channel } = await namesOf(place);
  return withStore(place, async (backend) => {
    const bus = backend.bus?.(channel);
    if (!bus)
      throw new UsageError(
        `${backend.name} has no bus, over which processes could be asked; Redis and Valkey have one`,
        place.words,
      );
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
      });
    } finally {
      await asker.close();
    }
  });
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
