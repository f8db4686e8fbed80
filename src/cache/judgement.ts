/** Holds an entry that was read against what stands now: what, if anything, speaks against it. */

import type { Entry } from '../base/entry.js';
import type { Flaw } from '../policies/freshness.js';
import type { Reading } from '../stores/store.js';
import type { Names } from './names.js';

/** What the call knows of itself. */
export interface Expectation {
  readonly key: string;
  /** The generations that the call knows beforehand. */
  readonly names: readonly string[];
  readonly refuses: Reading['refuses'];
  /** Undefined where the method has no function `version`; `unknown`: it gave no answer. */
  readonly version: { readonly current: string } | 'unknown' | undefined;
  /** How a generation is shown to people. */
  readonly shown: (name: string) => string;
}

/** What speaks against an entry, and why. `absent`: there is none, or nothing that it could be held against. */
export interface Objection {
  readonly makes: Flaw | 'absent';
  readonly reason: string;
}

/** Undefined if nothing speaks against the entry but, perhaps, its age. */
export function objectionTo(reading: Reading, names: Names, expectation: Expectation): Objection | undefined {
  const { entry, tokens, holds, isGraced, reason } = reading;
  if (!entry || !(tokens || isGraced)) return absent(reason);
  if (!entry.payload) return absent('tags not captured yet');
  if (!isGraced && !holds()) return absent('reconnected');
  if (expectation.refuses(expectation.key)) return invalidated('removal pending');
  const changed = changedGeneration(reading, entry, names, expectation);
  if (changed?.makes === 'invalidated') return changed;
  const lacking = isGraced ? undefined : firstLacking(entry, names, expectation);
  if (lacking !== undefined) return invalidated(`stored without the tag: ${expectation.shown(lacking)}`);
  return versionObjection(entry, expectation) ?? changed;
}

/**
 * Of a tag with two generations the loss of the first makes an entry old; the second says whether it is also wrong, and is
 * held against on its own.
 */
function changedGeneration(
  { tokens, isGraced }: Reading,
  { generations }: Entry,
  names: Names,
  { refuses, shown }: Expectation,
): Objection | undefined {
  let softly: Objection | undefined;
  for (const [name, token] of generations) {
    const isRefused = refuses(name);
    const isChanged = !isGraced && tokens?.get(name) !== token;
    if (!isRefused && !isChanged) continue;
    const isSoft = names.isTag(name) && generations.some(([other]) => other === names.hard(name));
    if (!isSoft) return invalidated(`${isRefused ? 'invalidation pending' : 'invalidated'}: ${shown(name)}`);
    softly ??= { makes: 'expired', reason: `expired: ${shown(name)}` };
  }
  return softly;
}

/** An entry may have been stored without a tag that this call has, and an invalidation would not find it. */
function firstLacking({ generations }: Entry, names: Names, expectation: Expectation): string | undefined {
  for (const name of expectation.names) if (!names.isHard(name) && !carries(generations, name)) return name;
  return undefined;
}

/** Asked at each hit: a loop, which makes no function. */
function carries(generations: Entry['generations'], name: string): boolean {
  for (const generation of generations) if (generation[0] === name) return true;
  return false;
}

function versionObjection(entry: Entry, { version }: Expectation): Objection | undefined {
  // One who does not ask for the version cannot say that it is still this one.
  if (version === undefined && entry.version === undefined) return undefined;
  if (version === undefined || version === 'unknown') return { makes: 'unverified', reason: 'version unknown' };
  return entry.version === version.current ? undefined : invalidated('version changed');
}

function absent(reason: string): Objection {
  return { makes: 'absent', reason };
}

function invalidated(reason: string): Objection {
  return { makes: 'invalidated', reason };
}
