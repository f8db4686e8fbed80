/** `cachette check` in a process of its own, over modules that do more than to be loaded. */

import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';

import { buildSync } from 'esbuild';
import { repositoryRoot } from '../../support/find-binary.js';

const root = repositoryRoot();
let folder: string;

/** Inside the repository, where packages are found; with the package as its own project would have it. */
beforeAll(() => {
  const parent = join(root, '.cache', 'children');
  mkdirSync(parent, { recursive: true });
  folder = mkdtempSync(join(parent, 'check-'));
  bundle('src/integrations/cli.ts', 'bin/a/cli.cjs', 'cjs');
  bundle('src/index.ts', 'node_modules/cachette/index.mjs', 'esm');
  bundle('src/index.ts', 'node_modules/cachette/index.cjs', 'cjs');
  write('node_modules/cachette/package.json', {
    exports: { import: './index.mjs', require: './index.cjs' },
  });
  write('package.json', { private: true });
  for (const [name, source] of Object.entries(modules)) write(name, source);
}, 30_000);

afterAll(() => rmSync(folder, { recursive: true }));

const modules = {
  'never.mjs': `console.log('begins'); await new Promise(() => {});`,
  'exits.mjs': `process.exit(0);`,
  'hangs.mjs': `setInterval(() => {}, 1_000); await new Promise(() => {});`,
  'throws.mjs': `setTimeout(() => { throw new TypeError('no database'); }, 1); await new Promise((done) => setTimeout(done, 5_000));`,
  'rejects.mjs': `void Promise.reject(new Error('no server')); await new Promise((done) => setTimeout(done, 5_000));`,
  'deep.mjs': `import './broken.mjs';`,
  'broken.mjs': `\nexport const port = undefined.port;`,
  'wrong.cjs': `\nconst = 1;`,
  'good.mjs': `
    import { createCache } from 'cachette';
    console.log('is loaded');
    createCache().wrap('rates', async () => 1, { ttl: '5m' });
    setInterval(() => {}, 1_000);
  `,
  'good.cjs': `
    const { createCache } = require('cachette');
    createCache().wrap('rates', async () => 2, { ttl: '5m' });
  `,
};

function bundle(source: string, name: string, format: 'cjs' | 'esm'): void {
  buildSync({
    absWorkingDir: root,
    entryPoints: [source],
    outfile: join(folder, name),
    bundle: true,
    format,
    platform: 'node',
    target: 'node20',
    packages: 'external',
    supported: { 'dynamic-import': true },
    logLevel: 'silent',
  });
}

function write(name: string, content: string | object): void {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
}

async function checked(...args: string[]): Promise<{ code: number; out: string; error: string }> {
  const child = spawn(process.execPath, ['bin/a/cli.cjs', 'check', ...args], { cwd: folder });
  const ended = new Promise<number>((resolve) => child.once('close', resolve));
  const [out, error, code] = await Promise.all([text(child.stdout), text(child.stderr), ended]);
  return { code, out, error };
}

it.each([
  ['never.mjs', 'has never been loaded: it waits at its top level for what does not come'],
  ['exits.mjs', 'has ended the program while it was loaded: nothing was checked'],
  ['hangs.mjs', 'has not been loaded within 300 ms: does it wait for a server, or at its top level?'],
  ['throws.mjs', 'has thrown while it was loaded: TypeError: no database (at throws.mjs:1:'],
  ['rejects.mjs', 'has thrown while it was loaded: Error: no server (at rejects.mjs:1:'],
  ['deep.mjs', "cannot be loaded: TypeError: Cannot read properties of undefined (reading 'port') (at broken.mjs:2:"],
  ['wrong.cjs', "cannot be loaded: SyntaxError: Unexpected token '=' (at wrong.cjs:2)"],
  ['missing.mjs', 'cannot be loaded: Error: Cannot find module'],
])('ends with 2 for %s, in words and in JSON', async (file, message) => {
  const { code, out, error } = await checked(file, '--json', '--timeout', file === 'hangs.mjs' ? '300ms' : '20s');
  expect(error).toContain(`cachette: ${file} ${message}`);
  expect(error).not.toMatch(/^ +at /m);
  expect(JSON.parse(out)).toEqual({ error: { code: 'usage', message: expect.stringContaining(`${file} ${message}`) } });
  expect(code).toBe(2);
});

it('leaves stdout to the result, and ends though a module goes on', async () => {
  const { code, out, error } = await checked('good.mjs', '--json');
  expect([code, error]).toEqual([0, 'is loaded\n']);
  expect(JSON.parse(out)).toMatchObject({ methods: 1, problems: [] });
});

it('sees what either copy of the package has decorated', async () => {
  const { out } = await checked('good.mjs', 'good.cjs');
  expect(out).toBe('2 decorated methods, 0 findings\n');
});

describe('TypeScript', () => {
  const source = `
    import { Cached } from 'cachette';
    export class Products {
      @Cached('5m', { name: 'Products.find' })
      async find(id: string): Promise<string> { return id; }
    }
  `;

  it('is loaded by the tsx of the project, and where that has none it is said what to do', async () => {
    write('src/products.mts', source);
    const without = await checked('src/products.mts');
    expect([without.code, without.error]).toEqual([
      2,
      expect.stringContaining('; to load TypeScript, install tsx in this project: npm install -D tsx\n'),
    ]);
    standInForTsx();
    expect(await checked('src')).toEqual({ code: 0, out: '1 decorated method, 0 findings\n', error: '' });
  });

  it('that is wrong is told with its place, and no advice to install what is there', async () => {
    write('src/products.mts', 'export const port: number = (undefined as any).port;');
    const { code, error } = await checked('src/products.mts');
    expect(code).toBe(2);
    expect(error).toContain('src/products.mts cannot be loaded: TypeError: Cannot read properties of undefined');
    expect(error).not.toContain('install tsx');
  });
});

/** tsx is not installed here: this has the two entries of its API that are used, and as much of what they do as is needed. */
function standInForTsx(): void {
  write('node_modules/tsx/package.json', {
    name: 'tsx',
    exports: {
      './package.json': './package.json',
      './cjs/api': { import: './cjs.mjs', require: './absent.cjs' },
      './esm/api': { import: { types: './absent.d.ts', default: './esm.mjs' }, require: './absent.cjs' },
    },
  });
  write('node_modules/tsx/cjs.mjs', 'export const register = () => () => {};');
  write(
    'node_modules/tsx/esm.mjs',
    `import module from 'node:module';
    export function register() {
      module.register('./hooks.mjs', import.meta.url);
      return async () => {};
    }`,
  );
  write(
    'node_modules/tsx/hooks.mjs',
    `import { readFile } from 'node:fs/promises';
    import { fileURLToPath } from 'node:url';
    import { transform } from 'esbuild';
    export async function load(url, context, next) {
      if (!url.endsWith('.mts')) return next(url, context);
      const { code } = await transform(await readFile(fileURLToPath(url), 'utf8'), { loader: 'ts', target: 'node20' });
      return { format: 'module', source: code, shortCircuit: true };
    }`,
  );
}
