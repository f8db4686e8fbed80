/** What a run has measured: as lines for the terminal, and as tables and charts in docs/performance.md. */

import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { root } from '../scripts/run.mjs';
import { barChart } from './chart.mjs';
import { contestants } from './contestants.mjs';
import { versionOf } from './packages.mjs';
import { number, summary } from './summary.mjs';
import { judged, targets } from './targets.mjs';

const page = join(root, 'docs', 'performance.md');
const images = join(root, 'docs', 'images');
/** What stands beside a target where it was measured. */
const dutiful = 'with the same duties, by hand';

/** A scenario's results for the terminal. */
export function printed(scenario, results) {
  const rows = summary(scenario, results).map(({ title, values, ratio: times }) => {
    const cells = values.map((value, index) => number(value, scenario.columns[index].digits).padStart(14));
    return `${title.padEnd(62)}${cells.join('')} ${number(times, 2).padStart(12)}×`;
  });
  return [`${scenario.title} (${scenario.columns.map(headOf).join('; ')})`, ...rows].join('\n');
}

/** The targets of the scenarios that were measured, for the terminal. */
export function printedTargets(results) {
  return targetsIn(results).map((target) => {
    const { value, isMet } = judged(target, results[target.scenario]);
    const byHand = byHandOf(target, results);
    const bound = `${target.bound} ${target.limit}${target.unit}${byHand && `; ${dutiful}: ${byHand}`}`;
    return `${isMet ? '✓' : '✗'} ${target.what.replaceAll('`', '')}: ${valueOf(value, target)} (${bound})`;
  });
}

/**
 * @param {object} run
 * @param {Readonly<Record<string, import('./scenarios.mjs').Scenario>>} run.scenarios
 * @param {Readonly<Record<string, Record<string, number[][]>>>} run.results
 * @param {Awaited<ReturnType<typeof import('./packages.mjs').measureInstalls>>} run.installs
 * @param {readonly string[]} run.machine
 */
export async function writePage({ scenarios, results, installs, machine }) {
  await mkdir(images, { recursive: true });
  const sections = { machine: machine.map((line) => `- ${line}`).join('\n'), targets: targetTable(results) };
  for (const [name, scenario] of Object.entries(scenarios)) {
    const rows = summary(scenario, results[name]);
    const chart = scenario.hasChart === false ? '' : `![${scenario.title}](images/performance-${name}.svg)\n\n`;
    if (chart) await writeFile(join(images, `performance-${name}.svg`), chartOf(scenario, rows));
    const told = `${scenario.about} ${roundsOf(results[name][scenario.reference].length)}`;
    sections[name] = `${told}\n\n${chart}${tableOf(scenario, rows)}`;
  }
  if (installs) sections.install = installTable(installs);
  const text = await readFile(page, 'utf8');
  await writeFile(page, Object.entries(sections).reduce(replaced, text));
}

/** Some scenarios have fewer than the others. */
function roundsOf(rounds) {
  return rounds === 1 ? 'One round.' : `Medians of ${rounds} rounds.`;
}

/** Each section stands between two comments, and all else on the page is written by hand. */
function replaced(text, [name, section]) {
  const [begin, end] = [`<!-- measured: ${name} -->`, `<!-- /measured: ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/performance.md has no place for ${name}: ${begin} … ${end}`);
  return `${text.slice(0, from + begin.length)}\n\n${section}\n\n${text.slice(to)}`;
}

function targetTable(results) {
  const rows = targetsIn(results).map((target) => {
    const { value, isMet } = judged(target, results[target.scenario]);
    return [
      target.what,
      `${target.bound} ${target.limit}${target.unit}`,
      valueOf(value, target),
      byHandOf(target, results),
      isMet ? 'yes' : '**no**',
    ];
  });
  return table(['what', 'target', 'measured', dutiful, 'met'], rows);
}

function byHandOf(target, results) {
  return target.byHand ? valueOf(target.byHand(results[target.scenario]), target) : '';
}

function targetsIn(results) {
  return targets.filter(({ scenario }) => results[scenario]);
}

/** A count is a whole number; where its median is none, that is shown. */
function valueOf(value, { unit }) {
  const isShort = value >= 100 || (unit === '' && Number.isInteger(value));
  return `${number(value, isShort ? 0 : 2)}${unit}`;
}

function tableOf(scenario, rows) {
  const isOfContestants = scenario.contestants.every((name) => contestants[name]);
  const heads = ['', ...(isOfContestants ? ['tags', 'copies'] : []), ...scenario.columns.map(headOf)];
  const isCompared = rows.length > 1;
  const reference = rows.find(({ contestant }) => contestant === scenario.reference)?.title;
  const lines = rows.map(({ contestant, title, values, ratio }) => {
    const { tags, copies } = contestants[contestant] ?? {};
    const traits = isOfContestants ? [tags ? 'yes' : 'no', copies] : [];
    const cells = values.map((value, index) => number(value, scenario.columns[index].digits));
    return [title, ...traits, ...cells, ...(isCompared ? [`${number(ratio, ratio < 10 ? 2 : 0)}×`] : [])];
  });
  const [compared] = scenario.columns;
  const times = scenario.columns.length > 1 ? `${compared.title}: times ${reference}` : `times ${reference}`;
  return table([...heads, ...(isCompared ? [times] : [])], lines);
}

function headOf({ title, unit }) {
  return unit === '' ? title : `${title}, ${unit}`;
}

function installTable(installs) {
  const size = ({ packages, bytes }) => [number(packages), `${number(bytes / 1e6, 1)} MB`];
  const rows = installs.map(({ name, alone, adapters, complete }) => [
    versionOf(name) === undefined ? name : `${name} ${versionOf(name)}`,
    ...size(alone),
    adapters.join(', ') || '–',
    ...size(complete),
  ]);
  return table(['', 'packages', 'size', 'with', 'packages', 'size'], rows);
}

function table(heads, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(heads), line(heads.map(() => '---')), ...rows.map(line)].join('\n');
}

function chartOf({ title, reference, better, columns }, rows) {
  const [{ title: compared, unit, digits }] = columns;
  const bars = rows.map(({ contestant, title: label, values: [value] }) => {
    const isOurs = contestants[contestant]?.isOurs ?? contestant === 'cachette';
    const kind = isOurs ? 'ours' : contestant === reference ? 'reference' : 'bar';
    return { label, value, text: `${number(value, digits)} ${unit}`.trim(), kind };
  });
  const titleOfBars = columns.length > 1 ? `${title}: ${compared}` : title;
  return barChart({ title: titleOfBars, note: better === 'less' ? 'less is better' : 'more is better', bars });
}
