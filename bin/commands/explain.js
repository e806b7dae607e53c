import { fromBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { explain as explainModel } from 'quasi-newton/onnx';
import { BadInput, shortened } from '../lib/badInput.js';
import { describeCategories } from '../lib/categories.js';
import { fixedOf, fixedOptions } from '../lib/fixedInputs.js';
import { modelAt } from '../lib/modelFile.js';
import { recipeIn } from '../lib/recipe.js';

/** @import { Command } from '../lib/arguments.js' */

/** @type {Command} */
export const explain = {
  summary: 'lists what can be trained in a model, and what prevents it',
  example: 'model.onnx',
  options: {
    ...fixedOptions,
    output: { value: 'NAME', help: 'the output that the loss will depend on', default: 'all' },
    json: { help: 'write an object to standard output' },
  },
  async run({ model, on, text, list }) {
    const { bytes, externalData } = await modelAt(model);
    const report = explainModel(bytes, {
      externalData,
      ...fixedOf(list),
      ...(text.output !== undefined && { output: text.output }),
    });
    const values = shapesIn(bytes);
    if (values.outputs.length === 0 && report.faults.length > 0)
      throw new BadInput(`model: ${model}: ${report.faults[0].reason}`);
    const recipe = recipeIn(bytes, model);
    if (on.json) {
      const { differentiable, ops, faults } = report;
      const parameters = report.parameters.map(({ name, shape, role, byDefault, why }) => ({
        name,
        shape,
        role: role.kind,
        trained: byDefault,
        why,
      }));
      const { inputs, outputs } = values;
      console.log(
        JSON.stringify(
          { model, differentiable, inputs, outputs, table: recipe, parameters, ops, faults },
          null,
          2,
        ),
      );
    } else {
      const lines = Object.entries(values).flatMap(([role, list]) =>
        list.map(({ name, shape }) => `  ${role.slice(0, -1).padEnd(6)}  ${name}  [${shape.join(', ')}]`),
      );
      const parts = [
        String(report),
        ...(lines.length > 0 ? ['shapes', ...lines] : []),
        ...tableLines(recipe),
      ];
      console.log(parts.join('\n'));
    }
    return report.differentiable ? 0 : 1;
  },
};

/**
 * The columns that a model reads, with their categories, and its target.
 *
 * @param {import('../lib/recipe.js').Recipe | undefined} recipe
 */
function tableLines(recipe) {
  if (recipe === undefined) return [];
  const { inputs, target, loss } = recipe;
  const columns = Object.entries(inputs).map(
    ([name, sources]) => `  ${name.padEnd(6)}  ${shortened(sources.map(({ column }) => column))}`,
  );
  const coded = describeCategories(Object.values(inputs).flat());
  return [
    'table',
    ...columns,
    ...(coded === undefined ? [] : [`  encoded ${coded}`]),
    ...(target
      ? [`  target  ${shortened(target.columns)}${loss === undefined ? '' : `, loss ${loss}`}`]
      : []),
    ...(target?.classes ? [`  classes ${shortened(target.classes)}`] : []),
  ];
}

/**
 * Names and shapes of a model's inputs and outputs; none if its bytes cannot be read.
 *
 * @param {Uint8Array} bytes
 */
function shapesIn(bytes) {
  try {
    const { graph } = fromBinary(ModelProtoSchema, bytes);
    const constants = new Set(graph?.initializer.map(({ name }) => name));
    const inputs = graph?.input.filter(({ name }) => !constants.has(name)) ?? [];
    return { inputs: described(inputs), outputs: described(graph?.output ?? []) };
  } catch {
    return { inputs: [], outputs: [] };
  }
}

/** @param {import('onnx-buf').TypeProto_Tensor} tensor */
const sizes = ({ shape }) =>
  (shape?.dim ?? []).map(({ value }) =>
    value.case === 'dimValue' ? Number(value.value) : value.value || '?',
  );

/** @param {readonly import('onnx-buf').ValueInfoProto[]} values */
const described = (values) =>
  values.map(({ name, type }) => ({
    name,
    shape: type?.value.case === 'tensorType' ? sizes(type.value.value) : [],
  }));
