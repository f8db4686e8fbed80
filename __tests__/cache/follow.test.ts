/** What the cache does with changes that somebody else tells it of. */

import { EventEmitter } from 'node:events';
import { createCache, type Cache, type CacheOptions, type CacheProblem, type InvalidationEvent } from 'cachette';
import { mostGathered } from '../../src/cache/follow.js';
import { Gate, jobs } from '../support/stepped-backend.js';
import { SteppedMethod, SteppedProcess } from '../support/stepped-process.js';

/** A source whose items the test gives. */
class Source implements AsyncIterable<unknown> {
  returns = 0;
  /** How `return()` answers. */
  atReturn: () => Promise<unknown> = () => Promise.resolve();
  #waiting: Gate<IteratorResult<unknown>> | undefined;
  readonly #items: unknown[] = [];

  give(...items: unknown[]): void {
    this.#items.push(...items);
    this.#next();
  }

  async end(): Promise<void> {
    await jobs();
    this.#waiting?.open({ done: true, value: undefined });
  }

  async fail(error: unknown): Promise<void> {
    await jobs();
    this.#waiting?.fail(error);
  }

  #next(): void {
    if (!this.#waiting || this.#items.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting.open({ done: false, value: this.#items.shift() });
  }

  [Symbol.asyncIterator](): AsyncIterator<unknown> {
    return {
      next: () => {
        const waiting = (this.#waiting = new Gate<IteratorResult<unknown>>());
        this.#next();
        return waiting.promise;
      },
      return: async () => {
        this.returns++;
        await this.atReturn();
        return { done: true, value: undefined };
      },
    };
  }
}

let opened: Cache[];
let rejections: unknown[];
const onRejection = (error: unknown): void => void rejections.push(error);

beforeEach(() => {
  opened = [];
  rejections = [];
  process.on('unhandledRejection', onRejection);
});

afterEach(async () => {
  await Promise.all(opened.map((cache) => cache.close()));
  await jobs();
  process.off('unhandledRejection', onRejection);
  expect(rejections).toEqual([]);
});

function open(options: CacheOptions = {}, cache: Cache = createCache('memory://', options)) {
  opened.push(cache);
  const told: InvalidationEvent[] = [];
  const problems: CacheProblem[] = [];
  const warnings: string[] = [];
  cache.on('invalidation', (event) => told.push(event));
  cache.on('error', (problem) => problems.push(problem));
  cache.on('warning', ({ message }) => warnings.push(message));
  return { cache, told, problems, warnings };
}

const follow = (cache: Cache, source: unknown, options?: object) =>
  (cache.follow as (source: unknown, options?: object) => ReturnType<Cache['follow']>)(source, options);

/** As the feed sees it, when all promise jobs have run. */
async function tagsTold(told: readonly InvalidationEvent[]): Promise<(readonly string[])[]> {
  await jobs();
  return told.map(({ tags }) => tags);
}

const everything: readonly string[] = [];

describe('an async iterable', () => {
  it('invalidates the tag, the tags, or everything, as an item says', async () => {
    const { cache, told } = open();
    const source = new Source();
    cache.follow(source as AsyncIterable<string>);
    for (const item of ['a', ['b', 'c'], { clear: true }]) {
      source.give(item);
      await jobs();
    }
    expect(await tagsTold(told)).toEqual([['a'], ['b', 'c'], everything]);
  });

  it('makes the entry under the tag a miss', async () => {
    const { cache } = open();
    let runs = 0;
    const count = cache.wrap('count', async () => ++runs, { tags: 'a' });
    const source = new Source();
    cache.follow(source as AsyncIterable<string>);
    expect([await count(), await count()]).toEqual([1, 1]);
    source.give('a');
    await jobs();
    expect(await count()).toBe(2);
  });

  it('invalidates nothing for an empty array', async () => {
    const { cache, told, problems } = open();
    const source = new Source();
    cache.follow(source as AsyncIterable<string>);
    source.give([]);
    expect(await tagsTold(told)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('is mapped by the tags option', async () => {
    const { cache, told } = open();
    async function* rows() {
      yield { id: 1, gone: false };
      yield { id: 2, gone: true };
    }
    await cache.follow(rows(), { tags: ({ id, gone }) => (gone ? { clear: true } : `row:${id}`) }).ended;
    expect((await tagsTold(told)).slice(0, 2)).toEqual([['row:1'], everything]);
  });

  it.each([
    ['ends', (source: Source) => source.end(), 'has ended'],
    ['fails', (source: Source) => source.fail(new Error('no network')), 'has failed: Error: no network'],
  ])('that %s invalidates everything once, and is told loudly', async (_what, stop, how) => {
    const { cache, told, problems, warnings } = open();
    const source = new Source();
    const following = cache.follow(source as AsyncIterable<string>);
    await stop(source);
    await following.ended;
    expect(await tagsTold(told)).toEqual([everything]);
    const message = `follow: the source ${how}; everything was invalidated, and of later changes the cache is not told`;
    expect(problems).toMatchObject([{ code: 'feed', message }]);
    expect(warnings).toEqual([message]);
    expect(source.returns).toBe(0);
  });

  it('whose iterator cannot be made counts as failed', async () => {
    const { cache, told } = open();
    const source = {
      [Symbol.asyncIterator]: () => {
        throw new Error('no iterator');
      },
    };
    await follow(cache, source).ended;
    expect(await tagsTold(told)).toEqual([everything]);
  });

  it('is closed with the cache, and that is no failure', async () => {
    const { cache, told, problems } = open();
    const source = new Source();
    const following = cache.follow(source as AsyncIterable<string>);
    source.give('a');
    await jobs();
    await cache.close();
    await following.ended;
    expect([source.returns, problems]).toEqual([1, []]);
    expect(await tagsTold(told)).toEqual([['a']]);
  });

  it('says nothing any more when it is closed', async () => {
    const { cache, told, problems } = open();
    const source = new Source();
    const following = cache.follow(source as AsyncIterable<string>);
    await following.close();
    source.give('a');
    await source.fail(new Error('too late'));
    expect(await tagsTold(told)).toEqual([]);
    expect(problems).toEqual([]);
  });

  it('that never answers keeps close() no longer than the deadline', async () => {
    const { cache, problems } = open({ deadline: '30ms' });
    const source = new Source();
    source.atReturn = () => new Promise(() => {});
    cache.follow(source as AsyncIterable<string>);
    await cache.close();
    expect(problems).toMatchObject([
      { code: 'feed', message: 'follow: the source did not end cleanly: DeadlineError: no answer within 30 ms' },
    ]);
  });

  it('is given a listener for its problems, if it takes one', async () => {
    const { cache, problems, warnings } = open();
    let tell: (problem: object) => void = () => {};
    const source = Object.assign(new Source(), { onProblem: (listener: typeof tell) => (tell = listener) });
    const following = cache.follow(source as AsyncIterable<string>);
    const cause = new Error('cut');
    tell({ message: 'the line is cut', cause });
    tell({ message: 'the password is wrong', loud: true });
    await following.close();
    tell({ message: 'too late' });
    expect(problems).toEqual([
      { code: 'feed', message: 'the line is cut', cause },
      { code: 'feed', message: 'the password is wrong' },
    ]);
    expect(warnings).toEqual(['the password is wrong']);
  });
});

describe('an emitter', () => {
  it.each([
    ['on and off', (emitter: EventEmitter) => emitter],
    [
      'addListener and removeListener',
      (emitter: EventEmitter) => ({
        addListener: emitter.addListener.bind(emitter),
        removeListener: emitter.removeListener.bind(emitter),
      }),
    ],
  ])('with %s is followed until it is closed', async (_what, shaped) => {
    const { cache, told } = open();
    const emitter = new EventEmitter();
    cache.follow(shaped(emitter));
    emitter.emit('change', 'a');
    expect(await tagsTold(told)).toEqual([['a']]);
    await cache.close();
    expect(emitter.eventNames()).toEqual([]);
  });

  it('is followed under the event that is named, also where it is iterable', async () => {
    const { cache, told } = open();
    const emitter = Object.assign(new EventEmitter(), { [Symbol.asyncIterator]: () => new Source() });
    cache.follow(emitter, { event: 'saved', tags: (row: { id: number }) => `row:${row.id}` });
    emitter.emit('saved', { id: 1 });
    expect(await tagsTold(told)).toEqual([['row:1']]);
  });

  it('that emits an error is followed no more, invalidates everything, and may emit more errors', async () => {
    const { cache, told, problems, warnings } = open();
    const emitter = new EventEmitter();
    const following = cache.follow(emitter);
    emitter.emit('error', new Error('cut'));
    await following.ended;
    emitter.emit('error', new Error('cut again'));
    emitter.emit('change', 'a');
    expect(await tagsTold(told)).toEqual([everything]);
    expect(problems).toMatchObject([{ code: 'feed', message: expect.stringContaining('has failed: Error: cut;') }]);
    expect(warnings).toHaveLength(1);
    await following.close();
    expect(emitter.eventNames()).toEqual([]);
  });

  it('that emits inside a transaction waits for its end', async () => {
    const { cache, told } = open();
    const emitter = new EventEmitter();
    cache.follow(emitter);
    await cache.transaction(async () => {
      emitter.emit('change', 'a');
      await jobs();
      expect(told).toEqual([]);
    });
    expect(await tagsTold(told)).toEqual([['a']]);
  });
});

it('a source that never has to wait leaves the process time for other things', async () => {
  const { cache, told } = open();
  let given = 0;
  let isOver = false;
  async function* flood() {
    while (!isOver) yield `t${given++}`;
  }
  const following = cache.follow(flood());
  await jobs();
  isOver = true;
  await following.ended;
  expect(told.flatMap(({ tags }) => tags)).toHaveLength(given);
});

it('an iterable that is followed inside a transaction does not wait for its end', async () => {
  const { cache, told } = open();
  const source = new Source();
  await cache.transaction(async () => {
    cache.follow(source as AsyncIterable<string>);
    source.give('a');
    expect(await tagsTold(told)).toEqual([['a']]);
  });
});

describe('an item that is no change', () => {
  it.each([
    ['of a wrong type', 7, {}, '7 is not a tag'],
    ['with a part of a wrong type', ['a', null], {}, 'null is not a tag'],
    ['that is empty', '', {}, "'' is not a tag"],
    ['that clears nothing', { clear: false }, {}, 'an object is not a tag'],
    [
      'whose mapper throws',
      'a',
      {
        tags: () => {
          throw new Error('no such table');
        },
      },
      'no such table',
    ],
  ])('%s invalidates everything, and the next ones are heard', async (_what, item, options, reason) => {
    const { cache, told, problems } = open();
    const source = new Source();
    follow(cache, source, options);
    source.give(item);
    await jobs();
    expect(await tagsTold(told)).toEqual([everything]);
    expect(problems).toMatchObject([{ code: 'feed', message: expect.stringContaining(reason) }]);
    expect(problems[0]?.message).toContain('an item of the source is no change, so everything was invalidated');
    source.give({ clear: true });
    expect(await tagsTold(told)).toHaveLength(2);
  });

  it('of an unknown kind invalidates everything, and warns once', async () => {
    const { cache, told, problems, warnings } = open({ tagKinds: ['city'] });
    const source = new Source();
    cache.follow(source as AsyncIterable<string>);
    for (const item of ['citty:1', 'town:1', 'city:1']) {
      source.give(item);
      await jobs();
    }
    expect(await tagsTold(told)).toEqual([everything, everything, ['city:1']]);
    expect(problems).toHaveLength(2);
    expect(warnings).toEqual([expect.stringContaining("the tag 'citty:1' is of none of the kinds")]);
  });
});

describe('on a store that takes its time', () => {
  function stepped(options: CacheOptions = {}) {
    const stepping = new SteppedProcess({ automatic: true }, options);
    const source = new Source();
    const opening = open({}, stepping.cache);
    const following = stepping.cache.follow(source as AsyncIterable<string>);
    return { ...opening, source, following, backend: stepping.backend };
  }

  it('changes that come during an invalidation go out together when it has ended', async () => {
    const { backend, source, told } = stepped();
    const first = backend.sent('deleteMany', ':a');
    source.give('a');
    const command = await first;
    const second = backend.sent('deleteMany', ':b');
    source.give('b', ['c', 'd'], 'b');
    await jobs();
    expect(told).toEqual([]);
    await command.answer();
    await (await second).answer();
    expect(await tagsTold(told)).toEqual([['a'], ['b', 'c', 'd']]);
  });

  it('too many of them become an invalidation of everything', async () => {
    const { backend, source, told } = stepped();
    const first = backend.sent('deleteMany', ':a');
    source.give('a');
    const command = await first;
    source.give(Array.from({ length: mostGathered }, (_, n) => `t${n}`));
    await jobs();
    source.give('one more');
    await jobs();
    await command.answer();
    expect(await tagsTold(told)).toEqual([['a'], everything]);
  });

  it('close() delivers what was gathered', async () => {
    const { backend, source, following, told } = stepped();
    const first = backend.sent('deleteMany', ':a');
    source.give('a');
    const command = await first;
    source.give('b');
    await jobs();
    const closing = following.close();
    await command.answer();
    await closing;
    expect(await tagsTold(told)).toEqual([['a'], ['b']]);
  });

  it('a change during a running method is not lost: its result is not served', async () => {
    const { cache, source, told } = stepped();
    let price = 1;
    const method = new SteppedMethod(() => price);
    const read = cache.wrap('read', method.run, { tags: 'a' });
    const first = read();
    const run = await method.begun();
    price = 2;
    source.give('a');
    expect(await tagsTold(told)).toEqual([['a']]);
    await run.end();
    expect(await first).toBe(1);
    method.automatic = true;
    expect([await read(), await read()]).toEqual([2, 2]);
  });

  it('a change during an invalidation of the same tag is not lost', async () => {
    const { cache, backend, source, told } = stepped();
    let price = 1;
    const method = new SteppedMethod(() => price);
    const read = cache.wrap('read', method.run, { tags: 'a' });
    const removing = backend.sent('deleteMany', ':a');
    source.give('a');
    const command = await removing;
    command.exec();
    // Computed under the generation that was made after the deletion, from the data before the second change.
    const first = read();
    const run = await method.begun();
    price = 2;
    source.give('a');
    await jobs();
    await command.answer();
    await run.end();
    await first;
    expect(await tagsTold(told)).toEqual([['a'], ['a']]);
    method.automatic = true;
    expect([await read(), await read()]).toEqual([2, 2]);
  });

  it('an invalidation that cannot be delivered is told and harms nobody, also where it rejects', async () => {
    const { backend, source, told, problems } = stepped({ onInvalidationFailure: 'throw' });
    backend.broken = true;
    source.give('a');
    expect(await tagsTold(told)).toEqual([['a']]);
    expect(problems).toContainEqual(
      expect.objectContaining({ code: 'feed', message: expect.stringContaining('The invalidation of a could not be') }),
    );
    backend.broken = false;
  });
});

describe('a mistake', () => {
  it.each([
    [undefined, undefined, 'a value of type undefined is neither an async iterable nor an emitter'],
    [null, undefined, 'null is neither an async iterable nor an emitter'],
    [['a'], undefined, 'an object is neither an async iterable nor an emitter'],
    [{ on: () => {} }, undefined, 'an object is neither an async iterable nor an emitter'],
    [
      new Source(),
      { event: 'change' },
      "there is an event 'change', and the source is no emitter; leave the event out",
    ],
    [new Source(), { tags: 'a' }, "tags is 'a'; write a function (item) => tags"],
    [new Source(), { evnt: 'a' }, "there is no option 'evnt'; did you mean 'event'?"],
    [new Source(), 'change', "'change' is not an object of options"],
  ])('is thrown at once: %p with %p', (source, options, message) => {
    const { cache } = open();
    expect(() => follow(cache, source, options as object)).toThrow(message);
  });

  it('is to follow when the cache is closed', async () => {
    const { cache } = open();
    await cache.close();
    expect(() => follow(cache, new Source())).toThrow('follow: the cache is closed');
  });
});
