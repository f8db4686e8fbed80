/**
 * Reads and writes rows at random through a cache, while the parent holds the truth. A read is stale if its row is older
 * than one whose invalidation had returned before the read began.
 */
import { type Cache, createCache } from 'cachette';

import type { Answer, Question, Work } from './random.js';

const waiting = new Map<number, (versions: number[]) => void>();
let questions = 0;

function ask(question: Question['question'], rows: readonly number[], version = 0): Promise<number[]> {
  const id = ++questions;
  process.send?.({ kind: 'question', id, question, rows, version });
  return new Promise((resolve) => waiting.set(id, resolve));
}

interface Row {
  readonly row: number;
  readonly version: number;
}

async function load(row: number): Promise<Row> {
  const [version = -1] = await ask('load', [row]);
  return { row, version };
}

/** Each kind of tag: told by the arguments, by cached calls inside, by the result. */
function readers(cache: Cache) {
  const one = cache.wrap('one', load, { ttl: '10s', tags: (row) => `row:${row}` });
  const page = cache.wrap('page', async (row: number) => [await one(row), await one(row + 1)], { ttl: '10s' });
  const list = cache.wrap('list', (row: number) => Promise.all([load(row), load(row + 1)]), {
    ttl: '10s',
    resultTags: (rows) => rows.map(({ row: each }) => `row:${each}`),
  });
  return [async (row: number) => [await one(row)], page, list];
}

async function work({ uri, seconds, rows, callers, behindMs }: Work): Promise<void> {
  const clock = { now: () => Date.now() - behindMs };
  const cache = createCache(uri, { namespace: 'random', deadline: '2s', clock });
  const reads = readers(cache);
  const counts = { reads: 0, writes: 0, deferred: 0, stale: [] as string[] };
  const random = (below: number): number => Math.floor(Math.random() * below);

  async function read(row: number): Promise<void> {
    const floors = await ask('floor', [row, row + 1]);
    const kind = random(reads.length);
    for (const { row: each, version } of await reads[kind]!(row)) {
      const floor = floors[each - row] ?? 0;
      if (version < floor) counts.stale.push(`row ${each} by reader ${kind}: ${version}, and ${floor} was there`);
    }
    counts.reads += 1;
  }

  async function write(row: number): Promise<void> {
    const [version] = await ask('write', [row]);
    const { status } = await cache.invalidate(`row:${row}`);
    if (status === 'done') await ask('invalidated', [row], version);
    else counts.deferred += 1;
    counts.writes += 1;
  }

  const end = performance.now() + seconds * 1_000;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) await (random(10) === 0 ? write : read)(random(rows));
  };
  await Promise.all(Array.from({ length: callers }, caller));
  process.send?.({ kind: 'end', ...counts, hits: cache.stats().hits });
  await cache.close();
  process.disconnect();
}

process.on('message', (message: Work | Answer) => {
  if (message.kind === 'work') return void work(message);
  waiting.get(message.id)?.(message.versions);
  waiting.delete(message.id);
});
