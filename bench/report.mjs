/** Numbers made into words and tables. */

import { contestants } from './contestants.mjs';
import { median } from './workload.mjs';

/** A scenario's results for the terminal. */
export function printed(scenario, results) {
  const rows = summary(scenario, results).map(({ title, values, ratio }) => {
    const cells = values.map((value, index) => number(value, scenario.columns[index].digits).padStart(12));
    return `${title.padEnd(38)}${cells.join('')} ${ratio.toFixed(2).padStart(8)}×`;
  });
  const units = scenario.columns.map(({ unit }) => unit.padStart(12)).join('');
  return [`${scenario.title}`.padEnd(38) + units, ...rows].join('\n');
}

/** One row for each contestant: the medians of what it gave, and how many times the reference that is. */
export function summary(scenario, results) {
  return scenario.contestants.map((contestant) => ({
    contestant,
    title: contestants[contestant].title,
    values: scenario.columns.map((_, index) => median(results[contestant].map((round) => round[index]))),
    ratio: ratio(results, contestant, scenario.reference),
  }));
}

/** The median of the ratios in the same round. */
export function ratio(results, contestant, reference, column = 0) {
  return median(results[contestant].map((round, index) => round[column] / results[reference][index][column]));
}

/** @param {number} value */
export function number(value, digits = 0) {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
