/**
 * Cleans up when the test process dies. `process.on('exit')` is not enough: it never fires for listeners added inside
 * a jest test file, nor when a worker is killed. So a small shell waits for the end of its input, which comes with the
 * death of this process however it dies, and then ends the server and removes its directory.
 */
import { spawn, type ChildProcess } from 'node:child_process';

const SCRIPT = 'last=:; while IFS= read -r line; do last=$line; done; eval "$last"; rm -rf "$0"';

export class Guard {
  readonly #shell: ChildProcess;

  /** `detached` keeps it alive when Ctrl-C ends everything in the foreground. */
  constructor(directory: string) {
    this.#shell = spawn('/bin/sh', ['-c', SCRIPT, directory], {
      detached: true,
      env: process.env,
      stdio: ['pipe', 'ignore', 'ignore'],
    });
    this.#shell.on('error', ignore);
    this.#shell.stdin?.on('error', ignore);
    this.#shell.unref();
    (this.#shell.stdin as { unref?(): void } | null)?.unref?.();
  }

  /** What the shell runs if this process dies now; it takes the place of what was said before. */
  onDeath(command: string): void {
    this.#shell.stdin?.write(`${command}\n`);
  }

  /** Runs the last command and removes the directory. */
  release(): void {
    this.#shell.stdin?.end();
  }
}

/** Nothing depends on the shell's answers, and a test must not fail because somebody ended it. */
function ignore(): void {}
