/** The tools that execute the documentation notice what is wrong with it. */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './blocks.js';
import { typeErrors, writeModule } from './program.js';
import { runModule } from './run.js';
import { withAssertions } from './shown.js';
import { rowsUnder, withCell } from './table.js';

let folder: string;

beforeAll(() => {
  mkdirSync(join(root, '.cache'), { recursive: true });
  folder = mkdtempSync(join(root, '.cache', 'docs-'));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function failure(code: string, ends = false): Promise<string | undefined> {
  const script = { name: 'page.md:1', file: 'page.md', code: `${withAssertions(code, 'page.md')}\nexport {};` };
  return (await runModule(writeModule(script, 'standard', folder), ends)).error?.message;
}

describe('a value that a comment shows', () => {
  it.each([
    '1 + 1; // => 2',
    '1 + 1; // 2',
    'const two = 1 + 1; // => 2',
    'await Promise.resolve([1, undefined]); // => [1, undefined]',
    'console.log(`a ${1}`); // => "a 1"',
    '({ a: 1, b: { c: 2, d: 3 } }); // => { b: { c: 2, … }, … }',
    'new Map([[1, new Date(0)]]); // => new Map([[1, new Date(0)]])',
    '1 + 1; // the sum',
    '1 + 1; // two',
  ])('passes where it is right: %s', async (code) => {
    expect(await failure(code)).toBeUndefined();
  });

  it.each([
    ['1 + 1; // => 3', 'page.md:1: the value is 2, and what is shown is 3'],
    ['\n1 + 1; // 3', 'page.md:2: the value is 2, and what is shown is 3'],
    ['const two = 1 + 1; // => 3', 'page.md:1: the value is 2, and what is shown is 3'],
    ["if (true) console.log('a'); // => 'b'", "page.md:1: the value is 'a', and what is shown is 'b'"],
    ['({ a: 1, b: 2 }); // => { a: 2, … }', 'page.md:1: the value is { a: 1, b: 2 }, and what is shown is { a: 2 }'],
    [
      '({ a: 1 }); // => { a: 1, b: undefined }',
      'page.md:1: the value is { a: 1 }, and what is shown is { a: 1, b: undefined }',
    ],
  ])('fails where it is wrong: %s', async (code, message) => {
    expect(await failure(code)).toBe(message);
  });

  it('is refused where it is no expression', () => {
    expect(() => withAssertions('1 + 1; // => is two', 'page.md')).toThrow(/page.md:1: what is shown is no expression/);
  });
});

describe('a script', () => {
  it.each([
    ['throws', "throw new Error('boom');", 'boom'],
    ['leaves a rejection to itself', "void Promise.reject(new Error('boom'));", 'boom'],
    ['makes the cache warn', "process.emitWarning('careful', { type: 'CacheWarning' });", 'CacheWarning: careful'],
    ['exits early', 'process.exit(3);', 'it ended with 3'],
  ])('fails that %s', async (_what, code, message) => {
    expect(await failure(code)).toBe(message);
  });

  it('fails whose tests fail', async () => {
    const code = "import { test } from 'node:test';\ntest('a', () => { throw new Error('boom'); });";
    expect(await failure(code, true)).toBe('it ended with 1');
  });

  it('fails whose promise never settles, where it has to end by itself', async () => {
    expect(await failure('await new Promise(() => {});', true)).toBeDefined();
  });

  it('fails whose types are wrong', () => {
    const script = { name: 'page.md:1', file: 'page.md', code: "const n: number = 'a';\nexport { n };" };
    const message = "page.md:1: TS2322: Type 'string' is not assignable to type 'number'.";
    expect(typeErrors([script], 'standard').get('page.md:1')).toEqual([message]);
  });
});

describe('a table', () => {
  const text = [
    '# One',
    '',
    '| you wrote | message |',
    '| --- | --- |',
    '| `a \\| b` | `` `c` `` |',
    '',
    '| other |',
  ].join('\n');

  it('is read as code', () => {
    expect(rowsUnder('you wrote', text)).toEqual([{ section: 'One', line: 4, cells: ['a | b', '`c`'] }]);
  });

  it('is written so that it reads the same', () => {
    for (const code of ['plain', 'a | b', '`ticks`', '']) {
      expect(rowsUnder('you wrote', withCell(text, 4, 1, code))[0]?.cells).toEqual(['a | b', code]);
    }
  });
});
