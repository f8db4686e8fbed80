/**
 * How other processes hear that a generation was deleted: by a message in the transaction that deletes it, or by Redis's own
 * `CLIENT TRACKING` in broadcast mode. Time from sending to the last arrival, and the server's processor time for each command.
 *
 *     node bench/tracking.mjs [redis://localhost:6379]
 *
 * Uses keys that begin with `tracking-bench:` and removes them.
 */

import { createClient } from '@keyv/redis';
import net from 'node:net';
import { performance } from 'node:perf_hooks';

const url = process.argv[2] ?? 'redis://localhost:6379';
const prefix = 'tracking-bench:';
const channel = `${prefix}#bus`;
const rounds = 3_000;

const ways = {
  'nobody is told': { listen: undefined, remove: (key) => client.unlink(key) },
  'MULTI, UNLINK, PUBLISH': {
    listen: `SUBSCRIBE ${channel}`,
    remove: (key) => client.multi().unlink(key).publish(channel, `["1","removed","sender",1,"${key}"]`).exec(),
  },
  'UNLINK, TRACKING BCAST': {
    listen: `CLIENT TRACKING ON BCAST PREFIX ${prefix}`,
    remove: (key) => client.unlink(key),
  },
};

const client = createClient({ url });
await client.connect();
console.log(`Redis ${/redis_version:(\S+)/.exec(await client.info('server'))?.[1]}, ${rounds} commands of each kind`);

const rows = [];
// The first commands of a process are slow.
await measure([], false, (key) => client.unlink(key));
for (const processes of [1, 8, 32]) {
  for (const [name, { listen, remove }] of Object.entries(ways)) {
    if (listen === undefined && processes > 1) continue;
    const listeners =
      listen === undefined ? [] : await Promise.all(Array.from({ length: processes }, () => open(listen)));
    const made = await measure(listeners, name.includes('TRACKING'), (key) =>
      client.set(key, 'token', { condition: 'NX' }),
    );
    const touched = await measure(listeners, name.includes('TRACKING'), (key) => client.pExpire(key, 60_000));
    const removed = await measure(listeners, true, remove);
    for (const { socket } of listeners) socket.destroy();
    rows.push({
      how: name,
      processes: listeners.length,
      'arrival p50, µs': removed.p50,
      'arrival p99, µs': removed.p99,
      'remove, server µs': removed.cpu,
      'make, server µs': made.cpu,
      'touch, server µs': touched.cpu,
      'messages per generation': made.messages + touched.messages + removed.messages,
    });
  }
}
console.table(rows);
await client.close();

/** A connection that notes which keys it was told of. */
async function open(command) {
  const { hostname, port } = new URL(url);
  const socket = net.connect(Number(port || 6379), hostname);
  const listener = { socket, seen: -1, messages: 0, heard: () => {} };
  let rest = '';
  socket.setNoDelay(true).on('data', (data) => {
    const text = rest + data.toString('latin1');
    let end = 0;
    for (const match of text.matchAll(/k(\d+)\./g)) {
      end = match.index + match[0].length;
      listener.messages++;
      listener.seen = Number(match[1]);
    }
    rest = text.slice(Math.max(end, text.length - 64));
    listener.heard();
  });
  socket.write(`HELLO 3\r\n${command}\r\n`);
  await new Promise((resolve) => setTimeout(resolve, 100));
  return listener;
}

/** One command after the other, each when all listeners have heard of the one before. */
async function measure(listeners, isTold, run) {
  const times = [];
  for (const listener of listeners) Object.assign(listener, { seen: -1, messages: 0 });
  const before = await processorTime();
  for (let round = 0; round < rounds; round++) {
    const start = performance.now();
    await Promise.all([run(`${prefix}k${round}.`), isTold && allHear(listeners, round)]);
    times.push((performance.now() - start) * 1_000);
  }
  const cpu = ((await processorTime()) - before) / rounds;
  times.sort((a, b) => a - b);
  const at = (share) => Math.round(times[Math.floor(rounds * share)]);
  const messages = listeners.reduce((sum, listener) => sum + listener.messages, 0) / rounds;
  return { p50: at(0.5), p99: at(0.99), cpu: Math.round(cpu), messages };
}

function allHear(listeners, round) {
  return new Promise((resolve) => {
    const check = () => {
      if (listeners.every(({ seen }) => seen === round)) resolve(undefined);
    };
    for (const listener of listeners) listener.heard = check;
    check();
  });
}

/** Microseconds that the server has computed so far. */
async function processorTime() {
  const text = await client.info('cpu');
  const of = (name) => Number(new RegExp(`${name}:([\\d.]+)`).exec(text)?.[1]);
  return (of('used_cpu_sys') + of('used_cpu_user')) * 1e6;
}
