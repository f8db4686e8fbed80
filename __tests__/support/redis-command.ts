/**
 * Sends one command to a Redis server and returns the reply as redis-cli prints it to a pipe: nil is empty, elements
 * are lines. Hides the RESP protocol. Unlike redis-cli it needs no program, and an error reply rejects.
 */
import { ask } from './ask.js';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

type Reply = string | Error | readonly Reply[];

export async function redisCommand(address: RedisAddress, args: readonly string[]): Promise<string> {
  const login = loginOf(address);
  const commands = [...login, args];
  const replies = await ask({
    host: address.host,
    port: address.port,
    text: commands.map(encode).join(''),
    parse: (received) => parseReplies(received, commands.length),
    onEnd: (received) => parseReplies(received, commands.length) ?? ended(args),
  });
  return replies.map(print).slice(login.length).join('\n');
}

function loginOf({ username, password }: RedisAddress): readonly (readonly string[])[] {
  if (password === undefined) return [];
  return [username === undefined ? ['AUTH', password] : ['AUTH', username, password]];
}

/** SHUTDOWN has no other answer than the end of the connection. */
function ended(args: readonly string[]): readonly Reply[] {
  if (args[0]?.toUpperCase() === 'SHUTDOWN') return [''];
  throw new Error(`Redis ended the connection before it answered ${args[0]}.`);
}

function encode(args: readonly string[]): string {
  return `*${args.length}\r\n${args.map((arg) => `$${Buffer.byteLength(arg)}\r\n${arg}\r\n`).join('')}`;
}

function print(reply: Reply): string {
  if (reply instanceof Error) throw reply;
  return typeof reply === 'string' ? reply : reply.map(print).join('\n');
}

function parseReplies(received: string, count: number): readonly Reply[] | undefined {
  return new ReplyReader(Buffer.from(received)).take(count);
}

/** Each method returns `undefined` where bytes are missing; then everything is read again when more have come. */
class ReplyReader {
  readonly #bytes: Buffer;
  #position = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  take(count: number): readonly Reply[] | undefined {
    const replies: Reply[] = [];
    while (replies.length < count) {
      const reply = this.#reply();
      if (reply === undefined) return undefined;
      replies.push(reply);
    }
    return replies;
  }

  #reply(): Reply | undefined {
    const line = this.#line();
    if (line === undefined) return undefined;
    const rest = line.slice(1);
    if (line.startsWith('-')) return new Error(rest);
    if (line.startsWith('$')) return this.#bulk(Number(rest));
    if (line.startsWith('*')) return this.take(Math.max(0, Number(rest)));
    return rest;
  }

  #line(): string | undefined {
    const end = this.#bytes.indexOf('\r\n', this.#position);
    if (end === -1) return undefined;
    const line = this.#bytes.toString('utf8', this.#position, end);
    this.#position = end + 2;
    return line;
  }

  #bulk(length: number): string | undefined {
    if (length < 0) return '';
    const end = this.#position + length;
    if (this.#bytes.length < end + 2) return undefined;
    const text = this.#bytes.toString('utf8', this.#position, end);
    this.#position = end + 2;
    return text;
  }
}
