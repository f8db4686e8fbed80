/** What every bus does, whatever carries it. */

import type { Bus } from 'cachette';
import { busContract, type BusContractOptions } from 'cachette/testing';
import type { Backend } from '../../src/stores/backend.js';

export function testBus(name: string, options: BusContractOptions): void {
  describe(`${name} as a bus`, () => {
    for (const { name: fact, run, timeoutMs } of busContract(options)) test(fact, run, timeoutMs);
  });
}

/** A connection to the bus of a backend, which is closed with it. */
export function connectionOf(backend: Backend): Bus {
  const bus = backend.bus?.('cachette:test');
  if (!bus) throw new Error(`${backend.name} has no bus`);
  return {
    publish: (message, to) => bus.publish(message, to),
    subscribe: (id, subscriber) => bus.subscribe(id, subscriber),
    close: async () => {
      await bus.close();
      await backend.close();
    },
  };
}
