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
    /** Hits in memory of what another process has loaded. */
    promoted: 0,
    /** Hits of what is older than its time to live. */
    slid: 0,
    /** Hits of entries whose tags their arguments do not tell. */
    hitsByLateTags: 0,
    loads: 0,
    failedLoads: 0,
    writes: 0,
    /** Writes whose invalidation the reads after it were held against. */
    judged: 0,
    /** Writes that a change feed told of. */
    fed: 0,
    killed: 0,
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
