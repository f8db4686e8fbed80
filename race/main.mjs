/** `npm run race`: see `--help`. */

import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { randomProgram } from './random-programs.mjs';
import { replay } from './replay.mjs';
import { explore } from './explore.mjs';
import { findMutants } from './find-mutants.mjs';
import { cells } from './table.mjs';

const help = `npm run race -- [options]

Runs random programs of reads, writes, invalidations, faults and clock jumps over one to four simulated processes, and looks
for values that are stale after an invalidation.

  --programs N    so many over the whole table (default 72,000)
  --cell TEXT     only cells with this in their names, such as 'joiner / tag'
  --from SEED     the first seed (default 1)
  --seed SEED     one program, step by step, in the cells that --cell names
  --program JSON  the same for a program that was shown
  --mutants       puts faults into the sources, one by one, and looks whether the programs find them
  --only TEXT     with --mutants: only those with this in their names
  --soak          ten million keys and tags and a million invalidations: does memory stay flat?
  --keys N        with --soak: so many keys
  --list          the names of the cells
  --write         writes what was seen into docs/reliability.md
  --help          this text

Exits with 1 if anything was wrong.
`;

const { values } = parseArgs({
  options: {
    programs: { type: 'string', default: '72000' },
    cell: { type: 'string', default: '' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    program: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    soak: { type: 'boolean', default: false },
    keys: { type: 'string', default: '10000000' },
    list: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const chosen = cells.filter(({ name }) => name.includes(values.cell));

const programs = Number(values.programs);

async function main() {
  if (values.help) return console.log(help);
  if (!Number.isSafeInteger(programs) || programs < 1)
    return fail(`--programs is '${values.programs}'; write a whole number from 1.`);
  if (values.list) return console.log(cells.map(({ name }) => name).join('\n'));
  if (chosen.length === 0) return fail(`No cell has '${values.cell}' in its name; --list shows them.`);
  if (values.mutants) return (await findMutants({ write: values.write, only: values.only })) || fail();
  await ensureBuilt();
  if (values.soak)
    return (await (await import('./soak.mjs')).soak({ keys: Number(values.keys), write: values.write })) || fail();
  if (values.program !== undefined) return replay(chosen, () => JSON.parse(/** @type {string} */ (values.program)));
  if (values.seed !== undefined)
    return replay(chosen, (cell, { Random }) => randomProgram(Number(values.seed), cell, Random));
  const isRight = await explore(chosen, {
    programs,
    from: Number(values.from),
    write: values.write,
  });
  return isRight || fail();
}

/** @param {string} [message] */
function fail(message) {
  if (message) console.error(message);
  process.exitCode = 1;
}

await main();
