import { machineTime } from '../../src/policies/deadline.js';
import { Breaker, BreakerOpenError } from '../../src/policies/breaker.js';
import { Gate } from '../support/stepped-backend.js';

class Silence extends Error {}
class Refusal extends Error {}

const silent = () => Promise.reject(new Silence());
const refusing = () => Promise.reject(new Refusal());
const answering = () => Promise.resolve('answer');

let breaker: Breaker;
let nowMs = 0;
const time = { ...machineTime, monotonicMs: () => nowMs };

beforeEach(() => {
  breaker = new Breaker((error) => error instanceof Silence, time);
});

async function fail(times: number, work = silent): Promise<void> {
  for (let i = 0; i < times; i++) await breaker.run(work).catch(() => undefined);
}

async function asked(work: () => Promise<unknown> = answering): Promise<boolean> {
  let ran = false;
  await breaker.run(() => ((ran = true), work())).catch(() => undefined);
  return ran;
}

it('hands on what the work gives, and its error as the same object', async () => {
  const error = new Refusal();
  await expect(breaker.run(answering)).resolves.toBe('answer');
  await expect(breaker.run(() => Promise.reject(error))).rejects.toBe(error);
});

it.each<[what: string, prepare: () => Promise<void>, open: boolean]>([
  ['four silences', () => fail(4), false],
  ['five silences', () => fail(5), true],
  ['five refusals', () => fail(5, refusing), false],
  [
    'four silences, an answer and four silences',
    () =>
      fail(4)
        .then(() => asked())
        .then(() => fail(4)),
    false,
  ],
  [
    'four silences, a refusal and a silence',
    () =>
      fail(4)
        .then(() => fail(1, refusing))
        .then(() => fail(1)),
    true,
  ],
])('after %s', async (_what, prepare, open) => {
  await prepare();
  expect(await asked()).toBe(!open);
});

it('opens with an error of its own, at once, and for all who come', async () => {
  await fail(5);
  const errors = await Promise.all([1, 2, 3].map(() => breaker.run(answering).catch((error: unknown) => error)));
  for (const error of errors) expect(error).toBeInstanceOf(BreakerOpenError);
});

it('counts silences at the same time', async () => {
  await Promise.all(Array.from({ length: 5 }, () => fail(1)));
  expect(await asked()).toBe(false);
});

describe('once open', () => {
  beforeEach(() => fail(5));

  it('asks one caller after a second, and not before', async () => {
    nowMs += 999;
    expect(await asked()).toBe(false);
    nowMs += 1;
    expect(await asked()).toBe(true);
  });

  it('turns the others away while it probes', async () => {
    nowMs += 1_000;
    const gate = new Gate<string>();
    const probe = breaker.run(() => gate.promise);
    expect(await asked()).toBe(false);
    gate.open('answer');
    await expect(probe).resolves.toBe('answer');
    expect(await asked()).toBe(true);
  });

  it('closes after an answer: it takes five silences again', async () => {
    nowMs += 1_000;
    await asked();
    await fail(4);
    expect(await asked()).toBe(true);
  });

  it('closes after a refusal, as the server is alive', async () => {
    nowMs += 1_000;
    await fail(1, refusing);
    expect(await asked()).toBe(true);
  });

  it('stays open for another second after a probe without an answer', async () => {
    nowMs += 1_000;
    expect(await asked(silent)).toBe(true);
    expect(await asked()).toBe(false);
    nowMs += 1_000;
    expect(await asked()).toBe(true);
  });

  it('asks again where the clock of the machine was set back', async () => {
    jest.useFakeTimers({ now: Date.now() - 3_600_000 });
    nowMs += 1_000;
    expect(await asked()).toBe(true);
    jest.useRealTimers();
  });
});

it('lets the event loop turn while it refuses, as a probe is answered over a socket', async () => {
  await fail(5);
  let hasTurned = false;
  setImmediate(() => (hasTurned = true));
  await asked();
  expect(hasTurned).toBe(true);
});
