// People sign up at Django itself, with Djoser, before polyreset uses its table.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OLD, OWNER, address, call, username } from '../owner.mjs';

for (const name of ['rest-auth', 'djoser', 'staying']) {
  test(`Django registers ${name}`, async () => {
    const body = { username: username(name), email: address(name), password: OLD };
    const { status, body: user } = await call('/auth/users/', { body, base: OWNER });
    assert.equal(status, 201, JSON.stringify(user));
  });
}
