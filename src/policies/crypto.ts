/** Node's crypto. To load it takes a quarter of what importing this package does, so it waits for the first key or token. */

type Crypto = typeof import('node:crypto');

let loaded: Crypto | undefined;

export function crypto(): Crypto {
  return (loaded ??= process.getBuiltinModule('node:crypto'));
}
