/** Stops asking a server that does not answer, so that a call costs microseconds instead of a deadline. */

import type { CircuitBreakerPolicy } from 'cockatiel';

import { machineTime, type Time, turnOver } from './deadline.js';

/** The breaker is open: the server was not asked. */
export class BreakerOpenError extends Error {
  constructor() {
    super('the circuit breaker is open');
    this.name = 'BreakerOpenError';
  }
}

const failuresToOpen = 5;
const probeAfterMs = 1_000;

type Library = typeof import('cockatiel');
type State = 'closed' | 'open' | 'probing';

/** Loaded with the first command, so that importing the package stays cheap. */
let library: Library | undefined;

/** Resolves when it is loaded. Who moves the time by hand waits for it, as loading takes its own. */
export async function breakerLoaded(): Promise<void> {
  library ??= await import('cockatiel');
}

/** Opens after five failures in a row that `counts` says are the server's silence; one call a second probes it then. */
export class Breaker {
  readonly #counts: (error: unknown) => boolean;
  readonly #time: Time;
  #policy: CircuitBreakerPolicy | undefined;
  #state: State = 'closed';
  #openedAtMs = -Infinity;

  constructor(counts: (error: unknown) => boolean, time: Time = machineTime) {
    this.#counts = counts;
    this.#time = time;
  }

  get state(): State {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  run<T>(work: () => Promise<T>): Promise<T> {
    return library ? this.#runBy(library, work) : this.#load().then((loaded) => this.#runBy(loaded, work));
  }

  async #load(): Promise<Library> {
    return (library ??= await import('cockatiel'));
  }

  /** Adds no promise to the policy's own, as each command passes here. */
  #runBy<T>(loaded: Library, work: () => Promise<T>): Promise<T> {
    const policy = (this.#policy ??= this.#newPolicy(loaded));
    // The policy would let everybody wait for the end of the probe, which may be a whole deadline.
    if (this.#state === 'probing' || this.#isResting) return this.#refuse();
    return policy.execute(work);
  }

  /** Not at once: a loop of calls that are refused would keep the process from reading the answer to the probe. */
  async #refuse(): Promise<never> {
    await turnOver();
    throw new BreakerOpenError();
  }

  get #isResting(): boolean {
    return this.#state === 'open' && this.#time.monotonicMs() - this.#openedAtMs < probeAfterMs;
  }

  /**
   * When to probe is said here: the library reads the time of day, which may be set back by an hour, and then would not be over
   * for an hour.
   */
  #newPolicy({ circuitBreaker, ConsecutiveBreaker, handleWhen }: Library): CircuitBreakerPolicy {
    const policy = circuitBreaker(handleWhen(this.#counts), {
      halfOpenAfter: -Infinity,
      breaker: new ConsecutiveBreaker(failuresToOpen),
    });
    policy.onBreak(() => {
      this.#state = 'open';
      this.#openedAtMs = this.#time.monotonicMs();
    });
    policy.onHalfOpen(() => (this.#state = 'probing'));
    policy.onReset(() => (this.#state = 'closed'));
    return policy;
  }
}
