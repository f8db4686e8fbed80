/** Asserts at compile time that a value has exactly a type; `any` is exactly nothing but `any`. */

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

export function exactly<Expected>() {
  return <Actual>(_value: Actual, ..._not: Same<Actual, Expected> extends true ? [] : [expected: Expected]): true =>
    true;
}
