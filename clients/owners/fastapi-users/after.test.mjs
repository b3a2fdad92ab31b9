// FastAPI-Users behind polyreset. Sign-in and the user are FastAPI-Users'; the two reset requests are worthai's, because
// polyreset does not have the paths of FastAPI-Users.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BASE, PASSWORD, link, notice } from '../../deployment.mjs';
import { OLD, address, call } from '../owner.mjs';

const FORGOT = '/auth/api/v1/forgot-password';
const RESET = '/auth/api/v1/reset-password';

test('the whole life of a password', async () => {
  const email = address('resetting');
  const token = await signIn(email, OLD);
  const staying = await signIn(address('staying'), OLD);
  assert.equal(await me(token), email);

  assert.equal((await call(FORGOT, { body: { email } })).status, 200);
  const secret = (await link(email)).searchParams.get('reset_token');
  const forged = await call(RESET, { body: { password: PASSWORD, reset_token: `${secret}x` } });
  assert.equal(forged.status, 500);
  const done = await call(RESET, { body: { password: PASSWORD, reset_token: secret } });
  assert.equal(done.status, 200, JSON.stringify(done.body));
  await notice(email);
  assert.equal((await call(RESET, { body: { password: PASSWORD, reset_token: secret } })).status, 400);

  assert.equal(await me(token), 401, 'the token from before the reset is still valid');
  assert.equal(await me(staying), address('staying'), "another person's token ended");
  assert.equal(await signIn(email, OLD), 400);
  assert.equal(await me(await signIn(email, PASSWORD)), email);
});

test('an unknown address gets the response of a known one', async () => {
  assert.equal((await call(FORGOT, { body: { email: 'nobody@example.com' } })).status, 200);
});

/**
 * Returns a token of a new session, or the status of the refusal.
 * @param {string} username
 * @param {string} password
 */
async function signIn(username, password) {
  const response = await fetch(`${BASE}/auth/login`, { method: 'POST', body: new URLSearchParams({ username, password }) });
  return response.status === 200 ? (await response.json()).access_token : response.status;
}

/**
 * Returns the address of the session's person, or the status of the refusal.
 * @param {string} token
 */
async function me(token) {
  const { status, body } = await call('/users/me', { headers: { authorization: `Bearer ${token}` } });
  return status === 200 ? body.email : status;
}
