// The deployment under test: where it answers, where its mails lie, and how an answer is told good or bad.

import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import PostalMime from 'postal-mime';

/** Milliseconds until a mail or an answer is given up. */
const TIMEOUT = 15_000;

/** The password that satisfies the rules of every dialect. */
export const PASSWORD = 'A-new-passw0rd';

/** A password that is too short in every dialect. */
export const WEAK = 'Sh0rt!';

/** Where the server answers: its public URL, without a slash at the end. */
export const BASE = setting('CLIENTS_BASE_URL');

const MAILS = setting('CLIENTS_MAILS');

/**
 * What a generated client calls instead of `fetch`: the same, but not for ever.
 * @param {Request} request
 */
export function patient(request) {
  return fetch(request, { signal: AbortSignal.timeout(TIMEOUT) });
}

/**
 * The code that stands alone on a line of the mail to this address.
 * @param {string} to
 */
export function code(to) {
  return line(to, /^(\d{6}|[0-9A-Za-z]+(-[0-9A-Za-z]+){3})$/);
}

/**
 * The link that stands alone on a line of the mail to this address; of several, the one that has `part` in it.
 * @param {string} to
 * @param {RegExp} part
 */
export async function link(to, part = /=/) {
  return new URL(await line(to, new RegExp(`^https?://\\S*${part.source}\\S*$`)));
}

/**
 * Waits for the mail that tells an owner of the new password.
 * @param {string} to
 */
export function notice(to) {
  return find(to, (mail) => (mail.subject === 'Your password was changed' ? mail : undefined));
}

/**
 * The data of a generated client's answer, once it has the status.
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
 * The error of a generated client's answer, once it has the status.
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
 * @param {RegExp} shape
 */
function line(to, shape) {
  return find(to, (mail) => mail.text?.split(/\r?\n/).find((line) => shape.test(line)));
}

/**
 * Waits until some mail to this address yields something.
 * @template T
 * @param {string} to
 * @param {(mail: import('postal-mime').Email) => T | undefined} wanted
 * @returns {Promise<T>}
 */
async function find(to, wanted) {
  for (const end = Date.now() + TIMEOUT; Date.now() < end; await pause(5)) {
    for (const mail of await mails()) {
      const found = mail.to?.some(({ address }) => address === to) ? wanted(mail) : undefined;
      if (found !== undefined) return found;
    }
  }
  throw new Error(`no such mail to ${to} within ${TIMEOUT} ms`);
}

/** Every whole mail. */
async function mails() {
  const names = await readdir(MAILS).catch(() => []);
  const whole = names.filter((name) => name.endsWith('.eml'));
  return Promise.all(whole.map(async (name) => PostalMime.parse(await readFile(join(MAILS, name)))));
}

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`cargo xtask clients\` sets it`);
  return value;
}
