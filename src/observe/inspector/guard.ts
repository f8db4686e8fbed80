/** Who may read and who may invalidate. Each check throws the refusal that it comes to. */

import { createHash, timingSafeEqual } from 'node:crypto';
import { type Asked, Refusal } from './exchange.js';
import { isLoopbackHost } from './loopback.js';
import type { InspectorOptions } from './options.js';

/** Set by proxies: then the machine that asks may be another one than the connection says. */
const ofProxies = /^(x-forwarded-.*|forwarded|via|cf-.*|true-client-ip|x-real-ip|x-client-ip|x-cluster-client-ip)$/;

export class Guard {
  readonly #reading: Buffer | undefined;
  readonly #invalidating: Buffer | undefined;

  constructor({ token, invalidationToken }: InspectorOptions) {
    this.#reading = token === undefined ? undefined : digest(token);
    this.#invalidating = invalidationToken === undefined ? undefined : digest(invalidationToken);
  }

  get needsToken(): boolean {
    return this.#reading !== undefined;
  }

  get canInvalidate(): boolean {
    return this.#invalidating !== undefined;
  }

  /**
   * Without a token, only this machine may ask, and no proxy that can be told by what it sends. The name is checked too: a site whose name is made to mean 127.0.0.1 would
   * read through the browser of whoever looks at it.
   */
  checkPlace(asked: Asked): void {
    if (this.#reading) return;
    if (asked.isLocal && isLoopbackHost(asked.host) && !isProxied(asked)) return;
    throw new Refusal(
      403,
      'This inspector has no token, so that it answers only what comes over a connection from this machine, for localhost. ' +
        'Write createInspector(cache, { token }) to read it from elsewhere, or by fetch().',
    );
  }

  checkReading(asked: Asked): void {
    const given = /^Bearer (.+)$/i.exec(asked.header('authorization') ?? '')?.[1];
    if (!this.#reading || matches(given, this.#reading)) return;
    throw new Refusal(401, 'Send the token as Authorization: Bearer <token>.', { 'WWW-Authenticate': 'Bearer' });
  }

  /** No other site asks through the browser of whoever may. Programs send neither header. */
  checkOrigin(asked: Asked): void {
    const site = asked.header('sec-fetch-site');
    const isOwnSite = site === undefined || site === 'same-origin' || site === 'none';
    if (isOwnSite && isOwnOrigin(asked.header('origin'), asked.host)) return;
    throw new Refusal(403, 'Another site has asked. A proxy in front of the inspector must keep the Host header.');
  }

  checkInvalidating(asked: Asked): void {
    if (!this.#invalidating)
      throw new Refusal(403, 'Nobody may invalidate here: this inspector has no invalidationToken.');
    if (matches(asked.header('x-cachette-invalidation-token'), this.#invalidating)) return;
    throw new Refusal(403, 'Send the token for invalidating as X-Cachette-Invalidation-Token.');
  }
}

/** No browser has spoken HTTP/1.0 for long; nginx does, where nothing else is written, and tells nothing else of itself. */
function isProxied({ headerNames, version }: Asked): boolean {
  return version === '1.0' || headerNames.some((name) => ofProxies.test(name));
}

function isOwnOrigin(origin: string | undefined, host: string | undefined): boolean {
  if (origin === undefined) return true;
  try {
    const { protocol, host: from } = new URL(origin);
    return from !== '' && from === new URL(`${protocol}//${host ?? ''}`).host;
  } catch {
    return false;
  }
}

/** Of one length whatever was given, which is what may be compared in constant time. */
function digest(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}

function matches(given: string | undefined, expected: Buffer): boolean {
  return given !== undefined && timingSafeEqual(digest(given), expected);
}
