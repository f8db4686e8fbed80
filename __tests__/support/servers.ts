/** Everything a test needs of real servers, in one import. */
export { startFaultyServer, type Fault, type FaultyServer } from './faulty-server.js';
export { startMemcached, type MemcachedOptions, type MemcachedTestServer } from './memcached-server.js';
export { startPostgres, type PostgresOptions, type PostgresTestServer } from './postgres-server.js';
export { freePort } from './ports.js';
export { startRedisCluster, type RedisTestCluster } from './redis-cluster.js';
export { startRedisSentinel, type RedisTestSentinel } from './redis-sentinel.js';
export { startRedis, type RedisOptions, type RedisTestServer } from './redis-server.js';
export type { TestServer } from './server-process.js';
export { until } from './until.js';
