// A browser that signs in to WordPress.

import assert from 'node:assert/strict';

import { Browser } from '../forms.mjs';

export class Visitor extends Browser {
  /**
   * Signs in to WordPress, and returns whether it accepts the password.
   * @param {string} name
   * @param {string} password
   */
  async signIn(name, password) {
    await this.send('/wp-login.php');
    const fields = { log: name, pwd: password, 'wp-submit': 'Log In', testcookie: '1' };
    const { status } = await this.send('/wp-login.php', fields);
    assert.ok(status === 302 || status === 200, `the sign-in answers ${status}`);
    return status === 302;
  }

  /** Returns whether WordPress still knows the session. */
  async isSignedIn() {
    const { status } = await this.send('/wp-admin/profile.php');
    assert.ok(status === 302 || status === 200, `the profile answers ${status}`);
    return status === 200;
  }
}
