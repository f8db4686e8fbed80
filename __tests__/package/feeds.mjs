/** Run by built.test.ts: follows a PostgreSQL, with the package in the form that its flag names. Prints what it has heard. */

import { createRequire } from 'node:module';

const [form, uri] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const load = (name) => (form === 'cjs' ? Promise.resolve(require(name)) : import(name));
const { CacheConfigError, createCache } = await load('cachette');
const { postgresChanges, triggersSql } = await load('cachette/postgres');

const cache = createCache();
const told = await new Promise((resolve) => {
  cache.on('invalidation', resolve);
  cache.follow(postgresChanges(uri));
});
await cache.close();

let isKnownError = false;
try {
  triggersSql({ table: 'cities', tags: '{' });
} catch (error) {
  isKnownError = error instanceof CacheConfigError;
}
console.log(JSON.stringify({ told, isKnownError }));
