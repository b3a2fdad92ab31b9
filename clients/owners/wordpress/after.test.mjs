// WordPress behind polyreset, in a browser without JavaScript: WordPress's own sign-in, and polyreset's hosted pages in
// place of WordPress's form for lost passwords.

import assert from 'node:assert/strict';
import { test } from 'node:test';

import { BASE, PASSWORD, link, notice } from '../../deployment.mjs';
import { OLD, address, username } from '../owner.mjs';
import { Browser, hidden } from './forms.mjs';

test('the whole life of a password', async () => {
  const [browser, other, staying] = [new Browser(BASE), new Browser(BASE), new Browser(BASE)];
  const [email, name] = [address('resetting'), username('resetting')];
  assert.ok(await browser.signIn(name, OLD));
  assert.ok(await staying.signIn(username('staying'), OLD));
  assert.ok(await browser.isSignedIn());

  await request(browser, email);
  const mailed = await link(email);
  // Without JavaScript a page in between leads on, so that mail scanners leave the link alone.
  const between = await browser.open(mailed.href);
  const form = await browser.open(/href="(reset\?[^"]*)"/.exec(between.text)?.[1]?.replaceAll('&#38;', '&') ?? '');
  const done = await browser.open('/reset', { ...hidden(form.text), password: PASSWORD });
  assert.equal(done.status, 200);
  await notice(email);

  assert.ok(!(await browser.isSignedIn()), 'the session from before the reset is still valid');
  assert.ok(await staying.isSignedIn(), "another person's session ended");
  assert.ok(!(await other.signIn(name, OLD)));
  assert.ok(await other.signIn(name, PASSWORD));
  assert.ok(await other.isSignedIn());
});

test('an unknown address gets the page of a known one', async () => {
  const [known, unknown] = [address('staying'), 'nobody@example.com'];
  const reference = /[0-9A-Z]{10}/g;
  const pages = [await request(new Browser(BASE), known), await request(new Browser(BASE), unknown)];
  const [one, two] = pages.map((page) => page.replace(known, '').replace(unknown, '').replace(reference, ''));
  assert.equal(one, two);
});

test("everything else is WordPress's", async () => {
  const { status, text } = await new Browser(BASE).open('/?rest_route=/');
  assert.equal(status, 200);
  assert.equal(JSON.parse(text).name, 'Owners');
});

/**
 * Sends the form for lost passwords, and returns the page after it.
 * @param {Browser} browser
 * @param {string} email
 */
async function request(browser, email) {
  const form = await browser.open('/forgot');
  assert.match(form.text, /name="email"/);
  const { status, text } = await browser.open('/forgot', { ...hidden(form.text), email });
  assert.equal(status, 200);
  return text;
}
