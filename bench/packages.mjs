/** What installing each package brings: into an empty folder, by npm, as a user would. */

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { lstat, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from '../scripts/run.mjs';

const own = JSON.parse(await readFile(new URL('package.json', import.meta.url), 'utf8'));

export const packageNames = [
  'cachette',
  'lru-cache',
  'layered-loader',
  'p-memoize',
  'memoizee',
  'async-cache-dedupe',
  '@type-cacheable/core',
  'cache-manager',
  'cacheable',
  'bentocache',
];

/** What has to be installed besides for what is measured here: adapters and clients that are packages of their own. */
const withAdapters = {
  'p-memoize': ['expiry-map'],
  'async-cache-dedupe': ['ioredis'],
  '@type-cacheable/core': ['@type-cacheable/lru-cache-adapter', '@type-cacheable/ioredis-adapter'],
  // cacheable for its store in memory, which cache-manager's documentation takes
  'cache-manager': ['keyv', '@keyv/redis', 'cacheable'],
  cacheable: ['@keyv/redis'],
  bentocache: ['ioredis'],
};

/** @param {string} name */
export const versionOf = (name) => own.dependencies[name];

/** Whether each peer is there in the version that package.json has, which is the one that the page states. */
export function arePeersInstalled() {
  return Object.entries(own.dependencies).every(([name, version]) => installedVersion(name) === version);
}

function installedVersion(name) {
  try {
    const path = new URL(`node_modules/${name}/package.json`, import.meta.url);
    return JSON.parse(readFileSync(path, 'utf8')).version;
  } catch {
    return undefined;
  }
}

/**
 * The size on the disk and the number of packages, with all that they depend on. Undefined where npm cannot install them.
 *
 * @returns {Promise<readonly { name: string, alone: Installed, adapters: readonly string[], complete: Installed }[] | undefined>}
 *
 * @typedef {{ readonly packages: number, readonly bytes: number }} Installed
 */
export async function measureInstalls() {
  const folder = await mkdtemp(join(tmpdir(), 'cachette-bench-'));
  try {
    const packed = await pack(folder);
    const rows = [];
    for (const name of packageNames) {
      const adapters = withAdapters[name] ?? [];
      const alone = await installed(folder, [name === 'cachette' ? packed : pinned(name)]);
      const complete = adapters.length === 0 ? alone : await installed(folder, [name, ...adapters].map(pinned));
      rows.push({ name, alone, adapters, complete });
    }
    return rows;
  } catch (error) {
    console.error(
      `npm cannot install the packages, so their sizes are left as they are: ${error.message.split('\n')[0]}`,
    );
    return undefined;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const pinned = (name) => (versionOf(name) === undefined ? name : `${name}@${versionOf(name)}`);

async function pack(folder) {
  const stdout = await npm(['pack', '--ignore-scripts', '--json', '--pack-destination', folder], root);
  return join(folder, JSON.parse(stdout)[0].filename);
}

async function installed(folder, specifiers) {
  const cwd = await mkdtemp(join(folder, 'install-'));
  await npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefix', cwd, ...specifiers], cwd);
  const lock = JSON.parse(await readFile(join(cwd, 'node_modules', '.package-lock.json'), 'utf8'));
  return { packages: Object.keys(lock.packages).length, bytes: await sizeOf(join(cwd, 'node_modules')) };
}

async function npm(args, cwd) {
  const command = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  const { stdout } = await promisify(execFile)(command, args, { cwd, timeout: 180_000 });
  return stdout;
}

/** The sum of the files' own sizes, so that it is the same on every file system. */
async function sizeOf(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && entry.name !== '.package-lock.json');
  const sizes = await Promise.all(files.map(async (file) => (await lstat(join(file.parentPath, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}
