import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';

import { findBinary } from '../support/find-binary.js';
import { ServerProcess } from '../support/server-process.js';
import { freePort, startMemcached, type MemcachedTestServer } from '../support/servers.js';
import {
  failureSuite,
  type Kind,
  type Patient,
  replacedBy,
  type Situation,
  unknownHost,
  withLogin,
} from './failure.suite.js';

jest.setTimeout(30_000);

const memcached: Kind = { start: (options) => startMemcached(options), uri: (port) => `memcached://127.0.0.1:${port}` };

/** `-M`: says that it is full, where others would evict. */
async function beginFull(): Promise<Patient> {
  const server = await startMemcached({ memoryMb: 2, args: ['-M', '-o', 'no_modern'] });
  return {
    uri: server.uri,
    failsAtOnce: false,
    fail: () => fill(server),
    recover: () => server.command('flush_all'),
    stop: () => server.stop(),
  };
}

/** Items of each size are kept apart, so that there may be room for some when there is none for others. */
async function fill(server: MemcachedTestServer): Promise<void> {
  for (let size = 1; size < 600; size = Math.ceil(size * 1.1)) {
    const items = Array.from(
      { length: 12_000 },
      (_, i) => `set full:${size}:${i} 0 0 ${size} noreply\r\n${'x'.repeat(size)}`,
    );
    await server.command(items.join('\r\n')).catch(() => undefined);
  }
}

const password = 'wr0ng/p@ss wörd';

/** A server with SASL and nobody in its list of users. It answers only who has logged in, so that its pid cannot be asked. */
async function beginLockedOut(): Promise<Patient> {
  const server: ServerProcess = new ServerProcess(
    {
      name: 'memcached',
      args: (port) => [...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), '-S', '-l', '127.0.0.1', '-p', `${port}`],
      uri: (port) => withLogin(memcached.uri(port), 'user', password),
      prepare: (_, directory) =>
        writeFileSync(join(directory, 'memcached.conf'), `mech_list: plain\nsasldb_path: ${directory}/nobody\n`),
      askPid: async (port) => {
        const socket = connect(port, '127.0.0.1');
        await once(socket, 'connect');
        socket.destroy();
        return server.pid ?? 0;
      },
    },
    findBinary('memcached'),
    await freePort(),
  );
  process.env['SASL_CONF_PATH'] = server.directory;
  await server.start().finally(() => delete process.env['SASL_CONF_PATH']);
  return { ...replacedBy(memcached, server.port, () => server.stop()), uri: server.uri };
}

const situations: Situation[] = [
  { title: 'is out of memory', takesDeletes: true, begin: beginFull },
  {
    title: 'refuses the password',
    misconfiguration: { warning: /authentication failed/i, password },
    begin: beginLockedOut,
  },
  unknownHost('memcached'),
];

failureSuite(memcached, situations);
