// InsForge through its real SDK, on a deployment that mails links to the client's page.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BASE, PASSWORD, WEAK, link, notice } from './deployment.mjs';
import { auth, checkConfiguration, succeeded, failed } from './insforge.mjs';

/** The only page on the deployment's allow-list. */
const PAGE = 'https://app.example.com/reset-password';
const DEAD_TOKEN = 'Invalid or expired verification token';

test('InsForge, link: the public configuration names the method', () => checkConfiguration('link'));

test('InsForge, link: request, open, weak password, reset, replay, open again', async () => {
  const email = 'insforge@example.com';
  const sent = succeeded(await auth.sendResetPasswordEmail({ email, redirectTo: PAGE }));
  assert.equal(sent.success, true);
  assert.match(sent.message, /^If your email is registered, we have sent you a password reset link\./);
  const mailed = await link(email);
  assert.equal(mailed.origin + mailed.pathname, `${BASE}/api/auth/email/reset-password-link`);

  // Opening the link any number of times, by GET or HEAD, does not spend it.
  await open(mailed, 'HEAD');
  const first = await open(mailed);
  const opened = await open(mailed);
  assert.equal(opened.href, first.href);
  assert.equal(opened.origin + opened.pathname, PAGE);
  assert.equal(opened.searchParams.get('insforge_status'), 'ready');
  assert.equal(opened.searchParams.get('insforge_type'), 'reset_password');
  const token = opened.searchParams.get('token');
  assert.ok(token);
  assert.match(token, /^[0-9a-f]{64}$/);

  const weak = await auth.resetPassword({ newPassword: WEAK, otp: token });
  failed(weak, 400, 'INVALID_INPUT', 'Password must contain at least 8 characters long');
  const forged = await auth.resetPassword({ newPassword: PASSWORD, otp: '0'.repeat(64) });
  failed(forged, 401, 'AUTH_UNAUTHORIZED', DEAD_TOKEN);
  const right = { newPassword: PASSWORD, otp: token };
  assert.deepEqual(succeeded(await auth.resetPassword(right)), { message: 'Password reset successfully' });
  await notice(email);
  failed(await auth.resetPassword(right), 401, 'AUTH_UNAUTHORIZED', DEAD_TOKEN);

  const late = await open(mailed);
  assert.equal(late.origin + late.pathname, PAGE);
  assert.equal(late.searchParams.get('insforge_status'), 'error');
  assert.equal(late.searchParams.get('insforge_error'), DEAD_TOKEN);
  assert.equal(late.searchParams.get('token'), null);
});

test('InsForge, link: an unknown address gets the response of a known one', async () => {
  const unknown = succeeded(await auth.sendResetPasswordEmail({ email: 'nobody@example.com', redirectTo: PAGE }));
  assert.equal(unknown.success, true);
});

test('InsForge, link: the redirect target is required and must be allowed', async () => {
  const email = 'insforge@example.com';
  const missing = await auth.sendResetPasswordEmail({ email });
  failed(missing, 400, 'INVALID_INPUT', 'redirectTo is required when link-based password reset is enabled');
  const elsewhere = await auth.sendResetPasswordEmail({ email, redirectTo: 'https://elsewhere.example.com/' });
  failed(
    elsewhere,
    400,
    'INVALID_INPUT',
    'redirectTo is not in the allowed redirect URLs',
    'Please add this URL to the allowed redirect URLs in the authentication configuration.',
  );
});

/**
 * Opens a link, and returns the target of its redirect.
 * @param {URL} mailed
 * @param {'GET' | 'HEAD'} [method]
 */
async function open(mailed, method = 'GET') {
  const response = await fetch(mailed, { method, redirect: 'manual' });
  assert.equal(response.status, 302);
  const location = response.headers.get('location');
  assert.ok(location);
  return new URL(location);
}
