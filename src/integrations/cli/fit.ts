/** Makes a table as narrow as the screen: columns go in a fixed order, and what is long in the first one loses its middle. */

import type { Column } from './table.js';
import type { Colour } from './text.js';

/** A text that is not coloured yet, as colours have no width. */
export type Cell = readonly [text: string, colour?: Colour | undefined];

export interface Fitting {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly Cell[])[];
  /** Of the screen; `Infinity` where there is none. */
  readonly width: number;
  /** The heads of columns that can be missed, the first one first. */
  readonly drops: readonly string[];
}

/** Before more of a name than this goes, a column does. */
const nameAtLeast = 24;
/** Shorter, a name says nothing. */
const nameAtMost = 8;
const between = 2;

export function fitted({ columns, rows, width, drops }: Fitting): Pick<Fitting, 'columns' | 'rows'> {
  const widths = columns.map(({ head }, at) => Math.max(head.length, ...rows.map((row) => row[at]?.[0].length ?? 0)));
  const [nameWidth = 0] = widths;
  const kept = new Set(columns.keys());
  const room = (): number =>
    width - [...kept].filter((at) => at > 0).reduce((sum, at) => sum + (widths[at] ?? 0) + between, 0);
  for (const name of drops) {
    if (room() >= Math.min(nameWidth, nameAtLeast)) break;
    kept.delete(columns.findIndex(({ head }) => head === name));
  }
  const most = Math.max(nameAtMost, room());
  return {
    columns: columns.filter((_, at) => kept.has(at)),
    rows: rows.map((row) =>
      row
        .filter((_, at) => kept.has(at))
        .map(([text, colour], at) => [at === 0 ? shortened(text, most) : text, colour]),
    ),
  };
}

/** Both ends tell methods apart: the class, and the method. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  const start = Math.ceil((most - 1) / 2);
  return `${text.slice(0, start)}…${text.slice(text.length - (most - 1 - start))}`;
}
