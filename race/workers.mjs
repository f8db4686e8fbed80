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
      const worker = fork(path, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
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
