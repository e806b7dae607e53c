// What is the same in every run of a model: the values of some inputs, and sizes that the file leaves open.
import { BadInput } from './badInput.js';

/** @import { Arguments, Option } from './arguments.js' */

/** @type {Readonly<Record<string, Option>>} */
export const fixedOptions = {
  fix: {
    value: 'INPUT=VALUES',
    multiple: true,
    help: 'an input that has the same value for all samples, such as sr=16000; an If that depends on it is resolved',
  },
  shape: {
    value: 'INPUT=SIZES',
    multiple: true,
    help: 'sizes that the file leaves open, such as x=1,576; ? stands for a size that varies',
  },
};

const isSize = (/** @type {number} */ size) => Number.isSafeInteger(size) && size >= 0;

/**
 * Reads `--fix` and `--shape`.
 *
 * @param {Arguments['list']} list
 * @returns {{ fix?: Record<string, number[]>, shapes?: Record<string, (number | null)[]> }}
 */
export function fixedOf({ fix = [], shape = [] }) {
  return {
    ...(fix.length > 0 && {
      fix: Object.fromEntries(
        fix.map((text) => pair('--fix', text, Number, (value) => !Number.isNaN(value))),
      ),
    }),
    ...(shape.length > 0 && {
      shapes: Object.fromEntries(
        shape.map((text) =>
          pair(
            '--shape',
            text,
            (word) => (word === '?' ? null : Number(word)),
            (size) => size === null || isSize(size),
          ),
        ),
      ),
    }),
  };
}

/**
 * @template Value
 * @param {string} option
 * @param {string} text
 * @param {(word: string) => Value} read
 * @param {(value: Value) => boolean} fits
 * @returns {[string, Value[]]}
 */
function pair(option, text, read, fits) {
  const at = text.lastIndexOf('=');
  const words = text
    .slice(at + 1)
    .split(',')
    .map((word) => word.trim());
  const values = words.map(read);
  if (at < 1 || !values.every(fits) || words.includes(''))
    throw new BadInput(`${option}: must be INPUT=NUMBERS, separated by commas, got ${JSON.stringify(text)}.`);
  return [text.slice(0, at), values];
}
