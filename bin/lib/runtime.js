// ONNX Runtime and the model in it.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { trainable } from 'quasi-newton/onnx';
import { BadInput } from './badInput.js';
import { choose, columnsUsed, feedsOf, planOf } from './feeds.js';
import { fixedOf, fixedOptions } from './fixedInputs.js';
import { readingOf, readTable } from './table.js';

/** @import { Loss, OnnxModel, TrainableOptions } from 'quasi-newton/onnx' */
/** @import { Arguments, Option } from './arguments.js' */
/** @import { Choice } from './feeds.js' */
/** @import { ModelFile } from './modelFile.js' */
/** @import { Recipe } from './recipe.js' */
/** @import { Samples, Table } from './table.js' */

export const losses = ['mse', 'mae', 'huber', 'softmaxCrossEntropy', 'binaryCrossEntropy'];

/** @type {Readonly<Record<string, Option>>} */
export const dataOptions = {
  data: {
    value: 'FILE',
    isRequired: true,
    help: 'samples: a .csv whose first row names the columns, or an .npz',
  },
  target: { value: 'NAMES', help: 'columns or array to predict; a,b and a..b name several columns' },
  input: {
    value: '[INPUT=]NAMES',
    multiple: true,
    help: 'columns or array that an input of the model reads; default those with its name, or all except the target',
  },
  header: {
    help: 'the first row names the columns; --no-header: it is a sample, and the columns are named 1, 2, …',
  },
  decimal: {
    value: 'MARK',
    oneOf: ['point', 'comma'],
    help: 'decimal mark of a .csv',
    default: 'comma if semicolons or tabs separate the fields and no number has a point',
  },
  ignore: { value: 'NAMES', help: 'columns of --data that are neither inputs nor target' },
  categories: {
    value: 'NAMES',
    help: 'columns of numbers in --data to encode as categories, such as codes; columns of words always are',
  },
  'skip-missing': { help: 'leave out samples with a missing value in a column that is used (.csv)' },
};

/** @type {Readonly<Record<string, Option>>} */
export const lossOptions = {
  ...fixedOptions,
  loss: { value: 'NAME', oneOf: losses, help: 'loss to minimize', default: 'mse' },
  delta: {
    value: 'NUMBER',
    isNumber: true,
    help: 'error at which the parabola of the huber loss becomes a line',
    default: '1',
  },
  'loss-output': { value: 'NAME', help: 'instead of --loss: a scalar output of the model that is the loss' },
  output: { value: 'NAME', help: 'output to which the loss applies; default the only one' },
  l2: { value: 'NUMBER', isNumber: true, help: 'adds l2/2 times the sum of squared weights', default: '0' },
  precision: { value: 'TYPE', oneOf: ['float32', 'float64'], help: "arithmetic; default the model's own" },
  threads: {
    value: 'COUNT',
    isNumber: true,
    help: 'threads of ONNX Runtime',
    default: 'its own choice; 1 on two cores',
  },
};

/** A model in ONNX Runtime, with its data. */
/**
 * @typedef {object} Loaded
 * @property {OnnxModel} model
 * @property {Table} table
 * @property {Choice} choice
 * @property {Record<string, Samples>} feeds
 * @property {(path: string, option: string) => Promise<Record<string, Samples>>} feedsFrom - the same columns of another table
 * @property {Recipe} recipe - how the model reads tables
 * @property {string} loss
 * @property {boolean} freedBatch - true if the model takes one sample at a time and is trained on many
 */

/**
 * Loads what `train` and `landscape` work on.
 *
 * @param {Arguments} given
 * @param {ModelFile} file
 * @param {Recipe | undefined} known - the recipe in the file
 * @param {Partial<TrainableOptions>} [more]
 * @returns {Promise<Loaded>}
 */
export async function load(given, { bytes, externalData }, known, more = {}) {
  const { text } = given;
  if (text.loss !== undefined && text['loss-output'] !== undefined)
    throw new BadInput('--loss and --loss-output exclude each other.');
  const ort = await onnxRuntime();
  const reading = { ...readingOf(given), isEncodable: known === undefined };
  const table = await readTable(text.data ?? '', { ...reading, needed: columnsUsed(given, known) });
  const choice = choose(table, given, known);
  const options = { ...optionsOf(given, choice), externalData, ...more };
  let model = await trainable(ort, bytes, options);
  const freedBatch = table.samples > 1 && model.inputs[0]?.shape?.[0] === 1;
  if (freedBatch) {
    await model.dispose();
    model = await trainable(ort, bytes, { ...options, freeBatch: true });
  }
  try {
    const inputs = [...model.inputs];
    const target = text['loss-output'] === undefined ? inputs.pop() : undefined;
    const plan = planOf(table, choice, inputs, known);
    const used = [...plan.flatMap(({ sources }) => sources.map(({ column }) => column)), ...choice.target];
    const feedsFrom = async (/** @type {string} */ path, /** @type {string} */ option) => {
      const other = { ...readingOf(given), ignored: undefined, needed: () => used };
      return feedsOf(await readTable(path, other, option), choice, plan, target);
    };
    const loss = text['loss-output'] ?? text.loss ?? 'mse';
    const recipe = recipeOf(given, table, choice, plan, known);
    return {
      model,
      table,
      choice,
      feeds: feedsOf(table, choice, plan, target),
      feedsFrom,
      recipe,
      loss,
      freedBatch,
    };
  } catch (error) {
    await model.dispose();
    throw error;
  }
}

/**
 * @param {Arguments} given
 * @param {Choice} choice
 * @returns {TrainableOptions}
 */
const optionsOf = ({ text, number, list }, choice) => ({
  loss: lossOf(text, number, choice),
  ...fixedOf(list),
  ...(text.output !== undefined && { output: text.output }),
  ...(number.l2 !== undefined && { l2: number.l2 }),
  ...(text.precision !== undefined && { precision: /** @type {'float32'} */ (text.precision) }),
  ...(number.threads !== undefined && { sessionOptions: { intraOpNumThreads: number.threads } }),
});

/**
 * How a model reads tables from now on.
 *
 * @param {Arguments} given
 * @param {Table} table
 * @param {Choice} choice
 * @param {readonly import('./feeds.js').Plan[]} plan
 * @param {Recipe | undefined} known
 * @returns {Recipe}
 */
function recipeOf({ text }, table, { target, classes }, plan, known) {
  const inputs = Object.fromEntries(plan.map(({ spec, sources }) => [spec.name, sources]));
  return {
    inputs: table.text ? inputs : (known?.inputs ?? {}),
    ...(target.length > 0 && { target: { columns: target, ...(classes && { classes }) } }),
    ...(text['loss-output'] === undefined && { loss: text.loss ?? 'mse' }),
    ...(text.output !== undefined && { output: text.output }),
  };
}

/**
 * @param {Arguments['text']} text
 * @param {Arguments['number']} number
 * @param {Choice} choice
 * @returns {Loss}
 */
function lossOf(text, number, choice) {
  if (text['loss-output'] !== undefined) return { output: text['loss-output'] };
  const loss = /** @type {'mse'} */ (text.loss ?? 'mse');
  return {
    loss,
    ...(number.delta !== undefined && { delta: number.delta }),
    ...(text.loss === 'softmaxCrossEntropy' && choice.target.length > 1 && { targets: 'probabilities' }),
  };
}

/** `onnxruntime-node`, as this package or the folder where the command runs sees it. */
export async function onnxRuntime() {
  try {
    return await import('onnxruntime-node');
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  try {
    const path = createRequire(`${process.cwd()}/`).resolve('onnxruntime-node');
    const { default: ort } = await import(pathToFileURL(path).href);
    return /** @type {typeof import('onnxruntime-node')} */ (ort);
  } catch (error) {
    if (!isMissing(error)) throw error;
    throw new BadInput(
      'onnxruntime-node is not installed; the model runs in it. Install it beside quasi-newton: npm install onnxruntime-node',
      { cause: error },
    );
  }
}

/** @param {unknown} error */
const isMissing = (error) =>
  error instanceof Error && 'code' in error && /^(ERR_)?MODULE_NOT_FOUND$/.test(String(error.code));
