// A real browser, watched: what it logs, where it asks for anything, and what it tells others.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { BASE } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** Sent along at each start: nothing but what the pages make it do. */
const QUIET = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const SCREENSHOTS = process.env.CLIENTS_SCREENSHOTS;
const AXE = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: process.env.CLIENTS_CHROMIUM ?? '/usr/bin/chromium',
  args: QUIET,
});

export function close() {
  return browser.close();
}

/** A screen of a telephone, as many have it. */
export const PHONE = { width: 360, height: 740 };

/**
 * A page in a window of its own, without cookies. When `use` is through, nothing may have been logged as an error, nothing
 * asked of another origin, and no request may have said where it came from.
 * @param {import('playwright-core').BrowserContextOptions} options
 * @param {(page: Page, secrets: string[]) => Promise<void>} use `secrets` takes what no address may hold from then on
 * @param {string} origin where everything is asked of
 */
export async function window(options, use, origin = BASE) {
  const context = await browser.newContext({ locale: 'en-US', ...options });
  /** @type {string[]} */
  const complaints = [];
  /** @type {string[]} */
  const secrets = [];
  const page = await context.newPage();
  page.on('console', (message) => {
    // Chromium logs each answer of 400 and above; those are ours, and meant.
    const expected = /^Failed to load resource: the server responded with a status of [45]\d\d/;
    if (message.type() === 'error' && !expected.test(message.text())) complaints.push(message.text());
  });
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) complaints.push(`asked for ${url}`);
    if (request.headers()['referer']) complaints.push(`${request.headers()['referer']} as referer at ${url}`);
  });
  page.on('framenavigated', (frame) => {
    for (const secret of secrets) if (frame.url().includes(secret)) complaints.push(`${frame.url()} has a secret`);
  });
  page.setDefaultTimeout(15_000);
  try {
    await use(page, secrets);
    assert.deepEqual(complaints, []);
  } finally {
    await context.close();
  }
}

/**
 * What went over the wire while `use` had the page, a line for each request: its address with secrets left out, the names of
 * the cookies and fields that it brought, and what its answer did. Scripts are off, so that nothing depends on how fast
 * somebody types.
 * @param {(page: Page, secrets: string[]) => Promise<void>} use
 */
export async function recorded(use) {
  const folder = await mkdtemp(join(tmpdir(), 'polyreset-'));
  const path = join(folder, 'network.har');
  await window({ javaScriptEnabled: false, recordHar: { path, content: 'omit' } }, use);
  const { log } = JSON.parse(await readFile(path, 'utf8'));
  await rm(folder, { recursive: true });
  return log.entries.map((/** @type {any} */ { request, response }) => {
    const address = request.url.slice(BASE.length).replace(/=[0-9a-f]{64,}/, '=…').replace(/=[0-9a-f]{16}$/, '=…');
    const cookies = request.cookies.map((/** @type {any} */ { name }) => name.replace(/[0-9a-f]{16}$/, '…')).join();
    const fields = request.postData?.params.map((/** @type {any} */ { name }) => name).join();
    const set = response.headers
      .filter((/** @type {any} */ { name }) => name.toLowerCase() === 'set-cookie')
      .flatMap((/** @type {any} */ { value }) => value.split('\n'))
      .map((/** @type {string} */ cookie) => `${/Max-Age=0;/.test(cookie) ? 'ends' : 'sets'} ${cookie.split('=')[0]?.replace(/[0-9a-f]{16}$/, '…')}`);
    const brought = [request.method, address, cookies && `with ${cookies}`, fields].filter(Boolean).join(' ');
    return [`${brought}: ${response.status}`, ...set].join(', ');
  });
}

/**
 * Holds the page against the guidelines, in light and in dark, and takes its picture.
 * @param {Page} page
 * @param {string} name
 */
export async function judge(page, name) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    // Scripts hear of it when the page is drawn.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    // By the browser's own channel: the page's policy would not let a script in.
    await page.evaluate(AXE);
    const grave = await page.evaluate(async () => {
      const { violations } = await /** @type {any} */ (globalThis).axe.run();
      return violations
        .filter((/** @type {any} */ { impact }) => impact === 'serious' || impact === 'critical')
        .map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`);
    });
    assert.deepEqual(grave, [], `${name}, ${colorScheme}`);
    await picture(page, `${name}-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/**
 * @param {Page} page
 * @param {string} name
 */
export async function picture(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/**
 * Goes to an element by the keyboard alone.
 * @param {Page} page
 * @param {import('playwright-core').Locator} element
 */
export async function reach(page, element) {
  await element.waitFor();
  for (let presses = 0; presses < 12; presses += 1) {
    await page.keyboard.press('Tab');
    if (await element.evaluate((one) => one === document.activeElement)) return;
  }
  assert.fail('twelve presses do not reach it');
}

/**
 * Nothing is cut off or has to be pushed sideways.
 * @param {Page} page
 */
export async function fits(page) {
  const wide = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
  assert.ok(wide <= 0, `${page.url()} is ${wide} pixels too wide`);
}
