/**
 * Gives servers a core of their own, as if they were on another machine. Where the scheduler has the choice, it puts a server
 * now beside who asks and now on the same core, and a round trip takes three times as long or not.
 */

import { spawnSync } from 'node:child_process';
import { cpus } from 'node:os';

const cores = cpus().length;
const canPin = cores > 1 && spawnSync('taskset', ['-V'], { stdio: 'ignore' }).status === 0;

/** For the page: whether it is so. */
export const pinning = canPin ? 'the servers on a core of their own' : 'the servers wherever the scheduler put them';

/**
 * The command that runs `command` on the last core, or on all others.
 *
 * @param {'last' | 'others'} where
 * @param {readonly string[]} command
 */
export function pinned(where, command) {
  if (!canPin) return command;
  return ['taskset', '-c', where === 'last' ? `${cores - 1}` : `0-${cores - 2}`, ...command];
}
