/** The version of this package, which the build writes in: at run time nobody knows where package.json is. */

declare const CACHETTE_VERSION: string | undefined;

/** Undefined where the source runs as it is. */
export const packageVersion = typeof CACHETTE_VERSION === 'string' ? CACHETTE_VERSION : undefined;
