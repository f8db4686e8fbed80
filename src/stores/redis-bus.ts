/**
 * What processes tell each other over Redis: by its publish and subscribe, sharded on a cluster. Publishing goes over the
 * connection of the commands, so that a deletion and its message are one transaction; receiving has one of its own.
 */

import { type BusSubscriber, everyone, type StoreBus } from './bus.js';
import { reason } from './keyv.js';
import { type Connection, type Line, Link } from './link.js';
import { dialSubscriber, type Library, type RedisAddress, type RedisConnection } from './redis-connect.js';

interface RedisBusParts {
  readonly address: RedisAddress;
  readonly library: Promise<Library>;
  readonly channel: string;
  /** Runs a command over the connection of the commands. */
  readonly run: <T>(command: (connection: RedisConnection) => Promise<T>) => Promise<T>;
}

const limits = { stallMs: Infinity, renewAfterMs: 0 };

export function redisBus(parts: RedisBusParts): StoreBus {
  const bus = new RedisBus(parts);
  if (parts.address.topology === 'cluster') return bus;
  const { run } = parts;
  const channel = `{${parts.channel}}`;
  const deleteAndPublish = (keys: readonly string[], message: string): Promise<number> =>
    run((connection) => removeAndTell(connection, keys, channel, message));
  return Object.assign(bus, { deleteAndPublish });
}

/**
 * A server that is out of memory takes no transaction, and still takes its commands one by one. Should this process die
 * between them, others keep what they remember; who waits for the invalidation has not been told `done` then.
 */
async function removeAndTell(
  connection: RedisConnection,
  keys: readonly string[],
  channel: string,
  message: string,
): Promise<number> {
  try {
    return (await connection.deleteAndPublish?.(keys, channel, message)) ?? 0;
  } catch (error) {
    if (!/\bOOM\b/.test(String(error))) throw error;
    await connection.keyv.deleteMany(keys);
    return connection.publish(channel, message);
  }
}

class RedisBus implements StoreBus {
  readonly #parts: RedisBusParts;
  #link: Link<Connection> | undefined;

  constructor(parts: RedisBusParts) {
    this.#parts = parts;
  }

  publish(message: string, to?: string): Promise<number> {
    return this.#parts.run((connection) => connection.publish(this.#channelOf(to), message));
  }

  subscribe(id: string, subscriber: BusSubscriber): void {
    this.#link?.close();
    this.#link = this.#linkTo([this.#channelOf(), this.#channelOf(everyone), this.#channelOf(id)], subscriber);
  }

  /** Who may not subscribe is not asked; to try it again and again would cost the server a connection each time. */
  attend(id: string, { message }: Pick<BusSubscriber, 'message'>): void {
    const subscriber = { message, interrupted: () => undefined };
    const link = this.#linkTo([this.#channelOf(everyone), this.#channelOf(id)], subscriber, () => link.close());
    this.#link = link;
  }

  #linkTo(channels: readonly string[], subscriber: BusSubscriber, onForbidden = (): void => {}): Link<Connection> {
    const { address, library } = this.#parts;
    const receive = (message: string): void => subscriber.message(message);
    const dial = async (line: Line): Promise<Connection> => {
      line.signal.addEventListener('abort', () => subscriber.interrupted(), { once: true });
      try {
        return await dialSubscriber(await library, address, line, { channels, receive });
      } catch (error) {
        if (reason(error).startsWith('NOPERM')) onForbidden();
        throw error;
      }
    };
    return new Link(dial, { ...limits, connectMs: address.connectMs });
  }

  /** Whoever hears anything hears what is sent to everyone. */
  async channels(): Promise<readonly string[]> {
    const ending = `}:${everyone}`;
    const found = await this.#parts.run((connection) => connection.channels(`{*${ending}`));
    return found.map((channel) => channel.slice(1, -ending.length));
  }

  renew(): void {
    this.#link?.renew();
  }

  async close(): Promise<void> {
    this.#link?.close();
  }

  /** Both kinds of channel are on one server of a cluster. */
  #channelOf(id?: string): string {
    const { channel } = this.#parts;
    return id === undefined ? `{${channel}}` : `{${channel}}:${id}`;
  }
}
