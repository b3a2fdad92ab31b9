// WordPress is installed with its own page, and its administrator adds people, before polyreset uses its table.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { hidden } from '../forms.mjs';
import { OLD, OWNER, address, username } from '../owner.mjs';
import { Visitor } from './visitor.mjs';

const ADMINISTRATOR = 'administrator';

test('WordPress is installed', async () => {
  const browser = new Visitor(OWNER);
  const fields = {
    weblog_title: 'Owners',
    user_name: ADMINISTRATOR,
    admin_password: OLD,
    admin_password2: OLD,
    pw_weak: 'on',
    admin_email: 'administrator@example.com',
    blog_public: '0',
  };
  const { status, text } = await browser.send('/wp-admin/install.php?step=2', fields);
  assert.ok(status === 200 && /Success|already installed/i.test(text), `${status} ${text}`);
});

for (const name of ['resetting', 'staying']) {
  test(`WordPress's administrator adds ${name}`, async () => {
    const browser = new Visitor(OWNER);
    assert.ok(await browser.signIn(ADMINISTRATOR, OLD));
    const { text } = await browser.send('/wp-admin/user-new.php');
    const fields = {
      ...hidden(text),
      action: 'createuser',
      user_login: username(name),
      email: address(name),
      pass1: OLD,
      pass2: OLD,
      pw_weak: 'on',
      role: 'subscriber',
    };
    const { status, location, text: page } = await browser.send('/wp-admin/user-new.php', fields);
    assert.ok(status === 302 && /update=add/.test(location), `${status} ${location} ${page}`);
  });
}
