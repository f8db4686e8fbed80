/** What the page says of the peers: for each row of the table of races one table, and for each peer one story. */

import { versionOfPeer } from './packages.mjs';
import { columns } from '../table.mjs';
import { ownName, places } from './table.mjs';

/**
 * @typedef {import('./explore.mjs').Seen} Seen
 * @typedef {import('./explore.mjs').Story} Story
 */

/**
 * @param {readonly Seen[]} all
 * @param {readonly Story[]} stories
 * @param {number} perCell
 */
export function peersPage(all, stories, perCell) {
  const total = (perCell * all.length).toLocaleString('en-US');
  return [
    `${total} programs, ${perCell} in each cell. A cell says in how many of them a read gave a value that was older than an invalidation ` +
      'that had resolved before; in brackets, in how many such a value stayed until its time to live was over. `–`: it has nothing ' +
      'for it.',
    ...unique(all.map(({ cell }) => cell.row.name)).map((row) =>
      tableOf(
        row,
        all.filter(({ cell }) => cell.row.name === row),
      ),
    ),
    ...stories.map(told),
  ].join('\n\n');
}

/**
 * @param {string} row
 * @param {readonly Seen[]} seen in this row
 */
function tableOf(row, seen) {
  const heads = places
    .flatMap(({ place }) => columns.map((column) => headOf({ place, column })))
    .filter((head) => seen.some(({ cell }) => headOf(cell) === head));
  const line = (/** @type {string} */ subject) => {
    const own = seen.filter(({ cell }) => cell.subject === subject);
    if (own.length === 0) return [];
    return [
      `| ${titleOf(subject)} | ${heads.map((head) => figure(own.find(({ cell }) => headOf(cell) === head))).join(' | ')} |`,
    ];
  };
  const subjects = unique(seen.map(({ cell }) => cell.subject)).sort(
    (a, b) => Number(a === ownName) - Number(b === ownName),
  );
  return [
    `| ${row} | ${heads.join(' | ')} |`,
    `| --- | ${heads.map(() => '---:').join(' | ')} |`,
    ...subjects.flatMap(line),
  ].join('\n');
}

/** @param {Pick<import('./table.mjs').PeerCell, 'place' | 'column'>} cell */
function headOf({ place, column }) {
  return `${place}: ${column.name}`;
}

/** @param {Seen | undefined} seen */
function figure(seen) {
  if (!seen) return '–';
  return seen.lasting.size === 0 ? `${seen.stale.size}` : `${seen.stale.size} (${seen.lasting.size})`;
}

/** @param {string} subject */
function titleOf(subject) {
  return subject === ownName ? `**${ownName}**` : `${subject} ${versionOfPeer(subject)}`;
}

/** @param {Story} story */
function told({ cell, steps }) {
  const where = `${cell.row.name}, ${cell.column.name}, ${cell.place}`;
  return [
    `One program of ${cell.subject}, made as short as it gets (${where}):`,
    '',
    ...steps.map((step, index) => `${index + 1}. ${step}`),
  ].join('\n');
}

/** @param {readonly string[]} all */
function unique(all) {
  return [...new Set(all)];
}
