import { connect } from 'node:net';

import { startFaultyServer, type Fault } from './faulty-server.js';

interface Seen {
  readonly bytes: number;
  /** `open`, `fin`, or the code of the error. */
  readonly end: string;
}

/** Sends a PING and watches for a moment what becomes of the connection, long enough for a busy machine to answer. */
function observe(port: number): Promise<Seen> {
  return new Promise((resolve) => {
    let bytes = 0;
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'));
    const settle = (end: string): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ bytes, end });
    };
    const timer = setTimeout(() => settle('open'), 500);
    socket.on('data', (chunk) => (bytes += chunk.length));
    socket.once('end', () => settle('fin'));
    socket.once('error', (error: NodeJS.ErrnoException) => settle(error.code ?? error.message));
  });
}

it.each<[Fault, 'no' | 'some', string]>([
  ['silent', 'no', 'open'],
  ['fin', 'no', 'fin'],
  ['reset', 'no', 'ECONNRESET'],
  ['rubbish', 'some', 'open'],
])('a client of a server in mode %s sees %s bytes and a connection in state %s', async (mode, bytes, end) => {
  const server = await startFaultyServer(mode);
  const observed = await observe(server.port);
  await server.stop();
  await server.stop();
  expect(observed.end).toBe(end);
  expect(observed.bytes > 0).toBe(bytes === 'some');
});

it('takes its connections with it when it stops', async () => {
  const server = await startFaultyServer('silent');
  const socket = connect(server.port, '127.0.0.1');
  await new Promise((resolve) => socket.once('connect', resolve));
  const closed = new Promise((resolve) => socket.once('close', resolve));
  await server.stop();
  await closed;
  expect((await observe(server.port)).end).toBe('ECONNREFUSED');
});
