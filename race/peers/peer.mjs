/**
 * What a peer is to the programs: the parts of the table that it has something for, and how one process opens it.
 *
 * @typedef {import('../judge.mjs').Value} Value
 * @typedef {{
 *   readonly load: (id: number) => Promise<Value>,
 *   readonly connection: import('./connection.mjs').Connection,
 *   readonly nowMs: () => number,
 *   readonly row: string,
 *   readonly column: string,
 *   readonly store: 'memory' | 'shared' | 'tiers',
 *   readonly ttlMs: number,
 *   readonly maxEntries: number,
 * }} Setup `load`: reads a row of the database. `nowMs`: the time of the server. `maxEntries`: there is room for in memory
 * @typedef {{
 *   readonly read: (id: number) => Promise<Value>,
 *   readonly invalidate?: (id: number) => Promise<unknown>,
 *   readonly forget: (id: number) => Promise<unknown>,
 *   readonly clear: () => Promise<unknown>,
 *   readonly reaches: () => 'everywhere' | 'in time' | 'this process',
 *   readonly close: () => Promise<unknown>,
 * }} Subject `invalidate`: by a tag of the row. `reaches`: whose
 *   later reads see that a row was invalidated, by the peer's own docs; `in time`: the others' when all messages have arrived
 * @typedef {{
 *   readonly name: string,
 *   readonly rows: readonly string[],
 *   readonly columns: readonly string[],
 *   readonly stores: readonly string[],
 *   readonly tells: string,
 *   readonly load: () => Promise<any>,
 *   readonly open: (modules: any, setup: Setup) => Subject,
 * }} Peer `tells`: in which cell a program is told in words
 */

import { asyncCacheDedupe } from './async-cache-dedupe.mjs';
import { bentocache } from './bentocache.mjs';
import { cacheManager } from './cache-manager.mjs';
import { cacheable } from './cacheable.mjs';

/** @type {readonly Peer[]} */
export const peers = [bentocache, cacheable, cacheManager, asyncCacheDedupe];
