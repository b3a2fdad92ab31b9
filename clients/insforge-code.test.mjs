// InsForge through its real SDK, on a deployment that mails codes.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PASSWORD, WEAK, code, notice } from './deployment.mjs';
import { auth, checkConfiguration, succeeded, failed } from './insforge.mjs';

const SENT = {
  success: true,
  message: 'If your email is registered, we have sent you a password reset code. Please check your inbox.',
};
const DEAD_CODE = 'Invalid or expired verification code';
const DEAD_TOKEN = 'Invalid or expired verification token';

test('InsForge, code: the public configuration names the method', () => checkConfiguration('code'));

test('InsForge, code: request, wrong code, exchange, weak password, reset, replay', async () => {
  const email = 'insforge@example.com';
  assert.deepEqual(succeeded(await auth.sendResetPasswordEmail({ email })), SENT);
  const mailed = await code(email);
  assert.match(mailed, /^\d{6}$/);

  const wrong = { email, code: mailed === '000000' ? '000001' : '000000' };
  failed(await auth.exchangeResetPasswordToken(wrong), 401, 'AUTH_UNAUTHORIZED', DEAD_CODE);
  const { token, expiresAt } = succeeded(await auth.exchangeResetPasswordToken({ email, code: mailed }));
  assert.match(token, /^[0-9a-f]{64}$/);
  assert.ok(Date.parse(expiresAt) > Date.now());
  const again = await auth.exchangeResetPasswordToken({ email, code: mailed });
  failed(again, 401, 'AUTH_UNAUTHORIZED', DEAD_CODE);

  const weak = await auth.resetPassword({ newPassword: WEAK, otp: token });
  failed(weak, 400, 'INVALID_INPUT', 'Password must contain at least 8 characters long');
  const forged = await auth.resetPassword({ newPassword: PASSWORD, otp: '0'.repeat(64) });
  failed(forged, 401, 'AUTH_UNAUTHORIZED', DEAD_TOKEN);
  const right = { newPassword: PASSWORD, otp: token };
  assert.deepEqual(succeeded(await auth.resetPassword(right)), { message: 'Password reset successfully' });
  await notice(email);
  failed(await auth.resetPassword(right), 401, 'AUTH_UNAUTHORIZED', DEAD_TOKEN);
});

test('InsForge, code: an unknown address gets the response of a known one', async () => {
  assert.deepEqual(succeeded(await auth.sendResetPasswordEmail({ email: 'nobody@example.com' })), SENT);
  const exchanged = await auth.exchangeResetPasswordToken({ email: 'nobody@example.com', code: '123456' });
  failed(exchanged, 401, 'AUTH_UNAUTHORIZED', DEAD_CODE);
});

test('InsForge, code: the error names the malformed field', async () => {
  // @ts-expect-error `email` is required
  failed(await auth.sendResetPasswordEmail({}), 400, 'INVALID_INPUT', 'email: Required');
  const short = await auth.exchangeResetPasswordToken({ email: 'insforge@example.com', code: '12345' });
  failed(short, 400, 'INVALID_INPUT', 'code: Reset password code must be a 6-digit numeric code');
  // @ts-expect-error both fields are required
  failed(await auth.resetPassword({}), 400, 'INVALID_INPUT', 'newPassword: Required, otp: Required');
});
