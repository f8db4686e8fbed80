/** What `cachette check` finds in the modules of `project/`. */

import { join, relative } from 'node:path';

import { tagKindsOf } from '../../../src/integrations/cli/tag-kinds.js';
import { typedIn, type Typed } from './typed.js';

const fileOf = (name: string): string => relative(process.cwd(), join(__dirname, 'project', `${name}.ts`));

/** Jest loads modules by `require`. */
const load = (path: string): Promise<unknown> => import(path) as Promise<unknown>;

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
    `${place}: Products.find: its keys begin with the name of the class, which a minifier changes from build to build: write name: 'Products.find', or have the minifier keep the names of classes`,
    `${place}: Products.find: no @Invalidates of these modules invalidates its tags 'product'; did you mean 'prodct'?`,
    `${place}: Products.update: it invalidates the tags 'prodct', which no cached method of these modules has; did you mean 'product'?`,
    `${place}: Products.count: no @Invalidates of these modules invalidates its tags 'stock'`,
    `${place}: Repository.row: its keys begin with the name of the class, which a minifier changes from build to build: have the minifier keep the names of classes, as others inherit the method`,
    `${place}: Repository.row: no ttl is given, so the cache's default applies, 5m unless createCache says otherwise: write one, such as ttl: '5m'`,
    '6 decorated methods, 6 findings',
    '',
  ]);
});

it('gives the same as JSON', async () => {
  const problems = await problemsOf(['products']);
  expect(problems).toHaveLength(6);
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
  expect(await rules('--skip', 'names')).toEqual(['tags', 'tags', 'tags', 'ttl']);
  expect(await rules('--skip=names', '--skip=tags')).toEqual(['ttl']);
  expect(await checked(['products'], '--skip=names', '--skip=tags', '--skip=ttl')).toMatchObject({ code: 0 });
});

it('says of what it cannot tell only that, and only when it is asked', async () => {
  expect(await checked(['unclear'])).toMatchObject({ code: 0, out: '2 decorated methods, 0 findings\n' });
  const { code, out } = await checked(['unclear'], '--verbose');
  expect(code).toBe(0);
  expect(out).toContain(`Unclear.find: cannot tell: no @Invalidates of these modules invalidates its tags 'other'\n`);
  expect(out).toContain('Unclear.change: cannot tell: which tags its function gives cannot be told from its text\n');
  // Whoever is not understood may invalidate what others have.
  expect(
    (await problemsOf(['products', 'unclear'], '--skip=names', '--skip=ttl')).map(({ message }) => message),
  ).toEqual(["it invalidates the tags 'prodct', which no cached method of these modules has; did you mean 'product'?"]);
});

describe('a mistake', () => {
  it('is a file that cannot be loaded', async () => {
    const { code, error } = await checked(['clean', 'broken']);
    expect(code).toBe(2);
    expect(error).toContain(`${fileOf('broken')} cannot be loaded: TypeError: cannot start; give what the compiler`);
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

describe('the kinds of tags', () => {
  const id = '1';
  const [helper, ids] = [(): string => 'a:1', [id]];

  it.each<[unknown, string[], boolean]>([
    [undefined, [], true],
    ['product:1', ['product'], true],
    [['product:1', 'products', 'product:2'], ['product', 'product', 'products'], true],
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
    // eslint-disable-next-line @typescript-eslint/no-implied-eval -- compilers leave out comments
    [new Function("// it's /* nothing\nreturn `a:${1}` /* `b:` */"), ['a'], true],
  ])('of %s are %j', (tags, kinds, isAll) => {
    const found = tagKindsOf(tags);
    expect([[...found.kinds].sort(), found.isAll]).toEqual([kinds, isAll]);
  });
});
