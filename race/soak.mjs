/** Distinct keys and tags without end, and invalidations: what a process holds must not grow with them. */

import { createCache } from 'cachette';
import { performance } from 'node:perf_hooks';
import { writeSection } from './report.mjs';

const entriesInMemory = 10_000;
/** The first measurement comes when everything that is bounded is full. */
const warmUp = 0.1;
const samples = 10;
const growthAtMostBytes = 8 * 2 ** 20;

/**
 * @param {{ readonly keys: number, readonly write: boolean }} options `keys`: with a tag each; a tenth of them is invalidated
 * @returns {Promise<boolean>} whether memory stayed flat
 */
export async function soak({ keys, write }) {
  if (!globalThis.gc) throw new Error('Start it with node --expose-gc race/main.mjs --soak');
  const cache = createCache(`memory://?maxEntries=${entriesInMemory}`);
  let loads = 0;
  const find = cache.wrap('find', async (/** @type {number} */ id) => ({ id, loads: ++loads }), {
    ttl: '1h',
    tags: (id) => `row:${id}`,
  });
  /** @type {{ readonly keys: number, readonly bytes: number }[]} */
  const seen = [];
  const began = performance.now();
  for (let id = 0; id < keys; id++) {
    await find(id);
    if (id % 10 === 9) await cache.invalidate(`row:${id - Math.floor(Math.random() * 10)}`);
    if ((id + 1) % Math.floor(keys / samples) === 0) seen.push({ keys: id + 1, bytes: heldBytes() });
  }
  const seconds = (performance.now() - began) / 1_000;
  await cache.close();
  const [first, last] = [seen.find((each) => each.keys >= keys * warmUp), seen.at(-1)];
  const growth = (last?.bytes ?? 0) - (first?.bytes ?? 0);
  for (const each of seen) console.log(`${each.keys.toLocaleString('en-US')} keys: ${mebibytes(each.bytes)} MiB held`);
  console.log(
    `${keys.toLocaleString('en-US')} keys and tags, ${(keys / 10).toLocaleString('en-US')} invalidations in ${seconds.toFixed(0)} s: ${mebibytes(growth)} MiB more at the end`,
  );
  if (write) await writeSection('soak', table(seen, keys));
  return growth <= growthAtMostBytes;
}

function heldBytes() {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}

/**
 * @param {readonly { readonly keys: number, readonly bytes: number }[]} seen
 * @param {number} keys
 */
function table(seen, keys) {
  return [
    `${keys.toLocaleString('en-US')} keys, as many tags, and ${(keys / 10).toLocaleString('en-US')} invalidations, with room for ${entriesInMemory.toLocaleString('en-US')} entries:`,
    '',
    '| keys so far | held, MiB |',
    '| ---: | ---: |',
    ...seen.map((each) => `| ${each.keys.toLocaleString('en-US')} | ${mebibytes(each.bytes)} |`),
  ].join('\n');
}
