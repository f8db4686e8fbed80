/** One program, step by step: what a seed stands for. */

import { builtLibrary, loadLibrary } from './library.mjs';
import { runProgram } from './run-program.mjs';
import { noTally } from './tally.mjs';

/**
 * @param {readonly import('./table.mjs').Cell[]} cells
 * @param {(cell: import('./table.mjs').Cell, library: import('./library.mjs').Library) => import('./random-programs.mjs').Program} programFor
 */
export async function replay(cells, programFor) {
  const library = await loadLibrary(builtLibrary);
  for (const cell of cells) {
    const program = programFor(cell, library);
    // modules that the first command of a process loads come in their own time
    await runProgram(program, cell, library, noTally());
    console.log(`${cell.name}, ${JSON.stringify(program)}`);
    const wrong = await runProgram(program, cell, library, noTally(), (step) => console.log(`  ${step}`));
    console.log(wrong.length === 0 ? 'Nothing was wrong.' : wrong.join('\n'));
    if (wrong.length > 0) process.exitCode = 1;
  }
}
