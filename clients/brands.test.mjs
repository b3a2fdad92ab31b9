// The hosted pages of a demo that previews a brand of `docs/brands`. Leaves screenshots, and checks that the brand is shown.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PHONE, close, checkAccessibility, fits, screenshot, window } from './browser.mjs';
import { BASE } from './deployment.mjs';
import { matchesStored } from './stored.mjs';

after(close);

const BRAND = process.env.CLIENTS_BRAND ?? '';

test(`the pages of ${BRAND} show its logo, are accessible and fit on a phone`, async () => {
  assert.ok(BRAND, 'CLIENTS_BRAND names the brand');
  await window({}, async (page) => {
    await page.goto(`${BASE}/forgot`);
    const logo = page.locator('img.logo');
    assert.ok(await logo.evaluate((image) => /** @type {HTMLImageElement} */ (image).naturalWidth > 0));
    const light = await logo.evaluate((image) => /** @type {HTMLImageElement} */ (image).currentSrc);
    await checkAccessibility(page, `brand-${BRAND}-forgot`);
    await matchesStored(`brands/${BRAND}-forgot`, await inBothSchemes(page));
    await page.emulateMedia({ colorScheme: 'dark' });
    const dark = await logo.evaluate((image) => /** @type {HTMLImageElement} */ (image).currentSrc);
    assert.notEqual(dark, light);
    await page.emulateMedia({ colorScheme: 'light' });
    await page.locator('#email').fill('alice@example.com');
    await page.locator('button[type=submit]').click();
    await page.locator('strong.address').waitFor();
    await checkAccessibility(page, `brand-${BRAND}-sent`);
    await page.goto(`${BASE}/reset`);
    await checkAccessibility(page, `brand-${BRAND}-code`);
  });
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    await page.goto(`${BASE}/reset`);
    await screenshot(page, `brand-${BRAND}-phone`);
    await fits(page);
    await matchesStored(`brands/${BRAND}-code-phone`, await inBothSchemes(page));
  });
});

/**
 * Takes screenshots in light and dark mode.
 * @param {import('playwright-core').Page} page
 */
async function inBothSchemes(page) {
  const taken = [];
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    await page.locator('img.logo').evaluate((image) => /** @type {HTMLImageElement} */ (image).decode());
    taken.push(await page.screenshot({ fullPage: true, caret: 'hide' }));
  }
  await page.emulateMedia({ colorScheme: 'light' });
  return taken;
}
