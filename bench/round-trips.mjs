/** Counts round trips to a server, by a proxy that sees who speaks when. */

import { connect, createServer } from 'node:net';

/**
 * How often the client has to wait for an answer while what `prepare` gives runs: what it sends at once is one.
 *
 * @param {string} uri
 * @param {(uri: string) => Promise<() => Promise<unknown>>} prepare is given the proxy's URI
 */
export async function roundTrips(uri, prepare) {
  const { hostname, port, protocol } = new URL(uri);
  let trips = 0;
  let isAnswered = true;
  const server = createServer((client) => {
    const upstream = connect(Number(port), hostname);
    client.on('data', () => {
      if (isAnswered) trips++;
      isAnswered = false;
    });
    upstream.on('data', () => (isAnswered = true));
    client.on('error', () => upstream.destroy()).pipe(upstream);
    upstream.on('error', () => client.destroy()).pipe(client);
  });
  await new Promise((resolve) => server.listen(0, hostname, () => resolve(undefined)));
  const run = await prepare(`${protocol}//${hostname}:${server.address().port}`);
  trips = 0;
  await run();
  const counted = trips;
  server.close();
  return counted;
}
