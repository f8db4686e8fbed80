/** A store's URI taken apart. Only this file knows the grammar of a URI, and where a password may hide in one. */

import { durationMs, type Duration } from '../base/duration.js';
import { CacheConfigError } from '../base/errors.js';

/** One server. An IPv6 address has no brackets here. */
export interface HostPort {
  /** A name or an address. */
  readonly host: string;
  /** From 1 to 65535. */
  readonly port: number;
}

/** What `createCache` was given, for messages: the place and the URI without its password. */
interface Origin {
  readonly where: string;
  readonly redacted: string;
}

/**
 * `scheme://user:password@authority/path?options`. The fields are getters, so that printing the object shows no
 * password.
 */
export class StoreUri {
  readonly #href: string;
  readonly #origin: Origin;
  readonly #scheme: string;
  readonly #login: readonly [username: string, password: string];
  readonly #authority: string;
  readonly #path: string;
  readonly #options: ReadonlyMap<string, string>;

  /** @throws CacheConfigError if `text` is no URI; `where` goes into its message */
  constructor(text: string, where: string) {
    const { scheme, userInfo, authority, path, query } = split(text, where);
    this.#href = text.trim();
    this.#origin = { where, redacted: redact(text) };
    this.#scheme = scheme.toLowerCase();
    this.#login = loginOf(userInfo, this.#origin);
    this.#authority = authority;
    this.#path = decoded(path.replace(/^\//, ''), 'path', this.#origin);
    this.#options = optionsOf(query, this.#origin);
  }

  /** As it was written, with the password: for drivers, never for messages. */
  get href(): string {
    return this.#href;
  }

  /** Without the password, for messages. */
  get redacted(): string {
    return this.#origin.redacted;
  }

  /** Lower case, without `://`. */
  get scheme(): string {
    return this.#scheme;
  }

  /** Percent-decoded; empty where there is none. */
  get username(): string {
    return this.#login[0];
  }

  /** Percent-decoded; empty where there is none. */
  get password(): string {
    return this.#login[1];
  }

  /** What stands between the login and the path, as written: `a:1,b:2`. */
  get authority(): string {
    return this.#authority;
  }

  /** Percent-decoded, without the slash in front. */
  get path(): string {
    return this.#path;
  }

  /** The query, percent-decoded. */
  get options(): ReadonlyMap<string, string> {
    return this.#options;
  }

  /** The servers that the authority names; `localhost` where it names none. */
  hosts(defaultPort: number): readonly HostPort[] {
    this.#refuseCutLogin();
    const texts = this.#authority === '' ? ['localhost'] : this.#authority.split(',');
    return texts.map((text) => this.#host(text, defaultPort));
  }

  /** Refuses options that nobody reads. */
  allowOptions(known: readonly string[]): void {
    const unknown = [...this.#options.keys()].find((name) => !known.includes(name));
    if (unknown === undefined) return;
    const allowed = known.length === 0 ? 'it takes none' : `it takes ${known.join(', ')}`;
    throw this.complaint(
      `has the option '${unknown}', which ${this.#scheme}:// does not know`,
      `leave it out: ${allowed}`,
    );
  }

  /** An option that is one of `values`. */
  choice<V extends string>(name: string, values: readonly V[]): V | undefined {
    const text = this.#options.get(name);
    if (text === undefined || values.includes(text as V)) return text as V | undefined;
    throw this.complaint(`has ${name}=${text}`, `write ${values.map((value) => `${name}=${value}`).join(' or ')}`);
  }

  /** An option that counts something: whole and at least 1. */
  count(name: string): number | undefined {
    return this.#number(name, /^\d+$/, Number, `a whole number above 0, such as ${name}=1000`);
  }

  /** An option in bytes, with or without a unit. */
  bytes(name: string): number | undefined {
    return this.#number(name, /^\d+(b|kb|mb|gb)?$/i, parseBytes, `bytes above 0 or a size such as ${name}=64mb`);
  }

  /** An option that is a duration, in milliseconds. */
  duration(name: string): number | undefined {
    const text = this.#options.get(name);
    if (text === undefined) return undefined;
    const value = /^\d+$/.test(text) ? Number(text) : (text as Duration);
    return durationMs(value, `${this.#origin.where}: the URI '${this.redacted}', option ${name}`);
  }

  /** An error that names the URI and what is wrong with it. */
  complaint(what: string, instead: string): CacheConfigError {
    return complain(this.#origin, what, instead);
  }

  #number(name: string, shape: RegExp, parse: (text: string) => number, wanted: string): number | undefined {
    const text = this.#options.get(name);
    if (text === undefined) return undefined;
    const value = shape.test(text) ? parse(text) : NaN;
    if (value >= 1 && value <= Number.MAX_SAFE_INTEGER) return value;
    throw this.complaint(`has ${name}=${text}`, `write ${wanted}`);
  }

  #host(text: string, defaultPort: number): HostPort {
    const [, ipv6, name, port] = /^(?:\[([\da-f:.%]+)\]|([^\s:[\]@]+))(?::(.*))?$/i.exec(text) ?? [];
    const host = ipv6 ?? name;
    if (host === undefined)
      throw this.complaint('has no host where one should be', `write ${this.#scheme}://host:port`);
    if (port === undefined) return { host, port: defaultPort };
    if (/^\d{1,5}$/.test(port) && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
    throw this.complaint(
      `has a port of ${host} that is no number from 1 to 65535`,
      `write ${this.#scheme}://${host}:${defaultPort}`,
    );
  }

  /** A password with a bare `/` or `?` ends the login early: its first half looks like a host, its second like a path. */
  #refuseCutLogin(): void {
    const afterAuthority = this.#href.slice(this.#href.indexOf('://') + 3).replace(/^[^/?]*/, '');
    if (!afterAuthority.includes('@')) return;
    throw this.complaint("has an '@' behind its host", 'write user, password and options through encodeURIComponent()');
  }
}

/** The URI, or what was meant to be one, without its password: for messages. */
export function redact(text: string): string {
  const trimmed = text.trim();
  const start = trimmed.indexOf('://');
  const scheme = start === -1 ? '' : trimmed.slice(0, start + 3);
  const rest = trimmed.slice(scheme.length);
  return scheme + withoutSecretOptions(withoutLogin(rest));
}

/** Hides too much rather than too little: a password with a bare `@`, `/` or `?` in it does not end there. */
function withoutLogin(rest: string): string {
  const at = rest.lastIndexOf('@');
  // Without a host, `user:password` looks like a host with an odd port.
  if (at === -1) return rest.replace(/^([^/?#[]*?):(?!\d{1,5}(?=[,/?#]|$))[^,:/?#]+(?=[,/?#]|$).*$/s, '$1:***');
  const [username, ...password] = rest.slice(0, at).split(':');
  return `${password.length === 0 ? '***' : `${username}:***`}${rest.slice(at)}`;
}

function withoutSecretOptions(text: string): string {
  return text.replace(/([?&][^=&#]*(?:pass|pwd|secret|token|credential)[^=&#]*=)[^&#]*/gi, '$1***');
}

const form = 'scheme://user:password@host:port/path?option=value';

interface Pieces {
  readonly scheme: string;
  readonly userInfo: string;
  readonly authority: string;
  readonly path: string;
  readonly query: string;
}

function split(text: string, where: string): Pieces {
  const pieces = /^([a-z][a-z\d+.-]*):\/\/(?:([^/?#]*)@)?([^/?#]*)(\/[^?#]*)?(?:\?([^#]*))?$/i.exec(text.trim());
  if (pieces === null) throw notAUri(text, where);
  const [, scheme = '', userInfo = '', authority = '', path = '', query = ''] = pieces;
  return { scheme, userInfo, authority, path, query };
}

function notAUri(text: string, where: string): CacheConfigError {
  const origin = { where, redacted: redact(text) };
  if (text.includes('://'))
    return complain(origin, 'is not a URI', `write ${form}, with encodeURIComponent() around user and password`);
  const example = /:11211\b/.test(text) ? 'memcached://localhost:11211' : 'redis://localhost:6379';
  return complain(origin, 'has no scheme', `write one in front, as in '${example}' or 'memory://'`);
}

function loginOf(userInfo: string, origin: Origin): [string, string] {
  const colon = userInfo.indexOf(':');
  const parts = colon === -1 ? [userInfo, ''] : [userInfo.slice(0, colon), userInfo.slice(colon + 1)];
  return parts.map((part) => decoded(part, 'user or password', origin)) as [string, string];
}

function optionsOf(query: string, origin: Origin): ReadonlyMap<string, string> {
  const pairs = query.split('&').filter((pair) => pair !== '');
  const options = pairs.map((pair): [string, string] => {
    const [name = '', ...value] = pair.split('=');
    return [decoded(name, 'query', origin), decoded(value.join('='), 'query', origin)];
  });
  const names = options.map(([name]) => name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw complain(origin, `has the option '${twice}' twice`, 'write it once');
  return new Map(options);
}

/** Node's own `URIError` and `TypeError` are not kept as the cause: the latter carries the whole URI. */
function decoded(text: string, part: string, origin: Origin): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw complain(
      origin,
      `has a '%' in its ${part} that starts no percent-code`,
      `write '%25' for a '%', or use encodeURIComponent()`,
    );
  }
}

function complain(origin: Origin, what: string, instead: string): CacheConfigError {
  return new CacheConfigError({ where: origin.where, what: `the URI '${origin.redacted}' ${what}`, instead });
}

function parseBytes(text: string): number {
  const units = { b: 1, kb: 1_024, mb: 1_048_576, gb: 1_073_741_824 };
  const unit = /[a-z]+$/i.exec(text)?.[0].toLowerCase() ?? 'b';
  return parseInt(text, 10) * units[unit as keyof typeof units];
}
