import * as q from 'quasi-newton';
import { BadInput } from './badInput.js';

/** @import { Solver } from 'quasi-newton' */

/**
 * @typedef {object} Entry
 * @property {(options: object) => Solver} make
 * @property {boolean} [takesBatches] - learns from mini-batches
 * @property {boolean} [takesRate] - has a learning rate
 */

/** @type {Readonly<Record<string, Entry>>} */
const entries = {
  auto: { make: () => q.auto() },
  lbfgs: { make: q.lbfgs },
  bfgs: { make: q.bfgs },
  ssbfgs: { make: q.ssbfgs },
  ssbroyden: { make: q.ssbroyden },
  conjugateGradient: { make: q.conjugateGradient },
  newtonCG: { make: q.newtonCG },
  levenbergMarquardt: { make: q.levenbergMarquardt },
  slbfgs: { make: q.slbfgs, takesBatches: true },
  soap: { make: q.soap, takesBatches: true, takesRate: true },
  adam: { make: q.adam, takesBatches: true, takesRate: true },
};

export const solverNames = Object.keys(entries);
const those = (/** @type {'takesBatches' | 'takesRate'} */ property) =>
  solverNames.filter((name) => entries[name][property]).join(', ');

/**
 * A solver by its name.
 *
 * @param {string} name
 * @param {number | undefined} learningRate
 * @param {number | undefined} batchSize
 */
export function solverOf(name, learningRate, batchSize) {
  const { make, takesBatches, takesRate } = entries[name];
  if (batchSize !== undefined && !takesBatches)
    throw new BadInput(
      `--batch-size: ${name} wants all samples at once; ${those('takesBatches')} take batches.`,
    );
  if (learningRate !== undefined && !takesRate)
    throw new BadInput(`--learning-rate: ${name} finds its own steps; ${those('takesRate')} have one.`);
  return make(learningRate === undefined ? {} : { learningRate });
}
