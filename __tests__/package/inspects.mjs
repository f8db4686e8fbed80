/** Run by built.test.ts: inspects a cache, with the package in the form that its flag names. Prints what it was served. */

import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';

const { fetch } = globalThis;
const form = process.argv[2];
const require = createRequire(import.meta.url);
const load = (name) => (form === 'cjs' ? Promise.resolve(require(name)) : import(name));
const { CacheConfigError, createCache } = await load('cachette');
const { createInspector } = await load('cachette/inspector');

const cache = createCache();
const inspector = createInspector(cache);
const { url } = await inspector.listen();
const served = {};
for (const path of [
  '',
  'page.js',
  'charts.js',
  'numbers.js',
  'words.js',
  'page.css',
  'uplot.js',
  'uplot.css',
  'api/audit',
])
  served[path] = (await fetch(url + path)).status;
const stream = await fetch(`${url}api/stream`);
for await (const chunk of stream.body) if (Buffer.from(chunk).includes('event: fleet')) break;
const watching = await fetch(`${url}api/stream`);
await inspector.close();
await watching.text().catch(() => undefined);
await cache.close();

let isKnownError = false;
try {
  createInspector(cache, { token: '' });
} catch (error) {
  isKnownError = error instanceof CacheConfigError;
}
console.log(JSON.stringify({ served, isKnownError }));
