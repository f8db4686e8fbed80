/** Where the peers are: installed, pinned, in the folder of the benchmark. */

import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const require = createRequire(new URL('../../bench/package.json', import.meta.url));

/**
 * @param {string} name
 * @returns {Promise<any>}
 * @throws Error if the peers are not installed
 */
export async function importPeer(name) {
  return import(pathToFileURL(resolved(name)).href);
}

/** @param {string} name @returns {string} */
export function versionOfPeer(name) {
  return require(resolved(`${name}/package.json`)).version;
}

/** @param {string} name */
function resolved(name) {
  try {
    return require.resolve(name);
  } catch (error) {
    if (error.code !== 'MODULE_NOT_FOUND') throw error;
    throw new Error(`The peers are not installed; run: npm ci --prefix bench`, { cause: error });
  }
}
