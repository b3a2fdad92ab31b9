// `serve --demo` in a real browser: the tour from the request to the sign-in with the new password.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PHONE, close, fits, checkAccessibility, screenshot, reach, window } from './browser.mjs';
import { BASE, PASSWORD } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

after(close);

const ALICE = 'alice@example.com';

/**
 * Requests a reset on the start page, and opens the resulting mail.
 * @param {Page} page
 * @param {string} dialect
 * @param {() => Promise<void>} inspect runs on the page that shows request and response
 */
async function requestMail(page, dialect, inspect = async () => {}) {
  await page.goto(`${BASE}/`);
  await page.getByRole('link', { name: dialect, exact: true }).click();
  await page.getByLabel('Account', { exact: true }).selectOption(ALICE);
  await page.getByRole('button', { name: 'Request a reset' }).click();
  await page.getByRole('heading', { name: `Reset request via ${dialect}` }).waitFor();
  const response = await page.locator('pre').nth(1).innerText();
  assert.match(response, /^20[02] (OK|Accepted)\n[^]*X-Reset-Reference: [0-9A-Z]{10}\n/);
  await inspect();
  await page.getByRole('link', { name: 'Open the mailbox' }).click();
  await openNewest(page, `to ${ALICE}, ${dialect}`);
}

/**
 * Reloads the mailbox until the newest mail contains `text`, and opens it.
 * @param {Page} page
 * @param {string} text
 */
async function openNewest(page, text) {
  const first = page.locator('ol.mails li').first();
  for (let attempts = 0; attempts < 100; attempts += 1) {
    if ((await first.count()) && (await first.innerText()).includes(text)) {
      await first.getByRole('link').click();
      await page.locator('iframe').waitFor();
      return;
    }
    await page.getByRole('link', { name: 'Refresh' }).click();
  }
  assert.fail(`no mail "${text}"`);
}

/**
 * Signs in on the last page of the tour, and returns the resulting heading.
 * @param {Page} page
 * @param {string} password
 */
async function signIn(page, password, email = ALICE) {
  await page.goto(`${BASE}/sign-in`);
  await page.getByLabel('Account', { exact: true }).selectOption(email);
  await page.getByLabel('Password', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  return page.locator('h1').innerText();
}

for (const [dialect, javaScriptEnabled] of /** @type {const} */ ([
  ['px0', true],
  ['worthai', false],
  ['Strapi', true],
  ['InsForge', false],
])) {
  test(`a reset by ${dialect} leads from the start page to a sign-in with the new password`, async () => {
    await window({ javaScriptEnabled }, async (page, secrets) => {
      await requestMail(page, dialect);
      await screenshot(page, `demo-mail-${dialect}`);
      const password = `${PASSWORD}-${dialect}`;
      const carry = page.getByRole('button', { name: 'Enter this code on the hosted page' });
      if (await carry.count()) {
        await carry.click();
        // Address and code are filled in, and neither is in the address bar.
        assert.equal(page.url(), `${BASE}/reset`);
        assert.equal(await page.locator('#email').inputValue(), ALICE);
        assert.match(await page.locator('#code').inputValue(), /^\d{6}$/);
      } else {
        const link = page.frameLocator('iframe').locator('a[href*="/reset"]').first();
        const secret = new URL((await link.getAttribute('href')) ?? '').search.split('=').at(-1);
        await link.click();
        await page.waitForURL(/\/reset\?by=link&link=[0-9a-f]{16}$/);
        assert.ok(secret);
        secrets.push(secret);
      }
      await page.locator('#password').fill(password);
      await page.getByRole('button', { name: 'Set password' }).click();
      await page.getByRole('heading', { name: 'Your new password is set' }).waitFor();
      await page.getByRole('link', { name: 'Go to sign in' }).click();
      await page.waitForURL(`${BASE}/sign-in`);
      assert.equal(await signIn(page, 'some other password'), 'Not signed in');
      assert.equal(await signIn(page, password), 'Signed in as Alice');
    });
  });
}

test('a reset on the hosted page is undone by the link in its notice', async () => {
  const bob = 'bob@example.com';
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await page.getByRole('link', { name: 'Hosted pages' }).click();
    await page.getByRole('link', { name: 'Open the hosted page' }).click();
    await page.locator('#email').fill(bob);
    await page.getByRole('button', { name: 'Send reset link' }).click();
    await page.getByRole('link', { name: 'Mailbox' }).click();
    await openNewest(page, `to ${bob}, Hosted pages`);
    await page.frameLocator('iframe').locator('a[href*="/reset"]').first().click();
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Set password' }).click();
    await page.getByRole('heading', { name: 'Your new password is set' }).waitFor();
    assert.equal(await signIn(page, PASSWORD, bob), 'Signed in as Bob');

    await page.getByRole('link', { name: 'Mailbox' }).first().click();
    await openNewest(page, 'password was changed');
    await screenshot(page, 'demo-notice');
    await page.frameLocator('iframe').locator('a[href*="/not-me"]').first().click();
    await page.getByRole('button', { name: "This wasn't me" }).click();
    await page.getByRole('heading', { name: 'The password was cancelled' }).waitFor();
    assert.equal(await signIn(page, PASSWORD, bob), 'Not signed in');
  });
});

test('the command is copied with one press', async () => {
  await window({ permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    await page.goto(`${BASE}/?dialect=px0`);
    await page.getByRole('button', { name: 'Copy as curl' }).first().click();
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(copied.startsWith(`curl -sS ${BASE}/v1/auth/password-reset/trigger `), copied);
  });
});

test('a resend counts down before it can be pressed', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/forgot`);
    await page.locator('#email').fill('nobody@example.com');
    await page.getByRole('button', { name: 'Send reset link' }).click();
    // The demo accepts another request after a moment, which is rounded up to a second.
    const resend = page.locator('button[data-wait="1"]');
    await resend.waitFor();
    await page.getByRole('button', { name: 'Resend', exact: true }).click();
    await page.getByRole('heading', { name: 'Check your inbox' }).waitFor();
  });
});

test('a request needs only the keyboard', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await reach(page, page.getByRole('link', { name: 'worthai' }), 20);
    await page.keyboard.press('Enter');
    await page.waitForURL(/dialect=worthai/);
    await reach(page, page.getByLabel('Account', { exact: true }), 24);
    await page.keyboard.press('End');
    await screenshot(page, 'demo-keyboard');
    await reach(page, page.getByRole('button', { name: 'Request a reset' }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Reset request via worthai' }).waitFor();
    assert.match(await page.locator('main').innerText(), /No account has this address/);
  });
});

test('every page of the demo is accessible in light and dark mode', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    for (const summary of await page.locator('main summary').all()) await summary.click();
    await checkAccessibility(page, 'demo-start');
    await page.goto(`${BASE}/?dialect=pages`);
    await checkAccessibility(page, 'demo-start-pages');
    await requestMail(page, 'InsForge', () => checkAccessibility(page, 'demo-asked'));
    await checkAccessibility(page, 'demo-mail');
    await page.goto(`${BASE}/mailbox`);
    await checkAccessibility(page, 'demo-mailbox');
    await page.goto(`${BASE}/mail?id=none`);
    await checkAccessibility(page, 'demo-nothing');
    await page.goto(`${BASE}/sign-in`);
    await checkAccessibility(page, 'demo-sign-in');
    await page.goto(`${BASE}/forgot`);
    await checkAccessibility(page, 'demo-forgot');
    await page.goto(`${BASE}/dialects`);
    await checkAccessibility(page, 'dialects');
  });
});

test('every page fits on a phone', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    const checkPhone = async (/** @type {string} */ name) => {
      await screenshot(page, `phone-demo-${name}`);
      await fits(page);
    };
    await page.goto(`${BASE}/`);
    for (const summary of await page.locator('main summary').all()) await summary.click();
    await checkPhone('start');
    await requestMail(page, 'worthai', () => checkPhone('asked'));
    await checkPhone('mail');
    await page.goto(`${BASE}/mailbox`);
    await checkPhone('mailbox');
    await page.goto(`${BASE}/sign-in`);
    await checkPhone('sign-in');
  });
});

test('a phone shows one dialect of the comparison at a time', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true, javaScriptEnabled: false }, async (page) => {
    await page.goto(`${BASE}/dialects`);
    const columns = page.locator('table.dialects').first().locator('tbody tr').nth(1).locator('td');
    const shown = async () => (await Promise.all((await columns.all()).map((cell) => cell.isVisible()))).indexOf(true);
    assert.equal(await shown(), 0);
    const height = () => page.locator('html').evaluate((html) => html.scrollHeight);
    const one = await height();
    await page.getByRole('radio', { name: 'Strapi' }).check();
    assert.equal(await shown(), 2);
    await screenshot(page, 'phone-dialects');
    await fits(page);
    await page.getByRole('radio', { name: 'All' }).check();
    assert.ok((await height()) > 2 * one, `${one} of ${await height()} pixels`);
  });
});
