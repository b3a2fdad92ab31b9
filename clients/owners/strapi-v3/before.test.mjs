// People sign up at Strapi 3 itself, before polyreset uses its table.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OLD, OWNER, address, call, username } from '../owner.mjs';

for (const name of ['sdk', 'token']) {
  test(`Strapi 3 registers ${name}`, async () => {
    const body = { username: username(name), email: address(name), password: OLD };
    const { status, body: user } = await call('/auth/local/register', { body, base: OWNER });
    assert.equal(status, 200, JSON.stringify(user));
  });
}
