/** Run by built.test.ts: the ESM and the CommonJS copy of the package in one process. Prints what they know of each other. */

import { createRequire } from 'node:module';
import * as esm from 'cachette';

const cjs = createRequire(import.meta.url)('cachette');

/** A class with a method that `cache` caches, decorated by hand, as Node has no decorators. */
function decorated(cache) {
  class Products {
    async find(id) {
      return `${id}#${++runs}`;
    }
  }
  const descriptor = Object.getOwnPropertyDescriptor(Products.prototype, 'find');
  const decorator = cache.Cached('5m', { tags: (id) => `product:${id}` });
  Object.defineProperty(Products.prototype, 'find', decorator(Products.prototype, 'find', descriptor) ?? descriptor);
  return new Products();
}

let runs = 0;

function errorOf(copy) {
  try {
    copy.createCache('nowhere://');
  } catch (error) {
    return error;
  }
}

async function knows(own, other) {
  runs = 0;
  const [cache, foreign] = [own.createCache(), other.createCache()];
  const products = decorated(foreign);
  const told = {
    isOtherClass: !(errorOf(other) instanceof own.CacheError),
    isCacheError: own.isCacheError(errorOf(other)) && own.isCacheConfigError(errorOf(other)),
    metadata: own.cacheMetadata(products.find)?.cached?.ttl,
    key: cache.keyOf(products, 'find', ['1']) === foreign.keyOf(products, 'find', ['1']),
  };

  const values = [await products.find('1'), await products.find('1')];
  await cache.forget(products, 'find', ['1']);
  values.push(await products.find('1'));
  await cache.forgetAll(products, 'find');
  values.push(await products.find('1'));

  // Of another cache nobody can tell when it becomes wrong: the result of the method around is not stored.
  let outers = 0;
  const outer = cache.wrap('outer', async () => [await products.find('1'), ++outers]);
  await outer();
  const tainted = (await outer())[1];

  // Of its own it can, whatever of the other copy lies in between.
  const inner = cache.wrap('inner', async () => 1, { tags: 'inner' });
  const around = cache.wrap('around', async () => [await foreign.refresh(() => inner()), ++outers], { tags: 'around' });
  const before = (await around())[1];
  const inherited = [(await around())[1] - before];
  await cache.invalidate('inner');
  inherited.push((await around())[1] - before);

  const { calls } = await cache.explain(() => cache.bypass(() => products.find('1')));
  await Promise.all([cache.close(), foreign.close()]);
  return { ...told, values, tainted, inherited, explained: calls.map(({ status, method }) => `${status} ${method}`) };
}

console.log(JSON.stringify([await knows(esm, cjs), await knows(cjs, esm)]));
