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
  // Before all others: one that listens once only is taken off when it is called, and still has the say.
  if (flushes.size === 0) process.prependListener('SIGTERM', listener);
  flushes.add(flush);
  return () => {
    flushes.delete(flush);
    if (flushes.size === 0) process.off('SIGTERM', listener);
  };
}

async function terminate(): Promise<void> {
  const isOurs = (each: object): boolean => mark in each;
  const isAlone = process.listeners('SIGTERM').every(isOurs);
  await Promise.all([...flushes].map((flush) => flush()));
  if (!isAlone) return;
  // Node ends a process by a signal only where nobody listens. Another copy of this package may still be flushing: it is next.
  process.off('SIGTERM', listener);
  process.kill(process.pid, 'SIGTERM');
}
