// WordPress behind polyreset, in a browser without JavaScript: WordPress's own sign-in, and polyreset's hosted pages in
// place of WordPress's form for lost passwords.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BASE, PASSWORD } from '../../deployment.mjs';
import { Browser, assertUnknownLooksLike, reset } from '../forms.mjs';
import { OLD, address, username } from '../owner.mjs';
import { Visitor } from './visitor.mjs';

test('the whole life of a password', async () => {
  const [browser, other, staying] = [new Visitor(BASE), new Visitor(BASE), new Visitor(BASE)];
  const [email, name] = [address('resetting'), username('resetting')];
  assert.ok(await browser.signIn(name, OLD));
  assert.ok(await staying.signIn(username('staying'), OLD));
  assert.ok(await browser.isSignedIn());

  await reset(browser, email);

  assert.ok(!(await browser.isSignedIn()), 'the session from before the reset is still valid');
  assert.ok(await staying.isSignedIn(), "another person's session ended");
  assert.ok(!(await other.signIn(name, OLD)));
  assert.ok(await other.signIn(name, PASSWORD));
  assert.ok(await other.isSignedIn());
});

test('an unknown address gets the page of a known one', () => assertUnknownLooksLike(address('staying')));

test("everything else is WordPress's", async () => {
  const { status, text } = await new Browser(BASE).open('/?rest_route=/');
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).name, 'Owners');
});
