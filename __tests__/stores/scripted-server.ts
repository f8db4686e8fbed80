/** Servers that do what a test says, for the moments that no real server meets on demand. */

import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface ScriptedServer {
  readonly port: number;
  /** Every command that came, in order, over all connections. */
  readonly commands: readonly (readonly string[])[];
  /** How many connections were accepted. */
  connections(): number;
  stop(): Promise<void>;
}

/** What to write back; undefined for nothing. The socket is there to be ended. */
export type Script = (command: readonly string[], socket: Socket) => string | Buffer | undefined;

/** Understands commands of the Redis protocol. What the script does not answer with `+OK` or the like it has to write itself. */
export function startScriptedRedis(script: Script): Promise<ScriptedServer> {
  return startScripted(readRedisCommands, script);
}

/** Understands requests of memcached's binary protocol; a command is its opcode, its opaque, its key and its value. */
export function startScriptedMemcached(script: Script): Promise<ScriptedServer> {
  return startScripted(readMemcachedCommands, script);
}

/** A binary reply to the request with this opcode and opaque. */
export function memcachedReply(
  [opcode, opaque]: readonly string[],
  status: number,
  { extras = '', value = '' } = {},
): Buffer {
  const body = Buffer.concat([Buffer.from(extras, 'latin1'), Buffer.from(value)]);
  const header = Buffer.alloc(24);
  header.writeUInt8(0x81, 0);
  header.writeUInt8(Number(opcode), 1);
  header.writeUInt8(extras.length, 4);
  header.writeUInt16BE(status, 6);
  header.writeUInt32BE(body.length, 8);
  header.writeUInt32BE(Number(opaque), 12);
  return Buffer.concat([header, body]);
}

type Reader = (bytes: Buffer) => { readonly commands: string[][]; readonly rest: Buffer };

async function startScripted(read: Reader, script: Script): Promise<ScriptedServer> {
  const sockets = new Set<Socket>();
  const seen: string[][] = [];
  let accepted = 0;
  const server = createServer((socket) => {
    accepted += 1;
    sockets.add(socket);
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      const { commands, rest } = read(Buffer.concat([bytes, chunk]));
      bytes = rest;
      for (const command of commands) {
        seen.push(command);
        const reply = script(command, socket);
        if (reply !== undefined && !socket.destroyed) socket.write(reply);
      }
    });
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listening(server);
  return { port, commands: seen, connections: () => accepted, stop: () => stopped(server, sockets) };
}

function listening(server: ReturnType<typeof createServer>): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
  });
}

function stopped(server: ReturnType<typeof createServer>, sockets: Iterable<Socket>): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  for (const socket of sockets) socket.destroy();
  return closed;
}

function readRedisCommands(bytes: Buffer): { commands: string[][]; rest: Buffer } {
  const commands: string[][] = [];
  let text = bytes.toString('latin1');
  for (;;) {
    const command = readRedisCommand(text);
    if (command === undefined) return { commands, rest: Buffer.from(text, 'latin1') };
    commands.push(command.args);
    text = text.slice(command.length);
  }
}

function readRedisCommand(text: string): { args: string[]; length: number } | undefined {
  const head = /^\*(\d+)\r\n/.exec(text);
  if (head === null) return undefined;
  let at = head[0].length;
  const args: string[] = [];
  for (let left = Number(head[1]); left > 0; left -= 1) {
    const size = /^\$(\d+)\r\n/.exec(text.slice(at));
    if (size === null) return undefined;
    const start = at + size[0].length;
    at = start + Number(size[1]) + 2;
    if (text.length < at) return undefined;
    args.push(text.slice(start, at - 2));
  }
  return { args, length: at };
}

function readMemcachedCommands(bytes: Buffer): { commands: string[][]; rest: Buffer } {
  const commands: string[][] = [];
  let rest = bytes;
  while (rest.length >= 24 && rest.length >= 24 + rest.readUInt32BE(8)) {
    const keyAt = 24 + rest.readUInt8(4);
    const valueAt = keyAt + rest.readUInt16BE(2);
    const end = 24 + rest.readUInt32BE(8);
    commands.push([
      `${rest.readUInt8(1)}`,
      `${rest.readUInt32BE(12)}`,
      rest.toString('utf8', keyAt, valueAt),
      rest.toString('utf8', valueAt, end),
    ]);
    rest = rest.subarray(end);
  }
  return { commands, rest };
}

export interface Proxy {
  readonly port: number;
  /** Connections that are open now get nothing through any more, in no direction, and are not told. */
  swallow(): void;
  /** Ends the connections that are open now, as an idle timeout on the way does. */
  cut(): void;
  connections(): number;
  stop(): Promise<void>;
}

/** Passes everything on to a server until it is told not to. */
export async function startProxy(targetPort: number): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let accepted = 0;
  const server = createServer((near) => {
    accepted += 1;
    const far = connect(targetPort, '127.0.0.1');
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) {
      sockets.add(socket);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        near.destroy();
        far.destroy();
      });
    }
  });
  const port = await listening(server);
  const each = (act: (socket: Socket) => void): void => [...sockets].forEach(act);
  return {
    port,
    swallow: () => each((socket) => socket.unpipe().pause()),
    cut: () => each((socket) => socket.end()),
    connections: () => accepted,
    stop: () => stopped(server, sockets),
  };
}
