/** Real memcached servers for tests. */
import { ask } from './ask.js';
import { externalServer } from './external-server.js';
import { startServer, type ServerPlan, type TestServer } from './server-process.js';

export interface MemcachedOptions {
  /** Further memcached arguments, such as `['-I', '2m']`. */
  readonly args?: readonly string[];
  readonly memoryMb?: number;
  readonly port?: number;
}

export interface MemcachedTestServer extends TestServer {
  stats(): Promise<Record<string, string>>;
  /**
   * One command of the text protocol without the last line end; the reply likewise. A value to be stored follows as a
   * second line: `set k 0 0 2\r\nhi`. Rejects with the server's message on an error reply.
   */
  command(line: string): Promise<string>;
}

/**
 * A memcached of its own. Called without any options it is the server of `CACHETTE_TEST_MEMCACHED_URL` where that is
 * set: a test that kills or freezes it passes options, if only `{}`.
 */
export async function startMemcached(options?: MemcachedOptions): Promise<MemcachedTestServer> {
  const url = process.env['CACHETTE_TEST_MEMCACHED_URL'];
  if (options === undefined && url) return externalMemcached(url);
  const server = await startServer(memcachedPlan(options ?? {}));
  return Object.assign(server, commandsFor(server.host, server.port));
}

function memcachedPlan({ args = [], memoryMb = 64, port }: MemcachedOptions): ServerPlan {
  return {
    name: 'memcached',
    port,
    args: (free) => [...user(), '-l', '127.0.0.1', '-p', `${free}`, '-U', '0', '-m', `${memoryMb}`, ...args],
    uri: (free) => `memcached://127.0.0.1:${free}`,
    askPid: async (free) => Number((await commandsFor('127.0.0.1', free).stats())['pid']),
  };
}

/** memcached refuses to run as root, and asks root to name somebody. */
function user(): string[] {
  return process.getuid?.() === 0 ? ['-u', 'nobody'] : [];
}

async function externalMemcached(url: string): Promise<MemcachedTestServer> {
  const { hostname, port } = new URL(url);
  const address = { host: hostname, port: Number(port || 11211) };
  const commands = commandsFor(address.host, address.port);
  await commands.stats();
  return { ...externalServer({ uri: url, ...address, variable: 'CACHETTE_TEST_MEMCACHED_URL' }), ...commands };
}

function commandsFor(host: string, port: number): Pick<MemcachedTestServer, 'stats' | 'command'> {
  const command = (line: string) => memcachedCommand(host, port, line);
  return { command, stats: async () => parseStats(await command('stats')) };
}

/** The no-op after it, which answers MN, marks the end of a reply of any shape. memcached knows it from 1.6 on. */
async function memcachedCommand(host: string, port: number, line: string): Promise<string> {
  const reply = await ask({
    host,
    port,
    text: `${line}\r\nmn\r\n`,
    parse: (received) => (/(^|\r\n)MN\r\n$/.test(received) ? received.slice(0, -'MN\r\n'.length) : undefined),
    onEnd: (received) => received,
  });
  if (/^(ERROR|CLIENT_ERROR|SERVER_ERROR)/.test(reply)) throw new Error(reply.trimEnd());
  return reply.replace(/\r\n$/, '');
}

function parseStats(reply: string): Record<string, string> {
  const pairs = [...reply.matchAll(/^STAT (\S+) (.*?)\r?$/gm)];
  return Object.fromEntries(pairs.map(([, name = '', value = '']) => [name, value]));
}
