// Drives Chromium, and checks its console messages, its requests and the URLs it shows.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { mkdir, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

import { BASE } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** Flags that disable background traffic, so that every request comes from a page. */
const FLAGS = [
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
  args: FLAGS,
});

export function close() {
  return browser.close();
}

/** A common phone screen. */
export const PHONE = { width: 360, height: 740 };

/**
 * Opens a page in a new browser context, without cookies. Fails if, while `use` runs, the console logs an error, a request
 * goes to another origin, or a request has a `Referer`.
 * @param {import('playwright-core').BrowserContextOptions} options
 * @param {(page: Page, secrets: string[]) => Promise<void>} use adds to `secrets` what no later URL may contain
 * @param {string} origin the only allowed origin of requests
 */
export async function window(options, use, origin = BASE) {
  const context = await browser.newContext({ locale: 'en-US', ...options });
  /** @type {string[]} */
  const faults = [];
  /** @type {string[]} */
  const secrets = [];
  const page = await context.newPage();
  page.on('console', (message) => {
    // Chromium logs every response with a status of 400 or above; the tests expect those.
    const expected = /^Failed to load resource: the server responded with a status of [45]\d\d/;
    if (message.type() === 'error' && !expected.test(message.text())) faults.push(message.text());
  });
  page.on('pageerror', (error) => faults.push(String(error)));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(`${origin}/`) && !url.startsWith('data:')) faults.push(`request to ${url}`);
    if (request.headers()['referer']) faults.push(`Referer ${request.headers()['referer']} sent to ${url}`);
  });
  page.on('framenavigated', (frame) => {
    for (const secret of secrets) if (frame.url().includes(secret)) faults.push(`${frame.url()} contains a secret`);
  });
  page.setDefaultTimeout(15_000);
  try {
    await use(page, secrets);
    assert.deepEqual(faults, []);
  } finally {
    await context.close();
  }
}

/**
 * Records the requests while `use` runs, one line per request: its URL without secrets, the names of its cookies and fields,
 * the status of the response, and the cookies that it sets or ends. Scripts are off, so that the result does not depend on
 * typing speed.
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
    const sent = [request.method, address, cookies && `with ${cookies}`, fields].filter(Boolean).join(' ');
    return [`${sent}: ${response.status}`, ...set].join(', ');
  });
}

/**
 * Checks the accessibility of the page in light and dark mode, and takes screenshots.
 * @param {Page} page
 * @param {string} name
 */
export async function checkAccessibility(page, name) {
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    // Scripts notice the change of the color scheme on the next frame.
    await page.evaluate(() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))));
    // Injected through the debugging protocol, because the page's content security policy blocks scripts.
    await page.evaluate(AXE);
    const findings = await page.evaluate(async () => {
      const { violations } = await /** @type {any} */ (globalThis).axe.run();
      return violations
        .filter((/** @type {any} */ { impact }) => impact === 'serious' || impact === 'critical')
        .map((/** @type {any} */ { id, nodes }) => `${id}: ${nodes.map((/** @type {any} */ node) => node.html).join(' ')}`);
    });
    assert.deepEqual(findings, [], `${name}, ${colorScheme}`);
    await screenshot(page, `${name}-${colorScheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
}

/**
 * Takes a screenshot if `CLIENTS_SCREENSHOTS` is set.
 * @param {Page} page
 * @param {string} name
 */
export async function screenshot(page, name) {
  if (!SCREENSHOTS) return;
  await mkdir(SCREENSHOTS, { recursive: true });
  await page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
}

/**
 * Moves the focus to an element with the Tab key.
 * @param {Page} page
 * @param {import('playwright-core').Locator} element
 * @param {number} most maximum number of presses
 */
export async function reach(page, element, most = 12) {
  await element.waitFor();
  for (let presses = 0; presses < most; presses += 1) {
    await page.keyboard.press('Tab');
    if (await element.evaluate((one) => one === document.activeElement)) return;
  }
  assert.fail(`${most} presses of Tab do not reach the element`);
}

/**
 * Checks that the page needs no horizontal scrolling.
 * @param {Page} page
 */
export async function fits(page) {
  const excess = await page.locator('html').evaluate((html) => html.scrollWidth - html.clientWidth);
  assert.ok(excess <= 0, `${page.url()} is ${excess} pixels too wide`);
}
