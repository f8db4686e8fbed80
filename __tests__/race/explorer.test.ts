/** The explorer of races, as it is started by hand: what it says is right, and that it would say otherwise. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';

jest.setTimeout(300_000);

function race(...args: string[]): { readonly code: number | null; readonly lines: readonly string[] } {
  const main = join(__dirname, '..', '..', 'race', 'main.mjs');
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', main, ...args], { encoding: 'utf8' });
  return { code: status, lines: `${stdout}${stderr}`.trim().split('\n') };
}

it('finds nothing wrong in any cell', () => {
  const { code, lines } = race('--programs', '720');
  expect(lines.filter((line) => /: 10 programs, 0 wrong/.test(line))).toHaveLength(72);
  expect(lines.at(-1)).toMatch(/^720 programs, .* 0 wrong$/);
  expect(code).toBe(0);
});

it.each([
  ['foreground', 'generations captured after the compute'],
  ['joiner', 'joined without comparing'],
  ['inherited and result tags', 'tags of inner calls not inherited'],
  ['promotion', 'no read fence'],
  ['change feed', 'an invalidation told of before it has ended'],
])('finds a fault that is put into the source, in a cell of %s', (_row, fault) => {
  const { code, lines } = race('--mutants', '--only', fault);
  expect(lines.at(-1)).toBe('1 faults, 1 found');
  expect(code).toBe(0);
});

it('makes a program that fails as short as it gets', () => {
  const { lines } = race('--mutants', '--only', 'forget does not stop what runs');
  const shortest = lines.find((line) => line.includes('as short as it gets'))?.replace(/^.*gets: /, '') ?? '';
  const { callers, ...rest } = JSON.parse(shortest) as { callers: { ops: { do: string }[] }[] };
  const ops = callers.flatMap((caller) => caller.ops.map((op) => op.do));
  // One that loads while another one writes, and one that sees what was stored.
  expect(ops.toSorted()).toEqual(['read', 'read', 'write']);
  expect(rest).toMatchObject({ faults: { commands: 0, messages: 0 }, failing: 0, haste: 0, late: 0 });
});

it('measures what is held, and fails where it grows: here what is bounded is still being filled', () => {
  const { code, lines } = race('--soak', '--keys', '30000');
  expect(lines.filter((line) => /MiB more at the end/.test(line))).toEqual([
    expect.stringMatching(/^memory: 30,000 keys and tags, 3,000 invalidations/),
    expect.stringMatching(/^memory in front of a store: 3,000 keys and tags, 300 invalidations/),
  ]);
  expect(code).toBe(1);
});

it('takes the same steps for the same seed', () => {
  // Who sends a message, and to whom, is told by names that are made by chance, as tokens are.
  const steps = () =>
    race('--cell', 'leases of the bus / tag', '--seed', '12').lines.map((line) => line.replaceAll(/"[\w-]{12}"/g, ''));
  const first = steps();
  expect(first.length).toBeGreaterThan(100);
  expect(first.at(-1)).toBe('Nothing was wrong.');
  expect(steps()).toEqual(first);
});

it.each([
  [['--cell', 'no such cell'], /No cell has 'no such cell' in its name; --list shows them/],
  [['--programs', 'many'], /--programs is 'many'; write a whole number from 1/],
  [['--peer', 'no-such-peer'], /no-such-peer/],
  [['--seed', 'abc'], /--seed is 'abc'; write a whole number from 1/],
  [['--soak', '--keys', '5'], /--keys is '5'; write a whole number from 1,000/],
  [['--write', '--cell', 'joiner'], /--write is for the whole of something/],
])('refuses %j', (args, message) => {
  const { code, lines } = race(...args);
  expect(lines.join('\n')).toMatch(message);
  expect(code).toBe(1);
});
