// Shared by both InsForge suites: the SDK's client, and checks of its results.

import assert from 'node:assert/strict';

import { InsForgeError, createClient } from '@insforge/sdk';

import { BASE } from './deployment.mjs';

/** The real SDK. It sends the key as a bearer token, which polyreset ignores. */
export const { auth } = createClient({ baseUrl: BASE, anonKey: 'a key that polyreset ignores' });

/**
 * Asserts that a call succeeded, and returns its data.
 * @template D
 * @param {{ data: D | null, error: InsForgeError | null }} answer
 * @returns {D}
 */
export function succeeded({ data, error }) {
  assert.equal(error, null);
  assert.ok(data !== null && data !== undefined);
  return data;
}

/**
 * Asserts that a call failed with this error.
 * @param {{ data: unknown, error: InsForgeError | null }} answer
 * @param {number} statusCode
 * @param {string} name
 * @param {string} message
 * @param {string} [nextActions]
 */
export function failed({ data, error }, statusCode, name, message, nextActions) {
  assert.equal(data, null);
  assert.ok(error instanceof InsForgeError);
  assert.deepEqual(
    { statusCode: error.statusCode, error: error.error, message: error.message, nextActions: error.nextActions },
    { statusCode, error: name, message, nextActions },
  );
}

/**
 * Asserts the content of the public configuration.
 * @param {'code' | 'link'} method
 */
export async function checkConfiguration(method) {
  assert.deepEqual(succeeded(await auth.getPublicAuthConfig()), {
    oAuthProviders: [],
    customOAuthProviders: [],
    requireEmailVerification: false,
    passwordMinLength: 8,
    requireNumber: false,
    requireLowercase: false,
    requireUppercase: false,
    requireSpecialChar: false,
    verifyEmailMethod: 'code',
    resetPasswordMethod: method,
    disableSignup: false,
  });
}
