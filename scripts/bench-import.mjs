/**
 * `npm run bench:import`: what importing the built package costs, in a fresh process each time, as ESM and as CommonJS;
 * and that it loads no adapter, which would cost more than the whole package. Fails above `limitMs`, or where an adapter is
 * loaded; .ci/run runs it without the limit.
 *
 * The time is the processor's, taken inside the process around the import alone: Node's own start is not in it, nor the
 * waiting for a processor that is busy with something else.
 */

import { execFileSync } from 'node:child_process';
import { ensureBuilt } from './build.mjs';
import { root } from './run.mjs';

const rounds = 15;
/** `--no-limit`: only shown, for machines that have something else to do at the same time. */
const limitMs = process.argv.includes('--no-limit') ? Infinity : 30;
/** Two processors that share a core slow each other down; one quiet moment shows what the code costs. */
const attempts = 4;

/** What loads only when a store is used. */
const lazy = ['keyv', '@keyv/redis', '@keyv/memcache', '@redis/client', 'memjs', 'cockatiel', 'pg'];

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
  const timed = `const before = process.cpuUsage(); ${load} const { user, system } = process.cpuUsage(before); console.log((user + system) / 1e3);`;
  const { medianMs, fastestMs } = timesOf(() => Number(node([...flags, '-e', timed])));
  const modules = node([...flags, '-e', watch + load]);
  const loaded = lazy.filter((library) => modules.includes(`/node_modules/${library}/`));
  console.log(
    `${name.padEnd(8)} median ${medianMs.toFixed(1)} ms (limit ${limitMs}), fastest ${fastestMs.toFixed(1)} ms,`,
    `adapters loaded: ${loaded.join(', ') || 'none'}`,
  );
  failed ||= !(medianMs <= limitMs) || loaded.length > 0;
}
if (failed) process.exitCode = 1;

/**
 * The smallest median of a few attempts; the first that is within the limit will do.
 *
 * @param {() => number} measure
 */
function timesOf(measure) {
  let best = { medianMs: Infinity, fastestMs: Infinity };
  for (let attempt = 0; attempt < attempts && (attempt === 0 || best.medianMs > limitMs); attempt++) {
    const times = Array.from({ length: rounds }, measure).sort((a, b) => a - b);
    const [fastestMs = NaN, medianMs = NaN] = [times[0], times[(rounds - 1) / 2]];
    if (medianMs < best.medianMs) best = { medianMs, fastestMs };
  }
  return best;
}

/** @param {readonly string[]} args */
function node(args) {
  return execFileSync(process.execPath, args, { cwd: root, encoding: 'utf8' });
}
