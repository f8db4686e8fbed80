/** The rule `names`: keys that a minifier changes, and names that several share. */

import type { DecoratedMethod } from './decorated.js';
import type { Problem } from './check-problem.js';
import { printable } from './text.js';

export function nameProblems(methods: readonly DecoratedMethod[]): Problem[] {
  return methods.flatMap((method) => [
    ...changedByMinifiers(method),
    ...sharedByHeirs(method),
    ...taken(method, methods),
  ]);
}

function changedByMinifiers(method: DecoratedMethod): Problem[] {
  if (!method.cached || method.cached.options.name !== undefined) return [];
  const keep = 'have the minifier keep the names of classes and leave out this rule with --skip names';
  const message = `its keys begin with the name of the class, which a minifier changes from build to build: ${proposal(method)}${keep}`;
  return [problem(method, message)];
}

/** No name where others would share it, or where it looks as if a minifier had made it. */
function proposal({ name, className = '', heirs }: DecoratedMethod): string {
  const method = name.slice(className.length + 1);
  if (heirs.length > 0 || className.length <= 2 || method.length <= 2) return '';
  return `write name: '${name}' unless other classes extend it, or `;
}

/** With `per` they have entries of their own. */
function sharedByHeirs(method: DecoratedMethod): Problem[] {
  const { cached, heirs } = method;
  if (cached?.options.name === undefined || heirs.length < 2) return [];
  if (cached.options.per !== undefined && cached.options.per !== 'class') return [];
  const all = `${heirs.slice(0, -1).join(', ')} and ${heirs.at(-1)}`;
  return [
    problem(method, `it has one name for all that inherit it: ${printable(all)} share its entries; leave out name`),
  ];
}

/** A function that is wrapped again, or a class of a factory, is the same one. */
function taken(method: DecoratedMethod, methods: readonly DecoratedMethod[]): Problem[] {
  const { cached, text } = method;
  const name = cached?.options.name;
  if (cached === undefined || name === undefined) return [];
  const other = methods.find(
    (each) =>
      each !== method &&
      each.cached?.options.name === name &&
      each.cached.cache === cached.cache &&
      (each.text !== text || text === ''),
  );
  if (other === undefined) return [];
  const whose = other.isWrapped ? 'of a function given to wrap' : `of ${printable(other.name)}`;
  return [problem(method, `its name '${printable(name)}' is also that ${whose}, and only one of them is cached`)];
}

function problem({ file, name }: DecoratedMethod, message: string): Problem {
  return { file, method: name, rule: 'names', message };
}
