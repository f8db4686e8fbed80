/** Tables without lines. The one file that knows of cli-table3. */

import CliTable from 'cli-table3';

export interface Column {
  readonly head: string;
  readonly isText?: boolean;
}

const sides = ['top', 'bottom', 'left', 'mid', 'right'] as const;
const parts = ['', '-mid', '-left', '-right'] as const;
const noLines = Object.fromEntries(
  [...sides.flatMap((side) => parts.map((part) => `${side}${part}`)), 'middle'].map((name) => [name, '']),
);

/** Numbers stand at the right. `paintHead`: how the first line looks. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  paintHead: (text: string) => string,
): string[] {
  const made = new CliTable({
    head: columns.map(({ head }) => paintHead(head)),
    chars: { ...noLines, middle: '  ' },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns: columns.map(({ isText }) => (isText ? 'left' : 'right')),
  });
  made.push(...rows.map((row) => [...row]));
  return made
    .toString()
    .split('\n')
    .map((line) => line.trimEnd());
}
