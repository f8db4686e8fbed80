/** What the page says of the peers: for each row of the table of races one table, and for each peer one story. */

import { versionOfPeer } from './packages.mjs';
import { columns } from '../table.mjs';
import { ownName, places } from './table.mjs';

/**
 * @typedef {import('./explore.mjs').Seen} Seen
 * @typedef {import('./explore.mjs').Story} Story
 */

const rules = [
  'Each is set up as its own docs say: `race/peers/` has a file for each, which quotes them. One method reads one row. Nothing fails ' +
    'and nothing is evicted by the server; only the order of loads, commands and messages differs, and time. A cell says in how ' +
    'many programs a read gave a value from before an invalidation that had resolved when the read began. In brackets: in how many ' +
    'of them it was still given when everything had come to rest, and so until its time to live is over. `–`: there is nothing for it.',
  [
    '- `shared` is one to four processes over a server, `tiers` one to three with memory in front of it.',
    '- With memory in front, bentocache and cacheable tell other processes by messages. There, other processes are judged only ' +
      'when all messages have arrived. cache-manager has no means to tell them, nor has `clear` of cacheable: there, only the ' +
      'process that invalidates is judged. Cachette is judged in every process at once.',
    '- With a grace period, bentocache takes an entry whose tag was invalidated for one that is over, and serves it once more while ' +
      'it loads. Most of its figures for tags with a background refresh or a soft timeout are that; the ones in brackets are not.',
    '- `getOrSet` of cacheable takes no tags: with tags it is `get`, the load, and `set`, as its docs show.',
    "- A peer's commands keep the order in which a process sends them, a pipeline and a `clear` happen at one moment, and to those " +
      'who compare times of day each step takes a millisecond. Commands of Cachette overtake each other.',
  ].join('\n'),
];

const why =
  'Nearly all of it is one race: a load reads the row, the row changes and is invalidated, and then the load writes what it has read. ' +
  'A time of day or a version that is taken when the value is written does not tell, as it is younger than the invalidation.';

/**
 * @param {readonly Seen[]} all
 * @param {readonly Story[]} stories
 * @param {number} perCell
 */
export function peersPage(all, stories, perCell) {
  const byRow = (/** @type {string} */ row) => all.filter(({ cell }) => cell.row.name === row);
  return [
    `${count(perCell * all.length)} programs, ${perCell} in each cell.`,
    ...rules,
    inOrder(all),
    summary(all.filter((seen) => !seen.isStaleInOrder)),
    ...unique(all.map(({ cell }) => cell.row.name)).map((row) => tableOf(row, byRow(row))),
    why,
    ...stories.map(told),
  ].join('\n\n');
}

/** @param {readonly Seen[]} all */
function summary(all) {
  const line = (/** @type {string} */ subject) => {
    const own = all.filter(({ cell }) => cell.subject === subject);
    const [programs, stale, lasting] = [
      sum(own, (seen) => seen.programs),
      sum(own, (seen) => seen.stale.size),
      sum(own, (seen) => seen.lasting.size),
    ];
    return `| ${titleOf(subject)} | ${count(programs)} | ${count(stale)} | ${count(lasting)} |`;
  };
  return [
    '| the other cells | programs | stale | and so until its time is over |',
    '| --- | ---: | ---: | ---: |',
    ...subjectsOf(all).map(line),
  ].join('\n');
}

/** @param {readonly Seen[]} all */
function inOrder(all) {
  const stale = all.filter((seen) => seen.isStaleInOrder);
  const where = unique(stale.map(({ cell }) => `${cell.subject}, ${cell.row.name}, ${cell.column.name}`));
  return (
    'First, each cell is run with nothing at the same time: all processes read, one changes the row and invalidates it, messages ' +
    `arrive, and all read again. ${where.length === 0 ? 'None' : 'None but these'} was stale then${where.length === 0 ? '' : `: ${where.join('; ')}`}.`
  );
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
  return [
    `| ${row} | ${heads.join(' | ')} |`,
    `| --- | ${heads.map(() => '---:').join(' | ')} |`,
    ...subjectsOf(seen).flatMap(line),
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

/** Ours last. @param {readonly Seen[]} all */
function subjectsOf(all) {
  const isOwn = (/** @type {string} */ subject) => Number(subject === ownName);
  return unique(all.map(({ cell }) => cell.subject)).sort((a, b) => isOwn(a) - isOwn(b));
}

/**
 * @param {readonly Seen[]} all
 * @param {(seen: Seen) => number} number
 */
function sum(all, number) {
  return all.reduce((total, seen) => total + number(seen), 0);
}

/** @param {number} number */
function count(number) {
  return number.toLocaleString('en-US');
}

/** @param {readonly string[]} all */
function unique(all) {
  return [...new Set(all)];
}
