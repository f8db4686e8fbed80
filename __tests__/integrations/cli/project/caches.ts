/** What is invalidated on one cache is not on another, unless both are the same on a store. */

import { createCache } from 'cachette';

const [one, other] = [createCache('memory://', { namespace: 'one' }), createCache('memory://', { namespace: 'other' })];
const uri = 'redis://127.0.0.1:1';
const [here, there] = [createCache(uri, { namespace: 'shop' }), createCache(uri, { namespace: 'shop' })];

export class Caches {
  @one.Cached('5m', { name: 'Caches.find', tags: 'product' })
  async find(): Promise<number> {
    return 1;
  }

  @other.Invalidates('product')
  async change(): Promise<void> {}

  @here.Cached('5m', { name: 'Caches.shared', tags: 'shared' })
  async shared(): Promise<number> {
    return 1;
  }

  @there.Invalidates('shared')
  async share(): Promise<void> {}
}

void Promise.all([one, other, here, there].map((cache) => cache.close()));
