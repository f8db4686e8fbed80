/** As many worker processes as there are cores, and jobs for them. */

import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {import('./worker.mjs').Job} Job
 * @typedef {import('./worker.mjs').Done} Done
 */

const path = fileURLToPath(new URL('worker.mjs', import.meta.url));

/**
 * Caches that live for some milliseconds are no garbage yet when a small heap is cleared, and a full collection throws away the
 * machine code and the shapes of everything that no cache has just then: they would be made again each second. A core for each
 * worker leaves none for the threads of the collector.
 */
const heap = ['--min-semi-space-size=16', '--initial-old-space-size=256', '--single-threaded-gc'];

/**
 * Carries out jobs, as many at the same time as there are cores.
 *
 * @param {Iterable<Job>} jobs taken when a worker is free for it
 * @param {(job: Job, done: Done) => void} onDone
 * @param {{ readonly workers?: number }} [options]
 */
export async function carryOutAll(jobs, onDone, { workers = availableParallelism() } = {}) {
  const iterator = jobs[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: workers }, async () => {
      const worker = fork(path, {
        execArgv: [...process.execArgv, ...heap],
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      });
      try {
        for (let next = iterator.next(); !next.done; next = iterator.next())
          onDone(next.value, await ask(worker, next.value));
      } finally {
        worker.kill();
      }
    }),
  );
}

/**
 * @param {import('node:child_process').ChildProcess} worker
 * @param {Job} job
 * @returns {Promise<Done>}
 */
function ask(worker, job) {
  return new Promise((resolve, reject) => {
    const exited = () =>
      reject(
        new Error(`A worker has ended while it ran ${job.cell}, programs ${job.from} to ${job.from + job.count - 1}`),
      );
    worker.once('exit', exited);
    worker.once('message', (/** @type {Done} */ done) => {
      worker.off('exit', exited);
      resolve(done);
    });
    worker.send(job);
  });
}
