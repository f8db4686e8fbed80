import { setTimeout as sleep } from 'node:timers/promises';

import { type Line, Link, type LinkLimits, pauseMs } from '../../src/stores/link.js';
import { until } from '../support/until.js';

/** A connection that does what a test says; `number` tells which it is. */
interface Fake {
  readonly number: number;
  readonly line: Line;
  health(): number;
}

const links: Link<Fake>[] = [];
afterEach(() => links.splice(0).forEach((link) => link.close()));

function linked(
  dial: (line: Line, number: number) => Partial<Fake> | Promise<Partial<Fake>>,
  limits: Partial<LinkLimits> = {},
) {
  const dialled: Line[] = [];
  const link = new Link<Fake>(
    async (line) => {
      dialled.push(line);
      const number = dialled.length;
      return { number, line, health: () => 1, ...(await dial(line, number)) };
    },
    { connectMs: 200, stallMs: 100, renewAfterMs: 50, ...limits },
  );
  links.push(link);
  const used = (): Promise<number> => link.use(async ({ number }) => number);
  return { link, dialled, used };
}

const refused = (): never => {
  throw new Error('refused');
};

describe('the pauses between attempts', () => {
  test.each([
    [0, 25, 50],
    [1, 50, 100],
    [3, 200, 400],
    [6, 1_000, 2_000],
    [60, 1_000, 2_000],
    [2_000, 1_000, 2_000],
  ])('before attempt %p it is between %p and %p ms', (attempt, least, most) => {
    expect(pauseMs(attempt, () => 0)).toBe(least);
    expect(pauseMs(attempt, () => 1)).toBe(most);
  });
});

test('dials at once, and commands wait for the first connection', async () => {
  const { dialled, used, link } = linked(() => sleep(50, {}));
  await Promise.resolve();
  expect(dialled).toHaveLength(1);
  expect(link.session).toBe(0);
  await expect(Promise.all([used(), used()])).resolves.toEqual([1, 1]);
  expect(link.session).toBe(1);
});

test('after a first attempt that failed commands reject at once with the reason, until an attempt succeeds', async () => {
  const { used } = linked((_, number) => (number < 4 ? refused() : {}));
  await expect(used()).rejects.toThrow('refused');
  await expect(used()).rejects.toThrow('refused');
  await until('It is connected', async () => (await used()) === 4, 2_000);
});

test('an attempt that takes too long is given up, and its line is aborted', async () => {
  const { used, dialled } = linked((_, number) => (number === 1 ? new Promise<never>(() => {}) : {}));
  await expect(used()).rejects.toThrow('No connection within 200 ms');
  expect(dialled[0]?.signal.aborted).toBe(true);
  await until('It is connected', async () => (await used()) === 2, 2_000);
});

test('a connection that is lost while it is made does not count', async () => {
  const { used } = linked((line, number) => {
    if (number === 1) line.lost(new Error('gone already'));
    return {};
  });
  await expect(used()).rejects.toThrow('gone already');
  await until('It is connected', async () => (await used()) === 2, 2_000);
});

test('a lost connection is aborted, commands reject with the reason, and one attempt after the other is made', async () => {
  const { used, dialled, link } = linked((_, number) => (number === 2 ? refused() : {}));
  await used();
  dialled[0]?.lost(new Error('cut'));
  dialled[0]?.lost(new Error('cut again'));
  expect(dialled[0]?.signal.aborted).toBe(true);
  await expect(used()).rejects.toThrow('cut');
  await until('It is connected', async () => (await used()) === 3, 2_000);
  expect(dialled).toHaveLength(3);
  expect(link.session).toBe(2);
});

test('a connection that is lost again and again is not made in a busy loop', async () => {
  const { dialled } = linked((line) => {
    setTimeout(() => line.lost(new Error('cut')), 1);
    return {};
  });
  await sleep(500);
  expect(dialled.length).toBeLessThan(25);
});

test('a damaged connection goes on until a whole one takes its place, and then a little longer', async () => {
  const { used, dialled, link } = linked((_, number) => (number === 2 ? refused() : {}));
  await used();
  dialled[0]?.damaged();
  await expect(used()).resolves.toBe(1);
  await until('It is replaced', async () => (await used()) === 3, 2_000);
  expect(dialled[0]?.signal.aborted).toBe(false);
  await until('The old one is closed', () => dialled[0]?.signal.aborted === true, 2_000);
  expect(link.session).toBe(2);
});

test('another damaged one takes its place only if more of it works', async () => {
  const health = [0.5, 0.5, 0.7, 0.6, 1];
  const { used, dialled } = linked((line, number) => {
    if (number < 5) line.damaged();
    return { health: () => health[number - 1] ?? 0 };
  });
  await expect(used()).resolves.toBe(1);
  const seen = new Set<number>();
  await until(
    'The whole one is in place',
    async () => {
      const number = await used();
      seen.add(number);
      return number === 5;
    },
    5_000,
  );
  expect([...seen]).toEqual([1, 3, 5]);
  expect(dialled[1]?.signal.aborted).toBe(true);
  expect(dialled[3]?.signal.aborted).toBe(true);
});

test('a connection on which a command waits too long is replaced when the next command comes', async () => {
  const { link, used } = linked(() => ({}));
  await used();
  const waiting = link.use(() => new Promise<never>(() => {}));
  waiting.catch(() => undefined);
  await sleep(150);
  await expect(used()).resolves.toBe(1);
  await until('It is replaced', async () => (await used()) === 2, 2_000);
  await sleep(200);
  await expect(used()).resolves.toBe(2);
});

test('renewing does nothing while the connection is young', async () => {
  const { link, used, dialled } = linked(() => ({}), { renewAfterMs: 500 });
  await used();
  link.renew();
  await sleep(20);
  expect(dialled).toHaveLength(1);
  await sleep(500);
  link.renew();
  link.renew();
  await until('It is renewed', async () => (await used()) === 2, 2_000);
  expect(dialled).toHaveLength(2);
});

test('a part that is made anew by itself is a new session', async () => {
  const { link, used, dialled } = linked(() => ({}));
  await used();
  dialled[0]?.renewed();
  expect(link.session).toBe(2);
  await expect(used()).resolves.toBe(1);
});

test.each(['first', 'up', 'down'])('close ends it while it is %s', async (state) => {
  const { link, used, dialled } = linked((_, number) =>
    state === 'first' ? new Promise<never>(() => {}) : state === 'down' && number > 1 ? refused() : {},
  );
  const first = used();
  if (state !== 'first') await first;
  if (state === 'down') dialled[0]?.lost(new Error('cut'));
  link.close();
  link.close();
  if (state === 'first') await expect(first).rejects.toThrow('closed');
  await expect(used()).rejects.toThrow('closed');
  const { length } = dialled;
  await sleep(150);
  expect(dialled).toHaveLength(length);
  expect(dialled.every(({ signal }) => signal.aborted)).toBe(true);
});
