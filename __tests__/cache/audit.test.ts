/** What an audit makes of counts and recordings: each finding where there is reason for it, and only there. */

import type { CacheStats, Finding, FindingCode, MethodStats } from '../../src/base/insight.js';
import { atOnce, auditInSteps, type AuditInput, type MemoryFacts, type MethodFacts } from '../../src/cache/audit.js';
import { Recorder } from '../../src/policies/recording.js';

const audit = (input: AuditInput) => atOnce(auditInSteps(input));

const second = 1_000;
const minute = 60 * second;

const memory: MemoryFacts = { maxEntries: 1_000, maxSize: undefined, isOnlyStore: true };

const loads = { count: 100, errors: 0, meanMs: 50, p50Ms: 50, p95Ms: 80, p99Ms: 90, maxMs: 100 };

function statsOf(given: Partial<MethodStats> = {}): MethodStats {
  const { hits = 0, stale = 0, misses = 0, bypassed = 0 } = given;
  const used = hits + stale + misses;
  return {
    calls: used + bypassed,
    hits,
    hitsByTier: { memory: hits, store: 0 },
    misses,
    missesByReason: {},
    stale,
    bypassed,
    hitRate: used === 0 ? 0 : hits / used,
    loads,
    savedMs: hits * loads.meanMs,
    puts: misses,
    bytes: bytesOf(0, 0),
    invalidations: 0,
    invalidated: 0,
    mismatches: 0,
    ...given,
  };
}

function bytesOf(mean: number, max: number): MethodStats['bytes'] {
  return { mean, max, sum: mean, count: 1 };
}

const policy = {
  ttlMs: 10 * second,
  sliding: false,
  maxLifetimeMs: Infinity,
  staleWhileRevalidateMs: 0,
  refreshAhead: undefined,
  versionOf: undefined,
};

function factsOf(given: Partial<MethodFacts> & { readonly ttlMs?: number | undefined } = {}): MethodFacts {
  const { ttlMs = policy.ttlMs, ...facts } = given;
  return { policy: { ...policy, ttlMs }, tagKinds: {}, warnings: [], ...facts };
}

interface Given {
  readonly stats: Partial<MethodStats>;
  readonly facts?: MethodFacts;
  readonly recorder?: Recorder;
  readonly memory?: MemoryFacts;
}

/** One method `find` and nothing else. */
function inputOf({ stats, facts = factsOf(), recorder = new Recorder(), memory: given = memory }: Given): AuditInput {
  const method = statsOf(stats);
  const cache: CacheStats = { ...method, errors: 0, methods: { find: method } };
  return { stats: cache, recorder, methods: { find: facts }, memory: given };
}

function findings(given: Given): readonly Finding[] {
  return audit(inputOf(given)).findings;
}

function codes(given: Given): FindingCode[] {
  return findings(given).map(({ code }) => code);
}

/** `keys` keys, one after the other, again and again; one read each `everyMs`. */
function loop(keys: number, { reads, everyMs }: { readonly reads: number; readonly everyMs: number }): Recorder {
  const recorder = new Recorder();
  for (let i = 0; i < reads; i++) recorder.looked('find', `find:${i % keys}`, i * everyMs, false);
  return recorder;
}

describe('the ttl', () => {
  /** Each key every 20 seconds: with a ttl of ten, none is a hit. */
  const short = {
    stats: { misses: 600 },
    recorder: loop(20, { reads: 600, everyMs: second }),
  };

  it('is too short where a longer one brings hits', () => {
    expect(findings(short)).toEqual([
      {
        code: 'ttl-too-short',
        method: 'find',
        what: '0% of its calls are hits; with a longer ttl 93% would be',
        change: "write ttl: '5m' instead of '10s', if its values may be that old or are invalidated",
        gain: { hitRateNow: 0, hitRateThen: 560 / 600, savedMsPer1000Calls: (560 / 600) * 50 * 1_000 },
        proposal: { ttlMs: 5 * minute },
      },
    ]);
  });

  it('has a curve with the one that is written among ten or so', () => {
    const { byTtl } = audit(inputOf(short)).methods['find'] ?? { byTtl: [] };
    const ttls = byTtl.map(({ ttlMs }) => ttlMs as number);
    expect(ttls).toContain(10 * second);
    expect(ttls).toEqual(ttls.toSorted((a, b) => a - b));
    expect(ttls).toHaveLength(11);
    const rates = byTtl.map(({ hitRate }) => hitRate);
    expect(rates).toEqual(rates.toSorted((a, b) => a - b));
  });

  it('is not judged by a few calls, nor where the recording does not explain what was counted', () => {
    expect(codes({ ...short, stats: { misses: 99 } })).toEqual([]);
    expect(codes({ ...short, recorder: loop(20, { reads: 60, everyMs: second }) })).toEqual([]);
    expect(codes({ ...short, stats: { misses: 300, hits: 300 } })).toEqual([]);
  });

  it('has a curve, and is not judged, where a function tells it', () => {
    const facts = { ...factsOf(), policy: { ...policy, ttlMs: undefined } };
    const recorder = loop(20, { reads: 600, everyMs: second });
    for (let i = 0; i < 20; i++) recorder.stored(`find:${i}`, { names: [], loadMs: 0, ttlMs: 60 * minute });
    const { methods, findings: found } = audit(inputOf({ stats: { misses: 20, hits: 580 }, recorder, facts }));
    expect(methods['find']?.byTtl.map(({ hitRate }) => hitRate)).toContain(0);
    expect(methods['find']?.byTtl.map(({ hitRate }) => hitRate)).toContain(580 / 600);
    expect(found).toEqual([]);
  });

  /** Each key five times in a second, and never again. */
  function bursts(): Recorder {
    const recorder = new Recorder();
    for (let i = 0; i < 5_000; i++) recorder.looked('find', `find:${Math.floor(i / 5)}`, i * 200, false);
    return recorder;
  }

  it('is too long where a much shorter one gives the same hits', () => {
    const facts = factsOf({ ttlMs: 5 * minute });
    const given = { stats: { hits: 4_000, misses: 1_000 }, recorder: bursts(), facts };
    expect(findings(given)).toMatchObject([
      { code: 'ttl-too-long', proposal: { ttlMs: 5 * second }, gain: { hitRateNow: 0.8, hitRateThen: 0.8 } },
    ]);
  });

  it('is not too long where tags are invalidated, or a version tells what is old', () => {
    const given = { stats: { hits: 4_000, misses: 1_000 }, recorder: bursts() };
    expect(codes({ ...given, facts: factsOf({ ttlMs: 5 * minute, tagKinds: { product: 3 } }) })).toEqual([]);
    const versioned = { ...policy, ttlMs: 5 * minute, versionOf: () => 1 };
    expect(codes({ ...given, facts: { ...factsOf(), policy: versioned } })).toEqual([]);
  });
});

describe('memory', () => {
  /** A loop over more keys than there is room for: least recently used gives up each before it is asked for again. */
  const small = {
    stats: { misses: 10_000 },
    recorder: loop(1_800, { reads: 10_000, everyMs: 10 }),
    facts: factsOf({ ttlMs: Infinity }),
  };

  it('is too small where more of it brings hits', () => {
    expect(findings(small)).toMatchObject([
      {
        code: 'memory-too-small',
        method: undefined,
        change: 'write maxEntries=2000 instead of 1000 in the URI of memory',
        gain: { hitRateNow: 0, hitRateThen: 0.82 },
        proposal: { maxEntries: 2_000 },
      },
    ]);
  });

  it('is too small by bytes too', () => {
    const bySize = { maxEntries: undefined, maxSize: 1_400_000, isOnlyStore: true };
    const stats = { ...small.stats, bytes: bytesOf(1_000, 2_000) };
    expect(findings({ ...small, stats, memory: bySize })).toEqual([]);
    const recorder = loop(1_800, { reads: 10_000, everyMs: 10 });
    for (let i = 0; i < 1_800; i++) recorder.measured(`find:${i}`, 1_400);
    expect(findings({ ...small, recorder, stats, memory: bySize })).toMatchObject([
      {
        code: 'memory-too-small',
        change: 'write maxSize=2735kb instead of 1368kb in the URI of memory',
        proposal: { maxSize: 2_800_000 },
      },
    ]);
  });

  it('in front of a store decides which hits are in memory', () => {
    const input = inputOf({
      ...small,
      stats: { hits: 8_200, hitsByTier: { memory: 0, store: 8_200 }, misses: 1_800 },
      facts: { ...small.facts, results: { stored: 1_800, unstored: {}, storeHitMs: 2 } },
      memory: { ...memory, isOnlyStore: false },
    });
    const { methods, findings: found } = audit(input);
    expect(methods['find']).toMatchObject({ expectedHitRate: 0.82, trusted: true });
    const sizes = methods['find']?.bySize.map(({ maxEntries, hitRate }) => [maxEntries, hitRate]);
    expect(sizes).toContainEqual([1_000, 0]);
    expect(sizes).toContainEqual([2_000, 0.82]);
    expect(found).toMatchObject([
      {
        code: 'memory-too-small',
        what: 'memory gives up entries that are asked for again: 0% of the calls are hits in memory, with more room 82% would be',
        proposal: { maxEntries: 2_000 },
        gain: { hitRateNow: 0, hitRateThen: 0.82, savedMsPer1000Calls: 0.82 * 2 * 1_000 },
      },
    ]);
  });

  /** Each key every 12 seconds. */
  const short = { stats: { misses: 6_000 }, recorder: loop(600, { reads: 6_000, everyMs: 20 }) };

  it('is too small together with the ttl where neither change brings anything alone', () => {
    const [finding, ...others] = findings({ ...short, memory: { ...memory, maxEntries: 500 } });
    expect(others).toEqual([]);
    expect(finding).toMatchObject({
      code: 'ttl-too-short',
      proposal: { ttlMs: minute, maxEntries: 1_000 },
      gain: { hitRateNow: 0, hitRateThen: 0.8 },
    });
    expect(finding?.what).toContain('with one of them alone 0%');
    expect(finding?.change).toContain('and write maxEntries=1000 instead of 500 in the URI of memory');
  });

  it('shortens ttls, which its URI is to change', () => {
    const facts = factsOf({ ttlMs: 10 * minute });
    expect(findings({ ...short, facts, memory: { ...memory, ttlMs: second } })).toMatchObject([
      {
        code: 'ttl-too-short',
        change: 'write ttl=50s instead of ttl=1s in the URI of memory, which shortens its ttl of 10m',
        proposal: { memoryTtlMs: 50 * second },
      },
    ]);
  });
});

describe('what was counted', () => {
  const fine = { hits: 900, misses: 100 };
  /** Long enough for somebody to have invalidated something. */
  const long = { recorder: loop(10, { reads: 20, everyMs: minute }) };

  it('is nothing to speak of where all is well', () => {
    expect(codes({ stats: fine })).toEqual([]);
    expect(codes({ stats: {} })).toEqual([]);
  });

  it.each<[FindingCode, Given]>([
    ['mismatches', { stats: { ...fine, mismatches: 1 } }],
    ['many-instances', { stats: {}, facts: factsOf({ warnings: ['many-instances'] }) }],
    ['unkeyable', { stats: { bypassed: 5 }, facts: factsOf({ warnings: ['unkeyable'] }) }],
    ['tags-never-invalidated', { ...long, stats: fine, facts: factsOf({ tagKinds: { product: 0, price: 4 } }) }],
    ['invalidated-more-than-read', { stats: { hits: 100, misses: 200, invalidated: 150 } }],
    ['values-too-large', { stats: { ...fine, bytes: bytesOf(150_000, 200_000) } }],
    [
      'values-too-large',
      { stats: { ...fine, bytes: bytesOf(5_000, 90_000) }, memory: { ...memory, maxSize: 1_000_000 } },
    ],
    ['not-worth-caching', { stats: { ...fine, loads: { ...loads, meanMs: 0.002, p95Ms: 0.004 } } }],
    ['not-worth-caching', { stats: { misses: 500 }, recorder: loop(500, { reads: 500, everyMs: second }) }],
  ])('shows %s', (code, given) => {
    expect(codes(given)).toEqual([code]);
  });

  it('shows results that are not stored, and does not say that they are not worth caching', () => {
    const results = { stored: 40, unstored: { storeWhen: 950, unstorable: 10 }, storeHitMs: undefined };
    const given = { stats: { misses: 1_000, loads: { ...loads, count: 1_000 } }, facts: { ...factsOf(), results } };
    expect(findings({ ...given, recorder: loop(1_000, { reads: 1_000, everyMs: second }) })).toMatchObject([
      {
        code: 'results-not-stored',
        what: '960 of 1000 results were not stored, because `storeWhen` did not want them',
        count: 960,
      },
    ]);
    const failed = { ...loads, count: 1_000, errors: 960 };
    expect(codes({ ...given, stats: { misses: 1_000, loads: failed } })).toEqual([]);
  });

  it('names the kinds of tags that nothing invalidates', () => {
    const facts = factsOf({ tagKinds: { product: 0, price: 4, shop: 0 } });
    expect(findings({ ...long, stats: fine, facts })[0]?.what).toContain("the kinds 'product', 'shop'");
  });

  it('does not say after some minutes that nothing invalidates a tag', () => {
    const facts = factsOf({ tagKinds: { product: 0 } });
    expect(codes({ stats: fine, facts, recorder: loop(10, { reads: 5, everyMs: minute }) })).toEqual([]);
    expect(codes({ ...long, stats: fine, facts: { ...facts, ...factsOf({ ttlMs: 60 * minute }) } })).toEqual([]);
  });

  it('says nothing against caching where what was stored may yet be asked for', () => {
    const stats = { misses: 500 };
    const recorder = loop(500, { reads: 500, everyMs: second });
    expect(codes({ stats, recorder, facts: factsOf({ ttlMs: 4 * minute }) })).toEqual(['not-worth-caching']);
    expect(codes({ stats, recorder, facts: factsOf({ ttlMs: 10 * minute }) })).toEqual([]);
    expect(codes({ stats, recorder, facts: factsOf({ ttlMs: Infinity }) })).toEqual([]);
  });

  it('says nothing against caching where it is invalidations that make misses', () => {
    const recorder = new Recorder();
    for (let i = 0; i < 500; i++) recorder.looked('find', `find:${i % 5}`, i * second, true);
    expect(codes({ stats: { misses: 500, invalidated: 495 }, recorder })).toEqual(['invalidated-more-than-read']);
  });

  it('says nothing against caching where nearly all get an old value at once', () => {
    const recorder = loop(500, { reads: 1_500, everyMs: 100 });
    const facts = { ...factsOf(), policy: { ...policy, staleWhileRevalidateMs: 30 * second } };
    expect(codes({ stats: { misses: 500, stale: 1_000 }, recorder, facts })).not.toContain('not-worth-caching');
  });

  it('names the part of the calls that get an old value', () => {
    const recorder = loop(200, { reads: 6_000, everyMs: 100 });
    const facts = { ...factsOf(), policy: { ...policy, staleWhileRevalidateMs: 30 * second } };
    const [finding] = findings({ stats: { misses: 200, stale: 5_800 }, recorder, facts });
    expect(finding?.what).toBe('0% of its calls are hits and 97% get an old value; with a longer ttl 93% would be');
  });

  it('says why a value is large, and in which unit', () => {
    const what = (mean: number, max: number, maxSize: number): string | undefined =>
      findings({ stats: { ...fine, bytes: bytesOf(mean, max) }, memory: { ...memory, maxSize } })[0]?.what;
    expect(what(300, 6_000, 100_000)).toBe(
      'its values have 300 B on average, the largest measured one 6 kB, which is more than a twentieth of memory (100 kB)',
    );
    expect(what(600_000, 600_000, 100_000)).toContain('memory of 100 kB cannot hold one');
    expect(what(150_000, 150_000, 100_000_000)).toBe(
      'its values have 150 kB on average, the largest measured one 150 kB',
    );
  });

  it('tells the hit rate that was counted, and by how much that would grow', () => {
    const recorder = loop(20, { reads: 600, everyMs: second });
    const [finding] = findings({ stats: { hits: 30, misses: 570 }, recorder });
    expect(finding?.what).toBe('5% of its calls are hits; with a longer ttl 98% would be');
    expect(finding?.gain).toMatchObject({ hitRateNow: 0.05, hitRateThen: 560 / 600 + 0.05 });
  });
});

describe('a prediction', () => {
  it('is not trusted where hits are on what others have stored before, and nobody knows how often they ask', () => {
    const recorder = new Recorder();
    for (let i = 0; i < 300; i++) recorder.found('find', `find:${i}`, i * second, -1_000 - i * 100);
    const { methods, findings: found } = audit(
      inputOf({
        stats: { hits: 300 },
        recorder,
        memory: { ...memory, isOnlyStore: false },
        facts: factsOf({ ttlMs: 60 * minute }),
      }),
    );
    expect(methods['find']).toMatchObject({
      trusted: false,
      doubt: expect.stringContaining('other processes') as string,
    });
    expect(found).toEqual([]);
  });

  it('says why it is not trusted', () => {
    const recorder = loop(20, { reads: 600, everyMs: second });
    expect(audit(inputOf({ stats: { misses: 99 }, recorder })).methods['find']).toMatchObject({
      trusted: false,
      doubt: 'fewer than 100 calls were recorded',
    });
    expect(audit(inputOf({ stats: { misses: 300, hits: 300 }, recorder })).methods['find']?.doubt).toBe(
      '50% of the calls were hits, and the recording explains 0%',
    );
    expect(audit(inputOf({ stats: { misses: 600 }, recorder })).methods['find']).toMatchObject({ trusted: true });
  });
});

describe('an audit', () => {
  it('begins with what is wrong, and goes on with what saves most', () => {
    const recorder = new Recorder();
    for (let i = 0; i < 600; i++) {
      recorder.looked('cheap', `cheap:${i % 20}`, i * second, false);
      recorder.looked('dear', `dear:${i % 20}`, i * second, false);
    }
    const [cheap, dear] = [statsOf({ misses: 600 }), statsOf({ misses: 600, loads: { ...loads, meanMs: 500 } })];
    const shared = statsOf({ hits: 10, mismatches: 1 });
    const stats = { ...statsOf(), errors: 0, methods: { cheap, dear, shared } };
    const { findings: found } = audit({ stats, recorder, memory, methods: { cheap: factsOf(), dear: factsOf() } });
    expect(found.map(({ code, method }) => [code, method])).toEqual([
      ['mismatches', 'shared'],
      ['ttl-too-short', 'dear'],
      ['ttl-too-short', 'cheap'],
    ]);
  });

  it('says how long the recording is and what part of the keys is in it', () => {
    expect(audit(inputOf({ stats: {} }))).toMatchObject({ spanMs: 0, sampled: 1 });
    const { spanMs, sampled } = audit(
      inputOf({ stats: { misses: 50_000 }, recorder: loop(50_000, { reads: 50_000, everyMs: 1 }) }),
    );
    expect(spanMs).toBeGreaterThan(49_000);
    expect(sampled).toBeLessThan(0.1);
  });

  it('can travel as JSON, but for what has no end', () => {
    const input = inputOf({ stats: { misses: 600 }, recorder: loop(20, { reads: 600, everyMs: second }) });
    const made = audit(input);
    expect(JSON.parse(JSON.stringify(made))).toMatchObject({ findings: [{ code: 'ttl-too-short' }], sampled: 1 });
  });
});
