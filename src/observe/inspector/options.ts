/** Checks what users wrote as options of an inspector, without ever showing a token. */

import { CacheConfigError } from '../../base/errors.js';
import { check, type Rule } from '../../cache/policy.js';
import { isLoopbackName } from './loopback.js';

/** Who may see what, and where the page is. */
export interface InspectorOptions {
  /**
   * Whoever has it may read; at least 16 characters. Without one, only this machine may: the inspector answers what comes
   * to a loopback address, and for a loopback name. Needed by `handler` where `NODE_ENV` is `production`, and behind a proxy.
   */
  readonly token?: string | undefined;
  /** Whoever has it may invalidate tags; at least 16 characters, another one than `token`. Without one, nobody may. */
  readonly invalidationToken?: string | undefined;
  /** Where the page is, such as `'/cache'`. Not needed under Express, which tells it. Default: at the root. */
  readonly base?: string | undefined;
}

/** Where `listen` listens. */
export interface ListenOptions {
  /** Default 0: a free one. */
  readonly port?: number | undefined;
  /** Default `'127.0.0.1'`. Any but a loopback address needs a `token`. */
  readonly host?: string | undefined;
}

const leastCharacters = 16;
const where = 'createInspector';

const aToken = `write at least ${leastCharacters} random characters, such as those of randomBytes(24).toString('base64url')`;

// tokens are checked below: the message for a wrong value has the value in it
const anything: Rule = [aToken, () => true];

const inspectorRules = {
  token: anything,
  invalidationToken: anything,
  base: [
    "write a path such as '/cache', without a slash at its end",
    (value) => typeof value === 'string' && /^(\/[^/?#\s]+)+$/.test(value),
  ],
} satisfies Record<keyof InspectorOptions, Rule>;

const listenRules = {
  port: [
    'write a port from 0 to 65535',
    (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) < 65_536,
  ],
  host: ["write a host such as '127.0.0.1'", (value) => typeof value === 'string' && value !== ''],
} satisfies Record<keyof ListenOptions, Rule>;

/** Throws a `CacheConfigError` if an option of `createInspector` is wrong. */
export function checkInspectorOptions(options: InspectorOptions): void {
  check(options, inspectorRules, where);
  checkToken('token', options.token);
  checkToken('invalidationToken', options.invalidationToken);
  if (options.token === undefined || options.token !== options.invalidationToken) return;
  throw new CacheConfigError({
    where,
    what: 'token and invalidationToken are the same, so that whoever reads may invalidate',
    instead: 'write two different ones',
  });
}

/**
 * A server of the application's may stand behind a proxy on the same machine, which looks like this machine; throws a
 * `CacheConfigError` where that is likely. What `listen` starts is reached from this machine alone.
 */
export function checkMounting(token: string | undefined): void {
  if (token !== undefined || process.env['NODE_ENV'] !== 'production') return;
  throw new CacheConfigError({
    where: 'inspector.handler',
    what: "there is no token, and NODE_ENV is 'production'",
    instead: `${aToken}, as token of createInspector; or let it listen() on a loopback address`,
  });
}

function checkToken(name: string, token: unknown): void {
  if (token === undefined) return;
  if (typeof token !== 'string')
    throw new CacheConfigError({ where, what: `${name} is not a string`, instead: aToken });
  // what stands in a header
  if (!/^[\x21-\x7e]*$/.test(token))
    throw new CacheConfigError({ where, what: `${name} has characters that no header can carry`, instead: aToken });
  if (token.length >= leastCharacters) return;
  throw new CacheConfigError({ where, what: `${name} has ${token.length} characters`, instead: aToken });
}

/** What `listen` throws after `close`. */
export function closedError(): CacheConfigError {
  return new CacheConfigError({
    where: 'inspector.listen',
    what: 'this inspector is closed',
    instead: 'make another one with createInspector',
  });
}

/** Throws a `CacheConfigError` if an option of `listen` is wrong, or would show the cache to everybody. */
export function checkListenOptions(options: ListenOptions, token: string | undefined): void {
  const place = 'inspector.listen';
  check(options, listenRules, place);
  if (token !== undefined || options.host === undefined || isLoopbackName(options.host)) return;
  throw new CacheConfigError({
    where: place,
    what: `host ${options.host} is reached from other machines, and there is no token`,
    instead: 'write createInspector(cache, { token: … }), or leave host out',
  });
}
