/** What is inferred, without annotations, for every kind of method. Compiled in both dialects, never run. */

import { Cached, createCache, Invalidates } from 'cachette';
import { exactly } from './same.js';

interface Product {
  readonly id: string;
  readonly price: number;
}

declare const product: Product;

const cache = createCache('memory://');
const { Cached: Bound, Invalidates: BoundInvalidates } = cache;

export class Callbacks {
  readonly tenant: string = 'acme';

  @Cached({
    ttl: (found, id, deep) =>
      exactly<Product | null>()(found) && exactly<string>()(id) && exactly<boolean>()(deep) ? '5m' : 1000,
    tags(id, deep) {
      exactly<Callbacks>()(this);
      exactly<string>()(id);
      exactly<boolean>()(deep);
      return [`product:${id}`, `tenant:${this.tenant}`];
    },
    resultTags: (found, id) => (exactly<Product | null>()(found) && found ? `product:${found.id}` : `none:${id}`),
    key: (id) => ({ id: id.toUpperCase() }),
    when: (id, deep) => exactly<string>()(id) && !deep,
    storeWhen: (found) => exactly<Product | null>()(found) && found !== null,
    per: (self) => (exactly<Callbacks>()(self) ? self.tenant : ''),
    version: 2,
    name: 'products',
    sliding: true,
    maxLifetime: '1h',
    jitter: 0.1,
    inheritTags: false,
    partition: false,
    copies: 'frozen',
  })
  async find(id: string, deep: boolean): Promise<Product | null> {
    return deep ? product : id === '' ? null : product;
  }

  @Cached('30s', { tags: (id) => (exactly<number>()(id) ? `n:${id}` : []) })
  async ttlAndOptions(id: number): Promise<number> {
    return id;
  }

  @Cached('30s')
  async ttlAlone(filter: { readonly color?: string }): Promise<Product[]> {
    return filter.color ? [product] : [];
  }

  @Cached({})
  async nothing(): Promise<void> {}

  @Cached({ tags: 'fixed', resultTags: ['a', 'b'] })
  async fixedTags(): Promise<undefined> {
    return undefined;
  }

  @Cached({ tags: () => 'fewer' })
  async fewer(first: string, second: number): Promise<string> {
    return first + second;
  }

  @Cached({ tags: (id, size = 1) => (exactly<number>()(size) ? `${id}:${size}` : id) })
  async optional(id: string, size?: number): Promise<number> {
    return id.length + (size ?? 0);
  }

  @Cached({ tags: (id, size) => (exactly<number | undefined>()(size) ? id : []) })
  async defaulted(id: string, size = 10): Promise<number> {
    return id.length + size;
  }

  @Cached({ tags: (...ids) => (exactly<string[]>()(ids) ? ids.map((id) => `product:${id}`) : []) })
  async rest(...ids: string[]): Promise<Product[]> {
    return ids.map((id) => ({ ...product, id }));
  }

  @Cached({
    tags: (kind, ...ids) => (exactly<'a' | 'b'>()(kind) && exactly<number[]>()(ids) ? `${kind}:${ids[0]}` : []),
  })
  async leadingAndRest(kind: 'a' | 'b', ...ids: number[]): Promise<number> {
    return kind.length + ids.length;
  }

  @Cached({ version: (id) => (exactly<string>()(id) ? 1 : new Date()) })
  async versioned(id: string): Promise<string> {
    return id;
  }

  @Cached({ version: async (id, _of) => (exactly<string>()(id) ? `${id}.1` : 1) })
  async versionedLater(id: string, of: number): Promise<string> {
    return `${id}${of}`;
  }

  @Cached({
    staleWhileRevalidate: '1m',
    staleIfError: { for: '1h', when: (error) => exactly<unknown>()(error) && error instanceof TypeError, backOff: 500 },
    refreshAhead: 0.8,
    timeout: { soft: '200ms', hard: '2s' },
    errors: { ttl: '5s', when: (error) => error instanceof RangeError },
  })
  async oldRatherThanNone(id: string): Promise<string> {
    return id;
  }

  @Cached({ tags: ({ id }) => (exactly<string>()(id) ? id : []) })
  async destructured({ id }: { id: string }): Promise<string> {
    return id;
  }

  @Cached({ storeWhen: (found) => (exactly<Product | Error>()(found) ? !(found instanceof Error) : false) })
  async union(id: string): Promise<Product | Error> {
    return id ? product : new Error();
  }

  @Cached({ storeWhen: (found) => exactly<never[]>()(found) })
  async empty(): Promise<never[]> {
    return [];
  }

  @Cached({ storeWhen: (found) => exactly<number>()(found) })
  notAsync(): Promise<number> {
    return Promise.resolve(1);
  }

  @Cached({ storeWhen: (found) => exactly<number>()(found) })
  either(flag: boolean): Promise<number> | PromiseLike<number> {
    return flag ? Promise.resolve(1) : Promise.resolve(2);
  }

  @Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  protected async guarded(id: string): Promise<string> {
    return id;
  }

  @Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  private async hidden(id: string): Promise<string> {
    return id;
  }

  uses(): Promise<string> {
    return this.hidden('1');
  }
}

class Later<T> extends Promise<T> {
  readonly late = true;
}

export class OtherPromises {
  @Cached({ resultTags: (found, id) => (exactly<Product>()(found) && exactly<string>()(id) ? found.id : id) })
  like(id: string): PromiseLike<Product> {
    return Promise.resolve({ ...product, id });
  }

  @Cached({ storeWhen: (found) => exactly<number>()(found) })
  subclass(): Later<number> {
    return new Later<number>((resolve) => resolve(1));
  }
}

export class Generic<Entity extends { readonly id: string }, Id extends string | number> {
  constructor(readonly entities: Map<Id, Entity>) {}

  @Cached({
    tags: (id) => (exactly<Id>()(id) ? `entity:${id}` : []),
    storeWhen: (found) => exactly<Awaited<Entity | undefined>>()(found) && found !== undefined,
  })
  async find(id: Id): Promise<Entity | undefined> {
    return this.entities.get(id);
  }

  @Cached({ tags: (ids) => ids.map((id) => `entity:${id}`) })
  async all(ids: readonly Id[]): Promise<Entity[]> {
    return ids.flatMap((id) => this.entities.get(id) ?? []);
  }

  @Cached('1m')
  async pick<K extends keyof Entity>(id: Id, field: K): Promise<Entity[K] | undefined> {
    return this.entities.get(id)?.[field];
  }

  @Cached({ tags: (name) => (exactly<string>()(name) ? name : []) })
  async labelled<T>(name: string, value: T): Promise<{ name: string; value: T }> {
    return { name, value };
  }
}

export class Overloaded {
  async find(id: string): Promise<Product>;
  async find(id: number, deep: boolean): Promise<Product[]>;
  @Cached({ tags: (id, deep) => `product:${id}:${deep}` })
  async find(_id: string | number, _deep?: boolean): Promise<Product | Product[]> {
    return product;
  }
}

export class Statics {
  static readonly table = 'products';

  @Cached({
    tags(id) {
      exactly<typeof Statics>()(this);
      return `${this.table}:${id.toFixed()}`;
    },
  })
  static async find(id: number): Promise<Product> {
    return { ...product, id: `${id}` };
  }
}

export class ThisParameter {
  readonly table: string = 'products';

  @Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  async find(this: ThisParameter, id: string): Promise<string> {
    return this.table + id;
  }
}

const key: unique symbol = Symbol('key');

export class Named {
  @Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  async [key](id: string): Promise<string> {
    return id;
  }

  @Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  async 'with blanks'(id: string): Promise<string> {
    return id;
  }

  @Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  async 7(id: string): Promise<string> {
    return id;
  }
}

export abstract class Repository<T> {
  protected abstract load(id: string): Promise<T>;

  @Bound({ tags: (id) => (exactly<string>()(id) ? id : []) })
  async find(id: string): Promise<T> {
    return this.load(id);
  }
}

export class Products extends Repository<Product> {
  protected async load(): Promise<Product> {
    return product;
  }

  @Bound({ storeWhen: (found) => exactly<Product>()(found) })
  override async find(id: string): Promise<Product> {
    return super.find(id);
  }
}

export class Writes {
  readonly tenant: string = 'acme';

  @Invalidates('products')
  async fixed(): Promise<void> {}

  @Invalidates(['products', 'users'])
  async several(): Promise<void> {}

  @Invalidates((id, patch) => (exactly<string>()(id) && exactly<Partial<Product>>()(patch) ? `product:${id}` : []))
  async update(id: string, patch: Partial<Product>): Promise<Product> {
    return { ...product, ...patch, id };
  }

  @Invalidates((...ids) => (exactly<string[]>()(ids) ? ids : []))
  async remove(...ids: string[]): Promise<void> {
    void ids;
  }

  @Invalidates(function (id) {
    exactly<Writes>()(this);
    return `${this.tenant}:${id}`;
  })
  async withThis(id: string): Promise<void> {
    void id;
  }

  @BoundInvalidates({
    tags: (patch) => (exactly<Partial<Product>>()(patch) ? 'products' : []),
    resultTags: (created, patch) =>
      exactly<Product>()(created) && exactly<Partial<Product>>()(patch) ? `product:${created.id}` : [],
    on: 'success',
  })
  async create(patch: Partial<Product>): Promise<Product> {
    return { ...product, ...patch };
  }

  @Invalidates('products')
  @Cached({ ttl: '1m', tags: (id) => (exactly<string>()(id) ? id : []) })
  async both(id: string): Promise<string> {
    return id;
  }
}

const shared = {
  sliding: true,
  jitter: '10s',
  maxLifetime: '1h',
  version: 2,
  partition: false,
  staleIfError: { for: '1h' },
} as const;

export const withDefaults = createCache('memory://', {
  defaults: { ...shared, ttl: '1m', per: 'instance', revive: [] },
});

export class SharedPolicy {
  @Cached({ ...shared, ttl: '5m', tags: (id) => (exactly<string>()(id) ? id : []) })
  async find(id: string): Promise<string> {
    return id;
  }
}

export class ReadonlyRest {
  @Cached({ tags: (...ids) => (exactly<readonly string[]>()(ids) ? ids : []) })
  async find(...ids: readonly string[]): Promise<number> {
    return ids.length;
  }
}
