/**
 * `npm start`: builds the package, compiles the example against it as a user would, and becomes the example.
 *
 * The example runs in this process, so that its arguments, signals and exit code are its own.
 */

import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ensureBuilt } from './build.mjs';
import { root, run } from './run.mjs';

const example = join(root, 'dist-examples', 'cities', 'main.js');

try {
  await ensureBuilt();
  const compiled = await run(['tsc', '-p', 'tsconfig.examples.json'], { quiet: true });
  if (!compiled.ok) throw new Error(compiled.output);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exit(1);
}

process.argv[1] = example;
await import(pathToFileURL(example).href);
