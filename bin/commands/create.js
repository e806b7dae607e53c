import { existsSync } from 'node:fs';
import { graph } from 'quasi-newton/onnx';
import { BadInput } from '../lib/badInput.js';
import { describeCategories, sourcesOf } from '../lib/categories.js';
import { numberOf } from '../lib/csv.js';
import { choose, columnsUsed, finiteNumbers } from '../lib/feeds.js';
import { checkOutput, writeWhole } from '../lib/output.js';
import { withRecipe } from '../lib/recipe.js';
import { dataOptions } from '../lib/runtime.js';
import { seeded } from '../lib/seeded.js';
import { readingOf, readTable } from '../lib/table.js';

/** @import { Arguments, Command } from '../lib/arguments.js' */
/** @import { Samples, Table } from '../lib/table.js' */

/** Activations, and the ops that they are. */
const activations = { tanh: 'Tanh', relu: 'Relu', sigmoid: 'Sigmoid', softplus: 'Softplus' };

/** @type {Command} */
export const create = {
  summary: 'writes an untrained network of dense layers that fits a table of samples',
  example: 'model.onnx --data data.csv --target y --hidden 16,16',
  options: {
    ...dataOptions,
    target: { ...dataOptions.target, isRequired: true },
    hidden: {
      value: 'SIZES',
      help: 'units of the hidden layers, separated by commas; none for a linear model',
      default: '16,16',
    },
    activation: {
      value: 'NAME',
      oneOf: Object.keys(activations),
      help: 'activation of the hidden layers',
      default: 'tanh',
    },
    classes: {
      help: 'the target consists of classes: one output for each, as logits',
      default: 'if it consists of words',
    },
    normalize: {
      help: 'shift and scale inputs and outputs by their mean and deviation, in the model',
      default: 'yes',
    },
    seed: { value: 'NUMBER', isNumber: true, help: 'seed of the weights', default: '1' },
    force: { help: 'overwrite the file' },
    json: { help: 'write the result as an object to standard output' },
  },
  run,
};

/** @param {Arguments} given */
async function run({ model, text, number, on, list }) {
  if (existsSync(model) && !on.force)
    throw new BadInput(`model: ${model} exists; pass --force to overwrite it.`);
  checkOutput('model', model, ['.onnx']);
  const reading = { ...readingOf({ text, on }), needed: columnsUsed({ text, list }), isEncodable: true };
  const table = await readTable(text.data ?? '', reading);
  const choice = choose(table, { text, list });
  const free = inputColumns(table, choice);
  checkMixed(table, choice, on.classes);
  const sources = sourcesOf(table, free, choice.categories);
  const inputs = finiteNumbers(table, sources);
  const x = statistics(inputs, '--input');
  const isClasses = on.classes ?? choice.classes !== undefined;
  const y = isClasses ? undefined : statistics(targetsOf(table, choice), '--target');
  const units = y?.mean.length ?? classCount(table, choice);
  const sizes = [x.mean.length, ...hiddenSizes(text.hidden ?? '16,16'), units];
  checkCount(sizes);
  const activation = activations[/** @type {keyof typeof activations} */ (text.activation ?? 'tanh')];
  const isScaled = on.normalize ?? true;
  const shape = inputs.dims.slice(1);
  const bytes = network({ shape, sizes, activation }, number.seed ?? 1, isScaled ? { x, y } : {});
  const loss = isClasses ? 'softmaxCrossEntropy' : 'mse';
  const target = { columns: choice.target, ...(choice.classes && { classes: choice.classes }) };
  await writeWhole(model, withRecipe(bytes, { inputs: table.text ? { x: sources } : {}, target, loss }));
  const categories = describeCategories(sources);
  const facts = {
    model,
    sizes,
    activation,
    normalized: isScaled,
    loss,
    ...(categories !== undefined && { categories }),
  };
  const call = nextCall(model, { text, on }, loss);
  const note =
    !isClasses && isYesOrNo(table, choice)
      ? '\nnote     the target consists of 0 and 1: --classes makes them classes'
      : '';
  console.log(
    on.json
      ? JSON.stringify(facts, null, 2)
      : `written  ${model}: ${sizes.join('-')}, ${sizes.length > 2 ? activation : 'linear'}${note}${categories === undefined ? '' : `\nencoded  ${categories}`}\nnext     ${call}`,
  );
  return 0;
}

/**
 * The command that trains the network.
 *
 * @param {string} model
 * @param {Pick<Arguments, 'text' | 'on'>} given
 * @param {string} loss
 */
function nextCall(model, { text, on }, loss) {
  const [file, data, target] = [model, text.data ?? '', text.target ?? ''].map(quoted);
  const header = on.header === undefined ? '' : on.header ? ' --header' : ' --no-header';
  const decimal = text.decimal === undefined ? '' : ` --decimal ${text.decimal}`;
  const reading = `${header}${decimal}${on['skip-missing'] ? ' --skip-missing' : ''}`;
  return `npx quasi-newton train ${file} --data ${data}${reading} --target ${target} --loss ${loss} --out trained.onnx`;
}

/**
 * The columns that a network is made for.
 *
 * @param {Table} table
 * @param {import('../lib/feeds.js').Choice} choice
 */
function inputColumns(table, { inputs, target }) {
  if ([...inputs.keys()].some((name) => name !== '' && name !== 'x'))
    throw new BadInput('--input: the network has one input, x: say --input NAMES.');
  const free = inputs.get('') ?? inputs.get('x') ?? table.names.filter((name) => !target.includes(name));
  if (free.length === 0) throw new BadInput(`--input: ${table.path} has nothing beside the target.`);
  return free;
}

/**
 * Refuses a target of words and numbers, which a slip in one field makes of numbers, unless the user wants classes.
 *
 * @param {Table} table
 * @param {import('../lib/feeds.js').Choice} choice
 * @param {boolean | undefined} wantsClasses
 */
function checkMixed(table, { target, classes }, wantsClasses) {
  if (!classes || wantsClasses !== undefined || table.holdsOnlyWords(target[0])) return;
  const texts = table.texts(target[0]) ?? [];
  const row = texts.findIndex((text) => !Number.isFinite(numberOf(text, table.text?.mark)));
  throw new BadInput(
    `${table.path}: line ${table.lineOf(row)}, column ${JSON.stringify(target[0])}: ${JSON.stringify(texts[row])} is not a number, but others are. Change it, or say --classes if all of them name classes.`,
  );
}

/**
 * @param {Table} table
 * @param {import('../lib/feeds.js').Choice} choice
 */
function targetsOf(table, { target, classes }) {
  if (classes)
    throw new BadInput(`--target: ${target[0]} holds words, which are classes; leave out --no-classes.`);
  const samples = finiteNumbers(
    table,
    target.map((column) => ({ column })),
  );
  if (samples.dims.length > 2)
    throw new BadInput(
      `--target: ${JSON.stringify(target[0])} has shape [${samples.dims.join(', ')}]; the network gives [samples, numbers].`,
    );
  return samples;
}

/**
 * @param {Table} table
 * @param {import('../lib/feeds.js').Choice} choice
 */
function classCount(table, { target, classes }) {
  if (classes) return classes.length;
  const { data, dims } = table.numbers(target);
  const isIndex = Array.from(data).every((value) => Number.isInteger(value) && value >= 0);
  if (!isIndex || data.length !== dims[0])
    throw new BadInput('--classes: the target must be one column of words, or of whole numbers from 0.');
  return 1 + Array.from(data).reduce((a, b) => Math.max(a, b), 1);
}

/** @type {(table: Table, choice: import('../lib/feeds.js').Choice) => boolean} */
const isYesOrNo = (table, { target }) => {
  const values = target.length === 1 ? new Set(Array.from(table.numbers(target).data)) : new Set();
  return values.size === 2 && values.has(0) && values.has(1);
};

/** A word of a command as a shell reads it. */
const quoted = (/** @type {string} */ word) =>
  /^[\w./:=,@%+-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;

/** @param {string} text */
function hiddenSizes(text) {
  if (text === 'none') return [];
  const sizes = text.split(',').map(Number);
  if (sizes.every((size) => Number.isInteger(size) && size >= 1 && size <= 1e5)) return sizes;
  throw new BadInput(
    `--hidden: must be whole numbers ≥ 1, separated by commas, or none; got ${JSON.stringify(text)}.`,
  );
}

/** Largest number of weights: an .onnx file holds 2 GiB. */
const MOST_WEIGHTS = 2 ** 29 - 2 ** 20;

/** @param {readonly number[]} sizes */
function checkCount(sizes) {
  const count = sizes.slice(1).reduce((sum, size, i) => sum + size * (sizes[i] + 1), 0);
  if (count > MOST_WEIGHTS)
    throw new BadInput(
      `--hidden: a network of ${sizes.join('-')} has ${count.toExponential(1)} weights, more than a file holds.`,
    );
}

/**
 * Mean and standard deviation of each number of a sample; a deviation of 0 counts as 1.
 *
 * @param {Samples} samples
 * @param {string} option - that chose them
 * @throws BadInput if they do not fit into float32, the type of the weights
 */
function statistics({ data, dims: [count, ...sizes] }, option) {
  const width = sizes.reduce((a, b) => a * b, 1);
  const mean = new Float64Array(width);
  const variance = new Float64Array(width);
  for (let i = 0; i < data.length; i++) mean[i % width] += data[i] / count;
  for (let i = 0; i < data.length; i++) variance[i % width] += (data[i] - mean[i % width]) ** 2 / count;
  const deviation = variance.map((value) => Math.sqrt(value) || 1);
  if (!mean.every(fits) || !deviation.every((value) => fits(value) && value > 1 / LARGEST))
    throw new BadInput(`${option}: the numbers are too large or too close for float32; use another unit.`);
  return { mean, deviation };
}

/** Largest number, and inverse of the smallest deviation, that float32 holds with all its digits. */
const LARGEST = 1e37;
const fits = (/** @type {number} */ value) => Math.abs(value) < LARGEST;

/** @typedef {ReturnType<typeof statistics>} Statistics */

/**
 * A network of dense layers, weights and biases uniform in ±1/√in, torch's default.
 *
 * Its outputs are scaled by single numbers, which are no parameters: vectors would be trained, as scales and biases
 * that the last layer has already. That layer's biases begin with what is left of the means.
 *
 * @param {{ shape: readonly number[], sizes: readonly number[], activation: string }} layers - shape of an input, units
 * of the layers, and the op between them
 * @param {number} seed
 * @param {{ x?: Statistics, y?: Statistics | undefined }} scales
 */
function network({ shape, sizes, activation }, seed, { x, y }) {
  const random = seeded(seed);
  const last = sizes.length - 2;
  const shift = y ? meanOf(y.mean) : 0;
  const spread = y ? Math.sqrt(meanOf(y.deviation.map((value) => value ** 2))) : 1;
  const g = graph();
  /** @type {(name: string, values: ArrayLike<number>) => string} */
  const vector = (name, values) => g.weight(name, [values.length], (k) => values[k]);
  let value = g.input('x', ['N', ...(shape.length > 1 ? shape : [sizes[0]])]);
  if (shape.length > 1) value = g.op('Flatten', [value]);
  if (x) value = g.div(g.sub(value, vector('x.mean', x.mean)), vector('x.deviation', x.deviation));
  sizes.slice(1).forEach((out, i) => {
    const bound = 1 / Math.sqrt(sizes[i]);
    const uniform = () => bound * (2 * random() - 1);
    const offset = (/** @type {number} */ k) => (y && i === last ? (y.mean[k] - shift) / spread : 0);
    const weight = g.weight(`${i}.weight`, [out, sizes[i]], uniform);
    const bias = g.weight(`${i}.bias`, [out], (k) => offset(k) + uniform());
    value = g.op('Gemm', [value, weight, bias], { transB: 1 });
    if (i < last) value = g.op(activation, [value]);
  });
  if (y) value = g.add(g.mul(value, vector('y.deviation', [spread])), vector('y.mean', [shift]));
  g.output('y', value);
  return g.toBytes();
}

/** @param {Float64Array} values */
const meanOf = (values) => values.reduce((a, b) => a + b, 0) / values.length;
