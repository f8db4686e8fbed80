import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { findBinary, repositoryRoot } from './find-binary.js';
import { startMemcached, startPostgres, startRedis } from './servers.js';

const GET_SERVERS = join(repositoryRoot(), 'scripts', 'get-servers.mjs');
const path = process.env['PATH'] ?? '';
const workingDirectory = process.cwd();
let root: string;

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'cachette-binaries-')));
  writeFileSync(join(root, 'package.json'), '{}');
  process.chdir(root);
  process.env['PATH'] = join(root, 'bin');
});

afterEach(() => {
  process.chdir(workingDirectory);
  process.env['PATH'] = path;
  rmSync(root, { recursive: true, force: true });
});

function program(file: string, text = 'exit 0'): string {
  const target = join(root, file);
  mkdirSync(join(target, '..'), { recursive: true });
  writeFileSync(target, `#!/bin/sh\n${text}\n`);
  chmodSync(target, 0o755);
  return target;
}

describe('findBinary', () => {
  it('takes what is on the PATH first', () => {
    const onPath = program('bin/memcached');
    program('.cache/servers/usr/bin/memcached');
    expect(findBinary('memcached')).toEqual({ kind: 'file', path: onPath, env: {} });
  });

  it('takes what servers:get unpacked next, with its libraries, also from a folder inside', () => {
    const unpacked = program('.cache/servers/usr/bin/redis-server');
    const libraries = join(root, '.cache/servers/usr/lib/some-architecture');
    mkdirSync(libraries, { recursive: true });
    mkdirSync(join(root, 'folder'));
    process.chdir(join(root, 'folder'));
    program('bin/docker');
    expect(findBinary('redis-server')).toEqual({ kind: 'file', path: unpacked, env: { LD_LIBRARY_PATH: libraries } });
  });

  it('finds postgres where Debian has it, the newest', () => {
    for (const version of ['9', '16']) program(`.cache/servers/usr/lib/postgresql/${version}/bin/postgres`);
    expect(findBinary('postgres')).toMatchObject({ path: expect.stringMatching(/\/postgresql\/\d\d\/bin\/postgres$/) });
  });

  it('takes the browser that is named, and no docker image instead of it', () => {
    process.env['CACHETTE_TEST_CHROMIUM'] = '/somewhere/chrome';
    expect(findBinary('chromium')).toEqual({ kind: 'file', path: '/somewhere/chrome', env: {} });
    delete process.env['CACHETTE_TEST_CHROMIUM'];
    program('bin/docker', 'test "$1" = info');
    program('.cache/servers/usr/lib/chromium/chromium');
    expect(findBinary('chromium')).toMatchObject({
      kind: 'file',
      path: expect.stringMatching(/lib\/chromium\/chromium$/),
    });
  });

  it('takes docker where only its daemon answers', () => {
    program('bin/docker', 'test "$1" = info');
    expect(findBinary('redis-server')).toEqual({ kind: 'image', image: 'redis:7', path: 'redis-server' });
  });

  it('says how to get a server where there is none', () => {
    program('bin/docker', 'exit 1');
    expect(() => findBinary('memcached')).toThrow(/no memcached on the PATH[^]*npm run servers:get/);
  });

  it('fails the start of a server where there is none', async () => {
    await expect(startRedis({})).rejects.toThrow('npm run servers:get');
  });
});

/** Stands in for docker with the servers of this machine: it checks the options and speaks to the process instead. */
const DOCKER = `
PATH="$REAL_PATH"
case "$1" in
  info) exit 0 ;;
  kill) [ "$2" = --signal ] && exec kill -s "\${3#SIG}" "$(cat "$PIDS/$4")"; exec kill -9 "$(cat "$PIDS/$2")" ;;
  pause) exec kill -s STOP "$(cat "$PIDS/$2")" ;;
  unpause) exec kill -s CONT "$(cat "$PIDS/$2")" ;;
  run) ;;
  *) exit 125 ;;
esac
shift
while [ "$1" != "\${1#-}" ]; do
  case "$1" in
    --rm) shift; continue ;;
    --name) echo $$ > "$PIDS/$2" ;;
    --entrypoint) program=$2 ;;
    --network) [ "$2" = host ] || exit 125 ;;
    --user) user=$2 ;;
    --volume | --workdir) ;;
    *) exit 125 ;;
  esac
  shift 2
done
shift
[ "$(id -u):$(id -g)" = "$user" ] && exec "$program" "$@"
exec setpriv --reuid="\${user%:*}" --regid="\${user#*:}" --clear-groups "$program" "$@"`;

describe('a server in a container', () => {
  beforeEach(() => {
    program('bin/docker', DOCKER);
    process.env['REAL_PATH'] = path;
    process.env['PIDS'] = root;
  });

  it.each([
    ['Redis', startRedis],
    ['memcached', startMemcached],
    ['PostgreSQL', startPostgres],
  ])('%s starts, is killed, frozen, restarted and stopped like any other', async (_name, start) => {
    const server = await start({});
    await server.kill();
    expect(server.pid).toBeUndefined();
    await server.restart();
    server.freeze();
    server.thaw();
    await server.restart();
    const { pid } = server;
    await server.stop();
    expect(() => process.kill(pid ?? 0, 0)).toThrow('ESRCH');
  });
});

describe('npm run servers:get', () => {
  it('has nothing to do where the servers are there', () => {
    const output = execFileSync(process.execPath, [GET_SERVERS], {
      env: { ...process.env, PATH: path },
      encoding: 'utf8',
    });
    expect(output).toMatch(/^Nothing to do: redis-server .*, memcached .*, postgres .*, chromium .*\.\n$/);
  });

  it('fails with advice where nothing helps', () => {
    const copy = join(root, 'scripts', 'get-servers.mjs');
    mkdirSync(join(root, 'scripts'));
    symlinkSync(GET_SERVERS, copy);
    const { status, stderr } = spawnSync(process.execPath, ['--preserve-symlinks-main', copy], {
      env: { PATH: '' },
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toContain('no redis-server and no memcached');
    expect(stderr).toContain('apt-get install -y redis-server memcached postgresql');
  });

  it('pulls the images where only docker is there', () => {
    const copy = join(root, 'scripts', 'get-servers.mjs');
    mkdirSync(join(root, 'scripts'));
    symlinkSync(GET_SERVERS, copy);
    program('bin/docker', `echo "$@" >> ${join(root, 'calls')}`);
    program('bin/chromium');
    const output = execFileSync(process.execPath, ['--preserve-symlinks-main', copy], {
      env: { PATH: join(root, 'bin') },
      encoding: 'utf8',
    });
    expect(output).toContain(
      'Done with docker pull: redis-server as docker image redis:7, memcached as docker image memcached:1.6, postgres ',
    );
  });
});
