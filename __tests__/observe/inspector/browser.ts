/** A real browser that looks at an inspector, and tells of everything that it complains about. */

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { findBinary, repositoryRoot } from '../../support/find-binary.js';

const args = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A page, and what it has complained about: console errors, exceptions, refusals of the security policy. */
export interface Watched {
  readonly page: Page;
  readonly complaints: string[];
}

export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: findBinary('chromium').path, args });
}

export async function look(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Watched> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 860 }, reducedMotion: 'reduce', ...options });
  const complaints: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('dialog', (dialog) => {
    complaints.push(`a dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  await page.goto(url);
  return { page, complaints };
}

/** Resolves when the page says that so many processes have told. */
export async function isLive(page: Page, processes: number): Promise<void> {
  const words = `live, ${processes} process${processes === 1 ? '' : 'es'}`;
  await page.locator('#connection').getByText(words, { exact: true }).waitFor();
}

/** Where pictures go: always to `.artifacts`, to the documentation where that is asked for. */
export function pictures(name: string): string[] {
  const folders = ['.artifacts/inspector/', ...(process.env['UPDATE_SCREENSHOTS'] ? ['docs/images/inspector-'] : [])];
  return folders.map((folder) => {
    const path = join(repositoryRoot(), `${folder}${name}.png`);
    mkdirSync(join(path, '..'), { recursive: true });
    return path;
  });
}
