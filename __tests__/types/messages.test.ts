// What the compiler says to somebody who made a mistake, and that it says nothing of the type tests. `npm run check`
// compiles those with the module resolution of Node, this test with that of bundlers.

import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

jest.setTimeout(240_000);

const dialects = ['legacy', 'standard'] as const;
const compiler = join(__dirname, '..', '..', 'node_modules', 'typescript', 'bin', 'tsc');

function compile(project: string): Promise<string> {
  const args = [compiler, '--noEmit', '--pretty', 'false', '-p', join(__dirname, 'fixtures', project)];
  return new Promise((resolve) => {
    execFile(process.execPath, args, (_error, stdout, stderr) => resolve(stdout + stderr));
  });
}

const fixture = readFileSync(join(__dirname, 'fixtures', 'misspelt.ts'), 'utf8').split('\n');

/** What `output` says of the line of the fixture with `text` in it, up to the next message. */
function saidOf(text: string, output: string): string | undefined {
  const line = fixture.findIndex((candidate) => candidate.includes(text)) + 1;
  return output.split(/^(?=\S)/m).find((message) => message.includes(`misspelt.ts(${line},`));
}

const mistakes: readonly (readonly [place: string, message: string])[] = [
  ['@Cached({ slidng', "Did you mean to write 'sliding'?"],
  ["@Cached('5m', { slidng", "Did you mean to write 'sliding'?"],
  ['@Invalidates({ resultTag:', "'resultTag' does not exist in type"],
  ["@Cached('5 minutes')", '"5 minutes"'],
  ["{ tags: 'produkt' }", '"produkt"'],
  ["@Cached('5m')", "not assignable to type 'PromiseLike<any>'"],
  ["'optin'", '"optin"'],
];

test.each(dialects)('the compiler names the mistakes and what was meant, and finds no others: %s', async (dialect) => {
  const output = await compile(`tsconfig.${dialect}.json`);

  expect(mistakes.map(([place]) => saidOf(place, output))).toEqual(
    mistakes.map(([, message]) => expect.stringContaining(message) as string),
  );
  expect(output.match(/error TS/g)).toHaveLength(mistakes.length);
});
