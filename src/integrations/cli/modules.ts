/** Which files are meant by what was typed: files, folders, and patterns in quotes. */

import fs from 'node:fs';
import { extname, join } from 'node:path';

import { UsageError } from './command.js';
import { printable } from './text.js';

const endings = ['.js', '.mjs', '.cjs', '.ts', '.mts', '.cts', '.tsx'];

/** @throws UsageError for a folder without modules, and a pattern that fits nothing or that this Node does not take */
export function modulesIn(typed: readonly string[], words: readonly string[]): string[] {
  const found = typed.flatMap((each) => {
    const files = filesOf(each, words);
    if (files.length === 0) throw new UsageError(`there is no module in ${printable(each)}: ${kinds}`, words);
    return files;
  });
  return [...new Set(found)];
}

const kinds = `none whose name ends in ${endings.join(', ')}, but for tests and declarations`;

function filesOf(typed: string, words: readonly string[]): string[] {
  const stats = fs.statSync(typed, { throwIfNoEntry: false });
  if (stats?.isDirectory()) return modulesUnder(typed);
  if (stats !== undefined || !/[*?[{]/.test(typed)) return [typed];
  // Of Node 22, whose types are not here yet.
  const { globSync } = fs as { readonly globSync?: (pattern: string) => string[] };
  if (globSync === undefined)
    throw new UsageError(
      `Node ${process.versions.node} takes no patterns such as ${printable(typed)}: write it without quotes, or give the folder`,
      words,
    );
  return globSync(typed).filter(isModule).sort();
}

function modulesUnder(folder: string): string[] {
  const entries = fs.readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  return entries.flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return /^(node_modules$|\.)/.test(entry.name) ? [] : modulesUnder(path);
    return isModule(path) ? [path] : [];
  });
}

/** Tests are not for loading outside of their runner. */
function isModule(path: string): boolean {
  return endings.includes(extname(path)) && !/\.(d|test|spec)\.[cm]?[jt]sx?$/.test(path);
}

export function isTypeScript(path: string): boolean {
  return /\.[cm]?tsx?$/.test(path);
}
