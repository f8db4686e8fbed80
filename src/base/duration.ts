/** Durations as people write them, and as the cache computes with them: whole milliseconds. */

import { CacheConfigError } from './errors.js';

const unitMs = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

type Unit = keyof typeof unitMs;

/** Milliseconds, or a string such as `'500ms'`, `'30s'`, `'5m'`, `'2h'`, `'1d'`. `Infinity` means until invalidated. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const written = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/;

/**
 * Parses a duration that comes from configuration, strictly: `'-5m'`, `' 5s'` and `'0x10s'` are refused.
 *
 * @returns milliseconds, whole, at least 1
 * @throws CacheConfigError if `text` is no duration, is zero, or is more than JavaScript counts exactly
 *
 * @example
 * ```ts
 * import { duration } from 'cachette';
 *
 * duration('1.5h'); // 5_400_000
 * ```
 */
export function duration(text: string): number {
  return durationMs(text as Duration, 'duration()');
}

/** Milliseconds of a {@link Duration}; `where` goes into the message of the `CacheConfigError` if it is none. */
export function durationMs(value: Duration, where: string): number {
  if (value === Infinity) return Infinity;
  const ms = typeof value === 'number' ? Math.ceil(value) : parse(value);
  if (ms >= 1 && ms <= Number.MAX_SAFE_INTEGER) return ms;
  throw new CacheConfigError({
    where,
    what: `${typeof value === 'string' ? `'${value}'` : describe(value)} is not a duration`,
    instead: "write milliseconds above 0, a string such as '500ms', '30s', '5m', '2h' or '1d', or Infinity",
  });
}

function parse(text: unknown): number {
  const [, amount, unit] = (typeof text === 'string' && written.exec(text)) || [];
  return amount === undefined ? NaN : Math.ceil(Number(amount) * unitMs[unit as Unit]);
}

function describe(value: unknown): string {
  return typeof value === 'object' && value !== null ? 'an object' : String(value);
}
