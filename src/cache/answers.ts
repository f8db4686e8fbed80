/** Reads what other processes say of themselves. It comes over a bus that anyone may write to: whatever is odd is no answer. */

import type { Answered, Answers, Question } from '../base/insight.js';
import { bucketCount } from './distribution.js';

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

const distribution: Check = (value) =>
  Array.isArray(value) && value.length <= bucketCount && value.every((pair) => Array.isArray(pair) && isBucket(pair));

function isBucket([bucket, count, ...more]: readonly unknown[]): boolean {
  return Number.isInteger(bucket) && within(bucket as number, bucketCount) && number(count) && more.length === 0;
}

const within = (index: number, end: number): boolean => index >= 0 && index < end;

const policy = object({
  ttlMs: maybe(bound),
  sliding: flag,
  staleWhileRevalidateMs: bound,
  staleIfErrorMs: bound,
  tagKinds: list(text),
});

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
    distribution: maybe(distribution),
  }),
  savedMs: number,
  // What an older process does not send is missing in its answer.
  puts: maybe(number),
  bytes: object({ mean: number, max: number, sum: maybe(number), count: maybe(number) }),
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
    counted: maybe(flag),
    at: number,
    stats: object({ ...methodStats, errors: number, methods: table(object(methodStats)) }),
    methodsLeftOut: maybe(number),
    policies: maybe(table(policy)),
    stores: list(
      object({
        tier: oneOf('memory', 'store'),
        name: text,
        entries: maybe(number),
        maxEntries: maybe(number),
        maxSize: maybe(number),
        size: maybe(number),
        evictions: maybe(number),
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
      errorType: maybe(text),
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

const endlessNames = new Set(['ttlMs', 'maxEntries', 'maxSize', 'staleWhileRevalidateMs', 'staleIfErrorMs']);

/** JSON writes `Infinity` as null. */
function endless(name: string, value: unknown): unknown {
  return value === null && endlessNames.has(name) ? Infinity : value;
}

function parsed(said: string, revive?: (name: string, value: unknown) => unknown): unknown {
  try {
    return JSON.parse(said, revive) as unknown;
  } catch {
    return undefined;
  }
}
