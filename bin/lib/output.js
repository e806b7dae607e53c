import { existsSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
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
 * Refuses a file to be written in a folder that does not exist, before any work is done.
 *
 * @param {string} option
 * @param {string | undefined} path
 */
export function checkFolder(option, path) {
  if (path !== undefined && !existsSync(dirname(path)))
    throw new BadInput(`${option}: there is no folder ${dirname(path)}.`);
}
