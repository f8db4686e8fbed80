/** Text for messages, of anything. */

/** For messages: what was thrown, which may be anything, also what cannot be made into text. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something without a text';
  }
}
