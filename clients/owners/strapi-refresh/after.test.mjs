// Strapi 5 with `jwtManagement: 'refresh'` behind polyreset: a reset ends the sessions of one person.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PASSWORD, link, notice } from '../../deployment.mjs';
import { OLD, address, call } from '../owner.mjs';

test('a reset ends every session of the person, and no other', async () => {
  const email = address('resetting');
  const phone = await signIn(email, OLD);
  const laptop = await signIn(email, OLD);
  const staying = await signIn(address('staying'), OLD);
  assert.equal(await me(phone.jwt), email);
  const renewed = await renew(laptop.refreshToken);
  assert.equal(renewed.status, 200, JSON.stringify(renewed.body));

  const forgot = await call('/api/auth/forgot-password', { body: { email } });
  assert.deepEqual([forgot.status, forgot.body], [200, { ok: true }]);
  const code = (await link(email)).searchParams.get('code');
  const body = { code, password: PASSWORD, passwordConfirmation: PASSWORD };
  const reset = await call('/api/auth/reset-password', { body });
  assert.equal(reset.status, 200, JSON.stringify(reset.body));
  // Strapi accepts tokens of its own sessions only, so polyreset returns none.
  assert.equal(reset.body.jwt, undefined);
  assert.equal(reset.body.user.email, email);
  await notice(email);

  for (const token of [phone.refreshToken, laptop.refreshToken, renewed.body.refreshToken]) {
    assert.equal((await renew(token)).status, 401, 'a refresh token from before the reset is still valid');
  }
  // Strapi looks up no session for an access token, also after a reset of its own: it lives for 10 minutes.
  assert.equal(await me(phone.jwt), email);
  assert.equal((await renew(staying.refreshToken)).status, 200, "another person's session ended");

  const old = await call('/api/auth/local', { body: { identifier: email, password: OLD } });
  assert.equal(old.status, 400);
  assert.equal(await me((await signIn(email, PASSWORD)).jwt), email);
});

/**
 * @param {string} identifier
 * @param {string} password
 */
async function signIn(identifier, password) {
  const { status, body } = await call('/api/auth/local', { body: { identifier, password } });
  assert.equal(status, 200, JSON.stringify(body));
  return body;
}

/** @param {string} refreshToken */
function renew(refreshToken) {
  return call('/api/auth/refresh', { body: { refreshToken } });
}

/**
 * Returns the address of the session's person, or the status of the refusal.
 * @param {string} jwt
 */
async function me(jwt) {
  const { status, body } = await call('/api/users/me', { headers: { authorization: `Bearer ${jwt}` } });
  return status === 200 ? body.email : status;
}
