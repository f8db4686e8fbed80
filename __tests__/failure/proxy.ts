/** A way to a server that can be cut off, while the server lives on and others reach it directly. */
import { connect, createServer, type Socket } from 'node:net';

import { freePort } from '../support/servers.js';

export interface Proxy {
  readonly port: number;
  /** Every connection ends, and no new one is accepted. */
  cut(): Promise<void>;
  mend(): Promise<void>;
  stop(): Promise<void>;
}

export async function startProxy(serverPort: number): Promise<Proxy> {
  const port = await freePort();
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(serverPort, '127.0.0.1');
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => void (to.destroy(), sockets.delete(from)));
    }
  });
  const mend = (): Promise<void> =>
    new Promise((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', () => resolve()));
  const cut = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const socket of sockets) socket.destroy();
    await closed;
  };
  await mend();
  return { port, cut, mend, stop: () => (server.listening ? cut() : Promise.resolve()) };
}
