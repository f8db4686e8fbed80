/** A network between a client and a server: a process of its own that keeps whatever comes for a while, either way. */

import { fork } from 'node:child_process';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Each way. Two machines of one data centre are half as far from each other. */
export const delayMs = 1;

const path = fileURLToPath(import.meta.url);

/**
 * @param {string} uri
 * @returns {Promise<{ readonly uri: string, readonly end: () => void }>} the server's URI, over the network
 */
export async function throughNetwork(uri) {
  const { hostname, port, protocol } = new URL(uri);
  const network = fork(path, [hostname, port]);
  const own = await new Promise((resolve) => network.once('message', resolve));
  return { uri: `${protocol}//${hostname}:${own}`, end: () => network.kill() };
}

/** @param {string[]} server */
function carry([host, port]) {
  const server = createServer((client) => {
    const upstream = connect(Number(port), host);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ]) {
      from.on('data', (bytes) => setTimeout(() => to.write(bytes), delayMs));
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
      from.setNoDelay(true);
    }
  });
  server.listen(0, host, () => process.send?.(server.address().port));
}

if (process.argv[1] === path) carry(process.argv.slice(2));
