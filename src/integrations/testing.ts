/**
 * Tools for tests of code that uses a cache, for every test runner: time that moves by hand, stores and buses that fail, and the
 * facts that a store or a bus must keep.
 *
 * @packageDocumentation
 */

export { manualClock, type ManualClock } from './testing/manual-clock.js';
