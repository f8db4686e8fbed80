/** Runs the programs of the table against peers, and against ours, and shows in how many of them a value was stale. */

import { performance } from 'node:perf_hooks';
import { builtLibrary, loadLibrary } from '../library.mjs';
import { randomProgram } from '../random-programs.mjs';
import { writeSection } from '../report.mjs';
import { runProgram } from '../run-program.mjs';
import { shortened } from '../shorten.mjs';
import { noTally } from '../tally.mjs';
import { carryOutAll } from '../workers.mjs';
import { lasting } from './fleet.mjs';
import { isStaleInOrder } from './in-order.mjs';
import { ownName } from './table.mjs';
import { peersPage } from './page.mjs';
import { peers } from './peer.mjs';
import { inWords } from './words.mjs';

/**
 * @typedef {import('./table.mjs').PeerCell} PeerCell
 * @typedef {import('../random-programs.mjs').Program} Program
 * @typedef {{ readonly cell: PeerCell, programs: number, readonly stale: Set<number>, readonly lasting: Set<number>, readonly others: string[],
 *   readonly isStaleInOrder: boolean }} Seen `stale`, `lasting`: seeds. `others`: what was wrong besides
 * @typedef {{ readonly cell: PeerCell, readonly program: Program, readonly wrong: string, readonly steps: readonly string[] }} Story
 */

const programsAtOnce = 100;
/** The shortest of so many is told. */
const storiesAtMost = 8;

/**
 * @param {readonly PeerCell[]} cells
 * @param {{ readonly perCell: number, readonly from: number, readonly write: boolean }} options
 * @returns {Promise<boolean>} whether ours was never stale, and no program went wrong otherwise
 */
export async function explorePeers(cells, { perCell, from, write }) {
  const began = performance.now();
  const library = await loadLibrary(builtLibrary);
  /** @type {Map<string, Seen>} */
  const seen = new Map();
  for (const cell of cells) seen.set(cell.name, nothingSeen(cell, await isStaleInOrder(cell, library)));
  await carryOutAll(jobs(cells, from, perCell), ({ cell }, { tally, failures }) => {
    const own = /** @type {Seen} */ (seen.get(cell));
    own.programs += tally.programs;
    for (const failure of failures) note(own, failure);
    if (own.programs === perCell) console.log(line(own));
  });
  const all = [...seen.values()];
  /** @type {Story[]} */
  const stories = [];
  for (const { name, tells } of peers) {
    const story = await shortestStory(seen.get(`${name}: ${tells}`));
    if (story) stories.push(story);
    if (story) tell(story);
  }
  console.log(`${all.length * perCell} programs in ${((performance.now() - began) / 1_000).toFixed(0)} s`);
  if (write) await writeSection('peers', peersPage(all, stories, perCell));
  return all.every(({ cell, stale, others }) => others.length === 0 && (cell.subject !== ownName || stale.size === 0));
}

/**
 * @param {readonly PeerCell[]} cells
 * @param {number} from
 * @param {number} perCell
 */
function* jobs(cells, from, perCell) {
  for (const { name } of cells) {
    for (let done = 0; done < perCell; done += programsAtOnce) {
      const count = Math.min(programsAtOnce, perCell - done);
      yield { library: builtLibrary, cell: name, from: from + done, count, shrinks: false };
    }
  }
}

/**
 * @param {Seen} seen
 * @param {import('../worker.mjs').Failure} failure
 */
function note(seen, { seed, wrong }) {
  if (wrong.some((each) => each.startsWith('STALE'))) seen.stale.add(seed);
  if (wrong.some((each) => each.startsWith(lasting))) seen.lasting.add(seed);
  for (const each of wrong) if (!each.startsWith('STALE')) seen.others.push(`seed ${seed}: ${each}`);
}

/**
 * @param {PeerCell} cell
 * @param {boolean} isStaleInOrder
 * @returns {Seen}
 */
function nothingSeen(cell, isStaleInOrder) {
  return { cell, programs: 0, stale: new Set(), lasting: new Set(), others: [], isStaleInOrder };
}

/** @param {Seen} seen */
function line({ cell, programs, stale, lasting, others, isStaleInOrder }) {
  if (isStaleInOrder) others = ['and so it is when nothing happens at the same time', ...others];
  const counts = `${stale.size} of ${programs} programs stale, ${lasting.size} of them for good`;
  return [`${cell.name}: ${counts}`, ...others.slice(0, 3)].join('\n    ');
}

/**
 * Of a value that stays stale, if there is one.
 *
 * @param {Seen | undefined} seen
 * @returns {Promise<Story | undefined>}
 */
async function shortestStory(seen) {
  if (!seen || seen.stale.size === 0) return undefined;
  const isLasting = seen.lasting.size > 0;
  const seeds = [...(isLasting ? seen.lasting : seen.stale)].slice(0, storiesAtMost);
  const stories = [];
  for (const seed of seeds) stories.push(await storyOf(seen.cell, seed, isLasting ? lasting : 'STALE'));
  return stories.sort((a, b) => a.steps.length - b.steps.length)[0];
}

/**
 * @param {PeerCell} cell
 * @param {number} seed
 * @param {string} beginning of what is wrong
 * @returns {Promise<Story>}
 */
async function storyOf(cell, seed, beginning) {
  const library = await loadLibrary(builtLibrary);
  const wrongOf = async (/** @type {Program} */ program, /** @type {(step: string) => void} */ onStep = () => {}) =>
    (await runProgram(program, cell, library, noTally(), onStep)).find((each) => each.startsWith(beginning));
  const fails = async (/** @type {Program} */ program) => (await wrongOf(program)) !== undefined;
  const program = await shortened(randomProgram(seed, cell, library.Random), fails);
  /** @type {string[]} */
  const steps = [];
  const wrong = (await wrongOf(program, (step) => steps.push(step))) ?? '';
  return { cell, program, wrong, steps: inWords(steps, wrong) };
}

/** @param {Story} story */
function tell({ cell, program, wrong, steps }) {
  console.log(`\n${cell.name}: ${wrong}\n  as short as it gets:`);
  for (const [index, step] of steps.entries()) console.log(`  ${index + 1}. ${step}`);
  const again = `--peer ${cell.subject} --cell '${cell.name}' --program '${JSON.stringify(program)}'`;
  console.log(`  again, step by step: npm run race -- ${again}\n`);
}
