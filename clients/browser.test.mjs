// People with a browser: the pages of polyreset in a real one.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PHONE, close, fits, judge, picture, recorded, window } from './browser.mjs';
import { BASE, PASSWORD, WEAK, code, link } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

after(close);

/** What a page says in the language of a test. */
const WORDS = {
  en: { send: 'Send the link', set: 'Set the password', done: 'Your new password is set' },
  de: { send: 'Link schicken', set: 'Passwort festlegen', done: 'Ihr neues Passwort ist festgelegt' },
};

/**
 * Asks on the page, and returns the mailed link. Fifty scanners have been there before the person comes.
 * @param {Page} page
 * @param {string} email
 * @param {{ send: string }} words
 */
async function asked(page, email, words) {
  await page.goto(`${BASE}/forgot`);
  await page.locator('#email').fill(email);
  await page.getByRole('button', { name: words.send }).click();
  await page.locator('form').waitFor({ state: 'detached' });
  const mailed = await link(email);
  await Promise.all(Array.from({ length: 50 }, () => fetch(mailed, { headers: { 'sec-purpose': 'prefetch' } })));
  return mailed;
}

/**
 * Opens a link and waits for the form. Its secret is in no address from then on.
 * @param {Page} page
 * @param {URL} mailed
 * @param {string[]} secrets
 */
async function opened(page, mailed, secrets) {
  await page.goto(mailed.href);
  await page.waitForURL(/\/reset\?by=link&link=[0-9a-f]{16}$/);
  const secret = mailed.search.split('=').at(-1);
  assert.ok(secret && !page.url().includes(secret) && !(await page.content()).includes(secret));
  secrets.push(secret);
}

/**
 * @param {string} path
 * @param {string} email
 */
async function trigger(path, email) {
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(BASE + path, { method: 'POST', headers, body: JSON.stringify({ email }) });
  assert.ok(answer.ok, await answer.text());
  return code(email);
}

for (const [javaScriptEnabled, email] of /** @type {const} */ ([
  [true, 'link-on@example.com'],
  [false, 'link-off@example.com'],
])) {
  test(`a link sets a password, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    await window({ javaScriptEnabled }, async (page, secrets) => {
      const mailed = await asked(page, email, WORDS.en);
      await opened(page, mailed, secrets);
      assert.equal(await page.locator('#show').isVisible(), javaScriptEnabled);
      await page.locator('#password').fill(WEAK);
      await page.getByRole('button', { name: WORDS.en.set }).click();
      await page.getByRole('alert').waitFor();
      assert.equal(await page.locator('#password').inputValue(), '');
      if (javaScriptEnabled) {
        await page.locator('#show').check();
        assert.equal(await page.locator('#password').getAttribute('type'), 'text');
        await page.locator('#password').fill(PASSWORD);
        assert.equal(await page.locator('li[data-rule=min]').getAttribute('data-ok'), 'true');
        // How hard it is to guess is said once somebody pauses, to those who listen as well.
        await page.getByRole('status').filter({ hasText: 'Good' }).waitFor();
        assert.equal(await page.locator('li[data-rule=common]').getAttribute('data-ok'), 'true');
        await page.locator('#password').fill('');
        await page.getByRole('status').waitFor({ state: 'hidden' });
      } else {
        assert.ok(await page.locator('#strength').isHidden());
      }
      await page.locator('#password').fill(PASSWORD);
      await page.getByRole('button', { name: WORDS.en.set }).click();
      await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
      assert.deepEqual((await page.context().cookies()).map(({ name }) => name), ['polyreset-done']);
      // Once more, as somebody does who finds the mail again.
      secrets.length = 0;
      await page.goto(mailed.href);
      await page.waitForURL(/\/reset\?by=link&link=[0-9a-f]{16}$/);
      await page.getByRole('link', { name: 'Ask for a new mail' }).click();
      await page.waitForURL(/\/forgot$/);
    });
  });
}

for (const [javaScriptEnabled, email, path] of /** @type {const} */ ([
  [true, 'code-on@example.com', '/v1/auth/password-reset/trigger'],
  [false, 'code-off@example.com', '/api/auth/email/send-reset-password'],
])) {
  test(`a code sets a password on a telephone in German, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const options = { javaScriptEnabled, locale: 'de-DE', viewport: PHONE, hasTouch: true, isMobile: true };
    await window(options, async (page) => {
      const mailed = await trigger(path, email);
      await page.goto(`${BASE}/forgot`);
      await page.getByRole('link', { name: 'Ich habe einen Code' }).tap();
      await page.locator('#email').fill(email);
      await page.locator('#code').fill(`${mailed.slice(0, 3)} ${mailed.slice(3)}`);
      await page.locator('#password').fill(PASSWORD);
      await picture(page, `phone-code-de-scripts-${javaScriptEnabled ? 'on' : 'off'}`);
      await fits(page);
      await page.getByRole('button', { name: WORDS.de.set }).tap();
      await page.getByRole('heading', { name: WORDS.de.done }).waitFor();
      await picture(page, 'phone-done-de');
    });
  });
}

test('of a pasted line the code is taken, and it is not sent before the form is', async () => {
  const email = 'paste@example.com';
  await window({ locale: 'de-DE', permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    const mailed = await trigger('/v1/auth/password-reset/trigger', email);
    await page.goto(`${BASE}/reset`);
    await page.locator('#email').fill(email);
    await page.evaluate((line) => navigator.clipboard.writeText(line), `Ihr Code: ${mailed}\n`);
    await page.locator('#code').focus();
    await page.keyboard.press('Control+V');
    assert.equal(await page.locator('#code').inputValue(), mailed);
    // A long one ends with a short group.
    await page.evaluate(() => navigator.clipboard.writeText('Ihr Code: F5ZX-5Q44-WA8N-Z\n'));
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Control+V');
    assert.equal(await page.locator('#code').inputValue(), 'F5ZX-5Q44-WA8N-Z');
    await page.locator('#code').fill(mailed);
    const asked = page.waitForRequest(`${BASE}/reset/strength`);
    await page.locator('#password').pressSequentially('passwort');
    const fields = new URLSearchParams((await asked).postData() ?? '');
    assert.deepEqual([...fields.keys()].sort(), ['email', 'lang', 'password']);
    await page.getByRole('status').filter({ hasText: 'zu erraten' }).waitFor();
    await picture(page, 'strength-de');
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.de.set }).click();
    await page.getByRole('heading', { name: WORDS.de.done }).waitFor();
  });
});

test('what goes over the wire on the way from asking to a new password is this and no more', async () => {
  const email = 'wire@example.com';
  const seen = await recorded(async (page, secrets) => {
    const mailed = await asked(page, email, WORDS.en);
    await opened(page, mailed, secrets);
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
  });
  assert.deepEqual(seen, [
    'GET /forgot: 200',
    'POST /forgot lang,email: 200',
    'GET /reset?token=…: 200, sets polyreset-reset-…',
    'GET /reset?by=link&link=… with polyreset-reset-…: 200',
    'POST /reset with polyreset-reset-… lang,link,password: 200, ends polyreset-reset-…, sets polyreset-done',
  ]);
});

test('of two links in two tabs each form sets the password of the account that it shows', async () => {
  const [one, other] = ['tabs-one@example.com', 'tabs-other@example.com'];
  await window({}, async (page, secrets) => {
    await opened(page, await asked(page, one, WORDS.en), secrets);
    assert.equal(await page.getByLabel('E-mail address').inputValue(), one);
    const second = await page.context().newPage();
    await opened(second, await asked(second, other, WORDS.en), secrets);
    assert.equal(await second.getByLabel('E-mail address').inputValue(), other);
    for (const tab of [page, second]) {
      await tab.locator('#password').fill(PASSWORD);
      await tab.getByRole('button', { name: WORDS.en.set }).click();
      await tab.getByRole('heading', { name: WORDS.en.done }).waitFor();
    }
  });
});

test('a page that runs from right to left fits on a telephone', async () => {
  await window({ viewport: PHONE, isMobile: true }, async (page) => {
    await page.goto(`${BASE}/reset`);
    await page.locator('html').evaluate((html) => html.setAttribute('dir', 'rtl'));
    await fits(page);
    const [heading, field] = await Promise.all(['h1', '#email'].map((part) => page.locator(part).boundingBox()));
    assert.ok(heading && field && Math.abs(heading.x + heading.width - field.x - field.width) < 1);
    await picture(page, 'right-to-left');
  });
});

test('a keyboard is enough', async () => {
  const email = 'keyboard@example.com';
  await window({}, async (page, secrets) => {
    await page.goto(`${BASE}/forgot`);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'skip');
    await picture(page, 'keyboard-skip');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'email');
    await page.keyboard.type('nobody');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    // The cursor is where something is wrong.
    assert.equal(await focused(page), 'email');
    await page.keyboard.press('Control+A');
    await page.keyboard.type(email);
    await page.keyboard.press('Enter');
    await page.locator('form').waitFor({ state: 'detached' });
    await opened(page, await link(email), secrets);
    for (const wanted of ['skip', 'password']) {
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), wanted);
      if (wanted === 'skip') {
        await page.keyboard.press('Enter');
      }
    }
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'show');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'submit');
    await picture(page, 'keyboard-submit');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
  });
});

test('every page is accessible in light and in dark', async () => {
  const email = 'axe@example.com';
  await window({}, async (page, secrets) => {
    await page.goto(`${BASE}/forgot`);
    await judge(page, 'forgot');
    await page.locator('#email').fill('nobody');
    await page.getByRole('button', { name: WORDS.en.send }).click();
    await page.getByRole('alert').waitFor();
    await judge(page, 'forgot-wrong');
    await page.goto(`${BASE}/reset`);
    await judge(page, 'code');
    await page.locator('#email').fill(email);
    await page.locator('#code').fill('000000');
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('alert').waitFor();
    await judge(page, 'code-wrong');
    await page.goto(`${BASE}/reset?token=0`);
    await judge(page, 'dead');
    await page.goto(`${BASE}/not-me?token=0`);
    await judge(page, 'not-me-dead');
    const mailed = await asked(page, email, WORDS.en);
    await judge(page, 'sent');
    await opened(page, mailed, secrets);
    await judge(page, 'reset');
    await page.locator('#password').fill(WEAK);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('alert').waitFor();
    await judge(page, 'reset-weak');
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
    await judge(page, 'done');
    const notice = await link(email, /\/not-me\?/);
    await page.goto(notice.href);
    await judge(page, 'not-me');
    for (const language of ['de', 'es', 'fr', 'ja', 'zh']) {
      await page.goto(`${BASE}/reset?by=code&lang=${language}`);
      await judge(page, `code-${language}`);
    }
  });
});

/**
 * What has the focus: its id, or else what it is.
 * @param {Page} page
 */
function focused(page) {
  return page.evaluate(() => {
    const { id, className, type } = /** @type {HTMLInputElement} */ (document.activeElement);
    return id || className || type;
  });
}
