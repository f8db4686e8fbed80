/** A store of which each command passes through one function. Hides what a store may lack, and that a deletion may carry a message. */

import type { Backend } from '../../stores/backend.js';
import type { Bus, StoreBus } from '../../stores/bus.js';

/** A command on its way to a store. */
export interface StoreCommand {
  /** `deleteAndPublish`: a deletion whose message travels with it, over the bus of the store. */
  readonly operation: 'getMany' | 'set' | 'add' | 'touch' | 'deleteMany' | 'serverIds' | 'deleteAndPublish';
  /** As the store knows them: `shop:1:…`. The key of an entry is what `cache.keyOf` gives; that of a tag `'a'` ends in `#t:a`. */
  readonly keys: readonly string[];
}

/** How a command is carried out, and how of some of its keys. */
export interface Carrying<T> {
  readonly all: () => Promise<T>;
  readonly some: (keys: readonly string[]) => Promise<unknown>;
}

/** What becomes of the commands to a store, of its bus, and of its end. */
export interface Relay {
  send<T>(command: StoreCommand, carrying: Carrying<T>): Promise<T>;
  /** What stands for the bus of the store. */
  overBus(bus: Bus): Bus;
  close(): Promise<void>;
}

/** Can what the store behind it can. */
export class RelayedStore implements Backend {
  declare readonly lateByMs?: number;
  declare readonly loaded?: Promise<unknown>;
  declare readonly add?: NonNullable<Backend['add']>;
  declare readonly touch?: NonNullable<Backend['touch']>;
  declare readonly serverIds?: NonNullable<Backend['serverIds']>;
  declare readonly bus?: NonNullable<Backend['bus']>;
  readonly #store: Backend;
  readonly #relay: Relay;

  constructor(store: Backend, relay: Relay) {
    this.#store = store;
    this.#relay = relay;
    const { lateByMs, loaded, add, touch, serverIds, bus } = store;
    if (lateByMs !== undefined) this.lateByMs = lateByMs;
    if (loaded) this.loaded = loaded;
    if (add) this.add = (key, ...rest) => this.#whole('add', [key], () => add.call(store, key, ...rest));
    if (touch) this.touch = (key, ...rest) => this.#whole('touch', [key], () => touch.call(store, key, ...rest));
    if (serverIds) this.serverIds = () => this.#whole('serverIds', [], () => serverIds.call(store));
    if (bus) this.bus = (channel) => this.#overBus(bus.call(store, channel));
  }

  get name(): string {
    return this.#store.name;
  }

  get maxTextBytes(): number {
    return this.#store.maxTextBytes;
  }

  get session(): number | undefined {
    return this.#store.session;
  }

  getMany(keys: readonly string[]): Promise<readonly (string | undefined)[]> {
    const read = (those: readonly string[]): ReturnType<Backend['getMany']> => this.#store.getMany(those);
    return this.#relay.send({ operation: 'getMany', keys }, { all: () => read(keys), some: read });
  }

  set(key: string, text: string, ttlMs: number): Promise<void> {
    return this.#whole('set', [key], () => this.#store.set(key, text, ttlMs));
  }

  deleteMany(keys: readonly string[]): Promise<void> {
    const remove = (those: readonly string[]): Promise<void> => this.#store.deleteMany(those);
    return this.#relay.send({ operation: 'deleteMany', keys }, { all: () => remove(keys), some: remove });
  }

  close(): Promise<void> {
    return this.#relay.close();
  }

  /** Of a command that has one key or none, a part is nothing. */
  #whole<T>(operation: StoreCommand['operation'], keys: readonly string[], all: () => Promise<T>): Promise<T> {
    return this.#relay.send({ operation, keys }, { all, some: () => Promise.resolve() });
  }

  #overBus(bus: StoreBus): StoreBus {
    const { deleteAndPublish } = bus;
    const over = this.#relay.overBus(bus);
    const own: StoreBus = {
      publish: (message, to) => over.publish(message, to),
      subscribe: (id, subscriber) => over.subscribe(id, subscriber),
      close: () => over.close(),
      renew: () => bus.renew?.(),
    };
    if (!deleteAndPublish) return own;
    return {
      ...own,
      deleteAndPublish: (keys, message) =>
        this.#relay.send(
          { operation: 'deleteAndPublish', keys },
          { all: () => deleteAndPublish.call(bus, keys, message), some: (half) => this.#store.deleteMany(half) },
        ),
    };
  }
}
