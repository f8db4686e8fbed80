/** A server that misbehaves in one way on every connection, for what no real server does on demand. */
import { createServer, type AddressInfo, type Socket } from 'node:net';

/** `silent` never answers; at the first bytes `fin` ends cleanly, `reset` resets, and `rubbish` answers no protocol. */
export type Fault = 'silent' | 'fin' | 'reset' | 'rubbish';

export interface FaultyServer {
  readonly port: number;
  stop(): Promise<void>;
}

/** No valid start of a RESP reply, a memcached line or a memcached binary header. */
const RUBBISH = Buffer.from([0x00, 0xff, 0xfe, 0x07, 0x21, 0x0d, 0x0a, ...Buffer.from('rubbish rubbish rubbish\r\n')]);

const REACTIONS: Readonly<Record<Fault, (socket: Socket) => void>> = {
  silent: () => {},
  fin: (socket) => socket.end(),
  reset: (socket) => socket.resetAndDestroy(),
  rubbish: (socket) => socket.write(RUBBISH),
};

export async function startFaultyServer(mode: Fault): Promise<FaultyServer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('data', () => REACTIONS[mode](socket));
    socket.on('error', () => socket.destroy());
    socket.on('close', () => sockets.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  const stop = () => {
    server.close(() => {});
    for (const socket of sockets) socket.destroy();
    return closed;
  };
  return { port, stop };
}
