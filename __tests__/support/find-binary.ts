/**
 * Where redis-server, memcached, postgres and chromium are on this machine: on the PATH, where Debian hides them, in
 * `.cache/servers` (filled by `npm run servers:get`), or, but for chromium, as a docker image. A machine without them fails the tests, it never skips them.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, statSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';

export type ServerName = 'redis-server' | 'memcached' | 'postgres' | 'chromium';

export type ServerBinary =
  | { readonly kind: 'file'; readonly path: string; readonly env: Readonly<Record<string, string>> }
  | { readonly kind: 'image'; readonly image: string; readonly path: ServerName };

const IMAGES: Readonly<Partial<Record<ServerName, string>>> = {
  'redis-server': 'redis:7',
  memcached: 'memcached:1.6',
  postgres: 'postgres:16',
};

/** Throws where there is no such server, saying how to get one. */
export function findBinary(name: ServerName): ServerBinary {
  return asNamed(name) ?? onPath(name) ?? inVersionedFolder(name) ?? inCache(name) ?? asImage(name) ?? fail(name);
}

/** The checkout, also for a test run that was started in one of its folders. */
export function repositoryRoot(): string {
  let folder = process.cwd();
  while (!existsSync(join(folder, 'package.json')) && folder !== dirname(folder)) folder = dirname(folder);
  return folder;
}

function asNamed(name: ServerName): ServerBinary | undefined {
  const path = name === 'chromium' ? process.env['CACHETTE_TEST_CHROMIUM'] : undefined;
  return path ? { kind: 'file', path, env: {} } : undefined;
}

function onPath(name: ServerName): ServerBinary | undefined {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const path = folders.map((folder) => join(folder, name)).find(isExecutable);
  return path === undefined ? undefined : { kind: 'file', path, env: {} };
}

function inVersionedFolder(name: ServerName): ServerBinary | undefined {
  const path = versionedPaths('/', name).find(isExecutable);
  return path === undefined ? undefined : { kind: 'file', path, env: {} };
}

/**
 * Debian keeps several versions of PostgreSQL apart, outside the PATH; the newest comes first. Its chromium on the PATH is a
 * script that starts the one in /usr/lib, wherever itself is.
 */
function versionedPaths(root: string, name: ServerName): string[] {
  if (name === 'chromium') return [join(root, 'usr', 'lib', 'chromium', 'chromium')];
  const folder = join(root, 'usr', 'lib', 'postgresql');
  if (name !== 'postgres' || !existsSync(folder)) return [];
  const versions = readdirSync(folder).sort((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(folder, version, 'bin', name));
}

function inCache(name: ServerName): ServerBinary | undefined {
  const root = join(repositoryRoot(), '.cache', 'servers');
  const path = [...versionedPaths(root, name), join(root, 'usr', 'bin', name)].find(isExecutable);
  if (path === undefined) return undefined;
  return { kind: 'file', path, env: { LD_LIBRARY_PATH: libraryFolders(root).join(delimiter) } };
}

/** Debian keeps libraries in one folder per architecture, such as `usr/lib/x86_64-linux-gnu`. */
function libraryFolders(root: string): string[] {
  return ['usr/lib', 'lib']
    .map((folder) => join(root, folder))
    .filter((folder) => existsSync(folder))
    .flatMap((folder) => readdirSync(folder).map((entry) => join(folder, entry)))
    .filter((folder) => statSync(folder).isDirectory());
}

function asImage(name: ServerName): ServerBinary | undefined {
  const image = IMAGES[name];
  if (image === undefined) return undefined;
  const { status } = spawnSync('docker', ['info'], { env: process.env, stdio: 'ignore', timeout: 5_000 });
  return status === 0 ? { kind: 'image', image, path: name } : undefined;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function fail(name: ServerName): never {
  throw new Error(
    `There is no ${name} on the PATH or in .cache/servers, and no docker daemon answers. ` +
      'Run `npm run servers:get`, or install it: `apt-get install redis-server memcached postgresql chromium`, `brew install redis memcached postgresql`.',
  );
}
