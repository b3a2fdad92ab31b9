// worthai, through a client generated from openapi/worthai.yaml. Its paths are relative to the path of the document's
// server, `/auth/api/v1`.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import createClient from 'openapi-fetch';

import { BASE, PASSWORD, WEAK, bad, good, link, notice, fetchWithTimeout } from './deployment.mjs';

/** @typedef {import('./generated/worthai.ts').paths} paths */
/** @typedef {import('./generated/worthai.ts').components['schemas']} schemas */

const FORGOT = '/forgot-password';
const RESET = '/reset-password';
const SENT = 'A link to reset your password has been sent to the registered email';

/** @type {import('openapi-fetch').Client<paths>} */
const worthai = createClient({ baseUrl: `${BASE}/auth/api/v1`, fetch: fetchWithTimeout });

test('worthai: request, wrong token, weak password, reset, replay', async () => {
  const email = 'worthai@example.com';
  const requested = good(await worthai.POST(FORGOT, { body: { email } }), 200);
  assert.deepEqual(requested, { status: 'success', message: SENT });
  const token = (await link(email)).searchParams.get('reset_token');
  assert.ok(token);
  const [head, claims, signature] = token.split('.');
  assert.ok(head && claims && signature);

  const forged = [head, claims, (signature.startsWith('A') ? 'B' : 'A') + signature.slice(1)].join('.');
  const wrong = bad(await worthai.POST(RESET, { body: { password: PASSWORD, reset_token: forged } }), 500);
  assert.deepEqual(wrong, failure('error', 'invalid signature', 'UNKNOWN_ERROR', 'JsonWebTokenError'));
  const weak = bad(await worthai.POST(RESET, { body: { password: WEAK, reset_token: token } }), 400);
  assert.deepEqual(weak, invalid('"password" length must be at least 8 characters long'));

  const right = { password: PASSWORD, reset_token: token };
  const reset = good(await worthai.POST(RESET, { body: right }), 200);
  assert.deepEqual(reset, { status: 'success', message: 'Password Changed successfully' });
  await notice(email);
  const replay = bad(await worthai.POST(RESET, { body: right }), 400);
  assert.deepEqual(replay, failure('fail', 'This reset password link has expired', 'INVALID', 'SignInApiError'));
});

test('worthai: an unknown address gets the response of a known one', async () => {
  const unknown = good(await worthai.POST(FORGOT, { body: { email: 'nobody@example.com' } }), 200);
  assert.deepEqual(unknown, { status: 'success', message: SENT });
});

test('worthai: the server rejects input that the types reject', async () => {
  // @ts-expect-error `email` is required
  const noEmail = bad(await worthai.POST(FORGOT, { body: {} }), 400);
  assert.deepEqual(noEmail, invalid('"email" is required'));
  // @ts-expect-error `password` is required
  const noPassword = bad(await worthai.POST(RESET, { body: { reset_token: 'a.b.c' } }), 400);
  assert.deepEqual(noPassword, invalid('"password" is required'));
});

/** @param {string} message */
function invalid(message) {
  return failure('fail', message, 'INVALID', 'ValidationMiddlewareError');
}

/**
 * @param {schemas['Failure']['status']} status
 * @param {string} message
 * @param {schemas['Failure']['errorCode']} errorCode
 * @param {schemas['Failure']['data']['errorName']} errorName
 * @returns {schemas['Failure']}
 */
function failure(status, message, errorCode, errorName) {
  return { status, message, errorCode, data: { errorName } };
}
