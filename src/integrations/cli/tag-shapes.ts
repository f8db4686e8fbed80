/** Which tags a decorator's option can give, as its literals or the text of its function tell. Calls nothing. */

import { kindOf } from '../../base/insight.js';

/** `isAll`: there can be no others. */
export interface TagShapes {
  readonly shapes: readonly string[];
  readonly isAll: boolean;
}

/** In a shape it stands for what only a call tells: `product:${id}`. */
const placeholder = '\0';

/** `tags`: what stands in the option, if anything. */
export function tagShapesOf(tags: unknown): TagShapes {
  if (tags === undefined) return { shapes: [], isAll: true };
  if (typeof tags === 'function') return shapesInText(Function.prototype.toString.call(tags));
  return { shapes: [tags].flat().filter((tag) => typeof tag === 'string'), isAll: true };
}

/** What several options give together. */
export function joined(all: readonly TagShapes[]): TagShapes {
  const shapes = [...new Set(all.flatMap((each) => each.shapes))];
  return { shapes, isAll: all.every(({ isAll }) => isAll) };
}

/** Whether nothing of it is open. */
export function isWhole(shape: string): boolean {
  return !shape.includes(placeholder);
}

/** For people: the tag, with `…` for what is open. */
export function shownShape(shape: string): string {
  return shape.replaceAll(placeholder, '…');
}

/** Whether two shapes can be the same tag. Of two that are open only the kinds can be compared. */
export function canMeet(a: string, b: string): boolean {
  if (isWhole(a) && isWhole(b)) return a === b;
  if (isWhole(a)) return patternOf(b).test(a);
  return isWhole(b) ? patternOf(a).test(b) : kindOf(a) === kindOf(b);
}

function patternOf(shape: string): RegExp {
  const parts = shape.split(placeholder).map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, String.raw`\$&`));
  return new RegExp(`^${parts.join('[^]*')}$`);
}

/** A literal in the place where it stood; the rest of the text, with a mark for each literal, tells whether there is more. */
interface Scanned {
  readonly literals: readonly Literal[];
  readonly rest: string;
}

interface Literal {
  readonly text: string;
  /** Where its mark is in the rest. */
  readonly at: number;
}

const mark = '\u0001';

/** What a function may consist of if its literals are all that it gives. */
const literals = String.raw`(?:\u0001|\[\s*(?:\u0001\s*,?\s*)*\])`;
const mapped = String.raw`[\w$.?]+\.(?:map|flatMap)\(\s*(?:async\s+)?(?:\([^()]*\)|[\w$]+)\s*=>\s*\(?\s*${literals}\s*\)?\s*,?\s*\)`;
const given = String.raw`\(?\s*(?:${literals}|${mapped})\s*\)?`;
const plainBody = new RegExp(String.raw`^\s*(?:${given}|\{\s*return\s+${given}\s*;?\s*\})\s*$`);

function shapesInText(text: string): TagShapes {
  const { literals: found, rest } = scanned(text);
  const body = /^[^]*?=>([^]*)$/.exec(rest)?.[1] ?? /\)\s*(\{[^]*\})$/.exec(rest)?.[1] ?? '';
  const shapes = found.map((each) => each.text).filter((shape) => !kindOf(shape).includes(placeholder));
  if (plainBody.test(body)) return { shapes: [...new Set(shapes)], isAll: shapes.length === found.length };
  // In a body that does more, only what looks like a tag, and is not compared with something, is taken for one.
  const tagLike = found.filter((each) => /^[\w.-]+:(?!\/\/)/.test(each.text) && !isAsked(each, rest));
  return { shapes: [...new Set(tagLike.map((each) => each.text))], isAll: false };
}

/** Stands in a comparison, or is looked for in another text. */
function isAsked({ at }: Literal, rest: string): boolean {
  const before = /(?:[=!]==?|\bcase|\.(?:startsWith|endsWith|includes|indexOf|split|join|replace|replaceAll)\()\s*$/;
  return before.test(rest.slice(0, at)) || /^\s*[=!]==?/.test(rest.slice(at + mark.length));
}

function scanned(text: string): Scanned {
  const found: Literal[] = [];
  let rest = '';
  for (let at = 0; at < text.length;) {
    const sign = text[at] ?? '';
    if (sign === '/' && (text[at + 1] === '/' || text[at + 1] === '*')) {
      at = endOfComment(text, at);
      continue;
    }
    if (!'\'"`'.includes(sign)) {
      rest += sign;
      at += 1;
      continue;
    }
    const { literal, end } = literalAt(text, at);
    found.push({ text: literal, at: rest.length });
    rest += mark;
    at = end;
  }
  return { literals: found, rest };
}

function endOfComment(text: string, start: number): number {
  const isLine = text[start + 1] === '/';
  const end = text.indexOf(isLine ? '\n' : '*/', start + 2);
  return end < 0 ? text.length : end + (isLine ? 1 : 2);
}

/** The literal that begins at `start` with its quote; each placeholder of a template counts as one sign. */
function literalAt(text: string, start: number): { readonly literal: string; readonly end: number } {
  const quote = text[start];
  let literal = '';
  let at = start + 1;
  while (at < text.length && text[at] !== quote) {
    if (text[at] === '\\') {
      literal += text[at + 1] ?? '';
      at += 2;
    } else if (quote === '`' && text.startsWith('${', at)) {
      literal += placeholder;
      at = endOfPlaceholder(text, at + 2);
    } else {
      literal += text[at] ?? '';
      at += 1;
    }
  }
  return { literal, end: at + 1 };
}

function endOfPlaceholder(text: string, start: number): number {
  let depth = 1;
  let at = start;
  while (at < text.length && depth > 0) {
    const sign = text[at] ?? '';
    if ('\'"`'.includes(sign)) {
      at = literalAt(text, at).end;
      continue;
    }
    depth += sign === '{' ? 1 : sign === '}' ? -1 : 0;
    at += 1;
  }
  return at;
}
