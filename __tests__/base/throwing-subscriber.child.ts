/** Has a subscriber that throws at each outcome; here and not in a test, as jest has a `process` of its own. */

import { subscribe } from 'node:diagnostics_channel';
import { createCache } from 'cachette';

const reported: string[] = [];
process.on('uncaughtException', ({ message }) => reported.push(message));
subscribe('cachette:outcome', () => {
  throw new Error('from a subscriber');
});

async function call(): Promise<void> {
  const value = await createCache().getOrLoad('key', () => Promise.resolve(1));
  await new Promise(setImmediate);
  process.send?.({ value, reported }, undefined, undefined, () => process.disconnect());
}

void call();
