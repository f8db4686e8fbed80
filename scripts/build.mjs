/**
 * Builds the package: dist/esm and dist/cjs, each with its types. The code is one file for each entry, as opening fifty of them
 * costs more than all they do at import. The command line is built once, as CommonJS.
 *
 * `buildPackage()` rejects with tsc's messages. `npm start` and the import benchmark call `ensureBuilt()`, which does
 * nothing while no source is newer than what was built from it.
 */

import { chmod, copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { root, run, seconds } from './run.mjs';

const { version, dependencies, peerDependencies } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));

// written last, so that a build that was interrupted does not count
const stamp = join(root, 'dist', 'cjs', 'package.json');

export async function buildPackage() {
  await rm(join(root, 'dist'), { recursive: true, force: true });
  const builds = await Promise.all(
    ['tsconfig.esm.json', 'tsconfig.cjs.json'].map((config) => run(['tsc', '-p', config], { quiet: true })),
  );
  const failed = builds.find(({ ok }) => !ok);
  if (failed) throw new Error(failed.output);
  await Promise.all([bundle('esm'), bundle('cjs'), copyPage()]);
  await mkdir(join(root, 'dist', 'cjs'), { recursive: true });
  // bundlers look for `sideEffects` in the nearest package.json, which is this one
  await writeFile(stamp, `${JSON.stringify({ type: 'commonjs', sideEffects: false }, undefined, 2)}\n`);
}

const banner = { js: '/*! Contains lru-cache (BlueOak-1.0.0, https://blueoakcouncil.org/license/1.0.0). */' };

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation files
 * (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy, modify,
 * merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions: The above copyright notice and this permission notice shall be
 * included in all copies or substantial portions of the Software.
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
 * OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
 * LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR
 * IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.`;

const tablesBanner = `/*! Contains cli-table3 (MIT, Copyright (c) 2014 James Talmage), string-width, strip-ansi, ansi-regex and
 * is-fullwidth-code-point (MIT, Copyright (c) Sindre Sorhus), and emoji-regex (MIT, Copyright Mathias Bynens).
 * ${mit} */`;

/** Each kind of module is loaded by `import()`, which stays what it is: `cachette check` is given both. */
const commandLine = {
  sourcemap: false,
  supported: { 'dynamic-import': true },
  banner: { js: `${banner.js}\n${tablesBanner}` },
};

const entries = {
  index: 'src/index.ts',
  inspector: 'src/observe/inspector.ts',
  otel: 'src/observe/otel.ts',
  postgres: 'src/integrations/postgres.ts',
  prometheus: 'src/observe/prometheus.ts',
  testing: 'src/integrations/testing.ts',
};

/**
 * The other entries take the classes of errors from the index, so that `instanceof` is true whoever throws. The command line
 * has its own, as the index is not needed for it.
 *
 * @type {import('esbuild').Plugin}
 */
const sharedErrors = {
  name: 'shared-errors',
  setup({ onResolve }) {
    onResolve({ filter: /\/base\/errors\.js$|^\.\/errors\.js$/ }, () => ({ path: './index.js', external: true }));
  },
};

/** @param {'esm' | 'cjs'} format */
async function bundle(format) {
  const shared = options(format);
  const library = Object.entries(entries).map(([name, source]) => {
    const own = name === 'index' ? { banner } : { plugins: [sharedErrors] };
    return build({ ...shared, ...own, entryPoints: [source], outfile: `dist/${format}/${name}.js` });
  });
  await Promise.all(library);
  if (format === 'esm') return;
  // what cli-table3 would colour its lines with, which it has none of here
  const external = [...(shared.external ?? []), '@colors/colors'];
  const cli = { entryPoints: ['src/integrations/cli.ts'], outfile: 'dist/cjs/cli.js' };
  await build({ ...shared, ...commandLine, ...cli, external });
  // npm does it too, when it links the command
  await chmod(join(root, 'dist/cjs/cli.js'), 0o755);
}

/** What the inspector serves, for both forms of the package; src/observe/inspector/files.ts reads it. */
async function copyPage() {
  const page = 'src/observe/inspector/page';
  const sources = {
    ...Object.fromEntries((await readdir(join(root, page))).map((name) => [name, join(page, name)])),
    'uplot.js': 'node_modules/uplot/dist/uPlot.esm.js',
    'uplot.css': 'node_modules/uplot/dist/uPlot.min.css',
    'uplot.LICENSE': 'node_modules/uplot/LICENSE',
  };
  const folder = join(root, 'dist', 'inspector');
  await mkdir(folder, { recursive: true });
  await Promise.all(Object.entries(sources).map(([name, source]) => copyFile(join(root, source), join(folder, name))));
}

/**
 * @param {'esm' | 'cjs'} format
 * @returns {import('esbuild').BuildOptions}
 */
function options(format) {
  return {
    absWorkingDir: root,
    bundle: true,
    format,
    platform: 'node',
    target: 'node20.19',
    // these go into the bundle, as they cost an import more than all the rest; the copies of reflect-metadata share their
    // data through the global Reflect
    external: Object.keys({ ...dependencies, ...peerDependencies }).filter(
      (name) => !['reflect-metadata', 'lru-cache'].includes(name),
    ),
    legalComments: 'inline',
    sourcemap: true,
    define: {
      CACHETTE_VERSION: JSON.stringify(version),
      // where a module is, in the words of each form
      ...(format === 'esm' && { __dirname: 'import.meta.dirname' }),
    },
    // in CommonJS `import()` becomes `require()`: jest cannot do the former there
    supported: { 'dynamic-import': format === 'esm' },
    logLevel: 'error',
  };
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
