/** Which kinds of tags a decorator's option can give, as its literals or the text of its function tell. Calls nothing. */

import { kindOf } from '../../base/insight.js';

/** Kinds are the texts before the first `:` of tags. `isAll`: there can be no others. */
export interface TagKinds {
  readonly kinds: readonly string[];
  readonly isAll: boolean;
}

/** `tags`: what stands in the option, if anything. */
export function tagKindsOf(tags: unknown): TagKinds {
  if (tags === undefined) return { kinds: [], isAll: true };
  if (typeof tags === 'function') return kindsInText(Function.prototype.toString.call(tags));
  const literal = [tags].flat().filter((tag) => typeof tag === 'string');
  return { kinds: literal.map(kindOf), isAll: true };
}

/** What several options give together. */
export function joined(all: readonly TagKinds[]): TagKinds {
  const kinds = [...new Set(all.flatMap((each) => each.kinds))];
  return { kinds, isAll: all.every(({ isAll }) => isAll) };
}

/** A literal in the place where it stood; the rest of the text, with each literal as `L`, tells whether there is more. */
interface Scanned {
  readonly literals: readonly string[];
  readonly rest: string;
}

/** What a function may consist of if its literals are all that it gives. */
const literals = String.raw`(?:L|\[\s*(?:L\s*,?\s*)*\])`;
const mapped = String.raw`[\w$.?]+\.(?:map|flatMap)\(\s*(?:async\s+)?(?:\([^()]*\)|[\w$]+)\s*=>\s*\(?\s*${literals}\s*\)?\s*,?\s*\)`;
const given = String.raw`\(?\s*(?:${literals}|${mapped})\s*\)?`;
const plainBody = new RegExp(String.raw`^\s*(?:${given}|\{\s*return\s+${given}\s*;?\s*\})\s*$`);

function kindsInText(text: string): TagKinds {
  const { literals: found, rest } = scanned(text);
  const body = /^[^]*?=>([^]*)$/.exec(rest)?.[1] ?? /\)\s*(\{[^]*\})$/.exec(rest)?.[1] ?? '';
  const isPlain = plainBody.test(body);
  const kinds = found.map(leadingKind).filter((kind) => kind !== undefined);
  // In a body that does more, only what looks like a tag is taken for one.
  const tagLike = found.filter((literal) => /^[\w.-]+:/.test(literal)).map(kindOf);
  if (!isPlain) return { kinds: [...new Set(tagLike)], isAll: false };
  return { kinds: [...new Set(kinds)], isAll: kinds.length === found.length };
}

/** Undefined where a placeholder stands before the first `:`. */
function leadingKind(literal: string): string | undefined {
  const kind = kindOf(literal);
  return kind.includes(placeholder) ? undefined : kind;
}

/** Stands for `${…}` in a literal. */
const placeholder = '\0';

function scanned(text: string): Scanned {
  const found: string[] = [];
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
    found.push(literal);
    rest += 'L';
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
