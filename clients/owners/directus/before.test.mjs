// Directus's administrator opens the registration, and people sign up, before polyreset uses its table.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { OLD, OWNER, address, call } from '../owner.mjs';
import { administrator } from './administrator.mjs';

test('the administrator opens the registration', async () => {
  const body = { public_registration: true, public_registration_verify_email: false };
  await administrator('/settings', 'PATCH', body);
});

for (const name of ['Resetting', 'Staying', 'Later', 'Suspended']) {
  test(`Directus registers ${name}`, async () => {
    // Directus stores the capitals.
    const body = { email: address(name), password: OLD, first_name: name };
    const { status, body: error } = await call('/users/register', { body, base: OWNER });
    assert.equal(status, 204, JSON.stringify(error));
  });
}

test('the administrator suspends a person', async () => {
  const query = new URLSearchParams({ 'filter[email][_eq]': address('Suspended') });
  const [person] = await administrator(`/users?${query}`);
  await administrator(`/users/${person.id}`, 'PATCH', { status: 'suspended' });
});
