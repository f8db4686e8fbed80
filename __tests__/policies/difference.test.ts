/** Where two values differ, and nothing of what stands there. */

import { differences, thrownInstead } from '../../src/policies/difference.js';

const user = (name: string) => ({ name, age: 1 });

it.each<[string, unknown, unknown, readonly string[]]>([
  ['equal values', { a: [1, NaN] }, { a: [1, NaN] }, []],
  ['a part', { price: 1, name: 'pen' }, { price: 2, name: 'pen' }, ['.price: number, another one']],
  ['the value itself', 1, 2, ['result: number, another one']],
  ['kinds', { owner: {} }, { owner: null }, ['.owner: object, now null']],
  ['an element', [1, 2], [1, 3], ['[1]: number, another one']],
  ['one element more', { tags: ['a'] }, { tags: ['a', 'b'] }, ['.tags[1]: only in the new one']],
  ['a property that one of them lacks', { a: 1, secret: 1 }, { a: 1 }, ['.*: only in the cached one']],
  ['a date', { at: new Date(1) }, { at: new Date(2) }, ['.at: Date, another one']],
  ['names with digits', { id_1234: 1 }, { id_1234: 2 }, ['.*: number, another one']],
  ['long names', { aTokenOfMoreThan24Letters: 1 }, { aTokenOfMoreThan24Letters: 2 }, ['.*: number, another one']],
  ['names that are no identifiers', { 'a@b.c': 1 }, { 'a@b.c': 2 }, ['.*: number, another one']],
  [
    'a table by the names of people',
    { alice: user('a'), bob: user('b'), carol: user('c') },
    { alice: user('a'), bob: user('x'), carol: user('c') },
    ['.*.name: string, another one'],
  ],
  [
    'two of a kind, which are no table',
    { billing: user('a'), shipping: user('b') },
    { billing: user('a'), shipping: user('x') },
    ['.shipping.name: string, another one'],
  ],
  ['functions, which are all the same', { run: () => 1 }, { run: () => 2 }, []],
])('tells of %s', (_, cached, fresh, expected) => {
  expect(differences(cached, fresh)).toEqual(expected);
});

it('tells of what contains itself once', () => {
  const ring = (a: number) => {
    const value: Record<string, unknown> = { a };
    return Object.assign(value, { self: value });
  };
  expect(differences(ring(1), ring(2))).toEqual(['.a: number, another one']);
});

it('ends after ten', () => {
  const found = differences(
    Array.from({ length: 20 }, () => 1),
    Array.from({ length: 20 }, () => 2),
  );
  expect(found).toHaveLength(11);
  expect(found.at(-1)).toBe('…');
});

it('names the kind of what is thrown, and not what it says', () => {
  class NotFoundError extends Error {}
  expect(thrownInstead({}, new NotFoundError('secret'))).toBe('result: object, now NotFoundError is thrown');
  expect(thrownInstead(undefined, 'secret')).toBe('result: undefined, now string is thrown');
  expect(thrownInstead(1, Object.create({ constructor: { name: 'a secret' } }))).toBe(
    'result: number, now something is thrown',
  );
});
