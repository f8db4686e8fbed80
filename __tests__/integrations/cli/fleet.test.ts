/** `top` and `audit` over real processes and a real server. */

import { type Cache, createCache } from 'cachette';
import { runChild, type TestChild } from '../../support/child.js';
import { type RedisTestServer, startMemcached, startRedis, startRedisCluster, until } from '../../support/servers.js';
import { typed, typedIn } from './typed.js';

let redis: RedisTestServer;
let children: TestChild[];
const namespace = `fleet-${process.pid}`;

beforeAll(async () => {
  redis = await startRedis({ password: 'secret' });
  const env = { STORE: redis.uri, NAMESPACE: namespace };
  children = [1, 2].map(() => runChild('__tests__/integrations/cli/fleet.child.ts', env));
  for (const child of children) await call(child, '1', '1', '1', '2');
  await until('both are heard', async () => (await view()).processes.length === 2);
}, 30_000);

afterAll(async () => {
  await Promise.all(children.map((child) => child.kill()));
  await redis.stop();
});

async function call(child: TestChild, ...ids: string[]): Promise<void> {
  child.send(ids);
  await child.next();
}

interface View {
  readonly processes: readonly { readonly pid: number; readonly bus: object; readonly callsPerSecond?: number }[];
  readonly methods: readonly { readonly method: string; readonly calls: number }[];
}

const top = (...args: string[]) => typed('top', redis.uri, '--namespace', namespace, ...args);

async function view(): Promise<View> {
  return JSON.parse((await top('--once', '--json', '--interval', '100ms')).out) as View;
}

/** A terminal in which `keys` are pressed when something has been drawn. */
function screen(press: (shown: string, key: (key: string) => void) => void) {
  let shown = '';
  let onKey = (_: string): void => {};
  return {
    screen: { columns: 120, rows: 30 },
    listen: (listener: (key: string) => void = () => {}) => {
      onKey = listener;
      return () => (onKey = () => {});
    },
    out: (text: string) => {
      shown += text;
      press(shown, (key) => onKey(key));
    },
    get shown() {
      return shown;
    },
  };
}

describe('top', () => {
  it('sees every process but itself, and others of its kind', async () => {
    const other = typedIn(
      screen((shown, key) => shown.split('Products.find').length > 3 && key('q')),
      'top',
      redis.uri,
      '--namespace',
      namespace,
      '--interval',
      '100ms',
    );
    const { processes, methods } = await view();
    expect(processes.map(({ pid }) => pid).sort()).toEqual(children.map(({ pid }) => pid).sort());
    expect(methods).toMatchObject([
      { method: 'Products.find', calls: 8, hitsByTier: { memory: 4 }, missesByReason: { absent: 2 } },
    ]);
    await other;
  });

  it('prints one table where there is no screen', async () => {
    const { code, out, error } = await top('--interval', '100ms');
    expect([code, error]).toEqual([0, '']);
    expect(out).toMatch(/^redis:\/\/:\*\*\*@127.0.0.1:\d+, namespace fleet-\d+, 2 processes\n/);
    expect(out).toMatch(/\nProducts.find +\d/);
    expect(out).not.toContain('\u001b');
  });

  it('draws on a screen until q is pressed, and leaves it as it was', async () => {
    const terminal = screen((shown, key) => shown.split('\u001b[H').length > 3 && key('q'));
    const { code } = await typedIn(terminal, 'top', redis.uri, '--namespace', namespace, '--interval', '100ms');
    expect(code).toBe(0);
    expect(terminal.shown.startsWith('\u001b[?1049h')).toBe(true);
    expect(terminal.shown.endsWith('\u001b[?1049l')).toBe(true);
    expect(terminal.shown).toContain('Products.find');
  });

  it('scrolls, and can be put aside and taken up again', async () => {
    const resumed: (() => void)[] = [];
    const terminal = screen((shown, key) => {
      const frames = shown.split('\u001b[H').length - 1;
      if (frames === 1) key('\u001b[B');
      if (frames === 2 && resumed.length === 0) key('\u001a');
      if (frames === 3) key('q');
    });
    const suspend = (resume: () => void): void => {
      resumed.push(resume);
      setImmediate(resume);
    };
    const { code } = await typedIn(
      { ...terminal, out: terminal.out, suspend },
      'top',
      redis.uri,
      '--namespace',
      namespace,
      '--interval',
      '1h',
    );
    expect([code, resumed.length]).toEqual([0, 1]);
    expect(terminal.shown.split('\u001b[?1049h')).toHaveLength(3);
    expect(terminal.shown.split('\u001b[?1049l')).toHaveLength(3);
  });

  it.each(['\u0003', 'stop'])('ends by %j too', async (ending) => {
    const stopping = new AbortController();
    const terminal = screen((shown, key) => {
      if (!shown.includes('Products.find')) return;
      if (ending === 'stop') stopping.abort();
      else key(ending);
    });
    const { code } = await typedIn(
      { ...terminal, out: terminal.out, stopped: stopping.signal },
      'top',
      redis.uri,
      '--namespace',
      namespace,
    );
    expect(code).toBe(0);
    expect(terminal.shown.endsWith('\u001b[?1049l')).toBe(true);
  });

  it('prints a line of JSON at each refresh, with rates from the second on', async () => {
    const stopping = new AbortController();
    let lines: string[] = [];
    const out = (text: string): void => {
      lines = [...lines, ...text.split('\n').filter(Boolean)];
      if (lines.length === 2) void call(children[0]!, '1', '1');
      if (lines.length === 4) stopping.abort();
    };
    await typedIn(
      { out, stopped: stopping.signal },
      'top',
      redis.uri,
      '--namespace',
      namespace,
      '--json',
      '--interval',
      '100ms',
    );
    const rates = lines.map(
      (line) => (JSON.parse(line) as { total: { callsPerSecond?: number } }).total.callsPerSecond,
    );
    expect(rates.slice(0, 2)).toEqual([undefined, 0]);
    expect(Math.max(...rates.slice(2).map(Number))).toBeGreaterThan(0);
  });
});

describe('audit', () => {
  it('asks every process but itself', async () => {
    const { code, out } = await typed('audit', redis.uri, '--namespace', namespace, '--json');
    expect(code).toBe(0);
    const { processes } = JSON.parse(out) as View;
    expect(processes.map(({ pid }) => pid).sort()).toEqual(children.map(({ pid }) => pid).sort());
  });

  it('tells how much it knows', async () => {
    const { out } = await typed('audit', redis.uri, '--namespace', namespace);
    expect(out).toMatch(/^2 processes, recorded for /);
  });
});

it('sees processes without memory in front of the store, also before their first invalidation, and one that is off', async () => {
  const [plain, off] = [1, 2].map(() => createCache(redis.uri, { namespace: 'plain' })) as [Cache, Cache];
  off.enabled = false;
  const load = plain.wrap('Rates.of', async () => 1.08, { ttl: '1h' });
  await load();
  await load();
  const { code, out } = await typed(
    'top',
    redis.uri,
    '--namespace',
    'plain',
    '--json',
    '--once',
    '--interval',
    '100ms',
  );
  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({
    processes: expect.arrayContaining([
      expect.objectContaining({ enabled: true, bus: { state: 'idle', peers: 0 } }),
      expect.objectContaining({ enabled: false }),
    ]),
    methods: [{ method: 'Rates.of', calls: 2, hitsByTier: { store: 1 } }],
  });
  const lines = await typed('top', redis.uri, '--namespace', 'plain', '--once', '--interval', '100ms');
  expect(lines.out).toMatch(/ idle, 0 peers +closed +0 +- /);
  await Promise.all([plain.close(), off.close()]);
});

it('sees them on a cluster too', async () => {
  const cluster = await startRedisCluster();
  const caches = [1, 2].map(() => createCache(cluster.uri, { deadline: '5s' }));
  for (const cache of caches) await cache.getOrLoad('greeting', async () => 'hello');
  const { out } = await typed('top', cluster.uri, '--json', '--once', '--interval', '100ms');
  expect((JSON.parse(out) as View).processes).toHaveLength(2);
  await Promise.all(caches.map((cache) => cache.close()));
  await cluster.stop();
}, 60_000);

it('asks the server for no subscription again and again where the user may have none', async () => {
  await redis.cli('ACL', 'SETUSER', 'plain', 'on', '>pass', '~*', '+@all', 'resetchannels');
  const uri = redis.uri.replace(':secret@', 'plain:pass@');
  const cache = createCache(uri, { namespace: 'mute', deadline: '5s' });
  await cache.getOrLoad('greeting', async () => 'hello');
  const connections = async (): Promise<number> =>
    Number(/total_connections_received:(\d+)/.exec(await redis.cli('INFO', 'stats'))?.[1]);
  await until('it was refused', async () => (await redis.cli('ACL', 'LOG')).includes('channel'));
  const before = await connections();
  await new Promise((resolve) => setTimeout(resolve, 300));
  // the command line of this test makes one itself
  expect((await connections()) - before).toBeLessThanOrEqual(1);
  await cache.close();
});

it.each(['top', 'audit'])('%s ends with 1 where no process answers', async (command) => {
  const cache = createCache(['memory://', redis.uri], { namespace: 'another' });
  await cache.getOrLoad('greeting', async () => 'hello');
  const { code, out } = await typed(
    command,
    redis.uri,
    '--namespace',
    'lonely',
    ...(command === 'top' ? ['--interval', '100ms'] : []),
  );
  expect([code, out]).toEqual([
    1,
    expect.stringContaining("No process answers in the namespace 'lonely'; there are: "),
  ]);
  expect(out).toContain('another');
  await cache.close();
});

it.each(['top', 'audit'])('%s says that a store has no bus', async (command) => {
  const memcached = await startMemcached({});
  const { code, error } = await typed(command, memcached.uri);
  expect([code, error]).toEqual([2, expect.stringContaining('has no bus, over which processes could be asked')]);
  await memcached.stop();
});

it.each([
  [['top', 'memory://'], 2, 'memory:// is the memory of one process'],
  [['top', 'redis://127.0.0.1:1'], 3, 'redis://127.0.0.1:1 cannot be reached'],
  [['audit', 'redis://127.0.0.1:1'], 3, 'redis://127.0.0.1:1 cannot be reached'],
  [['top', 'redis://127.0.0.1:1', '--interval', 'soon'], 2, 'cachette top --interval'],
  [['top', 'redis://127.0.0.1:1', '--interval', '10ms'], 2, "--interval is from 100ms to 1h, and not '10ms'"],
  [['top', 'redis://127.0.0.1:1', '--interval', 'Infinity'], 2, 'cachette top --interval'],
  [['top', 'redis://127.0.0.1:1', '--interval', '2h'], 2, "--interval is from 100ms to 1h, and not '2h'"],
  [['top', 'redis://127.0.0.1:1', '--sort', 'mises'], 2, "there is no order 'mises'; did you mean 'misses'?"],
])('%j ends with %i', async (args, exitCode, message) => {
  const { code, error } = await typed(...args);
  expect([code, error]).toEqual([exitCode, expect.stringContaining(message)]);
});

it('says that the store cannot be reached, and not that nobody is there', async () => {
  const own = await startRedis({});
  const cache = createCache(own.uri, { namespace: 'shop' });
  const load = cache.wrap('Rates.of', async () => 1.08, {});
  await load();
  const stopping = new AbortController();
  const views: { processes: { answered: boolean }[]; total: { calls: number }; problem?: string }[] = [];
  const out = (text: string): void => {
    if (text === '') return;
    const view = JSON.parse(text) as (typeof views)[number];
    views.push(view);
    if (view.processes.length === 1 && views.length < 10 && !view.problem) void own.stop();
    if (view.problem || views.length > 50) stopping.abort();
  };
  await typedIn(
    { out, stopped: stopping.signal },
    'top',
    own.uri,
    '--namespace',
    'shop',
    '--json',
    '--interval',
    '100ms',
  );
  expect(views.at(-1)).toMatchObject({
    processes: [{ answered: false }],
    total: { calls: 1 },
    problem: expect.stringMatching(/^redis:\/\/127.0.0.1:\d+ cannot be reached, since \d s$/),
  });
  await cache.close();
}, 30_000);
