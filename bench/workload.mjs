/** What is cached, which keys are asked for, and how long callers ask: the same for every contestant. */

import { performance } from 'node:perf_hooks';
import { setImmediate } from 'node:timers/promises';

export const ttlMs = 3_600_000;

/** How many keys a scenario uses, all of them cached before it is measured. */
export const memoryKeys = 1_000;
export const serverKeys = 10_000;

/**
 * About 190 bytes as JSON.
 *
 * @param {string} id
 */
export function product(id) {
  return {
    id,
    name: `A nice product, number ${id}`,
    price: 1999,
    currency: 'EUR',
    stock: 42,
    isActive: true,
    category: 'garden',
    rating: 4.5,
    updatedAt: '2024-05-01T12:00:00.000Z',
  };
}

/**
 * The ids that callers ask for, one after the other, from the beginning again after the last: the same in each process.
 *
 * @param {'uniform' | 'zipf'} distribution
 * @param {number} keys
 */
export function idSequence(distribution, keys) {
  const random = seeded(20_260_701);
  const pick = distribution === 'zipf' ? zipf(keys, random) : () => Math.floor(random() * keys);
  const ids = allIds(keys);
  return Array.from({ length: 1 << 16 }, () => ids[pick()]);
}

/** @param {number} keys */
export function allIds(keys) {
  return Array.from({ length: keys }, (_, index) => `${index}`);
}

/**
 * Zipf's law with exponent 1: the second key is asked for half as often as the first, the third a third as often.
 *
 * @param {number} keys
 * @param {() => number} random
 */
function zipf(keys, random) {
  let sum = 0;
  const sums = Array.from({ length: keys }, (_, index) => (sum += 1 / (index + 1)));
  return () => {
    const target = random() * sum;
    let [low, high] = [0, keys - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < target) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

/**
 * mulberry32.
 *
 * @param {number} state
 */
function seeded(state) {
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Nanoseconds of processor time that a call takes, one call after the other: the median of batches of some ten milliseconds. The
 * processor's time, as what else runs on the machine matters less to it; it has the garbage collector's in it.
 *
 * @param {(id: string) => Promise<unknown>} find
 * @param {readonly string[]} ids
 * @param {number} forMs
 */
export async function nanosecondsPerCall(find, ids, forMs) {
  let next = 0;
  const batch = async (calls) => {
    const before = process.cpuUsage();
    for (let call = 0; call < calls; call++) await find(ids[next++ & 0xffff]);
    const { user, system } = process.cpuUsage(before);
    return ((user + system) * 1_000) / calls;
  };
  let calls = 100;
  for (const end = performance.now() + forMs / 2; performance.now() < end;) {
    const perCall = await batch(calls);
    calls = Math.max(100, Math.min(200_000, Math.round(2e7 / (perCall || 100))));
  }
  const batches = [];
  for (const end = performance.now() + forMs; performance.now() < end;) batches.push(await batch(calls));
  return median(batches);
}

const callsPerTurn = 1_000;

/**
 * Calls a second of so many callers, each of which asks again as soon as it has its answer.
 *
 * @param {(id: string) => Promise<unknown>} find
 * @param {readonly string[]} ids
 * @param {{ callers: number, forMs: number }} options
 */
export async function callsPerSecond(find, ids, { callers, forMs }) {
  let next = 0;
  let calls = 0;
  let isOver = false;
  let turn;
  const caller = async () => {
    while (!isOver) {
      await find(ids[next++ & 0xffff]);
      // Programs that serve anybody read their sockets now and then; hits in memory alone would never let this one.
      if (++calls % callsPerTurn === 0) turn ??= setImmediate().then(() => (turn = undefined));
      if (turn) await turn;
    }
  };
  const running = Array.from({ length: callers }, caller);
  await sleep(forMs / 2);
  const [callsBefore, began] = [calls, performance.now()];
  await sleep(forMs);
  const rate = ((calls - callsBefore) * 1_000) / (performance.now() - began);
  isOver = true;
  await Promise.all(running);
  return rate;
}

/**
 * The median time of one call in microseconds, one call after the other.
 *
 * @param {(id: string) => Promise<unknown>} find
 * @param {readonly string[]} ids
 * @param {number} forMs
 */
export async function latencyMicroseconds(find, ids, forMs) {
  const times = [];
  const warmUntil = performance.now() + forMs / 2;
  const until = warmUntil + forMs;
  for (let next = 0, now = performance.now(); now < until; next++) {
    await find(ids[next & 0xffff]);
    const after = performance.now();
    if (after > warmUntil) times.push(after - now);
    now = after;
  }
  return median(times) * 1_000;
}

/** @param {readonly number[]} values */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** @param {number} ms */
export function sleep(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
