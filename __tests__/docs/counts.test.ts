/** The numbers of tests in README.md are those of the suite. `UPDATE_DOCS=1` writes them. */

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { read, root } from './blocks.js';
import { testFiles, testsIn } from './suite.js';

const failure = testFiles('failure', /./).flatMap(testsIn);
const protocol = (name: RegExp): string[] => testFiles('cache', name).flatMap(testsIn);
const withServer = (what: RegExp): string[] =>
  failure.filter((name) => name.startsWith('a server that ') && what.test(name));

const silent = withServer(/that (is frozen|accepts and says nothing)/);
const broken = withServer(/that (closes|resets|answers rubbish)/);
const down = withServer(/that (was never up|is killed|is restarted)/);

const counted: Readonly<Record<string, readonly string[]>> = {
  down,
  silent,
  broken,
  refused: withServer(/./).filter((name) => ![...silent, ...broken, ...down].includes(name)),
  rubbish: protocol(/^protocol-rubbish/),
  undelivered: [...failure.filter((name) => /cut off|server refuses/.test(name)), ...protocol(/^protocol-deferred/)],
  races: protocol(/^protocol-(?!rubbish|deferred|tiers|outage|restart|fleet)/),
  tiers: protocol(/^protocol-tiers/),
  outage: protocol(/^protocol-outage/),
  restart: protocol(/^protocol-restart/),
  fleet: protocol(/^protocol-fleet/),
  stale: protocol(/^(stale|timeouts|freshness)/),
  processes: failure.filter((name) => /^(two|four) processes/.test(name)),
  scale: failure.filter((name) => /1,000 callers|100,000 entries/.test(name)),
};

const mark = /(?:(\d+) )?<!-- tests: (\w+) -->/g;

it('counts some tests for each row', () => {
  expect(Object.keys(counted).filter((row) => counted[row]?.length === 0)).toEqual([]);
});

it('finds the number of each row in README.md, or writes it with UPDATE_DOCS=1', () => {
  const readme = read('README.md');
  if (process.env['UPDATE_DOCS'] === '1') {
    const update = (_: string, _number: string, row: string): string =>
      `${counted[row]?.length} <!-- tests: ${row} -->`;
    writeFileSync(join(root, 'README.md'), readme.replace(mark, update));
    return;
  }
  const stated = [...readme.matchAll(mark)].map(([, number, row]) => [row, Number(number)]);
  const real = Object.entries(counted).map(([row, tests]) => [row, tests.length]);
  expect(Object.fromEntries(stated)).toEqual(Object.fromEntries(real));
});
