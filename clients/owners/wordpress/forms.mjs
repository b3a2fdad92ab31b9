// A browser without JavaScript: cookies, redirects and forms.

import assert from 'node:assert/strict';

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

  /**
   * Signs in to WordPress, and returns whether it accepts the password.
   * @param {string} name
   * @param {string} password
   */
  async signIn(name, password) {
    await this.send('/wp-login.php');
    const fields = { log: name, pwd: password, 'wp-submit': 'Log In', testcookie: '1' };
    const { status } = await this.send('/wp-login.php', fields);
    assert.ok(status === 302 || status === 200, `the sign-in answers ${status}`);
    return status === 302;
  }

  /** Returns whether WordPress still knows the session. */
  async isSignedIn() {
    const { status } = await this.send('/wp-admin/profile.php');
    assert.ok(status === 302 || status === 200, `the profile answers ${status}`);
    return status === 200;
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
