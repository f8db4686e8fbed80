/** Reads what other processes say of themselves. It comes over a bus that anyone may write to: whatever is odd is no answer. */

import type { Answered, Answers, Question } from '../base/insight.js';

type Check = (value: unknown) => boolean;

const longestText = 2_000;
const mostItems = 10_000;

const text: Check = (value) => typeof value === 'string' && value.length <= longestText;
const number: Check = (value) => typeof value === 'number' && Number.isFinite(value);
const flag: Check = (value) => typeof value === 'boolean';
const maybe =
  (check: Check): Check =>
  (value) =>
    value === undefined || check(value);
const bound: Check = (value) => value === Infinity || number(value);
const oneOf =
  (...words: string[]): Check =>
  (value) =>
    words.includes(value as string);
const list =
  (check: Check): Check =>
  (value) =>
    Array.isArray(value) && value.length <= mostItems && value.every(check);
const table =
  (check: Check): Check =>
  (value) =>
    isObject(value) && Object.keys(value).length <= mostItems && Object.entries(value).every(isRow(check));
const object =
  (shape: Readonly<Record<string, Check>>): Check =>
  (value) =>
    isObject(value) && Object.entries(shape).every(([name, check]) => check(value[name]));

function isRow(check: Check): (row: [string, unknown]) => boolean {
  return ([name, value]) => name !== '__proto__' && text(name) && check(value);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const aProcess = object({ id: text, pid: number, host: text, startedAt: number });

const methodStats = {
  calls: number,
  hits: number,
  hitsByTier: object({ memory: number, store: number }),
  misses: number,
  missesByReason: table(number),
  stale: number,
  bypassed: number,
  hitRate: number,
  loads: object({
    count: number,
    errors: number,
    meanMs: number,
    p50Ms: number,
    p95Ms: number,
    p99Ms: number,
    maxMs: number,
  }),
  savedMs: number,
  bytes: object({ mean: number, max: number }),
  invalidations: number,
  invalidated: number,
  mismatches: number,
};

const prediction = object({ ttlMs: maybe(bound), maxEntries: bound, maxSize: maybe(bound), hitRate: number });

const checks: Readonly<Record<keyof Answers, Check>> = {
  snapshot: object({
    process: aProcess,
    namespace: text,
    enabled: flag,
    at: number,
    stats: object({ ...methodStats, errors: number, methods: table(object(methodStats)) }),
    stores: list(
      object({
        tier: oneOf('memory', 'store'),
        name: text,
        entries: maybe(number),
        maxEntries: maybe(number),
        maxSize: maybe(number),
        breaker: oneOf('none', 'closed', 'open', 'probing'),
        pending: number,
      }),
    ),
    bus: object({ state: oneOf('none', 'trusted', 'untrusted', 'idle'), peers: number }),
  }),
  audit: object({
    findings: list(
      object({
        code: text,
        method: maybe(text),
        what: text,
        change: text,
        count: maybe(number),
        gain: maybe(object({ hitRateNow: number, hitRateThen: number, savedMsPer1000Calls: number })),
        proposal: maybe(
          object({ ttlMs: maybe(bound), maxEntries: maybe(bound), maxSize: maybe(bound), memoryTtlMs: maybe(bound) }),
        ),
      }),
    ),
    methods: table(
      object({
        hitRate: number,
        expectedHitRate: number,
        trusted: maybe(flag),
        doubt: maybe(text),
        byTtl: list(prediction),
        bySize: list(prediction),
      }),
    ),
    spanMs: number,
    sampled: number,
  }),
  recent: list(
    object({
      status: oneOf('hit', 'miss', 'stale', 'bypass'),
      method: text,
      key: maybe(text),
      tier: maybe(oneOf('memory', 'store')),
      reason: text,
      tags: list(text),
      ageMs: maybe(number),
      durationMs: number,
    }),
  ),
};

/** Undefined if `said` is no answer to a question of this topic. */
export function readAnswer<Topic extends keyof Answers>(topic: Topic, said: string): Answered<Topic> | undefined {
  const answered = parsed(said, endless);
  const isAnswer = object({ process: aProcess, answer: checks[topic] })(answered);
  return isAnswer ? (answered as Answered<Topic>) : undefined;
}

/** Undefined if `asked` is no question. */
export function readQuestion(asked: string): Question | undefined {
  const question = asked.length > longestText ? undefined : parsed(asked);
  if (!isObject(question)) return undefined;
  const { topic, method } = question;
  if (topic === 'snapshot' || topic === 'audit') return { topic };
  return topic === 'recent' && typeof method === 'string' ? { topic, method } : undefined;
}

/** JSON writes `Infinity` as null. */
function endless(name: string, value: unknown): unknown {
  return value === null && (name === 'ttlMs' || name === 'maxEntries' || name === 'maxSize') ? Infinity : value;
}

function parsed(said: string, revive?: (name: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(said, revive) as unknown;
  } catch {
    return undefined;
  }
}
