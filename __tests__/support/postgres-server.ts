/** Real PostgreSQL servers for tests: a cluster of their own in a folder of their own. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { Client } from 'pg';

import { startServer, type ServerPlan, type ServerUser, type TestServer } from './server-process.js';

export interface PostgresOptions {
  /** Of the user `postgres`. Without one anybody is let in. */
  readonly password?: string;
  readonly port?: number;
}

export interface PostgresTestServer extends TestServer {
  /** Runs statements as `postgres` over a connection of its own; the rows of the last. */
  sql(statements: string): Promise<Record<string, unknown>[]>;
  /** Statements over one connection, for transactions. Ends with the function. */
  session<T>(act: (sql: (statements: string) => Promise<Record<string, unknown>[]>) => Promise<T>): Promise<T>;
}

/** A PostgreSQL of its own, with the database `postgres`. Its data survive `restart()`, also after `kill()`. */
export async function startPostgres(options: PostgresOptions = {}): Promise<PostgresTestServer> {
  const server = await startServer(postgresPlan(options));
  const session: PostgresTestServer['session'] = (act) => withClient(server.uri, act);
  return Object.assign(server, { session, sql: (statements: string) => session((sql) => sql(statements)) });
}

function postgresPlan({ password, port }: PostgresOptions): ServerPlan {
  const uri = (free: number): string =>
    `postgres://postgres${password === undefined ? '' : `:${encodeURIComponent(password)}`}@127.0.0.1:${free}/postgres`;
  return {
    name: 'postgres',
    port,
    args: (free, directory) => [
      '-D',
      join(directory, 'data'),
      '-p',
      `${free}`,
      ...settings.flatMap((each) => ['-c', each]),
    ],
    uri,
    askPid: (free) => withClient(uri(free), askPid),
    prepare: (_port, directory, run) => {
      const login = join(directory, 'password');
      writeFileSync(login, password ?? '', { mode: 0o644 });
      const trust = password === undefined ? ['--auth=trust'] : ['--auth=scram-sha-256', `--pwfile=${login}`];
      run('initdb', [
        '-D',
        join(directory, 'data'),
        '-U',
        'postgres',
        '-E',
        'UTF8',
        '--locale=C',
        '--no-sync',
        ...trust,
      ]);
    },
    // SIGTERM would wait until all clients have gone.
    restartSignal: 'SIGINT',
    user: unprivileged(),
    hasChildren: true,
  };
}

/** Nothing is to survive the machine. */
const settings = [
  'listen_addresses=127.0.0.1',
  'unix_socket_directories=',
  'fsync=off',
  'full_page_writes=off',
  'shared_buffers=16MB',
  'max_connections=50',
];

/** PostgreSQL refuses to run as root. */
function unprivileged(): ServerUser | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const idOf = (flag: string, name: string): number =>
    Number(spawnSync('id', [flag, name], { encoding: 'utf8' }).stdout || Number.NaN);
  const users = ['postgres', 'nobody'].map((name) => ({ uid: idOf('-u', name), gid: idOf('-g', name) }));
  const user = users.find(({ uid }) => uid > 0);
  if (user === undefined) throw new Error('PostgreSQL does not run as root, and there is no user postgres or nobody.');
  return user;
}

async function withClient<T>(
  uri: string,
  act: (sql: (statements: string) => Promise<Record<string, unknown>[]>) => Promise<T>,
): Promise<T> {
  const client = new Client({ connectionString: uri, connectionTimeoutMillis: 5_000, query_timeout: 30_000 });
  client.on('error', () => {});
  try {
    await client.connect();
    return await act(async (statements) => {
      const results = await client.query<Record<string, unknown>>(statements);
      return [results].flat().at(-1)?.rows ?? [];
    });
  } finally {
    await client.end().catch(() => undefined);
  }
}

async function askPid(sql: (statements: string) => Promise<Record<string, unknown>[]>): Promise<number> {
  const [row] = await sql("SELECT split_part(pg_read_file('postmaster.pid'), E'\\n', 1) AS pid");
  return Number(row?.['pid']);
}
