/** A request and its answer, whichever server has them. */

/** A request, as the routes see it. */
export interface Asked {
  readonly method: string;
  /** Behind where the inspector is: empty for the page, else such as `api/stream`. Undefined: not there at all. */
  readonly path: string | undefined;
  /** The last part of the path where the slash behind it is missing, without which relative URLs lead elsewhere. */
  readonly slashless: string | undefined;
  readonly query: URLSearchParams;
  /** Names and port, as the client wrote them. */
  readonly host: string | undefined;
  /** Whether it came to an address that only this machine reaches, as far as that can be told. */
  readonly isLocal: boolean;
  /** Of the protocol, such as `1.1`; undefined where nothing tells it. */
  readonly version: string | undefined;
  /** In lower case. */
  readonly headerNames: readonly string[];
  header(name: string): string | undefined;
  /** Rejects with a {@link Refusal}. */
  body(mostBytes: number): Promise<string>;
}

/** Somebody who follows the stream. */
export interface Reader {
  /** Whether it has taken what it was given. */
  isReady(): boolean;
  /** Whether the server that it is connected to takes no more connections: it waits for those that are open. */
  isLeftBehind(): boolean;
  write(text: string): void;
  end(): void;
}

/** Adds a reader; what it returns takes the reader away. */
export type Feed = (reader: Reader) => () => void;

/** An answer, as the routes give it. */
export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Buffer | Feed;
}

/** Ends a request early. */
export class Refusal extends Error {
  readonly answer: Answer;

  constructor(status: number, words: string, headers: Readonly<Record<string, string>> = {}) {
    super(words);
    this.answer = text(status, words, headers);
  }
}

/** On everything: what is shown is nobody else's, and nothing of anybody else is run. */
const safety = {
  'Content-Security-Policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
    "frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Cache-Control': 'no-store',
};

export function text(status: number, words: string, headers: Readonly<Record<string, string>> = {}): Answer {
  return {
    status,
    headers: { ...safety, 'Content-Type': 'text/plain; charset=utf-8', ...headers },
    body: `${words}\n`,
  };
}

export function json(value: unknown): Answer {
  const headers = { ...safety, 'Content-Type': 'application/json; charset=utf-8' };
  return { status: 200, headers, body: JSON.stringify(value) };
}

export function file(content: Buffer, type: string): Answer {
  return { status: 200, headers: { ...safety, 'Content-Type': type, 'Cache-Control': 'no-cache' }, body: content };
}

export function events(feed: Feed): Answer {
  const headers = {
    ...safety,
    'Content-Type': 'text/event-stream; charset=utf-8',
    // proxies such as nginx would keep the events together, and what compresses would wait for more of them
    'X-Accel-Buffering': 'no',
    'Cache-Control': 'no-store, no-transform',
    // a server that is closed waits for connections that are kept
    Connection: 'close',
  };
  return { status: 200, headers, body: feed };
}

/** HTTP/2 has no headers about connections, and a `Response` belongs to none. */
export function withoutConnection(headers: Answer['headers']): Answer['headers'] {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name !== 'Connection'));
}

/** What of `pathname` is behind `base`, and whether it lacks its slash; `original` is what the client asked for. */
export function placeOf(pathname: string, original: string, base: string): Pick<Asked, 'path' | 'slashless'> {
  const isInside = pathname === base || pathname.startsWith(`${base}/`);
  const path = isInside ? pathname.slice(base.length + 1) : undefined;
  const slashless = path === '' && !original.endsWith('/') ? original.slice(original.lastIndexOf('/') + 1) : undefined;
  return { path, slashless };
}
