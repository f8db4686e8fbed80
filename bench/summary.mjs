/** Rounds made into medians and ratios. */

import { contestants } from './contestants.mjs';
import { median } from './workload.mjs';

/** One row for each contestant: the medians of what it gave, and how many times the reference that is. */
export function summary(scenario, results) {
  return scenario.contestants.map((contestant) => ({
    contestant,
    title: scenario.titles?.[contestant] ?? contestants[contestant].title,
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
