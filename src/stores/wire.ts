/**
 * How an entry is written on a shared store: one line with what the cache must know before it decodes the value, then the
 * value as its codec wrote it. What comes back is untrusted: everything is checked, and whatever is odd is no entry.
 */

import type { Entry, Generation, Lifetime } from '../base/entry.js';
import { isToken } from '../policies/generations.js';
import type { PayloadFormat } from '../policies/payload.js';

/** The version of this format and of the keys. Another one is another key, so that versions live side by side. */
export const wireVersion = '1';

type Header = [
  version: string,
  codec: string | null,
  writtenAt: number,
  ttlMs: number | null,
  kind: number,
  maxLifetimeMs: number | null,
  staleMs: number | null,
  accessedAfterMs: number,
  loadMs: number,
  entryVersion: string | null,
  ...namesAndTokens: string[],
];

const fixedFields = 10;
/** What `kind` is the sum of. */
const slidingKind = 1;
const errorKind = 2;
/** No entry is written with nearly as many. More would be read from the store at each hit. */
const generationsAtMost = 256;

/** Throws if the payload cannot be written as text. */
export function writeEntry(entry: Entry): string {
  const header: Header = [
    wireVersion,
    entry.payload?.codec ?? null,
    entry.writtenAt,
    finite(entry.ttlMs),
    (entry.sliding ? slidingKind : 0) + (entry.isError ? errorKind : 0),
    finite(entry.maxLifetimeMs),
    finite(entry.staleMs),
    entry.accessedAt - entry.writtenAt,
    Math.round(entry.loadMs),
    entry.version ?? null,
    ...entry.generations.flat(),
  ];
  return `${JSON.stringify(header)}\n${entry.payload?.text ?? ''}`;
}

/** Undefined if `text` is no entry of this version and codec. The value itself is decoded later, by its payload. */
export function readEntry(text: string, format: PayloadFormat): Entry | undefined {
  const end = text.indexOf('\n');
  const header = end < 0 ? undefined : parseHeader(text.slice(0, end));
  if (!header || (header[1] !== null && header[1] !== format.codec)) return undefined;
  const generations = pairs(header, header[1] === null);
  if (!generations) return undefined;
  // Written out, as an object that begins as a copy of another one takes several times as long to make, and more memory.
  return {
    writtenAt: header[2],
    ttlMs: header[3] ?? Infinity,
    sliding: (header[4] & slidingKind) !== 0,
    maxLifetimeMs: header[5] ?? Infinity,
    accessedAt: header[2] + header[7],
    staleMs: header[6] ?? Infinity,
    generations,
    payload: header[1] === null ? undefined : format.fromText(text.slice(end + 1)),
    isError: (header[4] & errorKind) !== 0,
    version: header[9] ?? undefined,
    loadMs: header[8],
  };
}

/** The id of the codec that wrote the value; null where there is no value, undefined if `text` is no entry of this version. */
export function readCodec(text: string): string | null | undefined {
  return parseHeader(text.slice(0, text.indexOf('\n')))?.[1];
}

/** How long an entry lives, without its value; undefined if `text` is no entry of this version. */
export function readLifetime(text: string): Lifetime | undefined {
  const header = parseHeader(text.slice(0, text.indexOf('\n')));
  return header && lifetimeOf(header);
}

function lifetimeOf(header: Header): Lifetime {
  return {
    writtenAt: header[2],
    ttlMs: header[3] ?? Infinity,
    sliding: (header[4] & slidingKind) !== 0,
    maxLifetimeMs: header[5] ?? Infinity,
    staleMs: header[6] ?? Infinity,
    accessedAt: header[2] + header[7],
  };
}

function parseHeader(line: string): Header | undefined {
  try {
    const header: unknown = JSON.parse(line);
    return isHeader(header) ? header : undefined;
  } catch {
    return undefined;
  }
}

function isHeader(value: unknown): value is Header {
  if (!Array.isArray(value) || value.length < fixedFields || value.length % 2 !== 0) return false;
  if (value.length > fixedFields + 2 * generationsAtMost) return false;
  const [version, codec, writtenAt, ttlMs, kind, maxLifetimeMs, ...more] = value as unknown[];
  const [staleMs, accessedAfterMs, loadMs, entryVersion] = more;
  return (
    version === wireVersion &&
    (codec === null || typeof codec === 'string') &&
    Number.isFinite(writtenAt) &&
    isLength(ttlMs) &&
    isWithin(kind, slidingKind + errorKind) &&
    isLength(maxLifetimeMs) &&
    (staleMs === 0 || isLength(staleMs)) &&
    Number.isFinite(accessedAfterMs) &&
    isWithin(loadMs, Number.MAX_SAFE_INTEGER) &&
    (entryVersion === null || typeof entryVersion === 'string')
  );
}

function isLength(value: unknown): boolean {
  return value === null || (Number.isSafeInteger(value) && Number(value) > 0);
}

function isWithin(value: unknown, greatest: number): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= greatest;
}

function pairs(header: Header, isMarker: boolean): Generation[] | undefined {
  const generations: Generation[] = [];
  for (let i = fixedFields; i < header.length; i += 2) {
    const name: unknown = header[i];
    const token: unknown = header[i + 1];
    if (typeof name !== 'string' || !(isToken(token) || (isMarker && token === ''))) return undefined;
    generations.push([name, token]);
  }
  return generations;
}

function finite(ms: number): number | null {
  return ms === Infinity ? null : ms;
}
