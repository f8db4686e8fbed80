/**
 * The built package as a run measures it: a copy in a folder of its own. A build that somebody starts during the run replaces
 * `dist`, and each measurement would import what it finds there at its moment.
 */

import { rmSync } from 'node:fs';
import { cp, mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';
import { ensureBuilt } from '../scripts/build.mjs';
import { root } from '../scripts/run.mjs';

/** Inside the project, so that what the package depends on is found as usual. */
const copies = join(root, '.cache', 'bench');

/** @returns {Promise<string>} the folder, which is removed when this process ends */
export async function copyBuilt() {
  await ensureBuilt();
  await mkdir(copies, { recursive: true });
  const folder = await mkdtemp(join(copies, 'package-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  for (const part of ['package.json', join('dist', 'esm')])
    await cp(join(root, part), join(folder, part), { recursive: true });
  return folder;
}
