/** What an import costs: the processor's time, in a new process that has loaded nothing before. */

import { execFileSync } from 'node:child_process';

/**
 * @typedef {object} ModuleSystem
 * @property {string} name
 * @property {readonly string[]} flags
 * @property {(specifier: string) => string} load the statement
 */

/** @type {ModuleSystem} */
export const esm = {
  name: 'ESM',
  flags: ['--input-type=module'],
  load: (specifier) => `await import('${specifier}');`,
};

/** @type {ModuleSystem} */
export const commonJs = {
  name: 'CommonJS',
  flags: ['--input-type=commonjs'],
  load: (specifier) => `require('${specifier}');`,
};

/**
 * Milliseconds, taken inside the process around the import alone: Node's own start is not in it, nor the waiting for a processor
 * that is busy with something else.
 *
 * @param {ModuleSystem} system
 * @param {string} specifier
 * @param {string} cwd the folder that it is looked up from
 */
export function importMs(system, specifier, cwd) {
  const before = 'const before = process.cpuUsage();';
  const after = 'const { user, system } = process.cpuUsage(before); console.log((user + system) / 1e3);';
  return Number(inNewProcess(system, `${before} ${system.load(specifier)} ${after}`, cwd));
}

/**
 * What the script prints.
 *
 * @param {ModuleSystem} system
 * @param {string} script
 * @param {string} cwd
 */
export function inNewProcess({ flags }, script, cwd) {
  return execFileSync(process.execPath, [...flags, '-e', script], { cwd, encoding: 'utf8' });
}
