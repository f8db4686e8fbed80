/**
 * `npm run bench:import`: what importing the built package costs, in a fresh process each time, as ESM and as CommonJS;
 * and that it loads no adapter, which would cost more than the whole package. Fails above the limit, or where an adapter is
 * loaded.
 */

import { parseArgs } from 'node:util';
import { ensureBuilt } from './build.mjs';
import { commonJs, esm, importMs, inNewProcess } from './import-time.mjs';
import { root } from './run.mjs';

const rounds = 15;
/** `--limit 60`: for machines that have something else to do at the same time, as CI's. */
const { values: options } = parseArgs({ options: { limit: { type: 'string', default: '30' } } });
const limitMs = Number(options.limit);
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

await ensureBuilt();
let failed = false;
for (const system of [esm, commonJs]) {
  const { medianMs, fastestMs } = timesOf(() => importMs(system, 'cachette', root));
  const modules = inNewProcess(system, watch + system.load('cachette'), root);
  const loaded = lazy.filter((library) => modules.includes(`/node_modules/${library}/`));
  console.log(
    `${system.name.padEnd(8)} median ${medianMs.toFixed(1)} ms (limit ${limitMs}), fastest ${fastestMs.toFixed(1)} ms,`,
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
