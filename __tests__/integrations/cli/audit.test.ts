/** How the findings of several processes become one list, and its words. */

import type { Answered, Finding } from '../../../src/base/insight.js';
import { auditText, mergedAudit } from '../../../src/integrations/cli/audit.js';

const plain = (_: string, text: string): string => text;

function finding(saved: number | undefined, given: Partial<Finding> = {}): Finding {
  return {
    code: 'ttl-too-short',
    method: 'Products.find',
    what: `it would save ${saved}`,
    change: "write ttl: '10m'",
    gain: saved === undefined ? undefined : { hitRateNow: 0.5, hitRateThen: 0.9, savedMsPer1000Calls: saved },
    ...given,
  };
}

function answer(pid: number, findings: Finding[]): Answered<'audit'> {
  const process = { id: `id-${pid}`, pid, host: 'alpha', startedAt: 0 };
  return { process, answer: { findings, methods: {}, spanMs: 90_000, sampled: 0.25 } };
}

it('has the same finding of several processes once, with the words of who gains most', () => {
  const { findings } = mergedAudit([
    answer(1, [finding(100), finding(undefined, { code: 'many-instances' })]),
    answer(2, [finding(300), finding(900, { method: 'Orders.find' })]),
  ]);
  expect(findings.map(({ method, code, processes, what }) => [method, code, processes, what])).toEqual([
    ['Products.find', 'many-instances', 1, 'it would save undefined'],
    ['Orders.find', 'ttl-too-short', 1, 'it would save 900'],
    ['Products.find', 'ttl-too-short', 2, 'it would save 300'],
  ]);
  expect(findings[2]!.gain).toEqual({ hitRateNow: 0.5, hitRateThen: 0.9, savedMsPer1000Calls: 300 });
});

it('sums up what the processes have counted', () => {
  const found = (count: number): Finding => ({
    ...finding(undefined),
    code: 'mismatches',
    count,
    what: `${count} hits`,
  });
  const { findings } = mergedAudit([answer(1, [found(2)]), answer(2, [found(5)])]);
  expect(findings).toMatchObject([{ count: 7, what: '5 hits (7 in all processes)', processes: 2 }]);
  expect(mergedAudit([answer(1, [found(2)])]).findings).toMatchObject([{ count: 2, what: '2 hits' }]);
});

it('says of the process that has recorded the smallest part of the keys how much it was', () => {
  const few = answer(2, []);
  const merged = mergedAudit([answer(1, []), { ...few, answer: { ...few.answer, sampled: 0.1 } }]);
  expect(auditText(merged, plain)).toContain('10.0 % of the keys');
});

it('is told in words', () => {
  const text = auditText(
    mergedAudit([
      answer(1, [finding(4_000)]),
      answer(2, [finding(undefined, { code: 'mismatches', method: undefined, what: 'a\u001b[2J' })]),
    ]),
    plain,
  );
  expect(text).toBe(
    [
      '2 processes, recorded for 1 m 30 s, 25.0 % of the keys',
      '',
      '1. The cache (mismatches, 1 of 2 processes)',
      '   a\\u001b[2J',
      "   write ttl: '10m'",
      '',
      '2. Products.find (ttl-too-short, 1 of 2 processes)',
      '   it would save 4000',
      "   write ttl: '10m'",
      '   Hit rate 50.0 % now, 90.0 % then; 4 s of loading less per 1,000 calls.',
      '',
    ].join('\n'),
  );
});

it('says that there is nothing', () => {
  expect(auditText(mergedAudit([answer(1, [])]), plain)).toBe(
    '1 process, recorded for 1 m 30 s, 25.0 % of the keys\n\nNothing is to be changed, as far as that tells.\n',
  );
});
