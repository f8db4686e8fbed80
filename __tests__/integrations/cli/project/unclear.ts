/** Functions whose tags cannot be told from their text. */

import { Cached, Invalidates } from 'cachette';

const tagOf = (id: string): string => `unclear:${id}`;

export class Unclear {
  @Cached('5m', { name: 'Unclear.find', tags: (id) => [tagOf(id), `other:${id}`] })
  async find(id: string): Promise<string> {
    return id;
  }

  @Invalidates((id) => tagOf(id))
  async change(id: string): Promise<void> {
    await Promise.resolve(id);
  }
}
