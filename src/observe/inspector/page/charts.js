/** Lines over time, and over other ttls and sizes. Hides the library that draws them. */

/* global document, getComputedStyle, queueMicrotask, ResizeObserver, devicePixelRatio */

import { isNumber, NONE, num } from './numbers.js';
import uPlot from './uplot.js';

/** Both schemes are in the style sheet. @param {string} name */
export const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** @type {Map<string, { plot: uPlot, shape: string }>} */
const plots = new Map();

/** A place on the axis of a curve. @typedef {{ at: number, label: string }} Mark */
/** @typedef {{ title: string, height: number, lines: uPlot.Series[], axes: uPlot.Axis[], scales: uPlot.Scales, x?: uPlot.Series, least?: number, mark?: Mark }} Chart */

/**
 * Draws, anew only where lines have come or gone.
 *
 * @param {string} id of the element
 * @param {uPlot.AlignedData} data
 * @param {Chart} chart
 */
export function draw(id, data, chart) {
  const element = /** @type {HTMLElement} */ (document.getElementById(id));
  // a moment alone has no width on an axis of time
  const drawable = data[0].length >= (chart.least ?? 1) && data.slice(1).some((line) => [...line].some(isNumber));
  /** @type {HTMLElement} */ (document.getElementById(`${id}-empty`)).hidden = drawable;
  element.hidden = !drawable;
  if (!drawable) return;
  describe(element, data, chart);
  const shape = JSON.stringify([chart.lines.map(({ label }) => label), chart.mark]);
  const known = plots.get(id);
  if (known?.shape === shape) known.plot.setData(data);
  else redraw(element, data, { ...chart, shape });
}

/** For who does not see it: what the lines are, and what they come to. @param {HTMLElement} element @param {uPlot.AlignedData} data @param {Chart} chart */
function describe(element, data, { title, lines, mark }) {
  const latest = lines.map(({ label, value }, i) => {
    const last = [...data[i + 1]].findLast(isNumber);
    return `${label} ${/** @type {any} */ (value)(undefined, last)}`;
  });
  const words = `${title}: ${latest.join(', ')}${mark ? `; ${mark.label}` : ''}`;
  if (element.getAttribute('aria-label') !== words) element.setAttribute('aria-label', words);
}

/** @param {HTMLElement} element @param {uPlot.AlignedData} data @param {Chart & { shape: string }} chart */
function redraw(element, data, { height, lines, axes, scales, shape, mark, x = {} }) {
  plots.get(element.id)?.plot.destroy();
  const options = {
    width: Math.max(element.clientWidth, 200),
    height,
    series: [x, ...lines],
    axes,
    scales,
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: { draw: [tellLatest, ...(mark ? [markAt(mark)] : [])], setCursor: [tellLatest] },
    legend: {
      markers: { width: 0, fill: (/** @type {uPlot} */ _u, /** @type {number} */ line) => lines[line - 1]?.stroke },
    },
  };
  plots.set(element.id, { plot: new uPlot(options, data, element), shape });
}

/** Where nobody points, the legend has the latest values; uPlot empties it after these hooks. @param {uPlot} plot */
function tellLatest(plot) {
  queueMicrotask(() => {
    if ((plot.cursor.idx ?? null) === null) plot.setLegend({ idx: plot.data[0].length - 1 }, false);
  });
}

/** A dashed line from top to bottom, with its words on the side that has room. @param {Mark} mark @returns {(plot: uPlot) => void} */
const markAt =
  ({ at, label }) =>
  (plot) => {
    const { ctx, bbox } = plot;
    const x = Math.round(plot.valToPos(at, 'x', true));
    if (x < bbox.left - 1 || x > bbox.left + bbox.width + 1) return;
    const isRight = x > bbox.left + bbox.width / 2;
    ctx.save();
    ctx.strokeStyle = colour('muted');
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    ctx.font = `${11.5 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.textAlign = isRight ? 'right' : 'left';
    ctx.textBaseline = 'top';
    // on its own ground: there are lines behind it
    const width = ctx.measureText(label).width + 6 * devicePixelRatio;
    ctx.fillStyle = colour('surface');
    ctx.fillRect(
      x + (isRight ? -width - 3 * devicePixelRatio : 3 * devicePixelRatio),
      bbox.top,
      width,
      15 * devicePixelRatio,
    );
    ctx.fillStyle = colour('muted');
    ctx.fillText(label, x + (isRight ? -6 : 6) * devicePixelRatio, bbox.top + 2 * devicePixelRatio);
    ctx.restore();
  };

/** @param {number} index from 1 @param {uPlot.Series} line */
export const line = (index, line) => ({
  stroke: colour(`series-${((index - 1) % 5) + 1}`),
  width: 2,
  points: { show: false },
  ...line,
});

/** @param {uPlot.Axis} axis */
export const axis = (axis) => ({
  stroke: colour('muted'),
  grid: { stroke: colour('grid'), width: 1 },
  ticks: { show: false },
  gap: 8,
  font: '12px system-ui, sans-serif',
  ...axis,
});

/** Marks that would read the same as the one before have no words. @param {(value: number) => string} write @returns {any} for a line's value and an axis's values */
export const shown = (write) => ({
  value: (/** @type {uPlot} */ _u, /** @type {number | null} */ v) => (isNumber(v) ? write(v) : NONE),
  values: (/** @type {uPlot} */ _u, /** @type {number[]} */ all) =>
    all.map((v) => (isNumber(v) ? write(v) : '')).map((words, i, each) => (words === each[i - 1] ? '' : words)),
});

/** Time of day in 24 hours, and of the cursor with seconds. */
export const clock = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });
const clockText = shown((seconds) => clock.format(seconds * 1_000));
const wholeSeconds = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1_800, 3_600];
export const timeAxis = () => axis({ values: clockText.values, incrs: wholeSeconds, space: 90, size: 32 });
export const timeLine = { label: 'Time', value: clockText.value };

/** Room above what is shown, and a flat line not at the very top. @type {uPlot.Range.Function} */
export const fromZero = (_u, _min, max) => [0, num(max) > 0 ? max * 1.15 : 1];

/** The whole ratio, and a line at 100 % not cut in half. @type {uPlot.Range.MinMax} */
export const wholeRatio = [0, 1.02];

/** @param {number[]} marks @returns {uPlot.Axis.Splits} those between the ends of the axis */
export const inside = (marks) => (_u, _axis, min, max) => marks.filter((mark) => mark >= min && mark <= max);

/** Some room left and right; one point alone gets a decade. @type {uPlot.Range.Function} */
export const around = (_u, min, max) => (max > min ? [min / 1.3, max * 1.3] : [min / 3, max * 3]);

/** Colours are painted, so another scheme means painting again. */
export function forget() {
  for (const { plot } of plots.values()) plot.destroy();
  plots.clear();
}

export function watchSizes() {
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      const known = plots.get(target.id)?.plot;
      if (known && contentRect.width > 0 && Math.abs(known.width - contentRect.width) >= 1)
        known.setSize({ width: contentRect.width, height: known.height });
    }
  });
  for (const element of document.querySelectorAll('.chart')) observer.observe(element);
}
