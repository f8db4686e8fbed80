/** Stops asking a server that does not answer, so that a call costs microseconds instead of a deadline. */

import type { CircuitBreakerPolicy } from 'cockatiel';

/** The breaker is open: the server was not asked. */
export class BreakerOpenError extends Error {
  constructor() {
    super('the circuit breaker is open');
    this.name = 'BreakerOpenError';
  }
}

const failuresToOpen = 5;
const probeAfterMs = 1_000;

type State = 'closed' | 'open' | 'probing';

/** Opens after five failures in a row that `counts` says are the server's silence; one call a second probes it then. */
export class Breaker {
  readonly #counts: (error: unknown) => boolean;
  #policy: CircuitBreakerPolicy | undefined;
  #isOpenError: (error: unknown) => boolean = () => false;
  #state: State = 'closed';
  #openedAt = -Infinity;

  constructor(counts: (error: unknown) => boolean) {
    this.#counts = counts;
  }

  get state(): State {
    return this.#state;
  }

  get isClosed(): boolean {
    return this.#state === 'closed';
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    const policy = this.#current() ?? (await this.#load());
    // The policy would let everybody wait for the end of the probe, which may be a whole deadline.
    if (this.#state === 'probing') throw new BreakerOpenError();
    try {
      return await policy.execute(work);
    } catch (error) {
      throw this.#isOpenError(error) ? new BreakerOpenError() : error;
    }
  }

  /** A machine's clock that is set back by an hour would keep the policy open for an hour: then there is a new one. */
  #current(): CircuitBreakerPolicy | undefined {
    if (Date.now() < this.#openedAt) this.#policy = undefined;
    return this.#policy;
  }

  /** Loaded with the first command, so that importing the package stays cheap. */
  async #load(): Promise<CircuitBreakerPolicy> {
    const { circuitBreaker, ConsecutiveBreaker, handleWhen, isBrokenCircuitError } = await import('cockatiel');
    if (this.#policy) return this.#policy;
    this.#isOpenError = isBrokenCircuitError;
    this.#policy = circuitBreaker(handleWhen(this.#counts), {
      halfOpenAfter: probeAfterMs,
      breaker: new ConsecutiveBreaker(failuresToOpen),
    });
    this.#follow(this.#policy);
    return this.#policy;
  }

  #follow(policy: CircuitBreakerPolicy): void {
    this.#openedAt = -Infinity;
    const enter = (state: State): void => {
      if (policy === this.#policy) this.#state = state;
    };
    enter('closed');
    policy.onBreak(() => {
      enter('open');
      this.#openedAt = Date.now();
    });
    policy.onHalfOpen(() => enter('probing'));
    policy.onReset(() => enter('closed'));
  }
}
