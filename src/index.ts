/**
 * Caches methods with decorators; no reader gets a stale value after an invalidation.
 *
 * @packageDocumentation
 */

export type { Clock } from './base/clock.js';
export { duration, type Duration } from './base/duration.js';
export {
  CacheConfigError,
  CacheError,
  type CacheErrorCode,
  CacheTimeoutError,
  type ConfigComplaint,
  InvalidationError,
  isCacheConfigError,
  isCacheError,
  isCacheTimeoutError,
  isInvalidationError,
} from './base/errors.js';
export type {
  CacheEvents,
  CacheProblem,
  ChannelMessage,
  InvalidationEvent,
  LoadEvent,
  Mismatch,
  Outcome,
  OutcomeStatus,
  Tier,
} from './base/events.js';
export type {
  Audit,
  CacheStats,
  Finding,
  FindingCode,
  LoadDistribution,
  LoadStats,
  MethodAudit,
  MethodStats,
  Prediction,
} from './base/insight.js';
export type { InvalidationResult } from './cache/host.js';
export type { FeedProblem, Following } from './cache/follow.js';
export type { CacheManager, Explained, LoadOptions, WrappedFunction } from './cache/manager.js';
export type {
  AllCalls,
  Args,
  AsyncMethod,
  AsyncNames,
  CachedManyOptions,
  CachedOptions,
  CacheDefaults,
  CacheOptions,
  CachePolicy,
  CacheTimeout,
  Change,
  ChangeEmitter,
  ElementOf,
  ErrorCaching,
  FollowOptions,
  IdOf,
  InvalidatesOptions,
  ItemOf,
  Many,
  ManyMethod,
  MappedFollowOptions,
  OneCall,
  Result,
  StaleIfError,
  TagOf,
  Version,
} from './cache/options.js';
export type { AnyCachedOptions, AnyInvalidatesOptions } from './cache/policy.js';
export {
  type Cache,
  Cached,
  CachedMany,
  createCache,
  defaultCache,
  Invalidates,
  setDefaultCache,
} from './decorators/cache.js';
export type {
  CachedFunction,
  CachedManyFunction,
  DualManyDecorator,
  DualMethodDecorator,
  InvalidatesFunction,
  NeedsIds,
  TakesIds,
} from './decorators/dialect.js';
export { cacheMetadata, type CacheMetadata } from './decorators/metadata.js';
export type { Class, Codec, Revivable } from './policies/codec.js';
export type { Copies } from './policies/copies.js';
export { cacheIdentity } from './policies/key.js';
export type { Backend, BackendFailure } from './stores/backend.js';
export { type Bus, type BusSubscriber, localBus, type StoreBus } from './stores/bus.js';
export type { RevivableClass } from './policies/revive.js';
export {
  type HostPort,
  type KeyvAdapterLike,
  type KeyvLike,
  registerScheme,
  type SchemeFactory,
  type StoreInput,
  type StoreUri,
} from './stores/uri.js';
