// The deployment under test: its URL, its mails, and checks of its responses.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import PostalMime from 'postal-mime';

/** Timeout of a mail or a response, in milliseconds. */
const TIMEOUT = 15_000;

/** A password that satisfies the policy of every dialect. */
export const PASSWORD = 'A-new-passw0rd';

/** A password that is too short in every dialect. */
export const WEAK = 'Sh0rt!';

/** Public URL of the server, without a trailing slash. */
export const BASE = setting('CLIENTS_BASE_URL');

const MAILS = setting('CLIENTS_MAILS');

/**
 * `fetch` with a timeout, for generated clients.
 * @param {Request} request
 */
export function fetchWithTimeout(request) {
  return fetch(request, { signal: AbortSignal.timeout(TIMEOUT) });
}

/**
 * Waits for a mail to this address, and returns the code that is alone on a line.
 * @param {string} to
 */
export function code(to) {
  return line(to, /^(\d{6}|[0-9A-Za-z]+(-[0-9A-Za-z]+){3})$/);
}

/**
 * Waits for a mail to this address, and returns the link that is alone on a line and matches `part`.
 * @param {string} to
 * @param {RegExp} part
 */
export async function link(to, part = /=/) {
  return new URL(await line(to, new RegExp(`^https?://\\S*${part.source}\\S*$`)));
}

/**
 * Waits for the mail that notifies the owner of the new password.
 * @param {string} to
 */
export function notice(to) {
  return find(to, (mail) => (mail.subject === 'Your Polyreset password was changed' ? mail : undefined));
}

/**
 * Asserts that a generated client's call succeeded with this status, and returns its data.
 * @template D, E
 * @param {{ data?: D, error?: E, response: Response }} answer
 * @param {number} status
 * @returns {NonNullable<D>}
 */
export function good({ data, error, response }, status) {
  assert.deepEqual([response.status, error], [status, undefined]);
  assert.ok(data !== undefined && data !== null);
  return data;
}

/**
 * Asserts that a generated client's call failed with this status, and returns its error.
 * @template D, E
 * @param {{ data?: D, error?: E, response: Response }} answer
 * @param {number} status
 * @returns {NonNullable<E>}
 */
export function bad({ data, error, response }, status) {
  assert.deepEqual([response.status, data], [status, undefined]);
  assert.ok(error !== undefined && error !== null);
  return error;
}

/**
 * @param {string} to
 * @param {RegExp} pattern
 */
function line(to, pattern) {
  return find(to, (mail) => mail.text?.split(/\r?\n/).find((line) => pattern.test(line)));
}

/**
 * Waits until `select` returns a value for a mail to this address.
 * @template T
 * @param {string} to
 * @param {(mail: import('postal-mime').Email) => T | undefined} select
 * @returns {Promise<T>}
 */
async function find(to, select) {
  for (const end = Date.now() + TIMEOUT; Date.now() < end; await pause(5)) {
    for (const mail of await mails()) {
      const found = mail.to?.some(({ address }) => address === to) ? select(mail) : undefined;
      if (found !== undefined) return found;
    }
  }
  throw new Error(`no matching mail to ${to} within ${TIMEOUT} ms`);
}

/** Returns every complete mail. */
async function mails() {
  const names = await readdir(MAILS).catch(() => []);
  const complete = names.filter((name) => name.endsWith('.eml'));
  return Promise.all(complete.map(async (name) => PostalMime.parse(await readFile(join(MAILS, name)))));
}

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`cargo xtask clients\` sets it`);
  return value;
}
