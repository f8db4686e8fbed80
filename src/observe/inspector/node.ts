/** Between the routes and the server of Node, also where Express or Fastify has it. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, type Asked, type Feed, placeOf, Refusal, withoutConnection } from './exchange.js';
import { isLoopbackAddress } from './loopback.js';

/** What frameworks add. */
type Incoming = IncomingMessage & {
  /** The whole path, where `url` is what is behind the one that the handler is at. */
  readonly originalUrl?: unknown;
  /** What has been read already. */
  readonly body?: unknown;
};

export function askedOfNode(request: Incoming, base: string | undefined): Asked {
  const url = request.url ?? '/';
  const original = typeof request.originalUrl === 'string' ? request.originalUrl : url;
  const [pathname, query] = split(base === undefined ? url : original);
  return {
    ...placeOf(pathname, split(original)[0], base ?? ''),
    method: request.method ?? 'GET',
    query: new URLSearchParams(query),
    // HTTP/2 has the first; there, the second may be missing, or be another one
    host: [request.headers[':authority']].flat()[0] ?? request.headers.host,
    isLocal: isLoopbackAddress(request.socket.localAddress),
    version: request.httpVersion,
    headerNames: Object.keys(request.headers),
    header: (name) => [request.headers[name]].flat()[0],
    body: (mostBytes) => bodyOf(request, mostBytes),
  };
}

function split(url: string): [pathname: string, query: string] {
  const at = url.indexOf('?');
  return at < 0 ? [url, ''] : [url.slice(0, at), url.slice(at + 1)];
}

const tooLarge = (mostBytes: number): Refusal =>
  new Refusal(413, `Send at most ${mostBytes} bytes.`, { Connection: 'close' });

async function bodyOf(request: Incoming, mostBytes: number): Promise<string> {
  const body = request.readableDidRead || request.readableEnded ? readBefore(request) : await read(request, mostBytes);
  if (Buffer.byteLength(body) > mostBytes) throw tooLarge(mostBytes);
  return body;
}

/** A body parser came first. */
function readBefore({ body }: Incoming): string {
  if (body !== undefined) return typeof body === 'string' ? body : JSON.stringify(body);
  throw new Refusal(400, 'The body has been read before the inspector was asked; let no body parser come first.');
}

function read(request: Incoming, mostBytes: number): Promise<string> {
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw tooLarge(mostBytes);
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    request.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= mostBytes) chunks.push(chunk);
      else reject(tooLarge(mostBytes));
    });
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', reject);
    request.once('close', () => reject(new Error('The client has gone.')));
  });
}

export function answerToNode({ status, headers, body }: Answer, response: ServerResponse): void {
  if (response.destroyed || response.headersSent) return;
  response.writeHead(status, response.req.httpVersionMajor < 2 ? headers : withoutConnection(headers));
  if (typeof body === 'function') follow(body, response);
  else response.end(body);
}

function follow(feed: Feed, response: ServerResponse): void {
  const { socket } = response.req as { readonly socket: { readonly server?: { readonly listening?: boolean } } };
  const leave = feed({
    isReady: () => !response.writableNeedDrain,
    isLeftBehind: () => socket.server?.listening === false,
    write: (text) => response.write(text),
    end: () => response.end(),
  });
  response.once('close', leave);
  response.once('error', leave);
}
