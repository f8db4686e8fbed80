/** `npm run race`: see `--help`. */

import { parseArgs } from 'node:util';
import { ensureBuilt } from '../scripts/build.mjs';
import { randomProgram } from './random-programs.mjs';
import { replay } from './replay.mjs';
import { explore } from './explore.mjs';
import { findMutants } from './find-mutants.mjs';
import { explorePeers } from './peers/explore.mjs';
import { areInstalled } from './peers/packages.mjs';
import { peers } from './peers/peer.mjs';
import { ownName, peerCells } from './peers/table.mjs';
import { cells } from './table.mjs';

const help = `npm run race -- [options]

Runs random programs of reads, writes, invalidations, faults and clock jumps over one to four simulated processes, and looks
for values that are stale after an invalidation.

  --programs N    so many over the whole table (default 72,000)
  --cell TEXT     only cells with this in their names, such as 'joiner / tag'
  --from SEED     the first seed (default 1)
  --seed SEED     one program, step by step, in the cells that --cell names
  --program JSON  the same for a program that was shown
  --mutants       puts faults into the sources, one by one, and looks whether the programs find them
  --peer NAME     the part of the table that a black box can run, against a peer, or 'all' of them, and against Cachette;
                  --programs is for each cell then (default 500)
  --only TEXT     with --mutants: only those with this in their names
  --soak          ten million keys and tags and a million invalidations: does memory stay flat?
  --keys N        with --soak: so many keys
  --list          the names of the cells
  --write         writes what was seen into docs/reliability.md; only of the whole of something
  --help          this text

Exits with 1 if anything was wrong.
`;

const allKeys = '10000000';

const { values } = parseArgs({
  options: {
    programs: { type: 'string' },
    cell: { type: 'string', default: '' },
    from: { type: 'string', default: '1' },
    seed: { type: 'string' },
    program: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    peer: { type: 'string' },
    only: { type: 'string', default: '' },
    soak: { type: 'boolean', default: false },
    keys: { type: 'string', default: allKeys },
    list: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const { peer } = values;
const known =
  peer === undefined ? cells : peerCells.filter(({ subject }) => peer === 'all' || [peer, ownName].includes(subject));
const chosen = known.filter(({ name }) => name.includes(values.cell));

/** Of the whole table; for peers, in each cell. */
const programs = Number(values.programs ?? (peer === undefined ? 72_000 : 500));

async function main() {
  if (values.help) return console.log(help);
  if (!Number.isSafeInteger(programs) || programs < 1)
    return fail(`--programs is '${values.programs}'; write a whole number from 1.`);
  for (const [name, least] of /** @type {const} */ ([
    ['from', 1],
    ['seed', 1],
    ['keys', 1_000],
  ])) {
    const text = values[name];
    if (text !== undefined && !isWhole(text, least))
      return fail(`--${name} is '${text}'; write a whole number from ${least.toLocaleString('en')}.`);
  }
  if (
    values.write &&
    (values.cell !== '' || values.only !== '' || values.keys !== allKeys || values.seed || values.program)
  )
    return fail('--write is for the whole of something: without --cell, --only, --keys, --seed and --program.');
  if (peer !== undefined && whatIsMissing(peer)) return fail(whatIsMissing(peer));
  if (values.list) return console.log(known.map(({ name }) => name).join('\n'));
  if (chosen.length === 0) return fail(`No cell has '${values.cell}' in its name; --list shows them.`);
  if (values.mutants) return (await findMutants({ write: values.write, only: values.only })) || fail();
  await ensureBuilt();
  if (values.soak)
    return (await (await import('./soak.mjs')).soak({ keys: Number(values.keys), write: values.write })) || fail();
  if (values.program !== undefined) return replay(chosen, () => JSON.parse(/** @type {string} */ (values.program)));
  if (values.seed !== undefined)
    return replay(chosen, (cell, { Random }) => randomProgram(Number(values.seed), cell, Random));
  if (peer !== undefined) return (await againstPeers(peer)) || fail();
  const isRight = await explore(chosen, {
    programs,
    from: Number(values.from),
    write: values.write,
  });
  return isRight || fail();
}

/**
 * @param {string} text
 * @param {number} least
 */
function isWhole(text, least) {
  return /^\d+$/.test(text) && Number.isSafeInteger(Number(text)) && Number(text) >= least;
}

/** @param {string} peer */
function whatIsMissing(peer) {
  if (peer !== 'all' && !peers.some(({ name }) => name === peer)) return `There is no peer '${peer}'.`;
  return areInstalled() ? undefined : 'The peers are not installed; run: npm ci --prefix bench';
}

/** @param {string} peer */
async function againstPeers(peer) {
  const { from, write } = values;
  if (write && peer !== 'all') return fail('Only the whole table is written: --peer all --write');
  return explorePeers(/** @type {import('./peers/table.mjs').PeerCell[]} */ (chosen), {
    perCell: programs,
    from: Number(from),
    write,
  });
}

/** @param {string} [message] */
function fail(message) {
  if (message) console.error(message);
  process.exitCode = 1;
}

await main();
