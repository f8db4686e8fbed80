/** Run by built.test.ts: caches one call on each store, with the package in the form that its flag names. */

import { createRequire } from 'node:module';

const [form, ...uris] = process.argv.slice(2);
const { createCache } = form === 'cjs' ? createRequire(import.meta.url)('cachette') : await import('cachette');

const outcomes = [];
for (const uri of uris) {
  const cache = createCache(uri, { namespace: form, deadline: '10s' });
  const double = cache.wrap('double', async (n) => ({ n: n * 2, at: new Date(0) }), { tags: 'numbers' });
  await cache.clear();
  await double(21);
  const { value, calls } = await cache.explain(() => double(21));
  outcomes.push([value.n, value.at instanceof Date, calls[0].status]);
  await cache.close();
}
console.log(JSON.stringify(outcomes));
