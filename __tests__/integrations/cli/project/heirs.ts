/** One name for what several classes inherit, and for two methods. */

import { Cached } from 'cachette';

abstract class Base {
  @Cached('5m', { name: 'Base.find' })
  async find(): Promise<string> {
    return this.constructor.name;
  }

  @Cached('5m', { name: 'Base.own', per: 'instance' })
  async own(): Promise<string> {
    return this.constructor.name;
  }
}

export class Users extends Base {}

export class Orders extends Base {
  @Cached('5m', { name: 'Base.find' })
  async list(): Promise<string[]> {
    return [];
  }
}

export class Groups extends Base {
  override async own(): Promise<string> {
    return 'own';
  }
}
