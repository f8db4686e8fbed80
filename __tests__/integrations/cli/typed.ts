/** The command line, as it is typed. */

import { runCli, type Output } from '../../../src/integrations/cli.js';

export interface Typed {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

export async function typed(...args: string[]): Promise<Typed> {
  return typedIn({}, ...args);
}

/** In a terminal, or an environment, of the test's own. */
export async function typedIn(terminal: Partial<Output>, ...args: string[]): Promise<Typed> {
  let [out, error] = ['', ''];
  const code = await runCli(args, {
    out: (text) => void (out += text),
    error: (text) => void (error += text),
    ...terminal,
  });
  return { code, out, error };
}
