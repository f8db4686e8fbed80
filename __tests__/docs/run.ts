/** Runs compiled scripts as Node runs them: each in a thread with modules, environment and globals of its own. */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { root } from './blocks.js';

const worker = join(root, '__tests__', 'docs', 'block.worker.mjs');
const withinMs = 10_000;

export interface Run {
  /** Why the script failed; undefined if it did not. */
  readonly error: Error | undefined;
  /** What it printed. */
  readonly output: string;
}

/**
 * `ends`: the thread has to end by itself, as it does where the script runs tests; otherwise it is ended when all of the
 * module has run. A warning of the cache that no listener of the script took is a failure.
 */
export async function runModule(file: string, ends: boolean): Promise<Run> {
  const { CACHETTE_URL: _url, CACHETTE_DISABLED: _disabled, ...env } = process.env;
  const thread = new Worker(worker, {
    workerData: { module: pathToFileURL(file).href, ends },
    env,
    stdout: true,
    stderr: true,
  });
  let output = '';
  for (const stream of [thread.stdout, thread.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => (output += text));
  }
  const timer = setTimeout(() => void thread.terminate(), withinMs);
  const error = await ended(thread);
  clearTimeout(timer);
  const warned = /CacheWarning.*/.exec(output)?.[0];
  return { error: error ?? (warned === undefined ? undefined : new Error(warned)), output };
}

function ended(thread: Worker): Promise<Error | undefined> {
  return new Promise((resolve) => {
    let isDone = false;
    let failure: Error | undefined;
    thread.on('message', () => (isDone = true));
    thread.on('error', (error) => (failure = error));
    thread.on('exit', (code) => {
      if (code !== 0) failure ??= new Error(`it ended with ${code}`);
      else if (!isDone) failure ??= new Error('it ended before all of it had run: a promise never settled');
      resolve(failure);
    });
  });
}
