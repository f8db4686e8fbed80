/** Nothing of it is exported. */

import { createCache } from 'cachette';

const cache = createCache();

class Hidden {
  @cache.Cached('5m', { name: 'Hidden.find', tags: (id) => `hidden:${id}` })
  async find(id: string): Promise<string> {
    return id;
  }

  @cache.Cached('5m', { name: 'Hidden.secret', tags: 'secret' })
  async #secret(): Promise<string> {
    return 'secret';
  }

  reveal(): Promise<string> {
    return this.#secret();
  }
}

function made(): object {
  class Made {
    @cache.Invalidates((id) => `hiden:${id}`)
    async change(id: string): Promise<string> {
      return id;
    }
  }
  return new Made();
}

export const start = (): unknown => [new Hidden(), made()];
start();

cache.wrap('rates', async () => 1, { tags: 'rates' });
