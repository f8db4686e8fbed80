/** A bus of which the arrival of each message is a step of a scheduler. Messages overtake each other. */

import type { Bus, BusSubscriber } from '../../stores/bus.js';
import type { Scheduler, SimulatedProcess } from './scheduler.js';

interface Receiver {
  readonly process: SimulatedProcess;
  readonly subscriber: BusSubscriber;
}

/** Carries messages between simulated processes, in any order. For what else may befall them there is `faultyBus`. */
export class SimulatedBus {
  readonly #scheduler: Scheduler;
  readonly #receivers = new Map<string, Receiver>();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** A connection of its own for one process: what the option `bus` takes. */
  connect(process: SimulatedProcess): Bus {
    let own: string | undefined;
    return {
      publish: async (message, to) => {
        await this.#scheduler.turn(`${process.name}: publish`, { process });
        this.#send(message, to);
      },
      subscribe: (id, subscriber) => {
        own = id;
        this.#receivers.set(id, { process, subscriber });
      },
      close: () => {
        if (own !== undefined) this.#receivers.delete(own);
        return Promise.resolve();
      },
    };
  }

  #send(message: string, to: string | undefined): void {
    for (const [id, { process, subscriber }] of this.#receivers) {
      if (to !== undefined && to !== id) continue;
      const deliver = (): void => {
        if (this.#receivers.has(id)) subscriber.message(message);
      };
      this.#scheduler.step(`${process.name}: hears ${message}`, deliver, { process });
    }
  }
}
