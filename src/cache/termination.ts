/**
 * Delivers what is pending when the process is told to end (SIGTERM). Ends it afterwards as it would have ended, unless
 * somebody else listens too and has the say in when.
 */

const mark = Symbol.for('cachette.termination');

type Flush = () => Promise<unknown>;
type Listener = (() => void) & { readonly [mark]: true };

const flushes = new Set<Flush>();
const listener: Listener = Object.assign(() => void terminate(), { [mark]: true as const });

/** Runs `flush` before the process ends; the returned function takes it back. It must not reject, and take a bounded time. */
export function beforeTermination(flush: Flush): () => void {
  if (flushes.size === 0) process.on('SIGTERM', listener);
  flushes.add(flush);
  return () => {
    flushes.delete(flush);
    if (flushes.size === 0) process.off('SIGTERM', listener);
  };
}

async function terminate(): Promise<void> {
  await Promise.all([...flushes].map((flush) => flush()));
  const isOurs = (each: object): boolean => mark in each;
  if (!process.listeners('SIGTERM').every(isOurs)) return;
  // Node ends a process by a signal only where nobody listens. Another copy of this package may still be flushing: it is next.
  process.off('SIGTERM', listener);
  process.kill(process.pid, 'SIGTERM');
}
