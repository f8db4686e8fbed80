/** Starts servers, one of them frozen, and dies without stopping them. */
import type { ServerProcess } from './server-process.js';
import { startMemcached, startPostgres, startRedis } from './servers.js';

const servers = await Promise.all([startRedis({}), startMemcached({}), startPostgres()]);
servers[0].freeze();
servers[2].freeze();

process.on('message', (how) => {
  if (how === 'exit') process.exit(0);
  throw new Error('A test crashes.');
});

process.send?.({
  ports: servers.map(({ port }) => port),
  directories: servers.map((server) => (server as unknown as ServerProcess).directory),
});
