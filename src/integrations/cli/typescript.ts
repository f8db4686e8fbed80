/** How modules in TypeScript are loaded: by the tsx that the user's project has. The one file that knows of it. */

import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What is said where there is none. */
export const installTsx = 'to load TypeScript, install tsx in this project: npm install -D tsx';

/** Its entries for `require` and for `import`: what both register makes Node take TypeScript from then on. */
const entries = ['./cjs/api', './esm/api'] as const;

interface Api {
  readonly register: () => unknown;
}

/** From now on Node loads TypeScript. False if no tsx is found from `folder`. */
export async function takeTypeScript(folder: string): Promise<boolean> {
  const paths = modulesOfTsx(folder);
  if (paths === undefined) return false;
  for (const path of paths) ((await import(pathToFileURL(path).href)) as Api).register();
  return true;
}

/** As modules: what its CommonJS form of `esm/api` registers is not found by Node, as of 4.23. */
function modulesOfTsx(folder: string): readonly string[] | undefined {
  try {
    const file = createRequire(join(folder, 'package.json')).resolve('tsx/package.json');
    const { exports } = JSON.parse(readFileSync(file, 'utf8')) as { exports: Record<string, { import: Target }> };
    const targets = entries.map((entry) => exports[entry]?.import);
    const names = targets.map((target) => (typeof target === 'object' ? target.default : target));
    return names.some((name) => name === undefined) ? undefined : names.map((name = '') => join(dirname(file), name));
  } catch {
    return undefined;
  }
}

type Target = string | { readonly default: string };
