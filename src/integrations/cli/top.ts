/** `cachette top`: what the caches of a fleet are doing, drawn again each second. */

import { setTimeout as sleep } from 'node:timers/promises';

import { nearest } from '../../base/suggest.js';
import { type Command, type Given, type Printed, type Terminal, UsageError } from './command.js';
import type { Fleet } from './fleet.js';
import type { Scroll } from './fleet-lines.js';
import type { FleetView } from './fleet-view.js';
import type { Seen } from './presence.js';
import { placeOf, type StorePlace, storeOptions, unreachable, uriArgument } from './store.js';
import { printable, shownMs } from './text.js';

const words = ['top'];

export const top: Command = {
  words,
  about: 'Shows what the caches of all processes are doing, method by method; the arrow keys scroll, q ends it',
  arguments: [uriArgument],
  options: {
    ...storeOptions,
    json: { about: 'Prints a line of JSON at each refresh' },
    once: { about: 'Prints one table, of one interval; so it is where the output is no terminal' },
    interval: { value: 'duration', about: 'Between two refreshes, from 100ms to 1h; 1s unless stated' },
    sort: { value: 'order', about: 'What comes first: calls, hit-rate, misses, p95 or saved; calls unless stated' },
  },
  examples: [
    'redis://localhost:6379 --namespace shop',
    'redis://localhost:6379 --interval 5s --sort misses',
    "redis://localhost:6379 --json | jq '.total.hitRate'",
  ],
  exits: { 1: 'No process answers', ...unreachable },
  run,
};

/** How the refreshes are to be. */
interface Watch {
  readonly fleet: Fleet;
  readonly place: StorePlace;
  readonly intervalMs: number;
  readonly order: string;
  readonly terminal: Terminal;
}

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const [{ withFleet, nobody }, intervalMs, order] = await Promise.all([
    import('./fleet.js'),
    intervalOf(given),
    orderOf(given),
  ]);
  const place = placeOf(given, words);
  return withFleet(place, async (fleet) => {
    const watch: Watch = { fleet, place, intervalMs, order, terminal };
    if (given.isOn('once') || (terminal.screen === undefined && !given.isOn('json'))) {
      const view = await oneView(watch);
      const exitCode = view.processes.length === 0 ? 1 : 0;
      const missing = exitCode === 0 ? '' : await nobody(place, fleet);
      if (!given.isOn('json')) return { text: missing || `${(await table(view, watch)).join('\n')}\n`, exitCode };
      terminal.error(missing);
      return { text: json(view), exitCode };
    }
    await (given.isOn('json') ? streamed(watch) : drawn(watch));
    return '';
  });
}

const shortestMs = 100;
const longestMs = 3_600_000;

async function intervalOf(given: Given): Promise<number> {
  const { durationMs } = await import('../../base/duration.js');
  const text = given.text('interval') ?? '1s';
  const ms = durationMs(text as '1s', 'cachette top --interval');
  if (ms >= shortestMs && ms <= longestMs) return ms;
  throw new UsageError(`--interval is from 100ms to 1h, and not '${printable(text)}'`, words);
}

async function orderOf(given: Given): Promise<string> {
  const { orders } = await import('./fleet-view.js');
  const [order, known] = [given.text('sort') ?? 'calls', Object.keys(orders)];
  if (known.includes(order)) return order;
  const meant = nearest(order, known);
  const instead = meant ? `did you mean '${meant}'?` : `there are: ${known.join(', ')}`;
  throw new UsageError(`there is no order '${printable(order)}'; ${instead}`, words);
}

async function streamed(watch: Watch): Promise<void> {
  const { untilStopped } = await import('./screen.js');
  await untilStopped(watch.terminal, (ended) =>
    refreshed(watch, ended, async (view) => watch.terminal.out(json(view))),
  );
}

async function drawn(watch: Watch): Promise<void> {
  const { frame, onScreen } = await import('./screen.js');
  const { terminal } = watch;
  const scroll = { offset: 0, page: 1 };
  let shown: FleetView | undefined;
  const draw = async (): Promise<void> => {
    if (!shown) return;
    const all = await lines(shown, watch, scroll);
    // read at each refresh: a window changes its size
    terminal.out(frame(all, terminal.screen?.rows ?? Infinity));
  };
  const press = (key: string): void => {
    const by = scrolling[key.replace('\u001bO', '\u001b[')];
    if (by === undefined) return;
    scroll.offset += by(scroll.page);
    void draw();
  };
  await onScreen(terminal, { press, draw }, (ended) =>
    refreshed(watch, ended, async (view) => {
      shown = view;
      if (!ended.aborted) await draw();
    }),
  );
}

/** By key, how many methods further down it goes: the arrows, PageUp and PageDown. */
const scrolling: Readonly<Record<string, (page: number) => number>> = {
  '\u001b[A': () => -1,
  '\u001b[B': () => 1,
  '\u001b[5~': (page) => -page,
  '\u001b[6~': (page) => page,
};

/** Two looks, as a rate needs. */
async function oneView({ fleet, place, intervalMs, order }: Watch): Promise<FleetView> {
  const look = await looker(fleet, place);
  const before = await look();
  await sleep(intervalMs);
  return viewOf(before, await look(), order);
}

async function refreshed(
  { fleet, place, intervalMs, order }: Watch,
  ended: AbortSignal,
  show: (view: FleetView) => Promise<void>,
): Promise<void> {
  const look = await looker(fleet, place);
  let before: Look | undefined;
  while (!ended.aborted) {
    const next = sleep(intervalMs, undefined, { signal: ended }).catch(() => undefined);
    const now = await look();
    if (!ended.aborted) await show(await viewOf(before, now, order));
    before = now;
    await next;
  }
}

interface Look {
  readonly seen: readonly Seen[];
  readonly problem: string | undefined;
}

/** Looks again and again. Where nobody answers, it may be that nobody can. */
async function looker(fleet: Fleet, { uri }: StorePlace): Promise<() => Promise<Look>> {
  const [{ Presence }, { redact }] = await Promise.all([import('./presence.js'), import('../../stores/uri-parts.js')]);
  const presence = new Presence();
  let connectedAtMs = performance.now();
  return async () => {
    const answers = await fleet.snapshots();
    const nowMs = performance.now();
    const isConnected = answers.length > 0 || (await fleet.isConnected());
    if (isConnected) connectedAtMs = nowMs;
    const sinceMs = Math.max(1_000, Math.floor((performance.now() - connectedAtMs) / 1_000) * 1_000);
    const problem = isConnected ? undefined : `${printable(redact(uri))} cannot be reached, since ${shownMs(sinceMs)}`;
    return { seen: presence.seen(answers, nowMs), problem };
  };
}

async function viewOf(before: Look | undefined, { seen, problem }: Look, order: string): Promise<FleetView> {
  const { fleetView, sorted } = await import('./fleet-view.js');
  return { ...sorted(fleetView(before?.seen, seen), order), ...(problem !== undefined && { problem }) };
}

function json(view: FleetView): string {
  return `${JSON.stringify({ at: new Date().toISOString(), ...view })}\n`;
}

/** All of it: what is printed once can be scrolled by whoever reads it. */
function table(view: FleetView, watch: Watch): Promise<string[]> {
  const { hasColours, screen } = watch.terminal;
  const terminal = { ...watch.terminal, hasColours, screen: screen && { ...screen, rows: Infinity } };
  return lines(view, { ...watch, terminal }, { offset: 0, page: 0 });
}

async function lines(view: FleetView, { fleet, place, terminal }: Watch, scroll: Scroll): Promise<string[]> {
  const { fleetLines } = await import('./fleet-lines.js');
  const [{ redact }, { nobody }] = await Promise.all([import('../../stores/uri-parts.js'), import('./fleet.js')]);
  const title = `${printable(redact(place.uri))}, namespace ${place.namespace}`;
  if (view.processes.length > 0) return fleetLines(view, { title, terminal, scroll });
  return [title, '', view.problem ?? (await nobody(place, fleet)).trimEnd()];
}
