/** Looks whether programs find the faults that are put into the sources. */

import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { root } from '../scripts/run.mjs';
import { buildChanged } from './library.mjs';
import { mutants } from './mutants.mjs';
import { writeSection } from './report.mjs';
import { cells } from './table.mjs';
import { carryOutAll } from './workers.mjs';

/**
 * @typedef {import('./mutants.mjs').Mutant} Mutant
 * @typedef {{ readonly cell: string, readonly programs: number, readonly wrong: string, readonly shortest: Program }} Found
 * @typedef {import('./random-programs.mjs').Program} Program
 */

const prefix = 'mutants-';
const programsAtOnce = 100;
/** In each cell; a fault that has not been found by then counts as not found. */
const programsAtMost = 250_000;

/**
 * @param {{ readonly write: boolean, readonly only?: string }} options
 * @returns {Promise<boolean>} whether all were found
 */
export async function findMutants({ write, only = '' }) {
  const chosen = mutants.filter(({ name }) => name.includes(only));
  if (chosen.length === 0) throw new Error(`No fault has '${only}' in its name`);
  // Inside the project, so that the libraries are found from there.
  await mkdir(join(root, '.cache'), { recursive: true });
  // What runs that were killed have left.
  for (const name of await readdir(join(root, '.cache')))
    if (name.startsWith(prefix)) await rm(join(root, '.cache', name), { recursive: true, force: true });
  const folder = await mkdtemp(join(root, '.cache', prefix));
  /** @type {{ readonly mutant: Mutant, readonly found: Found | undefined }[]} */
  const results = [];
  try {
    for (const [index, mutant] of chosen.entries()) {
      const library = join(folder, `${index}.mjs`);
      await buildChanged(mutant, library);
      // To make it shorter takes as long as to find it.
      const found = await search(mutant, library, chosen.length === 1);
      results.push({ mutant, found });
      console.log(
        found
          ? `found after ${found.programs} programs in ${found.cell}: ${mutant.name}\n    ${found.wrong}`
          : `NOT FOUND: ${mutant.name}`,
      );
      if (found && chosen.length === 1) console.log(`    as short as it gets: ${JSON.stringify(found.shortest)}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  const missed = results.filter(({ found }) => !found);
  console.log(`${results.length} faults, ${results.length - missed.length} found`);
  if (write) await writeSection('mutants', table(results));
  return missed.length === 0;
}

/**
 * A little in each cell, then more, until one finds it.
 *
 * @param {Mutant} mutant
 * @param {string} library
 * @param {boolean} shrinks
 * @returns {Promise<Found | undefined>}
 */
async function search({ cells: where }, library, shrinks) {
  /** @type {Found | undefined} */
  let found;
  let programs = 0;
  const chosen = cells.filter(({ name }) => where?.test(name) ?? true);
  function* jobs() {
    for (let from = 1; from <= programsAtMost; from += programsAtOnce) {
      for (const { name } of chosen) {
        if (found) return;
        yield { library, cell: name, from, count: programsAtOnce, stopsAtFirst: true, shrinks };
      }
    }
  }
  await carryOutAll(
    jobs(),
    ({ cell }, { tally, failures: [failure] }) => {
      programs += tally.programs;
      if (failure) found ??= { cell, programs, wrong: failure.wrong[0] ?? '', shortest: failure.shortest };
    },
    { workers: availableParallelism() },
  );
  return found;
}

/** @param {readonly { readonly mutant: Mutant, readonly found: Found | undefined }[]} results */
function table(results) {
  const rows = results.map(({ mutant, found }) => {
    const where = found ? `${found.cell} | ${found.programs.toLocaleString('en-US')}` : '**not found** | –';
    return `| ${mutant.name} | \`${mutant.file}\` | ${where} |`;
  });
  const found = results.filter((result) => result.found).length;
  return [
    `${results.length} faults, of which ${found} were found.`,
    '',
    '| fault | in | found in | after programs |',
    '| --- | --- | --- | ---: |',
    ...rows,
  ].join('\n');
}
