/**
 * What the codec, the copies and the keys cost, beside what Node has built in. CPU time, the best of several rounds.
 *
 *     node bench/codec.mjs
 *
 * The built package is one bundle that hides these parts, so they are bundled here from the sources.
 */

import { build } from 'esbuild';
import { Buffer } from 'node:buffer';
import { fileURLToPath } from 'node:url';
import v8 from 'node:v8';

const { outputFiles } = await build({
  stdin: {
    contents: "export * from './codec.js'; export * from './copies.js'; export * from './key.js';",
    resolveDir: fileURLToPath(new URL('../src/policies', import.meta.url)),
  },
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  write: false,
});
const parts = `data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString('base64')}`;
const { valueCodec, snapshot, entryKey } = await import(parts);

const product = {
  id: 'p-123',
  name: 'A nice product',
  price: 1999,
  currency: 'EUR',
  stock: 42,
  active: true,
  category: 'garden',
  rating: 4.5,
  updatedAt: '2024-05-01T12:00:00.000Z',
};
const codec = valueCodec([]);
const base64 = {
  encode: (value) => v8.serialize(value).toString('base64'),
  decode: (text) => v8.deserialize(Buffer.from(text, 'base64')),
};
const samples = {
  'small object': product,
  'with undefined': { ...product, note: undefined },
  'with a Date': { ...product, at: new Date(0) },
  'with a Map': { ...product, by: new Map([['a', 1]]) },
  '60 rows': Array.from({ length: 60 }, (_, row) => ({ ...product, row })),
  '1000 numbers': Array.from({ length: 1000 }, (_, index) => index),
};

let sink;

/** Nanoseconds per call. */
function nanoseconds(run, roughly) {
  const times = Math.ceil(2e7 / roughly);
  let best = Infinity;
  for (let round = 0; round < 12; round++) {
    const start = process.cpuUsage();
    for (let time = 0; time < times; time++) sink = run(time);
    best = Math.min(best, (process.cpuUsage(start).user * 1000) / times);
  }
  return Math.round(best);
}

const rows = Object.entries(samples).map(([name, value]) => {
  const json = JSON.stringify(value);
  const text = codec.encode(value);
  const v8Text = base64.encode(value);
  const taken = snapshot(value, 'isolated', []);
  const roughly = json.length * 10;
  const measured = {
    'JSON.stringify': () => JSON.stringify(value),
    encode: () => codec.encode(value),
    'v8 encode': () => base64.encode(value),
    'JSON.parse': () => JSON.parse(json),
    decode: () => codec.decode(text),
    'v8 decode': () => base64.decode(v8Text),
    snapshot: () => snapshot(value, 'isolated', []),
    copy: () => taken.copy(),
    structuredClone: () => globalThis.structuredClone(value),
  };
  return [name, Object.fromEntries(Object.entries(measured).map(([what, run]) => [what, nanoseconds(run, roughly)]))];
});
console.table(Object.fromEntries(rows));

const prefix = 'shop:1:Products.find';
const ids = Array.from({ length: 64 }, (_, index) => [`product-${index}`]);
const pages = Array.from({ length: 64 }, (_, page) => [{ page, size: 10, sort: 'name' }]);
console.table({
  'one short text': { ns: nanoseconds((time) => entryKey(prefix, ids[time & 63]), 50) },
  'one integer': { ns: nanoseconds((time) => entryKey(prefix, [time]), 50) },
  'a text and a number': { ns: nanoseconds((time) => entryKey(prefix, [ids[time & 63][0], time]), 500) },
  options: { ns: nanoseconds((time) => entryKey(prefix, pages[time & 63]), 1500) },
  'a large object': { ns: nanoseconds(() => entryKey(prefix, [product]), 5000) },
});
if (sink === undefined) process.exitCode = 1;
