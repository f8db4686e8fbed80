/** Where the peers are: installed, pinned, in the folder of the benchmark. */

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const folder = fileURLToPath(new URL('../../bench/node_modules', import.meta.url));
const require = createRequire(new URL('../../bench/package.json', import.meta.url));

/**
 * @param {string} name
 * @returns {Promise<any>}
 */
export async function importPeer(name) {
  return import(pathToFileURL(require.resolve(name)).href);
}

/** @param {string} name @returns {string} */
export function versionOfPeer(name) {
  return require(`${folder}/${name}/package.json`).version;
}

export function areInstalled() {
  return existsSync(folder);
}
