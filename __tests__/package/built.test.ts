/** The package as users get it: built, and imported by its name. */

import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { triggersSql } from 'cachette/postgres';
import {
  type PostgresTestServer,
  startMemcached,
  startPostgres,
  startRedis,
  startRedisCluster,
} from '../support/servers.js';

const root = join(__dirname, '..', '..');

beforeAll(() => {
  const build = "import('./scripts/build.mjs').then(({ ensureBuilt }) => ensureBuilt())";
  execFileSync(process.execPath, ['-e', build], { cwd: root, stdio: 'pipe' });
}, 120_000);

test.each(['esm', 'cjs'])(
  'the %s build caches on every store, and its process then ends',
  async (form) => {
    const servers = await Promise.all([startRedis({}), startMemcached({}), startRedisCluster()]);
    try {
      const uris = ['memory://', ...servers.map(({ uri }) => uri)];
      const script = join('__tests__', 'package', 'caches.mjs');
      const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, form, ...uris], { cwd: root });
      expect(stderr).toBe('');
      expect(JSON.parse(stdout)).toEqual(uris.map(() => [42, true, 'hit']));
    } finally {
      await Promise.all(servers.map((server) => server.stop()));
    }
  },
  60_000,
);

test('the two builds in one process know of each other', async () => {
  const script = join('__tests__', 'package', 'copies.mjs');
  const { stdout, stderr } = await promisify(execFile)(process.execPath, [script], { cwd: root });
  const known = {
    isOtherClass: true,
    isCacheError: true,
    metadata: '5m',
    key: true,
    values: ['1#1', '1#1', '1#2', '1#3'],
    tainted: 2,
    inherited: [0, 1],
    explained: ['bypass Products.find'],
  };
  expect(stderr).toBe('');
  expect(JSON.parse(stdout)).toEqual([known, known]);
});

test('the command line checks modules of both kinds, and ends whatever they have started', () => {
  const files = ['decorated.mjs', 'decorated.cjs'].map((name) => join('__tests__', 'package', name));
  const cli = join('dist', 'cjs', 'cli.js');
  const { status, stdout, stderr } = spawnSync(process.execPath, [cli, 'check', '--json', ...files], {
    cwd: root,
    encoding: 'utf8',
  });
  expect([status, stderr]).toEqual([1, '']);
  const { problems } = JSON.parse(stdout) as { problems: { method: string; rule: string }[] };
  expect(problems.map(({ method, rule }) => `${method} ${rule}`)).toEqual([
    'Products.find names',
    'Products.find tags',
    'Products.update tags',
    'Orders.find ttl',
  ]);
});

describe('cachette/postgres', () => {
  let postgres: PostgresTestServer;

  beforeAll(async () => {
    postgres = await startPostgres();
  }, 60_000);

  afterAll(() => postgres.stop());

  test.each(['esm', 'cjs'])('in the %s build follows a server, and its process then ends', async (form) => {
    const script = join('__tests__', 'package', 'feeds.mjs');
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, form, postgres.uri], { cwd: root });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({ told: { tags: [], kind: 'invalidate', status: 'done' }, isKnownError: true });
  });

  test('has types that need none of pg', () => {
    const files = readdirSync(join(root, 'dist'), { recursive: true, encoding: 'utf8' });
    const types = files.filter((file) => file.endsWith('.d.ts'));
    expect(types.some((file) => file.endsWith('postgres.d.ts'))).toBe(true);
    expect(types.filter((file) => /['"]pg['"]/.test(readFileSync(join(root, 'dist', file), 'utf8')))).toEqual([]);
  });
});

test.each(['index', 'otel', 'prometheus'])('cachette/%s loads no library for meters when it is imported', (name) => {
  const script = `require('./dist/cjs/${name}.js');
    console.log(Object.keys(require.cache).filter((file) => /prom-client|opentelemetry/.test(file)).length);`;
  expect(execFileSync(process.execPath, ['-e', script], { cwd: root, encoding: 'utf8' })).toBe('0\n');
});

test.each(['esm', 'cjs'])(
  'the %s build of cachette/otel names its version to the meter and the tracer',
  async (form) => {
    const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { readonly version: string };
    const script = `(async () => {
    const [{ createCache }, { instrument }] = await Promise.all(['index', 'otel'].map((name) => import('./dist/${form}/' + name + '.js')));
    const { createNoopMeter, trace } = require('@opentelemetry/api');
    const told = [];
    const meterProvider = { getMeter: (...named) => (told.push(named), createNoopMeter()) };
    const tracerProvider = { getTracer: (...named) => (told.push(named), trace.getTracer('none')) };
    await instrument(createCache(), { meterProvider, tracerProvider });
    console.log(JSON.stringify(told));
  })()`;
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script], { cwd: root });
    expect(JSON.parse(stdout)).toEqual([
      ['cachette', version],
      ['cachette', version],
    ]);
  },
);

test.each(['esm', 'cjs'])(
  'the %s build of cachette/inspector has its page beside it, and its process then ends',
  async (form) => {
    const script = join('__tests__', 'package', 'inspects.mjs');
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, form], {
      cwd: root,
      timeout: 10_000,
    });
    const modules = ['page.js', 'charts.js', 'numbers.js', 'words.js', 'uplot.js'];
    const paths = ['', ...modules, 'page.css', 'uplot.css', 'api/audit'];
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      served: Object.fromEntries(paths.map((path) => [path, 200])),
      isKnownError: true,
    });
  },
);

test.each(['esm', 'cjs'])(
  'the %s build of cachette/testing works with the cache in the other bundle, and needs no test runner',
  async (form) => {
    const script = join('__tests__', 'package', 'tested.mjs');
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [script, form], { cwd: root });
    expect(stderr).toBe('');
    expect(JSON.parse(stdout)).toEqual({
      isKnownError: true,
      frozen: 'deadline',
      refused: 'refused',
      unreachable: 'unreachable',
      expectations: 'read was a miss (expired, 300000 ms old), and a hit was expected',
      brokenFacts: [[], []],
    });
  },
  30_000,
);

describe('the command line', () => {
  const { bin, version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly bin: { readonly cachette: string };
    readonly version: string;
  };
  const cachette = join(root, bin.cachette);

  test('prints SQL, and loads neither pg nor Redis', async () => {
    const args = ['postgres', 'triggers', '--table', 'cities', '--tag', 'city:{id}'];
    const { stdout, stderr } = await promisify(execFile)(cachette, args);
    expect([stdout, stderr]).toEqual([triggersSql({ table: 'cities', tags: ['city:{id}'] }), '']);
    const print = "process.on('exit', () => console.log(Object.keys(require.cache).join()))";
    const loaded = `process.argv.splice(1, 0, 'cachette'); ${print}; require('node:module').runMain('${cachette}')`;
    const listed = await promisify(execFile)(process.execPath, ['-e', loaded, '--', ...args]);
    expect(listed.stdout).toContain('cli.js');
    expect(listed.stdout).not.toContain('node_modules');
  });

  test('knows the version of the package, and ends with 2 after a mistake', async () => {
    expect((await promisify(execFile)(cachette, ['--version'])).stdout).toBe(`${version}\n`);
    const failure: unknown = await promisify(execFile)(cachette, ['postgers']).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining("did you mean 'postgres'?") });
  });
});

// What `npm install keyv` gives without a range fits neither adapter.
test('the installed keyv is one that both adapters accept', async () => {
  const packages = ['keyv', '@keyv/redis', '@keyv/memcache'];
  const { stdout } = await promisify(execFile)('npm', ['ls', '--json', ...packages], { cwd: root });
  const { dependencies } = JSON.parse(stdout) as {
    dependencies: Record<string, { version: string; dependencies?: object }>;
  };
  for (const adapter of packages.slice(1)) {
    expect(dependencies[adapter]?.dependencies).toEqual({ keyv: { version: dependencies['keyv']?.version } });
  }
});
