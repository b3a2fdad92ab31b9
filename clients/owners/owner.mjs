// What the suites of every owner share: its address, the people, and requests without a client library.

import { readFile, readdir } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { BASE } from '../deployment.mjs';

/** Timeout of a response, in milliseconds. */
const TIMEOUT = 15_000;

/** Address of the owner itself. The clients use `BASE`, which is polyreset in front of it. */
export const OWNER = setting('OWNERS_URL');

/** The server that stands in front of the owner. */
const FRONT_END = setting('OWNERS_FRONT_END');

/** The key of the owner, and the password of its administrator if it has one. */
export const SECRET = setting('OWNERS_SECRET');

/** The password with which people sign up. */
export const OLD = 'First-passw0rd';

/**
 * Returns the address of a person. Each server resets the passwords of its own people.
 * @param {string} name
 */
export function address(name) {
  return `${username(name)}@example.com`;
}

/** @param {string} name */
export function username(name) {
  return `${name}-${FRONT_END}`;
}

/**
 * Sends JSON, and returns the status, the body and the cookies of the response.
 * @param {string} path
 * @param {{ method?: string, body?: unknown, headers?: Record<string, string>, base?: string }} request
 * @returns {Promise<{ status: number, body: any, cookie: string }>} `cookie` is a value for the header of that name
 */
export async function call(path, { method, body, headers, base = BASE } = {}) {
  const response = await fetch(base + path, {
    method: method ?? (body === undefined ? 'GET' : 'POST'),
    headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
    body: body === undefined ? null : JSON.stringify(body),
    redirect: 'manual',
    signal: AbortSignal.timeout(TIMEOUT),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type')?.includes('json');
  const cookie = response.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
  return { status: response.status, body: isJson && text ? JSON.parse(text) : text, cookie };
}

/**
 * Returns whether a mail was sent to an address so far.
 * @param {string} email
 */
export async function isMailed(email) {
  const folder = setting('CLIENTS_MAILS');
  const mails = (await readdir(folder)).filter((name) => name.endsWith('.eml'));
  const texts = await Promise.all(mails.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.some((text) => text.includes(email));
}

/**
 * Imports a package of the owner's installation, for clients that are pinned together with the owner.
 * @param {string} name
 * @returns {Promise<any>}
 */
export function installed(name) {
  const path = createRequire(`${setting('OWNERS_INSTALLATION')}/package.json`).resolve(name);
  return import(pathToFileURL(path).href);
}

/** @param {string} name */
function setting(name) {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; \`cargo xtask owners\` sets it`);
  return value;
}
