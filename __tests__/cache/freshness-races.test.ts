/**
 * Everything that loads or serves beside the plain path, against everything that makes an entry wrong. What a run brings that
 * has read the old data must not outlive an invalidation that returned while it was running:
 *
 *   T1 reads x: the run has read A=0 · A=1, the invalidation returns `done` · the run ends · T0 reads x: must be 1
 */

import { type Cache, type CacheTimeout, createCache, type InvalidationResult } from 'cachette';
import { expectHit, manualClock, type ManualClock } from 'cachette/testing';
import { type MemcachedTestServer, type RedisTestServer, startMemcached, startRedis } from '../support/servers.js';
import { jobs } from '../support/stepped-backend.js';
import { type Run, SteppedMethod, SteppedProcess, SteppedTiers } from '../support/stepped-process.js';
import { timeOfDay } from '../support/time-of-day.js';

const ttlMs = 10_000;

/** Two processes at one store, or one process where it has memory alone. */
interface Place {
  readonly here: Cache;
  readonly there: Cache;
  readonly clock: ManualClock;
  /** What goes on here in the background. */
  readonly works: Set<Promise<unknown>>;
}

let redis: RedisTestServer;
let memcached: MemcachedTestServer;
const places = new Map<string, Place>();

function openPlace(name: string, stores: readonly string[]): Place {
  const clock = manualClock();
  const works = new Set<Promise<unknown>>();
  const open = (): Cache => {
    const options = {
      clock: timeOfDay(clock),
      namespace: `races-${name.replaceAll(/\W+/g, '-')}`,
      deadline: '5s' as const,
    };
    const cache = createCache(stores, { ...options, waitUntil: (work) => works.add(work) });
    cache.on('warning', () => {});
    return cache;
  };
  const here = open();
  const there = name === 'memory' ? here : open();
  return { here, there, clock, works };
}

const stores: Readonly<Record<string, () => readonly string[]>> = {
  memory: () => ['memory://'],
  Redis: () => [redis.uri],
  memcached: () => [memcached.uri],
  'memory and Redis': () => ['memory://', redis.uri],
  'memory and memcached': () => ['memory://', memcached.uri],
};

beforeAll(async () => {
  [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
  for (const [name, uris] of Object.entries(stores)) places.set(name, openPlace(name, uris()));
});

afterAll(async () => {
  const caches = [...places.values()].flatMap(({ here, there }) => [here, there]);
  await Promise.all(caches.map((cache) => cache.close()));
  await Promise.all([redis?.stop(), memcached?.stop()]);
});

type Data = 'old' | 'new';
let scenes = 0;

/** One method with its data, cached in both processes. */
class Scene {
  data: Data = 'old';
  version = 1;
  readonly place: Place;
  readonly name = `x${++scenes}`;
  readonly tag = `a${scenes}`;
  /** How long the method works. */
  loadMs = 0;
  readonly x = new SteppedMethod((_id?: string) => {
    work(this.loadMs);
    return this.data;
  });
  readonly read;
  /** The same method, for who waits as long as it takes. */
  readonly readPatiently;
  readonly readThere;

  constructor(place: Place, path: Path) {
    const patient = { ttl: ttlMs, tags: this.tag, ...path.options, ...(path.isVersioned && this.#versioned) };
    this.place = place;
    this.read = place.here.wrap(this.name, this.x.run, { ...patient, timeout: path.timeout });
    this.readPatiently = place.here.wrap(this.name, this.x.run, patient);
    this.readThere =
      place.there === place.here
        ? this.readPatiently
        : place.there.wrap(this.name, async (_id?: string): Promise<Data> => this.data, patient);
  }

  get #versioned(): object {
    return { version: () => this.version };
  }

  /** The old value is stored; runs wait from now on. */
  async fill(): Promise<void> {
    this.x.automatic = true;
    expect(await this.readPatiently()).toBe('old');
    await this.settled();
    this.x.automatic = false;
  }

  /** How a call is answered that is not to wait for the method. */
  async answered(): Promise<string> {
    const { value, calls } = await this.place.here.explain(() => this.read());
    expect(value).toBe('old');
    return `${calls[0]?.status}: ${calls[0]?.reason}`;
  }

  async settled(): Promise<void> {
    await jobs();
    for (const work of this.place.works) {
      await work;
      this.place.works.delete(work);
    }
    await jobs();
  }

  /** Others read what has the same generations: those that were removed are made anew. */
  async readElsewhere(): Promise<void> {
    expect(await Promise.all([this.readPatiently('other'), this.readThere('other')])).toEqual(['new', 'new']);
  }

  /** Calls that came before have read the store, and wait for the method. */
  async waiting(): Promise<void> {
    for (let trips = 0; trips < 3; trips++) await this.place.here.get(trips);
    await jobs();
  }
}

/** One way in which a run may be under way. */
interface Path {
  readonly options: object;
  readonly isVersioned?: boolean;
  readonly timeout?: CacheTimeout;
  /** Resolves when the run has read the old data, and nobody but the caller of `waiting` waits for it. */
  begin(scene: Scene): Promise<{ readonly run: Run; readonly waiting?: Promise<unknown> }>;
  /** How the run ends. Default: with what it has read. */
  end?(run: Run): Promise<void>;
  /** What comes of `waiting`. */
  check?(waiting: Promise<unknown>): Promise<void>;
}

const failure = new Error('down');
const answerOf = (calls: readonly Promise<unknown>[]): Promise<unknown> =>
  Promise.all(calls.map((call) => call.catch((error: unknown) => error)));

async function afterExpiry(scene: Scene): Promise<void> {
  await scene.fill();
  await scene.place.clock.advance(ttlMs);
}

const paths: Readonly<Record<string, Path>> = {
  'a refresh after staleWhileRevalidate': {
    options: { staleWhileRevalidate: '1h' },
    async begin(scene) {
      await afterExpiry(scene);
      expect(await scene.answered()).toBe('stale: revalidating');
      return { run: await scene.x.begun() };
    },
  },
  'a refresh after staleWhileRevalidate that one process makes for all': {
    options: { staleWhileRevalidate: '1h', singleFlight: 'fleet' },
    async begin(scene) {
      await afterExpiry(scene);
      expect(await scene.answered()).toBe('stale: revalidating');
      return { run: await scene.x.begun() };
    },
  },
  'a refresh that fails after staleWhileRevalidate': {
    options: { staleWhileRevalidate: '1h' },
    async begin(scene) {
      await afterExpiry(scene);
      expect(await scene.answered()).toBe('stale: revalidating');
      return { run: await scene.x.begun() };
    },
    end: (run) => run.fail(failure),
  },
  'a refresh by refreshAhead': {
    options: { refreshAhead: 0.5 },
    async begin(scene) {
      await scene.fill();
      await scene.place.clock.advance(ttlMs / 2);
      expect(await scene.answered()).toBe('hit: fresh');
      return { run: await scene.x.begun() };
    },
  },
  'a run that was left after the soft timeout': {
    options: { staleIfError: '1h' },
    timeout: { soft: 1 },
    async begin(scene) {
      await afterExpiry(scene);
      expect(await scene.answered()).toBe('stale: timeout');
      return { run: await scene.x.begun() };
    },
  },
  'a run that was left after the hard timeout': {
    options: {},
    timeout: { hard: 1 },
    async begin(scene) {
      const waiting = scene.read();
      await expect(waiting).rejects.toMatchObject({ code: 'CACHE_TIMEOUT' });
      return { run: await scene.x.begun() };
    },
  },
  'a run that was left after the hard timeout, which staleIfError covered': {
    options: { staleIfError: '1h' },
    timeout: { hard: 1 },
    async begin(scene) {
      await afterExpiry(scene);
      expect(await scene.answered()).toBe('stale: error');
      return { run: await scene.x.begun() };
    },
  },
  // The method fails after the invalidation has returned: neither who runs it nor who joined may be served the old value.
  'a failure that staleIfError would cover': {
    options: { staleIfError: '1h' },
    async begin(scene) {
      await afterExpiry(scene);
      const calls = [scene.read()];
      const run = await scene.x.begun();
      calls.push(scene.read());
      await scene.waiting();
      return { run, waiting: answerOf(calls) };
    },
    end: (run) => run.fail(failure),
    async check(waiting) {
      expect(await waiting).toEqual([failure, failure]);
    },
  },
  'a failure that is kept': {
    options: { errors: { ttl: '1m' } },
    async begin(scene) {
      const waiting = answerOf([scene.read()]);
      return { run: await scene.x.begun(), waiting };
    },
    end: (run) => run.fail(failure),
    async check(waiting) {
      expect(await waiting).toEqual([failure]);
    },
  },
  'a run under a new version': {
    options: { staleWhileRevalidate: '1h', staleIfError: '1h' },
    isVersioned: true,
    async begin(scene) {
      await scene.fill();
      scene.version = 2;
      const waiting = answerOf([scene.read()]);
      return { run: await scene.x.begun(), waiting };
    },
    async check(waiting) {
      expect(await waiting).toEqual(['old']);
    },
  },
};

const changes: Readonly<Record<string, (scene: Scene) => Promise<InvalidationResult>>> = {
  'invalidate(tag)': ({ place, tag }) => place.here.invalidate(tag),
  'invalidate(tag) by another process': ({ place, tag }) => place.there.invalidate(tag),
  forget: ({ read }) => read.forget(),
  forgetAll: ({ read }) => read.forgetAll(),
  'clear()': ({ place }) => place.here.clear(),
  // What is both is wrong.
  'expire(tag), then invalidate(tag)': async ({ place, tag }) => {
    await place.here.expire(tag);
    return place.there.invalidate(tag);
  },
};

// T1 reads x: the path's run has read A=0, and is held · A=1, the change returns `done` · T2 reads what has the same tag, so
// that a new generation stands · the run ends, everything settles · T0 and another process read x: both must get 1
describe.each(Object.keys(stores))('on %s', (store) => {
  describe.each(Object.entries(paths))('%s', (_name, path) => {
    const { begin, end = (run) => run.end(), check } = path;

    it.each(Object.entries(changes))('brings nothing back after %s', async (_change, change) => {
      const scene = new Scene(places.get(store) as Place, path);
      const { run, waiting } = await begin(scene);
      scene.data = 'new';
      expect(await change(scene)).toEqual({ status: 'done' });
      scene.x.automatic = true;
      await scene.readElsewhere();
      await end(run);
      await scene.settled();
      if (waiting) await check?.(waiting);
      expect(await Promise.all([scene.readPatiently(), scene.readThere()])).toEqual(['new', 'new']);
      await scene.settled();
      expect(await expectHit(scene.place.here, () => scene.readPatiently())).toBe('new');
    });
  });
});

/** One process at a server where nobody can lease, and another one at the same. */
function unleased(open: typeof SteppedProcess | typeof SteppedTiers): Place & { close(): Promise<void> } {
  const clock = manualClock();
  const works = new Set<Promise<unknown>>();
  const data = new Map<string, string>();
  const options = { clock: timeOfDay(clock), waitUntil: (work: Promise<unknown>) => works.add(work) };
  const [here, there] = [new open({ data, lacks: ['add'] }, options), new open({ data, lacks: ['add'] }, options)];
  const close = async (): Promise<void> => {
    await here.close();
    await there.close();
  };
  return { here: here.cache, there: there.cache, clock, works, close };
}

// The same by chance: a hit near the end of its life loads early where no lease keeps others from it.
describe.each([
  ['a store that cannot lease', SteppedProcess],
  ['memory and a store that cannot lease', SteppedTiers],
])('on %s, an early refresh by chance', (_store, open) => {
  let place: ReturnType<typeof unleased>;

  beforeEach(() => {
    place = unleased(open);
    // The smallest chance that there is, after 1 - random.
    jest.spyOn(Math, 'random').mockReturnValue(1 - 2 ** -53);
  });

  afterEach(async () => {
    jest.restoreAllMocks();
    await place.close();
  });

  it.each(Object.entries(changes))('brings nothing back after %s', async (_change, change) => {
    const scene = new Scene(place, { options: { refreshAhead: 0.5 }, begin: () => Promise.reject(failure) });
    // The longer it takes to load, the earlier it is loaded.
    scene.loadMs = 5;
    await scene.fill();
    await place.clock.advance(ttlMs - 50);
    expect(await scene.answered()).toBe('hit: fresh');
    const run = await scene.x.begun();
    scene.data = 'new';
    expect(await change(scene)).toEqual({ status: 'done' });
    scene.x.automatic = true;
    await scene.readElsewhere();
    await run.end();
    await scene.settled();
    expect(await Promise.all([scene.read(), scene.readThere()])).toEqual(['new', 'new']);
  });
});

function work(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}
