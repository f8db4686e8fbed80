import { backendContract } from '../contract/backend.contract.js';
import { connectionOf, testBus } from '../contract/bus.contract.js';
import {
  startRedis,
  startRedisCluster,
  startRedisSentinel,
  type RedisTestCluster,
  type RedisTestSentinel,
  type RedisTestServer,
  until,
} from '../support/servers.js';
import type { Backend } from '../../src/stores/backend.js';
import { parseStore } from '../../src/stores/uri.js';

jest.setTimeout(30_000);

function open(uri: string): Backend {
  const target = parseStore(uri, 'createCache');
  if (target.kind !== 'backend') throw new Error(`${uri} is no backend`);
  return target.open();
}

function tellsChannels(uri: () => string): void {
  it('tells on which channels processes listen, those too that only attend', async () => {
    const backend = open(uri());
    const buses = ['a:1:#bus', 'b:1:#bus', 'c:1:#bus'].map((channel) => backend.bus!(channel));
    const hear = { message: () => undefined, interrupted: () => undefined };
    buses[0]!.subscribe('one', hear);
    buses[1]!.attend!('two', hear);
    const told = async (): Promise<readonly string[]> => [...(await buses[2]!.channels!())].sort();
    await until('both are told', async () => (await told()).length === 2);
    expect(await told()).toEqual(['a:1:#bus', 'b:1:#bus']);
    await Promise.all([...buses, backend].map((each) => each.close()));
  });
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
  tellsChannels(() => server.uri);
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
  tellsChannels(() => cluster.uri);
});

describe('a master with sentinels', () => {
  let sentinel: RedisTestSentinel;
  beforeAll(async () => void (sentinel = await startRedisSentinel()));
  afterAll(() => sentinel.stop());
  backendContract('redis+sentinel://', { make: () => open(sentinel.uri), adds: true, tickMs: 0 });
  testBus('redis+sentinel://', { connect: () => connectionOf(open(sentinel.uri)), ordered: true });
});
