/** docs/command-line.md shows what the commands print, but for numbers and times. */

import { createCache } from 'cachette';
import { resolve } from 'node:path';
import { read } from '../../docs/blocks.js';
import { rowsUnder } from '../../docs/table.js';
import { type RedisTestServer, startRedis, until } from '../../support/servers.js';
import { typed, typedIn } from './typed.js';

const page = read('docs/command-line.md');
const commands = ['top', 'audit', 'explain', 'invalidate', 'check'];

/** What is typed under a heading, and what is shown of it. */
function example(command: string): { readonly args: string[]; readonly shown: string } {
  const section = page.split(`\n## ${command}\n`)[1] ?? '';
  const [, line = '', shown = ''] = /```sh\nnpx cachette (.*)\n```\n(?:\n```text\n([^]*?)```)?/.exec(section) ?? [];
  const args = [...line.matchAll(/"([^"]*)"|(\S+)/g)].map(([, inQuotes, bare = '']) => inQuotes ?? bare);
  return { args, shown };
}

/** Numbers with their units, and the spaces before them, differ from run to run. */
function masked(text: string): string {
  return text
    .replace(/redis:\/\/[^\s,]*/g, 'URI')
    .replace(/\d{4}-\d\d-\d\dT[\d:.]*Z/g, 'TIME')
    .replace(/\d+(\.\d+)?k?( (ms|[smhd]|B|kB|%)\b)?( \d+ [smh])?/g, '#')
    .replace(/ +/g, ' ');
}

let redis: RedisTestServer;
const on = (args: readonly string[]): string[] => args.map((arg) => (arg.startsWith('redis:') ? redis.uri : arg));

beforeAll(async () => {
  redis = await startRedis({});
});

afterAll(() => redis.stop());

it('shows what explain and invalidate print', async () => {
  const cache = createCache(redis.uri, { namespace: 'shop', deadline: '5s' });
  const find = cache.wrap('Products.find', async (id: string) => id, { tags: (id) => [`product:${id}`, 'products'] });
  await find('1');
  await until('it is stored', async () => (await redis.cli('EXISTS', find.keyOf('1'))) === '1');
  await cache.invalidate('product:1');
  for (const command of ['explain', 'invalidate']) {
    const { args, shown } = example(command);
    expect(masked((await typed(...on(args))).out)).toBe(masked(shown));
  }
  await cache.close();
});

it('shows what check prints', async () => {
  const { args, shown } = example('check');
  const modules: Readonly<Record<string, unknown>> = { [resolve('dist/products.js')]: productsModule() };
  expect((await typedIn({ load: async (path) => modules[path] }, ...args)).out).toBe(shown);
});

function productsModule(): object {
  const cache = createCache();
  class Products {
    @cache.Cached('5m', { tags: (id) => `product:${id}` })
    async find(id: string): Promise<string> {
      return id;
    }

    @cache.Cached({})
    async list(): Promise<string[]> {
      return [];
    }

    @cache.Invalidates((id) => `prodct:${id}`)
    async update(id: string): Promise<string> {
      return id;
    }
  }
  return { Products };
}

it('shows the columns of top', async () => {
  const { args, shown } = example('top');
  const cache = createCache(['memory://?maxEntries=10', redis.uri], { namespace: 'shop', deadline: '5s' });
  await cache.wrap('Products.find', async () => 1, {})();
  const { out } = await typed(...on(args), '--interval', '100ms');
  const heads = (text: string): string[] =>
    masked(text)
      .split('\n')
      .filter((line) => /^(process|method) /.test(line));
  expect(heads(out)).toHaveLength(2);
  expect(heads(out)).toEqual(heads(shown));
  await cache.close();
});

it('names all commands, options and exit codes', async () => {
  const named = rowsUnder('option', page).flatMap(({ cells: [options = '', of = ''] }) =>
    wordsIn(of).flatMap((command) => wordsIn(options).map((option) => `${command} ${option}`)),
  );
  const codes = rowsUnder('exit code', page).flatMap(({ cells: [code = '', of = ''] }) =>
    (of === 'all' ? commands : wordsIn(of)).map((command) => `${command} ${code}`),
  );
  for (const command of commands) {
    const { out } = await typed(command, '--help');
    const options = [...out.matchAll(/^ {2}(--[a-z]+)/gm)].map(([, option = '']) => option);
    const own = (all: readonly string[]): string[] => all.filter((each) => each.startsWith(`${command} `)).sort();
    expect(own(named)).toEqual(
      options
        .filter((option) => option !== '--help')
        .map((option) => `${command} ${option}`)
        .sort(),
    );
    const exits = [...out.matchAll(/^ {2}(\d) {2}/gm)].map(([, code = '']) => `${command} ${code}`);
    expect(own(codes)).toEqual([...new Set([...exits, `${command} 0`])].sort());
  }
});

function wordsIn(cell: string): string[] {
  return cell.replaceAll('`', '').split(', ');
}
