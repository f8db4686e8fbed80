/** What a cache tells about itself, to its own process and, over the bus, to all others of the fleet. */

import { hostname } from 'node:os';
import type { Outcome } from '../base/events.js';
import type { Answered, Answers, Audit, Insight, PolicyTold, Question, Snapshot } from '../base/insight.js';
import { crypto } from '../policies/crypto.js';
import { turnOver } from '../policies/deadline.js';
import { atMost, LRUCache } from '../policies/lru.js';
import { readAnswer, readQuestion } from './answers.js';
import { atOnce } from './audit.js';
import type { Core } from './core.js';
import type { Counts } from './counts.js';

/** Of a method so many hits are kept, and so many other outcomes: misses that are rare are what somebody looks for. */
const outcomesKept = 50;
/** Outcomes of so many methods are kept at a time. */
const methodsWatched = 20;
/** Nobody has asked for so long: no more outcomes are kept, which costs calls nothing then. */
const watchedMs = 60_000;

/** A snapshot names no more methods than this, those with the most calls. */
const methodsTold = 200;

/** For so long an audit keeps a process from what else it has to do. */
const sliceMs = 10;
/** An audit that took a millisecond is good for so many. */
const restPerAudit = 20;

export interface InsightParts {
  readonly core: Core;
  readonly namespace: string;
  readonly audit: () => Generator<undefined, Audit>;
  readonly isEnabled: () => boolean;
  readonly isCounted: boolean;
}

export class CacheInsight implements Insight {
  readonly #parts: InsightParts;
  readonly #recent = new LRUCache<string, Outcome[]>(atMost(methodsWatched));
  #process: Snapshot['process'] | undefined;
  #unwatch: (() => void) | undefined;
  #askedAt = -Infinity;
  /** The last audit that was asked for, and how long it is good enough. */
  #audit: { readonly answer: Promise<Audit>; until: number } | undefined;

  constructor(parts: InsightParts) {
    this.#parts = parts;
  }

  snapshot(): Snapshot {
    const { core, namespace, isEnabled, isCounted } = this.#parts;
    const stats = core.outcomes.stats();
    const byCalls = Object.entries(stats.methods).sort(([, a], [, b]) => b.calls - a.calls);
    const told = byCalls.slice(0, methodsTold);
    return {
      process: this.#self,
      namespace,
      enabled: isEnabled(),
      counted: isCounted,
      at: Date.now(),
      stats: { ...stats, methods: Object.fromEntries(told) },
      ...(byCalls.length > told.length && { methodsLeftOut: byCalls.length - told.length }),
      policies: Object.fromEntries(told.flatMap(([method]) => policyTold(method, core.outcomes.of(method)))),
      ...core.store.state(),
    };
  }

  audit(): Audit {
    return atOnce(this.#parts.audit());
  }

  warn(code: string, message: string): void {
    this.#parts.core.warn(code, message);
  }

  recent(method: string): readonly Outcome[] {
    this.#askedAt = this.#nowMs;
    this.#unwatch ??= this.#parts.core.events.on('outcome', (outcome) => this.#keep(outcome));
    if (!this.#recent.has(method)) this.#recent.set(method, []);
    return [...(this.#recent.get(method) ?? [])];
  }

  async ask<Topic extends keyof Answers>(
    question: Extract<Question, { topic: Topic }>,
    waitMs = 500,
  ): Promise<readonly Answered<Topic>[]> {
    const { topic } = question;
    const asking = this.#parts.core.store.ask(JSON.stringify(question), waitMs);
    const answer = (await this.#answerTo(question)) as Answers[Topic];
    const others = (await asking).map((said) => readAnswer(topic, said));
    return [{ process: this.#self, answer }, ...others.filter((other) => other !== undefined)];
  }

  /** Undefined if that is no question. */
  async answer(asked: string): Promise<string | undefined> {
    const question = readQuestion(asked);
    return question && JSON.stringify({ process: this.#self, answer: await this.#answerTo(question) });
  }

  #answerTo(question: Question): Answers[keyof Answers] | Promise<Audit> {
    switch (question.topic) {
      case 'snapshot':
        return this.snapshot();
      case 'audit':
        return this.#auditForNow();
      case 'recent':
        return this.recent(question.method);
    }
  }

  /** Whoever asks again and again gets the same audit for a while, so that audits take little of the process's time. */
  #auditForNow(): Promise<Audit> {
    const began = this.#nowMs;
    if (this.#audit && began < this.#audit.until) return this.#audit.answer;
    const audit = { answer: this.#auditInTurns(), until: Infinity };
    this.#audit = audit;
    const end = (): void => {
      const ended = this.#nowMs;
      audit.until = ended + (ended - began) * restPerAudit;
    };
    audit.answer.then(end, end);
    return audit.answer;
  }

  /** Somebody else asks: the process goes on with what it has to do. */
  async #auditInTurns(): Promise<Audit> {
    const steps = this.#parts.audit();
    for (let sliceEnds = this.#nowMs + sliceMs; ;) {
      const step = steps.next();
      if (step.done) return step.value;
      if (this.#nowMs < sliceEnds) continue;
      await turnOver();
      sliceEnds = this.#nowMs + sliceMs;
    }
  }

  get #nowMs(): number {
    return this.#parts.core.time.monotonicMs();
  }

  get #self(): Snapshot['process'] {
    return (this.#process ??= {
      id: crypto().randomBytes(9).toString('base64url'),
      pid: process.pid,
      host: hostname(),
      startedAt: Math.round(Date.now() - process.uptime() * 1_000),
    });
  }

  #keep(outcome: Outcome): void {
    if (this.#nowMs - this.#askedAt > watchedMs) {
      this.#unwatch?.();
      this.#unwatch = undefined;
      this.#recent.clear();
      return;
    }
    const kept = this.#recent.peek(outcome.method);
    if (!kept) return;
    kept.push(outcome);
    const isHit = outcome.status === 'hit';
    const alike = kept.filter(({ status }) => (status === 'hit') === isHit);
    if (alike.length > outcomesKept) kept.splice(kept.indexOf(alike[0] as Outcome), 1);
  }
}

/** None where each call has its own. */
function policyTold(method: string, { policy, kinds }: Counts): [string, PolicyTold][] {
  if (!policy) return [];
  const { ttlMs, sliding, staleWhileRevalidateMs, staleIfErrorMs } = policy;
  return [[method, { ttlMs, sliding, staleWhileRevalidateMs, staleIfErrorMs, tagKinds: [...kinds.keys()] }]];
}
