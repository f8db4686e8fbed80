/** The map of bounded size, by number or by weight, that gives up what was used least recently. */

export { LRUCache } from 'lru-cache';
