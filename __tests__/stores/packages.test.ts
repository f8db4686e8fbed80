/** URIs of databases whose Keyv adapters users install themselves, with stand-ins for these packages. */

import { createCache } from 'cachette';

/** What every adapter has that a URI can make. */
class Adapter {
  static made: Adapter[] = [];
  readonly opts = {};
  readonly uri: unknown;
  readonly rows = new Map<string, unknown>();
  disconnects = 0;

  constructor(uri: unknown) {
    this.uri = uri;
    Adapter.made.push(this);
  }

  async get(key: string): Promise<unknown> {
    return this.rows.get(key);
  }

  async set(key: string, row: unknown): Promise<void> {
    this.rows.set(key, row);
  }

  async delete(key: string): Promise<boolean> {
    return this.rows.delete(key);
  }

  async clear(): Promise<void> {}

  async disconnect(): Promise<void> {
    this.disconnects++;
  }
}

beforeEach(() => {
  Adapter.made = [];
});

it.each([
  ['sqlite://cache.sqlite', '@keyv/sqlite', 'KeyvSqlite'],
  ['postgres://user:secret@host:5432/db', '@keyv/postgres', 'KeyvPostgres'],
  ['postgresql://user:secret@host/db?ssl=true', '@keyv/postgres', 'KeyvPostgres'],
  ['mysql://user:secret@host:3306/db', '@keyv/mysql', 'KeyvMysql'],
  ['mongodb://user:secret@host:27017/db', '@keyv/mongo', 'KeyvMongo'],
  ['mongodb+srv://user:secret@host/db', '@keyv/mongo', 'KeyvMongo'],
  ['etcd://host:2379', '@keyv/etcd', 'KeyvEtcd'],
])('%s is kept by the %s that is installed', async (uri, name, className) => {
  const forms = [
    { [className]: Adapter, default: undefined },
    { default: Adapter },
    { default: { [className]: Adapter } },
  ];
  for (const exported of forms) {
    jest.resetModules();
    jest.doMock(name, () => ({ __esModule: true, ...exported }), { virtual: true });
    const cache = createCache(uri, { deadline: '5s' });
    const errors: string[] = [];
    cache.on('error', ({ message }) => errors.push(message));
    let runs = 0;
    const read = cache.wrap('read', async () => ++runs, { tags: 'rows' });
    expect([await read(), await read()]).toEqual([1, 1]);
    expect((await cache.explain(read)).calls).toMatchObject([{ status: 'hit', tier: 'store' }]);
    expect(await cache.invalidate('rows')).toEqual({ status: 'done' });
    expect(await read()).toBe(2);
    await cache.close();
    expect(errors).toEqual([]);
    jest.dontMock(name);
  }
  expect(Adapter.made.map((adapter) => adapter.uri)).toEqual(forms.map(() => uri));
  expect(Adapter.made.map(({ disconnects }) => disconnects)).toEqual(forms.map(() => 1));
  for (const { rows } of Adapter.made)
    expect([...rows.keys()].some((key) => key.startsWith('cachette:1:read:'))).toBe(true);
});
