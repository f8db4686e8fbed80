/** Runs the programs of the table and shows, cell by cell, what was seen. */

import { performance } from 'node:perf_hooks';
import { builtLibrary } from './library.mjs';
import { writeSection } from './report.mjs';
import { addTally, noTally } from './tally.mjs';
import { carryOutAll } from './workers.mjs';

/**
 * @typedef {import('./table.mjs').Cell} Cell
 * @typedef {import('./worker.mjs').Failure} Failure
 * @typedef {{ readonly cell: Cell, readonly tally: import('./tally.mjs').Tally, readonly failures: Failure[] }} Seen
 */

const programsAtOnce = 200;

/**
 * @param {readonly Cell[]} cells
 * @param {{ readonly programs: number, readonly from: number, readonly write: boolean }} options
 * @returns {Promise<boolean>} whether nothing was wrong
 */
export async function explore(cells, { programs, from, write }) {
  const perCell = Math.max(1, Math.round(programs / cells.length));
  /** @type {Map<string, Seen>} */
  const seen = new Map(cells.map((cell) => [cell.name, { cell, tally: noTally(), failures: [] }]));
  const began = performance.now();
  await carryOutAll(jobs(cells, from, perCell), ({ cell }, { tally, failures }) => {
    const own = /** @type {Seen} */ (seen.get(cell));
    addTally(own.tally, tally);
    own.failures.push(...failures);
    for (const failure of failures) tell(own.cell, failure);
    if (own.tally.programs === perCell) console.log(line(own));
  });
  const all = [...seen.values()];
  const idle = all.filter(({ cell, tally }) => tally[cell.row.shows] === 0 && perCell >= programsAtOnce);
  for (const { cell } of idle) console.log(`${cell.name}: shows nothing, as there was no '${cell.row.shows}'`);
  const total = noTally();
  for (const { tally } of all) addTally(total, tally);
  const wrong = all.reduce((sum, { failures }) => sum + failures.length, 0);
  const seconds = (performance.now() - began) / 1_000;
  console.log(
    `${count(total.programs)} programs, ${count(total.reads)} reads, ${count(total.writes)} writes, ` +
      `${count(total.steps)} steps, ${count(total.faults)} faults in ${seconds.toFixed(0)} s: ${wrong} wrong`,
  );
  if (write) await writeSection('table', table(all, { total, wrong, from, perCell }));
  return wrong === 0 && idle.length === 0;
}

/**
 * @param {readonly Cell[]} cells
 * @param {number} from
 * @param {number} perCell
 */
function* jobs(cells, from, perCell) {
  for (const { name } of cells) {
    for (let done = 0; done < perCell; done += programsAtOnce)
      yield { library: builtLibrary, cell: name, from: from + done, count: Math.min(programsAtOnce, perCell - done) };
  }
}

/**
 * @param {Cell} cell
 * @param {Failure} failure
 */
function tell({ name }, { seed, wrong, shortest }) {
  console.log(`\n${name}, seed ${seed}:\n  ${wrong.join('\n  ')}`);
  console.log(`  again, step by step: npm run race -- --cell '${name}' --program '${JSON.stringify(shortest)}'`);
  console.log(`  as it was found: npm run race -- --cell '${name}' --seed ${seed}\n`);
}

/** @param {Seen} seen */
function line({ cell, tally, failures }) {
  const { programs, reads, hits, joined, stale, deferred, faults } = tally;
  const what = { reads, hits, joined, stale, deferred, faults, [cell.row.shows]: tally[cell.row.shows] };
  const shown = Object.entries(what).map(([name, number]) => `${count(number)} ${name}`);
  return `${cell.name}: ${count(programs)} programs, ${failures.length} wrong (${shown.join(', ')})`;
}

/**
 * @param {readonly Seen[]} all
 * @param {{ readonly total: import('./tally.mjs').Tally, readonly wrong: number, readonly from: number, readonly perCell: number }} run
 */
function table(all, { total, wrong, from, perCell }) {
  const stores = [...new Set(all.map(({ cell }) => cell.store.name))];
  const columns = [...new Set(all.map(({ cell }) => cell.column.name))];
  const rows = [...new Set(all.map(({ cell }) => cell.row.name))];
  const heads = stores.flatMap((store) => columns.map((column) => `${store}: ${column}`));
  const cellOf = (/** @type {string} */ row, /** @type {string} */ head) => {
    const own = all.find(({ cell }) => cell.row.name === row && `${cell.store.name}: ${cell.column.name}` === head);
    return own ? `${own.failures.length}` : '–';
  };
  return [
    `${count(total.programs)} programs, of the seeds ${count(from)} to ${count(from + perCell - 1)} in each cell, with ${count(total.reads)} reads, ` +
      `${count(total.writes)} writes, of which ${count(total.judged)} were to be seen by the reads after them, ${count(total.steps)} steps, ` +
      `${count(total.faults)} faults of commands and messages, ${count(total.failedLoads)} of loads, and ${count(total.killed)} killed processes. ` +
      `**${wrong} were wrong.** By cell:`,
    '',
    `| | ${heads.join(' | ')} |`,
    `| --- | ${heads.map(() => '---:').join(' | ')} |`,
    ...rows.map((row) => `| ${row} | ${heads.map((head) => cellOf(row, head)).join(' | ')} |`),
  ].join('\n');
}

/** @param {number} number */
function count(number) {
  return number.toLocaleString('en-US');
}
