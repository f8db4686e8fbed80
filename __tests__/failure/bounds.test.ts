/** What a real server does only by chance, done on purpose: commands that hang for as long as the test wants. */
import { CacheConfigError, type CacheProblem, createCache, registerScheme, type StoreInput } from 'cachette';

import { Undelivered } from '../../src/stores/undelivered.js';
import { startRedis, until } from '../support/servers.js';

jest.setTimeout(20_000);

const slackMs = 1_000;

/** A store that writes down what it is asked, and answers nothing while it is silent. */
class Shelf {
  readonly asked: string[] = [];
  silent = false;
  broken = false;
  readonly #rows = new Map<string, unknown>();

  get store(): StoreInput {
    return {
      opts: {},
      get: (key: string) => this.#answer('get', () => this.#rows.get(key)),
      getMany: (keys: string[]) => this.#answer('getMany', () => keys.map((key) => this.#rows.get(key))),
      set: (key: string, row: unknown) => this.#answer('set', () => this.#rows.set(key, row)),
      delete: (key: string) => this.#answer('delete', () => this.#rows.delete(key)),
      deleteMany: (keys: string[]) =>
        this.#answer('deleteMany', () => keys.map((key) => this.#rows.delete(key)).includes(true)),
      clear: () => Promise.resolve(),
    } as unknown as StoreInput;
  }

  async #answer<T>(command: string, answer: () => T): Promise<T> {
    this.asked.push(command);
    if (this.broken) throw new Error('The store is broken.');
    if (this.silent) await new Promise<never>(() => {});
    return answer();
  }
}

function cacheOn(shelf: Shelf, deadlineMs: number) {
  const cache = createCache(shelf.store, { deadline: deadlineMs });
  const problems: CacheProblem[] = [];
  cache.on('error', (problem) => problems.push(problem));
  let runs = 0;
  const read = cache.wrap('read', async (id: string) => `${id} ${++runs}`, { tags: (id) => `row:${id}` });
  return { cache, problems, read };
}

/** Five commands without an answer at the same time. */
async function openBreaker({ cache }: ReturnType<typeof cacheOn>): Promise<void> {
  await Promise.all(Array.from({ length: 5 }, (_, i) => cache.invalidate(`nothing:${i}`)));
}

async function timed<T>(work: Promise<T>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

describe('a call waits for one deadline at most', () => {
  it('where it has waited for a write of its key', async () => {
    const shelf = new Shelf();
    const { cache, read } = cacheOn(shelf, 300);
    await read('warm up');
    await until('It is written', () => shelf.asked.filter((command) => command === 'set').length >= 4);
    const [first] = await Promise.all([read('x'), until('The write is under way', () => (shelf.silent = true))]);
    expect(first).toBe('x 2');
    shelf.asked.length = 0;
    expect(await timed(read('x'))).toBeLessThan(300 + slackMs);
    expect(shelf.asked).not.toContain('getMany');
    await cache.close();
  });

  it('where it has waited for the delivery of an invalidation', async () => {
    const shelf = new Shelf();
    const { cache, read } = cacheOn(shelf, 300);
    await read('x');
    shelf.silent = true;
    expect(await cache.invalidate('row:y')).toEqual({ status: 'deferred' });
    shelf.asked.length = 0;
    await until('The delivery is tried again', () => shelf.asked.includes('deleteMany'));
    expect(await timed(read('x'))).toBeLessThan(300 + slackMs);
    expect(shelf.asked).not.toContain('getMany');
    await cache.close();
  });
});

describe('a breaker that is open', () => {
  it('lets nobody wait for the end of a probe', async () => {
    const shelf = new Shelf();
    const deadlineMs = 2_000;
    const caller = cacheOn(shelf, deadlineMs);
    await caller.read('warm up');
    shelf.silent = true;
    await openBreaker(caller);
    shelf.asked.length = 0;
    // By a call, or by the delivery of what was invalidated.
    await until('The server is probed', () => {
      void caller.read('probe');
      return shelf.asked.length > 0;
    });
    expect(await timed(caller.read('x'))).toBeLessThan(deadlineMs / 2);
    await caller.cache.close();
  });

  it('keeps no invalidation from being delivered when the cache is closed', async () => {
    const shelf = new Shelf();
    const caller = cacheOn(shelf, 100);
    await caller.read('x');
    shelf.silent = true;
    await openBreaker(caller);
    expect(await caller.cache.invalidate('row:x')).toEqual({ status: 'deferred' });
    shelf.silent = false;
    await caller.cache.close();
    const { read, cache } = cacheOn(shelf, 100);
    expect((await cache.explain(() => read('x'))).calls).toMatchObject([{ reason: 'invalidated: row:x' }]);
    await cache.close();
  });

  it('closes also where the clock of the machine has been set back', async () => {
    const shelf = new Shelf();
    const caller = cacheOn(shelf, 100);
    jest.useFakeTimers({ doNotFake: [...everythingButTheDate] });
    try {
      await caller.read('warm up');
      shelf.silent = true;
      await openBreaker(caller);
      jest.setSystemTime(Date.now() - 3_600_000);
      shelf.silent = false;
      await until('The store is used again', async () => (await caller.read('x')) === (await caller.read('x')));
    } finally {
      jest.useRealTimers();
    }
    await caller.cache.close();
  });
});

describe('callers who ask again at once, and whom memory answers while the store is silent', () => {
  it.each(['no answer yet', 'an open breaker'])('do not keep the process from its sockets: %s', async (why) => {
    const shelf = new Shelf();
    const cache = createCache(['memory://', shelf.store], { deadline: 50, outageGrace: '1m' });
    cache.on('warning', () => {}); // that there is no bus
    const read = cache.wrap('read', async (id: string) => id, { tags: (id) => `row:${id}` });
    await read('x');
    shelf.silent = true;
    if (why === 'an open breaker') await openBreaker({ cache } as ReturnType<typeof cacheOn>);
    let [hasTurned, calls] = [false, 0];
    // The first answer comes after the deadline, and all others in the same turn, if nothing makes the loop turn.
    await read('x');
    setImmediate(() => (hasTurned = true));
    while (!hasTurned && calls < 10_000) {
      await read('x');
      calls++;
    }
    expect(calls).toBeLessThan(10_000);
    await cache.close();
  });
});

describe('a deadline', () => {
  it('does not pass over an answer that came while the process was blocked', async () => {
    const server = await startRedis({});
    const cache = createCache(server.uri, { namespace: 'blocked', deadline: 100 });
    try {
      const problems: CacheProblem[] = [];
      let runs = 0;
      const read = cache.wrap('read', async () => ++runs);
      await until('It is cached', async () => (await read()) === (await read()));
      cache.on('error', (problem) => problems.push(problem));
      const before = runs;
      server.freeze();
      const reading = read();
      await turns(3);
      server.thaw();
      // Long enough for the server to answer on a busy machine.
      block(1_000);
      await reading;
      expect(runs).toBe(before);
      expect(problems).toEqual([]);
    } finally {
      await cache.close();
      await server.stop();
    }
  });

  it('that has passed still lets a misconfiguration be told, once', async () => {
    registerScheme('slow-to-fail', async () => {
      await new Promise((resolve) => setTimeout(resolve, 200));
      throw new CacheConfigError({ where: 'slow-to-fail', what: 'the host is unknown', instead: 'write another one' });
    });
    const cache = createCache('slow-to-fail://host', { deadline: 50 });
    const warnings: string[] = [];
    cache.on('warning', ({ message }) => warnings.push(message));
    const read = cache.wrap('read', async (id: number) => id);
    for (let id = 0; id < 6; id++) await read(id);
    await until('It is told', () => warnings.length > 0);
    await read(7);
    expect(warnings).toEqual([expect.stringContaining('the host is unknown')]);
    await cache.close();
  });
});

it('tells of a failed command once, however many callers share it', async () => {
  const shelf = new Shelf();
  shelf.broken = true;
  const { cache, problems, read } = cacheOn(shelf, 1_000);
  await Promise.all(Array.from({ length: 100 }, (_, i) => read(`${i}`)));
  expect(problems.length).toBe(1);
  await cache.close();
});

it('tries to deliver nothing more when it is closed', async () => {
  const shelf = new Shelf();
  const { cache, read, problems } = cacheOn(shelf, 100);
  await read('x');
  await cache.close();
  expect(await cache.invalidate('row:x')).toEqual({ status: 'deferred' });
  problems.length = 0;
  const end = performance.now() + 1_500;
  await until('More than a pause between two tries has passed', () => performance.now() > end);
  expect(problems).toEqual([]);
});

it('goes on trying to deliver what was added while a long attempt was under way', async () => {
  const attempts: { readonly names: readonly string[]; end(delivered: boolean): void }[] = [];
  const undelivered = new Undelivered('everything', (names) => new Promise((end) => attempts.push({ names, end })));
  undelivered.add(['a']);
  await until('The first attempt is under way', () => attempts.length === 1);
  undelivered.add(['b']);
  const end = performance.now() + 1_500;
  await until('Its time for a retry passes meanwhile', () => performance.now() > end);
  attempts[0]!.end(true);
  await until('The second attempt is under way', () => attempts.length === 2);
  expect(attempts.map(({ names }) => names)).toEqual([['a'], ['b']]);
  attempts[1]!.end(false);
  await until('The third attempt is under way', () => attempts.length === 3);
  attempts[2]!.end(true);
  await until('All is delivered', () => undelivered.isEmpty);
});

const everythingButTheDate = [
  'hrtime',
  'nextTick',
  'performance',
  'queueMicrotask',
  'setImmediate',
  'clearImmediate',
  'setInterval',
  'clearInterval',
  'setTimeout',
  'clearTimeout',
] as const;

async function turns(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn++) await new Promise((resolve) => setImmediate(resolve));
}

function block(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
