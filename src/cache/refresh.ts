/** Loads a new value for an entry that is old, or will soon be, while callers are served the entry. */

import type { Entry } from '../base/entry.js';
import { isCacheTimeoutError } from '../base/errors.js';
import type { Reading } from '../stores/store.js';
import type { Subject } from './compute.js';
import type { Core } from './core.js';
import { tryTurn } from './fleet.js';
import { elsewhere, Load } from './load.js';
import { Look } from './look.js';
import { waitFor } from './patience.js';
import { currentScope, withoutScope } from './scope.js';

/** What is to be replaced, and for which call. */
interface Aged {
  readonly core: Core;
  readonly subject: Subject;
  /** The entry that was served. */
  readonly entry: Entry;
  /** What was read together with it; undefined if it was found without reading. */
  readonly reading: Reading | undefined;
}

/**
 * Unless that is under way, or the method has just failed: one load for each key. No caller waits for it, and nothing that is
 * around the call is around this.
 */
export function refresh(core: Core, subject: Subject, entry: Entry, reading?: Reading): void {
  const running = core.flights.get(subject.key);
  if ((running && !running.isAbandoned) || core.backOffs.isOn(subject.key)) return;
  withoutScope(() => {
    core.inBackground(replace({ core, subject, entry, reading }));
  });
}

async function replace(aged: Aged): Promise<void> {
  const { core, subject } = aged;
  const { policy } = subject;
  let look: Look | undefined;
  try {
    look = new Look(core, subject, currentScope());
    await loadAnew(aged, look);
  } catch (error) {
    const message = `${policy.where}: a new value could not be loaded in the background: ${String(error)}`;
    core.report({ code: 'background', message, cause: error });
    if (look) leaveAlone(core, subject, look, error);
  }
}

/**
 * The method has failed where no caller saw it. An error that is an answer is not to be hidden behind the old value; that it
 * is late is none.
 */
export function leaveAlone(core: Core, { key, policy }: Subject, look: Look, error: unknown): void {
  core.backOffs.begin(key, policy.backOffMs);
  if (!isCacheTimeoutError(error) && !look.isCoverable(error) && !look.isKept(error)) core.discard(key);
}

async function loadAnew(aged: Aged, look: Look): Promise<void> {
  const { core, subject } = aged;
  // A failure is not kept in the place of a value that goes on being served.
  const keepsError = (error: unknown): boolean => !look.isCoverable(error) && look.isKept(error);
  const load = new Load({ core, subject, look, replaces: 'unwanted', keepsError });
  const work = load.during(() => loadIn(load, aged, look));
  await waitFor<unknown>(load.flight, work, {
    method: subject.method,
    softMs: undefined,
    hardMs: subject.policy.hardTimeoutMs,
    signal: undefined,
    instead: () => Promise.resolve(undefined),
    left: () => {
      load.goOn(work);
    },
  });
}

async function loadIn(load: Load, aged: Aged, look: Look): Promise<unknown> {
  const { core, subject, entry, reading } = aged;
  const { key, policy } = subject;
  const turn = policy.isFleetWide ? await tryTurn(core, key, policy.where) : undefined;
  const isCurrent = reading !== undefined && !turn && !mayBeOutdated(aged, reading);
  const latest = isCurrent ? reading : await look.read({ beyondMemory: true });
  if (turn !== 'taken' && !isNewer(latest, entry, look)) return turn ? load.runInTurn(turn, latest) : load.run(latest);
  load.flight.land(elsewhere);
  return turn === 'taken' ? undefined : turn?.end('stored');
}

/** Another process may have replaced the entry, and memory here would not know; a version is asked for by each look. */
function mayBeOutdated({ core, subject }: Aged, { tier }: Reading): boolean {
  return subject.policy.versionOf !== undefined || (tier === 'memory' && core.store.keeps === 'both');
}

function isNewer(reading: Reading, seen: Entry, look: Look): boolean {
  const { freshness } = look.judge(reading);
  if (freshness?.state !== 'fresh' || freshness.isDue || !reading.entry) return false;
  const { writtenAt, generations } = reading.entry;
  return writtenAt !== seen.writtenAt || generations.some(([, token], i) => token !== seen.generations[i]?.[1]);
}
