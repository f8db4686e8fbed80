/** Text for messages, of anything. */

/** For messages: what was thrown, which may be anything, also what cannot be made into text. */
export function textOf(thrown: unknown): string {
  try {
    return String(thrown);
  } catch {
    return 'something without a text';
  }
}

/** A name longer than this is no name of a class. */
const longestName = 100;

/** The class of what was thrown, such as `TypeError`; for anything but an object with a name, `typeof` it. For labels: never a message. */
export function errorTypeOf(thrown: unknown): string {
  try {
    const { name } = thrown as { readonly name?: unknown };
    if (typeof thrown === 'object' && typeof name === 'string' && name !== '' && name.length <= longestName)
      return name;
  } catch {
    // null and undefined have no properties, and a getter may throw.
  }
  return typeof thrown;
}
