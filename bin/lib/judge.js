/** @import { Loaded } from './runtime.js' */
/** @import { Samples } from './table.js' */

/**
 * The loss on other samples, as the model predicts them, and the share of classes that it tells right.
 *
 * @param {Loaded} loaded
 * @param {Record<string, Samples>} feeds
 * @returns {Promise<{ loss: number, accuracy?: number }>}
 */
export async function judge({ model, loss }, feeds) {
  const problem = model.problem(feeds, { inference: true });
  const found = { loss: await problem.fg(problem.p0, null) };
  const target = model.inputs.at(-1);
  if (target?.classes === undefined || loss !== 'softmaxCrossEntropy') return found;
  const { [target.name]: truth, ...inputs } = feeds;
  const outputs = Object.values(await model.predict(inputs));
  const [scores] = outputs;
  if (outputs.length !== 1 || scores.dims.length !== 2 || truth.data.length !== scores.dims[0]) return found;
  const [samples, classes] = scores.dims;
  let right = 0;
  for (let i = 0; i < samples; i++) {
    const row = Array.from({ length: classes }, (_, k) => Number(scores.data[i * classes + k]));
    if (row.indexOf(Math.max(...row)) === truth.data[i]) right++;
  }
  return { ...found, accuracy: right / samples };
}
