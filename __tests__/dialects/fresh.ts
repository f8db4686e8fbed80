/** A cache of its own for each test, and decorators of somebody else that compile in both dialects. */

import 'reflect-metadata';
import { type Cache, createCache } from 'cachette';

export interface Fresh {
  readonly cache: Cache;
  readonly Cached: Cache['Cached'];
  readonly CachedMany: Cache['CachedMany'];
  readonly Invalidates: Cache['Invalidates'];
  /** The messages of its warnings. */
  readonly warnings: string[];
}

export function fresh(): Fresh {
  const cache = createCache('memory://');
  const warnings: string[] = [];
  cache.on('warning', ({ message }) => warnings.push(message));
  const { Cached, CachedMany, Invalidates } = cache;
  return { cache, Cached, CachedMany, Invalidates, warnings };
}

type Method = (this: unknown, ...args: unknown[]) => Promise<unknown>;
/** Accepted above any method in both dialects; what it returns is for the compiled code alone. */
type AnyDecorator = (target: unknown, context: unknown, descriptor?: PropertyDescriptor) => void;

/** Marks the method, as routes and guards do. */
export function Route(path: string): AnyDecorator {
  return (target, _context, descriptor) => {
    Reflect.defineMetadata('path', path, (descriptor?.value ?? target) as object);
  };
}

export function pathOf(method: object): unknown {
  return Reflect.getMetadata('path', method);
}

/** Puts a function of its own around the method and keeps nothing of it. */
export const Traced: AnyDecorator = ((target: Method, _context: unknown, descriptor?: PropertyDescriptor) => {
  const inner = descriptor ? (descriptor.value as Method) : target;
  async function traced(this: unknown, ...args: unknown[]): Promise<unknown> {
    return inner.apply(this, args);
  }
  return descriptor ? { ...descriptor, value: traced } : traced;
}) as AnyDecorator;

/** The name of the class that `key` was made for: esbuild writes `_Products` where it had to move a class. */
export function methodIn(key: string): string {
  return (key.split(':')[2] ?? '').replace(/^_/, '');
}
