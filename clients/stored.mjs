// Compares screenshots with the stored ones in `clients/expected`. With `UPDATE_SCREENSHOTS=1`, stores them instead.

import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { window } from './browser.mjs';

/** @typedef {{ width: number, height: number, rgb: number[] }} Means the mean colors of the blocks of a sheet, row by row */

const EXPECTED = join(import.meta.dirname, 'expected');
const UPDATE = process.env.UPDATE_SCREENSHOTS === '1';
/** Scale of a stored sheet: large enough to see what is wrong, small enough for a repository. */
const SCALE = 1 / 4;
/** Side of the compared blocks, in pixels of the sheet: 16 pixels of the page, about a letter. */
const BLOCK = 4;
/**
 * Largest difference of the mean color of a block, of 255. Letters that are drawn a little differently stay below it; a
 * moved line, another color or a missing element does not.
 */
const TOLERANCE = 40;

/**
 * Checks that screenshots look like the stored sheet of them.
 * @param {string} name name of the sheet, such as `mails/acme-reset-link-en`
 * @param {Buffer[]} screenshots
 */
export async function matchesStored(name, screenshots) {
  const path = join(EXPECTED, `${name}.webp`);
  const sheet = await joined(screenshots);
  if (UPDATE) {
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, sheet);
    return;
  }
  const stored = await readFile(path).catch(() => assert.fail(`${path} is missing: run with UPDATE_SCREENSHOTS=1`));
  const different = await difference(stored, sheet);
  if (different === undefined) return;
  const actual = join(process.env.CLIENTS_SCREENSHOTS ?? '.', `${name.replaceAll('/', '-')}-sheet.webp`);
  await mkdir(dirname(actual), { recursive: true });
  await writeFile(actual, sheet);
  assert.fail(`${actual} differs from ${path}: ${different}. If it is right, run with UPDATE_SCREENSHOTS=1`);
}

/**
 * Returns where two sheets differ by more than the tolerance, or `undefined` if they do not.
 * @param {Buffer} stored
 * @param {Buffer} actual
 */
export async function difference(stored, actual) {
  const [one, other] = [await means(stored), await means(actual)];
  if (one.width !== other.width || one.height !== other.height) {
    return `${other.width} x ${other.height} blocks instead of ${one.width} x ${one.height}`;
  }
  const at = one.rgb.findIndex((color, index) => Math.abs(color - (other.rgb[index] ?? 0)) > TOLERANCE);
  if (at < 0) return undefined;
  const block = Math.floor(at / 3);
  const [x, y] = [block % one.width, Math.floor(block / one.width)].map((position) => position * BLOCK);
  return `the color at (${x}, ${y}) is ${other.rgb[at]} instead of ${one.rgb[at]}`;
}

/**
 * Joins screenshots side by side into one reduced image.
 * @param {Buffer[]} screenshots
 */
export async function joined(screenshots) {
  const urls = screenshots.map(dataUrl);
  let sheet = '';
  await window({}, async (page) => {
    sheet = await page.evaluate(async ({ urls, scale }) => {
      const images = urls.map((src) => Object.assign(new Image(), { src }));
      await Promise.all(images.map((image) => image.decode()));
      const canvas = document.createElement('canvas');
      canvas.width = images.reduce((sum, image) => sum + Math.round(image.width * scale), 0);
      canvas.height = Math.max(...images.map((image) => Math.round(image.height * scale)));
      const context = canvas.getContext('2d');
      if (!context) throw new Error('no canvas');
      context.imageSmoothingQuality = 'high';
      let left = 0;
      for (const image of images) {
        const [width, height] = [Math.round(image.width * scale), Math.round(image.height * scale)];
        context.drawImage(image, left, 0, width, height);
        left += width;
      }
      return canvas.toDataURL('image/webp', 0.75);
    }, { urls, scale: SCALE });
  });
  return Buffer.from(sheet.slice(sheet.indexOf(',') + 1), 'base64');
}

/**
 * Returns the mean colors of the blocks of an image.
 * @param {Buffer} image
 * @returns {Promise<Means>}
 */
async function means(image) {
  /** @type {Means} */
  let found = { width: 0, height: 0, rgb: [] };
  await window({}, async (page) => {
    found = await page.evaluate(async ({ src, block }) => {
      const image = Object.assign(new Image(), { src });
      await image.decode();
      const canvas = document.createElement('canvas');
      [canvas.width, canvas.height] = [image.width, image.height];
      const context = canvas.getContext('2d');
      if (!context) throw new Error('no canvas');
      context.fillRect(0, 0, image.width, image.height);
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      const [width, height] = [Math.floor(image.width / block), Math.floor(image.height / block)];
      const rgb = [];
      for (let row = 0; row < height; row += 1) {
        for (let column = 0; column < width; column += 1) {
          const sums = [0, 0, 0];
          for (let pixel = 0; pixel < block * block; pixel += 1) {
            const [x, y] = [column * block + (pixel % block), row * block + Math.floor(pixel / block)];
            const at = (y * image.width + x) * 4;
            for (const channel of [0, 1, 2]) sums[channel] = (sums[channel] ?? 0) + (data[at + channel] ?? 0);
          }
          rgb.push(...sums.map((sum) => Math.round(sum / (block * block))));
        }
      }
      return { width, height, rgb };
    }, { src: dataUrl(image), block: BLOCK });
  });
  return found;
}

/**
 * Returns an image as a URL. A browser finds out its format itself.
 * @param {Buffer} image
 */
function dataUrl(image) {
  return `data:image/webp;base64,${image.toString('base64')}`;
}
