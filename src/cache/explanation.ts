/** What the next call with a key would come to, as the entry and its generations on a shared store tell it. Never the value. */

import type { Entry } from '../base/entry.js';
import { freshnessOf } from '../policies/freshness.js';
import type { Tokens } from '../policies/generations.js';
import type { PayloadFormat } from '../policies/payload.js';
import type { Backend } from '../stores/backend.js';
import { storedFreshMs, tokensOf } from '../stores/shared.js';
import type { Reading } from '../stores/store.js';
import { readCodec, readEntry } from '../stores/wire.js';
import { objectionTo } from './judgement.js';
import type { Names } from './names.js';

/** A tag of an entry, or one of the two things that every entry hangs on. */
export interface ExplainedGeneration {
  readonly kind: 'tag' | 'method' | 'everything';
  /** The tag, or the method. Long ones are shortened on the store. */
  readonly name: string;
  /**
   * - `stands`: as it did when the entry was computed
   * - `expired`: `expire` has been called since; stale policies may serve the entry
   * - `invalidated`: another one stands by now
   * - `missing`: none stands: invalidated and not used since, or lost by the server
   * - `not captured`: the entry has no value yet, as the tags of its result were told late; the next call captures them
   */
  readonly state: 'stands' | 'expired' | 'invalidated' | 'missing' | 'not captured';
}

/** An entry without its value. Times are milliseconds; `Infinity` where there is no end. */
export interface ExplainedEntry {
  /** Since the epoch. */
  readonly writtenAt: number;
  readonly ageMs: number;
  readonly ttlMs: number;
  /** How long it stays fresh by its age alone if nobody reads it; `Infinity` also where only the server's clock tells. */
  readonly remainingMs: number;
  readonly sliding: boolean;
  readonly maxLifetimeMs: number;
  /** How long it is kept after it has expired. */
  readonly staleMs: number;
  /** How long the method ran for it. */
  readonly loadMs: number;
  /** What the method threw is kept, and not a value. */
  readonly isError: boolean;
  /** What the method's `version` gave, with its type in front: `s` for a string, `n` for a number, `d` for a date. */
  readonly version: string | undefined;
  /** The id of the codec; undefined where there is no value yet. */
  readonly codec: string | undefined;
  /** Of all that the store keeps for it. */
  readonly bytes: number;
}

export interface Explanation {
  readonly key: string;
  /** `stale`: it is old, and kept for methods that serve old values; whether this one does, only its options tell. */
  readonly verdict: 'hit' | 'stale' | 'miss';
  /** As of an outcome: `fresh`, `absent`, `expired`, `invalidated: product:1`. */
  readonly reason: string;
  readonly entry: ExplainedEntry | undefined;
  readonly generations: readonly ExplainedGeneration[];
}

export interface KeyQuestion {
  readonly key: string;
  readonly names: Names;
  readonly now: number;
}

/** Rejects as the backend does. */
export async function explainKey(backend: Backend, { key, names, now }: KeyQuestion): Promise<Explanation> {
  const [text] = await backend.getMany([key]);
  const entry = text === undefined ? undefined : readEntry(text, anyFormat(text));
  if (text === undefined || !entry) {
    const reason = text === undefined ? 'absent' : 'undecodable';
    return { key, verdict: 'miss', reason, entry: undefined, generations: [] };
  }
  const tokens = await standing(backend, entry);
  const remainingMs = storedFreshMs(entry, now, backend.lateByMs);
  return {
    key,
    ...verdictOn(entry, tokens, { key, names, now, remainingMs }),
    entry: { ...shown(entry, now), remainingMs, bytes: Buffer.byteLength(text) },
    generations: generationsOf(entry, tokens, names),
  };
}

/** Reads what any codec has written, and decodes nothing. */
function anyFormat(text: string): PayloadFormat {
  const codec = readCodec(text) ?? '';
  const payload = (own: string) => ({ text: own, codec, copy: () => undefined });
  return { codec, fromText: payload, fromValue: () => payload('') };
}

async function standing(backend: Backend, { generations }: Entry): Promise<Tokens> {
  const names = generations.map(([name]) => name);
  const texts = names.length === 0 ? [] : await backend.getMany(names);
  return tokensOf(names, new Map(names.map((name, at) => [name, texts[at]])));
}

function shown(entry: Entry, now: number): Omit<ExplainedEntry, 'remainingMs' | 'bytes'> {
  const { writtenAt, ttlMs, sliding, maxLifetimeMs, staleMs, loadMs, isError, version, payload } = entry;
  const codec = payload?.codec;
  return { writtenAt, ageMs: now - writtenAt, ttlMs, sliding, maxLifetimeMs, staleMs, loadMs, isError, version, codec };
}

/** By the functions that judge for calls; the method's version is taken to be the entry's, and its stale policies for the longest. */
function verdictOn(
  entry: Entry,
  tokens: Tokens,
  { key, names, now, remainingMs }: KeyQuestion & { readonly remainingMs: number },
): Pick<Explanation, 'verdict' | 'reason'> {
  const reading: Reading = {
    entry,
    tier: 'store',
    remainingMs,
    tokens,
    refuses: () => false,
    holds: () => true,
    isGraced: false,
    reason: 'fresh',
  };
  const version = entry.version === undefined ? undefined : { current: entry.version };
  const shownName = (name: string): string => names.methodOf(name) ?? names.shownTag(name);
  const objection = objectionTo(reading, names, { key, names: [], refuses: () => false, version, shown: shownName });
  if (objection?.makes === 'absent') return { verdict: 'miss', reason: objection.reason };
  const freshness = freshnessOf(
    { entry, remainingMs, flaw: objection?.makes, now, chance: undefined },
    { staleWhileRevalidateMs: entry.staleMs, staleIfErrorMs: entry.staleMs, refreshAhead: undefined },
  );
  if (freshness.state === 'fresh') return { verdict: 'hit', reason: entry.isError ? 'error kept' : 'fresh' };
  const reason = objection?.reason ?? 'expired';
  return { verdict: freshness.state === 'stale' ? 'stale' : 'miss', reason };
}

function generationsOf({ generations, payload }: Entry, tokens: Tokens, names: Names): ExplainedGeneration[] {
  const own = new Map(generations);
  const stateOf = (name: string): 'stands' | 'invalidated' | 'missing' => {
    const token = tokens.get(name);
    if (token === undefined) return 'missing';
    return token === own.get(name) ? 'stands' : 'invalidated';
  };
  const tagState = (name: string): ExplainedGeneration['state'] => {
    if (!payload) return 'not captured';
    const [first, hard] = [stateOf(name), names.hard(name)];
    if (!own.has(hard)) return first;
    const second = stateOf(hard);
    if (second !== 'stands') return second;
    return first === 'stands' ? first : 'expired';
  };
  return [...own.keys()]
    .filter((name) => !names.isHard(name))
    .map((name) => {
      if (names.isTag(name)) return { kind: 'tag', name: names.shownTag(name), state: tagState(name) };
      const method = names.methodOf(name);
      return {
        kind: method === undefined ? 'everything' : 'method',
        name: method ?? '',
        state: payload ? stateOf(name) : 'not captured',
      };
    });
}
