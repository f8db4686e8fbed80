/** Follows a database until it has heard of it once, and closes the cache. Nothing else keeps it alive. */
import { createCache } from 'cachette';
import { postgresChanges } from 'cachette/postgres';

const cache = createCache();
cache.on('invalidation', ({ tags }) => {
  process.send?.({ tags });
  void cache.close();
});
cache.follow(postgresChanges(process.env['POSTGRES_URI'] ?? ''));
