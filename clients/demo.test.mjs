// A newcomer's first minutes: `serve --demo` in a real browser, from the start page to the new password.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PHONE, close, fits, judge, picture, reach, window } from './browser.mjs';
import { BASE, PASSWORD } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

after(close);

const ALICE = 'alice@example.com';

/**
 * Asks on the start page, and opens the mail that came of it.
 * @param {Page} page
 * @param {string} dialect
 * @param {() => Promise<void>} look what is done on the page that shows request and answer
 */
async function asked(page, dialect, look = async () => {}) {
  await page.goto(`${BASE}/`);
  await page.getByRole('radio', { name: dialect }).check();
  await page.getByLabel('Account to reset').selectOption(ALICE);
  await page.getByRole('button', { name: 'Request a reset' }).click();
  await page.getByRole('heading', { name: `Reset request via ${dialect}` }).waitFor();
  const answer = await page.locator('pre').nth(1).innerText();
  assert.match(answer, /^20[02] (OK|Accepted)\n[^]*X-Reset-Reference: [0-9A-Z]{10}\n/);
  await look();
  await page.getByRole('link', { name: 'Open the mailbox' }).click();
  await newest(page, `to ${ALICE}, ${dialect}`);
}

/**
 * Looks again until the newest mail is this one, and opens it.
 * @param {Page} page
 * @param {string} told
 */
async function newest(page, told) {
  const first = page.locator('ol.mails li').first();
  for (let looks = 0; looks < 100; looks += 1) {
    if ((await first.count()) && (await first.innerText()).includes(told)) {
      await first.getByRole('link').click();
      return;
    }
    await page.getByRole('link', { name: 'Refresh' }).click();
  }
  assert.fail(`no mail ${told}`);
}

/**
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
  test(`a newcomer asks by ${dialect}, reads the mail, sets a password and signs in with it`, async () => {
    await window({ javaScriptEnabled }, async (page, secrets) => {
      await asked(page, dialect);
      await picture(page, `demo-mail-${dialect}`);
      const letter = await page.locator('pre').first().innerText();
      const typed = /^\d{6}$/m.exec(letter)?.[0];
      const password = `${PASSWORD}-${dialect}`;
      if (typed) {
        await page.getByRole('link', { name: 'Enter the code' }).click();
        await page.locator('#email').fill(ALICE);
        await page.locator('#code').fill(typed);
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

test('a person asks on the page for people, and the notice of the reset takes it back', async () => {
  const bob = 'bob@example.com';
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await page.getByRole('link', { name: 'hosted page' }).click();
    await page.locator('#email').fill(bob);
    await page.getByRole('button', { name: 'Send the link' }).click();
    await page.getByRole('link', { name: 'Demo mailbox' }).click();
    await newest(page, `to ${bob}, hosted pages`);
    await page.locator('pre a').click();
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: 'Set the password' }).click();
    await page.getByRole('heading', { name: 'Your new password is set' }).waitFor();
    assert.equal(await signIn(page, PASSWORD, bob), 'Signed in as Bob');

    await page.getByRole('link', { name: 'Mailbox' }).click();
    await newest(page, 'Your password was changed');
    await picture(page, 'demo-notice');
    await page.locator('pre a').click();
    await page.getByRole('button').click();
    await page.locator('form').waitFor({ state: 'detached' });
    assert.equal(await signIn(page, PASSWORD, bob), 'Not signed in');
  });
});

test('a keyboard is enough to ask', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await reach(page, page.getByRole('radio', { name: 'px0' }));
    await page.keyboard.press('ArrowDown');
    await reach(page, page.getByLabel('Account to reset'));
    await page.keyboard.press('End');
    await picture(page, 'demo-keyboard');
    await reach(page, page.getByRole('button', { name: 'Request a reset' }));
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'Reset request via worthai' }).waitFor();
    assert.match(await page.locator('main').innerText(), /No account has the address nobody@example\.com/);
  });
});

test('every page of the demo is accessible in light and in dark', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    for (const summary of await page.locator('summary').all()) await summary.click();
    await judge(page, 'demo-start');
    await asked(page, 'InsForge', () => judge(page, 'demo-asked'));
    await judge(page, 'demo-mail');
    await page.goBack();
    await judge(page, 'demo-mailbox');
    await page.goto(`${BASE}/mail?id=none`);
    await judge(page, 'demo-nothing');
    await page.goto(`${BASE}/forgot`);
    await judge(page, 'demo-forgot');
  });
});

test('nothing on a telephone is wider than it', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    const fitting = async (/** @type {string} */ name) => {
      await picture(page, `phone-demo-${name}`);
      await fits(page);
    };
    await page.goto(`${BASE}/`);
    for (const summary of await page.locator('summary').all()) await summary.click();
    await fitting('start');
    await asked(page, 'worthai', () => fitting('asked'));
    await fitting('mail');
    await page.goBack();
    await fitting('mailbox');
  });
});
