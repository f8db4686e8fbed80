/**
 * Every block of code in README.md, docs/ and the doc comments of src/ compiles with the repository's own strictness in both
 * decorator dialects, runs, and has the values that it shows (see shown.ts). A block without an import goes on with the
 * one above it. `redis://`, `memcached://` and `postgres://` URIs are those of real servers, which are empty when a script begins. A
 * comment `// standard decorators` or `// legacy decorators` names the only dialect that a script is for. A script that
 * imports jest is made of tests, which run here.
 */

import { Cached, createCache } from 'cachette';
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseStore } from '../../src/stores/uri.js';
import {
  type MemcachedTestServer,
  type PostgresTestServer,
  type RedisTestServer,
  startMemcached,
  startPostgres,
  startRedis,
} from '../support/servers.js';
import { blocksOf, pages, read, root, scriptsOfPage, scriptsOfSource, type Script, sources } from './blocks.js';
import { type Dialect, typeErrors, writeModule, writePackages } from './program.js';
import { evaluate } from './evaluate.js';
import { runModule } from './run.js';
import { withAssertions } from './shown.js';

const dialects: readonly Dialect[] = ['standard', 'legacy'];
const scripts = [...pages().flatMap(scriptsOfPage), ...sources().flatMap(scriptsOfSource)];

let out: string;
let redis: RedisTestServer;
let memcached: MemcachedTestServer;
let postgres: PostgresTestServer;

beforeAll(async () => {
  [redis, memcached, postgres] = await Promise.all([startRedis({}), startMemcached({}), startPostgres()]);
  mkdirSync(join(root, '.cache'), { recursive: true });
  out = mkdtempSync(join(root, '.cache', 'docs-'));
  writePackages(out);
}, 60_000);

afterAll(async () => {
  await Promise.all([redis?.stop(), memcached?.stop(), postgres?.stop()]);
  if (out) rmSync(out, { recursive: true, force: true });
});

function dialectsOf({ code }: Script): readonly Dialect[] {
  const [, only] = /\/\/ (standard|legacy) decorators/.exec(code) ?? [];
  if (only !== undefined) return [only as Dialect];
  const isDecorated = /^\s*@[\w.]+\(/m.test(code);
  return isDecorated ? dialects : ['standard'];
}

describe.each(dialects)('the types of all blocks in the %s dialect', (dialect) => {
  it('are right', () => {
    const checked = scripts
      .filter((script) => dialectsOf(script).includes(dialect))
      .map((script) => ({ ...script, code: withAssertions(script.code, script.file) }));
    expect([...typeErrors(checked, dialect).values()].flat()).toEqual([]);
  }, 60_000);
});

/** Another login, host and port; the database and the options stay. On port 1 nothing listens, which may be the point. */
function onRealServers(code: string): string {
  const place = '(?!localhost:1\\b)(?:[^@/?\'"`\\s]*@)?[^/?\'"`\\s]+';
  return code
    .replace(new RegExp(`\\b(redis|valkey)://${place}`, 'g'), redis.uri)
    .replace(new RegExp(`\\b(memcached|memcache)://${place}`, 'g'), memcached.uri)
    .replace(new RegExp(`\\bpostgres://${place}(/\\w*)?`, 'g'), postgres.uri);
}

const usesServer = /\b(redis|valkey|memcached?):\/\//;
const usesPostgres = /\bpostgres:\/\//;

describe('the code at', () => {
  const named = scripts.filter((script) => !isMadeOfTests(script)).map((script) => [script.name, script] as const);

  it.each(named)('%s runs and gives what it shows', async (_name, script) => {
    for (const dialect of dialectsOf(script)) await runs(script, dialect);
  });
});

describe.each(scripts.filter(isMadeOfTests).map((script) => [script.name, script] as const))(
  '%s',
  (_name, { code }) => {
    evaluate(code);
  },
);

function isMadeOfTests({ code }: Script): boolean {
  return code.includes("from '@jest/globals'");
}

async function runs({ name, file, code }: Script, dialect: Dialect): Promise<void> {
  if (usesServer.test(code)) await Promise.all([redis.cli('FLUSHALL'), memcached.command('flush_all')]);
  if (usesPostgres.test(code)) await postgres.sql('DROP SCHEMA public CASCADE; CREATE SCHEMA public');
  const runnable = { name, file, code: onRealServers(withAssertions(code, file)) };
  const { error, output } = await runModule(writeModule(runnable, dialect, out), code.includes("'node:test'"));
  if (error) throw new Error(`${dialect}: ${error.message}\n${output}`, { cause: error });
}

describe('docs/stores.md', () => {
  it('names URIs that are accepted', () => {
    const uris = [...read('docs/stores.md').matchAll(/`([a-z+]+:\/\/[^\s`]*)`/g)].map(([, uri = '']) => uri);
    expect(uris.length).toBeGreaterThan(15);
    for (const uri of uris.filter((text) => !text.startsWith('scheme://'))) parseStore(uri, 'docs/stores.md');
  });
});

describe('docs/getting-started.md', () => {
  it.each([
    ['@Cached', () => Cached({ zzzzzz: 1 } as object)],
    ['createCache', () => createCache('memory://', { zzzzzz: 1 } as object)],
  ])('has every option of %s in a table', (_name, complain) => {
    const options = /the options are (.*)\./.exec(messageOf(complain))?.[1]?.split(', ') ?? [];
    expect(options.length).toBeGreaterThan(5);
    expect(options.filter((option) => !read('docs/getting-started.md').includes(`\n| \`${option}\` |`))).toEqual([]);
  });
});

function messageOf(act: () => unknown): string {
  try {
    return String(act());
  } catch (error) {
    return String(error);
  }
}

describe.each(pages())('%s', (page) => {
  const known = ['ts', 'js', 'sh', 'json', 'jsonc', 'text', 'mermaid', 'diff', 'tsv'];

  it('names the language of each block', () => {
    expect(blocksOf(page).filter(({ language }) => !known.includes(language))).toEqual([]);
  });

  it('names npm scripts that exist', () => {
    const { scripts: existing } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const commands = [...read(page).matchAll(/\bnpm (?:run (?:-s |--silent )?([\w:-]+)|(start|test)\b)/g)];
    const missing = commands
      .map(([, named, short]) => named ?? short ?? '')
      .filter((name) => existing[name] === undefined);
    expect(missing).toEqual([]);
  });

  it('links to files and headings that exist', () => {
    const prose = read(page)
      .replace(/^( *)(`{3,})[^]*?^\1\2$/gm, '')
      .replace(/`[^`\n]*`/g, '');
    const links = [...prose.matchAll(/\]\((?!https?:|mailto:)([^)\s]+)\)/g)].map(([, link = '']) => link);
    expect(links.filter((link) => !leadsSomewhere(page, link))).toEqual([]);
  });
});

function leadsSomewhere(page: string, link: string): boolean {
  const [path = '', heading] = link.split('#');
  const target = path === '' ? page : join(dirname(page), path);
  if (!existsSync(join(root, target))) return false;
  return heading === undefined || headingsOf(target).includes(heading);
}

/** As GitHub makes them. */
function headingsOf(page: string): string[] {
  return [...read(page).matchAll(/^#{1,6} +(.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );
}
