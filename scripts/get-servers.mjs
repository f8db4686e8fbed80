#!/usr/bin/env node
/**
 * Gets redis-server, memcached, postgres and chromium for the tests: nothing to do where they run already, `apt-get install` for root,
 * else (no root needed) the packages are unpacked into `.cache/servers`, else docker images are pulled (there is none of chromium). Ends with 1
 * and advice where none of that works. The tests look in the same places: `__tests__/support/find-binary.ts`.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SERVERS = ['redis-server', 'memcached', 'postgres', 'chromium'];
const IMAGES = { 'redis-server': 'redis:7', memcached: 'memcached:1.6', postgres: 'postgres:16' };
/** Where a package has another name than its server. */
const PACKAGES = { postgres: 'postgresql' };
const CACHE = fileURLToPath(new URL('../.cache/servers', import.meta.url));

/** Each throws where it cannot help; then the next is tried. */
const WAYS = [
  { name: 'apt-get install', isPossible: () => isRoot() && runs('apt-get', ['--version']), get: install },
  { name: 'apt-get download', isPossible: () => runs('apt-get', ['--version']), get: unpackIntoCache },
  { name: 'docker pull', isPossible: () => runs('docker', ['info']), get: pullImages },
];

process.exitCode = main() ? 0 : 1;

function main() {
  if (missing().length === 0) return succeed('Nothing to do');
  const way = WAYS.filter(({ isPossible }) => isPossible()).find(attempt);
  return way === undefined ? giveUp() : succeed(`Done with ${way.name}`);
}

function attempt({ name, get }) {
  console.log(`Getting ${missing().join(' and ')} with ${name} …`);
  try {
    get(missing());
    return true;
  } catch (error) {
    console.log(`${name} did not work: ${error.message}`);
    return false;
  }
}

function succeed(what) {
  const places = SERVERS.map((server) => `${server} ${placeOf(server)?.name ?? `as docker image ${IMAGES[server]}`}`);
  console.log(`${what}: ${places.join(', ')}.`);
  return true;
}

function giveUp() {
  console.error(
    `The tests have no ${missing().join(' and no ')}. One of these helps:\n` +
      '  - as root on Debian or Ubuntu: apt-get update && apt-get install -y redis-server memcached postgresql chromium\n' +
      '    (apt-get update alone is enough for this script to go on without root)\n' +
      '  - with Homebrew: brew install redis memcached postgresql, and --cask chromium\n' +
      '  - a running docker daemon (not for chromium)\n' +
      '  - running servers named by CACHETTE_TEST_REDIS_URL and CACHETTE_TEST_MEMCACHED_URL (not for the failure tests,\n' +
      '    and never instead of PostgreSQL)\n' +
      '  - a browser of the Chromium family named by CACHETTE_TEST_CHROMIUM',
  );
  return false;
}

function missing() {
  return SERVERS.filter((server) => placeOf(server) === undefined);
}

/** Asking for the version proves that the libraries are there as well. */
function placeOf(server) {
  const unpacked = { ...process.env, LD_LIBRARY_PATH: libraryPath() };
  const inCache = [...versionedPaths(CACHE, server), join(CACHE, 'usr', 'bin', server)];
  const named = server === 'chromium' ? process.env.CACHETTE_TEST_CHROMIUM : undefined;
  if (named) return { name: `at ${named}`, command: named, env: process.env };
  const places = [
    { name: 'on the PATH', command: server, env: process.env },
    ...versionedPaths('/', server).map((command) => ({ name: `in ${dirname(command)}`, command, env: process.env })),
    ...inCache.map((command) => ({ name: 'in .cache/servers', command, env: unpacked })),
  ];
  return places.find(({ command, env }) => runs(command, ['--version'], env));
}

/**
 * Debian keeps several versions of PostgreSQL apart, outside the PATH; the newest comes first. Its chromium on the PATH is a
 * script that starts the one in /usr/lib, wherever itself is.
 */
function versionedPaths(root, server) {
  if (server === 'chromium') return [join(root, 'usr', 'lib', 'chromium', 'chromium')];
  const folder = join(root, 'usr', 'lib', 'postgresql');
  if (server !== 'postgres' || !existsSync(folder)) return [];
  const versions = readdirSync(folder).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(folder, version, 'bin', server));
}

/** Debian keeps libraries in one folder per architecture. */
function libraryPath() {
  return ['usr/lib', 'lib']
    .map((folder) => join(CACHE, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((entry) => join(folder, entry)))
    .filter((entry) => statSync(entry).isDirectory())
    .join(delimiter);
}

function install(servers) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update'], { env });
  run('apt-get', ['install', '-y', '--no-install-recommends', ...packages(servers)], { env });
  expectNoneMissing();
}

/** Only what this machine lacks: its own libc or openssl in two versions would be trouble. */
function unpackIntoCache(servers) {
  mkdirSync(dirname(CACHE), { recursive: true });
  const downloads = mkdtempSync(join(dirname(CACHE), 'downloads-'));
  try {
    run('apt-get', ['download', ...packagesFor(servers)], { cwd: downloads });
    for (const file of readdirSync(downloads)) run('dpkg', ['-x', join(downloads, file), CACHE]);
  } finally {
    rmSync(downloads, { recursive: true, force: true });
  }
  expectNoneMissing();
}

/** The names of libraries differ between releases (`libevent-2.1-7`, `libevent-2.1-7t64`), so apt works them out. */
function packagesFor(servers) {
  const plan = run('apt-get', ['install', '--simulate', '--no-install-recommends', ...packages(servers)]);
  return [...plan.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name);
}

function packages(servers) {
  return servers.map((server) => PACKAGES[server] ?? server);
}

function pullImages(servers) {
  for (const server of servers.filter((name) => IMAGES[name])) run('docker', ['pull', IMAGES[server]]);
  if (servers.includes('chromium')) throw new Error('there is no docker image of chromium.');
}

function expectNoneMissing() {
  if (missing().length > 0) throw new Error(`${missing().join(' and ')} still does not start.`);
}

function isRoot() {
  return process.getuid?.() === 0;
}

function runs(command, args, env = process.env) {
  return spawnSync(command, args, { env, stdio: 'ignore', timeout: 10_000 }).status === 0;
}

/** Returns what it printed; throws with the last lines of its complaint. */
function run(command, args, options = {}) {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: 'utf8', ...options });
  if (error) throw error;
  if (status !== 0) throw new Error(stderr.trim().split('\n').slice(-3).join(' '));
  return stdout;
}
