/** Makes a failing program as short as it gets. */

import { lengthOf, shorterPrograms } from './random-programs.mjs';

/**
 * @typedef {import('./random-programs.mjs').Program} Program
 * @typedef {(program: Program) => Promise<boolean>} Fails
 */

/** A shorter program is tried in so many orders. */
const schedules = 40;

/**
 * @param {Program} program
 * @param {Fails} fails
 */
export async function shortened(program, fails) {
  let best = program;
  for (;;) {
    const shorter = await firstFailing(shorterPrograms(best), fails);
    if (!shorter) return best;
    best = shorter;
  }
}

/**
 * @param {Iterable<Program>} programs
 * @param {Fails} fails
 */
async function firstFailing(programs, fails) {
  for (const candidate of programs) {
    if (lengthOf(candidate) === 0) continue;
    for (let schedule = 0; schedule < schedules; schedule++) {
      const program = { ...candidate, seed: schedule === 0 ? candidate.seed : schedule };
      if (await fails(program)) return program;
    }
  }
  return undefined;
}
