/**
 * The inspector's page: follows the fleet over one stream, and shows what it says. Names, keys and tags are other people's
 * text, and only ever become text nodes. Numbers come from other processes and may be missing or odd.
 */

/* global AbortController, document, fetch, Headers, HTMLElement, location, matchMedia, navigator, sessionStorage, TextDecoderStream */

import * as charts from './charts.js';
import { axis, clock, colour, draw, fromZero, line, shown, timeAxis, timeLine, wholeRatio } from './charts.js';
import { bytes, count, counted, greatest, isNumber, lately, merge, millis, num } from './numbers.js';
import { NONE, percent, rate, sum } from './numbers.js';
import { meaning, policyWords, shellWord, visible } from './words.js';

/** @typedef {import('../../../base/insight.js').Snapshot} Snapshot */
/** @typedef {import('../../../base/insight.js').MethodStats} MethodStats */
/** @typedef {import('../../../base/insight.js').Finding} Finding */
/** @typedef {import('../../../base/insight.js').Prediction} Prediction */
/** @typedef {import('../../../base/events.js').Outcome} Outcome */
/** @typedef {import('../../../base/insight.js').Answered<'snapshot'>} Reported */
/** @typedef {import('../../../base/insight.js').Answered<'audit'>} Audited */
/** @typedef {{ at: number, processes: Reported[] }} Fleet */
/** @typedef {ReturnType<typeof lately>} Lately */

const HISTORY = 900;
const WINDOW_MS = 5_000;
/** A process that does not answer is shown as it was for so long. */
const LATE_MS = 5_000;
/** The server says something each second; a stream that is silent for so long is no longer one. */
const SILENT_MS = 10_000;
/** What has changed for so long is worth a word to who listens. */
const LASTING_MS = 3_000;
const RECENT_EVERY_MS = 2_000;
/** With more methods than this they can be searched, and then what could be better comes first. */
const FEW_METHODS = 8;
const MANY_METHODS = 20;
const FEW_FINDINGS = 5;
/** As the audit has it: further from what was measured, its predictions are worth little. */
const TRUSTED_ERROR = 0.1;
const TOKEN_KEY = `cachette-inspector ${location.pathname}`;

const state = {
  /** What the processes have said last; also those that are late. @type {Fleet | undefined} */
  fleet: undefined,
  /** The processes of which that is some seconds old. @type {Set<string>} */
  late: new Set(),
  /** The reports of the last seconds. @type {Fleet[]} */
  reports: [],
  /** What the charts need, by process, and under '' for all of them. @type {{ at: number, by: Map<string, Lately> }[]} */
  history: [],
  /** The process looked at; empty for all. */
  process: '',
  sort: { id: 'calls', descending: true },
  /** What the names of the methods shown have in them. */
  filter: '',
  /** The method looked at. @type {string | undefined} */
  method: undefined,
  /** @type {Audited[]} */
  audits: [],
  /** Whether more findings are shown than the first. */
  allFindings: false,
  token: sessionStorage.getItem(TOKEN_KEY) ?? '',
};

// ---- the document ---------------------------------------------------------------------------------------------------

/** @param {string} id @returns {any} the element, which page.html has */
const $ = (id) => document.getElementById(id);

/**
 * An element with text or children; strings become text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, string>} [attributes]
 * @param {...(Node | string)} children
 */
function el(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children.map((child) => (typeof child === 'string' ? visible(child) : child)));
  return element;
}

/** Writes only what has changed, so that a selection or a reader is not disturbed. @param {Element} element @param {string} words */
function write(element, words) {
  const seen = visible(words);
  if (element.textContent !== seen) element.textContent = seen;
}

/** @param {string} id @param {boolean} isVisible */
const show = (id, isVisible) => void ($(id).hidden = !isVisible);

/** @param {unknown} value @param {string} [kind] */
const cell = (value, kind = '') => el('td', kind ? { class: kind } : {}, text(value));

/** @param {unknown} value */
const text = (value) => (value === undefined || value === null || value === '' ? NONE : String(value));

/** @param {string} name of a method */
const named = (name) => name || '(no name)';

/** @param {Reported['process']} from */
const processName = (from) => `${text(from.host)}:${text(from.pid)} ${String(from.id).slice(0, 6)}`;

/** The name of a process that is known by its id. @param {string} id */
function processNamed(id) {
  const known = state.fleet?.processes.find(({ process }) => process.id === id);
  return known ? processName(known.process) : id;
}

/** Of those looked at: one or all. @template {{ process: { id: string } }} T @param {readonly T[]} all */
const ofChosen = (all) => all.filter(({ process }) => !state.process || process.id === state.process);

/** The reports of the processes looked at. @returns {Snapshot[]} */
const chosen = () => ofChosen(state.fleet?.processes ?? []).map(({ answer }) => answer);

// ---- the methods' numbers -------------------------------------------------------------------------------------------

/** @typedef {ReturnType<typeof merge> & { name: string, now: Lately | undefined }} Row */

/** The methods of the processes looked at. @returns {Row[]} */
function methodRows() {
  /** @type {Map<string, { all: MethodStats[], lately: import('./numbers.js').Interval[] }>} */
  const byName = new Map();
  for (const reported of ofChosen(state.fleet?.processes ?? [])) {
    const before = earlier(reported);
    for (const [name, now] of Object.entries(reported.answer.stats.methods ?? {})) {
      const known = byName.get(name) ?? { all: [], lately: [] };
      byName.set(name, known);
      known.all.push(now);
      // a method that was not there before has been called since, unless there was no room for it
      const then = before?.answer.stats.methods?.[name] ?? (before?.answer.methodsLeftOut ? undefined : NOTHING);
      if (before && then) known.lately.push({ now, before: then, ms: reported.answer.at - before.answer.at });
    }
  }
  return [...byName].map(([name, { all, lately: intervals }]) => {
    return { name, ...merge(all), now: intervals.length > 0 ? lately(intervals) : undefined };
  });
}

const NOTHING = /** @type {MethodStats} */ ({});

/** What the process said about five seconds before; undefined where this is its first word. @param {Reported} reported */
function earlier({ process, answer }) {
  const said = state.reports.flatMap(({ processes }) => processes.filter((other) => other.process.id === process.id));
  const before = said.filter((other) => other.answer.at < answer.at);
  return before.findLast((other) => other.answer.at <= answer.at - WINDOW_MS) ?? before[0];
}

/** The reason of most misses, with its part of them. @param {Row} row */
function mainReason({ reasons, misses }) {
  const [first] = [...reasons].sort(([, a], [, b]) => b - a);
  return first && first[1] > 0 ? `${first[0]} ${percent(first[1] / Math.max(misses, first[1]))}` : NONE;
}

// ---- talking to the server ------------------------------------------------------------------------------------------

class TokenWanted extends Error {}
class Closed extends Error {}

/** @param {string} path @param {RequestInit} [init] */
async function request(path, init = {}) {
  const headers = new Headers(init.headers);
  if (state.token) headers.set('authorization', `Bearer ${state.token}`);
  const response = await fetch(`api/${path}`, { ...init, headers, cache: 'no-store', credentials: 'same-origin' });
  if (response.status === 401) throw new TokenWanted();
  return response;
}

/** @param {string} path */
async function read(path) {
  const response = await request(path);
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return response.json();
}

/** @type {((token: string) => void) | undefined} */
let tokenGiven;

/** Nothing of the cache is seen meanwhile. Resolves when a token has been typed. @returns {Promise<void>} */
async function askToken() {
  if (state.token) write($('token-note'), 'That token was not the right one.');
  view('token');
  connection('waiting', 'waiting for the token');
  $('token').focus();
  const token = await new Promise((resolve) => (tokenGiven = resolve));
  state.token = token;
  sessionStorage.setItem(TOKEN_KEY, token);
  $('token').value = '';
  view('waiting');
}

/** The form alone, nothing yet, or all. @param {'token' | 'waiting' | 'live'} which */
function view(which) {
  if (which !== 'live') Object.assign(state, { fleet: undefined, reports: [], history: [], audits: [] });
  document.body.dataset.view = which;
}

/** @type {ReturnType<typeof setTimeout> | undefined} */
let announcing;

/** Seen at once; who listens hears of it where it lasts. @param {'waiting' | 'live' | 'lost'} kind @param {string} words */
function connection(kind, words) {
  $('connection').dataset.state = kind;
  if ($('connection').textContent === words) return;
  write($('connection'), words);
  clearTimeout(announcing);
  announcing = setTimeout(() => write($('announcement'), `The connection: ${words}`), LASTING_MS);
}

/** @param {number} ms */
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Follows the stream for as long as the page is open; waits longer after each failure, up to 15 s. */
async function follow() {
  for (let failures = 0; ; failures++) {
    try {
      await stream(() => (failures = 0));
      connection('lost', 'the stream ended, connecting again…');
    } catch (error) {
      if (error instanceof TokenWanted) {
        await askToken();
        failures = -1;
        continue;
      }
      connection('lost', error instanceof Closed ? 'the inspector is closed' : 'connection lost, trying again…');
    }
    await wait(Math.min(500 * 2 ** Math.min(failures, 5), 15_000) * (0.75 + Math.random() / 2));
  }
}

/** One connection: hands each report on. @param {() => void} opened */
async function stream(opened) {
  const silence = new AbortController();
  let alarm = setTimeout(() => silence.abort(), SILENT_MS);
  try {
    const response = await request('stream', { headers: { accept: 'text/event-stream' }, signal: silence.signal });
    if (response.status === 503) throw new Closed();
    if (!response.ok || !response.body) throw new Error(`The server answered ${response.status}.`);
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let isNew = true;
    for (let rest = ''; ;) {
      const { done, value } = await reader.read();
      if (done) return;
      clearTimeout(alarm);
      alarm = setTimeout(() => silence.abort(), SILENT_MS);
      const events = (rest + value.replaceAll('\r', '')).split('\n\n');
      rest = events.pop() ?? '';
      for (const fleet of events.map(fleetOf).filter((one) => one !== undefined)) {
        report(fleet);
        if (isNew) renew();
        isNew = false;
        opened();
      }
    }
  } finally {
    clearTimeout(alarm);
  }
}

/** Undefined where it is no report. @param {string} event @returns {Fleet | undefined} */
function fleetOf(event) {
  const lines = event.split('\n');
  if (!lines.some((line) => /^event: ?fleet$/.test(line))) return undefined;
  const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5));
  return JSON.parse(data.join('\n'));
}

/** Behind a new connection there may be another server: what was asked for once is asked for again. */
function renew() {
  void refreshAudit();
  void session().then(({ canInvalidate }) => show('invalidate', canInvalidate === true));
}

/** @param {Fleet} fleet */
function report(fleet) {
  state.fleet = withLate(fleet);
  remember(state.fleet);
  const { processes } = state.fleet;
  if (state.process && !processes.some(({ process }) => process.id === state.process)) leave(state.process);
  view('live');
  connection('live', `live, ${counted(processes.length, 'process', 'processes')}`);
  render();
}

/** A process that has not answered in time is one that is late, until it has not answered for some seconds. @param {Fleet} fleet @returns {Fleet} */
function withLate({ at, processes }) {
  const here = new Set(processes.map(({ process }) => process.id));
  const seen = (state.fleet?.processes ?? []).filter(({ process }) => !here.has(process.id));
  const late = seen.filter(({ process }) => at - (lastAnswered.get(process.id) ?? 0) < LATE_MS);
  for (const id of here) lastAnswered.set(id, at);
  state.late = new Set(late.map(({ process }) => process.id));
  return { at: num(at), processes: [...processes, ...late] };
}

/** By process: at which report it answered. @type {Map<string, number>} */
const lastAnswered = new Map();

/** @param {string} gone */
function leave(gone) {
  const name = state.reports.flatMap(({ processes }) => processes).find(({ process }) => process.id === gone)?.process;
  write($('gone'), `${name ? processName(name) : gone.slice(0, 6)} does not answer any more: all processes are shown.`);
  show('gone', true);
  state.process = '';
  if (state.audits.length > 0) renderFindings();
  drawCurves();
}

// ---- the last minutes -----------------------------------------------------------------------------------------------

/** @param {Fleet} fleet */
function remember(fleet) {
  const intervals = fleet.processes.flatMap((reported) => {
    const before = earlier(reported);
    const ms = before ? reported.answer.at - before.answer.at : 0;
    return before ? [{ id: reported.process.id, now: reported.answer.stats, before: before.answer.stats, ms }] : [];
  });
  const by = new Map(intervals.map((interval) => [interval.id, lately([interval])]));
  if (intervals.length > 0) by.set('', lately(intervals));
  state.history.push({ at: fleet.at, by });
  if (state.history.length > HISTORY) state.history.shift();
  state.reports.push(fleet);
  // one before the window, so that it is whole
  while (state.reports.length > 2 && fleet.at - state.reports[1].at > WINDOW_MS + LATE_MS) state.reports.shift();
}

/** @param {(moment: Lately) => number | null} of */
const overTime = (of) =>
  state.history.map(({ by }) => (by.has(state.process) ? of(/** @type {Lately} */ (by.get(state.process))) : null));

const moments = () => state.history.map(({ at }) => at / 1_000);

function drawTraffic() {
  const whole = shown((v) => `${Math.round(v * 100)} %`);
  const lines = [
    line(1, { label: 'hit rate', scale: 'ratio', value: shown(percent).value, fill: `${colour('series-1')}1c` }),
    line(3, { label: 'calls/s', scale: 'calls', value: shown(rate).value, width: 1.5 }),
  ];
  const axes = [
    timeAxis(),
    axis({ scale: 'ratio', values: whole.values, size: 54 }),
    axis({ scale: 'calls', side: 1, values: shown(rate).values, size: 52, grid: { show: false } }),
  ];
  const scales = { ratio: { range: wholeRatio }, calls: { range: fromZero } };
  const data = [moments(), overTime(({ hitRate }) => hitRate), overTime(({ callsPerSecond }) => callsPerSecond)];
  draw('traffic', data, { title: 'Hit rate and calls', height: 210, lines, axes, scales, x: timeLine, least: 2 });
}

function drawLoads() {
  const lines = ['p50', 'p95', 'p99'].map((label, i) => line([2, 1, 4][i], { label, value: shown(millis).value }));
  const axes = [timeAxis(), axis({ values: shown(millis).values, size: 64 })];
  const scales = { y: { range: fromZero } };
  const data = [moments(), ...lines.map((_, i) => overTime(({ loads }) => loads[i]))];
  draw('loads', data, { title: 'Load time', height: 210, lines, axes, scales, x: timeLine, least: 2 });
}

/** Colours are painted, so another scheme means painting again. */
function repaint() {
  charts.forget();
  render();
  drawCurves();
}

// ---- at a glance, processes, tiers ----------------------------------------------------------------------------------

function render() {
  if (!state.fleet) return;
  const snapshots = chosen();
  write($('namespace'), snapshots[0]?.namespace ?? '');
  renderPicker();
  renderReach();
  renderNotices(snapshots);
  renderKpis(snapshots);
  drawTraffic();
  drawLoads();
  renderMethods(snapshots);
  renderTiers();
  if (state.method !== undefined) renderDetail();
}

/** Options come and go with processes. */
function renderPicker() {
  const names = new Map([['', 'all processes']]);
  for (const { process } of state.fleet?.processes ?? []) names.set(process.id, processName(process));
  const picker = $('process');
  const shape = JSON.stringify([...names]);
  if (picker.dataset.shape !== shape)
    picker.replaceChildren(...[...names].map(([value, name]) => el('option', { value }, name)));
  picker.dataset.shape = shape;
  if (picker.value !== state.process) picker.value = state.process;
}

/** Whether others of the fleet would be seen here; the process that serves the page answers first. */
function renderReach() {
  const own = state.fleet?.processes[0]?.answer;
  const shared = (own?.stores ?? []).find(({ tier }) => tier === 'store');
  const isAlone = own?.bus?.state === 'none' && shared !== undefined;
  show('reach', isAlone);
  if (!isAlone) return;
  const scheme = /^([a-z][\w+.-]*):\/\//i.exec(shared.name)?.[1] ?? 'this store';
  const why = /^(rediss?|valkeys?)$/.test(scheme) ? 'its bus is off' : `${scheme} has no bus`;
  write($('reach'), `this process only: ${why}`);
}

/** @param {Snapshot[]} snapshots */
function renderNotices(snapshots) {
  const off = snapshots.filter(({ enabled }) => enabled === false).length;
  const where =
    snapshots.length > 1 ? ` in ${off === snapshots.length ? 'all' : off} of ${snapshots.length} processes` : '';
  show('disabled', off > 0);
  write($('disabled'), `The cache is off${where}: each call runs its method, until cache.enabled is true again.`);
  const silent = snapshots.filter(isUncounted).length;
  const whose = snapshots.length > 1 ? ` of ${silent} of ${snapshots.length} processes` : '';
  show('uncounted', silent > 0);
  document.body.toggleAttribute('data-uncounted', silent > 0 && silent === snapshots.length);
  write(
    $('uncounted'),
    `Counting is off: the calls${whose} are not in these numbers, as the cache was made with statistics: false.`,
  );
}

/** @param {Snapshot} snapshot */
const isUncounted = ({ counted: isCounted }) => isCounted === false;

/** @param {Snapshot[]} snapshots */
function renderKpis(snapshots) {
  const all = merge(snapshots.map(({ stats }) => stats));
  const now = state.history.at(-1)?.by.get(state.process);
  const memory = snapshots.flatMap(({ stores }) => stores ?? []).filter(({ tier }) => tier === 'memory');
  const errors = sum(snapshots.map(({ stats }) => stats.errors));
  const bounds = sum(memory.map(({ maxEntries }) => num(maxEntries)));
  const isCounted = snapshots.some((snapshot) => !isUncounted(snapshot));
  const counts = (/** @type {string} */ words) => (isCounted ? words : NONE);
  const figures = [
    ['Hit rate', ...present(now?.hitRate, all.hitRate, percent)],
    ['Calls per second', now ? counts(rate(now.callsPerSecond)) : NONE, counts(`${counted(all.calls, 'call')} in all`)],
    ['Load, p95', ...present(now?.loads[1], all.p95, millis)],
    [
      'Time saved',
      counts(millis(all.savedMs)),
      errors > 0 ? `${counted(errors, 'error')} survived` : 'of loading not waited for',
    ],
    [
      'Entries',
      memory.length > 0 ? count(sum(memory.map(({ entries }) => num(entries)))) : NONE,
      memory.length > 0 ? `in memory${bounds > 0 ? `, of ${count(bounds)}` : ''}` : 'a store does not count them',
    ],
  ];
  const list = $('kpis');
  if (list.childElementCount === 0) list.append(...figures.map(([title]) => kpi(title)));
  for (const [i, [, figure, aside]] of figures.entries()) {
    write(list.children[i].querySelector('.figure'), figure);
    write(list.children[i].querySelector('.aside'), aside);
  }
  show('loads-failed', all.failed > 0);
  write(
    $('loads-failed'),
    `${count(all.failed)} failed since the start, ${percent(all.failed / Math.max(all.loads, 1))}`,
  );
}

/** What is now, and beside it what was since the start; that alone where nothing is now. @param {number | null | undefined} now @param {number | null} all @param {(value: unknown) => string} as */
function present(now, all, as) {
  if (isNumber(now)) return [as(now), `${as(all)} since the start`];
  return [as(all), isNumber(all) ? 'since the start, none just now' : NONE];
}

/** @param {string} title */
const kpi = (title) => el('div', {}, el('dt', {}, title), el('dd', { class: 'figure' }), el('dd', { class: 'aside' }));

const breakers = { none: 'none', closed: 'good', probing: 'warn', open: 'bad' };
const buses = { none: 'none', trusted: 'good', untrusted: 'warn', idle: 'none' };

function renderTiers() {
  const snapshots = chosen();
  const rows = snapshots.flatMap((snapshot) => (snapshot.stores ?? []).map((_, i) => tierRow(snapshot, i)));
  const shape = rows.map((row) => row.textContent).join('\n');
  const body = $('tiers').tBodies[0];
  if (body.dataset.shape === shape) return;
  body.dataset.shape = shape;
  body.replaceChildren(...rows);
}

/** @param {Snapshot} snapshot @param {number} index */
function tierRow({ process, stores, bus, enabled }, index) {
  const { tier, name, entries, maxEntries, maxSize, breaker, pending } = stores[index];
  const bounds = [isNumber(maxEntries) ? count(maxEntries) : '', isNumber(maxSize) ? bytes(maxSize) : ''];
  const heard = bus.state === 'none' ? 'none' : `${bus.state}, ${counted(num(bus.peers), 'peer')}`;
  const isFirst = index === 0;
  const marks = [enabled === false ? 'off' : '', state.late.has(process.id) ? 'late' : ''].filter(Boolean);
  const who = isFirst ? [processName(process), ...marks.map((mark) => el('span', { class: 'mark' }, mark))] : [];
  return el(
    'tr',
    isFirst ? { class: 'first' } : {},
    el('td', { class: 'named' }, ...who),
    cell(tier),
    cell(name, 'key'),
    cell(isNumber(entries) ? count(entries) : 'not counted', 'number'),
    cell(bounds.filter(Boolean).join(', '), 'number'),
    el('td', { class: 'state', 'data-level': breakers[breaker] ?? 'none' }, text(breaker === 'none' ? '' : breaker)),
    el('td', { class: `number state`, 'data-level': num(pending) > 0 ? 'warn' : 'none' }, count(pending)),
    el('td', { class: 'state', 'data-level': buses[bus.state] ?? 'none' }, isFirst ? heard : ''),
  );
}

// ---- methods --------------------------------------------------------------------------------------------------------

/** `isOptional`: left out where no method has anything there. @typedef {{ id: string, label: string, title: string, sort: (row: Row) => number | string, text: (row: Row) => string, isOptional?: boolean, level?: (row: Row) => string }} Column */

/** @param {string} id @param {string} label @param {string} title @param {(row: Row) => number | null | undefined} of @param {(value: unknown) => string} [as] @returns {Column} */
const column = (id, label, title, of, as = count) => ({
  id,
  label,
  title,
  sort: (row) => of(row) ?? -1,
  text: (row) => as(of(row)),
});

/** @param {(value: unknown) => string} as @returns {(value: unknown) => string} nothing where nothing was measured */
const ifAny = (as) => (value) => (num(value) > 0 ? as(value) : NONE);

/** With their part of all loads. @param {{ failed: number, loads: number }} counts */
const failedText = ({ failed, loads }) =>
  failed > 0 ? `${count(failed)} · ${percent(failed / Math.max(loads, failed))}` : '0';

/** What is of the last seconds comes first. @type {Column[]} */
const columns = [
  { id: 'name', label: 'Method', title: 'Its name in the cache', sort: (row) => row.name, text: (row) => row.name },
  column('callsNow', 'Calls/s', 'In the last 5 seconds', (row) => row.now?.callsPerSecond, rate),
  column('hitRateNow', 'Hit rate', 'In the last 5 seconds', (row) => row.now?.hitRate, percent),
  column('p95Now', 'Load p95', 'Of the loads of the last 5 seconds', (row) => row.now?.loads[1], millis),
  column('calls', 'Calls', 'Hits, misses, stale and bypassed', (row) => row.calls),
  column('hitRate', 'Hit rate', 'Hits among hits, stale and misses', (row) => row.hitRate, percent),
  { ...column('memoryHits', 'Hits, memory', 'Hits that memory answered', (row) => row.memoryHits), isOptional: true },
  {
    ...column('storeHits', 'Hits, store', 'Hits that the shared store answered', (row) => row.storeHits),
    isOptional: true,
  },
  { ...column('stale', 'Stale', 'Old entries that were served', (row) => row.stale), isOptional: true },
  column('misses', 'Misses', 'Calls for which the method ran, or that joined one', (row) => row.misses),
  { id: 'reason', label: 'Main miss reason', title: 'Of most misses', sort: mainReason, text: mainReason },
  column('p95', 'Load p95', 'Of all loads', (row) => row.p95, ifAny(millis)),
  {
    ...column('failed', 'Failed', 'Loads that threw or rejected, and their part of all loads', (row) => row.failed),
    text: failedText,
    level: ({ failed }) => (failed > 0 ? 'bad' : 'none'),
  },
  column('savedMs', 'Saved', 'The load time saved: what callers did not wait for', (row) => row.savedMs, ifAny(millis)),
  {
    ...column('mismatches', 'Wrong', 'Mismatches: hits that verify found to be wrong', (row) => row.mismatches),
    isOptional: true,
    level: ({ mismatches }) => (mismatches > 0 ? 'bad' : 'none'),
  },
];
const worded = new Set(['name', 'reason']);
/** The first column of each group. */
const groupStarts = new Set(['callsNow', 'calls']);

/** @param {string} id */
const kindOfColumn = (id) => `${worded.has(id) ? '' : 'number'}${groupStarts.has(id) ? ' group' : ''}`.trim();

/** The rows on screen, by method. @type {Map<string, HTMLElement>} */
const rowsShown = new Map();

function makeHead() {
  const cells = columns.map(({ id, label, title }) => {
    const button = el('button', { type: 'button', 'data-sort': id }, label);
    button.addEventListener('click', () => sortBy(id));
    return el('th', { scope: 'col', title, class: kindOfColumn(id) }, button);
  });
  $('methods').tHead.rows[1].replaceChildren(...cells);
}

/** The same again turns it round. @param {string} id */
function sortBy(id) {
  const { sort } = state;
  state.sort = { id, descending: sort.id === id ? !sort.descending : !worded.has(id) };
  renderMethods(chosen());
}

function markSorted() {
  for (const [i, head] of [...$('methods').tHead.rows[1].cells].entries()) {
    if (columns[i].id !== state.sort.id) head.removeAttribute('aria-sort');
    else head.setAttribute('aria-sort', state.sort.descending ? 'descending' : 'ascending');
  }
}

/** @param {Row[]} rows */
function sorted(rows) {
  const { sort } = columns.find(({ id }) => id === state.sort.id) ?? columns[1];
  const sign = state.sort.descending ? -1 : 1;
  return rows.sort((a, b) => sign * compare(sort(a), sort(b)) || compare(a.name, b.name));
}

/** @param {number | string} a @param {number | string} b */
const compare = (a, b) => (typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b)));

/** Rows are kept and only their texts written, so that focus and selection outlive each report. @param {Snapshot[]} snapshots */
function renderMethods(snapshots) {
  const all = methodRows();
  const wanted = state.filter.toLowerCase();
  const rows = sorted(all.filter(({ name }) => name.toLowerCase().includes(wanted)));
  tellMethods(snapshots, { all: all.length, shown: rows.length });
  leaveOutColumns(all);
  markSorted();
  const names = new Set(rows.map(({ name }) => name));
  for (const [name, element] of rowsShown) {
    if (names.has(name)) continue;
    element.remove();
    rowsShown.delete(name);
  }
  for (const row of rows) writeRow(row);
  order(rows.map(({ name }) => /** @type {HTMLElement} */ (rowsShown.get(name))));
}

/** How many there are, which are not here, and why there is none. @param {Snapshot[]} snapshots @param {{ all: number, shown: number }} numbers */
function tellMethods(snapshots, { all, shown: here }) {
  show('methods-scroll', here > 0);
  show('methods-empty', here === 0);
  const why = snapshots.some((one) => !isUncounted(one))
    ? 'No cached method has been called yet.'
    : 'Counting is off, so that no method is known here.';
  write($('methods-empty'), all > 0 ? 'No method has that in its name.' : why);
  show('filter-field', all > FEW_METHODS || state.filter !== '');
  write(
    $('methods-note'),
    here < all ? `${count(here)} of ${counted(all, 'method')}` : 'choose one to see why it misses',
  );
  const leftOut = greatest(snapshots.map(({ methodsLeftOut }) => num(methodsLeftOut)));
  show('left-out', leftOut > 0);
  write(
    $('left-out'),
    `${counted(leftOut, 'method')} with fewer calls ${leftOut === 1 ? 'is' : 'are'} not listed, as a process names 200 at most. The figures at the top are of all.`,
  );
  placeFindings(all > MANY_METHODS);
}

/** Below a long table nobody would find them. @param {boolean} isFirst */
function placeFindings(isFirst) {
  const [findings, methods] = [$('findings-panel'), $('methods-panel')];
  const isBefore = findings.nextElementSibling === methods;
  if (isFirst === isBefore || findings.contains(document.activeElement)) return;
  if (isFirst) methods.before(findings);
  else $('detail').after(findings);
}

/** @param {Row[]} rows */
function leaveOutColumns(rows) {
  const ids = columns.filter(({ isOptional, sort }) => isOptional && rows.every((row) => num(sort(row)) <= 0));
  const without = ids.map(({ id }) => id).join(' ');
  const table = $('methods');
  if (table.dataset.without === without) return;
  table.dataset.without = without;
  const cells = [...table.tHead.rows[1].cells, ...[...rowsShown.values()].flatMap((row) => [...row.children])];
  for (const [i, one] of cells.entries()) one.hidden = isLeftOut(i % columns.length);
  table.tHead.rows[0].cells[2].colSpan = columns.length - ids.length - 4;
}

/** @param {number} index of a column */
const isLeftOut = (index) => ($('methods').dataset.without ?? '').split(' ').includes(columns[index].id);

/** @param {Row} row */
function writeRow(row) {
  const element = rowsShown.get(row.name) ?? makeRow(row.name);
  rowsShown.set(row.name, element);
  const isOpen = row.name === state.method;
  element.toggleAttribute('data-open', isOpen);
  element.querySelector('button')?.setAttribute('aria-expanded', String(isOpen));
  for (const [i, { text: words, level }] of columns.entries()) {
    if (i === 0) continue;
    write(element.children[i], words(row));
    if (level) element.children[i].setAttribute('data-level', level(row));
  }
}

/** @param {string} name */
function makeRow(name) {
  const attributes = { type: 'button', title: visible(name), 'aria-controls': 'detail', 'aria-expanded': 'false' };
  const cells = columns
    .slice(1)
    .map(({ id, level }) => el('td', { class: `${kindOfColumn(id)}${level ? ' state' : ''}` }));
  const row = el('tr', {}, el('th', { scope: 'row' }, el('button', attributes, named(name))), ...cells);
  for (const [i, one] of [...row.children].entries()) /** @type {HTMLElement} */ (one).hidden = isLeftOut(i);
  row.addEventListener('click', () => openDetail(name));
  return row;
}

/** Moves rows only where their order has changed: moving takes the focus away. @param {HTMLElement[]} rows */
function order(rows) {
  const body = $('methods').tBodies[0];
  if (rows.length === body.children.length && rows.every((row, i) => body.children[i] === row)) return;
  const focused = document.activeElement;
  body.append(...rows);
  if (focused instanceof HTMLElement && body.contains(focused)) focused.focus({ preventScroll: true });
}

// ---- the detail of a method -----------------------------------------------------------------------------------------

/** @param {string} name */
function openDetail(name) {
  state.method = name;
  write($('detail-title'), named(name));
  Object.assign(recent, { outcomes: [], copied: undefined });
  drawRecent();
  show('detail', true);
  render();
  drawCurves();
  $('detail-title').focus({ preventScroll: true });
  $('detail').scrollIntoView({ block: 'nearest' });
  void watchRecent(name);
  void refreshAudit();
}

/** The focus goes back to where the detail was opened. */
function closeDetail() {
  const name = state.method;
  if (name === undefined) return;
  state.method = undefined;
  show('detail', false);
  render();
  rowsShown.get(name)?.querySelector('button')?.focus();
}

/** The policy of the method that is open, in any process. */
const openPolicy = () => chosen().flatMap(({ policies }) => policies?.[/** @type {string} */ (state.method)] ?? [])[0];

function renderDetail() {
  const row = methodRows().find(({ name }) => name === state.method);
  write($('detail-policy'), policyWords(openPolicy()));
  if (row) renderFacts(row);
  renderReasons(row);
  renderCommands();
}

/** What has no column in the table. @param {Row} row */
function renderFacts({ loads, failed, p95, meanBytes, invalidations, invalidated, bypassed }) {
  const facts = [
    ['Loads', `${count(loads)}${isNumber(p95) ? `, p95 ${millis(p95)}` : ''}`],
    ['Failed loads', failed > 0 ? `${count(failed)}, ${percent(failed / Math.max(loads, failed))} of them` : 'none'],
    ['Value size', meanBytes > 0 ? `${bytes(meanBytes)} on average` : 'not measured'],
    ['Invalidations', `${count(invalidations)}, which ${count(invalidated)} calls have met`],
    ['Not cached', bypassed > 0 ? counted(bypassed, 'call') : 'none'],
  ];
  const list = $('facts');
  if (list.childElementCount === 0)
    list.append(...facts.map(([title]) => el('div', {}, el('dt', {}, title), el('dd', { class: 'state' }))));
  for (const [i, [, words]] of facts.entries()) write(list.children[i].lastElementChild, words);
  list.children[1].lastElementChild.dataset.level = failed > 0 ? 'bad' : 'none';
}

/** @param {Row | undefined} row */
function renderReasons(row) {
  const reasons = [...(row?.reasons ?? [])].filter(([, times]) => times > 0).sort(([, a], [, b]) => b - a);
  show('reasons-empty', reasons.length === 0);
  const most = Math.max(...reasons.map(([, times]) => times), 1);
  const items = reasons.map(([reason, times]) => {
    const bar = el('meter', { min: '0', max: String(most), value: String(times), 'aria-label': visible(reason) });
    const part = `${count(times)} · ${percent(times / Math.max(row?.misses ?? 0, times))}`;
    return el(
      'li',
      {},
      el('span', {}, reason),
      el('span', {}, part),
      bar,
      el('span', { class: 'why' }, meaning(reason)),
    );
  });
  if (isHeld($('reasons'))) return;
  $('reasons').replaceChildren(...items);
}

/** Whether somebody selects in it, or has the focus there: then it stays as it is. @param {Element} element */
function isHeld(element) {
  const selection = document.getSelection();
  const isSelecting =
    selection?.isCollapsed === false && selection.anchorNode && element.contains(selection.anchorNode);
  return Boolean(isSelecting) || element.contains(document.activeElement);
}

/** What to write to be told why, for any call; the command line reads stores that have a URI. */
function renderCommands() {
  const isReached = ({ tier, name }) => tier === 'store' && /^[a-z][\w+.-]*:\/\//i.test(name);
  const shared = chosen()
    .flatMap(({ stores }) => stores ?? [])
    .findLast(isReached);
  show('command-line', shared !== undefined);
  write($('command'), `npx cachette explain ${shellWord(shared?.name ?? 'URI')} ${shellWord(recent.copied ?? 'KEY')}`);
}

/** The last calls of the method that is open. */
const recent = {
  /** @type {(Outcome & { process: string })[]} */
  outcomes: [],
  isPaused: false,
  onlyMisses: false,
  /** The key that was copied last. @type {string | undefined} */
  copied: undefined,
};

/** How often a detail was opened: an older watch ends where a newer one begins. */
let watches = 0;

/** Asks again and again while this method is looked at. @param {string} name */
async function watchRecent(name) {
  const turn = ++watches;
  while (state.method === name && watches === turn) {
    if (!recent.isPaused) await readRecent(name).catch(() => undefined);
    await wait(RECENT_EVERY_MS);
  }
}

/** @param {string} name */
async function readRecent(name) {
  const { outcomes = [] } = await read(`recent?method=${encodeURIComponent(name)}`);
  if (state.method !== name || recent.isPaused) return;
  recent.outcomes = outcomes;
  drawRecent();
}

function drawRecent() {
  const body = $('recent').tBodies[0];
  const seen = recent.outcomes.filter(({ process, status }) => {
    return (!state.process || process === state.process) && (!recent.onlyMisses || status === 'miss');
  });
  show('recent-empty', seen.length === 0);
  const isAny = recent.outcomes.length > 0;
  write(
    $('recent-empty'),
    isAny
      ? 'None of the last calls was a miss.'
      : 'No call since this was opened. Outcomes are kept only while somebody looks.',
  );
  const rows = seen.slice(0, 100).map(outcomeRow);
  const shape = rows.map(({ textContent }) => textContent).join('\n');
  const isStill = rows.length > 0 && isHeld(body);
  write($('recent-note'), isStill ? 'held while you are in it' : '');
  if (shape === body.dataset.shape || isStill) return;
  body.dataset.shape = shape;
  body.replaceChildren(...rows);
}

/** @param {Outcome & { process: string }} outcome */
function outcomeRow({ status, reason, tier, ageMs, durationMs, key, tags, process }) {
  const took = status === 'hit' && durationMs === 0 ? NONE : millis(durationMs);
  return el(
    'tr',
    {},
    el('td', { class: 'status', 'data-status': String(status) }, text(status)),
    el('td', { title: meaning(reason) }, text(reason)),
    cell(tier),
    cell(isNumber(ageMs) ? millis(ageMs) : NONE, 'number'),
    cell(took, 'number'),
    el('td', { class: 'key' }, text(key), ...(key ? [copyButton(key)] : [])),
    cell((Array.isArray(tags) ? tags : []).join(', '), 'tags'),
    cell(processNamed(process), 'named'),
  );
}

/** @param {string} key */
function copyButton(key) {
  const button = el('button', { type: 'button', class: 'copy', 'aria-label': `Copy the key ${visible(key)}` }, 'copy');
  button.addEventListener('click', () => void copy(key, button));
  return button;
}

/** As it is, also where it is shown otherwise. @param {string} key @param {Element} button */
async function copy(key, button) {
  recent.copied = key;
  renderCommands();
  const isCopied = await copied(key);
  write(button, isCopied ? 'copied' : 'not allowed');
  write($('announcement'), isCopied ? 'The key is copied.' : 'The browser does not let the page copy.');
  setTimeout(() => write(button, 'copy'), 1_500);
}

/** Over plain HTTP from elsewhere there is no clipboard but the old one. @param {string} words @returns {Promise<boolean>} */
async function copied(words) {
  if (navigator.clipboard)
    return navigator.clipboard.writeText(words).then(
      () => true,
      () => false,
    );
  const field = /** @type {HTMLTextAreaElement} */ (el('textarea', { class: 'unseen', 'aria-hidden': 'true' }));
  field.value = words;
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand('copy');
  field.remove();
  return isCopied;
}

/** What the audits of the processes looked at say of the method that is open. */
function methodAudits() {
  return ofChosen(state.audits).flatMap(({ process, answer }) => {
    const methods = answer.methods ?? {};
    const own = state.method !== undefined && Object.hasOwn(methods, state.method);
    return own ? [{ name: processName(process), audit: methods[/** @type {string} */ (state.method)] }] : [];
  });
}

/** A line for each process: what the ttls and sizes bring differs between them, and cannot be added. */
function drawCurves() {
  if (state.method === undefined) return;
  const all = methodAudits();
  // A process of an earlier version does not say whether it is.
  const isExplained = ({ audit }) =>
    audit.trusted ?? Math.abs(num(audit.hitRate) - num(audit.expectedHitRate)) <= TRUSTED_ERROR;
  const audits = all.filter(isExplained).slice(0, 5);
  const names = audits.map(({ name }) => name);
  const byTtl = audits.map(({ audit }) => points(audit.byTtl, ({ ttlMs }) => ttlMs));
  const bySize = audits.map(({ audit }) => points(audit.bySize, ({ maxEntries }) => maxEntries));
  const ttlMs = openPolicy()?.ttlMs;
  const ttl = isNumber(ttlMs) ? { at: ttlMs, label: `ttl now ${millis(ttlMs)}` } : undefined;
  const bound = chosen()
    .flatMap(({ stores }) => stores ?? [])
    .find(({ tier }) => tier === 'memory')?.maxEntries;
  const size = isNumber(bound) ? { at: bound, label: `now ${count(bound)}` } : undefined;
  drawCurve('by-ttl', {
    title: 'Miss rate by ttl',
    names,
    lines: byTtl,
    as: millis,
    label: 'ttl',
    marks: roundTimes,
    mark: ttl,
  });
  const isBehind = chosen().some(({ stores }) => (stores ?? []).length > 1);
  const bySizeTitle = isBehind ? 'Calls not answered by memory, by its size' : 'Miss rate by size of memory';
  write($('by-size-title'), bySizeTitle);
  drawCurve('by-size', {
    title: bySizeTitle,
    names,
    lines: bySize,
    as: count,
    label: 'entries',
    marks: roundCounts,
    mark: size,
  });
  tellCurves(
    all,
    all.filter((one) => !isExplained(one)),
  );
}

/** @param {ReturnType<typeof methodAudits>} all @param {ReturnType<typeof methodAudits>} odd those that the recording does not explain */
function tellCurves(all, odd) {
  const isNone = odd.length === all.length && all.length > 0;
  const gap = (/** @type {(typeof all)[number]} */ { name, audit }) =>
    `${all.length > 1 ? `${name}: ` : ''}${percent(1 - num(audit.expectedHitRate))} misses, not ${percent(1 - num(audit.hitRate))}`;
  const doubts = [...new Set(odd.map(({ audit }) => audit.doubt))].filter((doubt) => typeof doubt === 'string');
  const unexplained = `the recording does not explain what was measured. It expects ${odd.map(gap).join('; ')}`;
  const why = `Nothing is predicted: ${doubts.join('; ') || unexplained}.`;
  write($('by-ttl-empty'), isNone ? why : 'Not enough recorded yet to predict other ttls.');
  write($('by-ttl-note'), odd.length > 0 && !isNone ? why : '');
  write(
    $('by-size-empty'),
    isNone
      ? 'Nor can other sizes be predicted.'
      : 'Nothing to predict: too few calls recorded, or memory has no bound.',
  );
  const endless = all.map(({ audit }) => audit.bySize?.find(({ maxEntries }) => !isNumber(maxEntries))?.hitRate);
  const rates = endless.filter(isNumber).map((hitRate) => percent(1 - hitRate));
  write($('by-size-note'), rates.length > 0 && odd.length === 0 ? `Without a bound: ${rates.join(', ')}.` : '');
}

/** @param {readonly Prediction[]} predictions @param {(prediction: Prediction) => number | undefined} at */
function points(predictions, at) {
  const numbers = (predictions ?? []).map((one) => [num(at(one)), 1 - num(one.hitRate)]);
  return numbers.filter(([x]) => x > 0).sort(([a], [b]) => a - b);
}

/** @param {string} id @param {{ title: string, names: string[], lines: number[][][], as: (value: unknown) => string, label: string, marks: number[], mark: charts.Mark | undefined }} curve */
function drawCurve(id, { title, names, lines, as, label, marks, mark }) {
  const xs = [...new Set(lines.flatMap((points) => points.map(([x]) => x)))].sort((a, b) => a - b);
  const ys = lines.map((points) => {
    const at = new Map(points.map(([x, y]) => [x, y]));
    return xs.map((x) => at.get(x));
  });
  const dots = { points: { show: true, size: 6 }, spanGaps: true };
  const series = names.map((name, i) => line(i + 1, { label: visible(name), value: shown(percent).value, ...dots }));
  const axes = [
    axis({ splits: charts.inside(marks), filter: (_u, splits) => splits, values: shown(as).values, size: 32 }),
    axis({ values: shown((v) => `${Math.round(v * 100)} %`).values, size: 54 }),
  ];
  /** @type {uPlot.Scales} */
  const scales = { x: { time: false, distr: 3, log: 10, range: charts.around }, y: { range: wholeRatio } };
  const x = { label, value: shown(as).value };
  draw(id, [xs, ...ys], { title, height: 180, lines: series, axes, scales, x, ...(mark && { mark }) });
}

const roundTimes = [1, 10, 100, 1e3, 1e4, 6e4, 6e5, 3.6e6, 3.6e7, 8.64e7, 8.64e8, 8.64e9];
const roundCounts = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

// ---- audit ----------------------------------------------------------------------------------------------------------

async function refreshAudit() {
  const button = $('audit-refresh');
  button.disabled = true;
  write($('audit-note'), 'Auditing…');
  try {
    state.audits = (await read('audit')).processes ?? [];
    renderFindings();
    drawCurves();
  } catch {
    state.audits = [];
    write($('audit-note'), 'The audit could not be read. Try again.');
  }
  button.disabled = false;
}

/** The same finding of several processes is one, with the greatest gain. */
function mergedFindings() {
  /** @type {Map<string, { finding: Finding, processes: number }>} */
  const merged = new Map();
  for (const finding of ofChosen(state.audits).flatMap(({ answer }) => answer.findings ?? [])) {
    const id = JSON.stringify([finding.code, finding.method]);
    const known = merged.get(id);
    const better = !known || saving(finding) > saving(known.finding);
    merged.set(id, { finding: better ? finding : known.finding, processes: (known?.processes ?? 0) + 1 });
  }
  return [...merged.values()].sort((a, b) => rank(b.finding) - rank(a.finding));
}

/** What is wrong comes before what is slow, and what has no number comes last. @param {Finding} finding */
function rank({ code, gain }) {
  if (code === 'mismatches' || code === 'many-instances') return Number.MAX_VALUE;
  return gain ? num(gain.savedMsPer1000Calls) : -Number.MAX_VALUE;
}

/** @param {Finding} finding */
const saving = ({ gain }) => num(gain?.savedMsPer1000Calls);

function renderFindings() {
  const findings = mergedFindings();
  const answers = ofChosen(state.audits);
  const spanMs = greatest(answers.map(({ answer }) => answer.spanMs));
  show('findings-empty', findings.length === 0);
  write($('findings-empty'), spanMs > 0 ? 'Nothing to change: the audit has no findings.' : 'Nothing recorded yet.');
  const few = state.allFindings ? findings : findings.slice(0, FEW_FINDINGS);
  $('findings').replaceChildren(...few.map(findingItem));
  show('findings-more', few.length < findings.length);
  write($('findings-more'), `Show all ${findings.length}`);
  const shares = answers.map(({ answer }) => num(answer.sampled));
  const sampled = percent(shares.length > 0 ? Math.min(...shares) : undefined);
  const span = spanMs > 0 ? `It saw ${millis(spanMs)} of calls, ${sampled} of the keys.` : '';
  write($('audit-note'), `${span} Audited at ${clock.format(Date.now())}.`.trim());
}

/** @param {{ finding: Finding, processes: number }} merged */
function findingItem({ finding: { code, method, what, change, gain }, processes }) {
  const seenBy = processes > 1 ? [el('span', { class: 'note' }, `seen by ${processes} processes`)] : [];
  const name = method ?? 'the whole cache';
  const where = el('span', { class: 'method', title: visible(name) }, name);
  const words = el(
    'div',
    {},
    el('p', { class: 'where' }, where, el('span', { class: 'code' }, text(code)), ...seenBy),
    el('p', { class: 'what', title: visible(text(what)) }, text(what)),
    el('p', { class: 'change' }, text(change)),
  );
  return el('li', { tabindex: '-1' }, words, ...(gain ? [gainOf(gain)] : []));
}

/** @param {NonNullable<Finding['gain']>} gain */
function gainOf({ hitRateNow, hitRateThen, savedMsPer1000Calls: saved }) {
  const words = num(saved) < 0 ? `costs ${millis(-num(saved))}` : `saves ${millis(num(saved))}`;
  const rates = el('strong', {}, `${percent(hitRateNow)} → ${percent(hitRateThen)}`);
  return el('p', { class: 'gain', title: 'Expected hit rate' }, rates, el('span', {}, `${words} per 1,000 calls`));
}

// ---- invalidation ---------------------------------------------------------------------------------------------------

/** @param {SubmitEvent} event */
async function invalidate(event) {
  event.preventDefault();
  const lines = $('tags').value.split('\n');
  const tags = lines.map((/** @type {string} */ line) => line.trim()).filter(Boolean);
  if (tags.length === 0) return result('warn', 'Write at least one tag.');
  result('', 'Invalidating…');
  try {
    const response = await request('invalidate', {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-cachette-invalidation-token': $('invalidation-token').value },
      body: JSON.stringify({ tags }),
    });
    result(...(await told(response, tags.length)));
  } catch {
    result('bad', 'The server could not be reached, or wants its token again. It is unknown whether it invalidated.');
  }
}

/** @param {Response} response @param {number} tags @returns {Promise<[string, string]>} */
async function told(response, tags) {
  if (!response.ok) return ['bad', `${(await response.text()).slice(0, 500)} Nothing was invalidated.`];
  const { status } = await response.json();
  if (status === 'done') return ['good', `Done: ${counted(tags, 'tag')} invalidated.`];
  return ['warn', 'Deferred: the store or a process has not acknowledged it yet; it is tried again until it does.'];
}

/** @param {string} level @param {string} words */
function result(level, words) {
  $('invalidate-result').dataset.level = level;
  write($('invalidate-result'), words);
}

// ---- start ----------------------------------------------------------------------------------------------------------

function listen() {
  $('process').addEventListener('change', () => {
    state.process = $('process').value;
    show('gone', false);
    render();
    drawCurves();
    drawRecent();
    if (state.audits.length > 0) renderFindings();
  });
  $('filter').addEventListener('input', () => {
    state.filter = $('filter').value.trim();
    renderMethods(chosen());
  });
  $('token-form').addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if ($('token').value) tokenGiven?.($('token').value);
  });
  $('detail-close').addEventListener('click', closeDetail);
  $('only-misses').addEventListener('change', () => {
    recent.onlyMisses = $('only-misses').checked;
    drawRecent();
  });
  $('pause').addEventListener('click', () => {
    recent.isPaused = !recent.isPaused;
    $('pause').setAttribute('aria-pressed', String(recent.isPaused));
  });
  $('audit-refresh').addEventListener('click', () => void refreshAudit());
  $('findings-more').addEventListener('click', () => {
    state.allFindings = true;
    renderFindings();
    $('findings').children[FEW_FINDINGS]?.focus();
  });
  $('invalidate-form').addEventListener('submit', invalidate);
  document.addEventListener('keydown', ({ key, target }) => {
    // in a field, Escape is the field's
    const isTyping = target instanceof HTMLElement && target.matches('input:not([type=checkbox]), textarea, select');
    if (key === 'Escape' && !isTyping) closeDetail();
  });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
}

/** Asks what the server allows, again where it cannot be reached. */
async function session() {
  for (let tries = 0; ; tries++) {
    try {
      return await read('session');
    } catch {
      if (document.body.dataset.view !== 'live') connection('lost', 'the server cannot be reached, trying again…');
      await wait(Math.min(500 * 2 ** tries, 15_000));
    }
  }
}

async function start() {
  makeHead();
  renderKpis([]);
  listen();
  charts.watchSizes();
  const { needsToken } = await session();
  if (needsToken === true && !state.token) await askToken();
  void follow();
}

void start();
