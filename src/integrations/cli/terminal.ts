/** The process as a terminal: what it shows on, which keys are pressed, and when it is told to end. */

import type { Terminal } from './command.js';

const endings = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function processTerminal(): Omit<Terminal, 'load'> {
  const { stdout, stderr, env } = process;
  const stopping = new AbortController();
  // Who reads has read enough, as `head` does.
  stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    stopping.abort();
  });
  return {
    out: (text) => void stdout.write(text),
    error: (text) => void stderr.write(text),
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
