/**
 * Builds the package: dist/esm and dist/cjs, each with its types. The code is one file each, as opening fifty of them costs
 * more than all they do at import.
 *
 * `buildPackage()` rejects with tsc's messages. `npm start` and the import benchmark call `ensureBuilt()`, which does
 * nothing while no source is newer than what was built from it.
 */

import { mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root, run, seconds } from './run.mjs';

const { dependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

// written last, so that a build that was interrupted does not count
const stamp = join(root, 'dist', 'cjs', 'package.json');

export async function buildPackage() {
  await rm(join(root, 'dist'), { recursive: true, force: true });
  const builds = await Promise.all(
    ['tsconfig.esm.json', 'tsconfig.cjs.json'].map((config) => run(['tsc', '-p', config], { quiet: true })),
  );
  const failed = builds.find(({ ok }) => !ok);
  if (failed) throw new Error(failed.output);
  await Promise.all([bundle('esm'), bundle('cjs')]);
  await mkdir(join(root, 'dist', 'cjs'), { recursive: true });
  // bundlers look for `sideEffects` in the nearest package.json, which is this one
  await writeFile(stamp, `${JSON.stringify({ type: 'commonjs', sideEffects: false }, undefined, 2)}\n`);
}

/** @param {'esm' | 'cjs'} format */
function bundle(format) {
  return build({
    absWorkingDir: root,
    entryPoints: ['src/index.ts'],
    outfile: `dist/${format}/index.js`,
    bundle: true,
    format,
    platform: 'node',
    target: 'node20.19',
    // these go into the bundle, as they cost an import more than all the rest; the copies of reflect-metadata share their
    // data through the global Reflect
    external: Object.keys(dependencies).filter((name) => !['reflect-metadata', 'lru-cache'].includes(name)),
    banner: { js: '/*! Contains lru-cache (BlueOak-1.0.0, https://blueoakcouncil.org/license/1.0.0). */' },
    legalComments: 'inline',
    sourcemap: true,
    // in CommonJS `import()` becomes `require()`: jest cannot do the former there
    supported: { 'dynamic-import': format === 'esm' },
    logLevel: 'error',
  });
}

export async function ensureBuilt() {
  const builtAt = await modifiedAt(stamp);
  const inputs = ['package.json', 'tsconfig.json', 'tsconfig.esm.json', 'tsconfig.cjs.json', 'src'];
  const sources = await readdir(join(root, 'src'), { recursive: true });
  const newest = await Promise.all(
    [...inputs, ...sources.map((file) => join('src', file))].map((file) => modifiedAt(join(root, file))),
  );
  if (Math.max(...newest) >= builtAt) await buildPackage();
}

/** @param {string} path */
async function modifiedAt(path) {
  return stat(path).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const startedAt = performance.now();
  try {
    await buildPackage();
    console.log(`built dist/esm and dist/cjs in ${seconds(performance.now() - startedAt)}`);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  }
}
