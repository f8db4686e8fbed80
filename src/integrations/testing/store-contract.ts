/** Makes tests of the facts about stores. Hides how what a test opens is opened, told apart from others and closed. */

import { randomUUID } from 'node:crypto';
import { CacheConfigError } from '../../base/errors.js';
import type { Backend } from '../../stores/backend.js';
import { type ContractTest, usualTimeoutMs, waitBy } from './contract.js';
import { handedIn, type StoreObject } from './handed-in.js';
import type { ManualClock } from './manual-clock.js';
import { storeFacts, type Subject, type Terms } from './store-facts.js';

const where = 'storeContract';

/** What a store is, and what it can. */
export interface StoreContractOptions<Store extends StoreObject> {
  /** Gives a store over the same data each time; each test opens one or two. */
  readonly open: () => Store | Promise<Store>;
  /** Closes what `open` gave, after each test. Default: the `close` of a `Backend`; nothing of a Keyv or an adapter. */
  readonly close?: ((store: Store) => Promise<unknown>) | undefined;
  /** Whether it can write where nothing is. Default: no, as a Keyv. */
  readonly adds?: boolean | undefined;
  /** Whether it can restart the ttl of a key. Default: no, as a Keyv. */
  readonly touches?: boolean | undefined;
  /** How coarse the server's clock is, and by how much it keeps a key too long, in milliseconds. Default: 0. */
  readonly tickMs?: number | undefined;
  /** A text so long that it comes in several packets, in bytes. Default: 900,000. */
  readonly bigBytes?: number | undefined;
  /** How many keys are a lot. Default: 2,000. */
  readonly manyKeys?: number | undefined;
  /** Whether what `open` gives has the same data each time. Default: yes. */
  readonly shares?: boolean | undefined;
  /**
   * By which the store ends its keys: it is moved instead of waiting, so that the tests have to run one after another. Default:
   * the machine's, which takes some seconds.
   */
  readonly clock?: ManualClock | undefined;
}

/**
 * The facts that a store must keep, as tests for any runner. Each opens a store, uses keys of its own, and closes it.
 *
 * @param options how a store is opened, and what it can
 * @throws CacheConfigError if `open` is no function
 *
 * @example
 * ```ts
 * import { test } from 'node:test';
 * import { storeContract } from 'cachette/testing';
 * import { Keyv } from 'keyv';
 *
 * const rows = new Map();
 * const facts = storeContract({ open: () => new Keyv({ store: rows }) });
 * for (const { name, run, timeoutMs } of facts) test(name, { timeout: timeoutMs }, run);
 * ```
 */
export function storeContract<Store extends StoreObject>(
  options: StoreContractOptions<Store>,
): readonly ContractTest[] {
  checkOpen(options);
  const { adds = false, touches = false, shares = true } = options;
  const terms = termsOf(options);
  const facts = storeFacts({ adds, touches, shares }, terms);
  return facts.map(({ name, timeoutMs = usualTimeoutMs, check }) => ({
    name,
    timeoutMs,
    run: () => withSubject(options, (subject) => check(subject, terms)),
  }));
}

function checkOpen({ open }: { readonly open?: unknown }): void {
  if (typeof open === 'function') return;
  const instead = 'write what gives a store, such as { open: () => new Keyv({ store }) }';
  throw new CacheConfigError({ where, what: 'open is no function', instead });
}

function termsOf(options: Omit<StoreContractOptions<never>, 'open' | 'close'>): Terms {
  const { tickMs = 0, bigBytes = 900_000, manyKeys = 2_000, clock } = options;
  const shortMs = tickMs === 0 ? 600 : 1_000;
  return { tickMs, bigBytes, manyKeys, wait: waitBy(clock), shortMs, overMs: shortMs + tickMs + 100 };
}

/** Closes whatever was opened, also where the fact is not so. */
async function withSubject<Store extends StoreObject>(
  { open, close, clock }: StoreContractOptions<Store>,
  check: (subject: Subject) => Promise<void>,
): Promise<void> {
  const closings: (() => Promise<unknown>)[] = [];
  const openOne = async (): Promise<Backend> => {
    const opened = await open();
    if (close) closings.unshift(() => close(opened));
    const { backend } = handedIn(opened, { where, clock });
    closings.unshift(() => backend.close());
    return backend;
  };
  const prefix = `shop:1:${randomUUID()}:`;
  try {
    await check({ store: await openOne(), open: openOne, key: (suffix) => `${prefix}${suffix}` });
  } finally {
    for (const end of closings) await end();
  }
}
