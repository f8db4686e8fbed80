/** The files of the page, read when they are asked for first. Hides where they are: in a checkout, and in the package. */

import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { type Answer, file, Refusal } from './exchange.js';

const types = {
  html: 'text/html; charset=utf-8',
  js: 'text/javascript; charset=utf-8',
  css: 'text/css; charset=utf-8',
};

/** By path. `source`: where a checkout has what the build copies. */
const known: Readonly<Record<string, { name: string; type: string; source?: string }>> = {
  '': { name: 'page.html', type: types.html },
  'page.js': { name: 'page.js', type: types.js },
  'charts.js': { name: 'charts.js', type: types.js },
  'numbers.js': { name: 'numbers.js', type: types.js },
  'words.js': { name: 'words.js', type: types.js },
  'page.css': { name: 'page.css', type: types.css },
  'uplot.js': { name: 'uplot.js', type: types.js, source: 'uplot/dist/uPlot.esm.js' },
  'uplot.css': { name: 'uplot.css', type: types.css, source: 'uplot/dist/uPlot.min.css' },
};

export class Files {
  readonly #read = new Map<string, Promise<Answer>>();

  has(path: string): boolean {
    return Object.hasOwn(known, path);
  }

  /** Rejects with a refusal where the file is not to be read. */
  get(path: string): Promise<Answer> {
    let answer = this.#read.get(path);
    if (answer) return answer;
    answer = read(path);
    answer.catch(() => this.#read.delete(path));
    this.#read.set(path, answer);
    return answer;
  }
}

async function read(path: string): Promise<Answer> {
  const wanted = known[path];
  if (!wanted) throw new Refusal(404, 'There is no such file.');
  for (const place of placesOf(wanted)) {
    const content = await readFile(place()).catch(() => undefined);
    if (content) return file(content, wanted.type);
  }
  throw new Refusal(
    500,
    `${wanted.name} is not beside cachette/inspector. Leave cachette out of the bundle (external), or copy its folder dist/inspector.`,
  );
}

/** The package has one folder beside those of its two forms. */
function placesOf({ name, source }: { name: string; source?: string }): (() => string)[] {
  const inPackage = (): string => join(__dirname, '..', 'inspector', name);
  if (source === undefined) return [inPackage, () => join(__dirname, 'page', name)];
  return [inPackage, () => resolved(source)];
}

/** A path that nothing is at where the library is not installed. */
function resolved(source: string): string {
  try {
    return createRequire(join(__dirname, 'files.js')).resolve(source);
  } catch {
    return source;
  }
}
