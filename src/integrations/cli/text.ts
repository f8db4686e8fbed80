/** How text gets to a terminal: what comes from a store cannot steer it, numbers and durations are short, colours are asked for. */

/** Control characters, and those that change the direction of what follows: terminals obey them. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const unsafe = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** `text` with everything that a terminal would obey written out. */
export function printable(text: string): string {
  return text.replace(unsafe, (sign) => `\\u${sign.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

const units = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1_000],
] as const;

/** `850 ms`, `12 s`, `3 m 20 s`, `no end`. */
export function shownMs(ms: number): string {
  if (ms === Infinity) return 'no end';
  if (Math.abs(ms) < 1_000) return `${Math.round(ms)} ms`;
  const at = units.findIndex(([, unitMs]) => ms >= unitMs);
  const [name, unitMs] = units[at] ?? ['s', 1_000];
  const [nextName, nextMs] = units[at + 1] ?? ['', Infinity];
  const next = Math.floor((ms % unitMs) / nextMs);
  return `${Math.floor(ms / unitMs)} ${name}${next > 0 ? ` ${next} ${nextName}` : ''}`;
}

/** `812 B`, `3.4 kB`. */
export function shownBytes(bytes: number): string {
  if (bytes < 1_000) return `${Math.round(bytes)} B`;
  if (bytes < 1_000_000) return `${(bytes / 1_000).toFixed(1)} kB`;
  return `${(bytes / 1_000_000).toFixed(1)} MB`;
}

/** `1 process`, `3 processes`. */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const namespacesAtMost = 10;

/** The end of a sentence which says that nobody is in a namespace. */
export function others(namespaces: readonly string[] | undefined): string {
  if (namespaces === undefined) return ': is there another one in createCache(…, { namespace })?';
  if (namespaces.length === 0) return ', nor in any other.';
  const more = namespaces.length - namespacesAtMost;
  const shown = namespaces.slice(0, namespacesAtMost).map(printable).join(', ');
  return `; there are: ${shown}${more > 0 ? `, and ${more} more` : ''}.`;
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow';

const codes: Readonly<Record<Colour, number>> = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33 };

/** Colours a text, or leaves it. */
export type Paint = (colour: Colour, text: string) => string;

/** For a terminal that shows colours, or for one that does not. */
export function paintFor({ hasColours }: { readonly hasColours: boolean }): Paint {
  return hasColours ? (colour, text) => `\u001b[${codes[colour]}m${text}\u001b[0m` : (_, text) => text;
}
