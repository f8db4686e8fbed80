/** An inspector of one cache, for every kind of server. */

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { CacheManager } from '../../cache/manager.js';
import { nextTurn } from '../../policies/deadline.js';
import { answerToNode, askedOfNode } from './node.js';
import {
  checkInspectorOptions,
  checkListenOptions,
  checkMounting,
  closedError,
  type InspectorOptions,
  type ListenOptions,
} from './options.js';
import { Routes } from './routes.js';
import { answerToWeb, askedOfWeb } from './web.js';

export { type ListenOptions } from './options.js';

/** A server of the inspector alone. */
export interface Listening {
  /** Of the page. */
  readonly url: string;
  /** Ends its connections too. */
  close(): Promise<void>;
}

/** Shows a cache on a page, wherever that is mounted. */
export interface Inspector {
  /**
   * For `node:http`, Express, and Fastify: `inspector.handler(request.raw, reply.raw)` after `reply.hijack()`.
   *
   * @throws CacheConfigError where it is taken without a `token`, and `NODE_ENV` is `production`
   */
  readonly handler: (request: IncomingMessage, response: ServerResponse) => void;
  /**
   * For servers of the web standard. Always needs a `token`: it cannot see which connection a request has come over, and the
   * host of its URL is often what the client has sent.
   */
  readonly fetch: (request: Request) => Promise<Response>;
  /**
   * Starts a server of its own.
   *
   * @throws CacheConfigError (a rejection) if other machines reach the host and there is no `token`, or after `close`
   */
  listen(options?: ListenOptions): Promise<Listening>;
  /** Ends all streams and stops the servers that `listen` has started; all else is refused. The cache stays open. */
  close(): Promise<void>;
}

/**
 * Makes the inspector of a cache.
 *
 * @throws CacheConfigError if an option is wrong
 *
 * @example
 * ```ts
 * import { createCache } from 'cachette';
 * import { createInspector } from 'cachette/inspector';
 *
 * const inspector = createInspector(createCache());
 * const { url } = await inspector.listen();
 * (await fetch(url)).status; // 200
 * await inspector.close();
 * ```
 */
export function createInspector(cache: CacheManager, options: InspectorOptions = {}): Inspector {
  checkInspectorOptions(options);
  const { base, token } = options;
  const routes = new Routes(cache, options);
  const opened = new Set<Listening>();
  const handler = (request: IncomingMessage, response: ServerResponse): void =>
    void routes
      .answer(askedOfNode(request, base))
      .then((answer) => answerToNode(answer, response))
      .catch(() => response.destroy());
  return {
    get handler() {
      checkMounting(token);
      return handler;
    },
    fetch: async (request) => answerToWeb(await routes.answer(askedOfWeb(request, base)), request),
    async listen(where = {}) {
      checkListenOptions(where, token);
      if (routes.isClosed) throw closedError();
      const listening = await listenOn(handler, { base, ...where });
      opened.add(listening);
      return listening;
    },
    async close() {
      routes.close();
      await Promise.all([...opened].map((listening) => listening.close()));
      opened.clear();
    },
  };
}

async function listenOn(
  handler: Inspector['handler'],
  place: ListenOptions & { base: string | undefined },
): Promise<Listening> {
  const { host = '127.0.0.1', port = 0, base = '' } = place;
  const answers = new Set<ServerResponse>();
  const server = createServer((request, response) => {
    answers.add(response);
    response.once('close', () => answers.delete(response));
    handler(request, response);
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host.replace(/^\[(.*)\]$/, '$1'), resolve);
  });
  const { address, port: given, family } = server.address() as AddressInfo;
  const name = family === 'IPv6' ? `[${address}]` : address;
  return { url: `http://${name}:${given}${base}/`, close: () => closed(server, answers) };
}

/** Also one that is closed already. What has begun ends as it should, or its reader would take it for cut off. */
function closed(server: Server, answers: Iterable<ServerResponse>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const answer of answers) if (answer.headersSent) answer.end();
    nextTurn(() => server.closeAllConnections());
  });
}
