import { DeadlineError, later, machineTime, withDeadline } from '../../src/policies/deadline.js';
import { Gate } from '../support/stepped-backend.js';

function block(ms: number): void {
  const until = performance.now() + ms;
  while (performance.now() < until);
}

describe('a deadline', () => {
  it('hands on what is in time, and errors as the same object', async () => {
    const error = new Error('mine');
    await expect(withDeadline(Promise.resolve(1), 60_000)).resolves.toBe(1);
    await expect(withDeadline(Promise.reject(error), 60_000)).rejects.toBe(error);
  });

  it('ends the wait, and says after how long', async () => {
    const waiting = withDeadline(new Promise(() => {}), 1);
    await expect(waiting).rejects.toBeInstanceOf(DeadlineError);
    await expect(waiting).rejects.toThrow('no answer within 1 ms');
  });

  it('ends although the timers are faked', async () => {
    jest.useFakeTimers();
    try {
      await expect(withDeadline(new Promise(() => {}), 1)).rejects.toBeInstanceOf(DeadlineError);
    } finally {
      jest.useRealTimers();
    }
  });

  it('tells of a failure that comes too late, which nobody else would hear of', async () => {
    const gate = new Gate();
    const late: unknown[] = [];
    await withDeadline(gate.promise, 1, { onLate: (error) => late.push(error) }).catch(() => undefined);
    const error = new Error('late');
    gate.fail(error);
    await gate.promise.catch(() => undefined);
    expect(late).toEqual([error]);
  });

  it('drops a late failure that nobody wants to hear of, and a late answer', async () => {
    const [failing, answering] = [new Gate(), new Gate()];
    const waiting = [failing, answering].map(({ promise }) => withDeadline(promise, 1));
    for (const wait of waiting) await expect(wait).rejects.toBeInstanceOf(DeadlineError);
    failing.fail(new Error('late'));
    answering.open();
    await new Promise(setImmediate);
  });

  it('does not tell of a failure in time', async () => {
    const late: unknown[] = [];
    await withDeadline(Promise.reject(new Error('mine')), 1, { onLate: (error) => late.push(error) }).catch(
      () => undefined,
    );
    await withDeadline(new Promise(() => {}), 5).catch(() => undefined);
    expect(late).toEqual([]);
  });

  it('does not end before an answer that has come while the process was blocked', async () => {
    const answer = new Promise((resolve) => setImmediate(() => resolve('answer')));
    const waiting = withDeadline(answer, 1);
    block(20);
    await expect(waiting).resolves.toBe('answer');
  });

  it('gives what could not be sent while the process was blocked the same time again', async () => {
    const send = () => new Promise((answered) => setTimeout(() => answered('answer'), 5));
    const answer = new Promise(setImmediate).then(send);
    const waiting = withDeadline(answer, 100);
    block(200);
    await expect(waiting).resolves.toBe('answer');
  });

  it('ends after the process was blocked as well', async () => {
    const waiting = withDeadline(new Promise(() => {}), 10);
    block(100);
    await expect(waiting).rejects.toBeInstanceOf(DeadlineError);
  });

  it('can be cancelled after the process was blocked', async () => {
    let isOver = false;
    const cancel = machineTime.deadline(10, () => (isOver = true));
    block(100);
    await new Promise(setImmediate);
    cancel();
    await withDeadline(new Promise(() => {}), 30).catch(() => undefined);
    expect(isOver).toBe(false);
  });
});

describe('later', () => {
  it('runs a task once', async () => {
    const gate = new Gate();
    let runs = 0;
    later(1, () => {
      runs++;
      gate.open();
    });
    await gate.promise;
    await withDeadline(new Promise(() => {}), 5).catch(() => undefined);
    expect(runs).toBe(1);
  });

  it('does not run what was cancelled', async () => {
    let runs = 0;
    later(1, () => runs++)();
    await withDeadline(new Promise(() => {}), 5).catch(() => undefined);
    expect(runs).toBe(0);
  });
});
