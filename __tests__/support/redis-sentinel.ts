/** A real Redis with automatic failover: one master, one replica, and three sentinels that watch them. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { askRedisPid, startRedis, withCli, type RedisTestServer } from './redis-server.js';
import { orStop, startTogether, stopTogether } from './server-group.js';
import { startServer, type ServerPlan } from './server-process.js';
import { until } from './until.js';

export interface RedisTestSentinel {
  /** `redis+sentinel://127.0.0.1:a,127.0.0.1:b,127.0.0.1:c/mymaster` */
  readonly uri: string;
  /** The first master and its replica. After a failover these names tell what they were. */
  readonly master: RedisTestServer;
  readonly replica: RedisTestServer;
  readonly sentinels: readonly RedisTestServer[];
  stop(): Promise<void>;
}

const MASTER_NAME = 'mymaster';
const SENTINELS = 3;
const QUORUM = 2;
/** Short enough for a test to wait for, long enough that a busy machine does not fail over by itself. */
const DOWN_AFTER_MS = 1_000;

/** Resolves when the replica is in step and every sentinel knows it, the master and the other sentinels. */
export async function startRedisSentinel(): Promise<RedisTestSentinel> {
  const { master, replica } = await startPair();
  const sentinels = await startSentinels(master, [master, replica]);
  const hosts = sentinels.map(({ host, port }) => `${host}:${port}`).join(',');
  const stop = () => stopTogether([...sentinels, master, replica]);
  return { uri: `redis+sentinel://${hosts}/${MASTER_NAME}`, master, replica, sentinels, stop };
}

async function startPair(): Promise<Pick<RedisTestSentinel, 'master' | 'replica'>> {
  const master = await startRedis({});
  return orStop([master], async () => {
    const replica = await startRedis({ args: ['--replicaof', master.host, `${master.port}`] });
    await orStop([replica], () => until('The replica is in step with the master', () => isInStep(replica)));
    return { master, replica };
  });
}

async function isInStep(replica: RedisTestServer): Promise<boolean> {
  return (await replica.cli('INFO', 'replication')).includes('master_link_status:up');
}

/** The sentinels see the replica at once because it is in step before they start; later they look every ten seconds. */
async function startSentinels(
  master: RedisTestServer,
  watched: readonly RedisTestServer[],
): Promise<RedisTestServer[]> {
  return orStop(watched, async () => {
    const sentinels = await startTogether(Array.from({ length: SENTINELS }, () => startSentinel(master)));
    await orStop(sentinels, () => until('The sentinels know each other and the replica', () => allKnowAll(sentinels)));
    return sentinels;
  });
}

async function allKnowAll(sentinels: readonly RedisTestServer[]): Promise<boolean> {
  return (await Promise.all(sentinels.map(knowsAll))).every(Boolean);
}

async function knowsAll(sentinel: RedisTestServer): Promise<boolean> {
  const lines = (await sentinel.cli('SENTINEL', 'MASTER', MASTER_NAME)).split('\n');
  const field = (name: string) => lines[lines.indexOf(name) + 1];
  return (
    field('num-slaves') === '1' && field('num-other-sentinels') === `${SENTINELS - 1}` && field('flags') === 'master'
  );
}

async function startSentinel(master: RedisTestServer): Promise<RedisTestServer> {
  return withCli(await startServer(sentinelPlan(master)));
}

/** A sentinel writes what it learns into its configuration, so a restarted one still knows the others. */
function sentinelPlan(master: RedisTestServer): ServerPlan {
  const file = (directory: string) => join(directory, 'sentinel.conf');
  return {
    name: 'redis-server',
    prepare: (port, directory) => writeFileSync(file(directory), configuration(port, directory, master)),
    args: (_port, directory) => [file(directory), '--sentinel'],
    uri: (port) => `redis://127.0.0.1:${port}`,
    askPid: (port) => askRedisPid({ host: '127.0.0.1', port }),
  };
}

function configuration(port: number, directory: string, master: RedisTestServer): string {
  return [
    'bind 127.0.0.1',
    `port ${port}`,
    `dir "${directory}"`,
    `sentinel monitor ${MASTER_NAME} ${master.host} ${master.port} ${QUORUM}`,
    `sentinel down-after-milliseconds ${MASTER_NAME} ${DOWN_AFTER_MS}`,
    `sentinel failover-timeout ${MASTER_NAME} ${DOWN_AFTER_MS * 5}`,
    '',
  ].join('\n');
}
