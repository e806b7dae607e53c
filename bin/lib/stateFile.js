// The state of a run of `train`, in a file.
import { readFile } from 'node:fs/promises';
import { loadState, saveState } from 'quasi-newton';
import { BadInput, messageOf } from './badInput.js';
import { writeWhole } from './output.js';

/** @import { RunState } from 'quasi-newton' */
/** @import { Arguments } from './arguments.js' */

/**
 * @typedef {object} Earlier
 * @property {RunState} state
 * @property {number} batches - mini-batches drawn so far
 */

/** The options that the order of mini-batches depends on. */
const orderOf = (/** @type {Arguments} */ { number }) => ({
  'batch-size': number['batch-size'] ?? null,
  seed: number.seed ?? 0,
});

/**
 * Reads the state that --resume names; undefined without the option.
 *
 * @param {Arguments} given
 * @returns {Promise<Earlier | undefined>}
 * @throws BadInput if the file is no such state, or was saved with another order of mini-batches
 */
export async function readState(given) {
  const path = given.text.resume;
  if (path === undefined) return undefined;
  const { state, batches, order } = await contentOf(path);
  for (const [name, value] of Object.entries(orderOf(given))) {
    if (order[name] !== value)
      throw new BadInput(
        `--resume: ${path} was saved with --${name} ${order[name] ?? 'left out'}, here it is ${value ?? 'left out'}; give the same.`,
      );
  }
  return { state, batches };
}

/** @param {string} path */
async function contentOf(path) {
  try {
    const { train, batches, order } = JSON.parse(await readFile(path, 'utf8'));
    if (!Number.isSafeInteger(batches) || batches < 0 || typeof order !== 'object' || order === null)
      throw new TypeError('it is no file of train --save-state');
    return { state: loadState(train), batches, order };
  } catch (error) {
    throw new BadInput(`--resume: ${path} cannot be read: ${messageOf(error)}`, { cause: error });
  }
}

/**
 * Writes a state to the file that --save-state names, if it does.
 *
 * @param {Arguments} given
 * @param {RunState} state
 * @param {number} batches - mini-batches drawn so far
 */
export async function writeState(given, state, batches) {
  const path = given.text['save-state'];
  if (path === undefined) return;
  await writeWhole(path, JSON.stringify({ train: saveState(state), batches, order: orderOf(given) }));
}

/**
 * A source of mini-batches that counts them.
 *
 * @template T
 * @param {() => T} source
 */
export function counted(source) {
  let count = 0;
  return {
    next: () => {
      count++;
      return source();
    },
    /** Draws and drops batches until this many have been drawn. */
    skipTo: (/** @type {number} */ total) => {
      for (; count < total; count++) source();
    },
    drawn: () => count,
  };
}
