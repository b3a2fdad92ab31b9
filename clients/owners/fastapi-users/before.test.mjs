// People sign up at FastAPI-Users itself, before polyreset uses its table.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OLD, OWNER, address, call } from '../owner.mjs';

for (const name of ['resetting', 'staying']) {
  test(`FastAPI-Users registers ${name}`, async () => {
    const body = { email: address(name), password: OLD };
    const { status, body: user } = await call('/auth/register', { body, base: OWNER });
    assert.equal(status, 201, JSON.stringify(user));
  });
}
