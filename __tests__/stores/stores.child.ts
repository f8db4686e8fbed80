/**
 * Uses the stores whose URIs are in STORES once for each message `use`, closes them at `close`, and then ends by itself
 * if they leave nothing behind. Answers each message with the same.
 */

import type { Backend } from '../../src/stores/backend.js';
import { parseStore } from '../../src/stores/uri.js';

const boundMs = 250;

function open(uri: string): Backend {
  const target = parseStore(uri, 'createCache');
  if (target.kind === 'backend') return target.open();
  throw new Error(`${uri} is no backend`);
}

const backends = (process.env['STORES'] ?? '').split(' ').map(open);

async function use(backend: Backend): Promise<void> {
  const commands = [backend.getMany(['k', 'l']), backend.set('k', 'v', 1_000), backend.deleteMany(['k'])];
  const settled = Promise.all(commands.map((command) => command.catch(() => undefined)));
  await Promise.race([settled, new Promise((resolve) => setTimeout(resolve, boundMs))]);
}

/** Without the channel only what the stores have left behind keeps the process; it is printed. */
function leave(): void {
  process.disconnect();
  setTimeout(() => console.log('Left behind:', process.getActiveResourcesInfo()), 2_000).unref();
}

async function answer(message: unknown): Promise<void> {
  await Promise.all(backends.map((backend) => (message === 'close' ? backend.close() : use(backend))));
  process.send?.(message, undefined, undefined, () => message === 'close' && leave());
}

process.on('message', (message) => void answer(message));
