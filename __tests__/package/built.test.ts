/** The package as users get it: built, and imported by its name. */

import { execFile, execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startMemcached, startRedis, startRedisCluster } from '../support/servers.js';

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
