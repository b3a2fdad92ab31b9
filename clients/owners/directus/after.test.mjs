// Directus behind polyreset: Directus's own client signs in, and polyreset's hosted pages take the place of the reset in
// Directus's app.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BASE, PASSWORD, link } from '../../deployment.mjs';
import { Browser, assertUnknownLooksLike, request, reset } from '../forms.mjs';
import { OLD, address, call, installed, isMailed } from '../owner.mjs';

const { authentication, createDirectus, readMe, rest } = await installed('@directus/sdk');

test('@directus/sdk: the whole life of a password', async () => {
  const email = address('Resetting');
  const [phone, laptop, staying] = [client(), client(), client()];
  await phone.login({ email, password: OLD });
  await laptop.login({ email, password: OLD });
  await staying.login({ email: address('Staying'), password: OLD });
  const cookie = await session(email, OLD);
  const { id } = await phone.request(readMe());
  assert.equal(await me(cookie), id);
  await laptop.refresh();

  const done = await reset(new Browser(BASE), email);
  // An access token lives for 15 minutes, also after a reset by Directus itself.
  assert.doesNotMatch(done, /everywhere/);
  assert.equal((await phone.request(readMe())).id, id);

  assert.equal(await me(cookie), 401, 'the session from before the reset is still valid');
  for (const device of [phone, laptop]) await refused(device.refresh());
  await staying.refresh();

  await refused(client().login({ email, password: OLD }));
  // Directus finds an address in any case.
  await phone.login({ email: email.toLowerCase(), password: PASSWORD });
  assert.equal((await phone.request(readMe())).id, id);
  assert.equal(await me(await session(email, PASSWORD)), id);
});

test('an address is found in any case, as by Directus', async () => {
  await request(new Browser(BASE), address('staying').toUpperCase());
  await link(address('Staying'));
});

test('a suspended person gets no mail, and the page of an unknown one', async () => {
  await assertUnknownLooksLike(address('Suspended'));
  await request(new Browser(BASE), address('Later'));
  await link(address('Later'));
  assert.ok(!(await isMailed(address('Suspended'))), 'a suspended person was mailed');
});

test("everything else is Directus's", async () => {
  const { status, body } = await call('/server/ping');
  assert.deepEqual([status, body], [200, 'pong']);
});

/** Returns a client that keeps its tokens in memory. */
function client() {
  return createDirectus(BASE).with(authentication('json', { autoRefresh: false })).with(rest());
}

/** @param {Promise<any>} request */
async function refused(request) {
  await assert.rejects(request, (/** @type {any} */ error) => error.response?.status === 401);
}

/**
 * Signs in as Directus's app does, and returns the cookie of the session.
 * @param {string} email
 * @param {string} password
 */
async function session(email, password) {
  const { status, body, cookie } = await call('/auth/login', { body: { email, password, mode: 'session' } });
  assert.equal(status, 200, JSON.stringify(body));
  return cookie;
}

/**
 * Returns the id of the session's person, or the status of the refusal.
 * @param {string} cookie
 */
async function me(cookie) {
  const { status, body } = await call('/users/me', { headers: { cookie } });
  return status === 200 ? body.data.id : status;
}
