// Strapi's own clients against polyreset in front of Strapi: sign in, forgot, reset, read the user, sign in again.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { strapi } from '@strapi/client';
import StrapiSdk from 'strapi-sdk-js';

import { BASE, PASSWORD, link, notice } from '../../deployment.mjs';
import { OLD, address, call, username } from '../owner.mjs';

/**
 * The calls that every client makes, each in the client's own words.
 * @typedef {object} Client
 * @property {(identifier: string, password: string) => Promise<any>} signIn
 * @property {(email: string) => Promise<any>} forgot
 * @property {(code: string, password: string) => Promise<any>} reset
 * @property {(jwt: string) => Promise<any>} me
 * @property {(error: any) => Promise<string> | string} message the text that an application shows
 */

// The types of the library describe its CommonJS form only.
const Sdk = /** @type {typeof StrapiSdk.default} */ (/** @type {unknown} */ (StrapiSdk));

const API = `${BASE}/api`;
const WRONG_PASSWORD = 'Invalid identifier or password';

/** @type {Record<string, Client>} */
const CLIENTS = {
  'client': strapiClient(),
  'sdk-js': strapiSdkJs(),
  'nuxt': nuxtStrapi(),
};

for (const [name, client] of Object.entries(CLIENTS)) {
  const email = address(name);

  test(`${name}: the whole life of a password`, async () => {
    const before = await client.signIn(email, OLD);
    assert.equal(before.user.email, email);

    assert.deepEqual(await client.forgot(email), { ok: true });
    const mailed = await link(email);
    assert.equal(mailed.origin + mailed.pathname, 'https://app.example.com/reset-password');
    const code = mailed.searchParams.get('code') ?? '';

    assert.equal(await rejected(client, client.reset('f'.repeat(128), PASSWORD)), 'Incorrect code provided');
    assert.match(await rejected(client, client.reset(code, 'Sh0rt!')), /must be at least/);

    const { jwt, user } = await client.reset(code, PASSWORD);
    assert.deepEqual([user.id, user.email, user.username], [before.user.id, email, username(name)]);
    await notice(email);

    // Strapi itself reads the token that polyreset has signed.
    const me = await client.me(jwt);
    assert.deepEqual([me.id, me.email, me.username], [before.user.id, email, username(name)]);
    for (const field of Object.keys(user)) {
      assert.ok(field in me, `Strapi has no ${field} in its user`);
    }

    assert.equal(await rejected(client, client.reset(code, PASSWORD)), 'Incorrect code provided');
    assert.equal(await rejected(client, client.signIn(email, OLD)), WRONG_PASSWORD);
    const after = await client.signIn(username(name), PASSWORD);
    assert.equal(after.user.documentId, before.user.documentId);
  });
}

test('an unknown address gets the response of a known one', async () => {
  const { status, body } = await call('/api/auth/forgot-password', { body: { email: 'nobody@example.com' } });
  assert.deepEqual([status, body], [200, { ok: true }]);
});

test('an address in capitals is found, as by Strapi', async () => {
  const email = address('capitals');
  const { status } = await call('/api/auth/forgot-password', { body: { email: email.toUpperCase() } });
  assert.equal(status, 200);
  assert.ok((await link(email)).searchParams.get('code'));
});

test('a browser on another origin may call both, by the rules of Strapi', async () => {
  const origin = 'https://app.example.com';
  for (const path of ['/api/auth/local', '/api/auth/forgot-password', '/api/auth/reset-password']) {
    const asked = { 'access-control-request-method': 'POST', 'access-control-request-headers': 'content-type' };
    const preflight = await fetch(BASE + path, { method: 'OPTIONS', headers: { origin, ...asked } });
    assert.equal(preflight.headers.get('access-control-allow-origin'), origin, path);
    assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /content-type/i, path);
    const headers = { origin, 'content-type': 'application/json' };
    const response = await fetch(BASE + path, { method: 'POST', headers, body: '{}' });
    assert.deepEqual([response.status, response.headers.get('access-control-allow-origin')], [400, origin], path);
  }
});

test('everything else is answered by Strapi', async () => {
  const denied = await call('/api/users/me', { headers: { authorization: 'Bearer nonsense' } });
  assert.equal(denied.status, 401);
  assert.equal(denied.body.error.name, 'UnauthorizedError');
  const unknown = await call('/api/articles');
  assert.deepEqual([unknown.status, unknown.body.error.name], [404, 'NotFoundError']);
});

/** @returns {Client} `@strapi/client`, which has `fetch` for the paths of users-permissions. */
function strapiClient() {
  const client = strapi({ baseURL: API });
  const post = async (/** @type {string} */ path, /** @type {object} */ body) => {
    const headers = { 'Content-Type': 'application/json' };
    const response = await client.fetch(path, { method: 'POST', headers, body: JSON.stringify(body) });
    return response.json();
  };
  return {
    signIn: (identifier, password) => post('/auth/local', { identifier, password }),
    forgot: (email) => post('/auth/forgot-password', { email }),
    reset: (code, password) => post('/auth/reset-password', { code, password, passwordConfirmation: password }),
    me: async (jwt) => (await strapi({ baseURL: API, auth: jwt }).fetch('/users/me')).json(),
    message: async (error) => (await error.response.json()).error.message,
  };
}

/** @returns {Client} `strapi-sdk-js` */
function strapiSdkJs() {
  const sdk = new Sdk({ url: BASE });
  return {
    signIn: (identifier, password) => sdk.login({ identifier, password }),
    forgot: (email) => sdk.forgotPassword({ email }),
    reset: (code, password) => sdk.resetPassword({ code, password, passwordConfirmation: password }),
    // Outside a browser the library keeps no token, so an application passes it itself.
    me: async (jwt) => {
      const signedIn = new Sdk({ url: BASE, axiosOptions: { headers: { Authorization: `Bearer ${jwt}` } } });
      return signedIn.fetchUser();
    },
    message: (error) => error.error.message,
  };
}

/**
 * The requests of `@nuxtjs/strapi` (`useStrapiAuth`), which runs inside Nuxt only: the same paths, bodies and headers.
 * @returns {Client}
 */
function nuxtStrapi() {
  const send = async (/** @type {string} */ path, /** @type {object} */ options) => {
    const { status, body } = await call(`/api${path}`, options);
    if (status >= 400) throw body;
    return body;
  };
  return {
    signIn: (identifier, password) => send('/auth/local', { body: { identifier, password } }),
    forgot: (email) => send('/auth/forgot-password', { body: { email } }),
    reset: (code, password) =>
      send('/auth/reset-password', { body: { code, password, passwordConfirmation: password } }),
    me: (jwt) => send('/users/me', { headers: { Authorization: `Bearer ${jwt}` } }),
    message: (error) => error.error.message,
  };
}

/**
 * Returns the message of a call that must fail.
 * @param {Client} client
 * @param {Promise<any>} request
 */
async function rejected(client, request) {
  const outcome = await request.then((value) => ({ value }), (error) => ({ error }));
  assert.ok('error' in outcome, `accepted: ${JSON.stringify(outcome)}`);
  return client.message(outcome.error);
}
