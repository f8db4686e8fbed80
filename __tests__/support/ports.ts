/**
 * Free loopback ports. They are taken from below the range that systems give to outgoing connections, so that no
 * connection of a test sits on the port of a killed server when that one is to come back.
 */
import { createServer } from 'node:net';

const LOWEST = 10_000;
/** A Redis cluster node also listens on its port plus 10 000, which has to stay below 32 768 as well. */
const COUNT = 12_000;
const ATTEMPTS = 50;

/** A loopback port nobody listens on at this moment. Another process may take it before its first use. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = LOWEST + Math.floor(Math.random() * COUNT);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of ${ATTEMPTS} random ports from ${LOWEST} on was free on 127.0.0.1.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(false));
    probe.listen(port, '127.0.0.1', () => probe.close(() => resolve(true)));
  });
}
