/**
 * Runs a TypeScript test script in a real process of its own and exchanges messages with it. The script uses
 * `process.send` and `process.on('message')`; values travel by structured clone, so dates, maps and `undefined`
 * survive.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join, resolve } from 'node:path';

import { buildSync, type OutputFile } from 'esbuild';

import { repositoryRoot } from './find-binary.js';
import { Guard } from './guard.js';

export interface TestChild<Message = unknown> {
  readonly pid: number | undefined;
  send(message: unknown): void;
  /**
   * The first message that fits, also one that came before the call; each is handed out once. Rejects when the child
   * ends first.
   */
  next(predicate?: (message: Message) => boolean): Promise<Message>;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** The exit code, or 128 plus the number of the signal that ended it. */
  readonly done: Promise<number>;
  /** What it has written to stdout and stderr so far. */
  output(): string;
}

/** `script` is relative to the repository's root. `env` is added to this process's own. */
export function runChild<Message = unknown>(
  script: string,
  env: Readonly<Record<string, string>> = {},
): TestChild<Message> {
  return new ScriptProcess<Message>(script, env);
}

interface Waiter<Message> {
  readonly predicate: (message: Message) => boolean;
  readonly resolve: (message: Message) => void;
  readonly reject: (error: Error) => void;
}

class ScriptProcess<Message> implements TestChild<Message> {
  readonly done: Promise<number>;
  readonly #script: string;
  readonly #directory: string;
  readonly #guard: Guard;
  readonly #child: ChildProcess;
  readonly #messages: Message[] = [];
  #waiters: Waiter<Message>[] = [];
  #finished: { readonly code: number; readonly output: string } | undefined;

  constructor(script: string, env: Readonly<Record<string, string>>) {
    this.#script = script;
    this.#directory = bundleDirectory();
    this.#guard = new Guard(this.#directory);
    this.#child = start(bundle(script, this.#directory), this.#outputFile, env);
    this.#guard.onDeath(`kill -9 ${this.#child.pid}`);
    this.#child.on('message', (message) => this.#receive(message as Message));
    this.done = ended(this.#child).then((code) => this.#finish(code));
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  get #outputFile(): string {
    return join(this.#directory, 'output.log');
  }

  send(message: unknown): void {
    if (this.#finished !== undefined)
      throw new Error(`${this.#script} has ended with ${this.#finished.code} and takes no message.`);
    this.#child.send(message as object, ignore);
  }

  next(predicate: (message: Message) => boolean = () => true): Promise<Message> {
    const index = this.#messages.findIndex(predicate);
    if (index !== -1) return Promise.resolve(this.#messages.splice(index, 1)[0] as Message);
    if (this.#finished !== undefined) return Promise.reject(this.#endError(this.#finished));
    return new Promise((resolve, reject) => this.#waiters.push({ predicate, resolve, reject }));
  }

  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.done;
  }

  output(): string {
    return this.#finished?.output ?? readFileSync(this.#outputFile, 'utf8');
  }

  #receive(message: Message): void {
    const waiter = this.#waiters.find(({ predicate }) => predicate(message));
    if (waiter === undefined) return void this.#messages.push(message);
    this.#waiters = this.#waiters.filter((other) => other !== waiter);
    waiter.resolve(message);
  }

  #finish(code: number): number {
    this.#finished = { code, output: this.output() };
    for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#endError(this.#finished));
    this.#guard.onDeath(':');
    this.#guard.release();
    return code;
  }

  #endError({ code, output }: { readonly code: number; readonly output: string }): Error {
    return new Error(`${this.#script} ended with ${code} before the message came:\n${output.slice(-4_000)}`);
  }
}

/** Inside the repository, because a module finds its packages from where it lies and not from the working directory. */
function bundleDirectory(): string {
  const parent = join(repositoryRoot(), '.cache', 'children');
  mkdirSync(parent, { recursive: true });
  return mkdtempSync(join(parent, 'child-'));
}

const bundles = new Map<string, Uint8Array>();

/** Several processes of a test run the same script: it is bundled once. */
function bundle(script: string, directory: string): string {
  const outfile = join(directory, 'script.mjs');
  const bytes = bundles.get(script) ?? build(script, outfile);
  bundles.set(script, bytes);
  writeFileSync(outfile, bytes);
  return outfile;
}

/** `keepNames`, because class names are part of cache keys and a bundle renames what collides. */
function build(script: string, outfile: string): Uint8Array {
  const root = repositoryRoot();
  const { outputFiles } = buildSync({
    absWorkingDir: root,
    entryPoints: [resolve(root, script)],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    alias: { cachette: './src/index.ts', 'cachette/postgres': './src/integrations/postgres.ts' },
    keepNames: true,
    sourcemap: 'inline',
    logLevel: 'silent',
    write: false,
  });
  return (outputFiles[0] as OutputFile).contents;
}

/** Unreferenced, so that a child that a failing test forgot does not keep the test run from ending. */
function start(file: string, outputFile: string, env: Readonly<Record<string, string>>): ChildProcess {
  const output = openSync(outputFile, 'w');
  const child = fork(file, {
    cwd: repositoryRoot(),
    env: { ...process.env, ...env },
    execArgv: ['--enable-source-maps'],
    serialization: 'advanced',
    stdio: ['ignore', output, output, 'ipc'],
  });
  closeSync(output);
  child.unref();
  child.channel?.unref();
  return child;
}

/** The last messages may arrive after the exit; the end of the channel comes after them. */
async function ended(child: ChildProcess): Promise<number> {
  const [[code, signal]] = await Promise.all([once(child, 'exit'), once(child, 'disconnect')]);
  return code ?? 128 + constants.signals[signal as NodeJS.Signals];
}

/** A child that dies while a message is on its way shows that by `done`. */
function ignore(): void {}
