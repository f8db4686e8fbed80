/** What `cachette check` finds in the modules of `project/`. */

import fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative, resolve } from 'node:path';

import { kindOf } from '../../../src/base/insight.js';
import { canMeet, tagShapesOf } from '../../../src/integrations/cli/tag-shapes.js';
import { typedIn, type Typed } from './typed.js';

const fileOf = (name: string): string => relative(process.cwd(), join(__dirname, 'project', `${name}.ts`));

/** Jest loads modules by `require`, and each time anew here. */
const load = async (path: string): Promise<unknown> => {
  let exports: unknown;
  await jest.isolateModulesAsync(async () => void (exports = await import(path)));
  return exports;
};

function checked(names: readonly string[], ...more: string[]): Promise<Typed> {
  return typedIn({ load }, 'check', ...names.map(fileOf), ...more);
}

async function problemsOf(names: readonly string[], ...more: string[]): Promise<Record<string, unknown>[]> {
  const { out } = await checked(names, '--json', ...more);
  return (JSON.parse(out) as { problems: Record<string, unknown>[] }).problems;
}

it('finds nothing where there is nothing', async () => {
  expect(await checked(['clean'])).toEqual({ code: 0, out: '4 decorated methods, 0 findings\n', error: '' });
});

it('finds names that a minifier changes, ttls that are missing, and tags that do not meet', async () => {
  const { code, out } = await checked(['products']);
  const place = fileOf('products');
  expect(code).toBe(1);
  expect(out.split('\n')).toEqual([
    `${place}: Products.find: its keys begin with the name of the class, which a minifier changes from build to build: write name: 'Products.find' unless other classes extend it, or have the minifier keep the names of classes and leave out this rule with --skip names`,
    `${place}: Products.find: no @Invalidates of these modules invalidates its tags 'product:…'; did you mean 'prodct:…'?`,
    `${place}: Products.update: it invalidates the tags 'prodct:…', which no cached method of these modules has; did you mean 'product:…'?`,
    `${place}: Products.count: no @Invalidates of these modules invalidates its tag 'stock:all'`,
    `${place}: Repository.row: its keys begin with the name of the class, which a minifier changes from build to build: have the minifier keep the names of classes and leave out this rule with --skip names`,
    `${place}: Repository.row: no ttl is given, so the cache's default applies, 5m unless createCache says otherwise: write one, such as ttl: '5m'`,
    `${place}: Repository.row: no @Invalidates of these modules invalidates its tags 'row:…'`,
    '6 decorated methods, 7 findings',
    '',
  ]);
});

it('gives the same as JSON', async () => {
  const problems = await problemsOf(['products']);
  expect(problems).toHaveLength(7);
  expect(problems[5]).toEqual({
    file: fileOf('products'),
    method: 'Repository.row',
    rule: 'ttl',
    message: expect.stringContaining('no ttl is given'),
    isDoubt: false,
  });
});

it('leaves out rules', async () => {
  const rules = async (...skip: string[]) => (await problemsOf(['products'], ...skip)).map(({ rule }) => rule);
  expect(await rules('--skip', 'names')).toEqual(['tags', 'tags', 'tags', 'ttl', 'tags']);
  expect(await rules('--skip=names', '--skip=tags')).toEqual(['ttl']);
  expect(await checked(['products'], '--skip=names', '--skip=tags', '--skip=ttl')).toMatchObject({ code: 0 });
});

it('says of what it cannot tell only that, and only when it is asked', async () => {
  const sum = '2 decorated methods, 0 findings, 3 that cannot be told';
  expect(await checked(['unclear'])).toMatchObject({ code: 0, out: `${sum} (--verbose)\n` });
  const { code, out } = await checked(['unclear'], '--verbose');
  expect(code).toBe(0);
  expect(out).toContain(`Unclear.find: cannot tell: no @Invalidates of these modules invalidates its tags 'other:…'\n`);
  expect(out).toContain('Unclear.change: cannot tell: which tags its function gives cannot be told from its text\n');
  // Whoever is not understood may invalidate what others have.
  expect(
    (await problemsOf(['products', 'unclear'], '--skip=names', '--skip=ttl')).map(({ message }) => message),
  ).toEqual([
    "it invalidates the tags 'prodct:…', which no cached method of these modules has; did you mean 'product:…'?",
  ]);
});

describe('a mistake', () => {
  it('is a file that cannot be loaded', async () => {
    const { code, error } = await checked(['clean', 'broken']);
    expect(code).toBe(2);
    expect(error).toContain(
      `${fileOf('broken')} cannot be loaded: TypeError: cannot start (at ${fileOf('broken')}:1:7); to load TypeScript, install tsx in this project: npm install -D tsx\n`,
    );
  });

  it('is a file that is not there', async () => {
    const { code, error } = await typedIn({ load }, 'check', 'missing.js');
    expect([code, error]).toEqual([2, expect.stringContaining('cachette: missing.js cannot be loaded: ')]);
  });

  it('is a rule that does not exist', async () => {
    const { code, error } = await checked(['clean'], '--skip', 'nmes');
    expect([code, error]).toEqual([2, expect.stringContaining("there is no rule 'nmes'; did you mean 'names'?")]);
  });
});

it('finds what is not exported, private, made by a factory or wrapped', async () => {
  const problems = await problemsOf(['hidden']);
  expect(problems.map(({ method, message }) => `${method}: ${message}`)).toEqual([
    "Hidden.find: no @Invalidates of these modules invalidates its tags 'hidden:…'; did you mean 'hiden:…'?",
    "Made.change: it invalidates the tags 'hiden:…', which no cached method of these modules has; did you mean 'hidden:…'?",
    expect.stringMatching(/^(Hidden\.)?#secret: no @Invalidates of these modules invalidates its tag 'secret'$/),
    expect.stringMatching(/^rates: no ttl is given/),
    "rates: no @Invalidates of these modules invalidates its tag 'rates'",
  ]);
});

it('keeps caches apart that share nothing', async () => {
  const problems = await problemsOf(['caches']);
  expect(problems.map(({ method, message }) => `${method}: ${message}`)).toEqual([
    "Caches.find: no @Invalidates of these modules invalidates its tag 'product', but one of another cache does",
    "Caches.change: it invalidates the tag 'product', which no cached method of its cache has",
  ]);
});

it('finds names that several classes or methods share', async () => {
  const problems = await problemsOf(['heirs']);
  expect(problems.map(({ method, message }) => `${method}: ${message}`)).toEqual([
    'Base.find: it has one name for all that inherit it: Users, Orders and Groups share its entries; leave out name',
    "Base.find: its name 'Base.find' is also that of Orders.list, and only one of them is cached",
    "Orders.list: its name 'Base.find' is also that of Base.find, and only one of them is cached",
  ]);
});

it('proposes no name that a minifier may have made', async () => {
  const problems = await problemsOf(['minified']);
  expect(problems.map(({ method }) => method)).toEqual(['T.find', 'Towns.d']);
  expect(JSON.stringify(problems)).not.toContain('write name');
});

it('tells what it is not sure of by colour and as a number too', async () => {
  const terminal = { load, hasColours: true };
  const sum = async (name: string) => (await typedIn(terminal, 'check', fileOf(name))).out.split('\n').at(-2);
  expect(await sum('clean')).toContain('\u001b[32m');
  expect(await sum('unclear')).toContain('\u001b[33m');
  expect(JSON.parse((await checked(['unclear'], '--json')).out)).toEqual({ methods: 2, doubts: 3, problems: [] });
});

describe('what is given', () => {
  it('may be a folder', async () => {
    const folder = fs.mkdtempSync(join(tmpdir(), 'check-'));
    const files = [
      'a.mjs',
      'b.cts',
      'a.test.mjs',
      'd.d.ts',
      'inner/c.tsx',
      'readme.md',
      '.hidden/e.js',
      'node_modules/f.js',
    ];
    for (const file of files) {
      fs.mkdirSync(dirname(join(folder, file)), { recursive: true });
      fs.writeFileSync(join(folder, file), '');
    }
    const loaded: string[] = [];
    const record = (path: string): Promise<unknown> => {
      loaded.push(relative(folder, path));
      return load(resolve(fileOf('clean')));
    };
    expect(await typedIn({ load: record }, 'check', folder)).toMatchObject({ code: 0 });
    expect(loaded).toEqual(['a.mjs', 'b.cts', 'inner/c.tsx']);
    const { code, error } = await typedIn(
      { load },
      'check',
      join(folder, '.hidden', '..', 'node_modules', '..', '.hidden'),
    );
    expect([code, error]).toEqual([2, expect.stringContaining('nothing in them is decorated')]);
    fs.rmSync(join(folder, 'inner', 'c.tsx'));
    const empty = await typedIn({ load }, 'check', join(folder, 'inner'));
    expect([empty.code, empty.error]).toEqual([2, expect.stringContaining('there is no module in')]);
    fs.rmSync(folder, { recursive: true });
  });

  it('may be a pattern where Node takes one', async () => {
    const node = fs as { globSync?: unknown };
    const { globSync } = node;
    node.globSync = () => ['a.d.ts', fileOf('clean')];
    expect(await typedIn({ load }, 'check', '**/cl*.ts')).toMatchObject({ code: 0 });
    node.globSync = undefined;
    const { code, error } = await typedIn({ load }, 'check', '**/cl*.ts');
    expect([code, error]).toEqual([
      2,
      expect.stringContaining('takes no patterns such as **/cl*.ts: write it without'),
    ]);
    node.globSync = globSync;
  });

  it('is to decorate something, as nothing was checked else', async () => {
    const { code, out, error } = await checked(['nothing']);
    expect([code, out]).toEqual([2, '']);
    expect(error).toContain(
      '1 module was loaded, and nothing in them is decorated or wrapped: give the modules in which',
    );
  });
});

describe('the kinds of tags', () => {
  const id: string = '1';
  const [helper, ids] = [(): string => 'a:1', [id]];

  it.each<[unknown, string[], boolean]>([
    [undefined, [], true],
    ['product:1', ['product'], true],
    [['product:1', 'products', 'product:2'], ['product', 'products'], true],
    [() => 'products', ['products'], true],
    [() => `product:${id}`, ['product'], true],
    [() => [`product:${id}`, 'products'], ['product', 'products'], true],
    [() => ids.map((each) => `product:${each}`), ['product'], true],
    [() => ids.map((each) => [`a:${each}`, `b:${each}`]), ['a', 'b'], true],
    [
      function tags() {
        return `product:${[id].map((each) => `${each}}`).join(':')}`;
      },
      ['product'],
      true,
    ],
    [() => `it's \`:\${`, ["it's `"], true],
    [() => `${id}:1`, [], false],
    [() => helper(), [], false],
    [() => [helper(), `a:${id}`], ['a'], false],
    [() => (id === '1' ? `a:${id}` : `b:${id}`), ['a', 'b'], false],
    [() => ids.join(':'), [], false],
    [() => (id === 'http://x' ? helper() : `a:${id}`), ['a'], false],
    [() => (id === 'b:1' || 'c:1' !== id ? helper() : `a:${id}`), ['a'], false],
    [() => (id.startsWith('b:') ? helper() : `a:${id.split('c:')[0]}`), ['a'], false],
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- compilers leave out comments
    [new Function("// it's /* nothing\nreturn `a:${1}` /* `b:` */"), ['a'], true],
  ])('of %s are %j', (tags, kinds, isAll) => {
    const found = tagShapesOf(tags);
    expect([[...new Set(found.shapes.map(kindOf))].sort(), found.isAll]).toEqual([kinds, isAll]);
  });
});

it.each([
  ['row:1', 'row:1', true],
  ['row:1', 'row:2', false],
  ['row:all', 'row:\0', true],
  ['row:all', 'row:\0:x', false],
  ['row:(a)', 'row:(\0)', true],
  ['row:\0', 'row:x\0', true],
  ['row:\0', 'rows:\0', false],
])('%j and %j can be the same tag: %s', (a, b, can) => {
  expect([canMeet(a, b), canMeet(b, a)]).toEqual([can, can]);
});
