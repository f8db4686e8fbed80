/**
 * Random programs: what callers in several processes do, and what goes wrong meanwhile. A program is plain data, so that it can
 * be printed, run again, and made shorter.
 *
 * @typedef {{ readonly do: 'read', readonly method: Method, readonly row: number }
 *   | { readonly do: 'write', readonly row: number, readonly softly?: boolean }
 *   | { readonly do: 'pass', readonly ms: number }
 *   | { readonly do: 'rest' }
 *   | { readonly do: 'set clock', readonly behindMs: number }
 *   | { readonly do: 'pause', readonly ms: number, readonly cuts: boolean }
 *   | { readonly do: 'evict' }
 *   | { readonly do: 'restart', readonly with: 'nothing' | 'snapshot' }
 *   | { readonly do: 'snapshot' }
 *   | { readonly do: 'interrupt' }
 *   | { readonly do: 'kill' }} Op one thing that a caller does. A row is written `softly` if its tag is expired, and not invalidated;
 *   `rest` waits for all that its process does in the background; a `pause` that `cuts` loses the messages that came meanwhile
 * @typedef {'one' | 'page' | 'list' | 'both'} Method tags told by the arguments, by cached calls inside, by the result, and one tag by
 *   two calls inside
 * @typedef {{ readonly process: number, readonly ops: readonly Op[] }} Caller
 * @typedef {{ readonly commands: number, readonly messages: number }} Faults how often of 1
 * @typedef {NonNullable<import('cachette/testing').SimulatedServerOptions['lacks']>} Lacks
 *
 * In a program, `late` is how many of the processes start when the others have long been at work, and `failing` how many loads of 1 throw.
 *
 * @typedef {{
 *   readonly seed: number,
 *   readonly lacks: Lacks,
 *   readonly hasForeignBus: boolean,
 *   readonly late: number,
 *   readonly processes: number,
 *   readonly callers: readonly Caller[],
 *   readonly faults: Faults,
 *   readonly haste: number,
 *   readonly failing: number,
 *   readonly stalls: number,
 * }} Program
 */

/** @typedef {import('./table.mjs').Cell} Cell */

/** Few, so that callers meet. */
export const rows = 2;

/** Redis most often; Redis without its bus, memcached, and a Keyv that can do the least. @type {readonly [Lacks, ...Lacks[]]} */
const servers = [[], [], [], ['bus'], ['bus', 'runId', 'atomicity'], ['add', 'touch', 'bus', 'runId']];

/**
 * @param {number} seed
 * @param {Cell} cell
 * @param {typeof import('cachette/testing').Random} Random
 * @returns {Program}
 */
export function randomProgram(seed, { row, column, store }, Random) {
  const random = new Random(seed);
  // Most races need two processes, and two callers in one of them.
  const processes = Math.min(store.processes, random.pick([1, 2, 2, 2, 3, 4]));
  const callers = Math.max(processes, 3 + random.below(3));
  const hasFaults = store.faults && random.chance(row.faults ?? 0.4);
  const often = hasFaults ? random.pick([0.02, 0.1, 0.3]) : 0;
  const disturbances = [...(row.disturbances ?? []), ...(hasFaults ? (store.disturbances ?? []) : [])];
  // In half of all programs everybody is after the same.
  const [method, only] = random.chance(0.5) ? [random.pick(row.methods), random.below(rows)] : [];
  const mayExpire = store.isWhole === true && column.name === 'tag' && row.isFed !== true;
  const anyRow = () => only ?? random.below(rows);
  /** @returns {Op} */
  const op = () => {
    if (random.chance(0.04)) return { do: 'rest' };
    if (random.chance(row.writes ?? 0.25)) {
      const softly = mayExpire && random.chance(0.25);
      return { do: 'write', row: anyRow(), ...(softly && { softly }) };
    }
    if (disturbances.length > 0 && random.chance(row.disturbed ?? 0.1)) {
      const disturbance = /** @type {Op} */ (random.pick(disturbances)?.(random));
      // What a dead process has sent may still arrive, and bring back what was forgotten, as the docs say.
      return column.name === 'forget' && disturbance.do === 'kill' ? { do: 'evict' } : disturbance;
    }
    if (random.chance(row.passes?.often ?? 0.02))
      return { do: 'pass', ms: random.pick(row.passes?.ms ?? [300, 1_100]) };
    return { do: 'read', method: method ?? random.pick(row.methods), row: anyRow() };
  };
  const lacks = random.pick(servers);
  return {
    seed,
    lacks,
    hasForeignBus: store.name === 'tiers' && lacks.includes('bus') && random.chance(0.5),
    processes,
    late: processes > 1 && random.chance(0.2) ? 1 : 0,
    callers: Array.from({ length: callers }, (_, index) => ({
      process: index < processes ? index : random.below(processes),
      ops: Array.from({ length: 2 + random.below(5) }, op),
    })),
    faults: { commands: often, messages: often },
    stalls: random.pick([0, 0.1, 0.1, 0.3]),
    // A write that outlives its deadline may bring back what was forgotten, as the docs say.
    haste: column.name === 'forget' ? 0 : random.pick(row.haste ?? [0, 0.02, 0.1]),
    failing: store.isWhole ? random.pick([0, 0, 0.1, 0.3]) : 0,
  };
}

/**
 * Programs that are a little shorter, the shortest first.
 *
 * @param {Program} program
 * @returns {Generator<Program>}
 */
export function* shorterPrograms(program) {
  const { callers, faults } = program;
  for (const [index] of callers.entries()) yield { ...program, callers: callers.filter((_, other) => other !== index) };
  if (faults.commands > 0) yield { ...program, faults: { ...faults, commands: 0 } };
  if (faults.messages > 0) yield { ...program, faults: { ...faults, messages: 0 } };
  if (program.stalls > 0) yield { ...program, stalls: 0 };
  if (program.haste > 0) yield { ...program, haste: 0 };
  if (program.failing > 0) yield { ...program, failing: 0 };
  if (program.late > 0) yield { ...program, late: 0 };
  if (program.hasForeignBus) yield { ...program, hasForeignBus: false };
  if (program.lacks.length > 0 && !program.hasForeignBus) yield { ...program, lacks: [] };
  if (program.processes > 1 && !callers.some(({ process }) => process === program.processes - 1))
    yield { ...program, processes: program.processes - 1, late: 0 };
  for (const [index, caller] of callers.entries()) {
    for (const [at] of caller.ops.entries()) {
      const ops = caller.ops.filter((_, other) => other !== at);
      yield { ...program, callers: callers.with(index, { ...caller, ops }) };
    }
  }
}

/** @param {Program} program */
export function lengthOf({ callers }) {
  return callers.reduce((sum, { ops }) => sum + 1 + ops.length, 0);
}
