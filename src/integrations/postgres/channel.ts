/** What goes over a channel: which names it may have, and what a notification says. */

import type { Rule } from '../../cache/policy.js';
import type { Change } from '../../cache/options.js';

export const defaultChannel = 'cachette';

/** Anything may have changed. */
export const clearPayload = '{"clear":true}';

const longestName = 63;

/** A longer one is cut off by LISTEN, and refused by pg_notify. */
export const channelRule: Rule = [
  `write a name of 1 to ${longestName} bytes, such as 'cachette'`,
  (value: unknown): boolean =>
    typeof value === 'string' && value !== '' && !value.includes('\0') && Buffer.byteLength(value) <= longestName,
];

/**
 * What a notification says: an array of tags as JSON, `{"clear":true}`, nothing, which means the same, or one tag as it is.
 *
 * @throws Error if it begins like JSON and is none of these
 */
export function changeOf(payload: string): Change {
  if (payload === '') return { clear: true };
  if (!/^[[{]/.test(payload)) return payload;
  const change: unknown = JSON.parse(payload);
  if (Array.isArray(change) && change.every((tag) => typeof tag === 'string')) return change;
  if ((change as { clear?: unknown }).clear === true) return { clear: true };
  throw new Error('it is neither an array of tags nor {"clear":true}');
}
