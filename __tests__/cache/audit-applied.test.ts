/** A badly configured service is run, audited, changed as the audit says, and run again: it comes out as predicted. */

import { type Audit, createCache, type Finding } from 'cachette';
import { manualClock } from 'cachette/testing';
import { timeOfDay } from '../support/time-of-day.js';
import { seeded } from '../support/random.js';

interface Settings {
  readonly ttlMs: number;
  readonly maxEntries: number;
}

/** The same calls each time: popular products, seven a second, over half an hour; now and then one is changed. */
async function run({ ttlMs, maxEntries }: Settings): Promise<{ hitRate: number; audit: Audit }> {
  const clock = manualClock();
  const cache = createCache(`memory://?maxEntries=${maxEntries}`, { clock: timeOfDay(clock) });
  class Products {
    @cache.Cached({ ttl: ttlMs, tags: (id) => `product:${id}`, copies: 'shared' })
    async find(id: number): Promise<{ id: number }> {
      const until = performance.now() + 0.03;
      while (performance.now() < until);
      return { id };
    }

    @cache.Invalidates((id) => `product:${id}`)
    async update(_id: number): Promise<void> {}
  }
  const products = new Products();
  const random = seeded(7);
  for (let i = 0; i < 12_000; i++) {
    await clock.advance(150);
    const id = Math.floor(1_000 ** random()) - 1;
    if (random() < 0.002) await products.update(id);
    else await products.find(id);
  }
  const answer = { hitRate: cache.stats().hitRate, audit: cache.audit() };
  await cache.close();
  return answer;
}

function changed(settings: Settings, { proposal }: Finding): Settings {
  return { ttlMs: proposal?.ttlMs ?? settings.ttlMs, maxEntries: proposal?.maxEntries ?? settings.maxEntries };
}

it('reaches within 0.02 of what each change was to bring, until nothing is left to change', async () => {
  const settings: Settings[] = [{ ttlMs: 2_000, maxEntries: 30 }];
  const changes: string[] = [];
  let before = await run(settings[0] as Settings);
  const first = before.hitRate;
  for (let round = 0; round < 6; round++) {
    const finding = before.audit.findings.find(({ proposal, code }) => proposal && code !== 'ttl-too-long');
    if (!finding) break;
    changes.push(finding.code);
    const next = changed(settings.at(-1) as Settings, finding);
    const after = await run(next);
    expect(Math.abs(after.hitRate - (finding.gain?.hitRateThen ?? NaN))).toBeLessThanOrEqual(0.02);
    expect(after.hitRate).toBeGreaterThan(before.hitRate);
    settings.push(next);
    before = after;
  }
  expect(new Set(changes)).toEqual(new Set(['ttl-too-short', 'memory-too-small']));
  expect(before.hitRate - first).toBeGreaterThan(0.3);
}, 60_000);
