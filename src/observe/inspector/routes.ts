/** What is asked for by which path, and who may: a fixed table, so that no path leads anywhere else. */

import { isCacheConfigError, isInvalidationError } from '../../base/errors.js';
import type { Outcome } from '../../base/events.js';
import { insight } from '../../base/insight.js';
import type { CacheManager } from '../../cache/manager.js';
import { type Answer, type Asked, events, json, Refusal, text } from './exchange.js';
import { Files } from './files.js';
import { Guard } from './guard.js';
import type { InspectorOptions } from './options.js';
import { Watch } from './watch.js';

const askMs = 400;
/** The same for an audit, which each process makes beside what else it has to do. */
const auditMs = 5_000;
const bodyBytes = 16_000;
const mostTags = 100;
const tagCharacters = 500;
const mostOutcomes = 200;

interface Route {
  readonly method: 'GET' | 'POST';
  /** Without it, no token is asked for. */
  readonly isPrivate: boolean;
  readonly answer: (asked: Asked) => Answer | Promise<Answer>;
}

export class Routes {
  readonly #cache: CacheManager;
  readonly #guard: Guard;
  readonly #files = new Files();
  readonly #watch: Watch;
  readonly #api: ReadonlyMap<string, Route>;

  constructor(cache: CacheManager, options: InspectorOptions) {
    this.#cache = cache;
    this.#guard = new Guard(options);
    this.#watch = new Watch(() => cache[insight].ask({ topic: 'snapshot' }, askMs));
    this.#api = new Map<string, Route>([
      ['api/session', { method: 'GET', isPrivate: false, answer: () => this.#session() }],
      ['api/stream', { method: 'GET', isPrivate: true, answer: () => this.#stream() }],
      ['api/recent', { method: 'GET', isPrivate: true, answer: (asked) => this.#recent(asked) }],
      ['api/audit', { method: 'GET', isPrivate: true, answer: () => this.#audit() }],
      ['api/invalidate', { method: 'POST', isPrivate: true, answer: (asked) => this.#invalidate(asked) }],
    ]);
  }

  get isClosed(): boolean {
    return this.#watch.isClosed;
  }

  /** Ends all streams; there are none afterwards. */
  close(): void {
    this.#watch.close();
  }

  /** Never rejects. */
  async answer(asked: Asked): Promise<Answer> {
    try {
      return await this.#answer(asked);
    } catch (error) {
      return error instanceof Refusal ? error.answer : text(500, 'The inspector could not answer.');
    }
  }

  async #answer(asked: Asked): Promise<Answer> {
    this.#guard.checkPlace(asked);
    // a page that asks again and again must not keep a connection either, where the server is to close
    if (this.isClosed) throw new Refusal(503, 'The inspector is closed.', { Connection: 'close' });
    if (asked.slashless !== undefined && isReading(asked))
      return text(302, 'The page is at the path with a slash.', { Location: `./${asked.slashless}/` });
    const route = asked.path === undefined ? undefined : this.#api.get(asked.path);
    if (route) return this.#called(route, asked);
    if (asked.path === undefined || !this.#files.has(asked.path)) throw new Refusal(404, 'There is no such page.');
    if (!isReading(asked)) throw notAllowed('GET, HEAD');
    return this.#files.get(asked.path);
  }

  #called(route: Route, asked: Asked): Answer | Promise<Answer> {
    if (asked.method !== route.method) throw notAllowed(route.method);
    if (route.isPrivate) this.#guard.checkReading(asked);
    this.#guard.checkOrigin(asked);
    return route.answer(asked);
  }

  #session(): Answer {
    const { canInvalidate, needsToken } = this.#guard;
    return json({ canInvalidate, needsToken });
  }

  #stream(): Answer {
    return events((reader) => this.#watch.add(reader));
  }

  async #recent({ query }: Asked): Promise<Answer> {
    const method = query.get('method') ?? '';
    if (method === '' || method.length > tagCharacters) throw new Refusal(400, 'Write ?method=Class.method.');
    const answers = await this.#cache[insight].ask({ topic: 'recent', method }, askMs);
    const lists = answers.map(({ process, answer }) => answer.map((outcome) => ({ ...outcome, process: process.id })));
    return json({ outcomes: interleaved(lists).slice(0, mostOutcomes) });
  }

  async #audit(): Promise<Answer> {
    return json({ processes: await this.#cache[insight].ask({ topic: 'audit' }, auditMs) });
  }

  async #invalidate(asked: Asked): Promise<Answer> {
    this.#guard.checkInvalidating(asked);
    if (!/^application\/json\s*(;|$)/i.test(asked.header('content-type') ?? ''))
      throw new Refusal(415, 'Send JSON, as Content-Type: application/json.');
    const tags = tagsOf(await asked.body(bodyBytes));
    try {
      return json({ status: (await this.#cache.invalidate(...tags)).status });
    } catch (error) {
      if (isInvalidationError(error)) return json({ status: 'deferred' });
      if (isCacheConfigError(error)) throw new Refusal(400, error.message);
      throw error;
    }
  }
}

const isReading = ({ method }: Asked): boolean => method === 'GET' || method === 'HEAD';

function notAllowed(allow: string): Refusal {
  return new Refusal(405, `Use ${allow}.`, { Allow: allow });
}

/** Each list is oldest first, and outcomes have no time: the newest of each come first, one of each process at a time. */
function interleaved(
  lists: readonly (readonly (Outcome & { process: string })[])[],
): (Outcome & { process: string })[] {
  const longest = Math.max(0, ...lists.map(({ length }) => length));
  const turns = Array.from({ length: longest }, (_, turn) => lists.map((list) => list.at(-1 - turn)));
  return turns.flat().filter((outcome) => outcome !== undefined);
}

function tagsOf(body: string): string[] {
  const tags = parsed(body);
  const isTag = (tag: unknown): boolean => typeof tag === 'string' && tag !== '' && tag.length <= tagCharacters;
  if (Array.isArray(tags) && tags.length > 0 && tags.length <= mostTags && tags.every(isTag)) return tags as string[];
  throw new Refusal(400, `Send { "tags": ["product:1"] }: 1 to ${mostTags} tags of 1 to ${tagCharacters} characters.`);
}

function parsed(body: string): unknown {
  try {
    return (JSON.parse(body) as { tags?: unknown } | null)?.tags;
  } catch {
    return undefined;
  }
}
