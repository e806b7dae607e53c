// ONNX Runtime and the model in it.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { trainable } from 'quasi-newton/onnx';
import { BadInput } from './badInput.js';
import { choose, feedsOf } from './feeds.js';
import { fixedOf, fixedOptions } from './fixedInputs.js';
import { readingOf, readTable } from './table.js';

/** @import { Loss, OnnxModel, TrainableOptions } from 'quasi-newton/onnx' */
/** @import { Arguments, Option } from './arguments.js' */
/** @import { Choice } from './feeds.js' */
/** @import { ModelFile } from './modelFile.js' */
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
    help: "columns or array of one of the model's inputs; by default those of its name, or all that are no target",
  },
  header: {
    help: 'the first row names the columns; --no-header: it is a sample, and columns are called 1, 2, …',
  },
  decimal: {
    value: 'MARK',
    oneOf: ['point', 'comma'],
    help: 'decimal mark of a .csv',
    default: 'comma where fields are separated otherwise and no number has a point',
  },
  'skip-missing': { help: 'leave out samples of a .csv with a missing value in any column' },
};

/** @type {Readonly<Record<string, Option>>} */
export const lossOptions = {
  ...fixedOptions,
  loss: { value: 'NAME', oneOf: losses, help: 'what to minimize', default: 'mse' },
  delta: {
    value: 'NUMBER',
    isNumber: true,
    help: 'where the parabola of the loss huber becomes a line',
    default: '1',
  },
  'loss-output': { value: 'NAME', help: 'instead of --loss: a scalar output that the model computes itself' },
  output: { value: 'NAME', help: "output that the loss is of; default the model's only one" },
  l2: { value: 'NUMBER', isNumber: true, help: 'adds l2/2 times the sum of squared weights', default: '0' },
  precision: { value: 'TYPE', oneOf: ['float32', 'float64'], help: "arithmetic; default the model's own" },
  threads: {
    value: 'COUNT',
    isNumber: true,
    help: 'threads of ONNX Runtime',
    default: 'its own choice, on two cores 1',
  },
};

/** A model in ONNX Runtime, with its data. */
/**
 * @typedef {object} Loaded
 * @property {OnnxModel} model
 * @property {Table} table
 * @property {Choice} choice
 * @property {Record<string, Samples>} feeds
 * @property {(table: Table) => Record<string, Samples>} feedsFrom - the same columns of another table
 * @property {string} loss
 * @property {boolean} freedBatch - true if the model takes one sample at a time and is trained on many
 */

/**
 * Loads what `train` and `landscape` work on.
 *
 * @param {Arguments} given
 * @param {ModelFile} file
 * @param {Partial<TrainableOptions>} [more]
 * @returns {Promise<Loaded>}
 */
export async function load({ text, number, on, list }, { bytes, externalData }, more = {}) {
  if (text.loss !== undefined && text['loss-output'] !== undefined)
    throw new BadInput('--loss and --loss-output exclude each other.');
  const ort = await onnxRuntime();
  const table = await readTable(text.data ?? '', readingOf({ text, on }));
  const choice = choose(table, text.target, list.input ?? []);
  const loss = lossOf(text, number, choice);
  /** @type {TrainableOptions} */
  const options = {
    loss,
    externalData,
    ...fixedOf(list),
    ...(text.output !== undefined && { output: text.output }),
    ...(number.l2 !== undefined && { l2: number.l2 }),
    ...(text.precision !== undefined && { precision: /** @type {'float32'} */ (text.precision) }),
    ...(number.threads !== undefined && { sessionOptions: { intraOpNumThreads: number.threads } }),
    ...more,
  };
  let model = await trainable(ort, bytes, options);
  const freedBatch = table.samples > 1 && model.inputs[0]?.shape?.[0] === 1;
  if (freedBatch) {
    await model.dispose();
    model = await trainable(ort, bytes, { ...options, freeBatch: true });
  }
  const inputs = [...model.inputs];
  const target = text['loss-output'] === undefined ? inputs.pop() : undefined;
  const feedsFrom = (/** @type {Table} */ other) => feedsOf(other, choice, inputs, target);
  const name = text['loss-output'] ?? text.loss ?? 'mse';
  return { model, table, choice, feeds: feedsFrom(table), feedsFrom, loss: name, freedBatch };
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
async function onnxRuntime() {
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
