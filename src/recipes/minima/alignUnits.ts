/**
 * Permutes the hidden units of one network so that they match those of another.
 *
 * Networks trained from two starts often differ mostly in the order of their units; between matched networks
 * the loss rises less. The method is weight matching, algorithm 1 of Ainsworth et al.: layer by layer, it
 * takes the permutation with the largest inner product of the weights, until none changes.
 *
 * Addition: since a layout does not say how a network uses its units, the loss of the permuted network is
 * compared with that of the original, at the model and near it.
 *
 * @module
 * @see Ainsworth, Hayase and Srinivasa (2022), Git Re-Basin, arXiv:2209.04836
 */
import { evaluate, type Asks } from '../../core/question.ts';
import { dot } from '../../core/vector.ts';
import { bestAssignment } from './assignment.ts';
import { runAt, runAtAsync, curvatureRules, type CurvatureOptions } from '../curvature/curvatureAt.ts';
import { hiddenLayers, type HiddenLayer } from './hiddenUnits.ts';
import { checkModels } from '../landscape/planes.ts';
import { gaussian } from '../landscape/random.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';
import type { Rules } from '../../core/options.ts';

/** Options of {@link alignUnits}. */
export type AlignOptions = Pick<CurvatureOptions, 'seed' | 'signal'>;

const rules: Rules<AlignOptions> = { seed: curvatureRules.seed, signal: curvatureRules.signal };

/**
 * Returns the second model with its hidden units permuted to match those of the first. It computes the same
 * function.
 *
 * For chains of dense layers and convolutions with activations that treat all units alike. Afterwards the
 * parameters are restored.
 *
 * @param problem - a problem with `params`, whose layout describes the layers
 * @param from - parameters of the first model, `[n]`
 * @param to - parameters of the second, `[n]`
 * @returns `[n]`
 * @throws RangeError if the network is not such a chain, or computes different outputs with permuted units
 * @example
 * ```ts
 * const aligned = alignUnits(problem, a, b);
 * line(landscape(problem, { dimensions: 1, directions: between(a, aligned) })).toSVG();
 * ```
 */
export function alignUnits(
  problem: Problem,
  from: Float64Array,
  to: Float64Array,
  options: AlignOptions = {},
): Float64Array {
  return runAt('alignUnits', problem, options, rules, () =>
    aligned('alignUnits', problem, from, to, options),
  );
}

/** As {@link alignUnits}, for an asynchronous problem. */
export function alignUnitsAsync(
  problem: AsyncProblem | Problem,
  from: Float64Array,
  to: Float64Array,
  options: AlignOptions = {},
): Promise<Float64Array> {
  const where = 'alignUnitsAsync';
  return runAtAsync(where, problem, options, rules, () => aligned(where, problem, from, to, options));
}

/** Aligns the units, and checks that the function stays the same. */
export function* aligned(
  where: string,
  { p0, params, precision = 'float64' }: AsyncProblem | Problem,
  from: Float64Array,
  to: Float64Array,
  { seed = 0, signal }: AlignOptions,
): Asks<Float64Array> {
  checkModels(where, from, to, p0.length);
  if (params === undefined) {
    throw new RangeError(
      `${where}: needs a problem with params, whose layout describes the layers of the network.`,
    );
  }
  const layers = hiddenLayers(where, params.layout);
  const draw = gaussian(seed);
  const order = matched(layers, from, to, () => signal?.throwIfAborted());
  const permuted = (x: Float64Array) => order.map((place) => x[place]);
  const beside = to.map((value) => value + 0.1 * (Math.abs(value) + 0.1) * draw());
  const tolerance = precision === 'float32' ? 1e-4 : 1e-8;
  for (const x of [to, beside]) {
    const before = yield evaluate(x, null);
    const after = yield evaluate(Float64Array.from(permuted(Float64Array.from(x))), null);
    if (!(Math.abs(after - before) <= tolerance * Math.max(0.1, Math.abs(before)))) {
      throw new RangeError(
        `${where}: with permuted units the loss is ${after} instead of ${before}: the network treats its units differently, as with skip connections or groups. Connect the models as they are.`,
      );
    }
  }
  return Float64Array.from(permuted(to));
}

/** Returns the order in which the elements of `to` match those of `from`: element i comes from `order[i]`. */
function matched(
  layers: readonly HiddenLayer[],
  from: Float64Array,
  to: Float64Array,
  each: () => void,
): Float64Array {
  const current = Float64Array.from(to);
  const order = Float64Array.from(to, (_, i) => i);
  for (let round = 0, changed = true; changed && round < 100; round++) {
    changed = false;
    for (const { places } of layers) {
      each();
      const gathered = (x: Float64Array) => places.map((place) => Float64Array.from(place, (i) => x[i]));
      const [ours, theirs] = [gathered(from), gathered(current)];
      const units = places.length;
      const score = new Float64Array(units * units);
      for (let i = 0; i < units; i++)
        for (let j = 0; j < units; j++) score[i * units + j] = dot(ours[i], theirs[j]);
      const column = bestAssignment(score, units);
      const gain = column.reduce((sum, j, i) => sum + score[i * units + j] - score[i * units + i], 0);
      const size = ours.reduce(
        (sum, unit, i) => sum + Math.sqrt(dot(unit, unit) * dot(theirs[i], theirs[i])),
        0,
      );
      // Gains below rounding could lead to an endless sequence of permutations.
      if (!(gain > 1e-10 * size)) continue;
      changed = true;
      permute(current, places, column);
      permute(order, places, column);
    }
  }
  return order;
}

/** Moves unit `column[u]` to the place of unit u. */
function permute(x: Float64Array, places: readonly Uint32Array[], column: Uint32Array): void {
  const before = Float64Array.from(x);
  places.forEach((place, u) => {
    const other = places[column[u]];
    place.forEach((i, m) => (x[i] = before[other[m]]));
  });
}
