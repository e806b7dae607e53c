import { readFileSync } from 'node:fs';
import { parse, usage } from './arguments.js';
import { BadInput } from './badInput.js';
import { create } from '../commands/create.js';
import { explain } from '../commands/explain.js';
import { landscape } from '../commands/landscape.js';
import { predict } from '../commands/predict.js';
import { train } from '../commands/train.js';

/** @import { Command } from './arguments.js' */

/** Exit codes of the command. */
export const exitCodes = { done: 0, failed: 1, badInput: 2, interrupted: 130 };

/** @type {Readonly<Record<string, Command>>} */
const commands = { create, train, predict, landscape, explain };

/**
 * Runs one command line.
 *
 * @param {readonly string[]} args - without the program's own name
 * @returns {Promise<number>} the exit code
 */
export async function main(args) {
  const [name = '--help', ...rest] = args;
  let file = '';
  try {
    if (['--help', '-h', 'help'].includes(name)) return print(rest[0] ? helpOf(rest[0]) : overview());
    if (['--version', '-v'].includes(name)) return print(version());
    const command = commandOf(name);
    if (rest.includes('--help') || rest.includes('-h')) return print(usage(name, command));
    const given = parse(name, command, rest);
    file = given.model;
    return await command.run(given);
  } catch (error) {
    return complain(error, file, args.includes('--json'));
  }
}

/** @param {string} text */
function print(text) {
  console.log(text);
  return exitCodes.done;
}

/** @param {string} name */
function commandOf(name) {
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command) return command;
  throw new BadInput(
    `${JSON.stringify(name)} is no command; there are ${Object.keys(commands).join(', ')}. See npx quasi-newton --help.`,
  );
}

/** @param {string} name */
const helpOf = (name) => usage(name, commandOf(name));

function overview() {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const lines = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}`);
  return [
    'Trains ONNX models in ONNX Runtime, and draws their loss landscapes.',
    '',
    'Usage: npx quasi-newton COMMAND MODEL.onnx [options]',
    '',
    ...lines,
    '',
    'npx quasi-newton COMMAND --help lists the options of a command.',
    'Exit codes: 0 done, 1 the run failed, 2 bad input, 130 stopped by Ctrl-C.',
  ].join('\n');
}

const version = () =>
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version;

/** Errors of the library that tell of wrong options, models or data. */
const inputErrors = new Set(['BadInput', 'OnnxError', 'RangeError', 'TypeError']);

/**
 * Shows an error: a sentence where the input is to blame, else with its stack.
 *
 * @param {unknown} error
 * @param {string} file - the model, which errors of its graph do not name
 * @param {boolean} json - also as an object on standard output
 */
function complain(error, file, json) {
  const isInput = error instanceof Error && inputErrors.has(error.name);
  const told = error instanceof Error ? error.message : String(error);
  const message = error instanceof Error && error.name === 'OnnxError' ? `model: ${file}: ${told}` : told;
  if (json) console.log(JSON.stringify({ error: message }));
  console.error(`quasi-newton: ${isInput || !(error instanceof Error) ? message : error.stack}`);
  return isInput ? exitCodes.badInput : exitCodes.failed;
}
