/** Sections of a page that are made by a program: whatever stands between two marks. */

import { readFile, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { root } from '../scripts/run.mjs';

const page = join(root, 'docs', 'reliability.md');

/**
 * @param {string} name
 * @param {string} text
 */
export async function writeSection(name, text) {
  const [begin, end] = [`<!-- made by a program: ${name} -->`, `<!-- end: ${name} -->`];
  const before = await readFile(page, 'utf8');
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`${page} has no section '${name}'`);
  const section = `${begin}\n\n${text}\n\n${machine()}\n\n`;
  await writeFile(page, before.slice(0, from) + section + before.slice(to));
}

function machine() {
  const [cpu] = cpus();
  const gib = Math.round(totalmem() / 2 ** 30);
  const date = new Date().toISOString().slice(0, 10);
  return `On ${date}: ${availableParallelism()} cores of ${cpu?.model ?? 'an unknown kind'}, ${gib} GiB, Node ${process.versions.node}, ${process.platform}.`;
}
