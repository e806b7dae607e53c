// The state of a run of `train`, in a file.
import { readFile } from 'node:fs/promises';
import { crc32 } from 'node:zlib';
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

/**
 * A file that was read.
 *
 * @typedef {Earlier & { path: string, options: Record<string, string | number | null>, samples: number, data: number }} Saved
 */

/** The options that the loss and the order of mini-batches depend on. */
const optionsOf = (/** @type {Arguments} */ { number, text }) => ({
  'batch-size': number['batch-size'] ?? null,
  seed: number.seed ?? 0,
  loss: text['loss-output'] === undefined ? (text.loss ?? 'mse') : null,
  'loss-output': text['loss-output'] ?? null,
  delta: number.delta ?? null,
  l2: number.l2 ?? 0,
  validation: text.validation ?? null,
});

/**
 * Reads the state that --resume names; undefined without the option.
 *
 * @param {Arguments} given
 * @returns {Promise<Saved | undefined>}
 * @throws BadInput if the file is no such state
 */
export async function readState({ text: { resume: path } }) {
  return path === undefined ? undefined : contentOf(path);
}

/**
 * Returns a state, if it is one of a run with this loss, these data and this order of mini-batches.
 *
 * @param {Arguments} given
 * @param {Saved | undefined} saved
 * @param {Data} data
 * @returns {Earlier | undefined}
 * @throws BadInput naming what differs
 */
export function checkState(given, saved, { samples, checksum }) {
  if (saved === undefined) return undefined;
  const { path, state, batches, options } = saved;
  for (const [name, value] of Object.entries(optionsOf(given))) {
    if ((options[name] ?? null) !== value)
      throw new BadInput(
        `--resume: ${path} was saved with --${name} ${options[name] ?? 'left out'}, here it is ${value ?? 'left out'}; give the same.`,
      );
  }
  if (saved.samples !== samples)
    throw new BadInput(
      `--resume: ${path} was saved on ${saved.samples} samples, here there are ${samples}; give the same data.`,
    );
  if (saved.data !== checksum)
    throw new BadInput(`--resume: ${path} was saved on other data of the same size; give the same data.`);
  return { state, batches };
}

/**
 * The samples of a run.
 *
 * @typedef {{ samples: number, checksum: number }} Data
 */

/**
 * Returns the CRC-32 of feeds.
 *
 * @param {readonly (Record<string, { data: ArrayLike<number | bigint> }> | undefined)[]} parts
 */
export function checksumOf(...parts) {
  let checksum = 0;
  for (const [name, { data }] of parts.flatMap((feeds) => Object.entries(feeds ?? {}))) {
    checksum = crc32(name, checksum);
    checksum = crc32(Float64Array.from(data, Number), checksum);
  }
  return checksum;
}

const isCount = (/** @type {unknown} */ value) => Number.isSafeInteger(value) && Number(value) >= 0;

/**
 * @param {string} path
 * @returns {Promise<Saved>}
 */
async function contentOf(path) {
  try {
    const { train, batches, samples, data, options } = JSON.parse(await readFile(path, 'utf8')) ?? {};
    if (![batches, samples, data].every(isCount) || typeof options !== 'object' || options === null)
      throw new TypeError('it is no file of train --save-state');
    return { path, state: loadState(train), batches, samples, data, options };
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
 * @param {Data} data
 */
export async function writeState(given, state, batches, { samples, checksum }) {
  const path = given.text['save-state'];
  if (path === undefined) return;
  await writeWhole(
    path,
    JSON.stringify({ train: saveState(state), batches, samples, data: checksum, options: optionsOf(given) }),
  );
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
