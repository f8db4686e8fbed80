/**
 * How long a process may trust what it remembers of generations, and how long others may. A process trusts only while
 * its own heartbeats come back over the bus, as nothing else proves that messages reach it (Gray and Cheriton, 1989).
 */

/** While a process is trusted it sends a heartbeat this often; before, several times as often. */
export const heartbeatMs = 500;
/** How long one heartbeat that came back is good for. */
export const leaseMs = 1_000;

/** So many heartbeats have to come back before anything is trusted: then every other process has heard of this one. */
const beatsToTrust = 3;

/**
 * This process's own lease. A heartbeat counts from its sending, as its coming back may be read late:
 *
 *   P sends a beat, which comes back to its socket · P is frozen for a minute · P reads the beat: of no use any more
 */
export class Lease {
  readonly #sent = new Map<number, number>();
  #beats = 0;
  #returned = 0;
  #until = -Infinity;
  #era = 0;

  /** A heartbeat is about to be sent; gives its number. */
  beat(nowMs: number): number {
    for (const [beat, sentAt] of this.#sent) if (sentAt + leaseMs <= nowMs) this.#sent.delete(beat);
    this.#sent.set(++this.#beats, nowMs);
    return this.#beats;
  }

  /** One of the own heartbeats came back. */
  returned(beat: number, nowMs: number): void {
    const sentAt = this.#sent.get(beat);
    if (sentAt === undefined || sentAt + leaseMs <= nowMs) return;
    this.#sent.delete(beat);
    if (nowMs >= this.#until) this.#begin();
    this.#returned++;
    this.#until = Math.max(this.#until, sentAt + leaseMs);
  }

  /** Messages may have been missed: nothing that is known by now is trusted any more. */
  lose(): void {
    this.#until = -Infinity;
  }

  /**
   * 0 while nothing is to be trusted; else a number that stays the same as long as no message can have been missed. What
   * was learned under one number is not trusted under another.
   */
  era(nowMs: number): number {
    return nowMs < this.#until && this.#returned >= beatsToTrust ? this.#era : 0;
  }

  #begin(): void {
    this.#era++;
    this.#returned = 0;
  }
}

const peersAtMost = 10_000;

/** A peer that is silent for so long is forgotten. What it says afterwards counts as a gap. */
const forgottenAfterMs = 60_000;

interface Peer {
  /** Its last heartbeat; who sends none trusts nothing, and nobody need wait for it. */
  beatAt: number;
  seenAt: number;
  /** The number of its last announcement that is known of here. */
  announced: number;
}

/** The other processes on the bus. */
export class Roster {
  readonly #peers = new Map<string, Peer>();

  /**
   * A heartbeat of a peer came; `announced` is the number of its last announcement.
   *
   * @returns false if that has not been heard: it may come later, or never
   */
  beat(id: string, announced: number, nowMs: number): boolean {
    const peer = this.#seen(id, nowMs);
    peer.beatAt = nowMs;
    return isNext(peer, announced, 0);
  }

  /**
   * An announcement of a peer came.
   *
   * @returns false if one before it has not been heard
   */
  announcement(id: string, announced: number, nowMs: number): boolean {
    return isNext(this.#seen(id, nowMs), announced, 1);
  }

  left(id: string): void {
    this.#peers.delete(id);
  }

  /** The peers that may trust what they remember: the lease of one is over when it has been silent for so long. */
  live(nowMs: number): string[] {
    const live: string[] = [];
    for (const [id, { beatAt, seenAt }] of this.#peers) {
      if (nowMs < beatAt + everyLeaseMs) live.push(id);
      else if (seenAt + forgottenAfterMs <= nowMs) this.#peers.delete(id);
    }
    return live;
  }

  #dropFirst(): void {
    for (const id of this.#peers.keys()) {
      this.#peers.delete(id);
      return;
    }
  }

  #seen(id: string, nowMs: number): Peer {
    let peer = this.#peers.get(id);
    // Whoever can write to the bus can make up ids.
    if (!peer && this.#peers.size >= peersAtMost) this.#dropFirst();
    if (!peer) this.#peers.set(id, (peer = { beatAt: -Infinity, seenAt: nowMs, announced: 0 }));
    peer.seenAt = nowMs;
    return peer;
  }
}

function isNext(peer: Peer, announced: number, step: number): boolean {
  const isComplete = announced <= peer.announced + step;
  peer.announced = Math.max(peer.announced, announced);
  return isComplete;
}

/** Two machines' monotonic clocks run at the same speed but for a few hundred parts in a million. */
const driftMs = 20;

/** After this time every lease has ended whose holder has not heard what was sent at its beginning. */
export const everyLeaseMs = leaseMs + driftMs;
