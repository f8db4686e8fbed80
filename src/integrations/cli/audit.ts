/** `cachette audit`: what the processes of a fleet would change about their caches. */

import type { Answered, Audit, Finding } from '../../base/insight.js';
import { inOrder } from '../../cache/audit.js';
import type { Command, Given, Printed, Terminal } from './command.js';
import { placeOf, storeOptions, unreachable, uriArgument } from './store.js';
import { counted, type Paint, paintFor, printable, shownMs } from './text.js';

const words = ['audit'];

export const audit: Command = {
  words,
  about: 'Asks every process what it would change about its cache, and tells what that would bring',
  arguments: [uriArgument],
  options: storeOptions,
  examples: ['redis://localhost:6379 --namespace shop', "redis://localhost:6379 --json | jq '.findings[0]'"],
  exits: { 1: 'No process answers', ...unreachable },
  run,
};

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const { nobody, withFleet } = await import('./fleet.js');
  const place = placeOf(given, words);
  const { answers, missing } = await withFleet(place, async (fleet) => {
    const all = await fleet.audits();
    return { answers: all, missing: all.length === 0 ? await nobody(place, fleet) : '' };
  });
  const merged = mergedAudit(answers);
  const exitCode = answers.length === 0 ? 1 : 0;
  if (given.isOn('json')) {
    terminal.error(missing);
    return { text: `${JSON.stringify(merged, undefined, 2)}\n`, exitCode };
  }
  return { text: missing || auditText(merged, paintFor(terminal)), exitCode };
}

/** The same of several processes once. */
export interface FleetFinding extends Finding {
  /** How many processes have found it. */
  readonly processes: number;
}

export interface FleetAudit {
  readonly processes: readonly (Pick<Answered<'audit'>['process'], 'host' | 'pid' | 'startedAt'> &
    Pick<Audit, 'spanMs' | 'sampled'>)[];
  /** Best first. */
  readonly findings: readonly FleetFinding[];
}

/** Words, proposal and gain are those of the process to which it would bring most; what was counted is summed up. */
export function mergedAudit(answers: readonly Answered<'audit'>[]): FleetAudit {
  const same = new Map<string, Finding[]>();
  for (const finding of answers.flatMap(({ answer }) => answer.findings)) {
    const what = JSON.stringify([finding.code, finding.method]);
    same.set(what, [...(same.get(what) ?? []), finding]);
  }
  const processes = answers.map(({ process: { host, pid, startedAt }, answer: { spanMs, sampled } }) => {
    return { host, pid, startedAt, spanMs, sampled };
  });
  return { processes, findings: [...same.values()].map(mergedFinding).sort(inOrder) };
}

function mergedFinding(findings: readonly Finding[]): FleetFinding {
  const [best] = [...findings].sort((a, b) => inOrder(a, b) || (b.count ?? 0) - (a.count ?? 0)) as [Finding];
  if (best.count === undefined) return { ...best, processes: findings.length };
  const count = findings.reduce((sum, finding) => sum + (finding.count ?? 0), 0);
  return { ...best, count, what: inAll(best, count), processes: findings.length };
}

function inAll({ what, count }: Finding, all: number): string {
  return count === all ? what : `${what} (${all} in all processes)`;
}

export function auditText({ processes, findings }: FleetAudit, paint: Paint): string {
  const spanMs = Math.max(...processes.map((each) => each.spanMs));
  const sampled = Math.min(...processes.map((each) => each.sampled));
  const head = `${counted(processes.length, 'process', 'processes')}, recorded for ${shownMs(spanMs)}, ${percent(sampled)} of the keys\n`;
  if (findings.length === 0) return `${head}\nNothing is to be changed, as far as that tells.\n`;
  return `${head}${findings.map((finding, at) => findingText(finding, at + 1, { processes: processes.length, paint })).join('')}`;
}

interface Telling {
  readonly processes: number;
  readonly paint: Paint;
}

function findingText(
  { code, method, what, change, gain, processes: finders }: FleetFinding,
  at: number,
  { processes, paint }: Telling,
): string {
  const where = method === undefined ? 'The cache' : printable(method);
  const who = `${finders === processes ? 'all' : `${finders} of ${processes}`} processes`;
  const gained = gain === undefined ? '' : `   ${paint('green', gainText(gain))}\n`;
  return `\n${at}. ${paint('bold', where)} (${code}, ${processes === 1 ? '1 process' : who})\n   ${printable(what)}\n   ${printable(change)}\n${gained}`;
}

function gainText({ hitRateNow, hitRateThen, savedMsPer1000Calls }: NonNullable<Finding['gain']>): string {
  const saved = `${shownMs(Math.abs(savedMsPer1000Calls))} of loading ${savedMsPer1000Calls < 0 ? 'more' : 'less'} per 1,000 calls`;
  return `Hit rate ${percent(hitRateNow)} now, ${percent(hitRateThen)} then; ${saved}.`;
}

function percent(part: number): string {
  return `${(part * 100).toFixed(1)} %`;
}
