/** Two processes of a shop with memory in front of one store, and calls that come without end. */

import { type Cache, createCache, localBus } from 'cachette';
import { Keyv } from 'keyv';

/** What somebody might be named who means harm. */
export const hostile = '<img src=x onerror=alert(1)>';
export const hostileTag = '<svg/onload=alert(1)>';

export interface Shop {
  readonly caches: readonly [Cache, Cache];
  /** A product, as the first process reads it. */
  product(id: number): Promise<string>;
  /** How often the method behind `product` has run in the first process. */
  loads(id: number): number;
  /** Calls the method with the hostile name. */
  harm(): Promise<void>;
  /** Goes on with calls in both until `close`. */
  drive(): void;
  close(): Promise<void>;
}

export function openShop(): Shop {
  const [store, bus] = [new Keyv(), localBus()];
  const open = (): Cache => createCache(['memory://?maxEntries=500', store], { namespace: 'shop', bus: bus.connect() });
  const caches = [open(), open()] as const;
  const runs = new Map<number, number>();
  const services = caches.map((cache, index) => serviceOn(cache, index === 0 ? runs : new Map()));
  const timers: NodeJS.Timeout[] = [];
  return {
    caches,
    product: (id) => (services[0] as Service).product(id),
    loads: (id) => runs.get(id) ?? 0,
    harm: async () => {
      for (let i = 0; i < 5; i++) await (services[0] as Service).odd(i);
    },
    drive: () => {
      for (const [index, service] of services.entries())
        timers.push(setInterval(() => void visit(service, index === 0 ? 9 : 4), 50));
    },
    close: async () => {
      for (const timer of timers) clearInterval(timer);
      await Promise.all(caches.map((cache) => cache.close()));
    },
  };
}

interface Service {
  readonly cache: Cache;
  product(id: number): Promise<string>;
  price(id: number): Promise<number>;
  search(id: number): Promise<readonly string[]>;
  stock(id: number): Promise<number>;
  odd(id: number): Promise<number>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function serviceOn(cache: Cache, runs: Map<number, number>): Service {
  const product = async (id: number): Promise<string> => {
    runs.set(id, (runs.get(id) ?? 0) + 1);
    await pause(4 + (id % 30));
    return `lamp ${id} `.repeat(20);
  };
  const slow = <T>(ms: number, value: T) => pause(ms + Math.random() * ms).then(() => value);
  const words = Array.from({ length: 30 }, (_, i) => `desk ${i}`);
  return {
    cache,
    product: cache.wrap('Products.byId', product, { ttl: '10m', tags: (id) => `product:${id}` }),
    price: cache.wrap('Prices.of', async (id: number) => slow(30, id), { ttl: '2s', tags: (id) => `price:${id}` }),
    search: cache.wrap('Search.find', async (_id: number) => slow(60, words), { ttl: '1s' }),
    stock: cache.wrap('Stock.of', async (id: number) => slow(5, id), { ttl: '1s', staleWhileRevalidate: '5s' }),
    odd: cache.wrap(hostile, async (id: number) => slow(2, id), { tags: (id) => [`${hostile}:${id}`, hostileTag] }),
  };
}

/** Few things are asked for often, and many seldom. */
const some = (most: number): number => 1_000 + Math.floor(most * Math.random() ** 3);

async function visit({ cache, product, price, search, stock }: Service, times: number): Promise<void> {
  const calls: Promise<unknown>[] = [];
  for (let i = 0; i < times; i++) {
    calls.push(product(some(400)));
    if (i % 2 === 0) calls.push(price(some(80)));
    if (i % 3 === 0) calls.push(stock(some(40)));
    if (i % 4 === 0) calls.push(search(some(300)));
  }
  if (Math.random() < 0.1) calls.push(cache.invalidate(`product:${some(40)}`));
  await Promise.all(calls);
}
