/** Tokens of generations: how they are made, and how an entry is held against those that stand now. */

import type { Entry } from '../base/entry.js';
import { crypto } from './crypto.js';

/** Tokens by the name of their generation; `undefined` where none stands. */
export type Tokens = ReadonlyMap<string, string | undefined>;

/** What a method says of how long its entries live. */
interface EntryLengths {
  readonly ttlMs: number | undefined;
  readonly staleMs: number;
}

/** A generation outlives the longest entry under it by this factor, so that an entry dies before its generations do. */
const outlives = 4;

/**
 * How long a generation lives that serves entries of `entryMs`: the next power of two in seconds, so that methods with
 * nearly the same ttl do not differ.
 */
export function generationLifetimeMs(entryMs: number): number {
  if (entryMs === Infinity) return Infinity;
  const seconds = Math.ceil((entryMs * outlives) / 1_000);
  const rounded = 2 ** Math.ceil(Math.log2(Math.max(seconds, 1)));
  // Ten years: above it, servers and clocks begin to differ over what a number means.
  return rounded > 315_360_000 ? Infinity : rounded * 1_000;
}

/** Of a method whose ttl its results tell: before there is one, generations are made for entries of this length. */
export const presumedTtlMs = 300_000;

/** How long the generations of a method's tags live. */
export function tagLifetimeMs({ ttlMs = presumedTtlMs, staleMs }: EntryLengths): number {
  return generationLifetimeMs(ttlMs + staleMs);
}

/** Stands for a token that is not known. No generation has it. */
export const unknownToken = '';

/** Stands for a method's version among the generations that a running compute is compared by. No generation has it. */
export const versionName = '';

let pool = '';

/**
 * A new token: 72 random bits, then the lifetime that the generation was made with, so that every process prolongs it by
 * the same amount. A token is sent to a server once and never again.
 */
export function newToken(lifetimeMs: number): string {
  if (pool.length < 12) pool = crypto().randomBytes(900).toString('base64url');
  const random = pool.slice(0, 12);
  pool = pool.slice(12);
  return flat(lifetimeMs === Infinity ? `${random}.` : `${random}.${(lifetimeMs / 1_000).toString(36)}`);
}

/** A text that was put together keeps its parts, for as long as nobody looks at it: twice the memory in each generation. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}

const shape = /^[\w-]{12}\.[0-9a-z]{0,10}$/;

/** Whether `text` can be a token; whatever else stands in its place is as good as nothing. */
export function isToken(text: unknown): text is string {
  return typeof text === 'string' && shape.test(text);
}

/** The lifetime that a token was made with. */
export function tokenLifetimeMs(token: string): number {
  const seconds = token.slice(13);
  return seconds === '' ? Infinity : parseInt(seconds, 36) * 1_000;
}

/** The first generation of `entry` that is not the one that stands now, or undefined if all are. */
export function firstChanged(entry: Entry, now: Tokens): string | undefined {
  for (const [name, token] of entry.generations) if (now.get(name) !== token) return name;
  return undefined;
}
