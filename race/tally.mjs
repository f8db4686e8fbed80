/**
 * What was seen while programs ran, so that a cell in which nothing happened is not taken for one in which nothing went wrong.
 *
 * @typedef {ReturnType<typeof noTally>} Tally
 */

export function noTally() {
  return {
    programs: 0,
    steps: 0,
    reads: 0,
    hits: 0,
    /** Hits that no command was sent for. */
    withoutIo: 0,
    joined: 0,
    stale: 0,
    /** Stale, as the load took long. */
    timedOut: 0,
    /** Values that memory has from the shared store. */
    promoted: 0,
    loads: 0,
    writes: 0,
    deferred: 0,
    faults: 0,
  };
}

/**
 * @param {Tally} into
 * @param {Tally} from
 */
export function addTally(into, from) {
  for (const name of Object.keys(into)) into[name] += from[name];
}
