/** Writes behind the cache's back, by plain SQL on a real PostgreSQL, and what becomes of entries that depend on them. */

import { createCache, type Cache, type CacheOptions, type CacheProblem } from 'cachette';
import {
  dropTriggersSql,
  postgresChanges,
  type PostgresChangesOptions,
  triggersSql,
  type TriggersOptions,
} from 'cachette/postgres';
import { type Proxy, startProxy } from '../failure/proxy.js';
import { runChild } from '../support/child.js';
import { type PostgresTestServer, startPostgres, until } from '../support/servers.js';

let postgres: PostgresTestServer;
let followed: Follower[];
let rejections: unknown[];
const onRejection = (error: unknown): void => void rejections.push(error);

beforeAll(async () => {
  postgres = await startPostgres();
}, 60_000);

afterAll(() => postgres.stop());

beforeEach(async () => {
  followed = [];
  rejections = [];
  process.on('unhandledRejection', onRejection);
  await postgres.sql(`
    DROP TABLE IF EXISTS cities;
    CREATE TABLE cities (id int PRIMARY KEY, country text, people int);
    INSERT INTO cities VALUES (1, 'fr', 100), (2, 'fr', 200), (3, 'de', 300);
  `);
});

afterEach(async () => {
  await Promise.all(followed.map(({ cache }) => cache.close()));
  process.off('unhandledRejection', onRejection);
  expect(rejections).toEqual([]);
});

/** Notices and comes back quickly. */
const quick = { healthCheck: '100ms', deadline: '400ms', firstPause: '20ms', longestPause: '100ms' } as const;
const everything: readonly string[] = [];

interface Follower {
  readonly cache: Cache;
  /** The tags of each invalidation. */
  readonly told: (readonly string[])[];
  readonly problems: CacheProblem[];
  readonly warnings: string[];
  people(id: number): Promise<number>;
  /** All tags that were told before everything that is notified by now. */
  tags(channel?: string): Promise<readonly string[]>;
  /** What was told until now does not count. */
  forgetTold(): void;
}

interface Asked {
  readonly connection?: string | object;
  readonly feed?: PostgresChangesOptions;
  readonly cacheOptions?: CacheOptions;
}

/** A cache that listens, or soon will. */
function following({ connection = postgres.uri, feed = {}, cacheOptions = {} }: Asked = {}): Follower {
  const cache = createCache('memory://', { deadline: '5s', ...cacheOptions });
  const told: (readonly string[])[] = [];
  const problems: CacheProblem[] = [];
  const warnings: string[] = [];
  cache.on('invalidation', ({ tags }) => told.push(tags));
  cache.on('error', (problem) => problems.push(problem));
  cache.on('warning', ({ message }) => warnings.push(message));
  const people = cache.wrap(
    'people',
    async (id: number) => (await postgres.sql(`SELECT people FROM cities WHERE id = ${id}`))[0]?.['people'] as number,
    { tags: (id) => `city:${id}` },
  );
  cache.follow(postgresChanges(connection, { ...quick, ...feed }));
  let ends = 0;
  const tags = async (channel = 'cachette'): Promise<readonly string[]> => {
    const end = `end:${++ends}`;
    await postgres.sql(`SELECT pg_notify($q$${channel}$q$, '${end}')`);
    await until('The last notification has come', () => told.flat().includes(end));
    const all = told.some((each) => each.length === 0) ? ['everything'] : [];
    return [...all, ...told.flat().filter((tag) => !tag.startsWith('end:'))];
  };
  const follower = { cache, told, problems, warnings, people, tags, forgetTold: () => void (told.length = 0) };
  followed.push(follower);
  return follower;
}

/** A cache that listens. */
async function listening(asked: Asked = {}): Promise<Follower> {
  const follower = following(asked);
  await until('It listens', () => follower.told.length > 0);
  follower.forgetTold();
  return follower;
}

async function addTriggers(options: Partial<TriggersOptions> = {}): Promise<void> {
  await postgres.sql(triggersSql({ table: 'cities', tags: ['city:{id}', 'country:{country}'], ...options }));
}

/** Connections that listen. */
const listeners = `FROM pg_stat_activity WHERE application_name = 'cachette'`;

async function numberOfListeners(): Promise<number> {
  return Number((await postgres.sql(`SELECT count(*) AS n ${listeners}`))[0]?.['n']);
}

describe('a write behind the cache', () => {
  beforeEach(() => addTriggers());

  it('makes the entry a miss, and no other', async () => {
    const { people, tags } = await listening();
    expect([await people(1), await people(2)]).toEqual([100, 200]);
    await postgres.sql('UPDATE cities SET people = 101 WHERE id = 1');
    expect(await tags()).toEqual(expect.arrayContaining(['city:1', 'country:fr']));
    expect([await people(1), await people(2)]).toEqual([101, 200]);
  });

  it.each([
    ['an insert', "INSERT INTO cities VALUES (4, 'it', 1), (5, 'it', 1)", ['city:4', 'city:5', 'country:it']],
    ['a delete', 'DELETE FROM cities WHERE id < 3', ['city:1', 'city:2', 'country:fr']],
    [
      'an update that changes the column of the tag',
      "UPDATE cities SET id = 9, country = 'it' WHERE id = 3",
      ['city:3', 'city:9', 'country:de', 'country:it'],
    ],
    ['an update of no row', 'UPDATE cities SET people = 1 WHERE id = 77', []],
    [
      'an upsert, which inserts and updates',
      "INSERT INTO cities VALUES (1, 'fr', 1), (7, 'it', 1) ON CONFLICT (id) DO UPDATE SET people = 1",
      ['city:1', 'city:7', 'country:fr', 'country:it'],
    ],
    [
      'a NULL, which is told as null',
      'UPDATE cities SET country = NULL WHERE id = 3',
      ['city:3', 'country:de', 'country:null'],
    ],
    ['TRUNCATE', 'TRUNCATE cities', ['everything']],
    ['the end of a transaction', 'BEGIN; DELETE FROM cities WHERE id = 3; COMMIT', ['city:3', 'country:de']],
    ['no transaction that is rolled back', 'BEGIN; DELETE FROM cities WHERE id = 3; ROLLBACK', []],
    [
      'thousands of rows in one statement, as several notifications',
      "INSERT INTO cities SELECT n, 'it', 1 FROM generate_series(1001, 4000) AS n",
      [...Array.from({ length: 3000 }, (_, n) => `city:${n + 1001}`), 'country:it'],
    ],
    [
      'more rows than are told one by one',
      "INSERT INTO cities SELECT n, 'it', 1 FROM generate_series(10001, 20000) AS n",
      ['everything'],
    ],
    [
      'a tag that is long',
      `INSERT INTO cities VALUES (4, repeat('ü', 3900), 1)`,
      ['city:4', `country:${'ü'.repeat(3900)}`],
    ],
    ['a tag that is too long to be told', `INSERT INTO cities VALUES (4, repeat('x', 8000), 1)`, ['everything']],
    ['odd characters', `INSERT INTO cities VALUES (4, E'a"b\\\\c\\n😀''', 1)`, ['city:4', `country:a"b\\c\n😀'`]],
  ])('is told: %s', async (_what, statement, expected) => {
    const { tags } = await listening();
    await postgres.sql(statement);
    expect([...new Set(await tags())].sort()).toEqual([...expected].sort());
  });

  it('is not told before the commit', async () => {
    const { people, tags } = await listening();
    await people(1);
    await postgres.session(async (sql) => {
      await sql('BEGIN');
      await sql('UPDATE cities SET people = 101 WHERE id = 1');
      expect(await tags()).toEqual([]);
      await sql('COMMIT');
    });
    expect(await tags()).toContain('city:1');
    expect(await people(1)).toBe(101);
  });

  it('succeeds and invalidates everything after the column of a tag has gone', async () => {
    const { tags } = await listening();
    await postgres.sql('ALTER TABLE cities DROP COLUMN country');
    await postgres.sql('UPDATE cities SET people = 101 WHERE id = 1');
    expect(await postgres.sql('SELECT people FROM cities WHERE id = 1')).toEqual([{ people: 101 }]);
    expect(await tags()).toEqual(['everything']);
  });

  it('during a running method is not lost: its result is not served afterwards', async () => {
    const { cache, tags } = await listening();
    let write = (): Promise<unknown> => postgres.sql('UPDATE cities SET people = 101 WHERE id = 1');
    const read = cache.wrap(
      'read',
      async () => {
        const [row] = await postgres.sql('SELECT people FROM cities WHERE id = 1');
        await write();
        await tags();
        return row?.['people'];
      },
      { tags: 'city:1' },
    );
    expect(await read()).toBe(100);
    write = async () => {};
    expect([await read(), await read()]).toEqual([101, 101]);
  });

  it('of a random sequence of writes leaves no stale entry', async () => {
    const { people, tags } = await listening();
    for (let round = 0; round < 30; round++) {
      const id = 1 + Math.floor(Math.random() * 3);
      const reads = [1, 2, 3].map((each) => people(each));
      await postgres.sql(`UPDATE cities SET people = ${1000 + round} WHERE id = ${id}`);
      await Promise.all(reads);
      await tags();
      const rows = await postgres.sql('SELECT id, people FROM cities ORDER BY id');
      const served = await Promise.all([1, 2, 3].map(async (each) => ({ id: each, people: await people(each) })));
      expect(served).toEqual(rows);
    }
  });
});

describe('the SQL of triggers', () => {
  it('takes names and tags of every odd shape', async () => {
    const channel = `Odd "channel's" $cachette$ \\`;
    await postgres.sql(`
      DROP SCHEMA IF EXISTS "My.Schema" CASCADE;
      CREATE SCHEMA "My.Schema";
      CREATE TABLE "My.Schema"."Odd ""table'" ("Some ""Id'" int, "$cachette$" text);
    `);
    const { tags } = await listening({ feed: { channel } });
    const table = `"My.Schema"."Odd ""table'"`;
    await postgres.sql(
      triggersSql({
        table,
        channel,
        tags: [`it's \\ {Some "Id'}:{$cachette$} $cachette$`, 'constant', '{$cachette$}'],
      }),
    );
    await postgres.sql(`INSERT INTO ${table} VALUES (1, 'x'), (2, '')`);
    expect([...(await tags(channel))].sort()).toEqual([
      'constant',
      `it's \\ 1:x $cachette$`,
      `it's \\ 2: $cachette$`,
      'x',
    ]);
    expect(await postgres.sql(dropTriggersSql({ table, channel }))).toEqual([]);
    expect(await triggers(`"My.Schema"."Odd ""table'"`)).toBe(0);
  });

  it('can be run again, with other tags and beside another channel, and be removed', async () => {
    await addTriggers();
    await addTriggers({ tags: 'cities' });
    await addTriggers({ tags: 'other', channel: 'other' });
    expect(await triggers('cities')).toBe(8);
    const { tags } = await listening();
    await postgres.sql('DELETE FROM cities WHERE id = 1');
    expect(await tags()).toEqual(['cities']);
    for (const channel of ['cachette', 'other', 'cachette'])
      await postgres.sql(dropTriggersSql({ table: 'cities', channel }));
    expect([await triggers('cities'), await functions()]).toEqual([0, 0]);
  });

  it('tells a partitioned table', async () => {
    await postgres.sql(`
      DROP TABLE IF EXISTS parts;
      CREATE TABLE parts (id int) PARTITION BY RANGE (id);
      CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    `);
    await addTriggers({ table: 'public.parts', tags: 'part:{id}' });
    const { tags } = await listening();
    await postgres.sql('INSERT INTO parts VALUES (1); UPDATE parts SET id = 2');
    expect([...new Set(await tags())].sort()).toEqual(['part:1', 'part:2']);
  });

  it.each([
    [{ table: 'cities', tags: 'city:{}' }, "the tag 'city:{}' has braces without a column"],
    [{ table: 'cities', tags: ['city:{id'] }, "the tag 'city:{id' has a brace that stands alone"],
    [{ table: 'cities', tags: 'city:id}' }, "the tag 'city:id}' has a brace that stands alone"],
    [{ table: 'cities', tags: 'city:{{id}}' }, "the tag 'city:{{id}}' has a brace that stands alone"],
    [{ table: 'cities', tags: [] }, "tags is []; write a tag such as 'city:{id}', or an array of them"],
    [{ table: 'cities', tags: '' }, "tags is ''"],
    [{ table: 'cities', tags: ['a', 7] }, "tags is ['a', 7]"],
    [{ table: 'cities' }, 'tags is missing'],
    [{ tags: 'a' }, "table is missing; write the name of a table, such as 'cities' or 'public.cities'"],
    [{ table: 'a.b.c', tags: 'a' }, "table is 'a.b.c'"],
    [{ table: 'a.', tags: 'a' }, "table is 'a.'"],
    [{ table: '"a', tags: 'a', channel: 'c'.repeat(64) }, "channel is 'ccc"],
    [{ table: 'cities', tags: 'a', chanel: 'b' }, "there is no option 'chanel'; did you mean 'channel'?"],
    ['cities', "'cities' is not an object of options"],
  ])('is refused for %j', (options, message) => {
    expect(() => triggersSql(options as TriggersOptions)).toThrow(`triggersSql: ${message}`);
  });

  async function triggers(table: string): Promise<number> {
    const rows = await postgres.sql(`SELECT 1 FROM pg_trigger WHERE tgrelid = $q$${table}$q$::regclass`);
    return rows.length;
  }

  async function functions(): Promise<number> {
    const rows = await postgres.sql(`SELECT proname FROM pg_proc WHERE proname LIKE 'cachette_cities_%'`);
    return rows.length;
  }
});

describe('a notification', () => {
  it.each([
    ['a tag as it is', 'city:1', ['city:1']],
    ['an array of tags', '["city:1","city:2"]', ['city:1', 'city:2']],
    ['that anything may have changed', '{"clear":true}', ['everything']],
    ['nothing, which means the same', '', ['everything']],
  ])('says %s', async (_what, payload, expected) => {
    const { tags, problems } = await listening();
    await postgres.sql(`NOTIFY cachette, '${payload}'`);
    expect(await tags()).toEqual(expected);
    expect(problems).toEqual([]);
  });

  it.each(['["city:1"', '[1]', '{"clear":false}', '{"table":"cities"}', '{'])(
    'that cannot be read invalidates everything: %s',
    async (payload) => {
      const { tags, problems } = await listening();
      await postgres.sql(`NOTIFY cachette, '${payload}'`);
      expect(await tags()).toEqual(['everything']);
      expect(problems).toMatchObject([
        {
          code: 'feed',
          message: expect.stringMatching(/^postgresChanges: a notification cannot be read, so everything/),
        },
      ]);
    },
  );

  it('of another channel is none', async () => {
    const { tags } = await listening();
    await postgres.sql(`NOTIFY cachette2, 'city:1'`);
    expect(await tags()).toEqual([]);
  });
});

describe('a connection that is lost', () => {
  let proxy: Proxy;

  beforeEach(async () => {
    await addTriggers();
    proxy = await startProxy(postgres.port);
  });

  afterEach(() => proxy.stop());

  const throughProxy = () => ({ connection: postgres.uri.replace(`:${postgres.port}`, `:${proxy.port}`) });

  it('is made again, and everything is invalidated', async () => {
    const { told, problems, warnings, people, forgetTold, tags } = await listening();
    expect(await people(1)).toBe(100);
    await postgres.sql(`SELECT pg_terminate_backend(pid) ${listeners}`);
    await until('It listens again', () => told.length > 0);
    expect(told).toEqual([everything]);
    forgetTold();
    await postgres.sql('UPDATE cities SET people = 101 WHERE id = 1');
    expect(await tags()).toContain('city:1');
    expect(await people(1)).toBe(101);
    expect(problems).toMatchObject([{ code: 'feed', message: expect.stringContaining('terminating connection') }]);
    expect(warnings).toEqual([]);
  });

  it('invalidates what was written while there was none, and tells of it once', async () => {
    const { told, problems, people } = await listening(throughProxy());
    expect(await people(1)).toBe(100);
    await proxy.cut();
    await postgres.sql('UPDATE cities SET people = 101 WHERE id = 1');
    await until('It is told', () => problems.length > 0);
    expect(await people(1)).toBe(100);
    await proxy.mend();
    await until('It listens again', () => told.length > 0);
    expect(await people(1)).toBe(101);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toBe(
      `postgresChanges: there is no connection to 127.0.0.1:${proxy.port}/postgres: ${(problems[0]?.cause as Error).message}; it is tried again and again, and until then the cache is not told of changes`,
    );
  });

  it('invalidates what `missed` names, and nothing where that is empty', async () => {
    const coarse = following({ ...throughProxy(), feed: { missed: ['cities', 'countries'] } });
    const none = following({ ...throughProxy(), feed: { missed: [] } });
    await until('Both listen', async () => (await numberOfListeners()) === 2);
    expect(await coarse.tags()).toEqual(['cities', 'countries']);
    expect(await none.tags()).toEqual([]);
    await proxy.cut();
    await until('Both are lost', async () => (await numberOfListeners()) === 0);
    await proxy.mend();
    await until('Both listen again', async () => (await numberOfListeners()) === 2);
    expect(await coarse.tags()).toEqual(['cities', 'countries', 'cities', 'countries']);
    expect(await none.tags()).toEqual([]);
  });

  it('may be missing at first', async () => {
    await proxy.cut();
    const { told, problems } = following(throughProxy());
    await until('It is told', () => problems.length > 0);
    expect(told).toEqual([]);
    await proxy.mend();
    await until('It listens', () => told.length > 0);
    expect(problems).toHaveLength(1);
    expect(problems[0]?.message).toContain('ECONNREFUSED');
  });

  it('is closed while there is none', async () => {
    const { cache, problems } = await listening(throughProxy());
    await proxy.cut();
    await until('It is told', () => problems.length > 0);
    await cache.close();
    await proxy.mend();
    expect(await numberOfListeners()).toBe(0);
    expect(problems).toHaveLength(1);
  });
});

describe('a server of its own', () => {
  let own: PostgresTestServer;

  beforeEach(async () => {
    own = await startPostgres({ password: 'p@ss/word' });
  }, 30_000);

  afterEach(() => own.stop());

  it('that is frozen is noticed, and listened to again when it thaws', async () => {
    const { told, problems } = await listening({ connection: own.uri });
    own.freeze();
    await until('It is told', () => problems.length > 0);
    expect(problems[0]?.message).toContain('no answer within 400 ms');
    expect(told).toEqual([]);
    own.thaw();
    await until('It listens again', () => told.length > 0);
    expect(problems).toHaveLength(1);
  });

  it('that is frozen keeps nobody from closing', async () => {
    const { cache } = await listening({ connection: own.uri, cacheOptions: { deadline: '50ms' } });
    own.freeze();
    await cache.close();
  });

  it('that is stopped and started again is listened to again', async () => {
    const { told, problems } = await listening({ connection: own.uri });
    await own.restart();
    await until('It listens again', () => told.length > 0);
    await own.sql(`NOTIFY cachette, 'city:1'`);
    await until('It hears', () => told.flat().includes('city:1'));
    expect(problems.length).toBeGreaterThan(0);
  });

  it('that refuses the password is told once, loudly, and without the password', async () => {
    const uri = new URL(own.uri);
    uri.password = 'mistaken';
    const byConfig = { host: own.host, port: own.port, user: 'postgres', password: 'mistaken' };
    for (const connection of [uri.href, byConfig, { connectionString: uri.href }]) {
      const { cache, problems, warnings } = following({ connection });
      await until('It is told', () => problems.length > 0);
      const place = connection === byConfig ? '' : '/postgres';
      const message = `postgresChanges: there is no connection to 127.0.0.1:${own.port}${place}: password authentication failed for user "postgres"; it is tried again and again, and until then the cache is not told of changes`;
      expect(problems.map((problem) => problem.message)).toEqual([message]);
      expect(warnings).toEqual([message]);
      expect(JSON.stringify(problems)).not.toContain('mistaken');
      await cache.close();
    }
  });

  it('takes a config with a password that is asked for at each connect', async () => {
    const password = jest.fn(async () => 'p@ss/word');
    const { told } = await listening({ connection: { host: own.host, port: own.port, user: 'postgres', password } });
    await own.sql(`SELECT pg_terminate_backend(pid) ${listeners}`);
    await until('It listens again', () => told.length > 0);
    expect(password).toHaveBeenCalledTimes(2);
  });
});

describe('close', () => {
  it('ends the connection', async () => {
    const { cache } = await listening();
    expect(await numberOfListeners()).toBe(1);
    await cache.close();
    await until('It is gone', async () => (await numberOfListeners()) === 0);
  });

  it('lets the process end', async () => {
    const child = runChild<{ tags: readonly string[] }>('__tests__/integrations/postgres.child.ts', {
      POSTGRES_URI: postgres.uri,
    });
    expect(await child.next()).toEqual({ tags: [] });
    expect([await child.done, child.output()]).toEqual([0, '']);
  });

  it('during the attempt to connect ends it', async () => {
    const { cache, told, problems } = following();
    await cache.close();
    await until('It is gone', async () => (await numberOfListeners()) === 0);
    expect([told, problems]).toEqual([[], []]);
  });
});

describe('without a cache', () => {
  it('changes are an async iterable, and problems are warnings of the process', async () => {
    const warn = jest.spyOn(process, 'emitWarning').mockImplementation(() => {});
    const seen: unknown[] = [];
    for await (const change of postgresChanges(postgres.uri, { ...quick, missed: ['cities'] })) {
      seen.push(change);
      if (seen.length === 1) await postgres.sql(`NOTIFY cachette, '{"clear":true}'`);
      else if (seen.length === 2) await postgres.sql(`NOTIFY cachette, '['`);
      else break;
    }
    expect(seen).toEqual([['cities'], { clear: true }, { clear: true }]);
    expect(warn.mock.calls.map(([message]) => String(message))).toEqual([
      expect.stringContaining('a notification cannot be read'),
    ]);
    warn.mockRestore();
    await until('It is gone', async () => (await numberOfListeners()) === 0);
  });
});

describe('a mistake', () => {
  it.each([
    ['mysql://localhost', {}, 'the connection string does not begin with postgres://'],
    ['postgres://app:sec/ret@localhost', {}, 'the connection string is no URI'],
    ['postgres://app:sec@ret@localhost', {}, 'the connection string is no URI'],
    ['postgres://app:secret@local host:x', {}, 'the connection string is no URI'],
    [undefined, {}, 'the connection is a value of type undefined'],
    ['postgres://localhost', { channel: '' }, "channel is ''; write a name of 1 to 63 bytes, such as 'cachette'"],
    ['postgres://localhost', { channel: 'ü'.repeat(32) }, "channel is 'üü"],
    ['postgres://localhost', { missed: 'cities' }, "missed is 'cities'; write 'everything', or an array of tags"],
    ['postgres://localhost', { healthCheck: 'often' }, "healthCheck is 'often'"],
    ['postgres://localhost', { longestPause: Infinity }, 'longestPause is Infinity'],
    ['postgres://localhost', { chanel: 'a' }, "there is no option 'chanel'; did you mean 'channel'?"],
  ])('is thrown at once, without a secret: %s with %j', (connection, options, message) => {
    const make = () => postgresChanges(connection as string, options as PostgresChangesOptions);
    expect(make).toThrow(`postgresChanges: ${message}`);
    expect(make).not.toThrow(/secret|sec\/ret|sec@ret/);
  });

  it('is to have no pg, and the feed says how to get it', async () => {
    const missing = Object.assign(new Error("Cannot find package 'pg'"), { code: 'ERR_MODULE_NOT_FOUND' });
    jest.doMock('pg', () => {
      throw missing;
    });
    try {
      const { cache, problems } = following();
      await until('It is told', () => problems.length > 0);
      expect(problems[0]?.message).toContain(
        'postgresChanges: needs the package pg, which is not installed; run: npm install pg.',
      );
      await cache.close();
    } finally {
      jest.dontMock('pg');
    }
  });
});
