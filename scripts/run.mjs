/** Starts the tools of node_modules/.bin by name, from the project's root, and knows how they ended. */

import { spawn } from 'node:child_process';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's root, without a slash at its end. */
export const root = fileURLToPath(new URL('..', import.meta.url)).replace(/[/\\]$/, '');

/** The environment in which `tsc`, `jest` and the like are found by name. */
export const toolEnv = {
  ...process.env,
  PATH: [join(root, 'node_modules', '.bin'), process.env.PATH].join(delimiter),
};

/**
 * @typedef {object} RunOptions
 * @property {boolean} [quiet] keep the output for the result instead of showing it
 * @property {NodeJS.ProcessEnv} [env] instead of this process's own
 * @property {number} [timeoutMs] after this long the command and what it started are killed, and it has failed
 *
 * @typedef {object} Ran
 * @property {boolean} ok it exited with 0
 * @property {string} output what it printed, where `quiet`
 * @property {number} ms how long it took
 */

/**
 * Runs one command to its end. Never rejects: a command that cannot be started has failed and says why in `output`.
 *
 * @param {readonly [string, ...string[]]} command
 * @param {RunOptions} [options]
 * @returns {Promise<Ran>}
 */
export async function run([file, ...args], { quiet = false, env = toolEnv, timeoutMs } = {}) {
  const startedAt = performance.now();
  // what has to be killed as a whole is a group of its own
  const detached = timeoutMs !== undefined && process.platform !== 'win32';
  const child = spawn(file, args, {
    cwd: root,
    env,
    detached,
    shell: process.platform === 'win32',
    stdio: ['ignore', quiet ? 'pipe' : 'inherit', quiet ? 'pipe' : 'inherit'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (/** @type {string} */ text) => (output += text));
  }
  const guard = timeoutMs === undefined ? undefined : killAfter(child, timeoutMs);
  const code = await new Promise((resolve) => {
    child.on('error', (error) => {
      output += `${error.message}\n`;
      resolve(undefined);
    });
    child.on('close', resolve);
  });
  guard?.release();
  return { ok: code === 0, output, ms: performance.now() - startedAt };
}

/**
 * Kills the child's group when its time is over, and when this process is told to end.
 *
 * @param {import('node:child_process').ChildProcess} child
 * @param {number} timeoutMs
 */
function killAfter(child, timeoutMs) {
  const kill = () => {
    if (child.pid === undefined) return;
    if (process.platform === 'win32') child.kill('SIGKILL');
    else process.kill(-child.pid, 'SIGKILL');
  };
  const onSignal = () => {
    kill();
    process.exit(130);
  };
  const timer = setTimeout(() => {
    console.error(`killed after ${seconds(timeoutMs)}: ${child.spawnargs.join(' ')}`);
    kill();
  }, timeoutMs);
  process.on('SIGINT', onSignal).on('SIGTERM', onSignal);
  return {
    release() {
      clearTimeout(timer);
      process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
    },
  };
}

/** @param {number} ms */
export const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;
