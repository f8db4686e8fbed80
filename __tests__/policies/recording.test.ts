/** What is recorded stays within its bounds, whatever comes, and says how much of the truth it is. */

import { Recorder } from '../../src/policies/recording.js';
import type { Setting } from '../../src/policies/life.js';
import { Replay } from '../../src/policies/replay.js';

const forever: Setting = {
  ttlMs: Infinity,
  sliding: false,
  maxLifetimeMs: Infinity,
  staleWhileRevalidateMs: 0,
  refreshAhead: undefined,
  maxEntries: Infinity,
};

const second = 1_000;

/** A recorder that hears of reads as a cache would tell it: the first one of a key is not in memory. */
class Feed {
  readonly recorder: Recorder;
  readonly #seen = new Set<string>();
  now = 0;

  constructor(recorder = new Recorder()) {
    this.recorder = recorder;
  }

  read(key: string, names: readonly string[] = []): void {
    if (this.#seen.has(key)) return hit(this.recorder, key, this.now);
    this.#seen.add(key);
    this.recorder.looked('find', key, this.now, false);
    this.recorder.stored(key, { names, loadMs: 0 });
  }

  events(): number {
    return this.recorder.recording.log.length;
  }

  /** `[hits, misses]`. */
  replayed(setting: Partial<Setting> = {}): [hits: number, misses: number] {
    const { hits, misses } = new Replay(this.recorder).predict('find', { ...forever, ...setting });
    return [hits, misses];
  }
}

/** A hit in memory. */
function hit(recorder: Recorder, key: string, now: number): void {
  const sampled = recorder.find(key);
  if (sampled) recorder.accessed(sampled, now);
}

function keysOf({ recording }: Recorder): number {
  return [...recording.keys].length;
}

describe('a recorder', () => {
  it('knows every access while keys and events are few', () => {
    const feed = new Feed();
    for (const key of ['a', 'b', 'a', 'a', 'c', 'b']) {
      feed.now += second;
      feed.read(key);
    }
    expect(feed.recorder.recording.rate).toBe(1);
    expect(feed.replayed()).toEqual([3, 3]);
    expect(feed.replayed({ maxEntries: 1 })).toEqual([1, 5]);
    expect(feed.replayed({ maxEntries: 2 })).toEqual([2, 4]);
    expect(feed.replayed({ ttlMs: 2.5 * second })).toEqual([1, 5]);
  });

  it('ignores a key that nobody has looked for, and results of keys that are not sampled', () => {
    const recorder = new Recorder();
    expect(recorder.find('a')).toBeUndefined();
    recorder.stored('a', { names: ['n'], loadMs: 1 });
    recorder.removed(['n', 'a'], 0);
    expect(recorder.recording.log.length).toBe(0);
    expect(keysOf(recorder)).toBe(0);
  });

  it('counts accesses of a hot key within a millisecond as one event', () => {
    const feed = new Feed();
    for (let i = 0; i < 100_000; i++) {
      if (i % 1_000 === 0) feed.now++;
      feed.read('hot');
    }
    expect(feed.events()).toBe(100);
    expect(feed.replayed()).toEqual([99_999, 1]);
  });

  it('takes what a removed name stands for as lost, with the name of a tag as with a key', () => {
    const feed = new Feed();
    feed.read('a', ['t']);
    feed.read('b', ['u']);
    feed.now += second;
    feed.recorder.removed(['t'], feed.now);
    for (const key of ['a', 'b', 'a']) feed.read(key);
    feed.recorder.removed(['b'], feed.now);
    feed.now += second;
    feed.read('b');
    feed.read('a');
    expect(feed.replayed()).toEqual([3, 4]);
  });

  it('takes an entry that was found invalidated as lost, though no removal was told', () => {
    const feed = new Feed();
    feed.read('a');
    feed.now += second;
    feed.recorder.looked('find', 'a', feed.now, true);
    feed.read('a');
    expect(feed.replayed()).toEqual([1, 2]);
  });

  it('notes the removals of a name once until what carries it is asked for again', () => {
    const feed = new Feed();
    feed.read('a', ['t']);
    for (let i = 0; i < 1_000; i++) feed.recorder.removed(['t'], ++feed.now);
    expect(feed.events()).toBe(2);
    feed.recorder.looked('find', 'a', ++feed.now, true);
    feed.recorder.removed(['t'], ++feed.now);
    expect(feed.events()).toBe(4);
  });

  it('takes calls that shared a run for misses, as they are told when it has ended', () => {
    const { recorder } = new Feed();
    for (let i = 0; i < 3; i++) {
      recorder.looked('find', 'a', 100, false);
      recorder.stored('a', { names: [], loadMs: 100 });
    }
    hit(recorder, 'a', 101);
    hit(recorder, 'a', 150);
    expect(new Replay(recorder).predict('find', forever)).toMatchObject({ hits: 2, misses: 3, loads: 1 });
  });

  it('takes hits for misses where they would come while the method runs', () => {
    const { recorder } = new Feed();
    recorder.looked('find', 'a', 100, false);
    recorder.stored('a', { names: [], loadMs: 100 });
    for (let now = 110; now <= 1_200; now += 10) hit(recorder, 'a', now);
    // It runs from 0 to 100, from 600 to 700, and from 1200 on.
    const expected = new Replay(recorder).predict('find', { ...forever, ttlMs: 500 });
    expect(expected).toMatchObject({ hits: 99, misses: 12, loads: 3 });
  });
});

it('hears of a key no more that has left the sample', () => {
  const recorder = new Recorder({ maxKeys: 100 });
  for (let i = 0; i < 100; i++) recorder.looked('find', `k${i}`, i, false);
  const sampled = [...recorder.recording.keys];
  for (let i = 100; i < 10_000; i++) recorder.looked('find', `k${i}`, i, false);
  const gone = sampled.filter((key) => !recorder.find(key.key));
  expect(gone.length).toBeGreaterThan(50);
  const before = recorder.recording.log.length;
  for (const key of gone) recorder.accessed(key, 20_000);
  expect(recorder.recording.log.length).toBe(before);
});

describe('what a look has left', () => {
  it('is told apart from what another one has, however close they are', () => {
    const recorder = new Recorder();
    for (const isKept of [false, false, true]) {
      recorder.loaded('find', 'a', 0);
      if (isKept) recorder.stored('a', { names: [], loadMs: 0 });
      recorder.looked('find', 'a', 0, false);
    }
    hit(recorder, 'a', 0);
    const { hits, misses, loads } = new Replay(recorder).predict('find', forever);
    expect([hits, misses, loads]).toEqual([1, 3, 3]);
  });

  it('may be known only afterwards', () => {
    const recorder = new Recorder();
    for (let i = 0; i < 3; i++) {
      recorder.loaded('find', 'a', i * second);
      recorder.stored('a', { names: [], loadMs: 0 });
      recorder.looked('find', 'a', i * second, false);
      recorder.refused('a');
    }
    const { hits, misses } = new Replay(recorder).predict('find', forever);
    expect([hits, misses]).toEqual([0, 3]);
  });
});

describe('an entry that was found in a store', () => {
  it("is another process's where it was not written here when it says", () => {
    const recorder = new Recorder();
    recorder.loaded('find', 'a', 10);
    recorder.stored('a', { names: [], loadMs: 0, writtenAt: 10 });
    recorder.found('find', 'a', 20, 10);
    recorder.found('find', 'a', 30, undefined);
    expect(recorder.recording.others.size).toBe(0);
    recorder.found('find', 'a', 40, 35);
    recorder.found('find', 'b', 50, 5);
    expect(recorder.recording.others.get('find')).toEqual({ hits: 2, since: 5 });
  });
});

describe('a recorder that is full of events', () => {
  it('makes them coarser, and never coarser than a twentieth of the shortest ttl', () => {
    const feed = new Feed(new Recorder({ maxEvents: 1_000 }));
    for (const key of ['a', 'b', 'c']) feed.read(key);
    feed.recorder.stored('a', { names: [], loadMs: 0, ttlMs: second });
    for (feed.now = 0; feed.now < 20_000; feed.now++) feed.read('abc'[feed.now % 3] as string);
    expect(feed.recorder.recording.quantumMs).toBe(50);
    expect(feed.events()).toBeLessThanOrEqual(1_000);
  });

  it('keeps apart what an invalidation lies between, however coarse it is', () => {
    const feed = new Feed(new Recorder({ maxEvents: 1_000 }));
    let misses = 0;
    for (; feed.now < 5_000; feed.now += 10) {
      for (let i = 0; i < 10; i++) feed.read(`k${i}`, [`t${i}`]);
      if (feed.now % 1_000 !== 0) continue;
      feed.recorder.removed(['t0'], feed.now);
      feed.recorder.looked('find', 'k0', feed.now, true);
      feed.recorder.stored('k0', { names: ['t0'], loadMs: 0 });
      misses++;
    }
    expect(feed.recorder.recording.quantumMs).toBeGreaterThan(10);
    expect(feed.replayed()[1]).toBe(10 + misses);
  });

  it('does not merge over what could push an entry out of memory', () => {
    const feed = new Feed(new Recorder({ maxEvents: 2_000, maxEntries: 160 }));
    for (let i = 0; i < 10_000; i++) {
      feed.now = i / 1_000;
      feed.read(`k${i % 200}`);
    }
    expect(feed.replayed({ maxEntries: 160 })[0]).toBe(0);
  });

  it('forgets the oldest, and does not take what came before for a first access', () => {
    const feed = new Feed(new Recorder({ maxEvents: 1_000 }));
    for (let round = 0; round < 100; round++) {
      for (let i = 0; i < 100; i++) {
        feed.now += second;
        feed.read(`k${i}`);
      }
    }
    expect(feed.events()).toBeLessThanOrEqual(1_000);
    const [hits, misses] = feed.replayed();
    expect(hits).toBeGreaterThan(500);
    expect(misses).toBe(0);
    expect(new Replay(feed.recorder).predict('find', forever).unknown).toBeGreaterThan(0);
    // Each is asked for every 100 s.
    expect(feed.replayed({ ttlMs: 50 * second })[0]).toBe(0);
  });
});

describe('a recorder that is full of keys', () => {
  it('keeps a part of them, and all accesses of these', () => {
    const feed = new Feed();
    for (let round = 0; round < 3; round++) {
      for (let i = 0; i < 30_000; i++) {
        feed.now += 0.01;
        feed.read(`find:${i}`);
      }
    }
    const { rate } = feed.recorder.recording;
    expect(keysOf(feed.recorder)).toBeLessThanOrEqual(4_096);
    expect(keysOf(feed.recorder) / rate).toBeGreaterThan(27_000);
    expect(keysOf(feed.recorder) / rate).toBeLessThan(33_000);
    const [hits, misses] = feed.replayed();
    expect(hits).toBe(2 * misses);
    expect(feed.replayed({ maxEntries: 24_000 })[0]).toBe(0);
    expect(feed.replayed({ maxEntries: 36_000 })[0]).toBe(hits);
  });

  it('takes more of them again when a rush is over', () => {
    const feed = new Feed();
    for (let i = 0; i < 100_000; i++) feed.read(`rush:${i}`);
    expect(feed.recorder.recording.rate).toBeLessThan(0.05);
    for (let i = 0; i < 10_000; i++) {
      feed.now += second;
      feed.recorder.looked('find', `find:${i % 300}`, feed.now, false);
    }
    expect(feed.recorder.recording.rate).toBe(1);
    expect([...feed.recorder.recording.keys].filter(({ last }) => last >= 0)).toHaveLength(300);
  });
});

describe('whatever comes, memory is bounded', () => {
  const bounds = { maxKeys: 500, maxEvents: 2_000 };

  it.each<[string, (recorder: Recorder, i: number) => void]>([
    ['ever new keys', (recorder, i) => recorder.looked('find', `k${i}`, i, false)],
    ['ever new methods', (recorder, i) => recorder.looked(`m${i}`, `k${i}`, i, false)],
    [
      'other tags at each store',
      (recorder, i) => {
        recorder.looked('find', `k${i % 100}`, i, i % 3 === 0);
        recorder.stored(`k${i % 100}`, { names: [`t${i}`, `u${i}`], loadMs: 0 });
        recorder.removed([`t${i}`, `t${i - 50}`], i);
      },
    ],
    [
      'invalidations and forgotten keys',
      (recorder, i) => {
        recorder.looked('find', `k${i % 1_000}`, i, false);
        recorder.stored(`k${i % 1_000}`, { names: ['all', `t${i % 10}`], loadMs: 0 });
        recorder.removed(['all', `t${i % 10}`, `k${i % 700}`], i);
      },
    ],
    [
      'a clock that runs backwards',
      (recorder, i) => {
        recorder.looked('find', `k${i % 3}`, -i, true);
        hit(recorder, `k${i % 3}`, -i);
      },
    ],
  ])('with %s', (_, step) => {
    const recorder = new Recorder(bounds);
    for (let i = 0; i < 60_000; i++) step(recorder, i);
    const { log, keys, forgotten, names } = recorder.recording;
    expect(log.length).toBeLessThanOrEqual(bounds.maxEvents);
    expect([...keys].length).toBeLessThanOrEqual(bounds.maxKeys);
    expect(forgotten?.size ?? 0).toBeLessThanOrEqual(1_000);
    expect(names).toBeLessThanOrEqual(2 * bounds.maxKeys);
  });

  it('with thousands of tags on each key', () => {
    const recorder = new Recorder();
    for (let i = 0; i < 2_000; i++) {
      recorder.looked('find', `k${i}`, i, false);
      recorder.stored(`k${i}`, { names: Array.from({ length: 1_000 }, (_, tag) => `${i}:${tag}`), loadMs: 0 });
    }
    expect(recorder.recording.names).toBeLessThanOrEqual(32_768);
    expect(keysOf(recorder)).toBeGreaterThan(32);
  });
});
