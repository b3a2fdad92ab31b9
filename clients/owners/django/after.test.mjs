// Front ends of dj-rest-auth and Djoser against polyreset in front of Django: sign in, forgot, reset, sign in again.
// Neither library has a client for JavaScript; their users send these requests themselves.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { PASSWORD, link, notice } from '../../deployment.mjs';
import { OLD, address, call, username } from '../owner.mjs';

/**
 * The requests of one library.
 * @typedef {object} Library
 * @property {string} signIn
 * @property {string} me
 * @property {string} forgot
 * @property {number} forgotStatus
 * @property {string} confirm
 * @property {number} confirmStatus
 * @property {(uid: string, token: string, password: string) => object} confirmation
 */

/** @type {Record<string, Library>} */
const LIBRARIES = {
  'rest-auth': {
    signIn: '/auth/login/',
    me: '/auth/user/',
    forgot: '/auth/password/reset/',
    forgotStatus: 200,
    confirm: '/auth/password/reset/confirm/',
    confirmStatus: 200,
    confirmation: (uid, token, password) => ({ uid, token, new_password1: password, new_password2: password }),
  },
  'djoser': {
    signIn: '/auth/login/',
    me: '/auth/users/me/',
    forgot: '/auth/users/reset_password/',
    forgotStatus: 204,
    confirm: '/auth/users/reset_password_confirm/',
    confirmStatus: 204,
    confirmation: (uid, token, password) => ({ uid, token, new_password: password }),
  },
};

for (const [name, library] of Object.entries(LIBRARIES)) {
  test(`${name}: the whole life of a password`, async () => {
    const email = address(name);
    const session = await signIn(library, name, OLD);
    const staying = await signIn(library, 'staying', OLD);
    for (const headers of session) assert.equal(await me(library, headers), email);

    const asked = await call(library.forgot, { body: { email } });
    assert.equal(asked.status, library.forgotStatus, JSON.stringify(asked.body));
    const mailed = await link(email, /\/confirm\//);
    const [uid = '', secret = ''] = mailed.hash.split('/').slice(-2);

    const wrong = await call(library.confirm, { body: library.confirmation(uid, `${secret}x`, PASSWORD) });
    assert.deepEqual([wrong.status, Object.keys(wrong.body)], [400, ['token']]);
    const weak = await call(library.confirm, { body: library.confirmation(uid, secret, 'Sh0rt!') });
    assert.equal(weak.status, 400);

    const done = await call(library.confirm, { body: library.confirmation(uid, secret, PASSWORD) });
    assert.equal(done.status, library.confirmStatus, JSON.stringify(done.body));
    await notice(email);
    const again = await call(library.confirm, { body: library.confirmation(uid, secret, PASSWORD) });
    assert.equal(again.status, 400);

    for (const headers of session) assert.equal(await me(library, headers), 401, 'an old session is still valid');
    for (const headers of staying) assert.equal(await me(library, headers), address('staying'), 'another session ended');
    const refused = await call(library.signIn, { body: { username: username(name), password: OLD } });
    assert.equal(refused.status, 400);
    for (const headers of await signIn(library, name, PASSWORD)) assert.equal(await me(library, headers), email);
  });
}

test('an unknown address gets the response of a known one', async () => {
  const { status } = await call('/auth/password/reset/', { body: { email: 'nobody@example.com' } });
  assert.equal(status, 200);
});

/**
 * Signs in, and returns the headers that prove it: one with the token, and one with Django's session.
 * @param {Library} library
 * @param {string} name
 * @param {string} password
 * @returns {Promise<Record<string, string>[]>}
 */
async function signIn(library, name, password) {
  const { status, body, cookie } = await call(library.signIn, { body: { username: username(name), password } });
  assert.equal(status, 200, JSON.stringify(body));
  return [{ authorization: `Token ${body.key}` }, { cookie }];
}

/**
 * Returns the address of the session's person, or the status of the refusal.
 * @param {Library} library
 * @param {Record<string, string>} headers
 */
async function me(library, headers) {
  const { status, body } = await call(library.me, { headers });
  return status === 200 ? body.email : status;
}
