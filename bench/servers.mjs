/** Redis and memcached for a run: on free loopback ports, with nothing in them, stopped when this process ends. */

import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { root } from '../scripts/run.mjs';
import { pinned } from './pinned.mjs';
import { sleep } from './workload.mjs';

const host = '127.0.0.1';
const readyWithinMs = 15_000;

/**
 * @typedef {object} Server
 * @property {string} uri
 * @property {string} version
 * @property {() => Promise<void>} empty
 * @property {() => void} stop
 */

export async function startServers() {
  const [redis, memcached] = await Promise.all([startRedis(), startMemcached()]);
  const stop = () => [redis, memcached].forEach((server) => server.stop());
  process.once('exit', stop);
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(130));
  return { redis, memcached, stop };
}

/** Without persistence; it may hold what it is given. */
async function startRedis() {
  const args = (port) => ['--port', `${port}`, '--bind', host, '--save', '', '--appendonly', 'no', '--dir', tmpdir()];
  return start({ name: 'redis-server', args, uri: 'redis', ping: 'PING', empty: 'FLUSHALL' });
}

async function startMemcached() {
  const user = process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
  const args = (port) => [...user, '-l', host, '-p', `${port}`, '-U', '0', '-m', '512'];
  return start({ name: 'memcached', args, uri: 'memcached', ping: 'version', empty: 'flush_all' });
}

/** @returns {Promise<Server>} */
async function start({ name, args, uri, ping, empty }) {
  const { path, env } = find(name);
  const port = await freePort();
  const [command, ...rest] = pinned('last', [path, ...args(port)]);
  const child = spawn(command, rest, { env, stdio: 'ignore' });
  child.unref();
  const isUp = () => ask(port, ping).catch(() => undefined);
  for (const deadline = performance.now() + readyWithinMs; (await isUp()) === undefined; await sleep(10)) {
    if (child.exitCode !== null || performance.now() > deadline)
      throw new Error(`${name} on port ${port} did not start`);
  }
  const [version = 'unknown'] =
    spawnSync(path, ['--version'], { env, encoding: 'utf8' }).stdout.match(/\d+\.\d+\.\d+/) ?? [];
  return {
    uri: `${uri}://${host}:${port}`,
    version,
    empty: async () => void (await ask(port, empty)),
    stop: () => void child.kill('SIGKILL'),
  };
}

/** One line, and the first line of the answer. */
function ask(port, line) {
  return new Promise((resolve, reject) => {
    const socket = connect(port, host, () => socket.write(`${line}\r\n`));
    socket.setEncoding('utf8').once('error', reject);
    socket.once('data', (text) => {
      socket.destroy();
      resolve(text.trim());
    });
  });
}

/** On the PATH, or where `npm run servers:get` puts it. */
function find(name) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter(Boolean);
  const onPath = folders.map((folder) => join(folder, name)).find(isExecutable);
  if (onPath !== undefined) return { path: onPath, env: process.env };
  const cache = join(root, '.cache', 'servers');
  const path = join(cache, 'usr', 'bin', name);
  if (isExecutable(path)) return { path, env: { ...process.env, LD_LIBRARY_PATH: libraryFolders(cache) } };
  throw new Error(`There is no ${name} on the PATH or in .cache/servers. Run: npm run servers:get`);
}

/** Debian keeps libraries in one folder per architecture. */
function libraryFolders(cache) {
  return ['usr/lib', 'lib']
    .map((folder) => join(cache, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((entry) => join(folder, entry)))
    .filter((entry) => statSync(entry).isDirectory())
    .join(delimiter);
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject);
    server.listen(0, host, () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}
