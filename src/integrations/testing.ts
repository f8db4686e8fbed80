/**
 * Tools for tests of code that uses a cache, for every test runner: time that moves by hand, stores and buses that fail, and the
 * facts that a store or a bus must keep.
 *
 * @packageDocumentation
 */

export { busContract, type BusContractOptions } from './testing/bus-contract.js';
export type { ContractTest } from './testing/contract.js';
export { ExpectationError, expectHit, expectMiss } from './testing/expect.js';
export { faultyBus, type BusFault, type BusPlan, type MessageInTransit } from './testing/faulty-bus.js';
export { faultyStore, type FaultyStoreOptions, type StoreFault, type StorePlan } from './testing/faulty-store.js';
export type { FaultOptions } from './testing/faults.js';
export type { StoreObject } from './testing/handed-in.js';
export { manualClock, type ManualClock } from './testing/manual-clock.js';
export type { StoreCommand } from './testing/relayed-store.js';
export { storeContract, type StoreContractOptions } from './testing/store-contract.js';
export { Random } from './testing/random.js';
export { scheduledBus, scheduledStore, type ScheduledOptions } from './testing/scheduled.js';
export {
  type RunOptions,
  Scheduler,
  type SchedulerOptions,
  SimulatedProcess,
  type StepOptions,
} from './testing/scheduler.js';
export { SimulatedBus } from './testing/simulated-bus.js';
export {
  type ServerRow,
  type ServerSnapshot,
  SimulatedServer,
  type SimulatedServerOptions,
} from './testing/simulated-server.js';
