// A browser without JavaScript (cookies, redirects and forms), and a reset on the hosted pages of polyreset.

import assert from 'node:assert/strict';

import { BASE, PASSWORD, link, notice } from '../deployment.mjs';

/** Timeout of a response, in milliseconds. */
const TIMEOUT = 15_000;

export class Browser {
  /** @type {Map<string, string>} */
  #cookies = new Map();

  /** @param {string} base */
  constructor(base) {
    this.base = base;
  }

  /**
   * Sends a request, or a form if there are fields, without following redirects.
   * @param {string} address
   * @param {Record<string, string>} [fields]
   * @returns {Promise<{ status: number, location: string, text: string }>}
   */
  async send(address, fields) {
    const response = await fetch(new URL(address, this.base), {
      method: fields ? 'POST' : 'GET',
      headers: { cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') },
      body: fields ? new URLSearchParams(fields) : null,
      redirect: 'manual',
      signal: AbortSignal.timeout(TIMEOUT),
    });
    for (const line of response.headers.getSetCookie()) {
      const [pair = '', ...attributes] = line.split(';');
      const [name = '', value = ''] = pair.split(/=(.*)/s);
      const expired = attributes.some((attribute) => /^\s*(max-age=0|expires=.*(1970|-1 year))/i.test(attribute));
      if (expired || value.trim() === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return { status: response.status, location: response.headers.get('location') ?? '', text: await response.text() };
  }

  /**
   * Sends a request and follows its redirects.
   * @param {string} address
   * @param {Record<string, string>} [fields]
   */
  async open(address, fields) {
    let response = await this.send(address, fields);
    for (let hops = 0; response.status >= 300 && response.status < 400; hops += 1) {
      assert.ok(hops < 5, `too many redirects from ${address}`);
      response = await this.send(response.location);
    }
    return response;
  }
}

/**
 * Returns the hidden fields of the forms of a page.
 * @param {string} text
 * @returns {Record<string, string>}
 */
export function hidden(text) {
  const inputs = text.match(/<input[^>]*type="hidden"[^>]*>/g) ?? [];
  return Object.fromEntries(inputs.map((input) => [attribute(input, 'name'), attribute(input, 'value')]));
}

/**
 * @param {string} input
 * @param {string} name
 */
function attribute(input, name) {
  return new RegExp(` ${name}="([^"]*)"`).exec(input)?.[1]?.replaceAll('&amp;', '&') ?? '';
}

/**
 * Sends the form for lost passwords, and returns the page after it.
 * @param {Browser} browser
 * @param {string} email
 */
export async function request(browser, email) {
  const form = await browser.open('/forgot');
  assert.match(form.text, /name="email"/);
  const { status, text } = await browser.open('/forgot', { ...hidden(form.text), email });
  assert.equal(status, 200);
  return text;
}

/**
 * Requests a reset, follows the mailed link and sets `PASSWORD`. Returns the page after it.
 * @param {Browser} browser
 * @param {string} email
 */
export async function reset(browser, email) {
  await request(browser, email);
  const mailed = await link(email);
  // Without JavaScript a page in between leads on, so that mail scanners leave the link alone.
  const between = await browser.open(mailed.href);
  const form = await browser.open(/href="(reset\?[^"]*)"/.exec(between.text)?.[1]?.replaceAll('&#38;', '&') ?? '');
  const done = await browser.open('/reset', { ...hidden(form.text), password: PASSWORD });
  assert.equal(done.status, 200);
  await notice(email);
  return done.text;
}

/**
 * Asserts that an unknown address gets the page of this one.
 * @param {string} known
 */
export async function assertUnknownLooksLike(known) {
  const unknown = 'nobody@example.com';
  const reference = /[0-9A-Z]{10}/g;
  const [one, two] = await Promise.all(
    [known, unknown].map(async (email) => {
      const page = await request(new Browser(BASE), email);
      return page.replaceAll(email, '').replace(reference, '');
    }),
  );
  assert.equal(one, two);
}
