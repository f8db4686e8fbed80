/** Finds the code in the documentation, and makes of it scripts that can be compiled and run. */

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { repositoryRoot } from '../support/find-binary.js';

export const root = repositoryRoot();

/** One fenced block. */
export interface Block {
  /** From the root of the repository. */
  readonly file: string;
  /** Of the first line of code, from 1. */
  readonly line: number;
  /** The first word behind the fence. */
  readonly language: string;
  readonly code: string;
}

/** One or more blocks that run together, at the lines where they stand in their file. */
export interface Script {
  /** `docs/tags.md:12` */
  readonly name: string;
  readonly file: string;
  readonly code: string;
}

/** README.md and everything under docs/ that is written by hand. */
export function pages(): string[] {
  const written = filesUnder('docs', '.md').filter((file) => !file.startsWith('docs/api/'));
  return ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...written].filter((file) => existsSync(join(root, file)));
}

export function sources(): string[] {
  return filesUnder('src', '.ts');
}

function filesUnder(folder: string, ending: string): string[] {
  const found = readdirSync(join(root, folder), { recursive: true, withFileTypes: true });
  return found
    .filter((entry) => entry.isFile() && entry.name.endsWith(ending))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();
}

export function read(file: string): string {
  return readFileSync(join(root, file), 'utf8');
}

/** The blocks of a Markdown page. */
export function blocksOf(file: string): Block[] {
  return fenced(file, read(file).split('\n'));
}

/** The blocks in the doc comments of a source file, at the lines where they stand. */
export function examplesOf(file: string): Block[] {
  const text = read(file);
  const comment = /\/\*\*[^]*?\*\//g;
  const blank = (code: string): string => code.replace(/[^\n]+/g, '');
  let lines = '';
  let end = 0;
  for (const { 0: body, index } of text.matchAll(comment)) {
    lines += blank(text.slice(end, index)) + body.replace(/^[ \t]*(\/\*\*|\*\/|\* ?)/gm, '');
    end = index + body.length;
  }
  return fenced(file, lines.split('\n'));
}

function fenced(file: string, lines: readonly string[]): Block[] {
  const blocks: Block[] = [];
  for (let at = 0; at < lines.length; at++) {
    const [, indent = '', fence = '', language = ''] = /^( *)(`{3,}) *([\w-]*)/.exec(lines[at] ?? '') ?? [];
    if (fence === '') continue;
    const length = lines.slice(at + 1).findIndex((line) => line.trim() === fence);
    if (length < 0) throw new Error(`${file}:${at + 1}: the block has no end`);
    const code = lines
      .slice(at + 1, at + 1 + length)
      .map((line) => line.slice(Math.min(indent.length, line.search(/\S|$/))));
    blocks.push({ file, line: at + 2, language, code: code.join('\n') });
    at += length + 1;
  }
  return blocks;
}

/**
 * The scripts of a page: a block that imports something begins a new one, and a block that imports nothing goes on with the
 * one above it, as it does for the reader.
 */
export function scriptsOfPage(file: string): Script[] {
  const scripts: Block[][] = [];
  for (const block of blocksOf(file).filter(isCode)) {
    if (scripts.length === 0 || /^import /m.test(block.code)) scripts.push([]);
    scripts.at(-1)?.push(block);
  }
  return scripts.map((blocks) => script(blocks, ''));
}

/** Each example of a source file by itself. It may use what the package exports without importing it. */
export function scriptsOfSource(file: string): Script[] {
  return examplesOf(file)
    .filter(isCode)
    .map((block) => script([block], importsFor(block.code)));
}

function isCode({ language }: Block): boolean {
  return language === 'ts' || language === 'js';
}

function script(blocks: readonly Block[], firstLine: string): Script {
  const [{ file, line }] = blocks as [Block];
  let code = firstLine;
  let at = 1;
  for (const block of blocks) {
    code += '\n'.repeat(block.line - at) + block.code;
    at = block.line + block.code.split('\n').length - 1;
  }
  return { name: `${file}:${line}`, file, code: `${code}\nexport {};\n` };
}

/** What `src/index.ts` exports as values. */
export function publicNames(): string[] {
  const index = read('src/index.ts').replace(/\/\*[^]*?\*\//g, '');
  const lists = [...index.matchAll(/export \{([^}]*)\}/g)].map(([, list = '']) => list.split(','));
  return lists
    .flat()
    .map((name) => name.trim())
    .filter((name) => name !== '' && !name.startsWith('type '));
}

function importsFor(code: string): string {
  const stands = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(code);
  const isDeclared = (name: string): boolean =>
    new RegExp(`\\b(class|const|function) ${name}\\b|^import .*\\b${name}\\b`, 'm').test(code);
  const missing = publicNames().filter((name) => stands(name) && !isDeclared(name));
  return missing.length === 0 ? '' : `import { ${missing.join(', ')} } from 'cachette';`;
}
