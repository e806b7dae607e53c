// How a model reads tables: columns, categories, classes and loss, kept in the metadata of its file.
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { ModelProtoSchema } from 'onnx-buf';
import { BadInput, messageOf } from './badInput.js';

/** @import { Source } from './categories.js' */

/**
 * @typedef {object} Recipe
 * @property {Readonly<Record<string, readonly Source[]>>} inputs - columns of each input of the model, in its order
 * @property {{ columns: readonly string[], classes?: readonly string[] }} [target] - classes in the order of their indices
 * @property {string} [loss] - a name of --loss
 * @property {string} [output] - the output that the loss is of
 */

/** Key of the recipe among a model's metadata. */
const KEY = 'quasi-newton.table';

const isName = (/** @type {unknown} */ value) => typeof value === 'string';
const areNames = (/** @type {unknown} */ value) => Array.isArray(value) && value.every(isName);
const isSource = (/** @type {any} */ source) =>
  isName(source?.column) && (source.categories === undefined || areNames(source.categories));

/**
 * @param {any} value
 * @returns {value is Recipe}
 */
function isRecipe(value) {
  const { inputs, target, loss, output } = value ?? {};
  return (
    typeof inputs === 'object' &&
    inputs !== null &&
    Object.values(inputs).every((sources) => Array.isArray(sources) && sources.every(isSource)) &&
    (target === undefined || areNames(target?.columns)) &&
    (target?.classes === undefined || areNames(target.classes)) &&
    [loss, output].every((name) => name === undefined || isName(name))
  );
}

/**
 * The recipe in a model's file; undefined if it has none, or its bytes cannot be read.
 *
 * @param {Uint8Array} bytes
 * @param {string} path - of the model
 * @returns {Recipe | undefined}
 * @throws BadInput if it is damaged
 */
export function recipeIn(bytes, path) {
  const text = modelIn(bytes)?.metadataProps.find(({ key }) => key === KEY)?.value;
  if (text === undefined) return undefined;
  try {
    const recipe = JSON.parse(text);
    if (isRecipe(recipe)) return recipe;
    throw new TypeError('it does not list the columns of the inputs');
  } catch (error) {
    throw new BadInput(`model: ${path}: the metadata ${KEY} cannot be read: ${messageOf(error)}.`, {
      cause: error,
    });
  }
}

/**
 * A model's file with a recipe in it.
 *
 * @param {Uint8Array} bytes
 * @param {Recipe} recipe
 * @returns {Uint8Array}
 */
export function withRecipe(bytes, recipe) {
  const value = JSON.stringify(recipe);
  const model = fromBinary(ModelProtoSchema, bytes);
  const kept = model.metadataProps.find(({ key }) => key === KEY);
  if (kept?.value === value) return bytes;
  if (kept) {
    kept.value = value;
    return toBinary(ModelProtoSchema, model);
  }
  // Protocol buffers that are joined are merged, so the rest of the file stays the same, byte for byte.
  const entry = toBinary(
    ModelProtoSchema,
    create(ModelProtoSchema, { metadataProps: [{ key: KEY, value }] }),
  );
  const joined = new Uint8Array(bytes.length + entry.length);
  joined.set(bytes);
  joined.set(entry, bytes.length);
  return joined;
}

/** @param {Uint8Array} bytes */
function modelIn(bytes) {
  try {
    return fromBinary(ModelProtoSchema, bytes);
  } catch {
    return undefined;
  }
}

/**
 * Arguments whose target, loss and output are those of the recipe where the user names none.
 *
 * @template {import('./arguments.js').Arguments} Given
 * @param {Given} given
 * @param {Recipe | undefined} recipe
 * @returns {Given}
 */
export function completed(given, recipe) {
  const { text } = given;
  const isOwnLoss = text['loss-output'] !== undefined;
  const isSameTarget = text.target === undefined || text.target === recipe?.target?.columns.join(',');
  if (recipe === undefined || isOwnLoss) return given;
  return {
    ...given,
    text: {
      ...text,
      target: text.target ?? recipe.target?.columns.join(','),
      loss: text.loss ?? (isSameTarget ? recipe.loss : undefined),
      output: text.output ?? recipe.output,
    },
  };
}
