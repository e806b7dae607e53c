import { existsSync, realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, extname, resolve } from 'node:path';
import { BadInput, messageOf } from './badInput.js';

const draftOf = (/** @type {string} */ path) => `${path}.${process.pid}.part`;

/**
 * Writes a file under a name of its own, then renames it: what stands at `path` is always whole. Nothing is left of it
 * where that fails, or the process ends before.
 *
 * @param {string} path
 * @param {string | Uint8Array} content
 * @throws BadInput if it cannot be written
 */
export async function writeWhole(path, content) {
  const draft = draftOf(path);
  const sweep = () => rmSync(draft, { force: true });
  process.once('exit', sweep);
  try {
    // Made at once, and only opened later: what opens it after the sweep must not make it anew.
    writeFileSync(draft, '');
    await writeFile(draft, content, { flag: 'r+' });
    await rename(draft, path);
  } catch (error) {
    sweep();
    throw new BadInput(`${path} cannot be written: ${messageOf(error)}.`, { cause: error });
  } finally {
    process.off('exit', sweep);
  }
}

/**
 * Refuses a file to be written that has another ending than it should, that cannot be written, or that is read from,
 * before any work is done: a slip must not overwrite the data.
 *
 * @param {string} option
 * @param {string | undefined} path
 * @param {readonly string[]} endings
 * @param {Readonly<Record<string, string | undefined>>} [inputs] - files to be kept, by the options that name them
 */
export function checkOutput(option, path, endings, inputs = {}) {
  if (path === undefined) return;
  if (!endings.includes(extname(path).toLowerCase()))
    throw new BadInput(`${option}: ${path} must end in ${endings.join(', ')}.`);
  if (!existsSync(dirname(path))) throw new BadInput(`${option}: there is no folder ${dirname(path)}.`);
  if (existsSync(path) && statSync(path).isDirectory()) throw new BadInput(`${option}: ${path} is a folder.`);
  for (const [input, kept] of Object.entries(inputs)) {
    if (kept !== undefined && isSameFile(path, kept))
      throw new BadInput(`${option}: ${path} would overwrite the file of ${input}; write another one.`);
  }
  try {
    writeFileSync(draftOf(path), '');
    rmSync(draftOf(path));
  } catch (error) {
    throw new BadInput(`${option}: ${path} cannot be written: ${messageOf(error)}.`, { cause: error });
  }
}

/** @type {(a: string, b: string) => boolean} */
const isSameFile = (a, b) =>
  existsSync(a) && existsSync(b) ? realpathSync(a) === realpathSync(b) : resolve(a) === resolve(b);
