/** What the legacy dialect does differently. Compiled, never run. */

import { Cached } from 'cachette';
import { exactly } from './same.js';

export class Overloaded {
  async find(id: string): Promise<1>;
  async find(id: number, deep: boolean): Promise<2>;
  // Callbacks see the last overload.
  @Cached({
    tags: (id, deep) => (exactly<number>()(id) && exactly<boolean>()(deep) ? 'product' : []),
    storeWhen: (found) => exactly<2>()(found),
  })
  async find(id: string | number, _deep?: boolean): Promise<1 | 2> {
    return typeof id === 'string' ? 1 : 2;
  }
}
