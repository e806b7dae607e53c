// The output of a model as columns of a table.
import { BadInput } from './badInput.js';

/** @import { Recipe } from './recipe.js' */
/** @import { Table } from './table.js' */

/**
 * A column of predictions: numbers, or names of classes.
 *
 * @typedef {{ name: string, values: readonly (number | string)[] }} Column
 */

const softmax = (/** @type {readonly number[]} */ row) => {
  const largest = Math.max(...row);
  const powers = row.map((value) => Math.exp(value - largest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((value) => value / sum);
};

/** The probabilities of a row of outputs, by the op that ends the model. */
const probabilitiesOf = (/** @type {readonly number[]} */ row, /** @type {string} */ op) =>
  op === 'Softmax' ? row : op === 'LogSoftmax' ? row.map(Math.exp) : softmax(row);

const sigmoid = (/** @type {number} */ value) => 1 / (1 + Math.exp(-value));

/** A probability to six digits. */
const rounded = (/** @type {number} */ value) => Number(value.toPrecision(6));

/** A number of float32 as briefly as it is told apart from its neighbors. */
export function brief(/** @type {number} */ value) {
  if (Math.fround(value) !== value) return value;
  for (let digits = 6; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return Number(value.toPrecision(9));
}

/**
 * The columns of a prediction: of a regression one for each target; of classes the likeliest, and the probability of each.
 *
 * @param {{ data: Float64Array, dims: readonly number[] }} output - `[samples, …]`
 * @param {string} op - that makes it
 * @param {Pick<Recipe, 'loss' | 'target'>} recipe
 * @returns {readonly Column[]}
 */
export function columnsOf({ data, dims }, op, { loss, target }) {
  const [samples] = dims;
  const width = data.length / samples;
  const rows = Array.from({ length: samples }, (_, i) =>
    Array.from(data.subarray(i * width, (i + 1) * width)),
  );
  const [first = 'output'] = target?.columns ?? [];
  if (loss === 'softmaxCrossEntropy' && dims.length === 2 && width > 1)
    return ofClasses(rows, op, first, target);
  if (loss === 'binaryCrossEntropy') return ofSwitches(rows, op, target);
  const names = target?.columns.length === width ? target.columns : numbered(first, width);
  return names.map((name, k) => ({ name: `predicted_${name}`, values: rows.map((row) => brief(row[k])) }));
}

/** @type {(name: string, count: number) => readonly string[]} */
const numbered = (name, count) =>
  count === 1 ? [name] : Array.from({ length: count }, (_, k) => `${name}_${k}`);

/** @type {(rows: readonly number[][], op: string, first: string, target: Recipe['target']) => readonly Column[]} */
function ofClasses(rows, op, first, target) {
  const width = rows[0].length;
  const isSpread = target !== undefined && target.columns.length === width;
  const classes = isSpread ? target.columns : target?.classes;
  const names = Array.from({ length: width }, (_, k) => classes?.[k] ?? String(k));
  const likelihoods = rows.map((row) => probabilitiesOf(row, op));
  const isKnown = classes !== undefined;
  const best = likelihoods.map((row) => row.indexOf(Math.max(...row)));
  return [
    {
      name: isSpread ? 'predicted_class' : `predicted_${first}`,
      values: best.map((k) => (isKnown ? names[k] : k)),
    },
    ...names.map((name, k) => ({
      name: `probability_${name}`,
      values: likelihoods.map((row) => rounded(row[k])),
    })),
  ];
}

/** @type {(rows: readonly number[][], op: string, target: Recipe['target']) => readonly Column[]} */
function ofSwitches(rows, op, target) {
  const [first = 'output'] = target?.columns ?? [];
  const width = rows[0].length;
  const names = target?.columns.length === width ? target.columns : numbered(first, width);
  const likelihood = (/** @type {number} */ value) => (op === 'Sigmoid' ? value : sigmoid(value));
  const [no, yes] = target?.classes ?? [];
  if (yes !== undefined && width === 1) {
    const shares = rows.map(([value]) => likelihood(value));
    return [
      { name: `predicted_${first}`, values: shares.map((share) => (share >= 0.5 ? yes : no)) },
      { name: `probability_${yes}`, values: shares.map(rounded) },
    ];
  }
  return names.map((name, k) => ({
    name: `probability_${name}`,
    values: rows.map((row) => rounded(likelihood(row[k]))),
  }));
}

/** @type {(field: string, separator: string) => string} */
const quoted = (field, separator) =>
  field.includes(separator) || /["\r\n]|^\s|\s$/.test(field) ? `"${field.replaceAll('"', '""')}"` : field;

/**
 * A table with its predictions as a .csv: with the separator and the decimal mark of the samples, whose columns stand before
 * them unless only the predictions are wanted.
 *
 * @param {Table} table
 * @param {readonly Column[]} columns
 * @param {boolean} isOnly
 * @returns {string}
 */
export function csvOf(table, columns, isOnly) {
  const { separator = ',', mark = '.' } = table.text ?? {};
  const kept = isOnly ? undefined : table.text;
  const twice = columns.find(({ name }) => kept?.names.includes(name));
  if (twice)
    throw new BadInput(
      `${table.path} has a column ${JSON.stringify(twice.name)} already; leave it out with --ignore, or say --only to write the predictions without the table.`,
    );
  const shown = (/** @type {number | string} */ value) =>
    typeof value === 'string' ? value : String(value).replace('.', mark);
  const line = (/** @type {readonly string[]} */ fields) =>
    fields.map((field) => quoted(field, separator)).join(separator);
  const head = line([...(kept?.names ?? []), ...columns.map(({ name }) => name)]);
  const body = Array.from({ length: table.samples }, (_, i) =>
    line([...(kept?.rows[i] ?? []), ...columns.map(({ values }) => shown(values[i]))]),
  );
  return `${[head, ...body].join('\n')}\n`;
}
