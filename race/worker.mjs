/** A process that runs programs: a range of seeds of one cell at a time, told by the parent. Failing ones are made short. */

import { loadLibrary } from './library.mjs';
import { randomProgram } from './random-programs.mjs';
import { runProgram } from './run-program.mjs';
import { shortened } from './shorten.mjs';
import { peerCells } from './peers/table.mjs';
import { cells } from './table.mjs';
import { noTally } from './tally.mjs';

/**
 * @typedef {import('./random-programs.mjs').Program} Program
 * @typedef {import('./table.mjs').Cell} Cell
 * @typedef {import('./fleet.mjs').Library} Library
 * @typedef {{ readonly library: string, readonly cell: string, readonly from: number, readonly count: number,
 *   readonly stopsAtFirst?: boolean, readonly shrinks?: boolean }} Job
 * @typedef {{ readonly seed: number, readonly wrong: readonly string[], readonly shortest: Program }} Failure
 * @typedef {{ readonly tally: import('./tally.mjs').Tally, readonly failures: readonly Failure[] }} Done
 */

// Faults are errors by the thousand, and only their words are looked at. To see where one comes from, replay its seed.
Error.stackTraceLimit = 0;

/** @type {Map<string, Promise<Library>>} */
const libraries = new Map();

/** @param {Job} job */
async function carryOut({ library: where, cell: name, from, count, stopsAtFirst = false, shrinks = true }) {
  if (!libraries.has(where)) libraries.set(where, loaded(where));
  const library = /** @type {Library} */ (await libraries.get(where));
  const cell = /** @type {Cell} */ ([...cells, ...peerCells].find((each) => each.name === name));
  const tally = noTally();
  /** @type {Failure[]} */
  const failures = [];
  for (let seed = from; seed < from + count; seed++) {
    const program = randomProgram(seed, cell, library.Random);
    const wrong = await runProgram(program, cell, library, tally);
    if (wrong.length === 0) continue;
    // In the same way: a shorter one may fail in another one, which explains nothing.
    const kind = kindOf(wrong[0]);
    const fails = async (/** @type {Program} */ shorter) =>
      (await runProgram(shorter, cell, library, noTally())).some((each) => kindOf(each) === kind);
    failures.push({ seed, wrong, shortest: shrinks && !isEndless(wrong) ? await shortened(program, fails) : program });
    if (stopsAtFirst) break;
  }
  return { tally, failures };
}

/** @param {string | undefined} wrong */
function kindOf(wrong) {
  return wrong?.split(':', 1)[0];
}

/** To run it again and again would take long. @param {readonly string[]} wrong */
function isEndless(wrong) {
  return wrong.some((each) => each.startsWith('HANG'));
}

/** The first command of a process loads modules, in its own time. @param {string} where */
async function loaded(where) {
  const library = await loadLibrary(where);
  const cell = /** @type {Cell} */ (cells.find(({ store }) => store.name === 'tiers'));
  await runProgram(randomProgram(1, cell, library.Random), cell, library, noTally());
  return library;
}

process.on('message', (/** @type {Job} */ job) => {
  carryOut(job).then(
    (done) => process.send?.(done),
    (error) => {
      throw error;
    },
  );
});
