import { existsSync, statSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname, extname } from 'node:path';
import { BadInput } from './badInput.js';

/**
 * Writes a file under a name of its own, then renames it: what stands at `path` is always whole.
 *
 * @param {string} path
 * @param {string | Uint8Array} content
 */
export async function writeWhole(path, content) {
  const draft = `${path}.${process.pid}.part`;
  await writeFile(draft, content);
  await rename(draft, path);
}

/**
 * Refuses a file to be written that has another ending than it should, or whose folder does not exist, before any work
 * is done: a slip must not overwrite the data.
 *
 * @param {string} option
 * @param {string | undefined} path
 * @param {readonly string[]} endings
 */
export function checkOutput(option, path, endings) {
  if (path === undefined) return;
  if (!endings.includes(extname(path).toLowerCase()))
    throw new BadInput(`${option}: ${path} must end in ${endings.join(', ')}.`);
  if (!existsSync(dirname(path))) throw new BadInput(`${option}: there is no folder ${dirname(path)}.`);
  if (existsSync(path) && statSync(path).isDirectory()) throw new BadInput(`${option}: ${path} is a folder.`);
}
