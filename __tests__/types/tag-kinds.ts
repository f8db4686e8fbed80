/** Tags that are typed by `tagKinds`. Compiled in both dialects, never run. */

import type { EventEmitter } from 'node:events';
import { type Args, Cached, createCache } from 'cachette';
import { postgresChanges } from 'cachette/postgres';
import { exactly } from './same.js';

const cache = createCache('memory://', { namespace: 'shop', tagKinds: ['product', 'user'] });
const untyped = createCache('memory://', { namespace: 'shop' });
const anyKinds = createCache('memory://', { tagKinds: ['a'] as string[] });

type TagsOf<C extends { invalidate: unknown }> = Args<C['invalidate']>[number];
declare const typedTag: TagsOf<typeof cache>;
declare const untypedTag: TagsOf<typeof untyped>;
declare const anyKindsTag: TagsOf<typeof anyKinds>;
exactly<'product' | 'user' | `product:${string}` | `user:${string}`>()(typedTag);
exactly<string>()(untypedTag);
exactly<string>()(anyKindsTag);

void cache.invalidate('product', 'product:1', 'user:7');
// @ts-expect-error -- no such kind
void cache.invalidate('produkt:1');
// @ts-expect-error -- no such kind
void cache.invalidate('products');

declare const tags: AsyncIterable<'product' | ['user:1'] | { clear: true }>;
declare const words: AsyncIterable<string>;
declare const rows: AsyncIterable<{ id: number }>;
declare const emitter: EventEmitter;
void cache.follow(tags);
void untyped.follow(words);
void cache.follow(emitter, { event: 'saved' });
void cache.follow(rows, { tags: ({ id }) => (exactly<number>()(id) ? `product:${id}` : { clear: true }) });
void cache.follow(rows, { tags: ({ id }) => [`product:${id}`, `user:${id}`] });
void cache.follow(emitter, { tags: (row: { id: number }) => `product:${row.id}` });
// Which tags a database tells, its triggers say; those of `missed` stand here.
void cache.follow(postgresChanges('postgres://localhost'));
void cache.follow(postgresChanges({ host: 'localhost' }, { missed: ['product'] }));
void untyped.follow(postgresChanges('postgres://localhost', { missed: ['anything'] }));
// @ts-expect-error -- no such kind
void cache.follow(postgresChanges('postgres://localhost', { missed: ['produkt'] }));
// @ts-expect-error -- strings are not tags of a kind
void cache.follow(words);
// @ts-expect-error -- rows are no changes
void cache.follow(rows);
// @ts-expect-error -- no such kind
void cache.follow(rows, { tags: ({ id }) => `produkt:${id}` });
// @ts-expect-error -- an array is not asynchronous
void cache.follow(['product']);

export class Products {
  @cache.Cached({ ttl: '5m', tags: (id) => (exactly<string>()(id) ? [`product:${id}`, 'user'] : []) })
  async find(id: string): Promise<string> {
    return id;
  }

  @cache.Cached('5m', { tags: ['product', 'user:1'], resultTags: (found) => `user:${found}` })
  async fixed(): Promise<number> {
    return 1;
  }

  @cache.Invalidates((id) => `product:${id}`)
  async update(id: string): Promise<void> {
    void id;
  }

  @cache.Invalidates({ tags: 'product', resultTags: (made) => `product:${made}` })
  async create(): Promise<string> {
    return '1';
  }

  // @ts-expect-error -- no such kind
  @cache.Cached({ tags: (id) => `produkt:${id}` })
  async misspelt(id: string): Promise<string> {
    return id;
  }

  // @ts-expect-error -- no such kind
  @cache.Cached('5m', { tags: 'products' })
  async misspeltFixed(): Promise<void> {}

  // @ts-expect-error -- no such kind
  @cache.Cached({ resultTags: (found) => ['product', `order:${found}`] })
  async misspeltResult(): Promise<number> {
    return 1;
  }

  // @ts-expect-error -- no such kind
  @cache.Invalidates((id) => `order:${id}`)
  async misspeltWrite(id: string): Promise<void> {
    void id;
  }

  // @ts-expect-error -- no such kind
  @cache.Invalidates(['product', 'order'])
  async misspeltWrites(): Promise<void> {}

  // Without kinds every string is a tag.
  @Cached({ tags: (id) => `anything:${id}` })
  async untyped(id: string): Promise<string> {
    return id;
  }
}
