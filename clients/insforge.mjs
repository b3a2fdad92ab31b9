// What both methods of InsForge share: the SDK's client, and the shapes that its calls resolve to.

import assert from 'node:assert/strict';

import { InsForgeError, createClient } from '@insforge/sdk';

import { BASE } from './deployment.mjs';

/** The real SDK, with a key: it is sent along as a bearer, and means nothing here. */
export const { auth } = createClient({ baseUrl: BASE, anonKey: 'a key that means nothing here' });

/**
 * The data of a call, once it succeeded.
 * @template D
 * @param {{ data: D | null, error: InsForgeError | null }} answer
 * @returns {D}
 */
export function done({ data, error }) {
  assert.equal(error, null);
  assert.ok(data !== null && data !== undefined);
  return data;
}

/**
 * Asserts that a call failed, and how.
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
 * Asserts what the public configuration says.
 * @param {'code' | 'link'} method
 */
export async function configured(method) {
  assert.deepEqual(done(await auth.getPublicAuthConfig()), {
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
