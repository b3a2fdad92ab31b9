// Requests of Directus's administrator, whom `cargo xtask owners` creates.

import assert from 'node:assert/strict';

import { OWNER, SECRET, call } from '../owner.mjs';

/**
 * Sends a request to Directus itself, and returns its data.
 * @param {string} path
 * @param {string} [method]
 * @param {object} [body]
 */
export async function administrator(path, method, body) {
  const credentials = { email: 'administrator@example.com', password: SECRET };
  const session = await call('/auth/login', { body: credentials, base: OWNER });
  assert.equal(session.status, 200, JSON.stringify(session.body));
  const headers = { authorization: `Bearer ${session.body.data.access_token}` };
  const response = await call(path, { ...(method && { method }), body, headers, base: OWNER });
  assert.equal(response.status, 200, JSON.stringify(response.body));
  return response.body.data;
}
