/** What a recording predicts, held against the real cache that gets the same calls with these settings. */

import { createCache } from 'cachette';
import { Recorder } from '../../src/policies/recording.js';
import type { Setting } from '../../src/policies/life.js';
import { Replay } from '../../src/policies/replay.js';
import { manualClock } from 'cachette/testing';
import { seeded, zipf } from '../support/random.js';

/** One step of a trace: time passes, then something is read or invalidated. */
type Step = { readonly after: number } & ({ readonly read: number } | { readonly invalidate: number });

/** Tags stand for several keys. */
const keysPerTag = 10;

const now: Setting = {
  ttlMs: 10_000,
  sliding: false,
  maxLifetimeMs: Infinity,
  staleWhileRevalidateMs: 0,
  refreshAhead: undefined,
  maxEntries: 500,
};

interface Run {
  readonly recorder: Recorder;
  readonly hitRate: number;
  readonly calls: number;
}

/** Runs the trace on the real cache. */
async function run(trace: readonly Step[], setting: Setting): Promise<Run> {
  const clock = manualClock();
  const cache = createCache(`memory://?maxEntries=${setting.maxEntries}`, { clock });
  const recorder = new Recorder({ maxEntries: setting.maxEntries });
  cache.on('outcome', ({ method, key = '', tier, reason, status, tags }) => {
    const sampled = recorder.find(key);
    if (status !== 'miss' && tier === 'memory') return sampled && recorder.accessed(sampled, clock.now());
    recorder.looked(method, key, clock.now(), reason.startsWith('invalidated'));
    if (status === 'miss') recorder.stored(key, { names: tags, loadMs: 0 });
  });
  cache.on('invalidation', ({ tags }) => recorder.removed(tags, clock.now()));
  const read = cache.wrap('read', async (id: number) => id, optionsOf(setting));
  for (const step of trace) {
    await clock.advance(step.after);
    if ('read' in step) await read(step.read);
    else await cache.invalidate(`group:${step.invalidate}`);
  }
  const { hitRate, hits, stale, misses } = cache.stats();
  await cache.close();
  return { recorder, hitRate, calls: hits + stale + misses };
}

function optionsOf(setting: Setting) {
  return {
    ttl: setting.ttlMs as number,
    sliding: setting.sliding,
    ...(setting.maxLifetimeMs < Infinity && { maxLifetime: setting.maxLifetimeMs }),
    ...(setting.staleWhileRevalidateMs > 0 && { staleWhileRevalidate: setting.staleWhileRevalidateMs }),
    ...(setting.refreshAhead !== undefined && { refreshAhead: setting.refreshAhead }),
    tags: (id: number) => `group:${Math.floor(id / keysPerTag)}`,
  };
}

/** The mean absolute error of what a run with the first setting predicts for itself and for the others. */
async function meanError(
  trace: readonly Step[],
  [recorded, ...others]: readonly [Setting, ...Setting[]],
): Promise<number> {
  const first = await run(trace, recorded);
  const replay = new Replay(first.recorder);
  const errorOf = (setting: Setting, { hitRate }: Run): number =>
    Math.abs(replay.predict('read', setting, first.calls).hitRate - hitRate);
  let total = errorOf(recorded, first);
  for (const other of others) total += errorOf(other, await run(trace, other));
  return total / (1 + others.length);
}

const settings: readonly [Setting, ...Setting[]] = [
  now,
  { ...now, ttlMs: 1_000 },
  { ...now, ttlMs: 60_000 },
  { ...now, maxEntries: 100 },
  { ...now, maxEntries: 2_000, ttlMs: 30_000 },
  { ...now, sliding: true, maxLifetimeMs: 20_000 },
  { ...now, staleWhileRevalidateMs: 5_000 },
  { ...now, refreshAhead: 0.5 },
];

const length = 1_500;

/** Every 20 ms on average. */
function steps(seed: number, step: (random: () => number, i: number) => Step): Step[] {
  const random = seeded(seed);
  return Array.from({ length }, (_, i) => step(random, i));
}

function uniform(): Step[] {
  return steps(1, (random) => ({ after: Math.floor(random() * 40), read: Math.floor(random() * 1_000) }));
}

function skewed(): Step[] {
  const draw = zipf(seeded(7), 3_000);
  return steps(2, (random) => ({ after: Math.floor(random() * 40), read: draw() }));
}

function scansOverAHotSet(): Step[] {
  return steps(3, (random, i) => ({
    after: Math.floor(random() * 40),
    read: random() < 0.5 ? Math.floor(random() * 50) : 100 + (i % 800),
  }));
}

function burstsWithInvalidations(): Step[] {
  const draw = zipf(seeded(8), 1_500, 0.8);
  return steps(4, (random, i) => {
    const isBusy = Math.floor(i / 500) % 2 === 0;
    const after = isBusy ? Math.floor(random() * 4) : Math.floor(random() * 80);
    return random() < 0.05 ? { after, invalidate: Math.floor(draw() / keysPerTag) } : { after, read: draw() };
  });
}

describe('a prediction is within 0.02 of what the real cache does, on average over ttls, sizes and policies', () => {
  it.each([
    ['every key as likely as any other', uniform()],
    ['a few keys called most', skewed()],
    ['a scan over a hot set', scansOverAHotSet()],
    ['bursts and invalidations', burstsWithInvalidations()],
  ])('with %s', async (_, trace) => {
    expect(await meanError(trace, settings)).toBeLessThanOrEqual(0.02);
  });

  it('with 60,000 keys, of which a part is recorded', async () => {
    const draw = zipf(seeded(11), 60_000, 0.7);
    const random = seeded(5);
    const trace = Array.from({ length: 12_000 }, () => ({ after: Math.floor(random() * 8), read: draw() }));
    const wide = { ...now, maxEntries: 10_000, ttlMs: 60_000 };
    expect(await meanError(trace, [wide, { ...wide, ttlMs: 10_000 }])).toBeLessThanOrEqual(0.02);
  });
});

describe('a sample of the keys', () => {
  const settingsOfMany: readonly Setting[] = [
    { ...now, maxEntries: 10_000, ttlMs: 60_000 },
    { ...now, maxEntries: 10_000, ttlMs: 10_000 },
    { ...now, maxEntries: 2_000, ttlMs: 60_000 },
    { ...now, maxEntries: 40_000, ttlMs: Infinity },
  ];

  it('predicts within 0.02 of what all of them do, on average over traces, ttls and sizes', () => {
    const errors: number[] = [];
    for (const [seed, skew] of [0.5, 0.7, 0.9].entries()) {
      const [sampled, whole] = [new Recorder(), new Recorder({ maxKeys: 60_000, maxEvents: 200_000 })];
      const [draw, random] = [zipf(seeded(seed), 60_000, skew), seeded(100 + seed)];
      const calls = 40_000;
      for (let i = 0, time = 0; i < calls; i++) {
        time += Math.floor(random() * 4);
        const key = `read:${draw()}`;
        for (const recorder of [sampled, whole]) recorder.looked('read', key, time, false);
      }
      const [part, all] = [new Replay(sampled), new Replay(whole)];
      expect([part.rate < 0.3, all.rate]).toEqual([true, 1]);
      for (const setting of settingsOfMany) {
        const { hitRate } = all.predict('read', setting);
        errors.push(Math.abs(part.predict('read', setting, calls).hitRate - hitRate));
      }
    }
    expect(errors.reduce((sum, error) => sum + error, 0) / errors.length).toBeLessThanOrEqual(0.02);
  });

  it('stays as good when most of the past is forgotten', () => {
    const [short, whole] = [new Recorder(), new Recorder({ maxKeys: 60_000, maxEvents: 200_000 })];
    const [draw, random] = [zipf(seeded(3), 30_000, 0.8), seeded(4)];
    const stored = new Map<string, number>();
    const calls = 60_000;
    for (let i = 0, time = 0; i < calls; i++) {
      time += Math.floor(random() * 100);
      const key = `read:${draw()}`;
      const isHit = time < (stored.get(key) ?? 0);
      if (!isHit) stored.set(key, time + (now.ttlMs as number));
      for (const recorder of [short, whole]) {
        const sampled = recorder.find(key);
        if (isHit && sampled) recorder.accessed(sampled, time);
        if (!isHit) recorder.looked('read', key, time, false);
      }
    }
    const [part, all] = [new Replay(short), new Replay(whole)];
    expect(part.spanMs).toBeLessThan(all.spanMs / 3);
    for (const ttlMs of [5_000, 10_000, 60_000]) {
      const setting = { ...now, ttlMs, maxEntries: Infinity };
      expect(
        Math.abs(part.predict('read', setting, calls).hitRate - all.predict('read', setting).hitRate),
      ).toBeLessThan(0.02);
    }
  });
});
