/** A process of a fleet that calls a cached method when it is told to. */

import { createCache } from 'cachette';

const cache = createCache(['memory://?maxEntries=100', process.env['STORE'] ?? ''], {
  namespace: process.env['NAMESPACE'] ?? '',
  deadline: '5s',
});
const find = cache.wrap('Products.find', async (id: string) => id, { ttl: '1h', tags: (id) => `product:${id}` });

process.on('message', (ids) => {
  void (async () => {
    for (const id of ids as string[]) await find(id);
    process.send?.('called');
  })();
});
