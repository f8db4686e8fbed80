/**
 * The part of the table of races that a black box can run: one method that reads one row, no faults, no evictions, a server that
 * can do all that Redis does. The same programs for every peer, and for ours.
 *
 * @typedef {import('../table.mjs').Cell} Cell
 * @typedef {import('./peer.mjs').Peer} Peer
 * @typedef {Cell & { readonly subject: string, readonly place: string }} PeerCell `place`: the stores, in words
 */

import { columns, rows, stores } from '../table.mjs';
import { OwnFleet, PeerFleet } from './fleet.mjs';
import { loadedWithOurs } from './machine.mjs';
import { peers } from './peer.mjs';

export const ownName = 'Cachette';

const rowNames = ['foreground', 'joiner', 'background refresh', 'soft timeout', 'promotion'];

/** Where memory is in front, what one process promises itself is told from what it promises others. */
export const places = stores.flatMap(({ name, processes }) => {
  const usual = { place: name, store: { name, processes, faults: false } };
  const alone = { place: `${name}, one process`, store: { ...usual.store, processes: 1 } };
  return name === 'tiers' ? [usual, alone] : [usual];
});

/** @typedef {{ readonly name: string, readonly open: NonNullable<Cell['open']>, readonly runs: (row: string, column: string, store: string) => boolean }} Candidate */

/** @param {Peer} peer @returns {Candidate} */
function candidate(peer) {
  /** @type {Promise<unknown> | undefined} */
  let modules;
  return {
    name: peer.name,
    open: async (world) => new PeerFleet(world, { peer, modules: await (modules ??= loadedWithOurs(peer.load)) }),
    runs: (row, column, store) =>
      peer.rows.includes(row) && peer.columns.includes(column) && peer.stores.includes(store),
  };
}

/** @type {readonly Candidate[]} */
export const candidates = [
  ...peers.map(candidate),
  { name: ownName, open: (world) => new OwnFleet(asOnRedis(world)), runs: () => true },
];

/** @param {import('../fleet.mjs').World} world */
function asOnRedis(world) {
  return { ...world, program: { ...world.program, lacks: [], hasForeignBus: false } };
}

/** @type {readonly PeerCell[]} */
export const peerCells = rows
  .filter(({ name }) => rowNames.includes(name))
  .flatMap((row) =>
    columns.flatMap((column) =>
      places
        .filter(({ store }) => row.stores?.includes(store.name) ?? true)
        .flatMap(({ place, store }) =>
          candidates
            .filter(({ runs }) => runs(row.name, column.name, store.name))
            .map(({ name, open }) => ({
              name: `${name}: ${row.name} / ${column.name} / ${place}`,
              subject: name,
              place,
              row: { ...row, methods: /** @type {const} */ (['one']) },
              column,
              store,
              open,
            })),
        ),
    ),
  );
