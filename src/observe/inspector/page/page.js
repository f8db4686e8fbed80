/**
 * The inspector's page: follows the fleet over one stream, and shows what it says. Names, keys and tags are other people's
 * text, and only ever become text nodes. Numbers come from other processes and may be missing or odd.
 */

/* global document, fetch, getComputedStyle, Headers, HTMLElement, location, matchMedia, queueMicrotask, ResizeObserver, sessionStorage, TextDecoderStream */

import uPlot from './uplot.js';

/** @typedef {import('../../../base/insight.js').Snapshot} Snapshot */
/** @typedef {import('../../../base/insight.js').MethodStats} MethodStats */
/** @typedef {import('../../../base/insight.js').Audit} Audit */
/** @typedef {import('../../../base/insight.js').Finding} Finding */
/** @typedef {import('../../../base/insight.js').Prediction} Prediction */
/** @typedef {import('../../../base/events.js').Outcome} Outcome */
/** @typedef {import('../../../base/insight.js').Answered<'snapshot'>} Reported */
/** @typedef {import('../../../base/insight.js').Answered<'audit'>} Audited */
/** @typedef {{ at: number, processes: Reported[] }} Fleet */
/** @typedef {MethodStats & { name: string }} Method */
/** @typedef {{ at: number, hits: number, asked: number, calls: number, loads: (number | null)[] }} Sample */

const HISTORY = 900;
const WINDOW_MS = 5_000;
const RECENT_EVERY_MS = 2_000;
const TOKEN_KEY = `cachette-inspector ${location.pathname}`;

const state = {
  /** @type {Fleet | undefined} */
  fleet: undefined,
  /** One map for each report: by process, what the charts need. @type {{ at: number, by: Map<string, Sample> }[]} */
  history: [],
  /** The process looked at; empty for all. */
  process: '',
  sort: { id: 'calls', descending: true },
  /** The method looked at. @type {string | undefined} */
  method: undefined,
  /** @type {Audited[]} */
  audits: [],
  token: sessionStorage.getItem(TOKEN_KEY) ?? '',
};

// ---- numbers as text ------------------------------------------------------------------------------------------------

const NONE = '–';
const plain = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const compact = new Intl.NumberFormat('en', { notation: 'compact', maximumFractionDigits: 1 });
const short = new Intl.NumberFormat('en', { maximumSignificantDigits: 3 });

/** A number that can be counted with; 0 for whatever else came. @param {unknown} value */
const num = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : 0);

/** @param {unknown} value @returns {value is number} */
const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

/** @param {unknown} value */
function count(value) {
  if (!isNumber(value)) return NONE;
  return Math.abs(value) < 1e6 ? plain.format(value) : compact.format(Math.min(value, 1e18));
}

/** @param {unknown} value */
function rate(value) {
  if (!isNumber(value)) return NONE;
  return value < 10 ? short.format(value) : count(value);
}

/** Not rounded up to 100 % as long as something is missing. @param {unknown} value */
function percent(value) {
  if (!isNumber(value)) return NONE;
  const hundred = Math.min(Math.max(value, 0), 1) * 100;
  const cut = hundred < 100 ? Math.min(hundred, 99.9) : 100;
  return `${cut >= 99.95 || cut < 0.05 ? cut.toFixed(0) : cut.toFixed(1)}\u00a0%`;
}

/** @param {unknown} value */
function millis(value) {
  if (!isNumber(value)) return NONE;
  const units = /** @type {const} */ ([
    [86_400_000, 'd'],
    [3_600_000, 'h'],
    [60_000, 'min'],
    [1_000, 's'],
  ]);
  const [size, unit] = units.find(([least]) => Math.abs(value) >= least) ?? [1, 'ms'];
  const amount = value / size;
  return `${Math.abs(amount) >= 1_000 ? count(amount) : short.format(Math.round(amount * 100) / 100)}\u00a0${unit}`;
}

/** @param {unknown} value */
function bytes(value) {
  if (!isNumber(value)) return NONE;
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const step = Math.min(Math.max(Math.floor(Math.log10(Math.max(value, 1)) / 3), 0), units.length - 1);
  return `${short.format(value / 1000 ** step)}\u00a0${units[step]}`;
}

/** @param {number} amount @param {string} one @param {string} [many] */
const counted = (amount, one, many = `${one}s`) => `${count(amount)} ${amount === 1 ? one : many}`;

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
  element.append(...children);
  return element;
}

/** Writes only what has changed, so that a selection or a reader is not disturbed. @param {Element} element @param {string} text */
function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** @param {string} id @param {boolean} visible */
const show = (id, visible) => void ($(id).hidden = !visible);

/** A name in a table: cut by the style sheet, whole in its title. @param {unknown} value @param {string} [kind] */
const cell = (value, kind = '') => el('td', kind ? { class: kind } : {}, text(value));

/** @param {unknown} value */
const text = (value) => (value === undefined || value === null || value === '' ? NONE : String(value));

/** Where the first and only report of a process stands in lists. @param {Reported['process']} from */
const processName = (from) => `${text(from.host)}:${text(from.pid)} ${String(from.id).slice(0, 6)}`;

/** The name of a process that is known by its id. @param {string} id */
function processNamed(id) {
  const known = state.fleet?.processes.find(({ process }) => process.id === id);
  return known ? processName(known.process) : id;
}

// ---- sums over processes --------------------------------------------------------------------------------------------

/** The reports of the processes looked at. @returns {Snapshot[]} */
function chosen() {
  const all = state.fleet?.processes ?? [];
  return all.filter(({ process }) => !state.process || process.id === state.process).map(({ answer }) => answer);
}

/** @param {number[]} values */
const sum = (values) => values.reduce((total, value) => total + num(value), 0);

/** @param {number[]} values */
const greatest = (values) => values.reduce((most, value) => Math.max(most, num(value)), 0);

/** @param {number} hits @param {number} asked */
const ratio = (hits, asked) => (asked > 0 ? hits / asked : null);

/** Calls that asked the cache. @param {MethodStats} stats */
const asked = (stats) => num(stats.hits) + num(stats.stale) + num(stats.misses);

/** Counts by name, added. @param {Readonly<Record<string, number>>[]} all @returns {Map<string, number>} */
function sumByName(all) {
  const sums = new Map();
  for (const counts of all)
    for (const [name, value] of Object.entries(counts ?? {})) sums.set(name, (sums.get(name) ?? 0) + num(value));
  return sums;
}

/**
 * What several processes have counted of the same method; percentiles are the greatest.
 *
 * @param {MethodStats[]} all
 */
function merge(all) {
  /** @param {(stats: MethodStats) => number} of */
  const total = (of) => sum(all.map(of));
  /** @param {(stats: MethodStats) => number} of */
  const most = (of) => greatest(all.map(of));
  const hits = total((s) => s.hits);
  const calls = total((s) => s.calls);
  return {
    calls,
    hits,
    hitRate: ratio(hits, sum(all.map(asked))),
    memoryHits: total((s) => s.hitsByTier?.memory),
    storeHits: total((s) => s.hitsByTier?.store),
    misses: total((s) => s.misses),
    reasons: sumByName(all.map((s) => s.missesByReason)),
    stale: total((s) => s.stale),
    bypassed: total((s) => s.bypassed),
    loads: total((s) => s.loads?.count),
    loadErrors: total((s) => s.loads?.errors),
    p50: most((s) => s.loads?.p50Ms),
    p95: most((s) => s.loads?.p95Ms),
    p99: most((s) => s.loads?.p99Ms),
    savedMs: total((s) => s.savedMs),
    meanBytes: calls > 0 ? total((s) => num(s.bytes?.mean) * num(s.calls)) / calls : 0,
    maxBytes: most((s) => s.bytes?.max),
    invalidations: total((s) => s.invalidations),
    invalidated: total((s) => s.invalidated),
    mismatches: total((s) => s.mismatches),
  };
}

/** @typedef {ReturnType<typeof merge> & { name: string }} Row */

/** The methods of the processes looked at. @returns {Row[]} */
function methodRows() {
  /** @type {Map<string, MethodStats[]>} */
  const byName = new Map();
  for (const { stats } of chosen())
    for (const [name, counts] of Object.entries(stats.methods ?? {}))
      byName.set(name, [...(byName.get(name) ?? []), counts]);
  return [...byName].map(([name, all]) => ({ name, ...merge(all) }));
}

/** The reason of most misses, with its part of them. @param {Row} row */
function mainReason({ reasons, misses }) {
  const [first] = [...reasons].sort(([, a], [, b]) => b - a);
  return first && first[1] > 0 ? `${first[0]} ${percent(first[1] / Math.max(misses, first[1]))}` : NONE;
}

// ---- talking to the server ------------------------------------------------------------------------------------------

class TokenWanted extends Error {}

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

/** Resolves when a token has been typed. @returns {Promise<void>} */
async function askToken() {
  if (state.token) write($('token-note'), 'That token was not the right one.');
  connection('waiting', 'waiting for the token');
  show('token-form', true);
  $('token').focus();
  const token = await new Promise((resolve) => (tokenGiven = resolve));
  state.token = token;
  sessionStorage.setItem(TOKEN_KEY, token);
  $('token').value = '';
  show('token-form', false);
}

/** @param {'waiting' | 'live' | 'lost'} kind @param {string} words */
function connection(kind, words) {
  $('connection').dataset.state = kind;
  write($('connection'), words);
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
      connection('lost', 'connection lost, trying again…');
    }
    await wait(Math.min(500 * 2 ** Math.min(failures, 5), 15_000) * (0.75 + Math.random() / 2));
  }
}

/** One connection: hands each report on. @param {() => void} opened */
async function stream(opened) {
  const response = await request('stream', { headers: { accept: 'text/event-stream' } });
  if (!response.ok || !response.body) throw new Error(`The server answered ${response.status}.`);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const events = (rest + value.replaceAll('\r', '')).split('\n\n');
    rest = events.pop() ?? '';
    for (const event of events) {
      if (!arrived(event)) continue;
      opened();
    }
  }
}

/** Whether it was a report. @param {string} event */
function arrived(event) {
  const lines = event.split('\n');
  if (!lines.some((line) => /^event: ?fleet$/.test(line))) return false;
  const data = lines.filter((line) => line.startsWith('data:')).map((line) => line.slice(5));
  const fleet = /** @type {Fleet} */ (JSON.parse(data.join('\n')));
  report(fleet);
  return true;
}

/** @param {Fleet} fleet */
function report(fleet) {
  if (!state.fleet) void refreshAudit();
  state.fleet = fleet;
  remember(fleet);
  connection('live', `live, ${counted(fleet.processes.length, 'process', 'processes')}`);
  render();
}

// ---- the last minutes -----------------------------------------------------------------------------------------------

/** @param {Fleet} fleet */
function remember({ at, processes }) {
  const by = new Map(processes.map(({ process, answer }) => [process.id, sampleOf(answer)]));
  state.history.push({ at: num(at), by });
  if (state.history.length > HISTORY) state.history.shift();
}

/** @param {Snapshot} snapshot @returns {Sample} */
function sampleOf({ at, stats }) {
  const { count: runs, p50Ms, p95Ms, p99Ms } = stats.loads;
  const loads = [p50Ms, p95Ms, p99Ms].map((ms) => (num(runs) > 0 ? num(ms) : null));
  return { at: num(at), hits: num(stats.hits), asked: asked(stats), calls: num(stats.calls), loads };
}

/** What was counted between two reports by the processes looked at, or nothing. @param {number} index */
function between(index) {
  const now = state.history[index];
  if (!now) return undefined;
  const before = state.history.findLast(({ at }, i) => i < index && at <= now.at - WINDOW_MS) ?? state.history[0];
  const sums = { hits: 0, asked: 0, callsPerSecond: 0 };
  for (const [id, sample] of now.by) {
    const old = before.by.get(id);
    if (!old || sample.at <= old.at || (state.process && id !== state.process)) continue;
    sums.hits += Math.max(sample.hits - old.hits, 0);
    sums.asked += Math.max(sample.asked - old.asked, 0);
    sums.callsPerSecond += (Math.max(sample.calls - old.calls, 0) * 1_000) / (sample.at - old.at);
  }
  return before === now ? undefined : sums;
}

/** As uPlot wants it: times in seconds, hit ratio, calls per second. @returns {uPlot.AlignedData} */
function trafficData() {
  const sums = state.history.map((_, index) => between(index));
  return [
    state.history.map(({ at }) => at / 1_000),
    sums.map((s) => (s ? ratio(Math.min(s.hits, s.asked), s.asked) : null)),
    sums.map((s) => s?.callsPerSecond ?? null),
  ];
}

/** @returns {uPlot.AlignedData} */
function loadData() {
  const lines = [0, 1, 2].map((line) =>
    state.history.map(({ by }) => {
      const seen = [...by].filter(([id]) => !state.process || id === state.process);
      const values = seen.map(([, { loads }]) => loads[line]).filter(isNumber);
      return values.length > 0 ? Math.max(...values) : null;
    }),
  );
  return [state.history.map(({ at }) => at / 1_000), ...lines];
}

// ---- charts ---------------------------------------------------------------------------------------------------------

/** Both schemes are in the style sheet. @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** @type {Map<string, { plot: uPlot, shape: string }>} */
const plots = new Map();

/**
 * Draws, anew only where lines have come or gone.
 *
 * @param {string} id of the element
 * @param {uPlot.AlignedData} data
 * @param {{ height: number, lines: uPlot.Series[], axes: uPlot.Axis[], scales: uPlot.Scales, x?: uPlot.Series, least?: number }} chart
 */
function draw(id, data, chart) {
  // a moment alone has no width on an axis of time
  const drawable = data[0].length >= (chart.least ?? 1) && data.slice(1).some((line) => [...line].some(isNumber));
  show(`${id}-empty`, !drawable);
  show(id, drawable);
  if (!drawable) return;
  const shape = chart.lines.map(({ label }) => label).join('\n');
  const known = plots.get(id);
  if (known?.shape === shape) known.plot.setData(data);
  else redraw(id, data, { ...chart, shape });
}

/** @param {string} id @param {uPlot.AlignedData} data @param {any} chart */
function redraw(id, data, { height, lines, axes, scales, shape, x = {} }) {
  plots.get(id)?.plot.destroy();
  const element = $(id);
  const options = {
    width: Math.max(element.clientWidth, 200),
    height,
    series: [x, ...lines],
    axes,
    scales,
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: { draw: [tellLatest], setCursor: [tellLatest] },
    legend: {
      markers: { width: 0, fill: (/** @type {uPlot} */ _u, /** @type {number} */ line) => lines[line - 1]?.stroke },
    },
  };
  plots.set(id, { plot: new uPlot(options, data, element), shape });
}

/** Where nobody points, the legend has the latest values; uPlot empties it after these hooks. @param {uPlot} plot */
function tellLatest(plot) {
  queueMicrotask(() => {
    if ((plot.cursor.idx ?? null) === null) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
  });
}

/** @param {number} index from 1 @param {uPlot.Series} line */
const line = (index, line) => ({
  stroke: colour(`series-${((index - 1) % 5) + 1}`),
  width: 2,
  points: { show: false },
  ...line,
});

/** @param {uPlot.Axis} axis */
const axis = (axis) => ({
  stroke: colour('muted'),
  grid: { stroke: colour('grid'), width: 1 },
  ticks: { stroke: colour('grid'), width: 1, size: 5 },
  font: '12px system-ui, sans-serif',
  ...axis,
});

/** @param {(value: number) => string} write @returns {any} for a line's value and an axis's values */
const shown = (write) => ({
  value: (/** @type {uPlot} */ _u, /** @type {number | null} */ v) => (isNumber(v) ? write(v) : NONE),
  values: (/** @type {uPlot} */ _u, /** @type {number[]} */ all) => all.map((v) => (isNumber(v) ? write(v) : '')),
});

/** Time of day in 24 hours, and of the cursor with seconds. */
const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const clockText = shown((seconds) => clock.format(seconds * 1_000));
const timeAxis = () => axis({ values: clockText.values, space: 90, size: 32 });
const timeLine = { label: 'Time', value: clockText.value };

/** Room above what is shown, and a flat line not at the very top. @type {uPlot.Range.Function} */
const fromZero = (_u, _min, max) => [0, num(max) > 0 ? max * 1.15 : 1];

/** The whole ratio, and a line at 100 % not cut in half. @type {uPlot.Range.MinMax} */
const wholeRatio = [0, 1.02];

function drawTraffic() {
  const whole = shown((v) => `${Math.round(v * 100)} %`);
  const lines = [
    line(1, { label: 'hit ratio', scale: 'ratio', value: shown(percent).value, fill: `${colour('series-1')}1c` }),
    line(3, { label: 'calls/s', scale: 'calls', value: shown(rate).value, width: 1.5 }),
  ];
  const axes = [
    timeAxis(),
    axis({ scale: 'ratio', values: whole.values, size: 54 }),
    axis({ scale: 'calls', side: 1, values: shown(rate).values, size: 52, grid: { show: false } }),
  ];
  const scales = { ratio: { range: wholeRatio }, calls: { range: fromZero } };
  draw('traffic', trafficData(), { height: 210, lines, axes, scales, x: timeLine, least: 2 });
}

function drawLoads() {
  const lines = ['p50', 'p95', 'p99'].map((label, i) => line([2, 1, 4][i], { label, value: shown(millis).value }));
  const axes = [timeAxis(), axis({ values: shown(millis).values, size: 64 })];
  draw('loads', loadData(), { height: 210, lines, axes, scales: { y: { range: fromZero } }, x: timeLine, least: 2 });
}

/** Colours are painted, so another scheme means painting again. */
function repaint() {
  for (const { plot } of plots.values()) plot.destroy();
  plots.clear();
  render();
  drawCurves();
}

function watchSizes() {
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const known = plots.get(target.id)?.plot;
      if (known && contentRect.width > 0 && Math.abs(known.width - contentRect.width) >= 1)
        known.setSize({ width: contentRect.width, height: known.height });
    }
  });
  for (const element of document.querySelectorAll('.chart')) observer.observe(element);
}

// ---- at a glance, processes, tiers ----------------------------------------------------------------------------------

function render() {
  if (!state.fleet) return;
  const snapshots = chosen();
  write($('namespace'), snapshots[0]?.namespace ?? '');
  renderPicker();
  renderKpis(snapshots);
  drawTraffic();
  drawLoads();
  renderMethods();
  renderTiers();
  if (state.method !== undefined) renderReasons();
}

/** Options come and go with processes; the one chosen stays, also when it is gone. */
function renderPicker() {
  const names = new Map([['', 'all processes']]);
  for (const { process } of state.fleet?.processes ?? []) names.set(process.id, processName(process));
  if (!names.has(state.process)) names.set(state.process, `${state.process.slice(0, 6)} (gone)`);
  const picker = $('process');
  const shape = JSON.stringify([...names]);
  if (picker.dataset.shape === shape) return;
  picker.dataset.shape = shape;
  picker.replaceChildren(...[...names].map(([value, name]) => el('option', { value }, name)));
  picker.value = state.process;
}

/** @param {Snapshot[]} snapshots */
function renderKpis(snapshots) {
  const all = merge(snapshots.map(({ stats }) => stats));
  const now = between(state.history.length - 1);
  const memory = snapshots.flatMap(({ stores }) => stores ?? []).filter(({ tier }) => tier === 'memory');
  const latest = now ? ratio(now.hits, now.asked) : null;
  const lately = now ? 'no calls just now' : 'since the processes started';
  const errors = sum(snapshots.map(({ stats }) => stats.errors));
  const failures = all.loadErrors > 0 ? `, ${count(all.loadErrors)} failed` : '';
  const figures = [
    ['Hit rate', percent(all.hitRate), latest === null ? lately : `${percent(latest)} just now`],
    ['Calls per second', now ? rate(now.callsPerSecond) : NONE, `${counted(all.calls, 'call')} in all`],
    ['Load, p95', all.loads > 0 ? millis(all.p95) : NONE, `${counted(all.loads, 'load')}${failures}`],
    [
      'Time saved',
      millis(all.savedMs),
      errors > 0 ? `${counted(errors, 'error')} survived` : 'of loading not waited for',
    ],
    ['Entries', memory.length > 0 ? count(sum(memory.map(({ entries }) => num(entries)))) : NONE, 'in memory'],
  ];
  const list = $('kpis');
  if (list.childElementCount === 0) list.append(...figures.map(([title]) => kpi(title)));
  for (const [i, [, figure, aside]] of figures.entries()) {
    write(list.children[i].querySelector('.figure'), figure);
    write(list.children[i].querySelector('.aside'), aside);
  }
}

/** @param {string} title */
const kpi = (title) => el('div', {}, el('dt', {}, title), el('dd', { class: 'figure' }), el('dd', { class: 'aside' }));

const breakers = { none: 'none', closed: 'good', probing: 'warn', open: 'bad' };
const buses = { none: 'none', trusted: 'good', untrusted: 'warn', idle: 'none' };

function renderTiers() {
  const snapshots = chosen();
  show('tiers-empty', snapshots.length === 0);
  const rows = snapshots.flatMap((snapshot) => (snapshot.stores ?? []).map((_, i) => tierRow(snapshot, i)));
  const shape = rows.map((row) => row.innerText ?? row.textContent).join('\n');
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
  const first = index === 0;
  return el(
    'tr',
    {},
    cell(first ? `${processName(process)}${enabled === false ? ' (disabled)' : ''}` : ' '),
    cell(tier),
    cell(name, 'key'),
    cell(isNumber(entries) ? count(entries) : 'not counted', 'number'),
    cell(bounds.filter(Boolean).join(', ') || 'none', 'number'),
    el('td', { class: 'state', 'data-level': breakers[breaker] ?? 'none' }, text(breaker)),
    cell(count(pending), 'number'),
    el('td', { class: 'state', 'data-level': buses[bus.state] ?? 'none' }, first ? heard : ' '),
  );
}

// ---- methods --------------------------------------------------------------------------------------------------------

/** @typedef {{ id: string, label: string, title: string, sort: (row: Row) => number | string, text: (row: Row) => string }} Column */

/** @param {string} id @param {string} label @param {string} title @param {(row: Row) => number | null} of @param {(value: unknown) => string} [as] */
const column = (id, label, title, of, as = count) => ({
  id,
  label,
  title,
  sort: (/** @type {Row} */ row) => of(row) ?? -1,
  text: (/** @type {Row} */ row) => as(of(row)),
});

/** @param {(value: unknown) => string} as @returns {(value: unknown) => string} nothing where nothing was measured */
const ifAny = (as) => (value) => (num(value) > 0 ? as(value) : NONE);

/** @type {Column[]} */
const columns = [
  { id: 'name', label: 'Method', title: 'Its name in the cache', sort: (row) => row.name, text: (row) => row.name },
  column('calls', 'Calls', 'Hits, misses, stale and bypassed', (row) => row.calls),
  column('hitRate', 'Hit rate', 'Hits among hits, stale and misses', (row) => row.hitRate, percent),
  column('memoryHits', 'Hits, memory', 'Hits that memory answered', (row) => row.memoryHits),
  column('storeHits', 'Hits, store', 'Hits that the shared store answered', (row) => row.storeHits),
  column('stale', 'Stale', 'Old entries that were served', (row) => row.stale),
  column('misses', 'Misses', 'Calls for which the method ran, or that joined one', (row) => row.misses),
  { id: 'reason', label: 'Main miss reason', title: 'Of most misses', sort: mainReason, text: mainReason },
  column('p95', 'Load p95', 'Of all loads; the greatest of any process', (row) => row.p95, ifAny(millis)),
  column('savedMs', 'Saved', 'The load time saved: what callers did not wait for', (row) => row.savedMs, ifAny(millis)),
  column('meanBytes', 'Value size', 'Mean of the values measured', (row) => row.meanBytes, ifAny(bytes)),
  column('invalidations', 'Invali­dations', 'Of tags of the kinds that its entries have', (row) => row.invalidations),
  column('invalidated', 'Entries hit', 'Entries asked for that had been invalidated', (row) => row.invalidated),
  column('mismatches', 'Mis­matches', 'Hits that verify found to be wrong', (row) => row.mismatches),
];
const worded = new Set(['name', 'reason']);

/** The rows on screen, by method. @type {Map<string, HTMLElement>} */
const rowsShown = new Map();

function makeHead() {
  const cells = columns.map(({ id, label, title }) => {
    const button = el('button', { type: 'button', 'data-sort': id }, label);
    button.addEventListener('click', () => sortBy(id));
    return el('th', { scope: 'col', title, class: worded.has(id) ? '' : 'number' }, button);
  });
  $('methods').tHead.rows[0].replaceChildren(...cells);
}

/** The same again turns it round. @param {string} id */
function sortBy(id) {
  const { sort } = state;
  state.sort = { id, descending: sort.id === id ? !sort.descending : !worded.has(id) };
  renderMethods();
}

function markSorted() {
  for (const [i, head] of [...$('methods').tHead.rows[0].cells].entries()) {
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

/** Rows are kept and only their texts written, so that focus and selection outlive each report. */
function renderMethods() {
  const rows = sorted(methodRows());
  show('methods-empty', rows.length === 0);
  show('methods-scroll', rows.length > 0);
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

/** @param {Row} row */
function writeRow(row) {
  const element = rowsShown.get(row.name) ?? makeRow(row.name);
  rowsShown.set(row.name, element);
  element.toggleAttribute('data-open', row.name === state.method);
  for (const [i, { text: words }] of columns.entries()) if (i > 0) write(element.children[i], words(row));
}

/** @param {string} name */
function makeRow(name) {
  const button = el('button', { type: 'button', title: name, 'aria-controls': 'detail' }, name || '(no name)');
  const cells = columns.slice(1).map(({ id }) => el('td', worded.has(id) ? {} : { class: 'number' }));
  const row = el('tr', {}, el('th', { scope: 'row' }, button), ...cells);
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
  write($('detail-title'), name || '(no name)');
  $('recent').tBodies[0].replaceChildren();
  show('recent-empty', true);
  show('detail', true);
  render();
  drawCurves();
  $('detail-title').focus();
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

/** How often a detail was opened: an older watch ends where a newer one begins. */
let watches = 0;

/** Asks again and again while this method is looked at. @param {string} name */
async function watchRecent(name) {
  const turn = ++watches;
  while (state.method === name && watches === turn) {
    await renderRecent(name).catch(() => undefined);
    await wait(RECENT_EVERY_MS);
  }
}

/** @param {string} name */
async function renderRecent(name) {
  const { outcomes = [] } = await read(`recent?method=${encodeURIComponent(name)}`);
  if (state.method !== name) return;
  /** @type {(Outcome & { process: string })[]} */
  const seen = outcomes.filter((/** @type {any} */ { process }) => !state.process || process === state.process);
  show('recent-empty', seen.length === 0);
  const rows = seen.slice(0, 100).map(outcomeRow);
  const body = $('recent').tBodies[0];
  if (rows.map(({ textContent }) => textContent).join() !== body.dataset.shape) body.replaceChildren(...rows);
  body.dataset.shape = rows.map(({ textContent }) => textContent).join();
}

/** @param {Outcome & { process: string }} outcome */
function outcomeRow({ status, reason, tier, ageMs, durationMs, key, tags, process }) {
  const took = status === 'hit' && durationMs === 0 ? NONE : millis(durationMs);
  return el(
    'tr',
    {},
    el('td', { class: 'status', 'data-status': String(status) }, text(status)),
    cell(reason),
    cell(tier),
    cell(isNumber(ageMs) ? millis(ageMs) : NONE, 'number'),
    cell(took, 'number'),
    cell(key, 'key'),
    cell((Array.isArray(tags) ? tags : []).join(', '), 'tags'),
    cell(processNamed(process)),
  );
}

function renderReasons() {
  const row = methodRows().find(({ name }) => name === state.method);
  const reasons = [...(row?.reasons ?? [])].filter(([, times]) => times > 0).sort(([, a], [, b]) => b - a);
  show('reasons-empty', reasons.length === 0);
  const most = Math.max(...reasons.map(([, times]) => times), 1);
  const items = reasons.map(([reason, times]) => {
    const bar = el('meter', { min: '0', max: String(most), value: String(times), 'aria-label': reason });
    return el('li', {}, el('span', {}, reason), el('span', {}, count(times)), bar);
  });
  $('reasons').replaceChildren(...items);
}

/** What the audits of the processes looked at say of the method that is open. */
function methodAudits() {
  const all = state.audits.filter(({ process }) => !state.process || process.id === state.process);
  return all.flatMap(({ process, answer }) => {
    const methods = answer.methods ?? {};
    const own = state.method !== undefined && Object.hasOwn(methods, state.method);
    return own ? [{ name: processName(process), audit: methods[/** @type {string} */ (state.method)] }] : [];
  });
}

/** A line for each process: what the ttls and sizes bring differs between them, and cannot be added. */
function drawCurves() {
  if (state.method === undefined) return;
  const audits = methodAudits().slice(0, 5);
  const names = audits.map(({ name }) => name);
  const byTtl = audits.map(({ audit }) => points(audit.byTtl, ({ ttlMs }) => ttlMs));
  const bySize = audits.map(({ audit }) => points(audit.bySize, ({ maxEntries }) => maxEntries));
  drawCurve('by-ttl', { names, lines: byTtl, as: millis, label: 'ttl', marks: roundTimes });
  drawCurve('by-size', { names, lines: bySize, as: count, label: 'entries', marks: roundCounts });
  const gaps = audits.map(
    ({ audit }) => `${percent(1 - num(audit.hitRate))} (${percent(1 - num(audit.expectedHitRate))})`,
  );
  write(
    $('by-ttl-note'),
    audits.length > 0 ? `Measured, and in brackets what the recording says: ${gaps.join(', ')}.` : '',
  );
  const endless = audits.map(({ audit }) => audit.bySize?.find(({ maxEntries }) => !isNumber(maxEntries))?.hitRate);
  const rates = endless.filter(isNumber).map((hitRate) => percent(1 - hitRate));
  write($('by-size-note'), rates.length > 0 ? `Without a bound: ${rates.join(', ')}.` : '');
}

/** @param {readonly Prediction[]} predictions @param {(prediction: Prediction) => number | undefined} at */
function points(predictions, at) {
  const numbers = (predictions ?? []).map((one) => [num(at(one)), 1 - num(one.hitRate)]);
  return numbers.filter(([x]) => x > 0).sort(([a], [b]) => a - b);
}

/** @param {string} id @param {{ names: string[], lines: number[][][], as: (value: unknown) => string, label: string, marks: number[] }} curve */
function drawCurve(id, { names, lines, as, label, marks }) {
  const xs = [...new Set(lines.flatMap((line) => line.map(([x]) => x)))].sort((a, b) => a - b);
  const ys = lines.map((points) => {
    const at = new Map(points.map(([x, y]) => [x, y]));
    return xs.map((x) => at.get(x));
  });
  const dots = { points: { show: true, size: 6 }, spanGaps: true };
  const series = names.map((name, i) => line(i + 1, { label: name, value: shown(percent).value, ...dots }));
  const axes = [
    axis({ splits: inside(marks), filter: (_u, splits) => splits, values: shown(as).values, size: 32 }),
    axis({ values: shown((v) => `${Math.round(v * 100)} %`).values, size: 54 }),
  ];
  /** @type {uPlot.Scales} */
  const scales = { x: { time: false, distr: 3, log: 10, range: around }, y: { range: wholeRatio } };
  draw(id, [xs, ...ys], { height: 170, lines: series, axes, scales, x: { label, value: shown(as).value } });
}

const roundTimes = [1, 10, 100, 1e3, 1e4, 6e4, 6e5, 3.6e6, 3.6e7, 8.64e7, 8.64e8, 8.64e9];
const roundCounts = [1, 10, 100, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8];

/** @param {number[]} marks @returns {uPlot.Axis.Splits} those between the ends of the axis */
const inside = (marks) => (_u, _axis, min, max) => marks.filter((mark) => mark >= min && mark <= max);

/** Some room left and right; one point alone gets a decade. @type {uPlot.Range.Function} */
const around = (_u, min, max) => (max > min ? [min / 1.3, max * 1.3] : [min / 3, max * 3]);

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
    write($('audit-note'), 'The audit could not be read. Try again.');
  }
  button.disabled = false;
}

/** The same finding of several processes is one, with the greatest gain. */
function mergedFindings() {
  /** @type {Map<string, { finding: Finding, processes: number }>} */
  const merged = new Map();
  const seen = state.audits.filter(({ process }) => !state.process || process.id === state.process);
  for (const finding of seen.flatMap(({ answer }) => answer.findings ?? [])) {
    const id = JSON.stringify([finding.code, finding.method]);
    const known = merged.get(id);
    const better = !known || saving(finding) > saving(known.finding);
    merged.set(id, { finding: better ? finding : known.finding, processes: (known?.processes ?? 0) + 1 });
  }
  return [...merged.values()].sort((a, b) => saving(b.finding) - saving(a.finding));
}

/** @param {Finding} finding */
const saving = ({ gain }) => num(gain?.savedMsPer1000Calls);

function renderFindings() {
  const findings = mergedFindings();
  const answers = state.audits.filter(({ process }) => !state.process || process.id === state.process);
  const spanMs = greatest(answers.map(({ answer }) => answer.spanMs));
  show('findings-empty', findings.length === 0);
  write($('findings-empty'), spanMs > 0 ? 'Nothing to change: the audit has no findings.' : 'Nothing recorded yet.');
  $('findings').replaceChildren(...findings.map(findingItem));
  const shares = answers.map(({ answer }) => num(answer.sampled));
  const sampled = percent(shares.length > 0 ? Math.min(...shares) : undefined);
  const span = spanMs > 0 ? `It saw ${millis(spanMs)} of calls, ${sampled} of the keys.` : '';
  write($('audit-note'), `${span} Audited at ${clock.format(Date.now())}.`.trim());
}

/** @param {{ finding: Finding, processes: number }} merged */
function findingItem({ finding: { code, method, what, change, gain }, processes }) {
  const seenBy = processes > 1 ? [el('span', { class: 'note' }, `seen by ${processes} processes`)] : [];
  const where = el('span', { class: 'method' }, method ?? 'the whole cache');
  const words = el(
    'div',
    {},
    el('p', { class: 'where' }, where, el('span', { class: 'code' }, text(code)), ...seenBy),
    el('p', { class: 'what' }, text(what)),
    el('p', { class: 'change' }, text(change)),
  );
  return el('li', {}, words, ...(gain ? [gainOf(gain)] : []));
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
    render();
    drawCurves();
    if (state.audits.length > 0) renderFindings();
  });
  $('token-form').addEventListener('submit', (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    if ($('token').value) tokenGiven?.($('token').value);
  });
  $('detail-close').addEventListener('click', closeDetail);
  $('audit-refresh').addEventListener('click', () => void refreshAudit());
  $('invalidate-form').addEventListener('submit', invalidate);
  document.addEventListener('keydown', ({ key }) => void (key === 'Escape' && closeDetail()));
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', repaint);
}

/** Asks once what the server allows, again where it cannot be reached. */
async function session() {
  for (let tries = 0; ; tries++) {
    try {
      return await read('session');
    } catch {
      connection('lost', 'the server cannot be reached, trying again…');
      await wait(Math.min(500 * 2 ** tries, 15_000));
    }
  }
}

async function start() {
  makeHead();
  renderKpis([]);
  listen();
  watchSizes();
  const { canInvalidate, needsToken } = await session();
  show('invalidate', canInvalidate === true);
  if (needsToken === true && !state.token) await askToken();
  void follow();
}

void start();
