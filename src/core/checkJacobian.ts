import { runAsync, runSync } from './drive.ts';
import { EPSILON } from './epsilon.ts';
import { askResiduals, differenceJacobian, differenceStep, jacobianSource, noteSizes } from './jacobian.ts';
import { checkOptions, positive, show } from './options.ts';
import { firstNonFinite, roundToFloat32 } from './vector.ts';
import { tensorAt } from './layout.ts';
import type { AsyncProblem, Problem, ProblemFacts } from './problem.ts';
import type { Asks } from './question.ts';

/** Options of {@link checkJacobian}. */
export interface CheckJacobianOptions {
  /** Point to check at, `[n]`. @defaultValue `problem.p0` */
  readonly at?: Float64Array;
  /** Largest relative error that counts as right. @defaultValue 1e-5, in float32 1e-2 */
  readonly tolerance?: number;
}

/** One element of the Jacobian beside its difference. */
export interface JacobianElement {
  /** Index i of the residual. */
  readonly row: number;
  /** Index j of the unknown. */
  readonly column: number;
  /** Tensor that the unknown lies in, if the problem's parameters have names. */
  readonly tensor: string | null;
  readonly jacobian: number;
  readonly difference: number;
  /**
   * |jacobian − difference| beyond rounding, relative to the larger of both and a hundredth of the column's largest.
   */
  readonly error: number;
}

/** Result of {@link checkJacobian}. */
export interface JacobianCheck {
  /** True if no element is wrong. */
  readonly ok: boolean;
  /** Number of elements checked. */
  readonly checked: number;
  /** Wrong elements, the worst first; at most 1000. */
  readonly wrong: readonly JacobianElement[];
  /** Number of elements that rounding of the residuals hides; neither right nor wrong. */
  readonly undetermined: number;
  /** Element with the largest error. */
  readonly worst: JacobianElement;
  /** Result in a sentence. */
  readonly message: string;
}

/**
 * Compares the Jacobian of a least-squares problem with central differences of its residuals.
 *
 * Takes 2n + 1 evaluations. Kinks and noise within a step of the point show as disagreement too.
 *
 * @throws RangeError if an option is wrong, or the residuals are not finite
 * @throws TypeError if the problem has no residuals, or writes no Jacobian or only a part of it
 *
 * @example
 * ```js
 * import { checkJacobian, leastSquares } from 'quasi-newton';
 *
 * const line = leastSquares({
 *   p0: Float64Array.of(1, 2),
 *   residualCount: 2,
 *   residuals([a, b], residuals, jacobian) {
 *     residuals.set([a + b - 3, a + 2 * b - 5]);
 *     jacobian?.set([1, 1, 1, 1]); // wrong: the last should be 2
 *   },
 * });
 * console.log(checkJacobian(line).message);
 * // The Jacobian disagrees with the residuals in 1 of 4 elements; worst is row 1, column 1: 1 against 2.000000 …
 * ```
 */
export function checkJacobian(problem: Problem, options: CheckJacobianOptions = {}): JacobianCheck {
  return runSync(check('checkJacobian', problem, options), problem);
}

/** As {@link checkJacobian}, for a problem whose methods may return promises. */
export async function checkJacobianAsync(
  problem: AsyncProblem | Problem,
  options: CheckJacobianOptions = {},
): Promise<JacobianCheck> {
  return runAsync(check('checkJacobianAsync', problem, options), problem);
}

const TOLERANCE = { float32: 1e-2, float64: 1e-5 };
/** Factor by which rounding of the residuals is allowed for. */
const NOISE = 10;
/** An element whose relative error exceeds this, but not its rounding, is undetermined. */
const RESOLVED = 0.1;
const MAX_LISTED = 1000;

function* check(
  where: string,
  problem: ProblemFacts & { residuals?: unknown },
  options: CheckJacobianOptions,
): Asks<JacobianCheck> {
  if (typeof problem?.residuals !== 'function') {
    throw new TypeError(
      `${where}: the problem must have residuals, got ${show(problem)}; leastSquares({ p0, residualCount, residuals }) makes one.`,
    );
  }
  const { p0, params, precision = 'float64', residualCount: m = 0 } = problem;
  const n = p0.length;
  checkOptions(where, options, {
    at: { allowed: `a Float64Array(${n})`, accepts: (v) => v instanceof Float64Array && v.length === n },
    tolerance: positive,
  });
  const { at = p0, tolerance = TOLERANCE[precision] } = options;
  const x = Float64Array.from(at);
  if (precision === 'float32') roundToFloat32(x);
  const residuals = new Float64Array(m);
  const jacobian = new Float64Array(m * n).fill(NaN);
  const differences = new Float64Array(m * n);
  try {
    yield askResiduals(x, residuals, jacobian);
    const bad = firstNonFinite(residuals);
    if (bad >= 0)
      throw new RangeError(`${where}: residual ${bad} is ${residuals[bad]}; check where all are finite.`);
    if (jacobianSource(where, residuals, jacobian) === 'differences') {
      throw new TypeError(`${where}: residuals writes no Jacobian; there is nothing to check.`);
    }
    const sizes = new Float64Array(n);
    noteSizes(sizes, x);
    const steps = { scheme: '3-point', precision, sizes, bounds: null } as const;
    const failed = yield* differenceJacobian(x, residuals, differences, steps);
    if (failed >= 0) {
      throw new RangeError(`${where}: no finite difference in unknown ${failed}; check at another point.`);
    }
  } finally {
    params?.copyFrom(at);
  }
  const nameOf = (column: number) => (params && tensorAt(params.layout, column)?.name) ?? null;
  const noise = (row: number, column: number): number =>
    (NOISE * EPSILON[precision] * Math.abs(residuals[row])) / differenceStep('3-point', precision, x[column]);
  return verdict(elements(jacobian, differences, n, noise, nameOf), tolerance);
}

/** Yields every element with its error; `noise(i, j)` is the rounding error of a difference. */
function* elements(
  jacobian: Float64Array,
  differences: Float64Array,
  n: number,
  noise: (row: number, column: number) => number,
  nameOf: (column: number) => string | null,
): Generator<JacobianElement & { readonly isHidden: boolean }> {
  const largest = new Float64Array(n);
  for (let at = 0; at < differences.length; at++) {
    largest[at % n] = Math.max(largest[at % n], Math.abs(differences[at]));
  }
  for (let at = 0; at < jacobian.length; at++) {
    const [a, b] = [jacobian[at], differences[at]];
    const [row, column] = [Math.floor(at / n), at % n];
    const distance = Math.max(0, Math.abs(a - b) - noise(row, column));
    const size = Math.max(Math.abs(a), Math.abs(b), 0.01 * largest[column]);
    const error = distance === 0 ? 0 : Number.isFinite(a) ? distance / size : Infinity;
    const isHidden = error === 0 && Math.abs(a - b) > RESOLVED * size;
    yield { row, column, tensor: nameOf(column), jacobian: a, difference: b, error, isHidden };
  }
}

function verdict(found: ReturnType<typeof elements>, tolerance: number): JacobianCheck {
  const wrong: JacobianElement[] = [];
  let [checked, undetermined] = [0, 0];
  let worst: JacobianElement | undefined;
  for (const { isHidden, ...element } of found) {
    checked++;
    if (isHidden) undetermined++;
    if (worst === undefined || element.error > worst.error) worst = element;
    if (element.error > tolerance) wrong.push(element);
  }
  if (worst === undefined) throw new RangeError('checkJacobian: the problem has no residuals.');
  wrong.sort((a, b) => b.error - a.error);
  const hidden =
    undetermined > 0 ? ` Not determined, because rounding of the residuals hides them: ${undetermined}.` : '';
  const message = sentence(wrong.length, checked, undetermined, worst) + hidden;
  return { ok: wrong.length === 0, checked, wrong: wrong.slice(0, MAX_LISTED), undetermined, worst, message };
}

function sentence(wrong: number, checked: number, undetermined: number, worst: JacobianElement): string {
  if (wrong === 0) {
    const right = undetermined === 0 ? `all ${checked}` : `${checked - undetermined} of ${checked}`;
    return `The Jacobian agrees with the residuals in ${right} elements.`;
  }
  const place = `row ${worst.row}, column ${worst.column}${worst.tensor === null ? '' : ` (of "${worst.tensor}")`}`;
  return `The Jacobian disagrees with the residuals in ${wrong} of ${checked} elements; worst is ${place}: ${worst.jacobian} against ${worst.difference.toPrecision(7)} by differences.`;
}
