/** A real Redis cluster: three masters that share all slots. */
import { startRedis, type RedisTestServer } from './redis-server.js';
import { orStop, startTogether, stopTogether } from './server-group.js';
import { until } from './until.js';

export interface RedisTestCluster {
  /** `redis+cluster://127.0.0.1:a,127.0.0.1:b,127.0.0.1:c` */
  readonly uri: string;
  readonly nodes: readonly RedisTestServer[];
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const NODES = 3;
const ARGS = ['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf', '--cluster-node-timeout', '2000'];

/**
 * Resolves when every node says `cluster_state:ok` and knows all slots. That takes at least two seconds: a master
 * accepts no writes for so long after its start. A node that is restarted keeps its slots and loses its data.
 */
export async function startRedisCluster(): Promise<RedisTestCluster> {
  const nodes = await startTogether(Array.from({ length: NODES }, () => startRedis({ args: ARGS })));
  await orStop(nodes, async () => {
    await Promise.all(nodes.map(takeSlots));
    await introduce(nodes);
    await until('Every cluster node is ok and knows all slots', () => everyNode(nodes, isComplete));
  });
  const uri = `redis+cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  return { uri, nodes, stop: () => stopTogether(nodes) };
}

/** Epochs of their own spare the nodes the collision that they would have to settle after they met. */
async function takeSlots(node: RedisTestServer, index: number): Promise<void> {
  const from = Math.floor((SLOTS * index) / NODES);
  const to = Math.floor((SLOTS * (index + 1)) / NODES);
  await node.cli('CLUSTER', 'ADDSLOTS', ...Array.from({ length: to - from }, (_, slot) => `${from + slot}`));
  await node.cli('CLUSTER', 'SET-CONFIG-EPOCH', `${index + 1}`);
}

/** The others hear of each other from the first. */
async function introduce([first, ...others]: readonly RedisTestServer[]): Promise<void> {
  for (const { host, port } of others) await first?.cli('CLUSTER', 'MEET', host, `${port}`);
}

async function everyNode(
  nodes: readonly RedisTestServer[],
  test: (node: RedisTestServer) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(nodes.map(test))).every(Boolean);
}

async function isComplete(node: RedisTestServer): Promise<boolean> {
  const info = await node.cli('CLUSTER', 'INFO');
  return ['cluster_state:ok', `cluster_slots_ok:${SLOTS}`, `cluster_known_nodes:${NODES}`].every((line) =>
    info.includes(line),
  );
}
