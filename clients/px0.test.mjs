// px0, through a client generated from openapi/px0.yaml.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import createClient from 'openapi-fetch';

import { BASE, PASSWORD, WEAK, bad, code, good, notice, fetchWithTimeout } from './deployment.mjs';

/** @typedef {import('./generated/px0.ts').paths} paths */

const TRIGGER = '/v1/auth/password-reset/trigger';
const RESET = '/v1/auth/password-reset/reset';
const INVALID = { error: 'invalid or expired password reset code' };

/** @type {import('openapi-fetch').Client<paths>} */
const px0 = createClient({ baseUrl: BASE, fetch: fetchWithTimeout });

test('px0: request, wrong code, weak password, reset, replay', async () => {
  const email = 'px0@example.com';
  const requested = good(await px0.POST(TRIGGER, { body: { email } }), 200);
  assert.equal(requested.message, 'password reset email sent successfully');
  const mailed = await code(email);
  assert.match(mailed, /^\d{6}$/);

  const wrong = { code: mailed === '000000' ? '000001' : '000000', new_password: PASSWORD };
  assert.deepEqual(bad(await px0.POST(RESET, { body: wrong }), 400), INVALID);
  const weak = bad(await px0.POST(RESET, { body: { code: mailed, new_password: WEAK } }), 400);
  assert.equal(weak.error, 'password must be at least 8 characters');
  const lowercase = bad(await px0.POST(RESET, { body: { code: mailed, new_password: 'alllowercase' } }), 400);
  assert.match(lowercase.error, /^password must contain at least one uppercase letter/);

  const right = { code: mailed, new_password: PASSWORD };
  const reset = good(await px0.POST(RESET, { body: right }), 200);
  assert.equal(reset.message, 'password reset successfully');
  assert.equal(reset.email, email);
  await notice(email);
  assert.deepEqual(bad(await px0.POST(RESET, { body: right }), 400), INVALID);
});

test('px0: a request for an unknown address returns 404', async () => {
  const unknown = bad(await px0.POST(TRIGGER, { body: { email: 'nobody@example.com' } }), 404);
  assert.equal(unknown.error, 'user not found');
});

test('px0: the server rejects input that the types reject', async () => {
  // @ts-expect-error `email` is required
  const noEmail = bad(await px0.POST(TRIGGER, { body: {} }), 400);
  assert.equal(noEmail.error, 'email is required');
  // @ts-expect-error `new_password` is required
  const noPassword = bad(await px0.POST(RESET, { body: { code: '123456' } }), 400);
  assert.equal(noPassword.error, 'code and new_password are required');
});
