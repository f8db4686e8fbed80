/**
 * Does every wrong thing that docs/errors.md names, and compares the message that comes with the one in the table; does what
 * the table says instead, and expects no message. `UPDATE_DOCS=1` writes the messages into the table.
 */

import { KeyvMemcache } from '@keyv/memcache';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import * as cachette from 'cachette';
import * as inspector from 'cachette/inspector';
import * as otel from 'cachette/otel';
import * as postgres from 'cachette/postgres';
import * as prometheus from 'cachette/prometheus';
import * as testing from 'cachette/testing';
import { Keyv } from 'keyv';
import { LRUCache } from 'lru-cache';
import { EventEmitter } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RedisTestServer, startRedis } from '../support/servers.js';
import { read, root } from './blocks.js';
import { Registry } from 'prom-client';
import { evaluate, isValid } from './evaluate.js';
import type { Dialect } from './program.js';
import { rowsUnder, withCell } from './table.js';

const page = 'docs/errors.md';
const updates = process.env['UPDATE_DOCS'] === '1';
const rows = rowsUnder('you wrote', read(page)).map(
  ({ section, line, cells: [wrong = '', message = '', right = ''] }) => {
    return { section, line, wrong, message, right };
  },
);
const isTold = ({ section }: (typeof rows)[number]): boolean => section === 'What is told and not thrown';
const named = (chosen: typeof rows) => chosen.map((row) => [row.wrong, row] as const);

/** What really came, by the line in the page. */
const messages = new Map<number, string>();

let redis: RedisTestServer;
let warnings: string[];
let opened: cachette.Cache[];

beforeAll(async () => {
  redis = await startRedis({ password: 'secret' });
});

beforeEach(() => {
  warnings = [];
  opened = [];
  jest.spyOn(process, 'emitWarning').mockImplementation((warning) => void warnings.push(String(warning)));
});

const mode = process.env['NODE_ENV'];

afterEach(async () => {
  process.env['NODE_ENV'] = mode;
  await Promise.all(opened.map((cache) => cache.close()));
  jest.restoreAllMocks();
});

afterAll(async () => {
  await redis.stop();
  const update = (text: string): string =>
    [...messages].reduce((now, [line, message]) => withCell(now, line, 1, message), text);
  if (updates) writeFileSync(join(root, page), update(read(page)));
});

describe.each(named(rows.filter((row) => !isTold(row))))('%s', (_wrong, { line, wrong, message, right }) => {
  it('throws the message in the table', async () => {
    const error = await thrownBy(wrong);
    messages.set(line, error?.message ?? '');
    expect(cachette.isCacheConfigError(error)).toBe(true);
    if (!updates) expect(error?.message).toBe(message);
  });

  it('throws under legacy decorators too', async () => {
    expect(cachette.isCacheConfigError(await thrownBy(wrong, 'legacy'))).toBe(true);
  });

  it('works as the table says', async () => {
    expect(await thrownBy(right)).toBeUndefined();
    expect(warnings).toEqual([]);
  });
});

describe.each(named(rows.filter(isTold)))('%s', (_wrong, { line, wrong, message, right }) => {
  it('is told once, as in the table', async () => {
    expect(await thrownBy(wrong)).toBeUndefined();
    const shown = warnings.map((warning) => warning.replace(`${redis.host}:${redis.port}`, 'localhost'));
    messages.set(line, shown.join(' '));
    expect(shown).toEqual(updates ? [expect.any(String)] : [message]);
  });

  it('works as the table says', async () => {
    expect(await thrownBy(right)).toBeUndefined();
    expect(warnings).toEqual([]);
  });
});

describe('the tables', () => {
  it.each([
    ['Options of `@Cached`', '@Cached({ zzzzzz: 1 })'],
    ['Options of `@Invalidates`', '@Invalidates({ zzzzzz: 1 })'],
    ['`createCache` and its options', "createCache('memory://', { zzzzzz: 1 })"],
  ])('under %s have each of them with a wrong value', async (section, unknown) => {
    const error = await thrownBy(unknown);
    const options = /the options are (.*)\.$/.exec(error?.message ?? '')?.[1]?.split(', ') ?? [];
    const wrong = rows.filter((row) => row.section === section).map((row) => row.wrong);
    expect(options.length).toBeGreaterThan(2);
    expect(options.filter((option) => !wrong.some((code) => code.includes(`${option}: `)))).toEqual([]);
  });

  it('show no password in a message', () => {
    expect(rows.filter(({ message }) => /secret|mistaken|100%/.test(message))).toEqual([]);
  });
});

async function thrownBy(code: string, dialect: Dialect = 'standard'): Promise<Error | undefined> {
  try {
    const cache = opening();
    const names = {
      ...cachette,
      ...inspector,
      ...otel,
      ...postgres,
      ...prometheus,
      ...testing,
      Registry,
      ...classes,
      cache,
      createCache: opening,
      products: evaluate(productsText, { cache }),
    };
    await evaluate(`return (async () => {\n${asStatement(code)}\n})();`, names, dialect);
    return undefined;
  } catch (error) {
    return error as Error;
  }
}

const classes = {
  EventEmitter,
  Keyv,
  KeyvMemcache,
  LRUCache,
  meterProvider: new MeterProvider(),
  Money: class Money {
    constructor(readonly cents: number) {}
  },
};

const productsText = `
  class Products {
    @cache.Cached('5m')
    async find(id) { return id; }
    @cache.CachedMany('5m')
    async findMany(ids) { return ids; }
    async rename(id) {}
  }
  return new Products();
`;

/** A class member, a decorator of one, or a statement. */
function asStatement(code: string): string {
  if (!code.startsWith('@')) return code;
  const member = `class Products { ${code} }`;
  const decorator = `class Products { ${code} async find(id: string) { return id; } }`;
  return [member, decorator].find(isValid) ?? code;
}

/**
 * `createCache` as the page has it, with time for a busy machine; what it opens is closed after the test. The Redis on
 * `localhost` that wants a password is the one of this test.
 */
function opening(...args: readonly unknown[]): cachette.Cache {
  const [store, options = {}] = args;
  const patient = typeof options === 'object' ? { deadline: '5s' as const, ...options } : options;
  const place =
    typeof store === 'string'
      ? store.replace(/(?<=^redis:\/\/\w*:\w+@)localhost$/, `${redis.host}:${redis.port}`)
      : store;
  const cache = cachette.createCache(place as string | undefined, patient);
  opened.push(cache);
  return cache;
}
