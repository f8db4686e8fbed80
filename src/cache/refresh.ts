/** Loads a new value for an entry that is old, or will soon be, while callers are served the entry. */

import type { Entry } from '../base/entry.js';
import { isCacheTimeoutError } from '../base/errors.js';
import { textOf } from '../base/text.js';
import type { Reading } from '../stores/store.js';
import type { Subject } from './compute.js';
import type { Core } from './core.js';
import { tryTurn } from './fleet.js';
import { ChangedCallError, elsewhere, Load } from './load.js';
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
  let look: Look;
  try {
    look = new Look(core, subject, currentScope());
  } catch (error) {
    const message = `${subject.policy.where}: a function in the options threw: ${textOf(error)}`;
    core.report({ code: 'callback', message, cause: error, loud: true });
    return;
  }
  // A failure is not kept in the place of a value that goes on being served.
  const keepsError = (error: unknown): boolean => !look.isCoverable(error) && look.isKept(error);
  const isSameCall = (): boolean => subject.keyNow() === subject.key;
  const load = new Load({ core, subject, look, isSameCall, keepsError, replaces: 'unwanted' });
  try {
    await loadAnew(load, aged, look);
  } catch (error) {
    if (error instanceof ChangedCallError) return;
    const message = `${subject.policy.where}: a new value could not be loaded in the background: ${textOf(error)}`;
    core.report({ code: 'background', message, cause: error });
    afterFailure({ core, subject, look, load }, error);
  }
}

/** A load that has failed where no caller saw it. */
interface Failed {
  readonly core: Core;
  readonly subject: Subject;
  readonly look: Look;
  readonly load: Load;
}

/**
 * The method is left alone for a while. An error that is an answer is not to be hidden behind the old value; that it is late
 * is none.
 */
export function afterFailure({ core, subject, look, load }: Failed, error: unknown): void {
  core.backOffs.begin(subject.key, subject.policy.backOffMs);
  if (!isCacheTimeoutError(error) && !load.hasStored && !look.isCoverable(error)) core.discard(subject.key);
}

async function loadAnew(load: Load, aged: Aged, look: Look): Promise<void> {
  const { core } = aged;
  const { method, policy } = aged.subject;
  const work = load.during(() => loadIn(load, aged, look));
  await waitFor<unknown>(load.flight, work, {
    method,
    time: core.time,
    softMs: undefined,
    hardMs: policy.hardTimeoutMs,
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
  const before = seen.generations;
  return writtenAt !== seen.writtenAt || generations.some(([, token], i) => token !== before[i]?.[1]);
}
