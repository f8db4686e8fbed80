/** What only the standard dialect can do, or does differently. Compiled, never run. */

import { createCache } from 'cachette';
import { exactly } from './same.js';

const cache = createCache('memory://');

export class Private {
  readonly #prefix = 'p';

  @cache.Cached({
    tags(id) {
      exactly<Private>()(this);
      exactly<string>()(id);
      return this.#prefix + id;
    },
    storeWhen: (found) => exactly<number>()(found),
  })
  async #load(id: string): Promise<number> {
    return id.length;
  }

  @cache.Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  static async #loadStatic(id: string): Promise<string> {
    return id;
  }

  @cache.Invalidates((id) => (exactly<string>()(id) ? id : []))
  async #store(id: string): Promise<void> {
    await cache.forget(this, this.#load, [id]);
    // @ts-expect-error -- #load takes a string
    await cache.forget(this, this.#load, [1]);
    await cache.forgetAll(this, this.#load);
  }

  async all(id: string): Promise<string> {
    await this.#store(id);
    return Private.#loadStatic(id);
  }
}

export const Expression = class {
  @cache.Cached({ tags: (id) => (exactly<string>()(id) ? id : []) })
  async find(id: string): Promise<string> {
    return id;
  }
};

export class Overloaded {
  async find(id: string): Promise<1>;
  async find(id: number, deep: boolean): Promise<2>;
  // Callbacks see the implementation.
  @cache.Cached({
    tags: (id, deep) => (exactly<string | number>()(id) && exactly<boolean | undefined>()(deep) ? 'product' : []),
    storeWhen: (found) => exactly<1 | 2>()(found),
  })
  async find(id: string | number, _deep?: boolean): Promise<1 | 2> {
    return typeof id === 'string' ? 1 : 2;
  }
}
