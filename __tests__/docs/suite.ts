/** Which tests a file defines: the file is loaded with functions in the place of jest's that only write down the names. */

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { format } from 'node:util';
import { root } from './blocks.js';

type Body = (...args: never[]) => unknown;
type Register = (title: string, body: Body) => void;

/** The files of a folder of `__tests__` whose names match. */
export function testFiles(folder: string, name: RegExp): string[] {
  const files = readdirSync(join(root, '__tests__', folder)).filter(
    (file) => file.endsWith('.test.ts') && name.test(file),
  );
  return files.sort().map((file) => `__tests__/${folder}/${file}`);
}

/** The full names of the tests in a file. */
export function testsIn(file: string): string[] {
  const names: string[] = [];
  const path: string[] = [];
  const describe: Register = (title, body) => {
    path.push(title);
    body();
    path.pop();
  };
  const it: Register = (title) => void names.push([...path, title].join(' '));
  withGlobals({ describe: withEach(describe), it: withEach(it), test: withEach(it), ...hooks }, () => {
    jest.isolateModules(() => void jest.requireActual(join(root, file)));
  });
  return names;
}

const ignored = (): void => {};
const hooks = { beforeAll: ignored, beforeEach: ignored, afterEach: ignored, afterAll: ignored };

function withEach(register: Register): Register {
  const each = (table: readonly unknown[]) => (title: string, body: Body) => {
    for (const row of table) {
      const args = Array.isArray(row) ? (row as unknown[]) : [row];
      register(titleOf(title, row, args), () => (body as (...given: unknown[]) => unknown)(...args));
    }
  };
  return Object.assign((title: string, body: Body) => register(title, body), { each });
}

function titleOf(title: string, row: unknown, args: readonly unknown[]): string {
  const filled = title.replace(/\$(\w+)/g, (whole, name: string) => {
    return typeof row === 'object' && row !== null && name in row ? String(Reflect.get(row, name)) : whole;
  });
  const places = filled.match(/%[psdifjo]/g)?.length ?? 0;
  return format(filled.replaceAll('%p', '%s'), ...args.slice(0, places));
}

function withGlobals(stand: Readonly<Record<string, unknown>>, act: () => void): void {
  const before = Object.fromEntries(Object.keys(stand).map((name) => [name, Reflect.get(globalThis, name) as unknown]));
  Object.assign(globalThis, stand);
  try {
    act();
  } finally {
    Object.assign(globalThis, before);
  }
}
