/** How a command asks the processes of a fleet: it joins them over the bus, and does not count itself. */

import { type Answered, insight } from '../../base/insight.js';
import { UsageError } from './command.js';
import { type StorePlace, withStore } from './store.js';

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
  return `No process answers in the namespace '${namespace}'. Heard are those with memory in front of the store: createCache(['memory://', '…']).\n`;
}

/** @throws UsageError if the store has no bus; StoreError; CacheConfigError if the URI or the namespace is wrong */
export async function withFleet<T>(place: StorePlace, work: (fleet: Fleet) => Promise<T>): Promise<T> {
  const { createCache } = await import('../../decorators/cache.js');
  return withStore(place, async (backend) => {
    if (!backend.bus)
      throw new UsageError(
        `${backend.name} has no bus, over which processes could be asked; Redis and Valkey have one`,
        place.words,
      );
    const cache = createCache(place.uri, { namespace: place.namespace, deadline: '5s' });
    // by which others of its kind know it, too
    cache.enabled = false;
    const { [insight]: told } = cache;
    const snapshots: Fleet['snapshots'] = async () =>
      (await told.ask({ topic: 'snapshot' }, snapshotWaitMs)).filter(isCaching).sort(byProcess);
    const audits: Fleet['audits'] = async () => {
      const caching = new Set((await snapshots()).map(({ process }) => process.id));
      const answers = await told.ask({ topic: 'audit' }, auditWaitMs);
      return answers.filter(({ process }) => caching.has(process.id)).sort(byProcess);
    };
    try {
      return await work({ snapshots, audits });
    } finally {
      await cache.close();
    }
  });
}

type FromProcess = Pick<Answered<'snapshot'>, 'process'>;

function byProcess({ process: a }: FromProcess, { process: b }: FromProcess): number {
  return a.host.localeCompare(b.host) || a.pid - b.pid || a.startedAt - b.startedAt;
}

/** This program only looks on, and others of its kind too. */
function isCaching({ answer }: Answered<'snapshot'>): boolean {
  return answer.enabled || answer.stores.some(({ tier }) => tier === 'memory');
}
