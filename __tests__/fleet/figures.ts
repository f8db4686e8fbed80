/** What the runs of a fleet have in common: how long they take, and how they are summed up. */

/** Short as one of many tests; `npm run test:long` sets `CACHETTE_FLEET_SECONDS` for a run of its own. */
export function runSeconds(short: number): number {
  return Number(process.env['CACHETTE_FLEET_SECONDS'] ?? short);
}

/** For whoever runs it; past jest, which would add where it was called. */
export function show(line: string): void {
  process.stdout.write(`${line}\n`);
}

type Counted<T> = { [K in keyof T]: T[K] extends number ? K : never }[keyof T];

export function sum<T extends Record<Counted<T>, number>>(items: readonly T[], field: Counted<T>): number {
  return items.reduce((total, item) => total + item[field], 0);
}

export function percentile(values: readonly number[], percent: number): string {
  const sorted = [...values].sort((one, other) => one - other);
  const at = Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100));
  return `${(sorted[at] ?? NaN).toFixed(1)} ms`;
}
