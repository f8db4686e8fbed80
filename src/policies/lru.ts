/** The map of bounded size, by number or by weight, that gives up what was used least recently. */

export { LRUCache } from 'lru-cache';

/**
 * Bounds a map to so many entries. The library's own `max` takes the memory for all of them at once, which for ten thousand takes
 * a millisecond; this takes it as they come.
 *
 * A `Map` that gives up as many as it takes in keeps the places of both, a power of two, and doubles unless half of them are given
 * up ones: 8,000 entries stay in 16,384 places, where 10,000 take 32,768.
 */
export function atMost(entries: number): { readonly maxSize: number; readonly sizeCalculation: () => number } {
  return { maxSize: entries, sizeCalculation: () => 1 };
}
