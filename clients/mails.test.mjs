// The HTML parts of the mails in a real browser: each kind in each language, in light and dark mode, on phones and desktops.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, test } from 'node:test';

import { checkAccessibility, close, fits, window } from './browser.mjs';
import { difference, joined, matchesStored } from './stored.mjs';

after(close);

const PREVIEWS = process.env.CLIENTS_MAIL_PREVIEWS ?? '';
assert.ok(PREVIEWS, 'CLIENTS_MAIL_PREVIEWS names the folder of the previews');

/** Names of the previews, such as `acme-reset-link-ar`. */
const names = (await readdir(PREVIEWS)).filter((file) => file.endsWith('.html')).map((file) => file.slice(0, -5));
assert.ok(names.length >= 42, `${names.length} previews`);

/** Widths of the smallest phone, of a mail program's column, and of a desktop, in CSS pixels. */
const WIDTHS = [320, 600, 1280];

for (const name of names.sort()) {
  const branded = name.startsWith('acme-');
  test(name, async () => {
    const html = await readFile(join(PREVIEWS, `${name}.html`), 'utf8');
    await window({}, async (page) => {
      for (const width of WIDTHS) {
        await page.setViewportSize({ width, height: 900 });
        for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
          await page.emulateMedia({ colorScheme });
          await page.setContent(html);
          await fits(page);
          const card = await page.locator('.card').boundingBox();
          assert.ok(card && card.width <= 560 && card.width >= Math.min(width - 32, 560), `${width}: ${card?.width}`);
          await checkLogo(page, branded, colorScheme);
          await checkSecret(page, card);
          const right = await page.locator('html').evaluate((root) => getComputedStyle(root).direction === 'rtl');
          assert.equal(right, name.endsWith('-ar'));
        }
      }
      await page.setViewportSize({ width: 320, height: 640 });
      await checkAccessibility(page, `${name}-phone`);
      await matchesStored(`mails/${name}`, await screenshots(page));
    });
  });
}

test('another accent, a missing button and a longer text differ from the stored screenshots', async () => {
  const html = await readFile(join(PREVIEWS, 'acme-reset-link-en.html'), 'utf8');
  await window({}, async (page) => {
    await page.setContent(html);
    const expected = await joined(await screenshots(page));
    assert.equal(await difference(expected, await joined(await screenshots(page))), undefined);
    for (const [from, to] of /** @type {const} */ ([
      [/#0f766e/g, '#b91c1c'],
      [/class="button"/g, 'class="button" hidden'],
      [/<h1([^>]*)>/, '<h1$1>A heading that is so long that it no longer fits on one line of the mail. '],
    ])) {
      const changed = html.replace(from, to);
      assert.notEqual(changed, html, `the mail has ${from}`);
      await page.setContent(changed);
      assert.ok(await difference(expected, await joined(await screenshots(page))), `${from} makes a difference`);
    }
  });
});

/**
 * Takes screenshots of a mail on a phone and on a desktop, in light and dark mode.
 * @param {import('playwright-core').Page} page
 */
async function screenshots(page) {
  const taken = [];
  for (const width of [360, 800]) {
    await page.setViewportSize({ width, height: 640 });
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      await page.emulateMedia({ colorScheme });
      taken.push(await page.screenshot({ fullPage: true }));
    }
  }
  return taken;
}

/**
 * Checks that the logo of the color scheme is shown, or the name if the brand has no logo.
 * @param {import('playwright-core').Page} page
 * @param {boolean} branded
 * @param {string} colorScheme
 */
async function checkLogo(page, branded, colorScheme) {
  const shown = await page.locator('img').evaluateAll((images) =>
    images
      .filter((image) => getComputedStyle(image).display !== 'none')
      .map((image) => {
        const { className, alt, naturalWidth, height } = /** @type {HTMLImageElement} */ (image);
        return { className, alt, loaded: naturalWidth > 0, height };
      }),
  );
  const logo = { className: colorScheme, alt: 'Acme', loaded: true, height: 40 };
  assert.deepEqual(shown, branded ? [logo] : []);
}

/**
 * Checks that the button is large enough to press, or that the code is copied without spaces.
 * @param {import('playwright-core').Page} page
 * @param {{ x: number, width: number }} card
 */
async function checkSecret(page, card) {
  const button = page.locator('.button a');
  if (await button.count()) {
    const box = await button.boundingBox();
    assert.ok(box && box.height >= 44 && box.width >= 44, `${box?.width} x ${box?.height}`);
    assert.ok(box.x >= card.x && box.x + box.width <= card.x + card.width, 'the button is inside the card');
    assert.equal(await button.count(), 1, 'a mail has one button');
    return;
  }
  const copied = await page.locator('td[dir=ltr]').evaluate((cell) => {
    const selection = getSelection();
    selection?.selectAllChildren(cell);
    const text = selection?.toString();
    selection?.removeAllRanges();
    return text;
  });
  assert.equal(copied, '482913');
}
