/** Distinct keys and tags without end, and invalidations: what a process holds must not grow with them. */

import { createCache, localBus } from 'cachette';
import { performance } from 'node:perf_hooks';
import { LRUCache } from 'lru-cache';
import { writeSection } from './report.mjs';

/**
 * @typedef {import('cachette').Backend} Backend
 * @typedef {{ readonly name: string, readonly part: number, readonly open: () => import('cachette').Cache }} Kind `part`: of the keys, as one
 *   takes longer than the other
 * @typedef {{ readonly keys: number, readonly bytes: number }} Sample
 * @typedef {{ readonly kind: Kind, readonly keys: number, readonly samples: readonly Sample[], readonly growth: number }} Seen
 */

const entriesInMemory = 10_000;
/** The first measurement comes when everything that is bounded is full. */
const warmUp = 0.1;
const samplesPerKind = 10;
const growthAtMostBytes = 8 * 2 ** 20;

const memory = `memory://?maxEntries=${entriesInMemory}`;

/** @type {readonly Kind[]} */
const kinds = [
  { name: 'memory', part: 1, open: () => createCache(memory) },
  {
    name: 'memory in front of a store',
    part: 0.1,
    open: () => createCache([memory, boundedStore()], { bus: localBus().connect() }),
  },
];

/**
 * @param {{ readonly keys: number, readonly write: boolean }} options `keys`: with a tag each; a tenth of them is invalidated
 * @returns {Promise<boolean>} whether memory stayed flat
 */
export async function soak({ keys, write }) {
  if (!globalThis.gc) throw new Error('Start it with node --expose-gc race/main.mjs --soak');
  const seen = [];
  for (const kind of kinds) seen.push(await soakOf(kind, Math.round(keys * kind.part)));
  if (write) await writeSection('soak', seen.map(table).join('\n\n'));
  return seen.every(({ growth }) => growth <= growthAtMostBytes);
}

/**
 * @param {Kind} kind
 * @param {number} keys
 * @returns {Promise<Seen>}
 */
async function soakOf(kind, keys) {
  const cache = kind.open();
  let loads = 0;
  const find = cache.wrap('find', async (/** @type {number} */ id) => ({ id, loads: ++loads }), {
    ttl: '1h',
    tags: (id) => `row:${id}`,
  });
  /** @type {Sample[]} */
  const samples = [];
  const began = performance.now();
  for (let id = 0; id < keys; id++) {
    await find(id);
    if (id % 10 === 9) await cache.invalidate(`row:${id - Math.floor(Math.random() * 10)}`);
    if ((id + 1) % Math.floor(keys / samplesPerKind) === 0) samples.push({ keys: id + 1, bytes: await heldBytes() });
  }
  const seconds = (performance.now() - began) / 1_000;
  await cache.close();
  const [first, last] = [samples.find((each) => each.keys >= keys * warmUp), samples.at(-1)];
  const growth = (last?.bytes ?? 0) - (first?.bytes ?? 0);
  for (const each of samples) console.log(`${count(each.keys)} keys: ${mebibytes(each.bytes)} MiB held`);
  console.log(
    `${kind.name}: ${count(keys)} keys and tags, ${count(Math.floor(keys / 10))} invalidations in ${seconds.toFixed(0)} s: ${mebibytes(growth)} MiB more at the end\n`,
  );
  return { kind, keys, samples, growth };
}

/** A server in this process that evicts, as a full one does: what it holds does not grow either. @returns {Backend} */
function boundedStore() {
  /** @type {LRUCache<string, string>} */
  const texts = new LRUCache({ max: 4 * entriesInMemory });
  return {
    name: 'bounded://',
    maxTextBytes: Infinity,
    getMany: async (keys) => keys.map((key) => texts.get(key)),
    set: async (key, text) => void texts.set(key, text),
    deleteMany: async (keys) => {
      for (const key of keys) texts.delete(key);
    },
    add: async (key, text) => !texts.has(key) && texts.set(key, text) !== undefined,
    touch: async (key) => texts.has(key),
    close: async () => {},
  };
}

/** What is written in the background has been written. */
async function heldBytes() {
  await new Promise((resolve) => setTimeout(resolve, 50));
  globalThis.gc?.();
  return process.memoryUsage().heapUsed + process.memoryUsage().arrayBuffers;
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return (bytes / 2 ** 20).toFixed(1);
}

/** @param {number} number */
function count(number) {
  return number.toLocaleString('en-US');
}

/** @param {Seen} seen */
function table({ kind, keys, samples }) {
  return [
    `${count(keys)} keys, as many tags, and ${count(Math.floor(keys / 10))} invalidations, ${kind.name}, which has room for ${count(entriesInMemory)} entries:`,
    '',
    '| keys so far | held, MiB |',
    '| ---: | ---: |',
    ...samples.map((each) => `| ${count(each.keys)} | ${mebibytes(each.bytes)} |`),
  ].join('\n');
}
