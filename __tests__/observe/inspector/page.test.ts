/** The inspector's page in a real browser, before two processes that are really called. */

import { createCache } from 'cachette';
import { createInspector } from 'cachette/inspector';
import { type Browser, type Page } from 'playwright-core';
import { until } from '../../support/until.js';
import { isLive, look, pictures, startBrowser, type Watched } from './browser.js';
import { hostile, hostileTag, openShop, type Shop } from './shop.js';

const invalidationToken = 'only-for-those-who-may';

// A browser without a graphics card, beside other tests.
jest.setTimeout(60_000);

let browser: Browser;
let shop: Shop;
let served: { readonly url: string; close(): Promise<void> };
let watched: Watched;
let page: Page;

beforeAll(async () => {
  shop = openShop();
  browser = await startBrowser();
  served = await createInspector(shop.caches[0], { invalidationToken }).listen({ port: 0 });
  shop.drive();
  // A hit rate that the audit can say something about.
  await new Promise((resolve) => setTimeout(resolve, 6_000));
}, 30_000);

afterAll(async () => {
  await browser.close();
  await served.close();
  await shop.close();
});

beforeEach(async () => {
  watched = await look(browser, served.url);
  page = watched.page;
  await isLive(page, 2);
});

afterEach(async () => {
  expect(watched.complaints).toEqual([]);
  await page.close();
});

const methodNames = (): Promise<string[]> => page.locator('#methods tbody button').allTextContents();

/** The column of a method, by its heading. */
async function cellOf(method: string, heading: string): Promise<string> {
  const headings = await page.locator('#methods thead tr:last-child th').allTextContents();
  const row = page.locator('#methods tbody tr').filter({ hasText: method });
  return (await row.locator('th, td').nth(headings.indexOf(heading)).textContent()) ?? '';
}

const callsShown = async (): Promise<number> => Number((await cellOf('Products.byId', 'Calls')).replaceAll(',', ''));

async function choose(label: RegExp | string): Promise<void> {
  const options = await page.locator('#process option').allTextContents();
  const chosen = options.find((option) => option.match(label));
  await page.getByLabel('Process').selectOption({ label: chosen ?? String(label) });
}

describe('its picture', () => {
  it('is taken', async () => {
    const isForDocs = process.env['UPDATE_SCREENSHOTS'] !== undefined;
    // Under jest an audit takes ten times as long as elsewhere: it is made early, so that lines run evenly afterwards.
    await page.waitForTimeout(isForDocs ? 12_000 : 2_500);
    await page.getByRole('button', { name: 'Audit again' }).click();
    await page.waitForTimeout(isForDocs ? 70_000 : 0);
    await page.setViewportSize({ width: 1120, height: 1_090 });
    await picture('light', 'light');
    await page.setViewportSize({ width: 1120, height: 720 });
    await picture('dark', 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await page.getByRole('button', { name: 'Products.byId' }).click();
    await page.locator('#by-ttl canvas').waitFor();
    await until('outcomes are shown', async () => (await page.locator('#recent tbody tr').count()) > 3);
    await page.getByLabel('only misses').check();
    await page.locator('#recent tbody tr').filter({ hasText: 'invalidated: ' }).nth(2).waitFor();
    await page.setViewportSize({ width: 1160, height: 1_400 });
    await page.waitForTimeout(300);
    for (const path of pictures('method')) await page.locator('#detail').screenshot({ path });
    await page.locator('#detail-title').focus();
    await page.keyboard.press('Escape');
    await page.setViewportSize({ width: 375, height: 812 });
    await page.evaluate('scrollTo(0, 0)');
    await picture('phone', 'light');
  }, 150_000);

  async function picture(name: string, colorScheme: 'light' | 'dark'): Promise<void> {
    await page.emulateMedia({ colorScheme });
    await page.waitForTimeout(300);
    for (const path of pictures(name)) await page.screenshot({ path });
  }
});

describe('the numbers', () => {
  it('are those of both processes together, and of each alone', async () => {
    const options = await page.locator('#process option').allTextContents();
    expect(options).toHaveLength(3);
    const alone: number[] = [];
    for (const option of options.slice(1)) {
      await page.getByLabel('Process').selectOption({ label: option });
      alone.push(await callsShown());
    }
    await choose('all processes');
    const together = await callsShown();
    expect(Math.min(...alone)).toBeGreaterThan(0);
    expect(together).toBeGreaterThanOrEqual((alone[0] as number) + (alone[1] as number));
    expect(together).toBeLessThan(2 * ((alone[0] as number) + (alone[1] as number)));
  });

  it('are drawn, and never anything but numbers', async () => {
    await page.locator('#traffic canvas').waitFor();
    await page.locator('#loads canvas').waitFor();
    await page
      .locator('#traffic .u-legend')
      .getByText(/^[\d.]+\s%$/)
      .waitFor();
    const words = await page.locator('body').innerText();
    expect(words).not.toMatch(/NaN|undefined|Infinity|null/);
    expect(await page.locator('#kpis dt').allTextContents()).toEqual([
      'Hit rate',
      'Calls per second',
      'Load, p95',
      'Time saved',
      'Entries',
    ]);
  });

  it('tell of the tiers and the bus of each process', async () => {
    const rows = await page.locator('#tiers tbody tr').allInnerTexts();
    expect(rows).toHaveLength(4);
    expect(rows.filter((row) => row.includes('memory') && row.includes('trusted, 1 peer'))).toHaveLength(2);
  });
});

describe('the methods', () => {
  it('are sorted by the keyboard, up and down', async () => {
    await page.locator('#methods thead button[data-sort=name]').focus();
    await page.keyboard.press('Enter');
    const head = page.locator('#methods thead tr:last-child th').first();
    expect(await head.getAttribute('aria-sort')).toBe('ascending');
    const ascending = await methodNames();
    expect(ascending).toEqual([...ascending].sort((a, b) => a.localeCompare(b)));
    await page.keyboard.press('Space');
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    expect(await methodNames()).toEqual(ascending.reverse());
    expect(await page.locator('[aria-sort]').count()).toBe(1);
  });

  it('open by the keyboard, tell their last calls, and give the focus back', async () => {
    const button = page.getByRole('button', { name: 'Prices.of' });
    await button.focus();
    await page.keyboard.press('Enter');
    expect(await page.locator('#detail-title:focus').textContent()).toBe('Prices.of');
    const rows = page.locator('#recent tbody tr');
    await until('outcomes are shown', async () => (await rows.count()) > 3);
    const words = await page.locator('#recent tbody').innerText();
    expect(words).toMatch(/hit\tfresh\tmemory/);
    expect(words).toMatch(/miss\t(absent|expired)/);
    expect(words).toContain('price:10');
    expect(await page.locator('#reasons li').allInnerTexts()).not.toHaveLength(0);
    await page.locator('#by-ttl canvas').waitFor();
    await page.keyboard.press('Escape');
    expect(await page.locator('#detail').isVisible()).toBe(false);
    expect(await page.locator('#methods tbody button:focus').textContent()).toBe('Prices.of');
  });

  it('and their tags stay text, whatever their names are', async () => {
    await shop.harm();
    await until('it is shown', async () => (await methodNames()).includes(hostile));
    await page.getByRole('button', { name: hostile }).click();
    await until('somebody is seen to look', async () => {
      await shop.harm();
      return (await page.locator('#recent tbody tr').count()) > 3;
    });
    const tags = await page.locator('#recent .tags').first().textContent();
    expect(tags).toContain(hostile.replaceAll(' ', '_'));
    expect(tags).toContain(hostileTag);
    expect(await page.locator('#detail-title').textContent()).toBe(hostile);
    expect(await page.locator('img, svg').count()).toBe(0);
  });
});

describe('the audit', () => {
  it('tells what could be better, again when asked again', async () => {
    await page.getByRole('button', { name: 'Audit again' }).click();
    await page.locator('#findings li').first().waitFor();
    const finding = page.locator('#findings li').filter({ hasText: 'ttl-too-short' }).first();
    expect(await finding.innerText()).toMatch(/%.+→.+%/);
    expect(await finding.locator('.change').innerText()).toMatch(/ttl/i);
    await page.getByText(/Audited at \d\d:\d\d:\d\d/).waitFor();
  });
});

describe('the form', () => {
  async function invalidate(tag: string, token: string): Promise<void> {
    await page.getByLabel('Tags, one a line').fill(tag);
    await page.getByLabel('Invalidation token').fill(token);
    await page.getByRole('button', { name: 'Invalidate' }).click();
  }

  it('makes the next call a miss', async () => {
    await shop.product(7);
    await shop.product(7);
    expect(shop.loads(7)).toBe(1);
    await invalidate('product:7\nproduct:8', invalidationToken);
    await page.getByText('Done: 2 tags invalidated.').waitFor();
    await shop.product(7);
    expect(shop.loads(7)).toBe(2);
  });

  it('invalidates nothing without the token', async () => {
    await shop.product(9);
    await invalidate('product:9', 'guessed');
    await page.getByText('Nothing was invalidated.').waitFor();
    await shop.product(9);
    expect(shop.loads(9)).toBe(1);
    watched.complaints.length = 0; // the browser tells of each refusal in its console
  });
});

describe('a cache of memory alone', () => {
  it('says in words what there is not yet, and has curves by size later', async () => {
    const cache = createCache('memory://?maxEntries=50');
    const inspector = createInspector(cache);
    const { page: alone, complaints } = await look(browser, (await inspector.listen()).url);
    await isLive(alone, 1);
    await alone.getByText('No cached method has been called yet.').waitFor();
    await alone.getByText('Nothing recorded yet.').waitFor();
    const square = cache.wrap('square', async (n: number) => n * n, { ttl: '1h' });
    for (let i = 0; i < 4_000; i++) await square((i * i) % 97);
    await alone.getByRole('button', { name: 'square' }).click();
    await alone.locator('#by-size canvas').waitFor();
    expect(await alone.locator('body').innerText()).not.toMatch(/NaN|undefined|Infinity|null/);
    expect(complaints).toEqual([]);
    await alone.close();
    await inspector.close();
    await cache.close();
  });
});

describe('with a token', () => {
  const token = 'only-for-those-who-read';

  async function give(to: Page, text: string): Promise<void> {
    await to.getByLabel('Token', { exact: true }).fill(text);
    await to.getByRole('button', { name: 'Show the cache' }).click();
  }

  it('the page asks until it has the right one, and only once in a tab', async () => {
    const guarded = await createInspector(shop.caches[0], { token }).listen();
    const { page: asking, complaints } = await look(browser, guarded.url);
    expect(await asking.locator('#methods tbody tr').count()).toBe(0);
    await give(asking, 'guessed');
    await asking.getByText('That token was not the right one.').waitFor();
    await give(asking, token);
    await isLive(asking, 2);
    await asking.reload();
    await isLive(asking, 2);
    expect(await asking.locator('#token-form').isVisible()).toBe(false);
    expect(await asking.locator('#invalidate').isVisible()).toBe(false);
    expect(complaints.filter((complaint) => !complaint.includes('401'))).toEqual([]);
    await asking.close();
    await guarded.close();
  });
});

describe('a server that goes', () => {
  it('is told, and connected to when it comes back', async () => {
    const inspector = createInspector(shop.caches[0]);
    const first = await inspector.listen();
    const { page: following } = await look(browser, first.url);
    await isLive(following, 2);
    await first.close();
    await following.locator('#connection[data-state=lost]').waitFor();
    const again = await inspector.listen({ port: Number(new URL(first.url).port) });
    await following.locator('#connection[data-state=live]').waitFor();
    await following.close();
    await again.close();
  });
});

describe('the page', () => {
  it('has other colours in the dark, charts too', async () => {
    await page.locator('#loads canvas').waitFor();
    const background = (selector: string): Promise<string> =>
      page.evaluate(`getComputedStyle([...document.querySelectorAll('${selector}')].at(-1)).backgroundColor`);
    const [body, line] = ['body', '#loads .u-marker'];
    await page.emulateMedia({ colorScheme: 'light' });
    const light = [await background(body), await background(line)];
    await page.emulateMedia({ colorScheme: 'dark' });
    expect(await background(body)).not.toBe(light[0]);
    await until('lines have other colours', async () => (await background(line)) !== light[1]);
  });

  it('fits a phone, with a method opened too', async () => {
    await page.setViewportSize({ width: 375, height: 800 });
    await page.getByRole('button', { name: 'Products.byId' }).click();
    await page.locator('#by-ttl canvas').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(375);
  });
});
