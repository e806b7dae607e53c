import { choose, columnsUsed, feedsOf, planOf } from '../lib/feeds.js';
import { runModel, signatureOf } from '../lib/asItIs.js';
import { BadInput } from '../lib/badInput.js';
import { fixedOf, fixedOptions } from '../lib/fixedInputs.js';
import { modelAt } from '../lib/modelFile.js';
import { checkOutput, writeWhole } from '../lib/output.js';
import { columnsOf, csvOf } from '../lib/predictions.js';
import { recipeIn } from '../lib/recipe.js';
import { dataOptions, losses, onnxRuntime } from '../lib/runtime.js';
import { agreement } from '../lib/agreement.js';
import { readingOf, readTable } from '../lib/table.js';

/** @import { Arguments, Command } from '../lib/arguments.js' */

const { data, input, header, decimal, ignore } = dataOptions;

/** @type {Command} */
export const predict = {
  summary: 'computes what a model predicts for a table of samples, as a .csv',
  example: 'trained.onnx --data new.csv --out predictions.csv',
  options: {
    data,
    input,
    header,
    decimal,
    ignore,
    'skip-missing': dataOptions['skip-missing'],
    fix: fixedOptions.fix,
    loss: {
      value: 'NAME',
      oneOf: losses,
      help: 'that it was trained with',
      default: 'as the file says, or mse',
    },
    output: { value: 'NAME', help: 'output to predict', default: "the model's only one" },
    out: {
      value: 'FILE.csv',
      help: 'where the table is written with its predictions',
      default: 'standard output',
    },
    only: { help: 'write the predictions without the columns of the table' },
    json: { help: 'write the result as an object to standard output' },
  },
  run,
};

/** @param {Arguments} given */
async function run(given) {
  const { model, text, on } = given;
  checkOutput('--out', text.out, ['.csv', '.tsv', '.txt'], { '--data': text.data });
  const { bytes } = await modelAt(model);
  const { inputs, outputs } = signatureOf(bytes, model);
  const recipe = recipeIn(bytes, model);
  const found = outputOf(outputs, text.output ?? recipe?.output);
  const table = await readTable(text.data ?? '', { ...readingOf(given), needed: columnsUsed(given, recipe) });
  const { feeds, fixed } = feedsFor(given, table, inputs, recipe);
  const { name: output, op } = found;
  const result = await runModel(await onnxRuntime(), model, inputs, feeds, { output, fixed });
  const loss = text.loss ?? recipe?.loss;
  const columns = columnsOf(result, op, {
    ...(loss !== undefined && { loss }),
    target: recipe?.target ?? { columns: [output] },
  });
  const judged = agreement(table, columns, recipe?.target);
  const written = csvOf(table, columns, on.only ?? false);
  if (text.out !== undefined) await writeWhole(text.out, written);
  if (on.json) {
    const predictions = Object.fromEntries(columns.map(({ name, values }) => [name, values]));
    console.log(
      JSON.stringify(
        {
          model,
          samples: table.samples,
          ...judged,
          out: text.out ?? null,
          ...(text.out === undefined && { predictions }),
        },
        null,
        2,
      ),
    );
  } else if (text.out === undefined) process.stdout.write(written);
  else console.log(report(table.samples, columns, judged, text.out));
  return 0;
}

/**
 * @param {readonly { name: string, op: string }[]} outputs
 * @param {string | undefined} wanted
 */
function outputOf(outputs, wanted) {
  const names = outputs.map(({ name }) => name);
  if (wanted === undefined && outputs.length > 1)
    throw new BadInput(`--output: the model has several outputs, say which: ${names.join(', ')}.`);
  const found = wanted === undefined ? outputs[0] : outputs.find(({ name }) => name === wanted);
  if (found) return found;
  throw new BadInput(
    `--output: the model has no output ${JSON.stringify(wanted)}; there are ${names.join(', ')}.`,
  );
}

/**
 * What the model is fed with, and the inputs among it that are the same for all samples.
 *
 * @param {Arguments} given
 * @param {import('../lib/table.js').Table} table
 * @param {readonly import('../lib/asItIs.js').TypedInput[]} inputs
 * @param {import('../lib/recipe.js').Recipe | undefined} recipe
 */
function feedsFor(given, table, inputs, recipe) {
  const { fix = {} } = fixedOf(given.list);
  const strange = Object.keys(fix).find((name) => !inputs.some((spec) => spec.name === name));
  if (strange !== undefined)
    throw new BadInput(
      `--fix: the model has no input ${JSON.stringify(strange)}; there are ${inputs.map(({ name }) => name).join(', ')}.`,
    );
  // What a model has not learned is not encoded: its order would be a guess.
  const choice = { ...choose(table, { text: {}, list: given.list }), categories: undefined };
  const varying = inputs.filter(({ name }) => !Object.hasOwn(fix, name));
  if (varying.length === 0) throw new BadInput('--fix: no input is left for the samples.');
  const target = recipe?.target?.columns ?? [];
  const isForeign = table.text && varying.some(({ name }) => recipe?.inputs[name] === undefined);
  // A model that does not know its columns reads all that it was not trained to predict.
  const plan = planOf(table, isForeign ? { ...choice, target } : choice, varying, recipe);
  const constants = inputs.flatMap(({ name, shape = [] }) => {
    const values = fix[name];
    if (values === undefined) return [];
    const isScalar = shape.length === 0 && values.length === 1;
    return [[name, { data: values, dims: isScalar ? [] : filled(shape, values.length) }]];
  });
  const feeds = { ...feedsOf(table, choice, plan, undefined), ...Object.fromEntries(constants) };
  return { feeds, fixed: new Set(Object.keys(fix)) };
}

/**
 * A shape whose open axis holds what is left of the numbers.
 *
 * @param {readonly (number | string)[]} shape
 * @param {number} count
 */
function filled(shape, count) {
  const known = shape.reduce((/** @type {number} */ a, b) => (typeof b === 'number' ? a * b : a), 1);
  const open = shape.filter((size) => typeof size === 'string').length;
  if (open > 1 || (open === 0 && known !== count)) return [count];
  return shape.map((size) => (typeof size === 'number' ? size : count / known));
}

/**
 * @param {number} samples
 * @param {readonly import('../lib/predictions.js').Column[]} columns
 * @param {ReturnType<typeof agreement>} judged
 * @param {string} out
 */
function report(samples, columns, judged, out) {
  const names = columns.map(({ name }) => name);
  const rows = [
    `samples  ${samples}`,
    `columns  ${names.slice(0, 6).join(', ')}${names.length > 6 ? ` and ${names.length - 6} more` : ''}`,
  ];
  if (judged?.accuracy !== undefined) rows.push(`truth    accuracy ${(100 * judged.accuracy).toFixed(1)} %`);
  if (judged?.rmse !== undefined)
    rows.push(
      `truth    root mean square error ${judged.rmse.toPrecision(4)}, R² ${judged.rSquared?.toFixed(4)}`,
    );
  return [...rows, `written  ${out}`].join('\n');
}
