/** Checks what users wrote as options and turns it into a complete, frozen policy: behind this file nobody asks for defaults. */

import { durationMs, type Duration } from '../base/duration.js';
import { CacheConfigError } from '../base/errors.js';
import { nearest } from '../base/suggest.js';
import type { Codec, Revivable } from '../policies/codec.js';
import type { Copies } from '../policies/copies.js';
import type { FreshnessPolicy } from '../policies/freshness.js';
import { type Bus, isBus } from '../stores/bus.js';
import type { AskVersion } from './versions.js';
import type {
  AsyncMethod,
  CachedOptions,
  CacheDefaults,
  CacheOptions,
  CachePolicy,
  CacheTimeout,
  InvalidatesOptions,
  Many,
  MappedFollowOptions,
  StaleIfError,
} from './options.js';

/** The options of a method whose types are no longer known. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the types of arbitrary methods end here
export type AnyCachedOptions = CachedOptions<any, AsyncMethod>;
/** The same of `@Invalidates`. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- the types of arbitrary methods end here
export type AnyInvalidatesOptions = InvalidatesOptions<any, AsyncMethod>;

/** How the tags, or whatever else, of a call are found. */
export type OfCall<T> = (self: unknown, args: readonly unknown[]) => T;
export type OfResult<T> = (self: unknown, result: unknown, args: readonly unknown[]) => T;

/** Which failures are kept, and for how long. */
export interface KeptErrors {
  readonly ttlMs: number;
  readonly when: (error: unknown) => boolean;
}

/** A complete, checked `@Cached`. */
export interface Policy extends FreshnessPolicy {
  /** For messages. */
  readonly where: string;
  /** Undefined where it is computed. */
  readonly ttlMs: number | undefined;
  /** May throw a `CacheConfigError` for what the user's function gives. */
  readonly ttlOf: OfResult<number>;
  readonly sliding: boolean;
  readonly maxLifetimeMs: number;
  /** How long after its expiry an entry is kept. */
  readonly staleMs: number;
  /** Whether an old value may be served instead of this failure. */
  readonly isCoverable: (error: unknown) => boolean;
  /** How long the method is left alone after it has failed. */
  readonly backOffMs: number;
  /** How long a caller waits before it takes a stale value. */
  readonly softTimeoutMs: number | undefined;
  /** How long a caller waits at all. */
  readonly hardTimeoutMs: number | undefined;
  readonly errors: KeptErrors | undefined;
  /** How much may be taken off a ttl at random. */
  readonly jitterMs: (ttlMs: number) => number;
  /** Takes the random part off. */
  readonly jittered: (ttlMs: number) => number;
  readonly tags: OfCall<readonly string[]>;
  /** Where they are the same for each call. */
  readonly fixedTags: readonly string[] | undefined;
  readonly resultTags: OfResult<readonly string[]> | undefined;
  /** Undefined: as long as memory is never stale. */
  readonly maxStalenessMs: number | undefined;
  /** One compute over all processes. */
  readonly isFleetWide: boolean;
  readonly inheritTags: boolean;
  /** The fraction of hits that are verified. */
  readonly verify: number;
  readonly copies: Copies;
  readonly revive: readonly Revivable[];
  readonly version: string | undefined;
  /** What an entry is to be held against at each call; undefined where nothing is. */
  readonly versionOf: OfCall<ReturnType<AskVersion>> | undefined;
  /** What identifies the call. */
  readonly keyed: OfCall<readonly unknown[]>;
  /** Whether calls with different arguments may be one and the same to `keyed`. */
  readonly hasOwnKey: boolean;
  readonly name: string | undefined;
  readonly per: AnyCachedOptions['per'];
  readonly partitioned: boolean;
  readonly when: OfCall<boolean> | undefined;
  readonly storeWhen: OfResult<boolean> | undefined;
}

/** A complete, checked `@Invalidates`. */
export interface InvalidationPolicy {
  readonly where: string;
  readonly tags: OfCall<readonly string[]>;
  readonly resultTags: OfResult<readonly string[]>;
  readonly onSuccessOnly: boolean;
}

/** A complete, checked `createCache`. */
export interface CacheSettings {
  readonly namespace: string;
  readonly defaults: CacheDefaults;
  readonly partition: (() => string | undefined) | undefined;
  readonly deadlineMs: number;
  readonly maxStalenessMs: number | undefined;
  readonly outageGraceMs: number;
  readonly throwsUndelivered: boolean;
  readonly waitUntil: ((work: Promise<unknown>) => void) | undefined;
  /** Whether calls are counted. */
  readonly hasStatistics: boolean;
  /** Undefined: the store's own, if it has one. */
  readonly bus: Bus | false | undefined;
  readonly codec: Codec | undefined;
}

type Check = (value: unknown) => boolean;
/** What an option must be, in words, and the check of it. */
export type Rule = readonly [instead: string, check: Check];

const isFunction: Check = (value) => typeof value === 'function';
const isString: Check = (value) => typeof value === 'string' && value !== '';
const isTags: Check = (value) => isString(value) || (Array.isArray(value) && value.every(isString));
/** Whether it is one of these. */
export const oneOf = (...values: readonly unknown[]): Rule => [
  `write ${either(values.map(shown))}`,
  (value) => values.includes(value),
];
const aFunction = (signature: string): Rule => [`write a function ${signature}`, isFunction];
const aDuration: Rule = ["write a duration such as '5m' or milliseconds", (value) => isDuration(value)];
const tagsRule = (signature: string): Rule => [
  `write a tag such as 'product', an array of them, or a function ${signature}`,
  (value) => isTags(value) || isFunction(value),
];

const aDurationOrZero: Rule = ["write a duration such as '5s', or 0", (value) => value === 0 || isDuration(value)];

const policyRules = {
  sliding: oneOf(true, false),
  maxLifetime: aDuration,
  jitter: ["write a fraction from 0 to 1, or a duration such as '10s'", isJitter],
  staleWhileRevalidate: aDuration,
  staleIfError: [
    "write a duration such as '1h', or { for: '1h', when: (error) => boolean, backOff: '1s' }",
    (value) =>
      isDuration(value) || hasParts(value, { for: isDuration, when: maybe(isFunction), backOff: maybe(isDuration) }),
  ],
  refreshAhead: [
    'write a part of ttl above 0 and below 1, such as 0.8',
    (value) => typeof value === 'number' && value > 0 && value < 1,
  ],
  timeout: [
    "write { soft: '200ms', hard: '2s' }, or one of the two, soft the shorter one",
    (value) =>
      hasParts(value, { soft: maybe(isDuration), hard: maybe(isDuration) }) && isTimeout(value as CacheTimeout),
  ],
  errors: [
    "write { ttl: '5s' }, or { ttl: '5s', when: (error) => boolean }",
    (value) => hasParts(value, { ttl: isDuration, when: maybe(isFunction) }),
  ],
  inheritTags: oneOf(true, false),
  verify: [
    'write a fraction of hits from 0 to 1, such as 0.01',
    (value) => typeof value === 'number' && value >= 0 && value <= 1,
  ],
  maxStaleness: aDurationOrZero,
  singleFlight: oneOf('process', 'fleet'),
  copies: oneOf('isolated', 'frozen', 'shared'),
  revive: [
    'write an array of classes, or of { class, toPlain, fromPlain }',
    (value) => Array.isArray(value) && value.every(isRevivable),
  ],
  partition: ['write partition: false, or leave it out', (value) => value === false],
} satisfies Record<keyof CachePolicy, Rule>;

const isConstant: Check = (value) => isString(value) || Number.isFinite(value);

const defaultsRules = {
  ttl: aDuration,
  ...policyRules,
  per: oneOf('class', 'instance'),
  version: ['write a string or a number', isConstant],
} satisfies Record<keyof CacheDefaults, Rule>;

const cachedRules = {
  ttl: [
    "write a duration such as '5m', or a function (result, ...args) => duration",
    (v) => isFunction(v) || isDuration(v),
  ],
  ...policyRules,
  version: [
    'write a string or a number, or a function (...args) => version',
    (value) => isConstant(value) || isFunction(value),
  ],
  tags: tagsRule('(...args) => tags'),
  resultTags: tagsRule('(result, ...args) => tags'),
  key: aFunction('(...args) => whatever identifies the call'),
  name: ["write a name such as 'Products.find'", isString],
  per: [
    "write 'class', 'instance', or a function (self) => string",
    (v) => v === 'class' || v === 'instance' || isFunction(v),
  ],
  when: aFunction('(...args) => boolean'),
  storeWhen: aFunction('(result, ...args) => boolean'),
} satisfies Record<keyof AnyCachedOptions, Rule>;

const invalidatesRules = {
  tags: tagsRule('(...args) => tags'),
  resultTags: tagsRule('(result, ...args) => tags'),
  on: oneOf('settled', 'success'),
} satisfies Record<keyof AnyInvalidatesOptions, Rule>;

const followRules = {
  event: ["write the name of an event, such as 'change'", isString],
  tags: aFunction('(item) => tags'),
} satisfies Record<keyof MappedFollowOptions<unknown>, Rule>;

const cacheRules = {
  namespace: ["write 1 to 40 letters, digits, '.', '_' or '-', such as 'shop'", isNamespace],
  defaults: ['write an object of options', isObject],
  partition: aFunction('() => string | undefined'),
  tagKinds: ["write an array of kinds such as ['product', 'user']", (v) => Array.isArray(v) && v.every(isString)],
  deadline: ["write a duration such as '250ms', at most '1m'", (v) => isDuration(v) && durationMs(v, '') <= 60_000],
  maxStaleness: aDurationOrZero,
  outageGrace: aDurationOrZero,
  onInvalidationFailure: oneOf('defer', 'throw'),
  waitUntil: aFunction('(work) => void'),
  statistics: oneOf(true, false),
  bus: ['write false, or an object with publish, subscribe and close', (value) => value === false || isBus(value)],
  codec: ['write { id, encode, decode }', isCodec],
  clock: ['write { now: () => number }', (value) => isObject(value) && isFunction((value as { now?: unknown }).now)],
} satisfies Record<keyof CacheOptions, Rule>;

/** Throws a `CacheConfigError` if an option of `@Cached` or `wrap` is wrong. */
export function checkCachedOptions(options: unknown, where: string): void {
  check(options, cachedRules, where);
}

/** Throws a `CacheConfigError` if an option of `@Invalidates` is wrong. */
export function checkInvalidatesOptions(options: unknown, where: string): void {
  check(options, invalidatesRules, where);
  const { tags = [], resultTags = [] } = options as AnyInvalidatesOptions;
  if (tags.length > 0 || resultTags.length > 0 || isFunction(tags) || isFunction(resultTags)) return;
  throw new CacheConfigError({
    where,
    what: 'there are no tags, so nothing would be invalidated',
    instead: "write @Invalidates('products') or @Invalidates((id) => `product:${id}`)",
  });
}

/** Throws a `CacheConfigError` if an option of `follow` is wrong. */
export function checkFollowOptions(options: unknown, where: string): void {
  check(options, followRules, where);
}

export function cacheSettings(options: CacheOptions, where: string): CacheSettings {
  refuseBareDefaults(options, where);
  check(options, cacheRules, where);
  const defaults = options.defaults ?? {};
  check(defaults, defaultsRules, `${where}, defaults`);
  return Object.freeze({
    namespace: options.namespace ?? 'cachette',
    defaults,
    partition: options.partition,
    deadlineMs: durationMs(options.deadline ?? '250ms', where),
    maxStalenessMs: durationOrZero(options.maxStaleness, where),
    outageGraceMs: durationOrZero(options.outageGrace, where) ?? 10_000,
    throwsUndelivered: options.onInvalidationFailure === 'throw',
    waitUntil: options.waitUntil,
    hasStatistics: options.statistics ?? true,
    bus: options.bus,
    codec: options.codec,
  });
}

function durationOrZero(value: Duration | undefined, where: string): number | undefined {
  return value === undefined || value === 0 ? value : durationMs(value, where);
}

/** What is a default for all methods stands in `defaults`, not beside it. `partition` is an option of both. */
function refuseBareDefaults(options: unknown, where: string): void {
  const isBare = (name: string): boolean => Object.hasOwn(defaultsRules, name) && !Object.hasOwn(cacheRules, name);
  const bare = isObject(options) ? Object.keys(options).find(isBare) : undefined;
  if (bare === undefined) return;
  throw new CacheConfigError({
    where,
    what: `'${bare}' is an option of methods`,
    instead: `write defaults: { ${bare}: … }`,
  });
}

/** `options` have been checked; `defaults` fill what they leave out. */
export function cachedPolicy(options: AnyCachedOptions, defaults: CacheDefaults, where: string): Policy {
  const { ttl = defaults.ttl ?? '5m', tags, resultTags, key, when, storeWhen } = options;
  const version = options.version ?? defaults.version;
  const asked = typeof version === 'function' ? version : undefined;
  const maxLifetime = options.maxLifetime ?? defaults.maxLifetime ?? Infinity;
  const fixed = typeof ttl === 'function' ? undefined : durationMs(ttl, where);
  const policy: Policy = {
    where,
    ttlMs: fixed,
    ttlOf:
      typeof ttl === 'function'
        ? (self, result, args) => durationMs(ttl.call(self, result, ...args), `${where}, ttl`)
        : () => fixed as number,
    sliding: options.sliding ?? defaults.sliding ?? false,
    maxLifetimeMs: durationMs(maxLifetime, where),
    ...stalePolicy(options, defaults, where),
    ...jitter(options.jitter ?? defaults.jitter ?? 0, where),
    tags: tagsOfCall(tags, where),
    fixedTags: typeof tags === 'function' ? undefined : checkedTags(tags ?? [], where),
    maxStalenessMs: durationOrZero(options.maxStaleness ?? defaults.maxStaleness, where),
    resultTags: resultTags === undefined ? undefined : tagsOfResult(resultTags, where),
    isFleetWide: (options.singleFlight ?? defaults.singleFlight) === 'fleet',
    verify: options.verify ?? defaults.verify ?? 0,
    inheritTags: options.inheritTags ?? defaults.inheritTags ?? true,
    copies: options.copies ?? defaults.copies ?? 'isolated',
    revive: options.revive ?? defaults.revive ?? [],
    version: version === undefined || asked ? undefined : String(version),
    versionOf: asked && ((self, args) => asked.call(self, ...args)),
    hasOwnKey: key !== undefined,
    keyed: key ? (self, args) => [key.call(self, ...args)] : (_self, args) => args,
    name: options.name,
    per: options.per ?? defaults.per,
    partitioned: (options.partition ?? defaults.partition) !== false,
    when: when && ((self, args) => when.call(self, ...args)),
    storeWhen: storeWhen && ((self, result, args) => storeWhen.call(self, result, ...args)),
  };
  return Object.freeze(policy);
}

/** What an old value is good for, and what becomes of failures. */
function stalePolicy(options: AnyCachedOptions, defaults: CacheDefaults, where: string): StalePolicy {
  const whileRevalidating = options.staleWhileRevalidate ?? defaults.staleWhileRevalidate;
  const ifError = staleIfError(options.staleIfError ?? defaults.staleIfError);
  const { soft, hard } = options.timeout ?? defaults.timeout ?? {};
  const errors = options.errors ?? defaults.errors;
  const staleWhileRevalidateMs = whileRevalidating === undefined ? 0 : durationMs(whileRevalidating, where);
  const staleIfErrorMs = ifError ? durationMs(ifError.for, where) : 0;
  const staleMs = Math.max(staleWhileRevalidateMs, staleIfErrorMs);
  if (options.timeout?.soft !== undefined && staleIfErrorMs === 0) throw nothingToServe(where);
  return {
    staleWhileRevalidateMs,
    staleIfErrorMs,
    staleMs,
    isCoverable: ifError?.when ?? (() => true),
    backOffMs: durationMs(ifError?.backOff ?? '1s', where),
    refreshAhead: options.refreshAhead ?? defaults.refreshAhead,
    softTimeoutMs: timerMs(soft, where),
    hardTimeoutMs: timerMs(hard, where),
    errors: errors && { ttlMs: durationMs(errors.ttl, where), when: errors.when ?? (() => true) },
  };
}

/** Undefined where no timer runs for so long. */
function timerMs(timeout: Duration | undefined, where: string): number | undefined {
  const ms = timeout === undefined ? Infinity : durationMs(timeout, where);
  return ms < 2 ** 31 ? ms : undefined;
}

type StalePolicy = FreshnessPolicy &
  Pick<Policy, 'staleMs' | 'isCoverable' | 'backOffMs' | 'softTimeoutMs' | 'hardTimeoutMs' | 'errors'>;

function staleIfError(option: Duration | StaleIfError | undefined): StaleIfError | undefined {
  return typeof option === 'object' ? option : option === undefined ? undefined : { for: option };
}

function nothingToServe(where: string): CacheConfigError {
  return new CacheConfigError({
    where,
    what: 'timeout.soft has no stale value to serve',
    instead: "write staleIfError: '1h' beside it, or timeout: { hard: … } alone",
  });
}

/** `options` have been checked. */
export function invalidationPolicy(options: AnyInvalidatesOptions, where: string): InvalidationPolicy {
  return Object.freeze({
    where,
    tags: tagsOfCall(options.tags, where),
    resultTags: tagsOfResult(options.resultTags, where),
    onSuccessOnly: options.on === 'success',
  });
}

/** Throws a `CacheConfigError` if one of `tags` is no tag. */
export function checkedTags(tags: unknown, where: string): readonly string[] {
  if (isString(tags)) return [tags as string];
  if (isTags(tags)) return tags as readonly string[];
  const wrong: unknown = Array.isArray(tags) ? tags.find((tag) => !isString(tag)) : tags;
  throw new CacheConfigError({
    where,
    what: `${shown(wrong)} is not a tag`,
    instead: Array.isArray(wrong)
      ? "write its tags one by one, such as 'product:1', 'product:2'"
      : "write strings that are not empty, such as 'product:1'",
  });
}

type TagsOption = Many<string> | ((...args: never[]) => Many<string>) | undefined;

function tagsOfCall(tags: TagsOption, where: string): OfCall<readonly string[]> {
  if (typeof tags === 'function') {
    const of = tags as (...args: unknown[]) => unknown;
    return (self, args) => checkedTags(of.call(self, ...args), `${where}, tags`);
  }
  const fixed = tags === undefined ? [] : checkedTags(tags, where);
  return () => fixed;
}

function tagsOfResult(tags: TagsOption, where: string): OfResult<readonly string[]> {
  if (typeof tags === 'function') {
    const of = tags as (...args: unknown[]) => unknown;
    return (self, result, args) => checkedTags(of.call(self, result, ...args), `${where}, resultTags`);
  }
  const fixed = tags === undefined ? [] : checkedTags(tags, where);
  return () => fixed;
}

function jitter(option: number | Extract<Duration, string>, where: string): Pick<Policy, 'jitterMs' | 'jittered'> {
  if (option === 0) return { jitterMs: constant(0), jittered: (ttlMs) => ttlMs };
  const spread = typeof option === 'number' ? (ttlMs: number) => ttlMs * option : constant(durationMs(option, where));
  const jitterMs = (ttlMs: number): number => (ttlMs === Infinity ? 0 : spread(ttlMs));
  return {
    jitterMs,
    jittered: (ttlMs) =>
      ttlMs === Infinity ? ttlMs : Math.max(1, ttlMs - Math.floor(Math.random() * jitterMs(ttlMs))),
  };
}

function constant(value: number): () => number {
  return () => value;
}

/** Throws a `CacheConfigError` if `options` have one that is unknown, or is not what its rule says. */
export function check(options: unknown, rules: Readonly<Record<string, Rule>>, where: string): void {
  if (!isObject(options)) {
    throw new CacheConfigError({
      where,
      what: `${shown(options)} is not an object of options`,
      instead: 'write { option: value }',
    });
  }
  for (const [name, value] of Object.entries(options)) {
    const rule = Object.hasOwn(rules, name) ? rules[name] : undefined;
    if (!rule) throw unknownOption(name, Object.keys(rules), where);
    if (value === undefined || rule[1](value)) continue;
    throw new CacheConfigError({ where, what: `${name} is ${shown(value)}`, instead: rule[0] });
  }
}

function unknownOption(name: string, known: readonly string[], where: string): CacheConfigError {
  const meant = nearest(name, known);
  return new CacheConfigError({
    where,
    what: `there is no option '${name}'`,
    instead: meant ? `did you mean '${meant}'?` : `the options are ${known.join(', ')}`,
  });
}

/** Whether it can be used where a duration is asked for. */
export function isDuration(value: unknown): value is Duration {
  try {
    durationMs(value as Duration, '');
    return true;
  } catch {
    return false;
  }
}

function isJitter(value: unknown): boolean {
  return typeof value === 'number' ? value >= 0 && value <= 1 : isDuration(value);
}

function maybe(check: Check): Check {
  return (value) => value === undefined || check(value);
}

/** Whether `value` has these parts and no other ones. */
function hasParts(value: unknown, parts: Readonly<Record<string, Check>>): boolean {
  if (!isObject(value) || Object.keys(value).some((name) => !Object.hasOwn(parts, name))) return false;
  return Object.entries(parts).every(([name, isRight]) => isRight((value as Record<string, unknown>)[name]));
}

function isTimeout({ soft, hard }: CacheTimeout): boolean {
  if (soft === undefined || hard === undefined) return soft !== hard;
  return durationMs(soft, '') < durationMs(hard, '');
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isNamespace(value: unknown): boolean {
  return typeof value === 'string' && /^[\w.-]{1,40}$/.test(value);
}

function isCodec(value: unknown): boolean {
  const { id, encode, decode } = (isObject(value) ? value : {}) as Partial<Record<keyof Codec, unknown>>;
  return isString(id) && isFunction(encode) && isFunction(decode);
}

function isRevivable(value: unknown): boolean {
  if (isFunction(value)) return true;
  const parts = (isObject(value) ? value : {}) as { class?: unknown; toPlain?: unknown; fromPlain?: unknown };
  return isFunction(parts.class) && isFunction(parts.toPlain) && isFunction(parts.fromPlain);
}

function shown(value: unknown): string {
  if (typeof value === 'string') return `'${value}'`;
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `[${value.map(shown).join(', ')}]`;
  return isObject(value) ? 'an object' : String(value);
}

function either(words: readonly string[]): string {
  return words.length < 2 ? words.join() : `${words.slice(0, -1).join(', ')} or ${words.at(-1)}`;
}
