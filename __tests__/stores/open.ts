/** Opens what `createCache` would open for a URI, and closes it after the test. */

import type { Clock } from 'cachette';
import type { Backend } from '../../src/stores/backend.js';
import { parseStore } from '../../src/stores/uri.js';

const opened: Backend[] = [];

export function open(input: unknown, clock?: Clock): Backend {
  const target = parseStore(input, 'createCache');
  if (target.kind !== 'backend') throw new Error(`${String(input)} is no backend`);
  const backend = target.open(clock);
  opened.push(backend);
  return backend;
}

/** For `afterEach`. */
export async function closeOpened(): Promise<void> {
  await Promise.all(opened.splice(0).map((backend) => backend.close()));
}

/** How a command ended, and after how many milliseconds. */
export async function timed(
  command: Promise<unknown>,
): Promise<{ readonly failure: string; readonly message: string; readonly ms: number }> {
  const start = performance.now();
  try {
    await command;
    return { failure: 'none', message: '', ms: performance.now() - start };
  } catch (error) {
    const { failure, message } = error as { failure?: string; message: string };
    return { failure: failure ?? 'not a BackendError', message, ms: performance.now() - start };
  }
}

/** `pending` if the command says nothing for so long. */
export function within(ms: number, command: Promise<unknown>): Promise<unknown> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise((resolve) => (timer = setTimeout(() => resolve('pending'), ms)));
  return Promise.race([command, late]).finally(() => clearTimeout(timer));
}
