/** A real Redis cluster: three masters that share all slots, and replicas of them where a test adds some. */
import { startRedis, type RedisTestServer } from './redis-server.js';
import { orStop, startTogether, stopTogether } from './server-group.js';
import { until } from './until.js';

export interface RedisTestCluster {
  /** `redis+cluster://127.0.0.1:a,127.0.0.1:b,127.0.0.1:c` */
  readonly uri: string;
  readonly nodes: readonly RedisTestServer[];
  /** Resolves when the replica is in step, every node knows it as such, and it knows every node and all slots. */
  addReplica(master: RedisTestServer): Promise<RedisTestServer>;
  /** The replicas too. */
  stop(): Promise<void>;
}

const SLOTS = 16_384;
const NODES = 3;
/** Full coverage is not asked for: without one node the others go on, also when they have noticed it. */
const ARGS = [
  ...['--cluster-enabled', 'yes', '--cluster-config-file', 'nodes.conf'],
  ...['--cluster-node-timeout', '2000', '--cluster-require-full-coverage', 'no'],
];

/**
 * Resolves when every node says `cluster_state:ok` and knows all slots. That takes at least two seconds: a master
 * accepts no writes for so long after its start. A node that is restarted keeps its slots and loses its data.
 */
export async function startRedisCluster(): Promise<RedisTestCluster> {
  const nodes = await startTogether(Array.from({ length: NODES }, () => startRedis({ args: ARGS })));
  await orStop(nodes, async () => {
    await Promise.all(nodes.map(takeSlots));
    await introduce(nodes);
    await untilComplete(nodes);
  });
  const uri = `redis+cluster://${nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  const all = [...nodes];
  const addReplica = async (master: RedisTestServer): Promise<RedisTestServer> => {
    const replica = await startReplica(master, all);
    all.push(replica);
    return replica;
  };
  return { uri, nodes, addReplica, stop: () => stopTogether(all) };
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

/**
 * That the others know the replica is not enough: they learn of it from its master and then ping it, but it ignores
 * whom it has not heard of itself. Were its master killed in that moment, it would stay alone with its slots for ever.
 */
async function startReplica(master: RedisTestServer, others: readonly RedisTestServer[]): Promise<RedisTestServer> {
  const replica = await startRedis({ args: ARGS });
  await orStop([replica], async () => {
    await introduce([replica, ...others]);
    const masterId = await master.cli('CLUSTER', 'MYID');
    await until('It is a replica', async () => (await replica.cli('CLUSTER', 'REPLICATE', masterId)) === 'OK');
    await until('It is in step', () => isInStep(replica));
    await untilComplete([...others, replica]);
    const line = new RegExp(`^${await replica.cli('CLUSTER', 'MYID')} \\S+ \\S*slave ${masterId} .* connected`, 'm');
    const isKnownTo = async (node: RedisTestServer): Promise<boolean> => line.test(await node.cli('CLUSTER', 'NODES'));
    await until('Every node knows it as a replica', () => everyNode([...others, replica], isKnownTo));
  });
  return replica;
}

async function isInStep(replica: RedisTestServer): Promise<boolean> {
  return (await replica.cli('INFO', 'replication')).includes('master_link_status:up');
}

async function untilComplete(nodes: readonly RedisTestServer[]): Promise<void> {
  const isComplete = async (node: RedisTestServer): Promise<boolean> => {
    const lines = (await node.cli('CLUSTER', 'INFO')).split('\r\n');
    const complete = ['cluster_state:ok', `cluster_slots_ok:${SLOTS}`, `cluster_known_nodes:${nodes.length}`];
    return complete.every((line) => lines.includes(line));
  };
  await until('Every cluster node is ok and knows all slots and nodes', () => everyNode(nodes, isComplete));
}

async function everyNode(
  nodes: readonly RedisTestServer[],
  test: (node: RedisTestServer) => Promise<boolean>,
): Promise<boolean> {
  return (await Promise.all(nodes.map(test))).every(Boolean);
}
