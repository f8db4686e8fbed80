/** Brings about every reason in the table of docs/observability.md, and nothing else is in that table. */

import { type Cache, createCache, type Outcome } from 'cachette';
import { setTimeout } from 'node:timers/promises';
import { startRedis } from '../support/servers.js';
import { SteppedServer } from '../support/stepped-backend.js';
import { SteppedProcess } from '../support/stepped-process.js';
import { read } from './blocks.js';
import { rowsUnder } from './table.js';

type Make = () => Promise<readonly Outcome[]>;

/** A store adapter whose reads and deletions can fail. */
class Adapter {
  readonly rows = new Map<string, unknown>();
  reads: 'work' | 'hang' | 'fail' = 'work';
  deletes: 'work' | 'fail' = 'work';

  async get(key: string): Promise<never> {
    if (this.reads === 'hang') await new Promise(() => undefined);
    if (this.reads === 'fail') throw new Error('no connection');
    return this.rows.get(key) as never;
  }

  set(key: string, value: unknown): void {
    this.rows.set(key, value);
  }

  async delete(key: string): Promise<boolean> {
    if (this.deletes === 'fail') throw new Error('no connection');
    return this.rows.delete(key);
  }

  async clear(): Promise<void> {}
}

let adapter: Adapter;
let opened: Cache[];

beforeEach(() => {
  adapter = new Adapter();
  opened = [];
});

afterEach(() => Promise.all(opened.map((cache) => cache.close())));

function open(...[store, options = {}]: Parameters<typeof createCache>): Cache {
  const cache = createCache(store, options);
  cache.on('warning', () => undefined);
  opened.push(cache);
  return cache;
}

const load = (): Promise<number> => Promise.resolve(1);
const tagged = { tags: 'product:1' };

/** What `act` does, after `before`. */
async function outcomes(
  cache: Cache,
  act: () => Promise<unknown>,
  before?: () => Promise<unknown>,
): Promise<readonly Outcome[]> {
  await before?.();
  return (await cache.explain(act)).calls;
}

const onAdapter = (): Cache => open(adapter, { deadline: '50ms' });
const find = (cache: Cache) => () => cache.getOrLoad('key', load, tagged);

async function refusedRead(): Promise<readonly Outcome[]> {
  const redis = await startRedis({});
  try {
    await redis.cli('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
    await redis.cli('REPLICAOF', '127.0.0.1', '1');
    const cache = open(redis.uri, { deadline: '5s' });
    return await outcomes(cache, find(cache));
  } finally {
    await redis.stop();
  }
}

async function misconfiguredRead(): Promise<readonly Outcome[]> {
  const cache = open('sqlite://cache.sqlite', { deadline: '5s' });
  return outcomes(cache, find(cache));
}

/** A method that has an entry past its ttl, and goes on by `then`. */
async function withAnOldEntry(options: Parameters<Cache['wrap']>[2], then: () => Promise<number> = load) {
  let now = 0;
  let method = load;
  const cache = open('memory://', { clock: { now: () => now } });
  const aged = cache.wrap('aged', () => method(), { ttl: '1m', ...options });
  await aged();
  now = 90_000;
  method = then;
  return { cache, aged };
}

/** Its server comes back as it was before the call, between the command and its reply. */
async function interruptedRead(): Promise<readonly Outcome[]> {
  const server = new SteppedServer();
  const process = new SteppedProcess({ server });
  opened.push(process.cache);
  const reading = process.backend.sent('getMany', ':getOrLoad:');
  const calls = outcomes(process.cache, find(process.cache));
  const getMany = (await reading).exec();
  server.restart(server.snapshot());
  await getMany.answer();
  return calls;
}

const makers: Readonly<Record<string, Make>> = {
  fresh: async () => {
    const cache = open();
    return outcomes(cache, find(cache), find(cache));
  },
  absent: async () => {
    const cache = open();
    return outcomes(cache, find(cache));
  },
  expired: async () => {
    let now = 0;
    const cache = open('memory://', { clock: { now: () => now } });
    return outcomes(cache, find(cache), async () => {
      await find(cache)();
      now = 300_000;
    });
  },
  'expired: product:1': async () => {
    const cache = open();
    const aged = cache.wrap('aged', load, { ...tagged, staleIfError: '1h' });
    return outcomes(cache, aged, async () => {
      await aged();
      await cache.expire('product:1');
    });
  },
  revalidating: async () => {
    const { cache, aged } = await withAnOldEntry({ staleWhileRevalidate: '1h' });
    return outcomes(cache, aged);
  },
  error: async () => {
    const { cache, aged } = await withAnOldEntry({ staleIfError: '1h' }, () => Promise.reject(new Error('down')));
    return outcomes(cache, aged);
  },
  timeout: async () => {
    const options = { staleIfError: '1h', timeout: { soft: '10ms' } } as const;
    const { cache, aged } = await withAnOldEntry(options, () => setTimeout(50, 2));
    return outcomes(cache, aged);
  },
  'timed out': async () => {
    const cache = open();
    const slow = cache.wrap('slow', () => setTimeout(50, 1), { timeout: { hard: '10ms' } });
    return outcomes(cache, () => slow().catch(() => undefined));
  },
  aborted: async () => {
    const cache = open();
    const abortable = cache.wrap('abortable', (_signal: AbortSignal) => Promise.resolve(1));
    return outcomes(cache, () => abortable(AbortSignal.abort()).catch(() => undefined));
  },
  'error kept': async () => {
    const cache = open();
    const failing = cache.wrap('failing', () => Promise.reject(new Error('down')), { errors: { ttl: '10s' } });
    const calling = () => failing().catch(() => undefined);
    return outcomes(cache, calling, calling);
  },
  'version changed': async () => {
    const cache = open();
    let version = 1;
    const versioned = cache.wrap('versioned', load, { version: () => version });
    return outcomes(cache, versioned, async () => {
      await versioned();
      version = 2;
    });
  },
  'version unknown': async () => {
    const cache = open();
    let version: number | undefined = 1;
    const versioned = cache.wrap('versioned', load, { version: () => version as number });
    return outcomes(cache, versioned, async () => {
      await versioned();
      version = undefined;
    });
  },
  'invalidated: product:1': async () => {
    const cache = open();
    return outcomes(cache, find(cache), async () => {
      await find(cache)();
      await cache.invalidate('product:1');
    });
  },
  'stored without the tag: product:1': async () => {
    const cache = open();
    return outcomes(cache, find(cache), () => cache.getOrLoad('key', load));
  },
  outage: async () => {
    const cache = open(['memory://', adapter], { deadline: '50ms' });
    return outcomes(cache, find(cache), async () => {
      await find(cache)();
      adapter.reads = 'fail';
    });
  },
  joined: async () => {
    const cache = open();
    return outcomes(cache, () => Promise.all([find(cache)(), find(cache)()]));
  },
  refresh: async () => {
    const cache = open();
    return outcomes(cache, () => cache.refresh(find(cache)));
  },
  'tags not captured yet': async () => {
    const cache = open();
    const late = () => cache.getOrLoad('key', load, { resultTags: 'late' });
    return outcomes(cache, late, late);
  },
  'invalidation pending: product:1': async () => {
    const cache = onAdapter();
    return outcomes(cache, find(cache), async () => {
      await find(cache)();
      adapter.deletes = 'fail';
      await cache.invalidate('product:1');
    });
  },
  'removal pending': async () => {
    const cache = onAdapter();
    const one = cache.wrap('one', load);
    return outcomes(cache, one, async () => {
      await one();
      adapter.deletes = 'fail';
      await one.forget();
    });
  },
  undecodable: async () => {
    const cache = onAdapter();
    return outcomes(cache, find(cache), async () => {
      await find(cache)();
      for (const key of adapter.rows.keys()) adapter.rows.set(key, JSON.stringify({ value: 'of somebody else' }));
    });
  },
  deadline: async () => {
    const cache = onAdapter();
    adapter.reads = 'hang';
    return outcomes(cache, find(cache));
  },
  breaker: async () => {
    const cache = onAdapter();
    adapter.reads = 'fail';
    return outcomes(cache, find(cache), async () => {
      for (let failure = 0; failure < 5; failure++) await find(cache)();
    });
  },
  unreachable: async () => {
    const cache = onAdapter();
    adapter.reads = 'fail';
    return outcomes(cache, find(cache));
  },
  reconnected: interruptedRead,
  refused: refusedRead,
  misconfigured: misconfiguredRead,
  disabled: async () => {
    const cache = open();
    cache.enabled = false;
    return outcomes(cache, find(cache));
  },
  bypass: async () => {
    const cache = open();
    return outcomes(cache, () => cache.bypass(find(cache)));
  },
  transaction: async () => {
    const cache = open();
    return outcomes(cache, () => cache.transaction(find(cache)));
  },
  when: async () => {
    const cache = open();
    return outcomes(cache, cache.wrap('never', load, { when: () => false }));
  },
  'no partition': async () => {
    const cache = open('memory://', { partition: () => undefined });
    return outcomes(cache, find(cache));
  },
  unkeyable: async () => {
    const cache = open();
    return outcomes(cache, () => cache.getOrLoad(load, load));
  },
  naming: async () => {
    const cache = open();
    const Unnamed = (() =>
      class {
        @cache.Cached('5m')
        async find(): Promise<number> {
          return 1;
        }
      })();
    return outcomes(cache, () => new Unnamed().find());
  },
  callback: async () => {
    const cache = open();
    const key = (): never => {
      throw new Error('no key');
    };
    return outcomes(cache, cache.wrap('failing', load, { key }));
  },
  recursion: async () => {
    const cache = open();
    let depth = 0;
    const loop: () => Promise<number> = cache.wrap('loop', async () => (depth++ === 0 ? loop() : depth));
    return outcomes(cache, loop);
  },
  'result cannot be copied': async () => {
    const cache = open();
    const made = cache.wrap('made', async () => load);
    return outcomes(cache, () => Promise.all([made(), made()]));
  },
};

const rows = rowsUnder('status', read('docs/observability.md')).map(({ cells: [status = '', reason = ''] }) => [
  reason,
  status,
]);

it.each(rows)('%s is the reason of a %s', async (reason = '', status = '') => {
  const made = (await makers[reason]?.()) ?? [];
  expect(made).toContainEqual(expect.objectContaining({ status, reason }));
});

it('is in the table if it can be brought about', () => {
  expect(rows.map(([reason]) => reason).sort()).toEqual(Object.keys(makers).sort());
});
