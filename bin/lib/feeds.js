// What a model is fed with, from the columns or arrays of a table.
import { BadInput, shortened } from './badInput.js';
import { namesIn } from './table.js';

/** @import { InputSpec } from 'quasi-newton/onnx' */
/** @import { Samples, Table } from './table.js' */

/**
 * @typedef {object} Choice
 * @property {readonly string[]} target - names of the columns or the array to predict; empty where there is none
 * @property {ReadonlyMap<string, readonly string[]>} inputs - the names given to inputs of the model by the user
 * @property {readonly string[] | undefined} classes - the words of a target column, in the order of their indices
 */

/**
 * Sorts the names of a table: what is predicted, and what goes into which input.
 *
 * @param {Table} table
 * @param {string | undefined} target - value of --target
 * @param {readonly string[]} inputs - values of --input: `COLUMNS` or `NAME=COLUMNS`
 * @returns {Choice}
 */
export function choose(table, target, inputs) {
  const targets = target === undefined ? [] : namesIn(table, target, '--target');
  const chosen = inputs.map((written) => {
    const [, name = '', names] = /^(?:([^=]+)=)?(.*)$/s.exec(written) ?? [];
    return /** @type {const} */ ([name, namesIn(table, names, '--input')]);
  });
  const twice = chosen.find(([name], i) => chosen.findIndex(([other]) => other === name) !== i);
  if (twice)
    throw new BadInput(
      `--input: ${twice[0] === '' ? 'columns' : `those of ${JSON.stringify(twice[0])}`} are given twice; write them in one --input, separated by commas.`,
    );
  const both = chosen.flatMap(([, names]) => names).find((name) => targets.includes(name));
  if (both !== undefined)
    throw new BadInput(`--input: ${JSON.stringify(both)} is the target; a model must not see it.`);
  const words = targets.length === 1 ? table.words(targets[0]) : undefined;
  return { target: targets, inputs: new Map(chosen), classes: words && [...new Set(words)].sort() };
}

/**
 * The feeds of a problem.
 *
 * @param {Table} table
 * @param {Choice} choice
 * @param {readonly InputSpec[]} inputs - of the model
 * @param {InputSpec | undefined} target - of its loss
 */
export function feedsOf(table, choice, inputs, target) {
  const names = inputs.map(({ name }) => name);
  for (const name of choice.inputs.keys()) {
    if (name !== '' && !names.includes(name))
      throw new BadInput(
        `--input: the model has no input ${JSON.stringify(name)}; there are ${names.join(', ')}.`,
      );
  }
  if (choice.inputs.has('') && inputs.length > 1)
    throw new BadInput(
      `--input: the model has ${inputs.length} inputs; say of which: ${names.map((name) => `--input ${name}=NAMES`).join(' ')}.`,
    );
  if (target && choice.target.length === 0)
    throw new BadInput('--target is missing: the loss compares the output with it.');
  const feeds = inputs.map((spec) => [spec.name, shaped(table, namesFor(table, choice, spec, inputs), spec)]);
  if (target) feeds.push([target.name, targetOf(table, choice, target)]);
  return /** @type {Record<string, Samples>} */ (Object.fromEntries(feeds));
}

/**
 * The columns or the array of one input: those that the user chose, those that have its name, or all that are left.
 *
 * @param {Table} table
 * @param {Choice} choice
 * @param {InputSpec} spec
 * @param {readonly InputSpec[]} inputs
 * @returns {readonly string[]}
 */
function namesFor(table, { target, inputs: chosen }, { name }, inputs) {
  const own = chosen.get(name) ?? (inputs.length === 1 ? chosen.get('') : undefined);
  if (own) return own;
  const free = table.names.filter((column) => !target.includes(column));
  if (free.includes(name)) return [name];
  if (inputs.length === 1 && free.length > 0) return free;
  if (free.length === 0) throw new BadInput(`--input: ${table.path} has nothing beside the target.`);
  throw new BadInput(
    `input ${JSON.stringify(name)}: ${table.path} has none of this name, but ${shortened(free)}; say --input ${name}=NAMES.`,
  );
}

/**
 * @param {Table} table
 * @param {Choice} choice
 * @param {InputSpec} spec
 */
function targetOf(table, { target, classes }, spec) {
  const words = target.length === 1 ? table.words(target[0]) : undefined;
  if (!words || !classes) return shaped(table, target, spec, true);
  if (spec.classes === undefined && !(spec.range && classes.length === 2)) {
    throw new BadInput(
      `--target: column ${JSON.stringify(target[0])} holds words (${shortened(classes, 4)}); this loss needs numbers. Classes go with --loss softmaxCrossEntropy.`,
    );
  }
  const strange = words.find((word) => !classes.includes(word));
  if (strange !== undefined)
    throw new BadInput(
      `${table.path}: the class ${JSON.stringify(strange)} is not among those of --data: ${shortened(classes)}.`,
    );
  if (spec.classes !== undefined && classes.length > spec.classes)
    throw new BadInput(
      `--target: ${JSON.stringify(target[0])} has ${classes.length} classes (${shortened(classes, 4)}); the model tells ${spec.classes} apart.`,
    );
  const data = words.map((word) => classes.indexOf(word));
  return { data, dims: shapeFor(spec, [words.length, 1]) ?? [words.length] };
}

/**
 * Numbers of a table, none of them NaN or infinite.
 *
 * @param {Table} table
 * @param {readonly string[]} names
 */
export function finiteNumbers(table, names) {
  const samples = table.numbers(names);
  const { data } = samples;
  const wrong = Array.prototype.findIndex.call(data, (value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new BadInput(`${table.path}: ${shortened(names)}: element ${wrong} is ${data[wrong]}.`);
  return samples;
}

/**
 * @param {Table} table
 * @param {readonly string[]} names
 * @param {InputSpec} spec
 * @param {boolean} [isTarget]
 * @returns {Samples}
 */
function shaped(table, names, spec, isTarget = false) {
  const { data, dims } = finiteNumbers(table, names);
  const fitted = shapeFor(spec, dims);
  if (fitted) return { data, dims: fitted };
  const wanted = (spec.shape ?? []).map((size) => (String(size).startsWith('?') ? '?' : size)).join(', ');
  const found = /\.npz$/i.test(table.path)
    ? `${JSON.stringify(names[0])} has shape [${dims.join(', ')}]`
    : names.length === 1
      ? `there is one column, ${names[0]}`
      : `there are ${names.length} columns: ${shortened(names)}`;
  const advice =
    isTarget && names.length === 1 ? ' Classes in one column go with --loss softmaxCrossEntropy.' : '';
  throw new BadInput(
    `${spec.name} must have shape [${wanted}]; in ${table.path} ${found}. Choose others with ${isTarget ? '--target' : '--input'}.${advice}`,
  );
}

/**
 * The shape in which samples fit an input: their own; the input's, if theirs is `[samples, numbers]` or differs only in
 * axes of length 1. Undefined if they do not fit.
 *
 * @param {InputSpec} spec
 * @param {readonly number[]} dims
 * @returns {readonly number[] | undefined}
 */
export function shapeFor({ shape }, dims) {
  if (shape === undefined) return dims;
  const [samples, ...sizes] = dims;
  const fits = (/** @type {readonly (number | string)[]} */ own) =>
    own.length === sizes.length && own.every((size, i) => typeof size === 'string' || size === sizes[i]);
  const own = shape.slice(1);
  if (fits(own)) return dims;
  const total = sizes.reduce((a, b) => a * b, 1);
  const open = own.filter((size) => typeof size === 'string').length;
  const fixed = own.reduce((/** @type {number} */ a, b) => (typeof b === 'number' ? a * b : a), 1);
  const isFlat = sizes.length <= 1;
  if (open === 0 && total === fixed && (isFlat || long(sizes) === long(own)))
    return [samples, .../** @type {number[]} */ (own)];
  if (open === 1 && isFlat && total % fixed === 0)
    return [samples, ...own.map((size) => (typeof size === 'number' ? size : total / fixed))];
  return undefined;
}

/**
 * Axes longer than 1, as text.
 *
 * @param {readonly unknown[]} sizes
 */
const long = (sizes) => sizes.filter((size) => size !== 1).join();
