/** Runs the workload of the example over a small database on each store of the command line, and prints the reports. */
import { createCache, setDefaultCache } from 'cachette';
import { Cities, type City } from '../../examples/cities/cities.js';
import { DatabaseThread } from '../../examples/cities/database-thread.js';
import { places } from '../../examples/cities/database.js';
import { runWorkload } from '../../examples/cities/workload.js';

const rows = 2_000;
const database = new DatabaseThread(rows);

/** What the checks are there for. */
class Forgetful extends Cities {
  override async rename(id: number, name: string): Promise<City | undefined> {
    const sql = 'UPDATE cities SET name = $2, version = version + 1 WHERE id = $1 RETURNING *';
    return (await database.query<City>(sql, [id, name])).rows[0];
  }
}

async function report(store: string, cities: Cities) {
  const cache = createCache(store, { namespace: `cities-${process.pid}` });
  setDefaultCache(cache);
  const { latency: _, ...counts } = await runWorkload({
    cache,
    cities,
    places: places.slice(0, rows),
    readers: 10,
    seconds: 1,
  });
  const { hits } = cache.stats();
  await cache.close();
  return { ...counts, hits };
}

await database.query('SELECT 1');
const reports = [];
for (const store of process.argv.slice(2)) reports.push(await report(store, new Cities(database)));
reports.push(await report('memory://', new Forgetful(database)));
await database.close();
console.log(JSON.stringify(reports));
