/**
 * Nothing at the same time: every process reads, one changes the row and invalidates it, messages arrive, and every process reads
 * again. Who is stale even so is so by intent, or is set up wrongly.
 */

import { Judge } from '../judge.mjs';
import { noTally } from '../tally.mjs';

/**
 * @typedef {import('../fleet.mjs').Library} Library
 * @typedef {import('./table.mjs').PeerCell} PeerCell
 */

const rounds = 3;
const arrivingMs = 100;
const row = 0;
const calm = {
  seed: 1,
  lacks: [],
  hasForeignBus: false,
  late: 0,
  callers: [],
  faults: { commands: 0, messages: 0 },
  haste: 0,
  stalls: 0,
  failing: 0,
};

/**
 * @param {PeerCell} cell
 * @param {Library} library
 * @returns {Promise<boolean>}
 */
export async function isStaleInOrder(cell, library) {
  const scheduler = new library.Scheduler({ haste: 0, stalls: 0 });
  const judge = new Judge();
  const program = { ...calm, processes: Math.min(2, cell.store.processes) };
  const fleet = await cell.open?.({ program, cell, library, scheduler, judge, tally: noTally() });
  try {
    await fleet.warmUp();
    scheduler.isCalm = true;
    for (let round = 0; round < rounds; round++) {
      await readAll(fleet, scheduler, judge);
      await change(fleet, scheduler, { judge, index: round % program.processes, column: cell.column.name });
      await readAll(fleet, scheduler, judge);
    }
    await fleet.close();
  } finally {
    fleet.dispose();
  }
  return judge.wrong.some((wrong) => wrong.startsWith('STALE'));
}

/**
 * @param {any} fleet
 * @param {import('cachette/testing').Scheduler} scheduler
 * @param {Judge} judge
 */
async function readAll({ members }, scheduler, judge) {
  for (const [index, member] of members.entries()) {
    const expected = judge.expect(index, [row], scheduler.nowMs);
    const value = await scheduler.run(member.read('one', row));
    judge.check(member.process.name, expected, value, Infinity);
    await scheduler.run(member.atRest());
  }
}

/**
 * @param {any} fleet
 * @param {import('cachette/testing').Scheduler} scheduler
 * @param {{ readonly judge: Judge, readonly index: number, readonly column: string }} what
 */
async function change({ members }, scheduler, { judge, index, column }) {
  const member = members[index];
  judge.write(row);
  const { status } = await scheduler.run(invalidate(member, column));
  await scheduler.advance(arrivingMs);
  const isKnownToAll = status === 'done' || (member.arriving?.length ?? 0) > 0;
  judge.invalidated(judge.versions(), isKnownToAll ? 'done' : 'deferred', index);
}

/**
 * @param {any} member
 * @param {string} column
 */
function invalidate(member, column) {
  if (column === 'tag') return member.cache.invalidate(`row:${row}`);
  return column === 'clear' ? member.cache.clear() : member.forget(row);
}
