// v3's own client against polyreset in front of Strapi 3, with `strapi.wire = "v3"`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import StrapiSdk from 'strapi-sdk-javascript';

import { BASE, PASSWORD, link, notice } from '../../deployment.mjs';
import { OLD, address, call, username } from '../owner.mjs';

// The library is CommonJS, whose exports Node wraps once more.
const Sdk = /** @type {typeof StrapiSdk.default} */ (/** @type {any} */ (StrapiSdk).default);
const PAGE = 'https://app.example.com/reset-password';
const WRONG_PASSWORD = 'Identifier or password invalid.';

test('strapi-sdk-javascript: the whole life of a password', async () => {
  const email = address('sdk');
  const sdk = new Sdk(BASE);
  const before = await sdk.login(email, OLD);
  /** @type {any} */
  const user = before.user;
  assert.equal(user.email, email);

  // The library sends the page with every request.
  await sdk.forgotPassword(email, PAGE);
  const mailed = await link(email);
  assert.equal(mailed.origin + mailed.pathname, PAGE);
  const code = mailed.searchParams.get('code') ?? '';

  await assert.rejects(sdk.resetPassword('f'.repeat(128), PASSWORD, PASSWORD));
  await sdk.resetPassword(code, PASSWORD, PASSWORD);
  await notice(email);
  await assert.rejects(sdk.resetPassword(code, PASSWORD, PASSWORD));
  await assert.rejects(sdk.login(email, OLD));

  const after = await sdk.login(username('sdk'), PASSWORD);
  assert.equal(/** @type {any} */ (after.user).id, user.id);
  assert.equal(/** @type {any} */ (await sdk.getEntry('users', 'me')).email, email);
});

test('errors have the form that applications for v3 read', async () => {
  const signIn = await call('/auth/local', { body: { identifier: address('sdk'), password: OLD } });
  assert.equal(shown(signIn), WRONG_PASSWORD);
  const body = { code: 'f'.repeat(128), password: PASSWORD, passwordConfirmation: PASSWORD };
  assert.equal(shown(await call('/auth/reset-password', { body })), 'Incorrect code provided.');
  const differ = { ...body, passwordConfirmation: `${PASSWORD}!` };
  assert.equal(shown(await call('/auth/reset-password', { body: differ })), 'Passwords do not match.');
});

test('Strapi 3 reads the token in the response, and the user has its fields', async () => {
  const email = address('token');
  const signedIn = await call('/auth/local', { body: { identifier: email, password: OLD } });
  const forgot = await call('/auth/forgot-password', { body: { email, url: PAGE } });
  assert.deepEqual([forgot.status, forgot.body], [200, { ok: true }]);
  const code = (await link(email)).searchParams.get('code');
  const body = { code, password: PASSWORD, passwordConfirmation: PASSWORD };
  const reset = await call('/auth/reset-password', { body });
  assert.equal(reset.status, 200, JSON.stringify(reset.body));
  const me = await call('/users/me', { headers: { authorization: `Bearer ${reset.body.jwt}` } });
  assert.deepEqual([me.status, me.body.email], [200, email]);
  assert.equal(reset.body.user.id, signedIn.body.user.id);
  for (const field of ['id', 'username', 'email', 'provider', 'confirmed', 'blocked', 'created_at', 'updated_at']) {
    assert.ok(field in reset.body.user, `the user has no ${field}: ${JSON.stringify(reset.body.user)}`);
  }
  for (const field of Object.keys(reset.body.user)) {
    assert.ok(field in signedIn.body.user, `Strapi has no ${field} in its user`);
  }
});

/**
 * Returns the message that an application for v3 shows.
 * @param {{ status: number, body: any }} response
 */
function shown({ status, body }) {
  assert.equal(status, 400, JSON.stringify(body));
  assert.deepEqual([body.statusCode, body.error], [400, 'Bad Request']);
  return body.message[0].messages[0].message;
}
