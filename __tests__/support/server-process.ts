/**
 * One real server process: started on a free port, ready when it answers a real command, killed, frozen and restarted
 * with signals. Hides whether the program is a file or runs in a container.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { chownSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { findBinary, type ServerBinary, type ServerName } from './find-binary.js';
import { Guard } from './guard.js';
import { freePort } from './ports.js';

export interface TestServer {
  readonly uri: string;
  readonly host: string;
  readonly port: number;
  /** `undefined` while it is dead, and for a server that was not started here. */
  readonly pid: number | undefined;
  /** SIGKILL; resolves when the process is gone. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and nothing answers. */
  freeze(): void;
  thaw(): void;
  /** Ends it if it runs; it comes back on the same port, empty, or with its RDB file where `keepData` asks for it. */
  restart(): Promise<void>;
  /** Ends it for good and removes its files. May be called again. */
  stop(): Promise<void>;
}

export interface ServerPlan {
  readonly name: ServerName;
  /** A free one unless stated. A stated port is not retried when it is taken. */
  readonly port?: number | undefined;
  args(port: number, directory: string): readonly string[];
  uri(port: number): string;
  /** The pid that whoever listens on the port states. Rejects while it is not ready. */
  askPid(port: number): Promise<number>;
  /** Writes the files that the first start needs. `run` runs a program that comes with the server. */
  prepare?(port: number, directory: string, run: RunTool): void;
  /** Removes files of the last run that the next one must not see. */
  beforeRestart?(directory: string): void;
  /** Instead of SIGKILL, for a restart that keeps what a clean end writes. */
  readonly restartSignal?: NodeJS.Signals;
  /** Who runs it, if not whoever runs the tests. The directory is theirs. */
  readonly user?: ServerUser | undefined;
  /** It consists of several processes, whose parent is the one that was started. */
  readonly hasChildren?: boolean;
}

export interface ServerUser {
  readonly uid: number;
  readonly gid: number;
}

/** Runs a program from the folder of the server's to its end; throws what it complained of. */
export type RunTool = (name: string, args: readonly string[]) => void;

const ATTEMPTS = 5;
const READY_WITHIN_MS = 15_000;
const POLL_MS = 5;

class PortTaken extends Error {}

/** Another process may take the port between finding and binding it; then another port is tried. */
export async function startServer(plan: ServerPlan): Promise<ServerProcess> {
  const binary = findBinary(plan.name);
  for (let attempt = 1; ; attempt += 1) {
    const server = new ServerProcess(plan, binary, plan.port ?? (await freePort()));
    try {
      await server.start();
      return server;
    } catch (error) {
      await server.stop();
      if (!(error instanceof PortTaken) || plan.port !== undefined || attempt === ATTEMPTS) throw error;
    }
  }
}

export class ServerProcess implements TestServer {
  readonly host = '127.0.0.1';
  readonly port: number;
  readonly uri: string;
  readonly directory = mkdtempSync(join(tmpdir(), 'cachette-server-'));
  readonly #plan: ServerPlan;
  readonly #binary: ServerBinary;
  readonly #guard = new Guard(this.directory);
  #run: Run | undefined;
  #stopped = false;

  constructor(plan: ServerPlan, binary: ServerBinary, port: number) {
    this.#plan = plan;
    this.#binary = binary;
    this.port = port;
    this.uri = plan.uri(port);
    if (plan.user) chownSync(this.directory, plan.user.uid, plan.user.gid);
    plan.prepare?.(port, this.directory, (name, args) => this.#runTool(name, args));
  }

  get pid(): number | undefined {
    return this.#run?.pid;
  }

  async start(): Promise<void> {
    if (this.#stopped)
      throw new Error(`${this.#plan.name} on port ${this.port} was stopped for good; start a new one.`);
    const run = new Run(this.#plan, this.#binary, { port: this.port, directory: this.directory });
    this.#run = run;
    this.#guard.onDeath(run.killCommand);
    void run.exited.then(() => this.#forget(run));
    await this.#untilReady(run);
  }

  async kill(): Promise<void> {
    await this.#run?.end('SIGKILL');
  }

  freeze(): void {
    if (this.#run === undefined)
      throw new Error(`${this.#plan.name} on port ${this.port} is not running, so it cannot freeze.`);
    this.#run.signal('SIGSTOP');
  }

  thaw(): void {
    this.#run?.signal('SIGCONT');
  }

  async restart(): Promise<void> {
    this.thaw();
    await this.#run?.end(this.#plan.restartSignal ?? 'SIGKILL');
    this.#plan.beforeRestart?.(this.directory);
    await this.#startAgain();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.thaw();
    await this.kill();
    this.#guard.release();
    rmSync(this.directory, { recursive: true, force: true });
  }

  #runTool(name: string, args: readonly string[]): void {
    const { user } = this.#plan;
    const tool = { ...this.#binary, path: join(dirname(this.#binary.path), name) } as ServerBinary;
    const [command, ...rest] = commandLine(tool, {
      container: `cachette-${randomUUID()}`,
      directory: this.directory,
      user,
    });
    const { status, stderr, error } = spawnSync(command, [...rest, ...args], {
      ...spawnOptions(tool, user),
      cwd: this.directory,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${name} failed: ${error?.message ?? stderr}`);
  }

  /** The search for a free port in another process binds each candidate for a moment, and may have hit this one. */
  async #startAgain(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.start();
      } catch (error) {
        if (!(error instanceof PortTaken) || attempt === ATTEMPTS) throw error;
        await sleep(20 * attempt);
      }
    }
  }

  async #untilReady(run: Run): Promise<void> {
    const deadline = performance.now() + READY_WITHIN_MS;
    while (!(await this.#isReady(run))) {
      if (run.isOver) throw this.#startError(run, 'ended at once');
      if (performance.now() > deadline) throw this.#startError(run, `was not ready within ${READY_WITHIN_MS} ms`);
      await Promise.race([sleep(POLL_MS), run.exited]);
    }
  }

  /** A stranger who was quicker to bind the port answers too, but with another pid. In a container the pid is 1. */
  async #isReady(run: Run): Promise<boolean> {
    const pid = await this.#plan.askPid(this.port).catch(() => undefined);
    if (pid === undefined) return false;
    return this.#binary.kind === 'image' ? !run.isOver : pid === run.pid;
  }

  #startError(run: Run, what: string): Error {
    const log = run.log();
    const message = `${this.#plan.name} on port ${this.port} ${what}:\n${log.slice(-2_000)}`;
    return /already in use/i.test(log) ? new PortTaken(message) : new Error(message);
  }

  #forget(run: Run): void {
    if (this.#run !== run) return;
    this.#run = undefined;
    this.#guard.onDeath(':');
  }
}

/** What reaches all processes of a container; a signal goes to the first alone. */
const containerWays: Partial<Record<NodeJS.Signals, string>> = { SIGSTOP: 'pause', SIGCONT: 'unpause' };

/** One life of the process, from spawn to exit. */
class Run {
  readonly exited: Promise<void>;
  readonly killCommand: string;
  isOver = false;
  readonly #child: ChildProcess;
  readonly #container: string | undefined;
  readonly #hasChildren: boolean;
  readonly #logFile: string;

  /** The output goes to a file: a pipe that nobody reads would one day stall the server. */
  constructor(plan: ServerPlan, binary: ServerBinary, { port, directory }: Place) {
    const { user, hasChildren = false } = plan;
    this.#logFile = join(directory, 'output.log');
    this.#hasChildren = hasChildren;
    this.#container = binary.kind === 'image' ? `cachette-${randomUUID()}` : undefined;
    const log = openSync(this.#logFile, 'w');
    const [command, ...rest] = commandLine(binary, { container: this.#container, directory, user });
    this.#child = spawn(command, [...rest, ...plan.args(port, directory)], {
      ...spawnOptions(binary, user),
      cwd: directory,
      stdio: ['ignore', log, log],
    });
    closeSync(log);
    this.exited = new Promise<void>((resolve) => {
      this.#child.once('exit', () => resolve());
      this.#child.once('error', () => resolve());
    }).then(() => void (this.isOver = true));
    this.#child.unref();
    const { pid } = this.#child;
    const kill = hasChildren ? `pkill -9 -P ${pid}; kill -9 ${pid}` : `kill -9 ${pid}`;
    this.killCommand = this.#container === undefined ? kill : `docker kill ${this.#container}`;
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  signal(signal: NodeJS.Signals): void {
    if (this.#container === undefined) return this.#signalProcesses(signal);
    const way = this.#hasChildren ? containerWays[signal] : undefined;
    const args = way === undefined ? ['kill', '--signal', signal] : [way];
    spawnSync('docker', [...args, this.#container], { env: process.env, stdio: 'ignore' });
  }

  /** Children that are frozen, or left alone by a parent that was killed, do not see what becomes of it. */
  #signalProcesses(signal: NodeJS.Signals): void {
    const reachesAll = ['SIGKILL', 'SIGSTOP', 'SIGCONT'].includes(signal);
    if (this.#hasChildren && reachesAll && !this.isOver)
      spawnSync('pkill', [`-${signal.slice('SIG'.length)}`, '-P', `${this.#child.pid}`], { env: process.env });
    this.#child.kill(signal);
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    this.#child.ref();
    this.signal(signal);
    await this.exited;
  }

  log(): string {
    return readFileSync(this.#logFile, 'utf8');
  }
}

interface Place {
  readonly port: number;
  readonly directory: string;
}

interface CommandPlace {
  readonly container: string | undefined;
  readonly directory: string;
  readonly user: ServerUser | undefined;
}

/** The host's network and the same directory inside, so that ports and paths mean the same as without a container. */
function commandLine(binary: ServerBinary, { container, directory, user }: CommandPlace): [string, ...string[]] {
  if (binary.kind === 'file') return [binary.path];
  const owner = `${user?.uid ?? process.getuid?.() ?? 0}:${user?.gid ?? process.getgid?.() ?? 0}`;
  const options = ['--rm', '--name', container ?? '', '--network', 'host', '--user', owner];
  const place = ['--volume', `${directory}:${directory}`, '--workdir', directory, '--entrypoint', binary.path];
  return ['docker', 'run', ...options, ...place, binary.image];
}

/** Docker itself is run by whoever runs the tests. */
function spawnOptions(
  binary: ServerBinary,
  user: ServerUser | undefined,
): { env: NodeJS.ProcessEnv } & Partial<ServerUser> {
  if (binary.kind === 'image') return { env: process.env };
  return { ...user, env: { ...process.env, ...binary.env } };
}
