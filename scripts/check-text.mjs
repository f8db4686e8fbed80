/**
 * Looks for what belongs to one machine and not to the project: absolute paths, and the hosts of package registries,
 * which the lock file would record too. Every file that is tracked, or would be, is read.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './run.mjs';

const isLock = (/** @type {string} */ file) => /(^|\/)package-lock\.json$/.test(file);

/** @type {readonly { readonly what: string, readonly pattern: RegExp }[]} */
const forbidden = [
  { what: 'a machine path', pattern: /(?<![\w.$}-])\/(?:work|farm|root|Users|home)\/[\w.-]+|\/tmp\/[a-z]+\// },
  { what: 'a machine path', pattern: /\b[A-Z]:\\Users\\/ },
  {
    what: 'a registry host',
    pattern: /\bregistry\.[a-z0-9-]+\.(?:com|dev|io|net|org)\b|\b(?:deb|security|ftp)\.debian\.org\b/i,
  },
  { what: 'a registry host', pattern: /\bhttps?:\/\/[^\s/'"`]+\/(?:(?:repository|artifactory)\/|api\/npm\/)/i },
];

const inLock = { what: 'a download address', pattern: /"resolved":\s*"(?!file:)[a-z+]+:\/\// };

/** @param {string[]} args */
const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).split('\0').filter(Boolean);

const deleted = new Set(git('ls-files', '-z', '--deleted'));
const files = git('ls-files', '-z', '--cached', '--others', '--exclude-standard').filter((file) => !deleted.has(file));

let found = 0;
for (const file of files) {
  const text = readFileSync(join(root, file), 'utf8');
  if (text.includes('\0')) continue;
  const rules = isLock(file) ? [inLock] : forbidden;
  for (const [index, line] of text.split('\n').entries()) {
    for (const { what, pattern } of rules) {
      const match = pattern.exec(line);
      if (!match) continue;
      console.error(`${file}:${index + 1}: ${what}: ${match[0]}`);
      found += 1;
    }
  }
}

if (found > 0) process.exitCode = 1;
else console.log(`${files.length} files hold nothing of this machine`);
