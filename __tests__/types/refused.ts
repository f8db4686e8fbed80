/** What must not compile, in either dialect. Compiled, never run. */

import { Cached, createCache, Invalidates } from 'cachette';

export class Kinds {
  // @ts-expect-error -- not a method that returns a promise
  @Cached('5m')
  sync(id: string): string {
    return id;
  }

  // @ts-expect-error -- not a method that returns a promise
  @Cached({ tags: 'x' })
  maybe(flag: boolean): Promise<number> | number {
    return flag ? 1 : Promise.resolve(1);
  }

  // @ts-expect-error -- not a method that returns a promise
  @Invalidates('x')
  syncWrite(): void {}

  // @ts-expect-error -- a getter
  @Cached('5m')
  get price(): Promise<number> {
    return Promise.resolve(1);
  }

  // @ts-expect-error -- an async generator
  @Cached('5m')
  async *rows(): AsyncGenerator<number> {
    yield 1;
  }

  // @ts-expect-error -- without parentheses
  @Cached
  async bare(): Promise<number> {
    return 1;
  }

  // @ts-expect-error -- neither ttl nor options
  @Cached()
  async nothing(): Promise<number> {
    return 1;
  }

  // @ts-expect-error -- no tags
  @Invalidates()
  async noTags(): Promise<void> {}
}

// @ts-expect-error -- a class
@Cached('5m')
export class Decorated {}

export class Freshness {
  // @ts-expect-error -- no version
  @Cached({ version: () => ({ etag: 1 }) })
  async versioned(): Promise<void> {}

  // @ts-expect-error -- not the argument of the method
  @Cached({ version: (id: number) => id })
  async wrongArgument(id: string): Promise<string> {
    return id;
  }

  // @ts-expect-error -- not a unit
  @Cached({ staleWhileRevalidate: '1 minute' })
  async words(): Promise<void> {}

  // @ts-expect-error -- for how long?
  @Cached({ staleIfError: { backOff: '1s' } })
  async forHowLong(): Promise<void> {}

  // @ts-expect-error -- no such timeout
  @Cached({ timeout: { firm: '1s' } })
  async firm(): Promise<void> {}

  // @ts-expect-error -- for how long?
  @Cached({ errors: {} })
  async errors(): Promise<void> {}
}

export class Durations {
  // @ts-expect-error -- not a unit
  @Cached('5 minutes')
  async words(): Promise<void> {}

  // @ts-expect-error -- not a unit
  @Cached('5x')
  async unit(): Promise<void> {}

  // @ts-expect-error -- not a number
  @Cached({ ttl: 'm' })
  async amount(): Promise<void> {}

  // @ts-expect-error -- not a duration
  @Cached({ ttl: () => '5 minutes' })
  async computed(): Promise<void> {}

  // @ts-expect-error -- not a duration
  @Cached({ ttl: '5m', maxLifetime: 'forever' })
  async lifetime(): Promise<void> {}
}

// @ts-expect-error -- depends on the types of a method
export const perSelf = createCache('memory://', { defaults: { per: (self: object) => String(self) } });

// @ts-expect-error -- depends on the types of a method
export const tags = createCache('memory://', { defaults: { tags: 'all' } });

// @ts-expect-error -- only false
export const partition = createCache('memory://', { defaults: { partition: true } });

export class Options {
  // @ts-expect-error -- misspelt
  @Cached({ slidng: true })
  async misspelt(): Promise<void> {}

  // @ts-expect-error -- misspelt, beside right ones
  @Cached('5m', { tags: 'x', staleWhenRevalidate: '1m' })
  async besides(): Promise<void> {}

  // @ts-expect-error -- misspelt
  @Invalidates({ tag: 'x' })
  async tag(): Promise<void> {}

  // @ts-expect-error -- there is no "before"
  @Invalidates({ tags: 'x', on: 'before' })
  async before(): Promise<void> {}

  // @ts-expect-error -- not one of the three
  @Cached({ copies: 'deep' })
  async copies(): Promise<void> {}
}

export class Callbacks {
  // @ts-expect-error -- the argument is a string
  @Cached({ tags: (id: number) => `n:${id}` })
  async argument(id: string): Promise<string> {
    return id;
  }

  // @ts-expect-error -- the result is a string
  @Cached({ resultTags: (found: number) => `n:${found}` })
  async result(id: string): Promise<string> {
    return id;
  }

  // @ts-expect-error -- there is no second argument
  @Cached({ key: (id: string, second: string) => id + second })
  async tooMany(id: string): Promise<string> {
    return id;
  }

  // @ts-expect-error -- a number is not a tag
  @Cached({ tags: () => 7 })
  async numberTag(): Promise<void> {}

  // @ts-expect-error -- when is answered at once
  @Cached({ when: async () => true })
  async asyncWhen(): Promise<void> {}

  // @ts-expect-error -- the argument is a string
  @Invalidates((id: number) => `n:${id}`)
  async write(id: string): Promise<void> {
    void id;
  }

  // @ts-expect-error -- no such property of an argument
  @Cached({ tags: (filter) => filter.colour })
  async property(filter: { readonly color: string }): Promise<string> {
    return filter.color;
  }
}

// An unknown option of the cache itself does not compile either.
// @ts-expect-error -- misspelt
createCache('memory://', { namspace: 'shop' });
