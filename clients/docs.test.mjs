// The API documentation at `/docs` in a real browser.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, test } from 'node:test';

import { PHONE, close, fits, checkAccessibility, screenshot, reach, window } from './browser.mjs';
import { BASE, PASSWORD, code } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

after(close);

const EMAIL = 'docs@example.com';
const TRIGGER = '/v1/auth/password-reset/trigger';

/**
 * Opens the page and waits for its operations.
 * @param {Page} page
 * @param {string} address
 */
async function open(page, address = `${BASE}/docs`) {
  await page.goto(address);
  await page.locator('.opblock').first().waitFor();
}

/**
 * Locates the block of an operation.
 * @param {Page} page
 * @param {string} method
 * @param {string} path
 */
function operation(page, method, path) {
  return page.locator(`.opblock-${method}`).filter({ has: page.locator(`[data-path="${path}"]`) });
}

/**
 * Tries a POST with this body, and returns the response that the page shows.
 * @param {Page} page
 * @param {string} path
 * @param {object} body
 */
async function tryOperation(page, path, body) {
  const block = operation(page, 'post', path);
  await block.locator('.opblock-summary-control').click();
  await block.getByRole('button', { name: 'Try it out' }).click();
  await block.getByLabel('Request body', { exact: true }).fill(JSON.stringify(body));
  await block.getByRole('button', { name: 'Execute' }).click();
  return shownResponse(block);
}

/**
 * Returns the response that the page shows for an operation.
 * @param {import('playwright-core').Locator} block
 */
async function shownResponse(block) {
  const live = block.locator('.live-responses-table .response');
  await live.waitFor();
  return {
    url: await block.locator('.request-url pre').innerText(),
    status: (await live.locator('.response-col_status').innerText()).trim(),
    text: await live.locator('.response-col_description').innerText(),
  };
}

test('operations are grouped by dialect, and this server answers them', async () => {
  await window({}, async (page) => {
    await open(page);
    const tags = await page.locator('.opblock-tag').evaluateAll((all) => all.map((tag) => tag.getAttribute('data-tag')));
    assert.deepEqual(tags.slice(0, 4), ['px0', 'worthai', 'strapi', 'insforge']);
    await screenshot(page, 'docs');

    const requested = await tryOperation(page, TRIGGER, { email: EMAIL });
    assert.deepEqual([requested.status, requested.url.trim()], ['200', `${BASE}${TRIGGER}`]);
    assert.match(requested.text, /x-reset-reference: [0-9A-Z]{10}/);
    await operation(page, 'post', TRIGGER).scrollIntoViewIfNeeded();
    await screenshot(page, 'docs-tried');

    const body = { code: await code(EMAIL), new_password: PASSWORD };
    const set = await tryOperation(page, '/v1/auth/password-reset/reset', body);
    assert.equal(set.status, '200', set.text);
    // Paths of worthai are relative to a base path.
    const worthai = await tryOperation(page, '/auth/api/v1/forgot-password', { email: 'nobody@example.com' });
    assert.equal(worthai.status, '200', worthai.text);
    assert.match(worthai.text, /x-reset-reference/);
    assert.deepEqual(await page.context().cookies(), []);
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  });
});

test('behind a proxy that strips a prefix, page and requests keep the prefix', async () => {
  /** @type {string[]} */
  const unprefixed = [];
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers, url = '' } = incoming;
    if (headers.referer !== undefined || !url.startsWith('/auth/')) {
      unprefixed.push(url);
      outgoing.writeHead(404).end();
      return;
    }
    const forwarded = request(BASE + url.slice('/auth'.length), { method, headers }, (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      response.pipe(outgoing);
    });
    incoming.pipe(forwarded);
  });
  await /** @type {Promise<void>} */ (new Promise((listening) => proxy.listen(0, '127.0.0.1', listening)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (proxy.address());
  const proxyUrl = `http://127.0.0.1:${port}`;
  try {
    await window({}, async (page) => {
      await open(page, `${proxyUrl}/auth/docs`);
      const { status, url } = await tryOperation(page, '/api/auth/forgot-password', { email: 'nobody@example.com' });
      assert.deepEqual([status, url.trim()], ['200', `${proxyUrl}/auth/api/auth/forgot-password`]);
      await page.getByRole('link', { name: 'Comparison of the dialects' }).click();
      await page.getByRole('link', { name: 'interactive API reference' }).click();
      await page.locator('.opblock').first().waitFor();
      assert.deepEqual(unprefixed, []);
    }, proxyUrl);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test('no query makes the page show another document', async () => {
  await window({}, async (page) => {
    /** @type {string[]} */
    const requests = [];
    page.on('request', (request) => requests.push(request.url().slice(BASE.length)));
    const query = 'url=/other.json&urls=/other.json&configUrl=/other.json&spec={}&validatorUrl=/other';
    await open(page, `${BASE}/docs?${query}#/px0/px0_triggerPasswordReset`);
    const [first, ...others] = requests;
    assert.ok(first?.startsWith('/docs?'));
    assert.deepEqual(others.sort(), ['/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css', '/openapi.json']);
    await operation(page, 'post', TRIGGER).waitFor();
  });
});

test('trying an operation needs only the keyboard', async () => {
  await window({}, async (page) => {
    await open(page);
    const block = operation(page, 'post', TRIGGER);
    await reach(page, block.locator('.opblock-summary-control'));
    await page.keyboard.press('Enter');
    await reach(page, block.getByRole('button', { name: 'Try it out' }));
    await page.keyboard.press('Enter');
    await reach(page, block.getByLabel('Request body', { exact: true }));
    await page.keyboard.press('Control+A');
    await page.keyboard.type('{}');
    await reach(page, block.getByRole('button', { name: 'Execute' }));
    await screenshot(page, 'docs-keyboard');
    await page.keyboard.press('Enter');
    assert.equal((await shownResponse(block)).status, '400');
  });
});

test('the page is accessible in light and dark mode, with an open operation and schema', async () => {
  await window({}, async (page) => {
    await open(page);
    await checkAccessibility(page, 'docs-closed');
    await tryOperation(page, TRIGGER, {});
    // An operation with parameters, and one with several examples.
    await operation(page, 'get', '/api/auth/email/reset-password-link').locator('.opblock-summary-control').click();
    await operation(page, 'get', '/api/auth/email/reset-password-link').getByRole('button', { name: 'Try it out' }).click();
    await operation(page, 'post', '/api/auth/reset-password').locator('.opblock-summary-control').click();
    await page.locator('.models-control').click();
    await page.locator('.models .json-schema-2020-12-accordion').first().click();
    await checkAccessibility(page, 'docs-open');
  });
});

test('the page fits on a phone', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    await open(page);
    await tryOperation(page, TRIGGER, {});
    await screenshot(page, 'phone-docs');
    await fits(page);
  });
});

test('without scripts the page links to the document', async () => {
  await window({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${BASE}/docs`);
    await page.locator('noscript p').waitFor();
    await screenshot(page, 'docs-without-scripts');
    await page.locator('noscript a', { hasText: 'openapi.json' }).click();
    await page.waitForURL(`${BASE}/openapi.json`);
  });
});
