import { backendContract } from '../contract/backend.contract.js';
import { startMemcached, type MemcachedTestServer } from '../support/servers.js';
import type { Backend } from '../../src/stores/backend.js';
import { parseStore } from '../../src/stores/uri.js';

jest.setTimeout(30_000);

function open(uri: string): Backend {
  const target = parseStore(uri, 'createCache');
  if (target.kind !== 'backend') throw new Error(`${uri} is no backend`);
  return target.open();
}

describe('one server', () => {
  let server: MemcachedTestServer;
  beforeAll(async () => void (server = await startMemcached()));
  afterAll(() => server.stop());
  backendContract('memcached://', { make: () => open(server.uri), adds: true, tickMs: 1_000 });
});

describe('three servers', () => {
  let servers: MemcachedTestServer[];
  beforeAll(
    async () => void (servers = await Promise.all([startMemcached({}), startMemcached({}), startMemcached({})])),
  );
  afterAll(() => Promise.all(servers.map((server) => server.stop())));
  const uri = (): string => `memcached://${servers.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  backendContract('memcached://a,b,c', { make: () => open(uri()), adds: true, tickMs: 1_000 });
});
