/**
 * Mode connectivity: a curve between two models along which the loss stays low.
 *
 * Departure from Garipov et al., who draw a random point on the curve for each step of gradient descent: here
 * the loss is averaged over fixed points, so that the control point minimizes a deterministic function, by
 * L-BFGS.
 *
 * @module
 * @see Garipov, Izmailov, Podoprikhin, Vetrov and Wilson (2018), arXiv:1802.10026
 */
import { boolean, integerFrom, oneOf, type Rules } from '../../core/options.ts';
import { evaluate, type Asks } from '../../core/question.ts';
import { solve } from '../../core/solve.ts';
import { completeSolveOptions, plainSolveRules } from '../../core/solveOptions.ts';
import { addScaled, subtract } from '../../core/vector.ts';
import { lbfgs } from '../../solvers/lbfgs.ts';
import { aligned } from './alignUnits.ts';
import { curvatureRules, runAt, runAtAsync, type CurvatureOptions } from '../curvature/curvatureAt.ts';
import { areParallel, between, checkModels, type PlaneSpec } from '../landscape/planes.ts';
import type { AsyncProblem, Problem } from '../../core/problem.ts';

/** Options of {@link connect}. */
export interface ConnectOptions extends Pick<CurvatureOptions, 'onProgress' | 'signal'> {
  /** A quadratic Bézier curve, or two straight pieces. @defaultValue `'bezier'` */
  curve?: 'bezier' | 'polygon' | undefined;
  /**
   * First permute the hidden units of the second model, as {@link alignUnits} does: it then computes the same
   * function but lies closer to the first.
   *
   * @defaultValue false
   */
  align?: boolean | undefined;
  /** Number of points on the curve over which the loss is averaged during training. @defaultValue `9` */
  places?: number | undefined;
  /** Maximum number of iterations of L-BFGS. @defaultValue `100` */
  maxIterations?: number | undefined;
  /** Number of points at which the loss is returned afterwards, including both ends. @defaultValue `61` */
  resolution?: number | undefined;
}

const rules: Rules<ConnectOptions> = {
  onProgress: curvatureRules.onProgress,
  signal: curvatureRules.signal,
  curve: oneOf('bezier', 'polygon'),
  align: boolean,
  places: integerFrom(1),
  maxIterations: integerFrom(1),
  resolution: integerFrom(3),
};

/** A curve between two models, and the loss along it. */
export interface Connection {
  /** The trained control point, `[n]`. */
  readonly bend: Float64Array;
  /** Positions on the curve, from 0 at the first model to 1 at the second, `[resolution]`. */
  readonly t: Float64Array;
  /** The loss along the curve, and along the straight line between the models, `[resolution]`. */
  readonly loss: Float64Array;
  readonly straight: Float64Array;
  /** The highest loss along the curve, and along the straight line. */
  readonly highest: number;
  readonly highestStraight: number;
  /** Evaluations of f, nearly all with ∇f. */
  readonly evaluations: number;
  /** The plane through both models and the control point, for `landscape`; a line if they are collinear. */
  readonly plane: PlaneSpec;
  /**
   * Returns the point of the curve at t, `[n]`; at 1 it is the second model, with permuted units if these
   * were aligned.
   */
  readonly at: (t: number) => Float64Array;
}

/**
 * Finds a curve between two trained models along which the loss is low.
 *
 * The models should be minima of this problem. Afterwards the parameters are restored.
 *
 * @param from - parameters of the first model, `[n]`
 * @param to - parameters of the second, `[n]`
 * @throws RangeError for invalid options, and for models that have a wrong length, are not finite, or are
 *   equal
 * @example
 * ```ts
 * const { plane, at, t, highest, highestStraight } = connect(problem, a.x, b.x);
 * const around = landscape(problem, { directions: plane, npoints: 41 });
 * const path = onPlane(around.plane, Array.from(t, at));
 * contourf(around, { zscale: 'log', paths: [{ name: 'connection', path }] }).toSVG();
 * ```
 */
export function connect(
  problem: Problem,
  from: Float64Array,
  to: Float64Array,
  options: ConnectOptions = {},
): Connection {
  return runAt('connect', problem, options, rules, () => connection('connect', problem, from, to, options));
}

/** As {@link connect}, for an asynchronous problem. */
export function connectAsync(
  problem: AsyncProblem | Problem,
  from: Float64Array,
  to: Float64Array,
  options: ConnectOptions = {},
): Promise<Connection> {
  const where = 'connectAsync';
  return runAtAsync(where, problem, options, rules, () => connection(where, problem, from, to, options));
}

/** Returns the weights of the first model, the bend and the second model at t. */
type Weights = (t: number) => readonly [number, number, number];

const curves: Readonly<Record<'bezier' | 'polygon', Weights>> = {
  bezier: (t) => [(1 - t) ** 2, 2 * t * (1 - t), t ** 2],
  polygon: (t) => (t < 0.5 ? [1 - 2 * t, 2 * t, 0] : [0, 2 - 2 * t, 2 * t - 1]),
};

function* connection(
  where: string,
  problem: AsyncProblem | Problem,
  from: Float64Array,
  second: Float64Array,
  options: ConnectOptions,
): Asks<Connection> {
  const { curve: kind = 'bezier', align = false, resolution = 61, signal } = options;
  checkModels(where, from, second, problem.p0.length);
  const to = align
    ? yield* aligned(where, problem, from, second, signal === undefined ? {} : { signal })
    : second;
  // Models that differ only in the order of their units are now equal.
  if (align) checkModels(where, from, to, problem.p0.length);
  const curve = curveBetween(from, to, curves[kind]);
  const { bend, evaluations } = yield* trainedBend(where, problem, curve, options);
  const along = yield* lossesAlong(curve, bend, resolution);
  return {
    bend,
    ...along,
    highest: highestOf(along.loss),
    highestStraight: highestOf(along.straight),
    evaluations: evaluations + 2 * resolution,
    plane: planeThrough(from, to, bend),
    at: (t) => curve.place(bend, curve.weights(t), new Float64Array(from.length)),
  };
}

/** A family of curves between two models, one for each bend. */
interface Curve {
  readonly from: Float64Array;
  readonly to: Float64Array;
  readonly weights: Weights;
  /** `out ←` the point with these weights; returns `out`, `[n]`. */
  place(bend: Float64Array, weights: ReturnType<Weights>, out: Float64Array): Float64Array;
}

const curveBetween = (from: Float64Array, to: Float64Array, weights: Weights): Curve => ({
  from,
  to,
  weights,
  place(bend, [a, b, c], out) {
    for (let i = 0; i < out.length; i++) out[i] = a * from[i] + b * bend[i] + c * to[i];
    return out;
  },
});

/** Finds the bend with the lowest mean loss by L-BFGS, from the middle of the straight line. */
function* trainedBend(
  where: string,
  { precision = 'float64' }: AsyncProblem | Problem,
  curve: Curve,
  { places = 9, maxIterations = 100, onProgress, signal }: ConnectOptions,
): Asks<{ bend: Float64Array; evaluations: number }> {
  const start = curve.from.map((value, i) => (value + curve.to[i]) / 2);
  const best = { f: Infinity, bend: Float64Array.from(start) };
  const settings = { maxIterations, ...(signal && { signal }) };
  const asks = solve(
    lbfgs(),
    { p0: start, precision },
    completeSolveOptions(where, settings, plainSolveRules),
    null,
  );
  const meanLoss = meanLossOf(curve, places, signal);
  let evaluations = 0;
  for (let turn = asks.next(); !turn.done;) {
    const question = turn.value;
    if (question.kind !== 'evaluate') throw new TypeError(`${where}: no answer to ${question.kind}.`);
    const f = yield* meanLoss(question.x, question.gradient);
    evaluations += places;
    if (f < best.f) {
      best.f = f;
      best.bend.set(question.x);
    }
    onProgress?.(evaluations, places * maxIterations);
    turn = asks.next(f);
  }
  return { bend: best.bend, evaluations };
}

/** Returns the mean loss over the places of the curve, as a function of its bend. */
function meanLossOf(curve: Curve, places: number, signal: AbortSignal | undefined) {
  const n = curve.from.length;
  const point = new Float64Array(n);
  const slope = new Float64Array(n);
  return function* (bend: Float64Array, gradient: Float64Array | null): Asks<number> {
    gradient?.fill(0);
    let sum = 0;
    for (let k = 0; k < places; k++) {
      signal?.throwIfAborted();
      const shares = curve.weights((k + 0.5) / places);
      const value = yield evaluate(curve.place(bend, shares, point), gradient && slope);
      sum += value / places;
      if (gradient !== null) addScaled(gradient, shares[1] / places, slope, gradient);
    }
    return sum;
  };
}

/** Evaluates the loss at evenly spaced places of the curve, and of the straight line. */
function* lossesAlong(
  curve: Curve,
  bend: Float64Array,
  resolution: number,
): Asks<Pick<Connection, 't' | 'loss' | 'straight'>> {
  const point = new Float64Array(bend.length);
  const t = Float64Array.from({ length: resolution }, (_, k) => k / (resolution - 1));
  const loss = new Float64Array(resolution);
  const straight = new Float64Array(resolution);
  for (let k = 0; k < resolution; k++) {
    loss[k] = yield evaluate(curve.place(bend, curve.weights(t[k]), point), null);
    straight[k] = yield evaluate(curve.place(bend, [1 - t[k], 0, t[k]], point), null);
  }
  return { t, loss, straight };
}

/** Returns the highest value; NaN if a value is NaN, because the barrier is then unknown. */
const highestOf = (values: Float64Array): number =>
  values.reduce((most, value) => (Number.isNaN(value) ? NaN : Math.max(most, value)), -Infinity);

function planeThrough(from: Float64Array, to: Float64Array, bend: Float64Array): PlaneSpec {
  const [along, aside] = [new Float64Array(from.length), new Float64Array(from.length)];
  subtract(to, from, along);
  subtract(bend, from, aside);
  const spec = areParallel(along, aside) ? between(from, to) : between(from, to, bend);
  return { ...spec, labels: ['towards the second model', 'towards the bend'] };
}
