/**
 * `npm run bench:import`: what importing the built package costs, in a fresh process each time, as ESM and as CommonJS;
 * and that it loads no adapter, which would cost more than the whole package.
 *
 * The time is taken inside the process around the import alone, so Node's own start is not in it.
 */

import { execFileSync } from 'node:child_process';
import { ensureBuilt } from './build.mjs';
import { root } from './run.mjs';

const rounds = 15;
const limitMs = 30;

/** What loads only when a store is used. */
const lazy = ['keyv', '@keyv/redis', '@keyv/memcache', '@redis/client', 'memjs', 'cockatiel'];

/** Prints each module that either loader loads; a CommonJS package inside ESM is seen by the second. */
const watch = `
  const { createRequire, register } = process.getBuiltinModule('node:module');
  register('data:text/javascript,' + encodeURIComponent(\`
    import { writeSync } from 'node:fs';
    export async function load(url, context, next) {
      writeSync(1, url + '\\\\n');
      return next(url, context);
    }
  \`));
  process.on('exit', () => {
    for (const file of Object.keys(createRequire(process.execPath).cache)) console.log(file);
  });
`;

/** @type {readonly { readonly name: string, readonly load: string, readonly flags: readonly string[] }[]} */
const systems = [
  { name: 'ESM', load: "await import('cachette');", flags: ['--input-type=module'] },
  { name: 'CommonJS', load: "require('cachette');", flags: ['--input-type=commonjs'] },
];

await ensureBuilt();
let failed = false;
for (const { name, load, flags } of systems) {
  const timed = `const startedAt = performance.now(); ${load} console.log(performance.now() - startedAt);`;
  const times = Array.from({ length: rounds }, () => Number(node([...flags, '-e', timed]))).sort((a, b) => a - b);
  const medianMs = times[(rounds - 1) / 2] ?? Number.NaN;
  const modules = node([...flags, '-e', watch + load]);
  const loaded = lazy.filter((library) => modules.includes(`/node_modules/${library}/`));
  console.log(
    `${name.padEnd(8)} median ${medianMs.toFixed(1)} ms (limit ${limitMs}), fastest ${times[0]?.toFixed(1)} ms,`,
    `adapters loaded: ${loaded.join(', ') || 'none'}`,
  );
  failed ||= !(medianMs <= limitMs) || loaded.length > 0;
}
if (failed) process.exitCode = 1;

/** @param {readonly string[]} args */
function node(args) {
  return execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
}
