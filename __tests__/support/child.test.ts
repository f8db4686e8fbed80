import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { runChild } from './child.js';
import { repositoryRoot } from './find-binary.js';
import { until } from './until.js';

const SCRIPT = '__tests__/support/echo.child.ts';
const children = join(repositoryRoot(), '.cache', 'children');

function bundles(): string[] {
  return existsSync(children) ? readdirSync(children) : [];
}

it('runs TypeScript with packages of the repository and passes messages both ways', async () => {
  const child = runChild<{ echo: unknown }>(SCRIPT);
  child.send({ when: new Date(5), missing: undefined });
  expect(await child.next(({ echo }) => echo !== 'ready')).toEqual({ echo: { when: new Date(5), missing: undefined } });
  expect(await child.next()).toEqual({ echo: 'ready' });
  await child.kill();
});

it('gives the child the environment that is asked for', async () => {
  const child = runChild<{ echo: unknown }>(SCRIPT, { GREETING: 'hello' });
  await child.next();
  child.send('environment');
  expect(await child.next()).toEqual({ echo: 'hello' });
  await child.kill();
});

it('keeps class names in the bundle', async () => {
  const child = runChild<{ echo: unknown }>(SCRIPT);
  await child.next();
  child.send('names');
  expect(await child.next()).toEqual({ echo: ['Twin', 'Twin'] });
  await child.kill();
});

it.each([
  ['exit', 7],
  ['throw', 1],
  ['SIGTERM', 143],
])('tells the exit code of a child that ends by %s', async (how, code) => {
  const child = runChild(SCRIPT);
  await child.next();
  child.send(how);
  expect(await child.done).toBe(code);
});

it('delivers the messages that were sent right before the end', async () => {
  const child = runChild<{ echo: unknown }>(SCRIPT);
  await child.next();
  child.send('last words');
  await child.done;
  expect(await child.next()).toEqual({ echo: 'last words' });
});

it('rejects a message that never comes with what the child printed, by lines of the source', async () => {
  const child = runChild(SCRIPT);
  await child.next();
  const missing = child.next();
  child.send('throw');
  await expect(missing).rejects.toThrow(/ended with 1[^]*It breaks[^]*echo\.child\.ts/);
  await expect(child.next()).rejects.toThrow('It breaks');
  expect(() => child.send('hello')).toThrow('has ended');
});

it('is dead after kill, and its files are gone', async () => {
  const before = new Set(bundles());
  const child = runChild(SCRIPT);
  await child.next();
  const own = bundles().filter((name) => !before.has(name));
  await child.kill();
  expect(await child.done).toBe(137);
  expect(() => process.kill(child.pid ?? 0, 0)).toThrow('ESRCH');
  await until('The bundle is gone', () => own.every((name) => !bundles().includes(name)), 10_000);
});
