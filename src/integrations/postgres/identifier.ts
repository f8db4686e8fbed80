/** Names in SQL. */

/** A name as it is, also with upper case, blanks and quotes. */
export function identifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
