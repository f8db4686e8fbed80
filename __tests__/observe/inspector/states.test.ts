/** What the page says of fleets that are in an odd state: told by hand, so that each can be had at will. */

import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Cache, createCache } from 'cachette';
import { createInspector, type InspectorOptions } from 'cachette/inspector';
import { type Browser, type Page } from 'playwright-core';
import {
  type Answered,
  type Answers,
  type Audit,
  insight,
  type LoadDistribution,
  type MethodStats,
  type Question,
  type Snapshot,
} from '../../../src/base/insight.js';
import type { Outcome } from '../../../src/base/events.js';
import { until } from '../../support/until.js';
import { memoryState, nothing, storeState } from '../../support/snapshots.js';
import { isLive, look, startBrowser } from './browser.js';

// A browser without a graphics card, beside other tests.
jest.setTimeout(60_000);

let browser: Browser;
let closing: (() => unknown)[];

beforeAll(async () => {
  browser = await startBrowser();
});

afterAll(() => browser.close());

beforeEach(() => {
  closing = [];
});

afterEach(async () => {
  for (const close of closing.reverse()) await close();
});

/** What the fleet answers; the tests change it. */
interface Fleet {
  snapshots: Snapshot[];
  audit: Audit;
  recent: Outcome[];
}

const noAudit: Audit = { findings: [], methods: {}, spanMs: 60_000, sampled: 1 };

/** So many loads, all of a time. */
function loaded(ms: number, times: number): LoadDistribution {
  return [[Math.floor(Math.log2(ms * 1_000) * 8), times]];
}

function methodOf(loads: LoadDistribution = [], more: Partial<MethodStats> = {}): MethodStats {
  const misses = loads.reduce((sum, [, times]) => sum + times, 0);
  const counted = { ...nothing.loads, count: misses, distribution: loads };
  return { ...nothing, calls: misses, misses, missesByReason: { absent: misses }, loads: counted, ...more };
}

function processOf(id: string, methods: Record<string, MethodStats> = {}, more: Partial<Snapshot> = {}): Snapshot {
  const [only = nothing] = Object.values(methods);
  return {
    process: { id, pid: 1, host: id, startedAt: 0 },
    namespace: 'shop',
    enabled: true,
    at: Date.now(),
    stats: { ...only, errors: 0, methods },
    stores: [memoryState],
    bus: { state: 'none', peers: 0 },
    ...more,
  };
}

/** A cache that says what `fleet` has, at the time that it is asked. */
function told(fleet: Fleet): Cache {
  const cache = createCache();
  closing.push(() => cache.close());
  const ask = (question: Question): Promise<readonly Answered<keyof Answers>[]> => {
    const now = Date.now();
    return Promise.resolve(
      fleet.snapshots.map((snapshot) => {
        const answer = question.topic === 'snapshot' ? { ...snapshot, at: now } : fleet[question.topic];
        return { process: snapshot.process, answer };
      }),
    );
  };
  jest.spyOn(cache[insight], 'ask').mockImplementation(ask);
  return cache;
}

/** The page, once it shows the fleet. */
async function shown(given: Partial<Fleet>, options?: InspectorOptions): Promise<{ page: Page; fleet: Fleet }> {
  const fleet = { snapshots: [processOf('one')], audit: noAudit, recent: [], ...given };
  const inspector = createInspector(told(fleet), options);
  const { url } = await inspector.listen();
  const { page, complaints } = await look(browser, url);
  closing.push(
    () => inspector.close(),
    () => expect(complaints.filter((complaint) => !complaint.includes('ERR_'))).toEqual([]),
    () => page.close(),
  );
  await isLive(page, fleet.snapshots.length);
  return { page, fleet };
}

/** Numbers and their units are held together by another space. */
const spaced = (text: string): string => text.replaceAll('\u00a0', ' ');

const kpi = async (page: Page, title: string): Promise<string> =>
  spaced(await page.locator('#kpis > div').filter({ hasText: title }).innerText());

async function column(page: Page, heading: string): Promise<string[]> {
  const at = (await page.locator('#methods thead tr:last-child th').allTextContents()).indexOf(heading);
  return (await page.locator(`#methods tbody tr > :nth-child(${at + 1})`).allInnerTexts()).map(spaced);
}

describe('load times', () => {
  it('are those of the last seconds, of all processes together', async () => {
    const { page, fleet } = await shown({
      snapshots: [
        processOf('one', { find: methodOf(loaded(2, 10_000)) }),
        processOf('two', { find: methodOf(loaded(2, 10_000)) }),
      ],
    });
    await until('it is known since the start', async () =>
      /2\.\d* ms\nsince the start/.test(await kpi(page, 'Load, p95')),
    );
    // of 100 new loads the slowest 10 are those of one process
    fleet.snapshots = [
      processOf('one', { find: methodOf([...loaded(2, 10_090)]) }),
      processOf('two', { find: methodOf([...loaded(2, 10_000), ...loaded(800, 10)]) }),
    ];
    await until('it shows', async () => /\n7\d\d ms\n2\.\d* ms since the start$/.test(await kpi(page, 'Load, p95')));
    expect(spaced((await page.locator('#loads').getAttribute('aria-label')) ?? '')).toMatch(
      /^Load time: p50 [12]\S* ms, p95 7\d\d ms/,
    );
    expect(await column(page, 'Load p95')).toEqual([expect.stringMatching(/^7\d\d ms$/)]);
    await until('it is over', async () => (await kpi(page, 'Load, p95')).endsWith('none just now'));
  });

  it('are right within a bucket of an eighth of an octave, also as differences', async () => {
    const { page } = await shown({});
    const found = await page.evaluate<(number | null)[]>(`import('./numbers.js').then(({ addLoads, percentile }) => {
      const bucket = (ms) => Math.floor(Math.log2(ms * 1000) * 8);
      const tally = (all) => [...all.reduce((map, ms) => map.set(bucket(ms), (map.get(bucket(ms)) ?? 0) + 1), new Map())];
      const before = Array.from({ length: 500 }, (_, i) => 5_000 + i);
      const lately = Array.from({ length: 1000 }, (_, i) => i + 1);
      const loads = new Map();
      addLoads(loads, tally([...before, ...lately]), tally(before));
      return [0.5, 0.95, 0.99].map((part) => percentile(loads, part)).concat(percentile(new Map(), 0.5));
    })`);
    for (const [i, exact] of [500, 950, 990].entries()) {
      expect((found[i] as number) / exact).toBeGreaterThan(0.91);
      expect((found[i] as number) / exact).toBeLessThan(1.1);
    }
    expect(found[3]).toBeNull();
  });

  it('tell how many loads failed, in the table and of the method', async () => {
    const loads = { ...nothing.loads, count: 340, errors: 12, distribution: loaded(5, 340) };
    const { page } = await shown({ snapshots: [processOf('one', { find: methodOf([], { calls: 400, loads }) })] });
    expect(await column(page, 'Failed')).toEqual(['12 · 3.5 %']);
    await page.getByRole('button', { name: 'find' }).click();
    await page.locator('#facts').getByText('12, 3.5 % of them').waitFor();
  });
});

describe('a process', () => {
  it('that is late is shown as it was for some seconds, and then no more', async () => {
    const both = [
      processOf('one', { find: methodOf(loaded(1, 10)) }),
      processOf('two', { find: methodOf(loaded(1, 10)) }),
    ];
    const { page, fleet } = await shown({ snapshots: both });
    fleet.snapshots = both.slice(0, 1);
    await page.locator('#tiers .mark').getByText('late').waitFor();
    expect(await column(page, 'Calls')).toEqual(['20']);
    await isLive(page, 2);
    await isLive(page, 1);
    expect(await column(page, 'Calls')).toEqual(['10']);
  });

  it('that is looked at and goes is told of, and all are shown', async () => {
    const { page, fleet } = await shown({ snapshots: [processOf('one'), processOf('two')] });
    await page.getByLabel('Process').selectOption('two');
    fleet.snapshots = [processOf('one')];
    await page.getByText('two:1 two does not answer any more: all processes are shown.').waitFor();
    expect(await page.getByLabel('Process').inputValue()).toBe('');
  });

  it('without a bus over a shared store is said to be seen alone', async () => {
    const stores = [storeState('memcached://127.0.0.1:11211')];
    const { page } = await shown({ snapshots: [processOf('one', {}, { stores })] });
    await page.getByText('this process only: memcached has no bus').waitFor();
  });
});

describe('what is off', () => {
  it('is the cache, which is said at once', async () => {
    const { page } = await shown({ snapshots: [processOf('one', {}, { enabled: false }), processOf('two')] });
    await page.getByText('The cache is off in 1 of 2 processes').waitFor();
  });

  it('is the counting, so that there are no numbers and no charts of nothing', async () => {
    const { page } = await shown({ snapshots: [processOf('one', { find: nothing }, { counted: false })] });
    await page.getByText('Counting is off').waitFor();
    expect(await page.locator('#traffic').isVisible()).toBe(false);
    expect(await page.locator('#methods').isVisible()).toBe(false);
    expect(await kpi(page, 'Calls per second')).toBe('Calls per second\n–\n–');
  });
});

describe('many methods', () => {
  it('are searched, in a table of its own height behind what could be better, and those left out are told', async () => {
    const methods = Object.fromEntries(
      Array.from({ length: 200 }, (_, i) => [`Service.m${i}`, methodOf(loaded(1, 1))]),
    );
    const snapshot = processOf('one', methods, { methodsLeftOut: 50 });
    const stats = { ...snapshot.stats, calls: 250 };
    const { page } = await shown({ snapshots: [{ ...snapshot, stats }] });
    await page.getByText('50 methods with fewer calls are not listed').waitFor();
    expect(await kpi(page, 'Calls per second')).toContain('250 calls in all');
    const height = await page.locator('#methods-scroll').evaluate((element) => element.clientHeight);
    expect(height).toBeLessThan(700);
    const tops = await Promise.all(['#findings-panel', '#methods-panel'].map((id) => page.locator(id).boundingBox()));
    expect(tops[0]?.y).toBeLessThan(tops[1]?.y ?? 0);
    await page.getByLabel('Filter methods by name').fill('m19');
    await page.getByText('11 of 200 methods').waitFor();
    expect(await page.locator('#methods tbody tr').count()).toBe(11);
    await page.getByLabel('Filter methods by name').fill('none');
    await page.getByText('No method has that in its name.').waitFor();
  });

  it('are found by the keyboard, never behind a bar that stays', async () => {
    const methods = Object.fromEntries(Array.from({ length: 60 }, (_, i) => [`Service.m${i}`, methodOf(loaded(1, 1))]));
    const { page } = await shown({ snapshots: [processOf('one', methods)] });
    await page.locator('#methods tbody button').last().focus();
    for (let i = 0; i < 45; i++) {
      await page.keyboard.press('Shift+Tab');
      const isSeen = await page.evaluate<boolean>(`(() => {
        const { left, top, height } = document.activeElement.getBoundingClientRect();
        return document.activeElement.contains(document.elementFromPoint(left + 3, top + height / 2));
      })()`);
      expect([i, isSeen]).toEqual([i, true]);
    }
  });
});

describe('a method', () => {
  const find = methodOf(loaded(5, 500), { calls: 1_000, hits: 500, hitRate: 0.5 });
  const byTtl = [1_000, 60_000, 600_000].map((ttlMs, i) => ({ ttlMs, maxEntries: 100, hitRate: 0.3 + i / 10 }));
  const policies = {
    find: { ttlMs: 60_000, sliding: true, staleWhileRevalidateMs: 5_000, staleIfErrorMs: 0, tagKinds: ['product'] },
  };
  const outcome: Outcome = {
    status: 'hit',
    method: 'find',
    key: 'shop:1:find:1',
    tier: 'memory',
    reason: 'fresh',
    tags: ['product:1'],
    ageMs: 5,
    durationMs: 0,
    errorType: undefined,
  };
  const miss: Outcome = {
    ...outcome,
    status: 'miss',
    reason: 'invalidated: product:2',
    key: "shop:1:find:'2'",
    tier: undefined,
  };
  const auditWith = (expectedHitRate: number): Audit => ({
    ...noAudit,
    methods: {
      find: { hitRate: 0.5, expectedHitRate, trusted: Math.abs(expectedHitRate - 0.5) < 0.1, byTtl, bySize: [] },
    },
  });

  async function opened(given: Partial<Fleet> = {}): Promise<{ page: Page; fleet: Fleet }> {
    const seen = await shown({
      snapshots: [processOf('one', { find }, { policies })],
      audit: auditWith(0.45),
      recent: [miss, outcome],
      ...given,
    });
    await seen.page.getByRole('button', { name: 'find' }).click();
    await seen.page.locator('#recent tbody tr').first().waitFor();
    return seen;
  }

  it('has its options, its curve with the present ttl, and what each reason means', async () => {
    const { page } = await opened();
    expect(spaced(await page.locator('#detail-policy').innerText())).toBe(
      'ttl 1 min, sliding · stale while it revalidates: 5 s · tags: product:…',
    );
    await page.locator('#by-ttl canvas').waitFor();
    expect(spaced((await page.locator('#by-ttl').getAttribute('aria-label')) ?? '')).toMatch(
      /^Miss rate by ttl: .*; ttl now 1 min$/,
    );
    expect(await page.locator('#reasons').innerText()).toMatch(/absent\n.*\n.*never written/);
    expect(await page.getByRole('button', { name: 'find', exact: true }).getAttribute('aria-expanded')).toBe('true');
  });

  it('has no curve where the recording does not explain what was measured', async () => {
    const { page } = await opened({ audit: auditWith(0.35) });
    await page
      .getByText('the recording does not explain what was measured. It expects 65.0 % misses, not 50.0 %')
      .waitFor();
    expect(await page.locator('#by-ttl').isVisible()).toBe(false);
  });

  it('has its misses alone, and stands still when told to', async () => {
    const { page, fleet } = await opened();
    const rows = page.locator('#recent tbody tr');
    expect(await rows.count()).toBe(2);
    await page.getByLabel('only misses').check();
    expect(await rows.allInnerTexts()).toEqual([expect.stringContaining('invalidated: product:2')]);
    await page.getByLabel('only misses').uncheck();
    await page.getByRole('button', { name: 'Pause' }).click();
    fleet.recent = [];
    await page.waitForTimeout(2_500);
    expect(await rows.count()).toBe(2);
    await page.getByRole('button', { name: 'Pause' }).click();
    await page.getByText('No call since this was opened.').waitFor();
  });

  it('keeps its rows while somebody selects in them', async () => {
    const { page, fleet } = await opened();
    await page.locator('#recent .tags').first().selectText();
    const selected = await page.evaluate<string>('String(getSelection())');
    fleet.recent = [miss, miss, outcome];
    await page.getByText('held while you are in it').waitFor();
    expect(await page.evaluate<string>('String(getSelection())')).toBe(selected);
    await page.evaluate('getSelection().removeAllRanges()');
    await until('it goes on', async () => (await page.locator('#recent tbody tr').count()) === 3);
  });

  it('tells how to ask why, with the key of a call', async () => {
    const stores = [storeState('redis://127.0.0.1:6379')];
    const { page } = await opened({
      snapshots: [processOf('one', { find }, { policies, stores, bus: { state: 'idle', peers: 0 } })],
    });
    await page.context().grantPermissions(['clipboard-read', 'clipboard-write']);
    await page.getByRole('button', { name: "Copy the key shop:1:find:'2'" }).click();
    await page.getByText('npx cachette explain redis://127.0.0.1:6379 "shop:1:find:\'2\'"').waitFor();
    expect(await page.evaluate('navigator.clipboard.readText()')).toBe("shop:1:find:'2'");
  });

  it('of a store without a URI is not to be asked for on the command line', async () => {
    const { page } = await opened();
    expect(await page.locator('.why-line').innerText()).toContain('cache.explain');
    expect(await page.locator('#command').isVisible()).toBe(false);
  });

  it('is closed by Escape, but not from a field', async () => {
    const { page } = await opened();
    await page.getByLabel('Process').focus();
    await page.keyboard.press('Escape');
    expect(await page.locator('#detail').isVisible()).toBe(true);
    await page.locator('#detail-title').focus();
    await page.keyboard.press('Escape');
    expect(await page.locator('#detail').isVisible()).toBe(false);
  });

  it('whose name cannot be seen is written out, and turns nothing round', async () => {
    const name = '\u202eevil\u0000\u200b';
    const { page } = await shown({ snapshots: [processOf('one', { [name]: find })] });
    const button = page.getByRole('button', { name: '\\u202eevil\\u0000\\u200b' });
    expect(await button.textContent()).toBe('\\u202eevil\\u0000\\u200b');
    expect(await page.evaluate(`getComputedStyle(document.querySelector('#methods tbody button')).unicodeBidi`)).toBe(
      'isolate',
    );
    await button.click();
    await page.locator('#recent-empty').waitFor();
    expect(await page.locator('#detail-title').textContent()).toBe('\\u202eevil\\u0000\\u200b');
  });
});

describe('the connection', () => {
  it('is made again where the server says nothing for ten seconds', async () => {
    const inspector = createInspector(told({ snapshots: [processOf('one')], audit: noAudit, recent: [] }));
    closing.push(() => inspector.close());
    let streams = 0;
    const url = await listening(
      createServer((request, response) => {
        const isFirst = request.url === '/api/stream' && ++streams === 1;
        if (!isFirst) return inspector.handler(request, response);
        response.writeHead(200, { 'Content-Type': 'text/event-stream' }).write(': watching\n\n');
      }),
    );
    const { page } = await look(browser, url);
    closing.push(() => page.close());
    await page.locator('#connection').getByText('connection lost').waitFor({ timeout: 15_000 });
    await isLive(page, 1);
    expect(streams).toBe(2);
  });

  it('to another server asks again what may be done, and for its audit', async () => {
    const first = createInspector(told({ snapshots: [processOf('one')], audit: noAudit, recent: [] }), {
      invalidationToken: '0123456789abcdef',
    });
    const finding = {
      code: 'mismatches',
      method: 'find',
      what: 'of the second',
      change: 'it',
      gain: undefined,
    } as const;
    const audit = { ...noAudit, findings: [finding] };
    const second = createInspector(told({ snapshots: [processOf('two')], audit, recent: [] }));
    let now = first;
    const url = await listening(createServer((request, response) => now.handler(request, response)));
    const { page } = await look(browser, url);
    closing.push(() => page.close());
    await page.locator('#invalidate').waitFor();
    await page.getByLabel('Process').selectOption('one');
    now = second;
    await first.close();
    await page.getByText('Of the second').waitFor();
    await page.locator('#invalidate').waitFor({ state: 'hidden' });
    await page.getByText('one:1 one does not answer any more').waitFor();
    closing.push(() => second.close());
  });

  it('is announced only where its state lasts', async () => {
    const { page } = await shown({});
    const announcement = page.locator('#announcement');
    expect(await announcement.textContent()).toBe('');
    await announcement.getByText('The connection: live, 1 process').waitFor({ state: 'attached' });
  });
});

describe('behind the form for the token', () => {
  it('there is nothing else, also when another token is wanted later', async () => {
    const { page } = await shown({});
    expect(await page.locator('#token-form').isVisible()).toBe(false);
    const inspector = createInspector(told({ snapshots: [processOf('one')], audit: noAudit, recent: [] }), {
      token: '0123456789abcdef',
    });
    closing.push(() => inspector.close());
    const { page: asking } = await look(browser, (await inspector.listen()).url);
    closing.push(() => asking.close());
    await asking.locator('#token-form').waitFor();
    expect(await asking.locator('main').innerText()).toMatch(/^This inspector wants a token/);
    for (const id of ['kpis', 'methods', 'tiers', 'process', 'findings-title'])
      expect([id, await asking.locator(`#${id}`).isVisible()]).toEqual([id, false]);
  });
});

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closing.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
