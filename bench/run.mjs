/**
 * `npm run bench`: measures the package against its peers and writes docs/performance.md and its charts.
 *
 * Each run of a scenario with a contestant is a process of its own. Rounds are interleaved, A B C A B C, so that what else
 * goes on meets all of them; a ratio is the median of the ratios within the rounds.
 */

import { execFile, execFileSync } from 'node:child_process';
import { arch, cpus, totalmem, type } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { seconds } from '../scripts/run.mjs';
import { copyBuilt } from './built.mjs';
import { arePeersInstalled } from './packages.mjs';
import { pinned, pinning } from './pinned.mjs';

const here = fileURLToPath(new URL('.', import.meta.url));
const timeoutMs = 300_000;
const attempts = 3;

const help = `npm run bench                        measures everything and writes docs/performance.md
npm run bench -- --only SCENARIO     measures one scenario and writes nothing (may be given again)
npm run bench -- --rounds N          so many rounds instead of 5
npm run bench -- --quick             one short round of everything; writes nothing, and fails only where something does not run
npm run bench -- --help              this`;

const { values: options } = parseArgs({
  options: {
    only: { type: 'string', multiple: true },
    rounds: { type: 'string', default: '5' },
    quick: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
try {
  if (options.help) console.log(help);
  else await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  // not at once: what was started is stopped when the process ends
  process.exitCode = 1;
}

async function main() {
  const beganAt = performance.now();
  const rounds = options.quick ? 1 : wholeNumber(options.rounds);
  installPeers();
  const { scenarios } = await import('./scenarios.mjs');
  const { measureInstalls } = await import('./packages.mjs');
  const { startServers } = await import('./servers.mjs');
  const { printed, printedTargets, writePage } = await import('./report.mjs');
  const chosen = choose(scenarios);
  const built = await copyBuilt();
  const servers = await startServers();
  const results = {};
  const repeated = [];
  try {
    for (const name of chosen) {
      const startedAt = performance.now();
      results[name] = await measured(scenarios[name], { name, rounds, servers, built, repeated });
      console.log(`\n${printed(scenarios[name], results[name])}\n(${seconds(performance.now() - startedAt)})`);
    }
  } finally {
    servers.stop();
  }
  if (options.quick)
    console.log('\n--quick has less data than the titles say and takes little time: its figures say nothing');
  console.log(`\n${printedTargets(results).join('\n')}\n\n${told(repeated)}`);
  if (options.quick || options.only) return;
  const installs = await measureInstalls();
  const minutes = Math.round((performance.now() - beganAt) / 60_000);
  await writePage({
    scenarios,
    results,
    installs,
    machine: [...machine(servers), `${command()}; ${minutes} minutes`, told(repeated)],
  });
  console.log('\nwritten: docs/performance.md and its charts');
}

/** What the figures are of. */
function machine({ redis, memcached }) {
  const [{ model }] = cpus();
  return [
    `${model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 2 ** 30)} GB, ${type()} ${arch()}`,
    `Node ${process.versions.node}, Redis ${redis.version}, memcached ${memcached.version}; ${pinning}`,
  ];
}

/** What was run, and when. */
function command() {
  const args = process.argv.slice(2);
  return `${new Date().toISOString().slice(0, 10)}, \`npm run bench${args.length > 0 ? ` -- ${args.join(' ')}` : ''}\``;
}

/** @param {readonly string[]} repeated */
function told(repeated) {
  if (repeated.length === 0) return 'No run had to be repeated';
  return `Runs that failed and were repeated: ${repeated.length} (${repeated.join('; ')})`;
}

/** @param {string} text */
function wholeNumber(text) {
  if (/^[1-9]\d*$/.test(text)) return Number(text);
  throw new Error(`--rounds: '${text}' is no whole number above 0`);
}

function choose(scenarios) {
  const names = Object.keys(scenarios);
  const unknown = options.only?.find((name) => !names.includes(name));
  if (unknown !== undefined) throw new Error(`no scenario '${unknown}'; there are: ${names.join(' ')}`);
  return options.only ?? names;
}

/** The peers are a package of their own, which nobody needs who does not measure. */
function installPeers() {
  if (arePeersInstalled()) return;
  console.log('installing the peers …');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  execFileSync(npm, ['ci', '--no-audit', '--no-fund', '--ignore-scripts'], { cwd: here, stdio: 'inherit' });
}

/** What each contestant gave, round by round. */
async function measured(scenario, { name, rounds, servers, built, repeated }) {
  const results = Object.fromEntries(scenario.contestants.map((contestant) => [contestant, []]));
  const { redis, memcached } = servers;
  const forMs = options.quick ? 50 : 600;
  const given = { redis: redis.uri, memcached: memcached.uri, isQuick: options.quick, forMs, built };
  for (let round = 0; round < Math.min(rounds, scenario.rounds ?? Infinity); round++) {
    for (const contestant of scenario.contestants) {
      await Promise.all([redis.empty(), memcached.empty()]);
      results[contestant].push(await child({ scenario: name, contestant, ...given }, scenario, repeated));
    }
  }
  return results;
}

/**
 * A machine that stands still for a moment lets a deadline pass, and then a run is no run of hits. So it is repeated, and told of
 * in `repeated`.
 */
async function child(job, scenario, repeated) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await childOnce(job, scenario);
    } catch (error) {
      const what = `${job.scenario} with ${job.contestant}`;
      if (attempt === attempts) throw new Error(`${what} failed: ${error.message}`, { cause: error });
      repeated.push(`${what}: ${reasonOf(error)}`);
      console.error(`again: ${repeated.at(-1)}`);
    }
  }
}

function reasonOf({ stderr = '', killed: isKilled, code, message }) {
  const [, thrown] = /^\w*Error: (.+)$/m.exec(stderr) ?? [];
  return thrown ?? (isKilled ? 'no answer in time' : code === undefined ? message : `exit code ${code}`);
}

async function childOnce(job, scenario) {
  const plain = [process.execPath, '--expose-gc', join(here, 'child.mjs'), JSON.stringify(job)];
  const [command, ...args] = scenario.usesServers ? pinned('others', plain) : plain;
  const { stdout } = await promisify(execFile)(command, args, { timeout: timeoutMs });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}
