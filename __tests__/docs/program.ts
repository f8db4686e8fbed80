/** Checks the types of all scripts in one program per decorator dialect, and writes them as modules that Node runs. */

import { buildSync } from 'esbuild';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import { root, type Script } from './blocks.js';
import { shownDeclaration } from './shown.js';

export type Dialect = 'standard' | 'legacy';

/** Packages that examples import: the one in this repository, and those that are not installed. */
const packages = {
  cachette: 'src/index.ts',
  'cachette/inspector': 'src/observe/inspector.ts',
  'cachette/otel': 'src/observe/otel.ts',
  'cachette/postgres': 'src/integrations/postgres.ts',
  'cachette/prometheus': 'src/observe/prometheus.ts',
  'cachette/testing': 'src/integrations/testing.ts',
  '@nestjs/common': '__tests__/docs/stubs/nestjs-common.ts',
};

/** No public type names them, and each has a hundred files of types. */
const unread = ['@keyv/redis', '@keyv/memcache'];

const parsed = new Map<string, ts.SourceFile | undefined>();

/** What is wrong with the types of each script, as `docs/tags.md:14: TS2322: …`, by the name of the script. */
export function typeErrors(scripts: readonly Script[], dialect: Dialect): Map<string, string[]> {
  const texts = new Map(scripts.map(({ name, code }) => [fileOf(name), code]));
  texts.set(join(root, '__docs__', 'globals.d.ts'), shownDeclaration);
  texts.set(join(root, '__docs__', 'unread.d.ts'), 'declare const unread: any;\nexport default unread;\n');
  const options = optionsFor(dialect);
  const program = ts.createProgram([...texts.keys()], options, hostFor(texts, options));
  return new Map(scripts.map(({ name }) => [name, errorsIn(program, name)]));
}

function errorsIn(program: ts.Program, name: string): string[] {
  const source = program.getSourceFile(fileOf(name));
  const found = [...program.getSyntacticDiagnostics(source), ...program.getSemanticDiagnostics(source)];
  return found.map(({ file, start = 0, code, messageText }) => {
    const line = (file?.getLineAndCharacterOfPosition(start).line ?? 0) + 1;
    return `${name.replace(/:\d+$/, '')}:${line}: TS${code}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

function fileOf(name: string): string {
  return join(root, '__docs__', `${flat(name)}.ts`);
}

function flat(name: string): string {
  return name.replace(/[^\w.-]/g, '_');
}

function optionsFor(dialect: Dialect): ts.CompilerOptions {
  const file = join(root, 'tsconfig.json');
  const { config } = ts.readConfigFile(file, (name) => ts.sys.readFile(name)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: ['src/index.ts'] }, ts.sys, root);
  const own = Object.entries(packages).map(([name, source]) => [name, [`./${source}`]]);
  const left = unread.map((name) => [name, ['./__docs__/unread.d.ts']]);
  return {
    ...options,
    types: ['node'],
    paths: Object.fromEntries([...own, ...left]) as Record<string, string[]>,
    // an example may declare what only its reader uses
    noUnusedLocals: false,
    noUnusedParameters: false,
    ...dialectOptions(dialect),
  };
}

function dialectOptions(dialect: Dialect): ts.CompilerOptions {
  const isLegacy = dialect === 'legacy';
  return { experimentalDecorators: isLegacy, emitDecoratorMetadata: isLegacy };
}

function hostFor(texts: ReadonlyMap<string, string>, options: ts.CompilerOptions): ts.CompilerHost {
  const host = ts.createCompilerHost(options);
  return {
    ...host,
    fileExists: (file) => texts.has(file) || host.fileExists(file),
    readFile: (file) => texts.get(file) ?? host.readFile(file),
    getSourceFile: (file, target) => {
      const text = texts.get(file);
      if (text !== undefined) return ts.createSourceFile(file, text, target, true);
      if (!parsed.has(file)) parsed.set(file, host.getSourceFile(file, target));
      return parsed.get(file);
    },
  };
}

/** Writes the packages that the scripts import into `folder`, which has to be in the repository, where theirs are found. */
export function writePackages(folder: string): void {
  writeTo(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, source] of Object.entries(packages)) {
    const place = join(folder, 'node_modules', name);
    const exports = { '.': './index.js', './*': './*/index.js' };
    writeTo(join(place, 'package.json'), JSON.stringify({ name, type: 'module', exports }));
    buildSync({
      entryPoints: [join(root, source)],
      outfile: join(place, 'index.js'),
      bundle: true,
      packages: 'external',
      format: 'esm',
      platform: 'node',
      target: 'node20',
      tsconfigRaw: {},
      // where the inspector has its page
      define: { __dirname: JSON.stringify(join(root, 'src', 'observe', 'inspector')) },
    });
  }
}

/** Writes a script as a module in `folder`; its file. */
export function writeModule({ name, code }: Script, dialect: Dialect, folder: string): string {
  const file = join(folder, dialect, `${flat(name)}.js`);
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022, ...dialectOptions(dialect) };
  writeTo(file, ts.transpileModule(code, { compilerOptions }).outputText);
  return file;
}

function writeTo(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}
