/** Loads modules of the user's, which run and may do anything: hang, end the program, print, throw later. */

import { relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

import { listDeclared } from '../../decorators/declared.js';
import { type Terminal, type Trouble, UsageError } from './command.js';
import type { LoadedModule } from './decorated.js';
import { isTypeScript } from './modules.js';
import { printable, shownMs } from './text.js';

export interface Loading {
  readonly files: readonly string[];
  /** How long one of them may take. */
  readonly limitMs: number;
  /** Of the command. */
  readonly words: readonly string[];
}

/**
 * One after the other: a module that fails is the one that is told.
 *
 * @throws UsageError
 */
export async function loadModules(loading: Loading, terminal: Terminal): Promise<LoadedModule[]> {
  const modules: LoadedModule[] = [];
  let notice: (trouble: Trouble) => void = () => undefined;
  const unguard = terminal.guard((trouble) => notice(trouble));
  const load = (file: string): Promise<unknown> =>
    loaded({ file, ...loading }, terminal, (listener) => (notice = listener));
  let typeScript = '';
  try {
    typeScript = await typeScriptFor(loading.files);
    for (const file of loading.files) {
      const declared = listDeclared();
      modules.push({ file, exports: await load(file).finally(declared.close), declared: declared.list });
    }
    return modules;
  } catch (error) {
    const file = loading.files[modules.length] ?? '';
    throw error instanceof UsageError ? error : new UsageError(failure(file, error, typeScript), loading.words);
  } finally {
    unguard();
  }
}

/** What is said of a module in TypeScript that cannot be loaded: nothing where that is not for want of a tool. */
async function typeScriptFor(files: readonly string[]): Promise<string> {
  if (!files.some(isTypeScript)) return '';
  const { installTsx, takeTypeScript } = await import('./typescript.js');
  return (await takeTypeScript(process.cwd())) ? '' : `; ${installTsx}`;
}

type Listen = (listener: (trouble: Trouble) => void) => void;

/** The module, unless something comes between. */
async function loaded(
  { file, limitMs, words }: Loading & { readonly file: string },
  terminal: Terminal,
  listen: Listen,
): Promise<unknown> {
  const wrong = (what: string): UsageError => new UsageError(`${printable(file)} ${what}`, words);
  let timer: NodeJS.Timeout | undefined;
  const failed = new Promise<never>((_, reject) => {
    const late = `has not been loaded within ${shownMs(limitMs)}: does it wait for a server, or at its top level?`;
    // What keeps the program alive meanwhile is the module; if nothing does, it waits in vain, and that is told.
    timer = setTimeout(() => reject(wrong(late)), limitMs).unref();
    listen((trouble) => {
      if (trouble.kind === 'ended') terminal.fail(troubleIn(trouble, wrong));
      else reject(troubleIn(trouble, wrong));
    });
  });
  try {
    return await Promise.race([terminal.load(resolve(file)), failed]);
  } finally {
    clearTimeout(timer);
  }
}

function troubleIn(trouble: Trouble, wrong: (what: string) => UsageError): UsageError {
  if (trouble.kind === 'ended') return wrong('has ended the program while it was loaded: nothing was checked');
  if (trouble.kind === 'idle') return wrong('has never been loaded: it waits at its top level for what does not come');
  return wrong(`has thrown while it was loaded: ${described(trouble.error)}`);
}

function failure(file: string, error: unknown, typeScript: string): string {
  return `${printable(file)} cannot be loaded: ${described(error)}${isTypeScript(file) ? typeScript : ''}`;
}

/** With the place where it comes from, which may be another module than the one that was given. */
function described(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  const place = error instanceof Error ? placeIn(error.stack ?? '') : undefined;
  return printable(`${text.split('\n', 1)[0]}${place === undefined ? '' : ` (at ${place})`}`);
}

/** Of the first line that is not of Node, and not of this program; a syntax error has its place above its name. */
function placeIn(stack: string): string | undefined {
  const lines = stack.split('\n');
  const head = /^((?:file:\/\/|\/|[A-Z]:\\).*:\d+)$/.exec(lines[0] ?? '')?.[1];
  const frames = lines.map((line) => /^\s+at (?:.*\()?(.*?:\d+:\d+)\)?$/.exec(line)?.[1]);
  const place = head ?? frames.find((frame) => frame !== undefined && !/^node:|^<anonymous>/.test(frame));
  if (place === undefined || place.includes(__filename)) return undefined;
  const [, file = '', at = ''] = /^(.*?)((?::\d+)+)$/.exec(place) ?? [];
  const path = file.startsWith('file://') ? fileURLToPath(file.replace(/\?.*$/, '')) : file;
  return `${relative(process.cwd(), path)}${at}`;
}
