/**
 * The sharpness of Keskar, Mudigere, Nocedal, Smelyanskiy and Tang (2017), arXiv:1609.04836, equations 3 and 4: how
 * far the loss rises in a small box around a point.
 *
 * Departures: the maximization begins at a random point of the box, since the gradient is 0 at a minimum; and
 * it works in units of the box, with the loss scaled so that a first step of steepest ascent is as long as
 * the box is wide.
 *
 * @module
 */
import { integerFrom, positive, type Rules } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { solve } from '../../core/solve.ts';
import { completeSolveOptions, plainSolveRules } from '../../core/solveOptions.ts';
import { norm2 } from '../../core/vector.ts';
import { lbfgs } from '../../solvers/lbfgs.ts';
import { uniformStream } from '../landscape/random.ts';
import { curvatureRules, runAt, runAtAsync, type AtPoint, type CurvatureOptions } from './curvatureAt.ts';
import { randomSubspace, wholeSpace } from './unitBox.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';

/** Options of {@link boxSharpness}. */
export interface BoxSharpnessOptions extends Omit<
  CurvatureOptions,
  'epsilon' | 'matrix' | 'only' | 'onProgress'
> {
  /** ε of the paper: parameter i may move by ρ(|xᵢ| + 1). @defaultValue `1e-3` */
  rho?: number | undefined;
  /** Dimension of a random subspace to search; the paper uses 100. @defaultValue the whole space */
  subspace?: number | undefined;
  /** Iterations of the maximization. @defaultValue `10` */
  maxIterations?: number | undefined;
}

const {
  epsilon: _epsilon,
  matrix: _matrix,
  only: _only,
  onProgress: _onProgress,
  ...shared
} = curvatureRules;
const rules: Rules<BoxSharpnessOptions> = {
  ...shared,
  rho: positive,
  subspace: integerFrom(1),
  maxIterations: integerFrom(1),
};

/** The rise of the loss in a box. */
export interface BoxSharpness {
  /** f at the point. */
  readonly loss: number;
  /** The highest f found in the box; Infinity if f was not finite somewhere. */
  readonly highest: number;
  /** φ = 100 (highest − loss) / (1 + loss), in percent. */
  readonly sharpness: number;
  /** The point with that loss, `[n]`. */
  readonly x: Float64Array;
  /** Evaluations of f, nearly all with ∇f. */
  readonly evaluations: number;
}

/**
 * Computes the sharpness of a minimum after Keskar et al.: the largest rise of the loss in a box, in percent
 * of 1 + loss.
 *
 * The loss is maximized over the box by a few iterations of bounded L-BFGS, so the value is a lower bound;
 * other seeds begin elsewhere and may find a higher one.
 *
 * @throws RangeError for invalid options, or if `subspace` exceeds the number of parameters; whatever the
 *   problem throws
 * @see Keskar et al. (2017), arXiv:1609.04836, equations 3 and 4
 * @example
 * ```ts
 * boxSharpness(problem, { center: result.x, rho: 1e-3, subspace: 100 }).sharpness;
 * ```
 */
export function boxSharpness(problem: Problem, options: BoxSharpnessOptions = {}): BoxSharpness {
  return runAt('boxSharpness', problem, options, rules, (point) =>
    highest('boxSharpness', problem, options)(point),
  );
}

/** As {@link boxSharpness}, for an asynchronous problem. */
export function boxSharpnessAsync(
  problem: AsyncProblem | Problem,
  options: BoxSharpnessOptions = {},
): Promise<BoxSharpness> {
  return runAtAsync('boxSharpnessAsync', problem, options, rules, (point) =>
    highest('boxSharpnessAsync', problem, options)(point),
  );
}

function highest(
  where: string,
  { precision = 'float64' }: AsyncProblem | Problem,
  { rho = 1e-3, subspace, seed = 0, maxIterations = 10, signal }: BoxSharpnessOptions,
): AtPoint<BoxSharpness> {
  return function* ({ center }): Asks<BoxSharpness> {
    if (subspace !== undefined && subspace > center.length) {
      throw new RangeError(
        `${where}: subspace: must not exceed the number of parameters, ${center.length}; got ${subspace}.`,
      );
    }
    const box =
      subspace === undefined ? wholeSpace(center, rho) : randomSubspace(center, rho, subspace, seed);
    const p = box.dimensions;
    const loss = yield evaluate(center, null);
    const best = { f: loss, x: Float64Array.from(center) };
    const draw = uniformStream(seed + 1);
    const start = new Float64Array(p).map(() => 2 * draw() - 1);

    const point = new Float64Array(center.length);
    const pull = new Float64Array(center.length);
    let scale = 1;
    let evaluations = 1;
    /** −f in the units of the box, times the scale. */
    function* descend(t: Float64Array, gradient: Float64Array | null): Asks<number> {
      box.place(t, point);
      const f = yield evaluate(point, gradient && pull);
      evaluations++;
      if (!(f <= best.f)) {
        best.f = Number.isFinite(f) ? f : Infinity;
        best.x.set(point);
      }
      if (gradient !== null) {
        box.pullBack(pull, gradient);
        for (let k = 0; k < p; k++) gradient[k] *= -scale;
      }
      return -scale * f;
    }

    const slope = new Float64Array(p);
    yield* descend(start, slope);
    const steepness = norm2(slope);
    if (best.f < Infinity && steepness > 0) {
      scale = (2 * Math.sqrt(p)) / steepness;
      const asks = solve(
        lbfgs({ lower: -1, upper: 1 }),
        { p0: start, precision },
        completeSolveOptions(where, { maxIterations, ...(signal && { signal }) }, plainSolveRules),
        null,
      );
      for (let turn = asks.next(); !turn.done;) {
        const question = turn.value;
        if (question.kind !== 'evaluate') throw new TypeError(`${where}: no answer to ${question.kind}.`);
        turn = asks.next(yield* descend(question.x, question.gradient));
      }
    }
    const sharpness = (100 * (best.f - loss)) / (1 + loss);
    return { loss, highest: best.f, sharpness, x: best.x, evaluations };
  };
}
