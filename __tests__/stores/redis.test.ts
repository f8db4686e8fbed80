import { backendContract } from '../contract/backend.contract.js';
import { connectionOf, testBus } from '../contract/bus.contract.js';
import {
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  type RedisTestCluster,
  type RedisTestSentinel,
  type RedisTestServer,
} from '../support/servers.js';
import type { Backend } from '../../src/stores/backend.js';
import { parseStore } from '../../src/stores/uri.js';

jest.setTimeout(30_000);

function open(uri: string): Backend {
  const target = parseStore(uri, 'createCache');
  if (target.kind !== 'backend') throw new Error(`${uri} is no backend`);
  return target.open();
}

describe('one server', () => {
  let server: RedisTestServer;
  beforeAll(async () => void (server = await startRedis()));
  afterAll(() => server.stop());
  backendContract('redis://', { make: () => open(server.uri), adds: true, tickMs: 0 });
  testBus('redis://', {
    connect: () => connectionOf(open(server.uri)),
    ordered: true,
    interrupt: () => server.cli('CLIENT', 'KILL', 'TYPE', 'pubsub'),
  });
});

describe('one server with a password', () => {
  const password = 'p@ss/w:rd?#% é';
  let server: RedisTestServer;
  beforeAll(async () => void (server = await startRedis({ password })));
  afterAll(() => server.stop());
  backendContract('redis://:password@', { make: () => open(server.uri), adds: true, tickMs: 0, manyKeys: 100 });
});

describe('a cluster', () => {
  let cluster: RedisTestCluster;
  beforeAll(async () => void (cluster = await startRedisCluster()));
  afterAll(() => cluster.stop());
  backendContract('redis+cluster://', { make: () => open(cluster.uri), adds: true, tickMs: 0 });
  testBus('redis+cluster://', { connect: () => connectionOf(open(cluster.uri)), ordered: true });
});

describe('a master with sentinels', () => {
  let sentinel: RedisTestSentinel;
  beforeAll(async () => void (sentinel = await startRedisSentinel()));
  afterAll(() => sentinel.stop());
  backendContract('redis+sentinel://', { make: () => open(sentinel.uri), adds: true, tickMs: 0 });
  testBus('redis+sentinel://', { connect: () => connectionOf(open(sentinel.uri)), ordered: true });
});
