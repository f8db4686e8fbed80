/** Run by built.test.ts: uses cachette/testing in the form that its flag names. Prints what came of it. */

import { createRequire } from 'node:module';
import { Keyv } from 'keyv';

const [form] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const load = (name) => (form === 'cjs' ? Promise.resolve(require(name)) : import(name));
const { CacheConfigError, createCache, localBus } = await load('cachette');
const { busContract, expectHit, expectMiss, faultyStore, manualClock, storeContract } = await load('cachette/testing');

/** A store that is frozen, as it is told over to the cache in another bundle. */
async function reasonOfFrozen() {
  const clock = manualClock();
  const cache = createCache(
    faultyStore(new Keyv(), () => ({ kind: 'hang' })),
    { clock },
  );
  const call = cache.explain(() => cache.getOrLoad('a', async () => 1));
  await clock.advance('250ms');
  return (await call).calls[0].reason;
}

/** What the store refuses, the cache in another bundle knows for a refusal: it opens no breaker. */
async function reasonOfRefusals() {
  const error = Object.assign(new Error('full'), { failure: 'refused' });
  const cache = createCache(faultyStore(new Keyv(), () => ({ kind: 'throw', error })));
  const calls = [];
  for (let i = 0; i < 10; i++) calls.push(...(await cache.explain(() => cache.getOrLoad('a', async () => 1))).calls);
  return calls.at(-1).reason;
}

/** The drivers of servers are loaded by this bundle as well, and hold no process back. Nothing listens on port 1. */
async function reasonOfUnreachable() {
  const store = faultyStore('redis://127.0.0.1:1', () => undefined);
  const cache = createCache(store);
  const { calls } = await cache.explain(() => cache.getOrLoad('a', async () => 1));
  await Promise.all([cache.close(), store.close()]);
  return calls[0].reason;
}

async function expectations() {
  const clock = manualClock();
  const cache = createCache('memory://', { clock });
  const read = cache.wrap('read', async () => 1, { ttl: '5m' });
  await expectMiss(cache, read, 'absent');
  await expectHit(cache, read);
  await clock.advance('5m');
  return expectHit(cache, read).catch((error) => error.message);
}

/** One after another: they share a clock. */
async function broken(facts) {
  const names = [];
  for (const { name, run } of facts) await run().catch(() => names.push(name));
  return names;
}

let isKnownError = false;
try {
  manualClock('noon');
} catch (error) {
  isKnownError = error instanceof CacheConfigError;
}

const [rows, bus] = [new Map(), localBus()];
const open = () => new Keyv({ store: rows });
console.log(
  JSON.stringify({
    isKnownError,
    frozen: await reasonOfFrozen(),
    refused: await reasonOfRefusals(),
    unreachable: await reasonOfUnreachable(),
    expectations: await expectations(),
    brokenFacts: [
      await broken(storeContract({ open, clock: manualClock() })),
      await broken(busContract({ connect: () => bus.connect(), ordered: true, clock: manualClock() })),
    ],
  }),
);
