/** Answers each message with the same, and ends in the way that some of them name. */
import { LRUCache } from 'lru-cache';

const twins = [
  class Twin {},
  (() => {
    class Twin {}
    return Twin;
  })(),
];

const special: Readonly<Record<string, () => unknown>> = {
  environment: () => process.env['GREETING'],
  names: () => twins.map(({ name }) => name),
  exit: () => process.exit(7),
  SIGTERM: () => process.kill(process.pid, 'SIGTERM'),
  throw: () => {
    throw new Error('It breaks.');
  },
};

const seen = new LRUCache<string, string>({ max: 1 });

process.on('message', (message) => {
  const react = typeof message === 'string' ? special[message] : undefined;
  const echo = react === undefined ? message : react();
  process.send?.({ echo }, undefined, undefined, () => message === 'last words' && process.exit(0));
});

process.send?.({ echo: seen.set('state', 'ready').get('state') });
