/** Between the routes and requests of the web standard. */

import { type Answer, type Asked, type Feed, placeOf, Refusal, withoutConnection } from './exchange.js';

export function askedOfWeb(request: Request, base: string | undefined): Asked {
  const url = new URL(request.url);
  const host = request.headers.get('host') ?? url.host;
  return {
    ...placeOf(url.pathname, url.pathname, base ?? ''),
    method: request.method,
    query: url.searchParams,
    host,
    // There is no connection to look at, and many servers take the host of the URL from what the client has sent.
    isLocal: false,
    version: undefined,
    headerNames: [...request.headers.keys()],
    header: (name) => request.headers.get(name) ?? undefined,
    body: (mostBytes) => bodyOf(request, mostBytes),
  };
}

async function bodyOf(request: Request, mostBytes: number): Promise<string> {
  if (request.bodyUsed) throw new Refusal(400, 'The body has been read before the inspector was asked.');
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of (request.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += chunk.length;
    if (bytes > mostBytes) throw new Refusal(413, `Send at most ${mostBytes} bytes.`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

export function answerToWeb({ status, headers: all, body }: Answer, request: Request): Response {
  const headers = withoutConnection(all);
  if (request.method === 'HEAD') return new Response(null, { status, headers });
  if (typeof body !== 'function') return new Response(new Uint8Array(Buffer.from(body)), { status, headers });
  return new Response(streamOf(body, request), { status, headers });
}

/**
 * A client that does not read has one event waiting, and gets no more. Holds the request: in some versions of Node its signal is
 * never aborted once the request itself has been collected.
 */
function streamOf(feed: Feed, request: Request): ReadableStream<Uint8Array> {
  const { signal } = request;
  const encoder = new TextEncoder();
  let leave = (): void => {};
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const end = (): void => {
        leave();
        try {
          controller.close();
        } catch {
          // it has ended already
        }
      };
      leave = feed({
        isReady: () => (controller.desiredSize ?? 0) > 0,
        isLeftBehind: () => request.signal.aborted,
        write: (text) => controller.enqueue(encoder.encode(text)),
        end,
      });
      signal.addEventListener('abort', end, { once: true });
      // a signal that was aborted earlier tells nobody
      if (signal.aborted) end();
    },
    cancel: () => leave(),
  });
}
