/** The package that programs run against: the built one, or one made of sources in which something was changed. */

import { createRequire } from 'node:module';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root } from '../scripts/run.mjs';

/**
 * @typedef {import('./fleet.mjs').Library} Library
 * @typedef {{ readonly file: string, readonly find: string, readonly replace: string }} Change
 */

/** Stands for the built package where the path of another one may stand. @type {string} */
export const builtLibrary = 'cachette';

/**
 * Builds the package with something changed in it.
 *
 * @param {Change} change
 * @param {string} outfile
 * @throws Error if what is to be changed is not there, once
 */
export async function buildChanged({ file, find, replace }, outfile) {
  const path = join(root, 'src', file);
  const source = await readFile(path, 'utf8');
  if (source.split(find).length !== 2) throw new Error(`src/${file} has not exactly one: ${find}`);
  const { dependencies, peerDependencies } = createRequire(import.meta.url)('../package.json');
  await build({
    absWorkingDir: root,
    stdin: {
      contents: "export * from './src/index.ts'; export * from './src/integrations/testing.ts';",
      resolveDir: root,
      loader: 'ts',
    },
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    external: Object.keys({ ...dependencies, ...peerDependencies }),
    define: { __dirname: 'import.meta.dirname' },
    logLevel: 'error',
    plugins: [
      changing(
        path,
        source.replace(find, () => replace),
      ),
    ],
  });
}

/**
 * @param {string} path
 * @param {string} contents
 * @returns {import('esbuild').Plugin}
 */
function changing(path, contents) {
  return {
    name: 'changing',
    setup({ onLoad }) {
      onLoad({ filter: /\.ts$/ }, (args) => (args.path === path ? { contents, loader: 'ts' } : undefined));
    },
  };
}

/**
 * @param {string} where
 * @returns {Promise<Library>}
 */
export async function loadLibrary(where) {
  if (where !== builtLibrary) return import(pathToFileURL(where).href);
  const [cache, testing] = await Promise.all([import('cachette'), import('cachette/testing')]);
  return /** @type {Library} */ ({ ...cache, ...testing });
}
