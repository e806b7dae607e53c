// What a model is fed with, from the columns or arrays of a table.
import { BadInput, shortened } from './badInput.js';
import { describeCategories, encoded, sourcesOf, widthOf } from './categories.js';
import { namesIn } from './names.js';

/** @import { InputSpec } from 'quasi-newton/onnx' */
/** @import { Source } from './categories.js' */
/** @import { Recipe } from './recipe.js' */
/** @import { Samples, Table } from './table.js' */

/**
 * @typedef {object} Choice
 * @property {readonly string[]} target - names of the columns or the array to predict; empty where there is none
 * @property {ReadonlyMap<string, readonly string[]>} inputs - the names given to inputs of the model by the user
 * @property {readonly string[] | undefined} classes - the words of a target column, in the order of their indices
 * @property {readonly string[] | undefined} categories - columns to be encoded although they may hold numbers; undefined
 * where nothing is to be encoded
 */

/**
 * The columns of an input of a model.
 *
 * @typedef {{ spec: InputSpec, sources: readonly Source[] }} Plan
 */

/**
 * Sorts the names of a table: what is predicted, and what goes into which input.
 *
 * @param {Table} table
 * @param {Pick<import('./arguments.js').Arguments, 'text' | 'list'>} given - `--target`, `--categories`, and `--input`: `COLUMNS` or
 * `NAME=COLUMNS`
 * @param {Recipe} [recipe] - of the model, which knows its classes
 * @returns {Choice}
 */
export function choose(table, { text, list }, recipe) {
  const targets = text.target === undefined ? [] : namesIn(table, text.target, '--target');
  const chosen = chosenInputs(table, list.input ?? []);
  const twice = chosen.find(([name], i) => chosen.findIndex(([other]) => other === name) !== i);
  if (twice)
    throw new BadInput(
      `--input: ${twice[0] === '' ? 'columns' : `those of ${JSON.stringify(twice[0])}`} are given twice; write them in one --input, separated by commas.`,
    );
  const both = chosen.flatMap(([, names]) => names).find((name) => targets.includes(name));
  if (both !== undefined)
    throw new BadInput(`--input: ${JSON.stringify(both)} is the target; a model must not see it.`);
  const isKnown = targets.join('\n') === recipe?.target?.columns.join('\n');
  const words = targets.length === 1 && !isKnown ? table.words(targets[0]) : undefined;
  return {
    target: targets,
    inputs: new Map(chosen),
    classes: isKnown ? recipe?.target?.classes : words && [...new Set(words)].sort(),
    categories: text.categories === undefined ? [] : namesIn(table, text.categories, '--categories'),
  };
}

/**
 * @param {{ path: string, names: readonly string[] }} table
 * @param {readonly string[]} inputs - values of --input
 */
const chosenInputs = (table, inputs) =>
  inputs.map((written) => {
    const [, name = '', names] = /^(?:([^=]+)=)?(.*)$/s.exec(written) ?? [];
    return /** @type {const} */ ([name, namesIn(table, names, '--input')]);
  });

/**
 * The columns that a command uses, where it does not use all: those of the recipe or of --input, and the target.
 *
 * @param {Pick<import('./arguments.js').Arguments, 'text' | 'list'>} given
 * @param {Recipe} [recipe]
 * @returns {(table: { path: string, names: readonly string[] }) => readonly string[] | undefined}
 */
export const columnsUsed =
  ({ text, list }, recipe) =>
  (table) => {
    const recorded = Object.values(recipe?.inputs ?? {}).flatMap((sources) =>
      sources.map(({ column }) => column),
    );
    const inputs = list.input ? chosenInputs(table, list.input).flatMap(([, names]) => names) : recorded;
    if (inputs.length === 0) return undefined;
    return [...inputs, ...(text.target === undefined ? [] : namesIn(table, text.target, '--target'))];
  };

/**
 * The columns of each input of a model.
 *
 * @param {Table} table
 * @param {Choice} choice
 * @param {readonly InputSpec[]} inputs - of the model
 * @param {Recipe} [recipe] - of the model
 * @returns {readonly Plan[]}
 */
export function planOf(table, choice, inputs, recipe) {
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
  return inputs.map((spec) => {
    const recorded = table.text && recipe?.inputs[spec.name];
    if (!recorded)
      return { spec, sources: sourcesOf(table, namesFor(table, choice, spec, inputs), choice.categories) };
    return { spec, sources: recordedSources(choice, recorded, ownColumns(choice, spec, inputs)) };
  });
}

/**
 * The columns that the file of a model names, or others in their places.
 *
 * @param {Choice} choice
 * @param {readonly Source[]} recorded
 * @param {readonly string[] | undefined} chosen - by --input
 * @returns {readonly Source[]}
 */
function recordedSources({ target, categories }, recorded, chosen) {
  const columns = recorded.map(({ column }) => column);
  const strange = categories?.find(
    (name) => !recorded.some((source) => source.column === name && source.categories),
  );
  if (strange !== undefined)
    throw new BadInput(
      `--categories: the model knows how its columns are encoded, and ${JSON.stringify(strange)} is not among its categories; make a new one with create.`,
    );
  if (chosen === undefined || chosen.every((name) => columns.includes(name))) {
    const both = target.find((name) => columns.includes(name));
    if (both !== undefined)
      throw new BadInput(
        `--target: ${JSON.stringify(both)} is an input of the model; a model must not see it.`,
      );
  }
  if (chosen === undefined) return recorded;
  if (chosen.length !== recorded.length)
    throw new BadInput(
      `--input: ${chosen.length} columns are given; the model reads ${recorded.length}: ${shortened(columns)}.`,
    );
  const isSame = chosen.every((name) => columns.includes(name));
  return isSame ? recorded : recorded.map((source, i) => ({ ...source, column: chosen[i] }));
}

/**
 * The feeds of a problem.
 *
 * @param {Table} table
 * @param {Choice} choice
 * @param {readonly Plan[]} plan
 * @param {InputSpec | undefined} target - of its loss
 */
export function feedsOf(table, choice, plan, target) {
  if (target && choice.target.length === 0)
    throw new BadInput('--target is missing: the loss compares the output with it.');
  const feeds = plan.map(({ spec, sources }) => [spec.name, shaped(table, sources, spec)]);
  if (target) feeds.push([target.name, targetOf(table, choice, target)]);
  return /** @type {Record<string, Samples>} */ (Object.fromEntries(feeds));
}

/**
 * The columns that the user chose for an input.
 *
 * @param {Choice} choice
 * @param {InputSpec} spec
 * @param {readonly InputSpec[]} inputs
 */
const ownColumns = ({ inputs: chosen }, { name }, inputs) =>
  chosen.get(name) ?? (inputs.length === 1 ? chosen.get('') : undefined);

/**
 * The columns or the array of one input: those that the user chose, those that have its name, or all that are left.
 *
 * @param {Table} table
 * @param {Choice} choice
 * @param {InputSpec} spec
 * @param {readonly InputSpec[]} inputs
 * @returns {readonly string[]}
 */
function namesFor(table, choice, spec, inputs) {
  const { name } = spec;
  const own = ownColumns(choice, spec, inputs);
  if (own) return own;
  const free = table.names.filter((column) => !choice.target.includes(column));
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
  const words = classes && target.length === 1 ? table.texts(target[0]) : undefined;
  const plain = target.map((column) => ({ column }));
  if (!words || !classes) return shaped(table, plain, spec, true);
  if (spec.classes === undefined && !(spec.range && classes.length === 2)) {
    throw new BadInput(
      `--target: column ${JSON.stringify(target[0])} holds words (${shortened(classes, 4)}); this loss needs numbers. Classes go with --loss softmaxCrossEntropy.`,
    );
  }
  const strange = words.findIndex((word) => !classes.includes(word));
  if (strange >= 0)
    throw new BadInput(
      `${table.path}: line ${table.lineOf(strange)}: the class ${JSON.stringify(words[strange])} is not among those of the model or of --data: ${shortened(classes)}.`,
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
 * @param {readonly Source[]} sources
 */
export function finiteNumbers(table, sources) {
  const samples = encoded(table, sources);
  const { data } = samples;
  const wrong = Array.prototype.findIndex.call(data, (value) => !Number.isFinite(value));
  if (wrong >= 0)
    throw new BadInput(
      `${table.path}: ${shortened(sources.map(({ column }) => column))}: element ${wrong} is ${data[wrong]}.`,
    );
  return samples;
}

/**
 * @param {Table} table
 * @param {readonly Source[]} sources
 * @param {InputSpec} spec
 * @param {boolean} [isTarget]
 * @returns {Samples}
 */
export function shaped(table, sources, spec, isTarget = false) {
  const { data, dims } = finiteNumbers(table, sources);
  const fitted = shapeFor(spec, dims);
  if (fitted) return { data, dims: fitted };
  const wanted = (spec.shape ?? []).map((size) => (String(size).startsWith('?') ? '?' : size)).join(', ');
  const advice =
    isTarget && sources.length === 1 ? ' Classes in one column go with --loss softmaxCrossEntropy.' : '';
  throw new BadInput(
    `${spec.name} must have shape [${wanted}]; in ${table.path} ${foundIn(table, sources, dims)}. Choose others with ${isTarget ? '--target' : '--input'}.${advice}`,
  );
}

/**
 * What a table holds for an input.
 *
 * @param {Table} table
 * @param {readonly Source[]} sources
 * @param {readonly number[]} dims
 */
function foundIn(table, sources, dims) {
  const names = sources.map(({ column }) => column);
  if (!table.text) return `${JSON.stringify(names[0])} has shape [${dims.join(', ')}]`;
  const coded = describeCategories(sources);
  const numbers = coded === undefined ? '' : `, ${widthOf(sources)} numbers with the categories of ${coded}`;
  return names.length === 1
    ? `there is one column, ${names[0]}${numbers}`
    : `there are ${names.length} columns: ${shortened(names)}${numbers}`;
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
