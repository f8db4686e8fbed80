import { type RedisOptions, type RedisTestServer, startRedis } from '../support/servers.js';
import { failureSuite, type Kind, type Patient, type Situation, unknownHost, withLogin } from './failure.suite.js';

jest.setTimeout(30_000);

const redis: Kind = { start: (options) => startRedis(options), uri: (port) => `redis://127.0.0.1:${port}` };

/** What one command to the server does, and what another one takes back. */
function configured(fail: readonly string[], recover: readonly string[]): () => Promise<Patient> {
  return async () => {
    const server = await startRedis({});
    return {
      uri: server.uri,
      failsAtOnce: false,
      fail: () => server.cli(...fail),
      recover: () => server.cli(...recover),
      stop: () => server.stop(),
    };
  };
}

/** The password of the URI becomes the server's when somebody corrects the server. */
function lockedOut(options: RedisOptions, uri: (server: RedisTestServer) => string, recover: readonly string[]) {
  return async (): Promise<Patient> => {
    const server = await startRedis(options);
    return {
      uri: uri(server),
      failsAtOnce: true,
      fail: () => {},
      recover: () => server.cli(...recover),
      stop: () => server.stop(),
    };
  };
}

const password = 'wr0ng/p@ss wörd';

const situations: Situation[] = [
  {
    title: 'is out of memory',
    takesDeletes: true,
    begin: configured(['CONFIG', 'SET', 'maxmemory', '1mb'], ['CONFIG', 'SET', 'maxmemory', '0']),
  },
  {
    title: 'has become the replica of a server that is gone',
    begin: configured(['REPLICAOF', '127.0.0.1', '1'], ['REPLICAOF', 'NO', 'ONE']),
  },
  {
    title: 'takes no writes, as it has no replicas',
    begin: configured(['CONFIG', 'SET', 'min-replicas-to-write', '1'], ['CONFIG', 'SET', 'min-replicas-to-write', '0']),
  },
  {
    title: 'refuses the password',
    misconfiguration: { warning: /WRONGPASS/, password },
    begin: lockedOut({ password: 'right' }, ({ port }) => withLogin(redis.uri(port), '', password), [
      'CONFIG',
      'SET',
      'requirepass',
      password,
    ]),
  },
  {
    title: 'asks for a password where none was given',
    misconfiguration: { warning: /NOAUTH/, password: 'right-but-unknown' },
    begin: lockedOut({ password: 'right-but-unknown' }, ({ port }) => redis.uri(port), [
      'CONFIG',
      'SET',
      'requirepass',
      '',
    ]),
  },
  unknownHost('redis'),
];

failureSuite(redis, situations);
