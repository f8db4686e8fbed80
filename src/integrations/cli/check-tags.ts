/** The rule `tags`: tags that nobody invalidates, and tags that nobody has. Those of different caches do not meet. */

import { kindOf } from '../../base/insight.js';
import { nearest } from '../../base/suggest.js';
import type { Problem } from './check-problem.js';
import type { DecoratedMethod, Decoration } from './decorated.js';
import { canMeet, isWhole, joined, shownShape, type TagShapes, tagShapesOf } from './tag-shapes.js';
import { printable } from './text.js';

/** A decorator with tags. */
interface Tagged {
  readonly method: DecoratedMethod;
  readonly cache: unknown;
  readonly tags: TagShapes;
}

export function tagProblems(methods: readonly DecoratedMethod[]): Problem[] {
  const cached = methods.flatMap((method) => (method.cached ? [tagged(method, method.cached)] : []));
  const invalidating = methods.flatMap((method) => method.invalidates.map((each) => tagged(method, each)));
  const unclear = [...cached, ...invalidating].filter(({ tags }) => !tags.isAll);
  return unique([
    ...cached.flatMap((each) => neverInvalidated(each, cached, invalidating)),
    ...invalidating.flatMap((each) => pointless(each, cached, invalidating)),
    ...unclear.map(unknown),
  ]);
}

type HasTags = { readonly tags?: unknown; readonly resultTags?: unknown };

function tagged(method: DecoratedMethod, { options, cache }: Decoration<HasTags>): Tagged {
  return { method, cache, tags: joined([tagShapesOf(options.tags), tagShapesOf(options.resultTags)]) };
}

function neverInvalidated(own: Tagged, cached: readonly Tagged[], invalidating: readonly Tagged[]): Problem[] {
  const others = besideIt(own, invalidating);
  const alone = without(shapes(others), shapes(besideIt(own, cached)));
  return without(own.tags.shapes, shapes(others)).map((shape) => {
    const isElsewhere = shapes(invalidating).some((each) => canMeet(each, shape));
    const where = isElsewhere ? ', but one of another cache does' : hint(shape, alone);
    const message = `no @Invalidates of these modules invalidates its ${shown(shape)}${where}`;
    return problem(
      own,
      message,
      others.some(({ tags }) => !tags.isAll),
    );
  });
}

/** A word that is nearly the same is a mistake even where others cannot be told. */
function pointless(own: Tagged, cached: readonly Tagged[], invalidating: readonly Tagged[]): Problem[] {
  const others = besideIt(own, cached);
  const has = shapes(others);
  const known = [...without(has, shapes(besideIt(own, invalidating))), ...has];
  return without(own.tags.shapes, has).map((shape) => {
    const meant = hint(shape, known);
    const whose = shapes(cached).some((each) => canMeet(each, shape)) ? 'of its cache' : 'of these modules';
    const message = `it invalidates the ${shown(shape)}, which no cached method ${whose} has${meant}`;
    return problem(own, message, meant === '' && others.some(({ tags }) => !tags.isAll));
  });
}

/** What nobody knows the cache of is taken to be of the same. */
function besideIt({ cache }: Tagged, all: readonly Tagged[]): Tagged[] {
  return all.filter((each) => cache === undefined || each.cache === undefined || each.cache === cache);
}

function shapes(all: readonly Tagged[]): string[] {
  return all.flatMap(({ tags }) => tags.shapes);
}

/** Those that meet none of the others. */
function without(own: readonly string[], others: readonly string[]): string[] {
  return own.filter((shape) => !others.some((other) => canMeet(shape, other)));
}

function shown(shape: string): string {
  return `${isWhole(shape) ? 'tag' : 'tags'} '${printable(shownShape(shape))}'`;
}

/** Short words are near to each other by chance, and so are two ids of one kind. */
function hint(shape: string, known: readonly string[]): string {
  const kind = kindOf(shape);
  if (kind.length < 4) return '';
  const near = nearest(shownShape(shape), known.map(shownShape));
  const isId = near !== undefined && near.startsWith(`${kind}:`) && near.length < kind.length + 4;
  const meant = near === undefined || isId ? nearest(kind, known.map(kindOf)) : near;
  return meant === undefined || meant === kind ? '' : `; did you mean '${printable(meant)}'?`;
}

function unknown(own: Tagged): Problem {
  return problem(own, 'which tags its function gives cannot be told from its text', true);
}

function problem({ method: { file, name } }: Tagged, message: string, isDoubt: boolean): Problem {
  return { file, method: name, rule: 'tags', message, isDoubt };
}

/** Two tags of one kind are told once. */
function unique(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((each) => [JSON.stringify([each.file, each.method, each.message]), each])).values()];
}
