// `serve --demo` in a real browser, from the start page to the new password.

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
  await page.getByRole('radio', { name: dialect }).check();
  await page.getByLabel('Account to reset').selectOption(ALICE);
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
      return;
    }
    await page.getByRole('link', { name: 'Refresh' }).click();
  }
  assert.fail(`no mail "${text}"`);
}

/**
 * Signs in on the start page, and returns the resulting heading.
 * @param {Page} page
 * @param {string} password
 */
async function signIn(page, password, email = ALICE) {
  await page.getByRole('link', { name: 'Demo', exact: true }).or(page.getByRole('link', { name: 'Start', exact: true })).click();
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
      const mail = await page.locator('pre').first().innerText();
      const code = /^\d{6}$/m.exec(mail)?.[0];
      const password = `${PASSWORD}-${dialect}`;
      if (code) {
        await page.getByRole('link', { name: 'Enter the code' }).click();
        await page.locator('#email').fill(ALICE);
        await page.locator('#code').fill(code);
      } else {
        const link = page.locator('pre a');
        const secret = new URL((await link.getAttribute('href')) ?? '').search.split('=').at(-1);
        await link.click();
        await page.waitForURL(/\/reset\?by=link&link=[0-9a-f]{16}$/);
        assert.ok(secret);
        secrets.push(secret);
      }
      await page.locator('#password').fill(password);
      await page.getByRole('button', { name: 'Set the password' }).click();
      await page.getByRole('heading', { name: 'Your new password is set' }).waitFor();
      assert.equal(await signIn(page, 'some other password'), 'Not signed in');
      assert.equal(await signIn(page, password), 'Signed in as Alice');
    });
  });
}

test('a reset on the hosted page is undone by the link in its notice', async () => {
  const bob = 'bob@example.com';
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await page.getByRole('link', { name: 'hosted page' }).click();
    await page.locator('#email').fill(bob);
    await page.getByRole('button', { name: 'Send the link' }).click();
    await page.getByRole('link', { name: 'Demo mailbox' }).click();
    await openNewest(page, `to ${bob}, hosted pages`);
    await page.locator('pre a').click();
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.getByRole('heading', { name: 'Your new password is set' }).waitFor();
    assert.equal(await signIn(page, PASSWORD, bob), 'Signed in as Bob');

    await page.getByRole('link', { name: 'Mailbox' }).click();
    await openNewest(page, 'Your Polyreset password was changed');
    await screenshot(page, 'demo-notice');
    await page.locator('pre a').click();
    await page.getByRole('button').click();
    await page.locator('form').waitFor({ state: 'detached' });
    assert.equal(await signIn(page, PASSWORD, bob), 'Not signed in');
  });
});

test('a request needs only the keyboard', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await reach(page, page.getByRole('radio', { name: 'px0' }));
    await page.keyboard.press('ArrowDown');
    await reach(page, page.getByLabel('Account to reset'));
    await page.keyboard.press('End');
    await screenshot(page, 'demo-keyboard');
    await reach(page, page.getByRole('button', { name: 'Request a reset' }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Reset request via worthai' }).waitFor();
    assert.match(await page.locator('main').innerText(), /No account has the address nobody@example\.com/);
  });
});

test('every page of the demo is accessible in light and dark mode', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    for (const summary of await page.locator('summary').all()) await summary.click();
    await checkAccessibility(page, 'demo-start');
    await requestMail(page, 'InsForge', () => checkAccessibility(page, 'demo-asked'));
    await checkAccessibility(page, 'demo-mail');
    await page.goBack();
    await checkAccessibility(page, 'demo-mailbox');
    await page.goto(`${BASE}/mail?id=none`);
    await checkAccessibility(page, 'demo-nothing');
    await page.goto(`${BASE}/forgot`);
    await checkAccessibility(page, 'demo-forgot');
  });
});

test('every page fits on a phone', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    const checkPhone = async (/** @type {string} */ name) => {
      await screenshot(page, `phone-demo-${name}`);
      await fits(page);
    };
    await page.goto(`${BASE}/`);
    for (const summary of await page.locator('summary').all()) await summary.click();
    await checkPhone('start');
    await requestMail(page, 'worthai', () => checkPhone('asked'));
    await checkPhone('mail');
    await page.goBack();
    await checkPhone('mailbox');
  });
});
