// Strapi, through a client generated from openapi/strapi.yaml, with the path prefixes of v3 and of v4 and v5.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import createClient from 'openapi-fetch';

import { BASE, PASSWORD, WEAK, bad, good, link, notice, fetchWithTimeout } from './deployment.mjs';

/** @typedef {import('./generated/strapi.ts').paths} paths */
/** @typedef {import('./generated/strapi.ts').components['schemas']} schemas */

/** @type {import('openapi-fetch').Client<paths>} */
const strapi = createClient({ baseUrl: BASE, fetch: fetchWithTimeout });

const PREFIXES = /** @type {const} */ ([
  ['v3', '/auth/forgot-password', '/auth/reset-password'],
  ['v4', '/api/auth/forgot-password', '/api/auth/reset-password'],
]);

for (const [version, FORGOT, RESET] of PREFIXES) {
  test(`Strapi ${version}: request, wrong code, weak password, reset, replay`, async () => {
    const email = `strapi-${version}@example.com`;
    assert.deepEqual(good(await strapi.POST(FORGOT, { body: { email } }), 200), { ok: true });
    const code = (await link(email)).searchParams.get('code');
    assert.ok(code);
    assert.match(code, /^[0-9a-f]{128}$/);

    const wrong = bad(await strapi.POST(RESET, { body: resetBody('f'.repeat(128), PASSWORD) }), 400);
    assert.deepEqual(wrong, failure('Incorrect code provided'));
    const weak = bad(await strapi.POST(RESET, { body: resetBody(code, WEAK) }), 400);
    assert.deepEqual(weak, invalid('password', 'password must be at least 8 characters'));
    const differ = { code, password: PASSWORD, passwordConfirmation: `${PASSWORD}!` };
    const mismatch = bad(await strapi.POST(RESET, { body: differ }), 400);
    assert.deepEqual(mismatch, invalid('passwordConfirmation', 'Passwords do not match'));

    const { jwt, user } = good(await strapi.POST(RESET, { body: resetBody(code, PASSWORD) }), 200);
    assert.equal(jwt?.split('.').length, 3);
    const { id, username, createdAt, updatedAt, ...rest } = user;
    assert.equal(typeof id, 'number');
    assert.ok(username.length > 0);
    assert.ok(Date.parse(createdAt) <= Date.parse(updatedAt));
    assert.deepEqual(rest, { email, provider: 'local', confirmed: true, blocked: false });
    await notice(email);
    const replay = bad(await strapi.POST(RESET, { body: resetBody(code, PASSWORD) }), 400);
    assert.deepEqual(replay, failure('Incorrect code provided'));
  });

  test(`Strapi ${version}: an unknown address gets the response of a known one`, async () => {
    const unknown = good(await strapi.POST(FORGOT, { body: { email: 'nobody@example.com' } }), 200);
    assert.deepEqual(unknown, { ok: true });
  });

  test(`Strapi ${version}: the server rejects input that the types reject`, async () => {
    // @ts-expect-error `email` is required
    const noEmail = bad(await strapi.POST(FORGOT, { body: {} }), 400);
    assert.equal(noEmail.error.name, 'ValidationError');
    // @ts-expect-error `password` is required
    const noPassword = bad(await strapi.POST(RESET, { body: { code: 'c', passwordConfirmation: 'p' } }), 400);
    assert.equal(noPassword.error.name, 'ValidationError');
    assert.match(JSON.stringify(noPassword.error.details), /password is a required field/);
  });
}

/**
 * The body of a reset, with the password and its confirmation.
 * @param {string} code
 * @param {string} password
 * @returns {schemas['ResetPasswordRequest']}
 */
function resetBody(code, password) {
  return { code, password, passwordConfirmation: password };
}

/**
 * @param {string} message
 * @param {schemas['ErrorDetails']} details
 * @returns {schemas['Error']}
 */
function failure(message, details = {}) {
  return { code: 400, message, data: null, error: { status: 400, name: 'ValidationError', message, details } };
}

/**
 * @param {string} field
 * @param {string} message
 */
function invalid(field, message) {
  return failure(message, { errors: [{ path: [field], message, name: 'ValidationError' }] });
}
