/** Tables of code in Markdown: read, and written again where a cell has changed. */

export interface Row {
  /** The heading above the table. */
  readonly section: string;
  /** From 0. */
  readonly line: number;
  /** The cells, without the signs that make code of them. */
  readonly cells: readonly string[];
}

/** The rows of all tables whose first column has this heading. */
export function rowsUnder(heading: string, text: string): Row[] {
  const rows: Row[] = [];
  let section = '';
  let isTable = false;
  for (const [line, content] of text.split('\n').entries()) {
    if (content.startsWith('#')) section = content.replace(/^#+ /, '');
    if (!content.startsWith('|')) isTable = false;
    else if (cellsOf(content)[0] === heading) isTable = true;
    else if (isTable && !/^\| *-/.test(content))
      rows.push({ section, line, cells: cellsOf(content).map(withoutTicks) });
  }
  return rows;
}

/** The text with another cell of code. */
export function withCell(text: string, line: number, column: number, code: string): string {
  const lines = text.split('\n');
  const cells = cellsOf(lines[line] ?? '');
  cells[column] = ticked(code);
  lines[line] = `| ${cells.join(' | ')} |`;
  return lines.join('\n');
}

function cellsOf(line: string): string[] {
  const inner = line.trim().replace(/^\|/, '').replace(/\|$/, '');
  return inner.split(/(?<!\\)\|/).map((cell) => cell.trim());
}

function withoutTicks(cell: string): string {
  const [, , code] = /^(`+) ?([^]*?) ?\1$/.exec(cell) ?? [];
  return (code ?? cell).replaceAll('\\|', '|');
}

function ticked(code: string): string {
  const escaped = code.replaceAll('|', '\\|');
  return code.includes('`') ? `\`\` ${escaped} \`\`` : `\`${escaped}\``;
}
