/** `cachette top`: what the caches of a fleet are doing, drawn again each second. */

import { setTimeout as sleep } from 'node:timers/promises';

import type { Answered } from '../../base/insight.js';
import type { Command, Given, Printed, Terminal } from './command.js';
import type { Fleet } from './fleet.js';
import type { FleetView } from './fleet-view.js';
import { placeOf, type StorePlace, storeOptions, unreachable, uriOrEnvironment } from './store.js';
import { printable } from './text.js';

const words = ['top'];

export const top: Command = {
  words,
  about: 'Shows what the caches of all processes are doing, method by method; q ends it',
  arguments: [uriOrEnvironment],
  options: {
    ...storeOptions,
    json: { about: 'Prints a line of JSON at each refresh' },
    once: { about: 'Prints one table, of one interval; so it is where the output is no terminal' },
    interval: { value: 'duration', about: 'Between two refreshes; 1s unless stated' },
  },
  examples: [
    'redis://localhost:6379 --namespace shop',
    'redis://localhost:6379 --interval 5s',
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
  readonly terminal: Terminal;
}

async function run(given: Given, terminal: Terminal): Promise<Printed> {
  const [{ withFleet, nobody }, { durationMs }] = await Promise.all([
    import('./fleet.js'),
    import('../../base/duration.js'),
  ]);
  const intervalMs = durationMs((given.text('interval') ?? '1s') as '1s', 'cachette top --interval');
  const place = placeOf(given, words);
  return withFleet(place, async (fleet) => {
    const watch: Watch = { fleet, place, intervalMs, terminal };
    if (given.isOn('once') || (terminal.screen === undefined && !given.isOn('json'))) {
      const view = await oneView(watch);
      if (view.processes.length === 0 && !given.isOn('json')) return { text: nobody(place), exitCode: 1 };
      const text = given.isOn('json') ? json(view) : `${(await lines(view, watch)).join('\n')}\n`;
      return { text, exitCode: view.processes.length === 0 ? 1 : 0 };
    }
    await (given.isOn('json') ? streamed(watch) : drawn(watch));
    return '';
  });
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
  await onScreen(terminal, (ended) =>
    refreshed(watch, ended, async (view) => {
      // read at each refresh: a window changes its size
      if (!ended.aborted) terminal.out(frame(await lines(view, watch), terminal.screen?.rows ?? Infinity));
    }),
  );
}

/** Two looks, as a rate needs. */
async function oneView({ fleet, intervalMs }: Watch): Promise<FleetView> {
  const { fleetView } = await import('./fleet-view.js');
  const before = await fleet.snapshots();
  await sleep(intervalMs);
  return fleetView(before, await fleet.snapshots());
}

async function refreshed(
  { fleet, intervalMs }: Watch,
  ended: AbortSignal,
  show: (view: FleetView) => Promise<void>,
): Promise<void> {
  const { fleetView } = await import('./fleet-view.js');
  let before: readonly Answered<'snapshot'>[] | undefined;
  while (!ended.aborted) {
    const next = sleep(intervalMs, undefined, { signal: ended }).catch(() => undefined);
    const now = await fleet.snapshots();
    if (!ended.aborted) await show(fleetView(before, now));
    before = now;
    await next;
  }
}

function json(view: FleetView): string {
  return `${JSON.stringify({ at: new Date().toISOString(), ...view })}\n`;
}

async function lines(view: FleetView, { place, terminal }: Watch): Promise<string[]> {
  const { fleetLines } = await import('./fleet-lines.js');
  const [{ redact }, { nobody }] = await Promise.all([import('../../stores/uri-parts.js'), import('./fleet.js')]);
  const title = `${printable(redact(place.uri))}, namespace ${place.namespace}`;
  if (view.processes.length === 0) return [title, '', nobody(place).trimEnd()];
  return fleetLines(view, { title, terminal });
}
