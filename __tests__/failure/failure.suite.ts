/** What every server may do to a cache, and what the cached method must not notice of it. Run for Redis and memcached. */
import { type Fault, freePort, startFaultyServer, type TestServer, until } from '../support/servers.js';
import { type Caller, type CallReport, type Setup, startCaller } from './caller.js';

/** A server that is about to fail. */
export interface Patient {
  readonly uri: string;
  /** Nothing is cached before: it fails from the first moment on. */
  readonly failsAtOnce: boolean;
  fail(): unknown;
  /** Absent where nothing helps. */
  readonly recover?: () => unknown;
  stop(): Promise<unknown>;
}

export interface Situation {
  readonly title: string;
  begin(): Promise<Patient>;
  /** It fails for a moment only. */
  readonly isBrief?: boolean;
  /** Only new values are refused. */
  readonly takesDeletes?: boolean;
  /** Commands get no answer at all, so that only a deadline ends them, and after some of them the breaker. */
  readonly isSilent?: boolean;
  /** What somebody has to change: the one warning says it, and nothing tells the password. By default there is none. */
  readonly misconfiguration?: { readonly warning: RegExp; readonly password: string };
}

export interface Kind {
  start(options: { readonly port?: number }): Promise<TestServer>;
  uri(port: number): string;
}

const deadlineMs = 150;
const methodMs = 20;
const setup: Setup = { deadlineMs, methodMs };
/** For a machine that is busy with something else. The deadline is what these tests measure, not the machine. */
const slackMs = 1_000;
const inTimeMs = methodMs + deadlineMs + slackMs;
const recoversWithinMs = 10_000;

export function failureSuite(kind: Kind, situations: readonly Situation[]): void {
  const all = [...commonSituations(kind), ...situations];
  /** Goes through all of them, with a cache for each that is closed when the server works again. */
  let caller: Caller;
  /** Closes its caches while the server fails. Its warnings are heard, those of the other one printed. */
  let leaver: Caller;
  const makeIds = idMaker();
  const met: Situation[] = [];

  beforeAll(() => {
    [caller, leaver] = [startCaller(), startCaller()];
  });
  afterAll(() => Promise.all([caller.kill(), leaver.kill()]));

  describe.each(all)('a server that $title', (situation) => {
    let patient: Patient;
    /** What opens its breaker, where the server is silent. */
    let lastCalls: Promise<unknown>;

    beforeAll(async () => {
      met.push(situation);
      patient = await situation.begin();
      const callers = [caller, leaver];
      await Promise.all([caller.open(patient.uri, setup), leaver.open(patient.uri, { ...setup, listens: true })]);
      if (!patient.failsAtOnce) await Promise.all(callers.map((each) => untilItHits(each, ...makeIds(1))));
      await patient.fail();
      lastCalls = leaver.inTurn(...makeIds(6));
    });
    afterAll(() => Promise.all([caller.close(), patient.stop()]));

    it('costs a call no more than the deadline, runs the method once, and hands on its own errors', async () => {
      const calls = [...(await caller.inTurn(...makeIds(6))), ...(await caller.atOnce(...makeIds(20)))];
      expect(calls).toEqual(
        calls.map(() => ({ value: expect.stringMatching(/: first$/), ms: expect.any(Number), runs: 1 })),
      );
      const broken = [
        ...(await caller.inTurn(...makeIds(2, 'broken'))),
        ...(await caller.atOnce(...makeIds(3, 'broken'))),
      ];
      expect(broken).toEqual(broken.map(() => ({ threw: 'its own error', ms: expect.any(Number), runs: 1 })));
      expect(slowest([...calls, ...broken])).toBeLessThan(inTimeMs);
    });

    if (!situation.isBrief) {
      it('caches nothing', async () => {
        const [id = ''] = makeIds(1);
        expect((await caller.inTurn(id, id, id)).map(({ runs }) => runs)).toEqual([1, 1, 1]);
        expect((await caller.told()).problems).not.toEqual([]);
      });
    }

    it('answers all callers of one key', async () => {
      const [id = ''] = makeIds(1);
      const calls = await caller.atOnce(...Array.from({ length: 10 }, () => id));
      expect(calls.map(({ value }) => value)).toEqual(calls.map(() => `${id}: first`));
      expect(Math.max(...calls.map(({ runs }) => runs))).toBeLessThanOrEqual(10);
      expect(slowest(calls)).toBeLessThan(inTimeMs);
    });

    if (situation.isSilent) {
      it('is not asked any more after some silence: a call then costs far less than the deadline', async () => {
        const fewWait = async (): Promise<boolean> => {
          const start = performance.now();
          const calls = await caller.inTurn(...makeIds(50));
          const waited = calls.filter(({ ms }) => ms >= deadlineMs);
          // One call a second asks whether it is back.
          return waited.length <= Math.ceil((performance.now() - start) / 1_000);
        };
        // Again where the machine itself has held up some of them.
        await until('One call a second waits', fewWait, recoversWithinMs);
      });
    }

    it('lets go of everything when the cache is closed meanwhile', async () => {
      await lastCalls;
      const invalidation = await leaver.invalidate('rows');
      expect(invalidation.ms).toBeLessThan(deadlineMs + slackMs);
      if (!situation.isBrief) expect(invalidation.status).toBe(situation.takesDeletes ? 'done' : 'deferred');
      const { ms } = await leaver.close();
      // Pending work, pending invalidations and the connection have a deadline each.
      expect(ms).toBeLessThan(6 * deadlineMs + slackMs);
      await expectNothingLeft(leaver);
      if (situation.misconfiguration) await expectOneWarning(leaver, situation.misconfiguration);
    });

    it('is used again by itself when it works again', async () => {
      await patient.recover?.();
      if (patient.recover) await untilItHits(caller, ...makeIds(1));
      expect((await caller.told()).warnings).toEqual([]);
    });
  });

  it('keeps no process alive, and prints no more than one warning for each misconfiguration', async () => {
    await expectQuietEnd(caller, met);
    await expectQuietEnd(leaver, []);
  });
}

/** As an event, and in nothing that was told about any failure the password, however it is written. */
async function expectOneWarning(
  caller: Caller,
  { warning, password }: NonNullable<Situation['misconfiguration']>,
): Promise<void> {
  const { warnings, problems, everything } = await caller.told();
  expect(warnings).toEqual([expect.stringMatching(warning)]);
  expect(problems.length).toBeGreaterThan(0);
  for (const spelling of [password, encodeURIComponent(password), Buffer.from(password).toString('base64')]) {
    expect(everything).not.toContain(spelling);
  }
}

/** Unique, as a call that hits tells nothing about a failure. */
function idMaker(): (count: number, prefix?: string) => string[] {
  let made = 0;
  return (count, prefix = 'id') => Array.from({ length: count }, () => `${prefix}-${++made}`);
}

export async function untilItHits(caller: Caller, id = ''): Promise<void> {
  await until('A second call is a hit', async () => (await caller.inTurn(id, id))[1]?.runs === 0, recoversWithinMs);
}

export async function read(caller: Caller, id: string): Promise<string | undefined> {
  return (await caller.inTurn(id))[0]?.value;
}

function slowest(calls: readonly CallReport[]): number {
  return Math.max(...calls.map(({ ms }) => ms));
}

/** Nothing that would keep the process alive. */
async function expectNothingLeft(caller: Caller): Promise<void> {
  let left: string[] = [];
  const isNothingLeft = async (): Promise<boolean> => (left = await caller.resources()).length === 0;
  await until('Nothing is left', isNothingLeft, slackMs).catch(() => undefined);
  expect(left).toEqual([]);
}

/** Ends by itself, with nothing printed but the one warning of each situation in which somebody has to change something. */
async function expectQuietEnd(caller: Caller, situations: readonly Situation[]): Promise<void> {
  const { code, output, ms } = await caller.end();
  const misconfigurations = situations.flatMap(({ misconfiguration = [] }) => misconfiguration);
  const warnings = misconfigurations.map(({ warning }) => expect.stringMatching(warning));
  expect({ code, lines: linesOf(output) }).toEqual({ code: 0, lines: warnings });
  expect(ms).toBeLessThan(slackMs + slackMs);
}

/** Without Node's advice how to find a warning. */
function linesOf(output: string): string[] {
  return output.split('\n').filter((line) => line !== '' && !line.startsWith('(Use `node --trace-warnings'));
}

function commonSituations(kind: Kind): Situation[] {
  return [
    { title: 'was never up', begin: () => beginDead(kind) },
    {
      title: 'is killed',
      begin: () => begin(kind, (server) => ({ fail: () => server.kill(), recover: () => server.restart() })),
    },
    {
      title: 'is restarted empty',
      isBrief: true,
      begin: () => begin(kind, (server) => ({ fail: () => server.restart(), recover: () => {} })),
    },
    {
      title: 'is frozen',
      isSilent: true,
      begin: () => begin(kind, (server) => ({ fail: () => server.freeze(), recover: () => server.thaw() })),
    },
    ...(['fin', 'reset', 'rubbish', 'silent'] as const).map((fault) => ({
      title: {
        fin: 'closes each connection',
        reset: 'resets each connection',
        rubbish: 'answers rubbish',
        silent: 'accepts and says nothing',
      }[fault],
      isSilent: fault === 'silent',
      begin: () => beginFaulty(kind, fault),
    })),
  ];
}

type Fate = Pick<Patient, 'fail' | 'recover'>;

async function begin(kind: Kind, fate: (server: TestServer) => Fate): Promise<Patient> {
  const server = await kind.start({});
  return { uri: server.uri, failsAtOnce: false, ...fate(server), stop: () => server.stop() };
}

/** `uri` with this user and password. */
export function withLogin(uri: string, user: string, password: string): string {
  return uri.replace('://', `://${user}:${encodeURIComponent(password)}@`);
}

/** A host that no server for names knows, by the standard. */
export function unknownHost(scheme: string): Situation {
  const password = 'h0st/p@ss wörd';
  return {
    title: 'is on a host that nobody knows',
    misconfiguration: { warning: /nosuch\.invalid.*(ENOTFOUND|EAI_AGAIN)/, password },
    begin: async () => ({
      uri: withLogin(`${scheme}://nosuch.invalid`, 'user', password),
      failsAtOnce: true,
      fail: () => {},
      stop: async () => {},
    }),
  };
}

async function beginDead(kind: Kind): Promise<Patient> {
  const port = await freePort();
  return replacedBy(kind, port, async () => {});
}

async function beginFaulty(kind: Kind, fault: Fault): Promise<Patient> {
  const faulty = await startFaultyServer(fault);
  return replacedBy(kind, faulty.port, () => faulty.stop());
}

/** A healthy server comes up where there was none, or another. */
export function replacedBy(kind: Kind, port: number, stop: () => Promise<unknown>): Patient {
  let server: TestServer | undefined;
  return {
    uri: kind.uri(port),
    failsAtOnce: true,
    fail: () => {},
    recover: async () => {
      await stop();
      server = await kind.start({ port });
    },
    stop: () => (server ? server.stop() : stop()),
  };
}
