import { createCache, isCacheConfigError } from 'cachette';
import { manualClock } from 'cachette/testing';

describe('time', () => {
  it('stands still until it is advanced', async () => {
    const clock = manualClock();
    const before = [clock.now(), clock.monotonic()];
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([clock.now(), clock.monotonic()]).toEqual(before);
  });

  it('begins at 2030 unless a start is given, and never at a monotonic 0', () => {
    expect(new Date(manualClock().now()).toISOString()).toBe('2030-01-01T00:00:00.000Z');
    expect(manualClock(5).now()).toBe(5);
    expect(manualClock(new Date(7)).now()).toBe(7);
    expect(manualClock().monotonic()).toBeGreaterThan(0);
  });

  it('moves by milliseconds or by a duration in words, both times alike', async () => {
    const clock = manualClock(0);
    const start = clock.monotonic();
    await clock.advance(1);
    await clock.advance('2s');
    expect([clock.now(), clock.monotonic() - start]).toEqual([2_001, 2_001]);
  });

  it('is set forwards and backwards without the monotonic time and without a timer', () => {
    const clock = manualClock(0);
    const start = clock.monotonic();
    const ran = jest.fn();
    clock.after(10, ran);
    clock.set(new Date(1_000));
    expect(clock.now()).toBe(1_000);
    clock.set(-1_000);
    expect(clock.now()).toBe(-1_000);
    expect(clock.monotonic()).toBe(start);
    expect(ran).not.toHaveBeenCalled();
  });

  it.each([
    [
      'an advance backwards',
      () => manualClock().advance(-1),
      'manualClock().advance: -1 is no length of time; write milliseconds from 0',
    ],
    ['an advance in wrong words', () => manualClock().advance('5 s'), '5 s is no length of time'],
    ['an advance without an end', () => manualClock().advance(Infinity), 'Infinity is no length of time'],
    ['a start that is no date', async () => manualClock(new Date('x')), 'manualClock: Invalid Date is no time'],
    ['a time that is no time', async () => manualClock().set('1' as never), 'manualClock().set: 1 is no time'],
  ])('refuses %s', async (_what, mistake: () => Promise<unknown>, message) => {
    const error = await mistake().catch((thrown: unknown) => thrown);
    expect(isCacheConfigError(error)).toBe(true);
    expect(String(error)).toContain(message);
  });
});

describe('timers', () => {
  it('run in the order in which they are due, and of those that are due together in that of their making', async () => {
    const clock = manualClock(0);
    const ran: string[] = [];
    clock.after(20, () => ran.push(`c ${clock.now()}`));
    clock.after(10, () => ran.push(`a ${clock.now()}`));
    clock.after(10, () => ran.push(`b ${clock.now()}`));
    await clock.advance(19);
    expect(ran).toEqual(['a 10', 'b 10']);
    await clock.advance(1);
    expect(ran).toEqual(['a 10', 'b 10', 'c 20']);
    expect(clock.pending).toBe(0);
  });

  it('run once, and never when they were cancelled', async () => {
    const clock = manualClock();
    const [ran, cancelled] = [jest.fn(), jest.fn()];
    clock.after(10, ran);
    const cancel = clock.after(10, cancelled);
    expect(clock.pending).toBe(2);
    cancel();
    await clock.advance('1m');
    expect(ran).toHaveBeenCalledTimes(1);
    expect(cancelled).not.toHaveBeenCalled();
  });

  it('that a timer makes run in the same advance where they become due in it', async () => {
    const clock = manualClock(0);
    const beats: number[] = [];
    const beat = (): void => {
      beats.push(clock.now());
      clock.after(500, beat);
    };
    clock.after(500, beat);
    await clock.advance(1_700);
    expect(beats).toEqual([500, 1_000, 1_500]);
  });

  it('are each followed by the promise jobs that they bring about, before time goes on', async () => {
    const clock = manualClock(0);
    const seen: number[] = [];
    clock.after(10, () => {
      const work = async (): Promise<void> => {
        for (let i = 0; i < 50; i++) await Promise.resolve();
        clock.after(5, () => seen.push(clock.now()));
      };
      void work();
    });
    await clock.advance(20);
    expect(seen).toEqual([15]);
  });

  it('that are to run at once wait for the next millisecond, so that none repeats itself without end', async () => {
    const clock = manualClock(0);
    const ran: number[] = [];
    const again = (): void => {
      ran.push(clock.now());
      clock.after(0, again);
    };
    clock.after(0, again);
    await clock.advance(0);
    expect(ran).toEqual([]);
    await clock.advance(3);
    expect(ran).toEqual([1, 2, 3]);
  });

  it('that throw reject the advance, and time stands where they were due', async () => {
    const clock = manualClock(0);
    clock.after(10, () => {
      throw new Error('broken');
    });
    await expect(clock.advance(20)).rejects.toThrow('broken');
    expect(clock.now()).toBe(10);
    await clock.advance(5);
    expect(clock.now()).toBe(15);
  });
});

describe('an advance', () => {
  it('begins with what has been started: a timer that it leads to counts from now', async () => {
    const clock = manualClock(0);
    const started = (async () => {
      await Promise.resolve();
      await Promise.resolve();
      return new Promise<number>((resolve) => clock.after(10, () => resolve(clock.now())));
    })();
    await clock.advance(10);
    expect(await started).toBe(10);
  });

  it('waits for one that is under way', async () => {
    const clock = manualClock(0);
    const ran: number[] = [];
    for (const ms of [5, 15]) clock.after(ms, () => ran.push(clock.now()));
    await Promise.all([clock.advance(10), clock.advance(10)]);
    expect([clock.now(), ...ran]).toEqual([20, 5, 15]);
  });

  it('of 0 moves nothing and lets promise jobs run', async () => {
    const clock = manualClock(0);
    let isDone = false;
    void Promise.resolve()
      .then(() => undefined)
      .then(() => (isDone = true));
    await clock.advance(0);
    expect([isDone, clock.now()]).toEqual([true, 0]);
  });

  it('passes under fake timers', async () => {
    jest.useFakeTimers();
    const clock = manualClock(0);
    const ran = jest.fn();
    clock.after(10, ran);
    await clock.advance(10);
    expect(ran).toHaveBeenCalled();
    jest.useRealTimers();
  });
});

it('ends an entry in memory to the millisecond', async () => {
  const clock = manualClock();
  const cache = createCache('memory://', { clock });
  let runs = 0;
  const count = cache.wrap('count', async () => ++runs, { ttl: '5m' });
  await count();
  await clock.advance(299_999);
  expect(await count()).toBe(1);
  await clock.advance(1);
  expect(await count()).toBe(2);
  await cache.close();
});
