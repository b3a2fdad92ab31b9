// People sign up at Strapi itself, before polyreset uses its table.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OLD, OWNER, address, call, username } from '../owner.mjs';

for (const name of ['client', 'sdk-js', 'nuxt', 'capitals']) {
  test(`Strapi registers ${name}`, async () => {
    const body = { username: username(name), email: address(name), password: OLD };
    const { status, body: user } = await call('/api/auth/local/register', { body, base: OWNER });
    assert.equal(status, 200, JSON.stringify(user));
  });
}
