/** Nothing to be found. */

import { Cached, CachedMany, Invalidates } from 'cachette';

export class Clean {
  @Cached('5m', { name: 'Clean.find', tags: (id) => [`clean:${id}`, 'all'] })
  async find(id: string): Promise<string> {
    return id;
  }

  @CachedMany('5m', { name: 'Clean.findMany', tags: (id) => `clean:${id}` })
  async findMany(ids: string[]): Promise<string[]> {
    return ids;
  }

  @Invalidates((ids) => ids.map((id) => `clean:${id}`))
  async change(ids: string[]): Promise<void> {
    await Promise.resolve(ids);
  }

  @Invalidates({ tags: 'all', resultTags: () => 'all' })
  async changeAll(): Promise<void> {}
}
