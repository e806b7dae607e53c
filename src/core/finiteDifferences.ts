import { EPSILON } from './epsilon.ts';
import { noteDifferenced } from './differenced.ts';
import { boundRule, boxOf, type Bound, type Box } from './bounds.ts';
import { differenceJacobian, LEAST_SIZE, stepOf, type DifferenceSteps } from './jacobian.ts';
import { checkOptions, objectWith, oneOf, show } from './options.ts';
import { scaleOf, sizeAt, type Scale } from './scale.ts';
import { checkVector } from './start.ts';
import type { ParamSet } from './paramSet.ts';
import type { AsyncObjective, AsyncProblem, Objective, Precision, Problem } from './problem.ts';
import type { Bounds } from './question.ts';

/** Options of {@link finiteDifferences}. */
export interface FiniteDifferencesOptions {
  /**
   * Typical sizes of the unknowns, on which f changes noticeably; steps are relative to the larger of it and |xⱼ|.
   *
   * @defaultValue a thousandth of |p0ⱼ|, or 1 where that is 0
   */
  readonly scale?: Scale | undefined;
  /**
   * Lower bounds, beyond which f is not called and counts as NaN, so that solvers step back. For a minimum at a bound, give
   * the bounds to `minimize` instead: its solver then keeps to them, and so do the differences.
   *
   * @defaultValue `null`, unbounded
   */
  readonly lower?: Bound | undefined;
  /** Upper bounds. @defaultValue `null`, unbounded */
  readonly upper?: Bound | undefined;
  /** Arithmetic of f. @defaultValue `'float64'` */
  readonly precision?: Precision | undefined;
  /** Holds the best point after a solve. */
  readonly params?: ParamSet | undefined;
}

/** A problem that counts the calls of its function. */
interface Counted {
  /** Number of calls of f so far; `evaluations` of a result counts points, each with or without its 2n neighbors. */
  readonly calls: number;
}

/**
 * Creates a problem from a function without gradient, by central differences.
 *
 * Each gradient costs 2n calls of f, so there should be few unknowns. In float64, where f bends within a step, as around a peak
 * whose position is large compared with its width, shorter steps are tried at 2 calls each. Rounding of f sets a floor to the
 * gradients that can be distinguished from 0, of about 4e-11·|f|/|xⱼ| in float64, four times that at bounds, and more with
 * shorter steps; a run that ends there says so. Third derivatives add about 6e-12·|∂³f/∂xⱼ³|·xⱼ². For residuals or a curve,
 * `leastSquares` and `curveFit` take differences of each residual, which is more accurate.
 *
 * @param f - reads x, `[n]`, and returns the value
 * @param p0 - start, `[n]`
 * @throws TypeError if f is not a function, returns no number, or p0 is not a Float64Array
 * @throws RangeError naming every option that is wrong, or if p0 is outside the bounds
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., section 8.1
 *
 * @example
 * ```js
 * import { finiteDifferences, minimize } from 'quasi-newton';
 *
 * const banana = ([x, y]) => (1 - x) ** 2 + 100 * (y - x * x) ** 2;
 * const problem = finiteDifferences(banana, Float64Array.of(-1.2, 1));
 * console.log(minimize(problem).x, problem.calls);
 * ```
 */
export function finiteDifferences(
  f: (x: Float64Array) => number,
  p0: Float64Array,
  options: FiniteDifferencesOptions = {},
): Problem & Counted {
  const source = sourceOf('finiteDifferences', f, p0, options);
  const evaluate = (x: Float64Array, gradient: Float64Array | null, within?: Bounds): number => {
    const steps = source.gradientAt(x, gradient, within);
    let turn = steps.next();
    while (turn.done !== true) turn = steps.next(source.accept(f(turn.value)));
    return turn.value;
  };
  const fg: Objective = (x, gradient) => evaluate(x, gradient);
  noteDifferenced(fg, { evaluate, isDifferenced: () => true });
  return {
    ...source.facts,
    get calls() {
      return source.calls();
    },
    fg,
  };
}

/** As {@link finiteDifferences}, for a function that returns a promise. */
export function finiteDifferencesAsync(
  f: (x: Float64Array) => number | Promise<number>,
  p0: Float64Array,
  options: FiniteDifferencesOptions = {},
): AsyncProblem & Counted {
  const source = sourceOf('finiteDifferencesAsync', f, p0, options);
  const evaluate = async (
    x: Float64Array,
    gradient: Float64Array | null,
    within?: Bounds,
  ): Promise<number> => {
    const steps = source.gradientAt(x, gradient, within);
    let turn = steps.next();
    while (turn.done !== true) turn = steps.next(source.accept(await f(turn.value)));
    return turn.value;
  };
  const fg: AsyncObjective = (x, gradient) => evaluate(x, gradient);
  noteDifferenced(fg, { evaluate, isDifferenced: () => true });
  return {
    ...source.facts,
    get calls() {
      return source.calls();
    },
    fg,
  };
}

/** A function, and the points at which a gradient needs it. */
interface Source {
  readonly facts: Omit<Problem, 'fg'>;
  readonly calls: () => number;
  /** Checks and counts a value of f. */
  accept(value: unknown): number;
  /**
   * Yields points, is resumed with f there, writes the gradient unless it is null, and returns f(x).
   *
   * @param within - bounds of a solver, besides those of the options
   */
  gradientAt(
    x: Float64Array,
    gradient: Float64Array | null,
    within?: Bounds,
  ): Generator<Float64Array, number, number>;
}

function sourceOf(where: string, f: unknown, p0: Float64Array, options: FiniteDifferencesOptions): Source {
  if (typeof f !== 'function') throw new TypeError(`${where}: f must be a function of x, got ${show(f)}.`);
  checkVector(where, p0);
  checkOptions(where, options, { ...rules, scale: scaleOf(p0.length) });
  const { scale, lower = null, upper = null, precision = 'float64', params } = options;
  const bounds = boxOf(where, lower, upper);
  bounds.checkLength(p0.length);
  checkInside(where, p0, bounds);
  const sizes = p0.map((value, j) =>
    scale === undefined ? Math.abs(value) || 1 / LEAST_SIZE : sizeAt(scale, j) / LEAST_SIZE,
  );
  // Near a minimum, f bends within every step; only steps that change it much may be too long.
  const shortens = precision === 'float64' ? 1e-3 : undefined;
  const amplification = new Float64Array(p0.length);
  const steps: DifferenceSteps = { scheme: '3-point', precision, sizes, bounds, shortens, amplification };
  /**
   * Rounding errors of the last gradient, relative to those of central differences with the usual steps, `[n]`: larger at
   * bounds and with shorter steps; 0 where a bound of the solver holds an unknown.
   */
  const excess = new Float64Array(p0.length).fill(1);
  let calls = 0;
  return {
    facts: {
      p0,
      precision,
      ...(params && { params }),
      gradientError(x, value) {
        const most = x.reduce((max, center, j) => Math.max(max, excess[j] / stepOf(steps, center, j)), 0);
        return EPSILON[precision] * Math.abs(value) * most;
      },
    },
    calls: () => calls,
    accept(value) {
      calls++;
      if (typeof value === 'number') return value;
      const isPromise = value instanceof Promise;
      if (isPromise) value.catch(() => {}); // Nobody waits for it.
      const advice = isPromise ? ' finiteDifferencesAsync awaits it.' : '';
      throw new TypeError(`${where}: f must return a number, got ${show(value)}.${advice}`);
    },
    *gradientAt(x, gradient, within) {
      gradient?.fill(NaN);
      const value = firstOutside(x, bounds) < 0 ? yield x : NaN;
      if (gradient === null || !Number.isFinite(value)) return value;
      // f is the only residual, and its Jacobian the gradient.
      const both = within ? { ...steps, bounds: overlapOf(bounds, within) } : steps;
      const asks = differenceJacobian(x, Float64Array.of(value), gradient, both);
      for (let turn = asks.next(); turn.done !== true;) {
        const question = turn.value;
        if (question.kind !== 'residuals') throw new Error(`${where}: cannot answer ${question.kind}`);
        question.residuals[0] = yield question.x;
        turn = asks.next(question.residuals[0]);
      }
      for (let j = 0; j < x.length; j++) {
        const error = EPSILON[precision] * Math.abs(value) * amplification[j];
        const isHeld = within !== undefined && inwardSlope(x[j], gradient[j], j, within) >= error;
        excess[j] = isHeld ? 0 : Math.max(1, amplification[j] * stepOf(steps, x[j], j));
      }
      return value;
    },
  };
}

const rules = {
  lower: boundRule,
  upper: boundRule,
  precision: oneOf('float32', 'float64'),
  params: objectWith('a ParamSet', 'copyFrom', 'copyInto'),
};

const overlapOf = (a: Bounds, b: Bounds): Bounds => ({
  lower: (j) => Math.max(a.lower(j), b.lower(j)),
  upper: (j) => Math.min(a.upper(j), b.upper(j)),
});

/** Returns the slope of f toward the inside if an unknown is at a bound, -Infinity otherwise. */
const inwardSlope = (value: number, slope: number, j: number, bounds: Bounds): number =>
  value <= bounds.lower(j) ? slope : value >= bounds.upper(j) ? -slope : -Infinity;

/** Returns the index of the first element that is not within its bounds, or -1. */
const firstOutside = (x: Float64Array, bounds: Bounds): number =>
  x.findIndex((value, j) => !(value >= bounds.lower(j) && value <= bounds.upper(j)));

function checkInside(where: string, p0: Float64Array, bounds: Box): void {
  const bad = firstOutside(p0, bounds);
  if (bad < 0) return;
  throw new RangeError(
    `${where}: p0[${bad}] is ${p0[bad]}, outside its bounds ${bounds.lower(bad)} and ${bounds.upper(bad)}.`,
  );
}
