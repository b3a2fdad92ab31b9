// The hosted pages in a real browser.

import assert from 'node:assert/strict';
import { after, test } from 'node:test';

import { PHONE, close, fits, checkAccessibility, screenshot, recorded, window } from './browser.mjs';
import { BASE, PASSWORD, WEAK, code, link } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

after(close);

/** Page texts by language. */
const WORDS = {
  en: { send: 'Send reset link', sent: 'Check your inbox', set: 'Set password', done: 'Your new password is set' },
  de: {
    send: 'Link senden',
    sent: 'Prüfen Sie Ihr Postfach',
    set: 'Passwort festlegen',
    done: 'Ihr neues Passwort ist festgelegt',
  },
};

/**
 * Requests a reset on the page, and returns the mailed link after fifty simulated scanners have opened it.
 * @param {Page} page
 * @param {string} email
 * @param {{ send: string, sent: string }} words
 */
async function requestLink(page, email, words) {
  await page.goto(`${BASE}/forgot`);
  await page.locator('#email').fill(email);
  await page.getByRole('button', { name: words.send }).click();
  await page.getByRole('heading', { name: words.sent }).waitFor();
  const mailed = await link(email);
  await Promise.all(Array.from({ length: 50 }, () => fetch(mailed, { headers: { 'sec-purpose': 'prefetch' } })));
  return mailed;
}

/**
 * Opens a link and waits for the form. From then on, no URL may contain its secret.
 * @param {Page} page
 * @param {URL} mailed
 * @param {string[]} secrets
 */
async function openLink(page, mailed, secrets) {
  await page.goto(mailed.href);
  await page.waitForURL(/\/reset\?by=link&link=[0-9a-f]{16}$/);
  const secret = mailed.search.split('=').at(-1);
  assert.ok(secret && !page.url().includes(secret) && !(await page.content()).includes(secret));
  secrets.push(secret);
}

/**
 * Requests a reset through the API at `path`, and returns the mailed code.
 * @param {string} path
 * @param {string} email
 */
async function requestCode(path, email) {
  const headers = { 'content-type': 'application/json' };
  const response = await fetch(BASE + path, { method: 'POST', headers, body: JSON.stringify({ email }) });
  assert.ok(response.ok, await response.text());
  return code(email);
}

for (const [javaScriptEnabled, email] of /** @type {const} */ ([
  [true, 'link-on@example.com'],
  [false, 'link-off@example.com'],
])) {
  test(`a link sets a password, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    await window({ javaScriptEnabled }, async (page, secrets) => {
      const mailed = await requestLink(page, email, WORDS.en);
      await openLink(page, mailed, secrets);
      assert.equal(await page.locator('#show').isVisible(), javaScriptEnabled);
      await page.locator('#password').fill(WEAK);
      await page.getByRole('button', { name: WORDS.en.set }).click();
      await page.getByRole('alert').waitFor();
      assert.equal(await page.locator('#password').inputValue(), '');
      if (javaScriptEnabled) {
        await page.getByRole('button', { name: 'Show password' }).click();
        assert.equal(await page.locator('#password').getAttribute('type'), 'text');
        await page.locator('#password').fill(PASSWORD);
        // The error was about what was sent.
        await page.getByRole('alert').waitFor({ state: 'hidden' });
        assert.equal(await page.locator('#password').getAttribute('aria-invalid'), null);
        assert.equal(await page.locator('li[data-rule=min]').getAttribute('data-ok'), 'true');
        // The strength appears once typing pauses, also for screen readers.
        await page.getByRole('status').filter({ hasText: 'Password strength: Good' }).waitFor();
        assert.equal(await page.locator('li[data-rule=common]').getAttribute('data-ok'), 'true');
        await page.locator('#password').fill('');
        await page.locator('#strength:not([data-score])').waitFor();
        await page.getByRole('button', { name: 'Hide password' }).click();
      } else {
        assert.ok(await page.locator('#strength').isHidden());
      }
      await page.locator('#password').fill(PASSWORD);
      await page.getByRole('button', { name: WORDS.en.set }).click();
      await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
      assert.deepEqual((await page.context().cookies()).map(({ name }) => name), ['polyreset-done']);
      // Open the same link again: this browser has used it.
      secrets.length = 0;
      await page.goto(mailed.href);
      await page.waitForURL(/\/reset\?by=link&link=[0-9a-f]{16}$/);
      await page.getByRole('heading', { name: "You've already set a new password" }).waitFor();
      await page.getByRole('link', { name: 'Request a new email' }).click();
      await page.waitForURL(/\/forgot$/);
    });
  });
}

for (const [javaScriptEnabled, email, path] of /** @type {const} */ ([
  [true, 'code-on@example.com', '/v1/auth/password-reset/trigger'],
  [false, 'code-off@example.com', '/api/auth/email/send-reset-password'],
])) {
  test(`a code sets a password on a phone in German, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const options = { javaScriptEnabled, locale: 'de-DE', viewport: PHONE, hasTouch: true, isMobile: true };
    await window(options, async (page) => {
      const mailed = await requestCode(path, email);
      await page.goto(`${BASE}/forgot`);
      await page.getByRole('link', { name: 'Ich habe einen Code' }).tap();
      await page.locator('#email').fill(email);
      await page.locator('#code').fill(`${mailed.slice(0, 3)} ${mailed.slice(3)}`);
      await page.locator('#password').fill(PASSWORD);
      await screenshot(page, `phone-code-de-scripts-${javaScriptEnabled ? 'on' : 'off'}`);
      await fits(page);
      await page.getByRole('button', { name: WORDS.de.set }).tap();
      await page.getByRole('heading', { name: WORDS.de.done }).waitFor();
      await screenshot(page, 'phone-done-de');
    });
  });
}

test('the code is extracted from a pasted line, and is not sent before the form', async () => {
  const email = 'paste@example.com';
  await window({ locale: 'de-DE', permissions: ['clipboard-read', 'clipboard-write'] }, async (page) => {
    const mailed = await requestCode('/v1/auth/password-reset/trigger', email);
    await page.goto(`${BASE}/reset`);
    await page.locator('#email').fill(email);
    await page.evaluate((line) => navigator.clipboard.writeText(line), `Ihr Code: ${mailed}\n`);
    await page.locator('#code').focus();
    await page.keyboard.press('Control+V');
    assert.equal(await page.locator('#code').inputValue(), mailed);
    // The last group of a long code is short.
    await page.evaluate(() => navigator.clipboard.writeText('Ihr Code: F5ZX-5Q44-WA8N-Z\n'));
    await page.keyboard.press('Control+A');
    await page.keyboard.press('Control+V');
    assert.equal(await page.locator('#code').inputValue(), 'F5ZX-5Q44-WA8N-Z');
    await page.locator('#code').fill(mailed);
    const strength = page.waitForRequest(`${BASE}/reset/strength`);
    await page.locator('#password').pressSequentially('passwort');
    const fields = new URLSearchParams((await strength).postData() ?? '');
    assert.deepEqual([...fields.keys()].sort(), ['email', 'lang', 'password']);
    await page.getByRole('status').filter({ hasText: 'schwach' }).waitFor();
    await screenshot(page, 'strength-de');
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.de.set }).click();
    await page.getByRole('heading', { name: WORDS.de.done }).waitFor();
  });
});

test('a reset by link sends exactly these requests', async () => {
  const email = 'wire@example.com';
  const requests = await recorded(async (page, secrets) => {
    const mailed = await requestLink(page, email, WORDS.en);
    await openLink(page, mailed, secrets);
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
  });
  assert.deepEqual(requests, [
    'GET /forgot: 200',
    'POST /forgot lang,email: 200',
    'GET /reset?token=…: 200, sets polyreset-reset-…',
    'GET /reset?by=link&link=… with polyreset-reset-…: 200',
    'POST /reset with polyreset-reset-… lang,link,password: 200, ends polyreset-reset-…, sets polyreset-done',
  ]);
});

test('with two links in two tabs, each form sets the password of the account that it shows', async () => {
  const [one, other] = ['tabs-one@example.com', 'tabs-other@example.com'];
  await window({}, async (page, secrets) => {
    await openLink(page, await requestLink(page, one, WORDS.en), secrets);
    assert.equal(await page.getByLabel('Email address').inputValue(), one);
    const second = await page.context().newPage();
    await openLink(second, await requestLink(second, other, WORDS.en), secrets);
    assert.equal(await second.getByLabel('Email address').inputValue(), other);
    for (const tab of [page, second]) {
      await tab.locator('#password').fill(PASSWORD);
      await tab.getByRole('button', { name: WORDS.en.set }).click();
      await tab.getByRole('heading', { name: WORDS.en.done }).waitFor();
    }
  });
});

test('a right-to-left page fits on a phone', async () => {
  await window({ viewport: PHONE, isMobile: true }, async (page) => {
    await page.goto(`${BASE}/reset?lang=ar`);
    assert.equal(await page.locator('html').getAttribute('dir'), 'rtl');
    await fits(page);
    const [heading, field] = await Promise.all(['h1', '#email'].map((part) => page.locator(part).boundingBox()));
    assert.ok(heading && field && Math.abs(heading.x + heading.width - field.x - field.width) < 1);
    await screenshot(page, 'right-to-left');
  });
});

test('a reset needs only the keyboard', async () => {
  const email = 'keyboard@example.com';
  await window({}, async (page, secrets) => {
    await page.goto(`${BASE}/forgot`);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'skip');
    await screenshot(page, 'keyboard-skip');
    await page.keyboard.press('Enter');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'email');
    await page.keyboard.type('nobody');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').waitFor();
    // The focus is on the field with the error.
    assert.equal(await focused(page), 'email');
    await page.keyboard.press('Control+A');
    await page.keyboard.type(email);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: WORDS.en.sent }).waitFor();
    await openLink(page, await link(email), secrets);
    for (const expected of ['skip', 'password']) {
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), expected);
      if (expected === 'skip') {
        await page.keyboard.press('Enter');
      }
    }
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'show');
    await page.keyboard.press('Tab');
    assert.equal(await focused(page), 'submit');
    await screenshot(page, 'keyboard-submit');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
  });
});

for (const javaScriptEnabled of [true, false]) {
  test(`a double click sets the password once and shows success, scripts ${javaScriptEnabled ? 'on' : 'off'}`, async () => {
    const email = `double-${javaScriptEnabled ? 'on' : 'off'}@example.com`;
    await window({ javaScriptEnabled }, async (page, secrets) => {
      await openLink(page, await requestLink(page, email, WORDS.en), secrets);
      let sent = 0;
      page.on('request', (request) => {
        if (request.method() === 'POST' && request.url() === `${BASE}/reset`) sent += 1;
      });
      await page.locator('#password').fill(PASSWORD);
      await page.getByRole('button', { name: WORDS.en.set }).dblclick();
      // If the browser has read the first response before it sends the form again, the page says that it was done already.
      await page.getByRole('heading', { name: /^(Your new password is set|You've already set a new password)$/ }).waitFor();
      if (javaScriptEnabled) assert.equal(sent, 1);
    });
  });
}

test('the button stays where it is while the strength appears and errors go', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    await page.goto(`${BASE}/reset`);
    const button = page.getByRole('button', { name: WORDS.en.set });
    const before = await button.boundingBox();
    await page.locator('#password').pressSequentially('kR7#vq2!mZpw9');
    await page.getByRole('status').filter({ hasText: 'Strong' }).waitFor();
    await page.locator('#strength[data-score="4"]').waitFor();
    assert.deepEqual(await button.boundingBox(), before);
    await screenshot(page, 'phone-strong');
  });
});

test('six cells show a code, and a longer one is shown in the field', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/reset`);
    const cells = page.locator('.code span');
    await page.locator('#code').pressSequentially('12 34-5');
    assert.deepEqual(await cells.allInnerTexts(), ['1', '2', '3', '4', '5', '']);
    // The next digit goes into the last cell.
    await page.locator('.code span:nth-of-type(6).next').waitFor();
    await screenshot(page, 'code-cells');
    await page.locator('#code').fill('F5ZX-5Q44');
    assert.ok(await cells.first().isHidden());
    assert.equal(await page.locator('#code').inputValue(), 'F5ZX-5Q44');
  });
});

test('the page after a request keeps its language menu and sends again', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/forgot`);
    await page.locator('#email').fill('nobody@gmail.com');
    await page.getByRole('button', { name: WORDS.en.send }).click();
    await page.getByRole('heading', { name: WORDS.en.sent }).waitFor();
    assert.equal(await page.getByRole('link', { name: 'Open Gmail' }).getAttribute('href'), 'https://mail.google.com/');
    await screenshot(page, 'sent-gmail');
    await page.getByRole('button', { name: 'Resend' }).click();
    await page.getByRole('heading', { name: WORDS.en.sent }).waitFor();
    await page.locator('summary').click();
    await screenshot(page, 'sent-languages');
    await page.getByRole('link', { name: 'Deutsch' }).click();
    await page.getByRole('heading', { name: 'Passwort vergessen?' }).waitFor();
  });
});

test('a browser gets pages for addresses as people type them', async () => {
  await window({}, async (page) => {
    await page.goto(`${BASE}/`);
    await page.waitForURL(`${BASE}/forgot`);
    await page.goto(`${BASE}/Forgot/`);
    await page.waitForURL(`${BASE}/forgot`);
    const missing = await page.goto(`${BASE}/a/deep/path`);
    assert.equal(missing?.status(), 404);
    await page.getByRole('heading', { name: 'Page not found' }).waitFor();
    await checkAccessibility(page, 'not-found');
    await page.getByRole('link', { name: 'Reset your password' }).click();
    await page.waitForURL(`${BASE}/forgot`);
  });
});

test('every page fits a window of 320 pixels, as at 400 % zoom, in every language', async () => {
  await window({ viewport: { width: 320, height: 256 } }, async (page) => {
    for (const language of ['en', 'de', 'es', 'fr', 'ja', 'zh', 'ar']) {
      for (const path of ['forgot?', 'reset?by=code&', 'reset?token=0&', 'not-me?token=0&']) {
        await page.goto(`${BASE}/${path}lang=${language}`);
        await page.locator('summary').click();
        await fits(page);
      }
      await page.goto(`${BASE}/forgot?lang=${language}`);
      await page.locator('#email').fill('a.very.long.address.of.somebody@subdomain.of.a.long.domain.example.com');
      await page.locator('button[type=submit]').click();
      await page.locator('strong.address').waitFor();
      await fits(page);
    }
    await screenshot(page, 'zoom-sent');
  });
});

test('forced colours keep borders of fields, cells and buttons', async () => {
  await window({ forcedColors: 'active' }, async (page) => {
    await page.goto(`${BASE}/reset`);
    await page.locator('#code').fill('123');
    for (const part of ['#email', '.code span >> nth=0', 'button[type=submit]', '#password']) {
      const width = await page.locator(part).evaluate((one) => parseFloat(getComputedStyle(one).borderTopWidth));
      assert.ok(width >= 1, part);
    }
    await screenshot(page, 'forced-colours');
  });
});

test('every page is accessible in light and dark mode', async () => {
  const email = 'axe@example.com';
  await window({}, async (page, secrets) => {
    await page.goto(`${BASE}/forgot`);
    await checkAccessibility(page, 'forgot');
    await page.locator('#email').fill('nobody');
    await page.getByRole('button', { name: WORDS.en.send }).click();
    await page.getByRole('alert').waitFor();
    await checkAccessibility(page, 'forgot-wrong');
    await page.goto(`${BASE}/reset`);
    await checkAccessibility(page, 'code');
    await page.locator('#email').fill(email);
    await page.locator('#code').fill('000000');
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('alert').waitFor();
    await checkAccessibility(page, 'code-wrong');
    await page.goto(`${BASE}/reset?token=0`);
    await checkAccessibility(page, 'dead');
    await page.goto(`${BASE}/not-me?token=0`);
    await checkAccessibility(page, 'not-me-dead');
    const mailed = await requestLink(page, email, WORDS.en);
    await checkAccessibility(page, 'sent');
    await openLink(page, mailed, secrets);
    await checkAccessibility(page, 'reset');
    await page.locator('#password').fill(WEAK);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('alert').waitFor();
    await checkAccessibility(page, 'reset-weak');
    await page.locator('#password').fill(PASSWORD);
    await page.getByRole('button', { name: WORDS.en.set }).click();
    await page.getByRole('heading', { name: WORDS.en.done }).waitFor();
    await checkAccessibility(page, 'done');
    secrets.length = 0;
    await page.goto(mailed.href);
    await page.getByRole('heading', { name: "You've already set a new password" }).waitFor();
    await checkAccessibility(page, 'already');
    const notice = await link(email, /\/not-me\?/);
    await page.goto(notice.href);
    await checkAccessibility(page, 'not-me');
    for (const language of ['de', 'es', 'fr', 'ja', 'zh', 'ar']) {
      await page.goto(`${BASE}/reset?by=code&lang=${language}`);
      await checkAccessibility(page, `code-${language}`);
    }
  });
});

/**
 * Returns the id, class or type of the focused element.
 * @param {Page} page
 */
function focused(page) {
  return page.evaluate(() => {
    const { id, className, type } = /** @type {HTMLInputElement} */ (document.activeElement);
    return id || className || type;
  });
}
