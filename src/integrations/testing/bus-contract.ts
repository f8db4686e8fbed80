/** Makes tests of the facts about buses. Hides how what a test connects is told apart from others and closed. */

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { CacheConfigError } from '../../base/errors.js';
import { type Bus, isBus } from '../../stores/bus.js';
import { busFacts, type Subject, type Terms } from './bus-facts.js';
import { type ContractTest, usualTimeoutMs, waitBy } from './contract.js';
import type { ManualClock } from './manual-clock.js';

/** What a bus is, and what it promises. */
export interface BusContractOptions {
  /** Gives a connection of its own each time, all to the same bus; each test makes one to three, and closes them. */
  readonly connect: () => Bus | Promise<Bus>;
  /** Whether the messages of one sender come in the order in which they were sent. Default: no, the cache needs no order. */
  readonly ordered?: boolean | undefined;
  /**
   * Interrupts the subscriptions of all connections, as when a server is restarted; they have to come back by themselves. Default:
   * that cannot be done, and is not tested.
   */
  readonly interrupt?: (() => unknown) | undefined;
  /** How long a message may take, and a subscription until it hears, in milliseconds. Default: 5,000. */
  readonly withinMs?: number | undefined;
  /** How long is waited for what must not come, in milliseconds. Default: 100. */
  readonly quietMs?: number | undefined;
  /** By which the bus waits: it is moved instead of waiting, so that the tests have to run one after another. Default: the machine's. */
  readonly clock?: ManualClock | undefined;
}

/**
 * The facts that a bus must keep, as tests for any runner. A bus may lose a message now and then; these facts are about one that
 * is well.
 *
 * @param options how a connection is made, and what the bus promises
 * @throws CacheConfigError if `connect` is no function
 *
 * @example
 * ```ts
 * import { test } from 'node:test';
 * import { localBus } from 'cachette';
 * import { busContract } from 'cachette/testing';
 *
 * const bus = localBus();
 * const facts = busContract({ connect: () => bus.connect(), ordered: true });
 * for (const { name, run, timeoutMs } of facts) test(name, { timeout: timeoutMs }, run);
 * ```
 */
export function busContract(options: BusContractOptions): readonly ContractTest[] {
  checkConnect(options);
  const { ordered = false, interrupt } = options;
  const facts = busFacts({ ordered, interrupt });
  return facts.map(({ name, check }) => ({
    name,
    timeoutMs: usualTimeoutMs,
    run: () => withSubject(options, check),
  }));
}

function checkConnect({ connect }: { readonly connect?: unknown }): void {
  if (typeof connect === 'function') return;
  const instead = 'write what gives a connection, such as { connect: () => bus.connect() }';
  throw new CacheConfigError({ where: 'busContract', what: 'connect is no function', instead });
}

/** Closes whatever was connected, also where the fact is not so. */
async function withSubject(options: BusContractOptions, check: (subject: Subject) => Promise<void>): Promise<void> {
  const { withinMs = 5_000, quietMs = 100 } = options;
  const terms: Terms = { withinMs, quietMs, wait: waitBy(options.clock) };
  const connected: Bus[] = [];
  const connect = async (): Promise<Bus> => {
    const bus: unknown = await options.connect();
    assert.ok(isBus(bus), 'connect gives no bus: one has publish, subscribe and close');
    connected.push(bus);
    return bus;
  };
  try {
    await check({ ...terms, connect, run: randomUUID() });
  } finally {
    await Promise.all(connected.map((bus) => bus.close()));
  }
}
