/** The example runs in processes of its own: PGlite loads itself in ways that jest does not allow. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { buildSync } from 'esbuild';
import { repositoryRoot } from '../support/find-binary.js';
import { startMemcached, startRedis, type TestServer } from '../support/servers.js';

const root = repositoryRoot();
const withinMs = 120_000;
let directory: string;

beforeAll(() => {
  // inside the repository, as packages are found from where the script lies
  const cache = join(root, '.cache');
  mkdirSync(cache, { recursive: true });
  directory = mkdtempSync(join(cache, 'cities-'));
  buildSync({
    absWorkingDir: root,
    entryPoints: [
      'examples/cities/main.ts',
      'examples/cities/database-worker.ts',
      'examples/cities/member.ts',
      '__tests__/examples/cities.child.ts',
    ],
    entryNames: '[name]',
    outdir: directory,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    alias: {
      cachette: './src/index.ts',
      'cachette/inspector': './src/observe/inspector.ts',
      'cachette/postgres': './src/integrations/postgres.ts',
    },
    // where the page lies
    define: { __dirname: JSON.stringify(join(root, 'src', 'observe', 'inspector')) },
    keepNames: true,
    logLevel: 'silent',
  });
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function node(script: string, ...args: string[]): Promise<Ended> {
  return new Promise((resolve) => {
    execFile(process.execPath, [join(directory, script), ...args], { timeout: withinMs }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? -1) : 0, stdout, stderr }),
    );
  });
}

describe('the city catalogue', () => {
  const servers: TestServer[] = [];
  afterAll(() => Promise.all(servers.map((server) => server.stop())));

  it(
    'is read from the cache and never stale, on each store; the checks find a forgotten invalidation',
    async () => {
      servers.push(...(await Promise.all([startRedis(), startMemcached()])));
      const { code, stdout, stderr } = await node('cities.child.js', 'memory://', ...servers.map(({ uri }) => uri));
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      const reports = JSON.parse(stdout) as { hits: number; writes: number; compared: number; stale: number }[];
      const forgetful = reports.pop();
      expect(reports).toHaveLength(3);
      for (const report of reports) {
        expect(report).toMatchObject({ stale: 0 });
        expect(Math.min(report.hits, report.writes, report.compared)).toBeGreaterThan(0);
      }
      expect(forgetful?.stale).toBeGreaterThan(0);
    },
    withinMs,
  );
});

describe('npm start', () => {
  it(
    'shows what the cache brings, without control characters where nobody looks, and ends by itself',
    async () => {
      const { code, stdout, stderr } = await node('main.js', '--seconds', '1', '--readers', '5');
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      expect(stdout).toMatch(/^Filling PostgreSQL with 135,233 cities … [\d.]+ s$/m);
      for (const method of ['find', 'largest', 'search']) expect(stdout).toMatch(new RegExp(`^│ ${method} .*│$`, 'm'));
      expect(stdout).toMatch(/^Stale reads: 0\. [\d,]+ were checked/m);
      expect(stdout).toMatch(/^50 rows were changed past the catalogue, .* p50 [\d.]+ [mµ]s, slowest [\d.]+ [mµ]s\.$/m);
      // eslint-disable-next-line no-control-regex -- what must not be there
      expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
    },
    withinMs,
  );

  it.each<[string, () => Promise<TestServer & { readonly uri: string }>]>([
    ['Redis', () => startRedis()],
    ['memcached', () => startMemcached()],
  ])(
    'shows the same on %s',
    async (_name, start) => {
      const server = await start();
      try {
        const { code, stdout, stderr } = await node(
          'main.js',
          '--store',
          server.uri,
          '--seconds',
          '1',
          '--readers',
          '5',
        );
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        const headings = ['', 'calls', 'hits', 'misses', 'hit rate', 'p50', 'p99']
          .map((name) => ` *${name} *`)
          .join('│');
        expect(stdout).toMatch(new RegExp(`^│${headings}│$`, 'm'));
        expect(stdout).toMatch(/^│ find +│ +[\d,]+ │ +[1-9][\d,]* │ .*│$/m);
        expect(stdout).toMatch(/^Stale reads: 0\. [\d,]+ were checked by version, [1-9][\d,]* more compared with/m);
      } finally {
        await server.stop();
      }
    },
    withinMs,
  );

  it.each<[string, () => Promise<TestServer>]>([
    ['Redis', () => startRedis({})],
    ['memcached', () => startMemcached({})],
  ])(
    'shows the same of three processes with memory in front of %s',
    async (_name, start) => {
      const server = await start();
      try {
        const options = ['--seconds', '2', '--readers', '3', '--processes', '3'];
        // A store that is slow to connect on a busy machine may be told of on stderr.
        const { code, stdout } = await node('main.js', '--store', server.uri, ...options);
        expect(code).toBe(0);
        expect(stdout).toMatch(/^│ find +│ +[\d,]+ │ +[1-9][\d,]* │ .*│$/m);
        expect(stdout).toMatch(/^Stale reads: 0\. [\d,]+ were checked by version, [1-9][\d,]* more compared with/m);
        expect(stdout).toMatch(/^All of it is the sum over 3 processes\.$/m);
      } finally {
        await server.stop();
      }
    },
    withinMs,
  );

  it.each<[string, (() => Promise<TestServer & { readonly uri: string }>) | undefined]>([
    ['memory', undefined],
    ['Redis', () => startRedis()],
  ])(
    'stops the database, and no call fails with staleIfError on %s',
    async (_name, start) => {
      const server = await start?.();
      try {
        const store = server ? ['--store', server.uri] : [];
        const options = ['--outage', '--seconds', '1', '--readers', '3', ...store];
        const { code, stdout, stderr } = await node('main.js', ...options);
        expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
        expect(stdout).toMatch(/^│ +│ +calls │ +hits │ +stale │ +misses │ +failed │/m);
        expect(stdout).toMatch(/^│ find +│ +[\d,]+ │ +[1-9][\d,]* │ +[1-9][\d,]* │ .*│ +[1-9][\d,]* → 0 │.*│$/m);
        expect(stdout).toMatch(/^Failed calls: [1-9][\d,]* without staleIfError → 0 with staleIfError: '5m'\.$/m);
        expect(stdout).toMatch(/^Stale reads, which show less than had been written: 0\. Writes: [1-9]/m);
      } finally {
        await server?.stop();
      }
    },
    withinMs,
  );

  it(
    'shows the cache as a page while it runs, and ends with what the audit says',
    async () => {
      const args = [join(directory, 'main.js'), '--inspect', '--seconds', '2', '--readers', '3'];
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const url = new Promise<string>((resolve) => {
        let sofar = '';
        child.stdout.on('data', (chunk: Buffer) => {
          sofar += chunk.toString();
          const [, found] = /The cache as a page: (\S+)\n/.exec(sofar) ?? [];
          if (found !== undefined) resolve(found);
        });
      });
      const [stdout, page] = await Promise.all([text(child.stdout), url.then(fetch).then((answer) => answer.text())]);
      expect(page).toContain('<title>');
      expect(stdout).toMatch(/^The audit (says:\n- |has found nothing to change\.$)/m);
      expect(child.exitCode ?? 0).toBe(0);
    },
    withinMs,
  );

  it('explains itself', async () => {
    const { code, stdout } = await node('main.js', '--help');
    expect(code).toBe(0);
    expect(stdout).toMatch(/--store URI[^]+--seconds N[^]+--readers N[^]+--processes N[^]+--inspect[^]+--outage/);
  });

  it.each([
    [['--store', 'reddis://localhost'], /unknown scheme 'reddis'.*did you mean 'redis:\/\/'/],
    [['--store', 'redis://me:secret@localhost:port'], /^(?!.*secret)/],
    [['--seconds', 'many'], /^--seconds: 'many' is not above 0/],
    [['--readers', '-3'], /--readers=-XYZ/],
    [['--processes', '0'], /^--processes: '0' is not above 0/],
    [['--processes', '4'], /^--processes 4: with memory:\/\/ alone .* add --store redis:\/\/localhost:6379/],
    [['--processes', '2', '--outage'], /^--outage is for one process/],
    [['--outage', '--store', 'reddis://localhost'], /unknown scheme 'reddis'/],
    [['--processes', '2', '--store', 'reddis://localhost'], /unknown scheme 'reddis'/],
    [['--second', '5'], /Unknown option '--second'/],
  ])('says in one line what is wrong with %j', async (args, message) => {
    const { code, stdout, stderr } = await node('main.js', ...args);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr.trimEnd()).not.toContain('\n');
  });
});

describe('docs/tutorial.md', () => {
  it('ends with the service of the example', () => {
    const [tutorial, service] = ['docs/tutorial.md', 'examples/cities/cities.ts'].map((file) =>
      readFileSync(join(root, file), 'utf8'),
    );
    expect(tutorial).toContain(service);
  });
});
