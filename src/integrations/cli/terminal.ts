/** The process as a terminal: what it shows on, which keys are pressed, and when it is told to end. */

import { writeSync } from 'node:fs';

import type { Terminal, Trouble } from './command.js';

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** Whether the program is ending: then nothing is written later. */
let isEnding = false;

export function processTerminal(): Omit<Terminal, 'load' | 'fail'> {
  const { stdout, stderr, env } = process;
  const stopping = new AbortController();
  // Who reads has read enough, as `head` does.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    stopping.abort();
  });
  return {
    out: (text) => void (isEnding ? writeSync(stdout.fd, text) : stdout.write(text)),
    error: (text) => void (isEnding ? writeSync(stderr.fd, text) : stderr.write(text)),
    guard,
    get screen() {
      return stdout.isTTY ? { columns: stdout.columns, rows: stdout.rows } : undefined;
    },
    hasColours: stdout.isTTY && !env['NO_COLOR'] && env['TERM'] !== 'dumb',
    listen: (onKey) => {
      const stop = (): void => stopping.abort();
      for (const signal of endings) process.once(signal, stop);
      const forget = onKey ? keys(onKey) : () => {};
      return () => {
        forget();
        for (const signal of endings) process.removeListener(signal, stop);
      };
    },
    stopped: stopping.signal,
    suspend,
    env,
  };
}

/** What throws after a module was loaded is of no interest any more: the modules are only looked at, and the program ends soon. */
function guard(onTrouble: (trouble: Trouble) => void): () => void {
  const { stdout, stderr } = process;
  let tell = onTrouble;
  const thrown = (error: unknown): void => tell({ kind: 'thrown', error });
  const idle = (): void => tell({ kind: 'idle' });
  const ended = (): void => {
    isEnding = true;
    process.exitCode = 2;
    tell({ kind: 'ended' });
  };
  // eslint-disable-next-line @typescript-eslint/unbound-method -- is put back where it was
  const { write } = stdout;
  stdout.write = stderr.write.bind(stderr);
  process.on('uncaughtException', thrown).on('beforeExit', idle).on('exit', ended);
  return () => {
    tell = () => undefined;
    stdout.write = write;
    process.off('beforeExit', idle).off('exit', ended);
  };
}

/** As Ctrl-Z does where it is no key: with all processes of the command, as npx is one of them. */
function suspend(resumed: () => void): void {
  const { stdin } = process;
  if (stdin.isTTY) stdin.setRawMode(false);
  process.once('SIGCONT', () => {
    if (stdin.isTTY) stdin.setRawMode(true);
    resumed();
  });
  process.kill(0, 'SIGTSTP');
}

/** Each key at once, not the line when it is ended; Ctrl-C is a key then. */
function keys(onKey: (key: string) => void): () => void {
  const { stdin } = process;
  if (!stdin.isTTY) return () => {};
  const read = (bytes: Buffer): void => onKey(bytes.toString());
  stdin.setRawMode(true).resume().on('data', read);
  return () => {
    stdin.removeListener('data', read).setRawMode(false).pause();
  };
}
