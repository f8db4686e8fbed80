/** Rows are changed past the catalogue, by plain SQL. The database tells of them, and the cache follows. */

import { setImmediate } from 'node:timers/promises';
import type { Cache, Change } from 'cachette';
import type { Cities, City } from './cities.js';
import type { DatabaseThread } from './database-thread.js';
import type { Place } from './database.js';
import { Latency } from './latency.js';

export interface FeedPlan {
  readonly cache: Cache;
  readonly cities: Cities;
  readonly database: DatabaseThread;
  readonly places: readonly Place[];
}

const changes = 50;
const patienceMs = 10_000;

/** How long it took from each commit until a read showed the row. */
export async function changePastTheCache({ cache, cities, database, places }: FeedPlan): Promise<Latency> {
  const following = cache.follow(await database.changes(), { tags: ([change]) => JSON.parse(change) as Change });
  const latency = new Latency();
  for (const { id } of places.slice(0, changes)) {
    await cities.find(id);
    const sql = 'UPDATE cities SET population = population + 1, version = version + 1 WHERE id = $1 RETURNING *';
    const [changed] = (await database.query<City>(sql, [id])).rows;
    const committedAt = performance.now();
    while ((await cities.find(id))?.version !== changed?.version) {
      if (performance.now() > committedAt + patienceMs) throw new Error(`The change of city ${id} was never heard of.`);
      await setImmediate();
    }
    latency.record(Math.ceil((performance.now() - committedAt) * 1e6));
  }
  await following.close();
  return latency;
}
