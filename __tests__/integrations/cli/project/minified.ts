/** As a minifier leaves it. */

import { Cached } from 'cachette';

export class T {
  @Cached('5m')
  async find(): Promise<number> {
    return 1;
  }
}

export class Towns {
  @Cached('5m')
  async d(): Promise<number> {
    return 1;
  }
}
