/** What reasons and options mean, in a few words; and how text that others have written is shown. */

import { isNumber, millis, num } from './numbers.js';

/** @typedef {import('../../../base/insight.js').PolicyTold} PolicyTold */

/** By what stands before the colon; docs/observability.md has the whole table. @type {Readonly<Record<string, string>>} */
const reasons = {
  fresh: 'the entry is valid',
  outage: 'the store gives no answer, and the entry in memory was valid a moment ago',
  'error kept': 'the failure that was kept is thrown again',
  revalidating: 'the entry is old; a new one is loaded in the background',
  error: 'the entry is old, and the method has just failed',
  timeout: 'the entry is old, and the method is late',
  absent: 'no entry: never written, over in the store, evicted, or forgotten',
  expired: 'its ttl is over, or a tag was expired',
  invalidated: 'a tag of the entry was invalidated since; (everything) after clear()',
  'version changed': 'version gives something else than when the entry was computed',
  'version unknown': 'version threw, gave none, or took too long',
  'stored without the tag': 'the method had other tags when the entry was stored',
  'timed out': 'the method has not settled within timeout.hard; the call rejects',
  aborted: 'the caller gave up before the method had to run',
  joined: 'shared a method that was running: no load of its own',
  refresh: 'inside cache.refresh',
  'tags not captured yet': 'the first result under new result tags was not stored; this one is',
  'invalidation pending': 'the invalidation of the tag has not been delivered yet',
  'removal pending': 'a forget of this entry has not been delivered yet',
  undecodable: 'what stands there is no entry of this version',
  deadline: 'the store gave no answer in time',
  breaker: 'the store was not asked, as it has been silent',
  unreachable: 'there is no connection to the store',
  reconnected: 'the connection was made anew during the read',
  refused: 'the server answered that it will not',
  misconfigured: 'it will never work like this',
  disabled: 'cache.enabled is false, or the cache is closed',
  bypass: 'inside cache.bypass',
  transaction: 'inside a transaction, and no entry may be served there',
  when: 'the when option said no',
  'no partition': 'partition gave undefined',
  unkeyable: 'an argument cannot be in a key',
  naming: 'the class or instance has no name of its own',
  callback: 'a function in the options threw',
  recursion: 'the method waits for its own call',
};

/** Empty for one that is not known. @param {unknown} reason */
export function meaning(reason) {
  const kind = String(reason).split(':')[0];
  return Object.hasOwn(reasons, kind) ? reasons[kind] : '';
}

/** As a shell takes it for one word. @param {string} text */
export function shellWord(text) {
  if (/^[\w@%+=:,./-]+$/.test(text)) return text;
  return /["$`\\!]/.test(text) ? `'${text.replaceAll("'", String.raw`'\''`)}'` : `"${text}"`;
}

/** A time without an end has come as null. @param {unknown} ms */
const long = (ms) => (isNumber(ms) ? millis(ms) : 'without end');

/** What is written for a method. @param {PolicyTold | undefined} policy */
export function policyWords(policy) {
  if (!policy) return 'Its options differ from call to call, or are not known.';
  const { ttlMs, sliding, staleWhileRevalidateMs, staleIfErrorMs, tagKinds } = policy;
  const isSet = (/** @type {unknown} */ ms) => ms === null || num(ms) > 0;
  return [
    `ttl ${ttlMs === undefined ? 'by a function' : long(ttlMs)}${sliding ? ', sliding' : ''}`,
    isSet(staleWhileRevalidateMs) ? `stale while it revalidates: ${long(staleWhileRevalidateMs)}` : '',
    isSet(staleIfErrorMs) ? `stale if it fails: ${long(staleIfErrorMs)}` : '',
    tagKinds?.length > 0 ? `tags: ${tagKinds.map((kind) => `${kind}:…`).join(', ')}` : 'no tags seen',
  ]
    .filter(Boolean)
    .join(' · ');
}

/* eslint-disable no-control-regex -- what is looked for is what cannot be seen */
/** Characters that are not seen, or turn the direction of what is around them. */
const odd = /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

/** The same, with what cannot be seen written out. @param {string} text */
export const visible = (text) =>
  text.replace(odd, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`);
