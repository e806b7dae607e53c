// The options of a command: declared once, for the parser and for its help.
import { parseArgs } from 'node:util';
import { BadInput, messageOf } from './badInput.js';

/**
 * An option of a command.
 *
 * @typedef {object} Option
 * @property {string} [help]
 * @property {string} [default] - in words, for the help
 * @property {string} [value] - name of its value in the help; a switch has none
 * @property {boolean} [isNumber]
 * @property {boolean} [isRequired]
 * @property {boolean} [multiple] - may be given several times
 * @property {readonly string[]} [oneOf]
 */

/**
 * What a command was given: text, numbers, switches and lists, by the names of its options.
 *
 * @typedef {{ model: string, text: Readonly<Record<string, string | undefined>>,
 *   number: Readonly<Record<string, number | undefined>>, on: Readonly<Record<string, boolean | undefined>>,
 *   list: Readonly<Record<string, readonly string[] | undefined>> }} Arguments
 */

/**
 * @typedef {object} Command
 * @property {string} summary
 * @property {string} example - arguments of a call that works
 * @property {Readonly<Record<string, Option>>} options
 * @property {(given: Arguments) => Promise<number>} run - returns the exit code
 */

/** @type {Readonly<Record<string, Option>>} */
const common = { help: { help: 'show this text' } };

/**
 * Reads the arguments of a command.
 *
 * @param {string} name
 * @param {Command} command
 * @param {readonly string[]} args
 * @returns {Arguments}
 */
export function parse(name, command, args) {
  const { values, positionals } = parsed(name, command, args);
  const faults = [];
  if (positionals.length !== 1) {
    const found = positionals.length === 0 ? 'none' : positionals.join(', ');
    faults.push(`one model file is expected, got ${found}.`);
  }
  /** @type {Record<string, any>} */ const text = {};
  /** @type {Record<string, number>} */ const number = {};
  /** @type {Record<string, boolean>} */ const on = {};
  /** @type {Record<string, string[]>} */ const list = {};
  for (const [key, option] of Object.entries(command.options)) {
    const given = values[key];
    if (given === undefined) {
      if (option.isRequired) faults.push(`--${key} is missing: ${option.help ?? option.value}.`);
    } else if (typeof given === 'boolean') on[key] = given;
    else if (Array.isArray(given)) list[key] = given.map(String);
    else if (!option.isNumber) text[key] = oneOf(key, option, given, faults);
    else {
      number[key] = Number(given);
      if (given.trim() === '' || Number.isNaN(number[key]))
        faults.push(`--${key}: must be a number, got ${JSON.stringify(given)}.`);
    }
  }
  if (faults.length > 0) throw new BadInput(`${name}: ${faults.join('\n  ')}`);
  return { model: positionals[0], text, number, on, list };
}

/**
 * @param {string} name
 * @param {Command} command
 * @param {readonly string[]} args
 * @returns {{ values: Record<string, string | boolean | (string | boolean)[] | undefined>, positionals: string[] }}
 */
function parsed(name, command, args) {
  const options = Object.entries(command.options).map(([key, { value, multiple = false }]) => [
    key,
    { type: value === undefined ? 'boolean' : 'string', multiple },
  ]);
  try {
    return parseArgs({
      args: [...args],
      options: Object.fromEntries(options),
      allowPositionals: true,
      allowNegative: true,
    });
  } catch (error) {
    const reason = messageOf(error).split('. To specify')[0].replace(/\.?$/, '.');
    throw new BadInput(`${name}: ${reason} See npx quasi-newton ${name} --help.`, { cause: error });
  }
}

/**
 * A choice in the spelling of its list: case and hyphens do not count.
 *
 * @param {string} key
 * @param {Option} option
 * @param {string} given
 * @param {string[]} faults
 */
function oneOf(key, option, given, faults) {
  if (!option.oneOf) return given;
  const found = option.oneOf.find((choice) => plain(choice) === plain(given));
  if (found === undefined)
    faults.push(`--${key}: must be one of ${option.oneOf.join(', ')}; got ${JSON.stringify(given)}.`);
  return found;
}

const plain = (/** @type {string} */ word) => word.replaceAll(/[-_]/g, '').toLowerCase();

/**
 * The help of a command.
 *
 * @param {string} name
 * @param {Command} command
 */
export function usage(name, { summary, example, options }) {
  const rows = Object.entries({ ...options, ...common }).map(
    ([key, { value, help, oneOf, default: preset }]) => ({
      left: `--${key}${value === undefined ? '' : ` ${value}`}`,
      right: [help, oneOf?.join(', '), preset && `default ${preset}`].filter(Boolean).join('; '),
    }),
  );
  const width = Math.max(...rows.map(({ left }) => left.length));
  const lines = rows.flatMap(({ left, right }) =>
    wrapped(right, 96 - width).map((line, i) => `  ${(i === 0 ? left : '').padEnd(width)}  ${line}`),
  );
  return [
    `${summary[0].toUpperCase()}${summary.slice(1)}.`,
    '',
    `Usage: npx quasi-newton ${name} MODEL.onnx [options]`,
    `       npx quasi-newton ${name} ${example}`,
    '',
    ...lines,
  ].join('\n');
}

/**
 * @param {string} text
 * @param {number} width
 */
function wrapped(text, width) {
  /** @type {string[]} */ const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines[lines.length - 1];
    if (last !== '' && last.length + 1 + word.length > width) lines.push(word);
    else lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
  }
  return lines;
}
