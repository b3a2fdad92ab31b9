// People who write a client: the page `/docs` in a real browser.

import assert from 'node:assert/strict';
import { createServer, request } from 'node:http';
import { after, test } from 'node:test';

import { PHONE, close, fits, judge, picture, reach, window } from './browser.mjs';
import { BASE, PASSWORD, code } from './deployment.mjs';

/** @typedef {import('playwright-core').Page} Page */

after(close);

const EMAIL = 'docs@example.com';
const TRIGGER = '/v1/auth/password-reset/trigger';

/**
 * Opens the page, whose operations are there when it is through.
 * @param {Page} page
 * @param {string} address
 */
async function open(page, address = `${BASE}/docs`) {
  await page.goto(address);
  await page.locator('.opblock').first().waitFor();
}

/**
 * @param {Page} page
 * @param {string} method
 * @param {string} path
 */
function operation(page, method, path) {
  return page.locator(`.opblock-${method}`).filter({ has: page.locator(`[data-path="${path}"]`) });
}

/**
 * Tries a POST with this body, and returns what the page says was answered.
 * @param {Page} page
 * @param {string} path
 * @param {object} body
 */
async function tried(page, path, body) {
  const block = operation(page, 'post', path);
  await block.locator('.opblock-summary-control').click();
  await block.getByRole('button', { name: 'Try it out' }).click();
  await block.getByLabel('Request body', { exact: true }).fill(JSON.stringify(body));
  await block.getByRole('button', { name: 'Execute' }).click();
  return answered(block);
}

/** @param {import('playwright-core').Locator} block */
async function answered(block) {
  const live = block.locator('.live-responses-table .response');
  await live.waitFor();
  return {
    url: await block.locator('.request-url pre').innerText(),
    status: (await live.locator('.response-col_status').innerText()).trim(),
    said: await live.locator('.response-col_description').innerText(),
  };
}

test('operations stand by dialect, and what is tried is answered by this very server', async () => {
  await window({}, async (page) => {
    await open(page);
    const tags = await page.locator('.opblock-tag').evaluateAll((all) => all.map((tag) => tag.getAttribute('data-tag')));
    assert.deepEqual(tags.slice(0, 4), ['px0', 'worthai', 'strapi', 'insforge']);
    await picture(page, 'docs');

    const asked = await tried(page, TRIGGER, { email: EMAIL });
    assert.deepEqual([asked.status, asked.url.trim()], ['200', `${BASE}${TRIGGER}`]);
    assert.match(asked.said, /x-reset-reference: [0-9A-Z]{10}/);
    await operation(page, 'post', TRIGGER).scrollIntoViewIfNeeded();
    await picture(page, 'docs-tried');

    const body = { code: await code(EMAIL), new_password: PASSWORD };
    const set = await tried(page, '/v1/auth/password-reset/reset', body);
    assert.equal(set.status, '200', set.said);
    // Its publisher's paths begin at a base path.
    const worthai = await tried(page, '/auth/api/v1/forgot-password', { email: 'nobody@example.com' });
    assert.equal(worthai.status, '200', worthai.said);
    assert.match(worthai.said, /x-reset-reference/);
    assert.deepEqual(await page.context().cookies(), []);
    assert.equal(await page.evaluate(() => localStorage.length + sessionStorage.length), 0);
  });
});

test('behind a proxy that takes a prefix away, page and requests stay under it', async () => {
  /** @type {string[]} */
  const strays = [];
  const proxy = createServer((incoming, outgoing) => {
    const { method, headers, url = '' } = incoming;
    if (headers.referer !== undefined || !url.startsWith('/auth/')) {
      strays.push(url);
      outgoing.writeHead(404).end();
      return;
    }
    const onward = request(BASE + url.slice('/auth'.length), { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(outgoing);
    });
    incoming.pipe(onward);
  });
  await /** @type {Promise<void>} */ (new Promise((listening) => proxy.listen(0, '127.0.0.1', listening)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (proxy.address());
  const outside = `http://127.0.0.1:${port}`;
  try {
    await window({}, async (page) => {
      await open(page, `${outside}/auth/docs`);
      const { status, url } = await tried(page, '/api/auth/forgot-password', { email: 'nobody@example.com' });
      assert.deepEqual([status, url.trim()], ['200', `${outside}/auth/api/auth/forgot-password`]);
      await page.getByRole('link', { name: 'Comparison of the dialects' }).click();
      await page.getByRole('link', { name: 'interactive API reference' }).click();
      await page.locator('.opblock').first().waitFor();
      assert.deepEqual(strays, []);
    }, outside);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});

test('no address makes the page show another document', async () => {
  await window({}, async (page) => {
    /** @type {string[]} */
    const asked = [];
    page.on('request', (request) => asked.push(request.url().slice(BASE.length)));
    const query = 'url=/other.json&urls=/other.json&configUrl=/other.json&spec={}&validatorUrl=/other';
    await open(page, `${BASE}/docs?${query}#/px0/px0_triggerPasswordReset`);
    const [first, ...others] = asked;
    assert.ok(first?.startsWith('/docs?'));
    assert.deepEqual(others.sort(), ['/docs/swagger-ui-bundle.js', '/docs/swagger-ui.css', '/openapi.json']);
    await operation(page, 'post', TRIGGER).waitFor();
  });
});

test('a keyboard is enough to try an operation', async () => {
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
    await picture(page, 'docs-keyboard');
    await page.keyboard.press('Enter');
    assert.equal((await answered(block)).status, '400');
  });
});

test('the page is accessible in light and in dark, with an operation tried and a schema shown', async () => {
  await window({}, async (page) => {
    await open(page);
    await judge(page, 'docs-closed');
    await tried(page, TRIGGER, {});
    // One with parameters, and one with several examples.
    await operation(page, 'get', '/reset').locator('.opblock-summary-control').click();
    await operation(page, 'get', '/reset').getByRole('button', { name: 'Try it out' }).click();
    await operation(page, 'post', '/api/auth/reset-password').locator('.opblock-summary-control').click();
    await page.locator('.models-control').click();
    await page.locator('.models .json-schema-2020-12-accordion').first().click();
    await judge(page, 'docs-open');
  });
});

test('nothing on a telephone is wider than it', async () => {
  await window({ viewport: PHONE, hasTouch: true, isMobile: true }, async (page) => {
    await open(page);
    await tried(page, TRIGGER, {});
    await picture(page, 'phone-docs');
    await fits(page);
  });
});

test('without scripts the page says where the document is', async () => {
  await window({ javaScriptEnabled: false }, async (page) => {
    await page.goto(`${BASE}/docs`);
    await page.locator('noscript p').waitFor();
    await picture(page, 'docs-without-scripts');
    await page.locator('noscript a', { hasText: 'openapi.json' }).click();
    await page.waitForURL(`${BASE}/openapi.json`);
  });
});
