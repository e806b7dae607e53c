import { runAndPutBack, runAndPutBackAsync } from './held.ts';
import { EPSILON } from './epsilon.ts';
import { askResiduals, differenceJacobian, differenceStep, jacobianSource, noteSizes } from './jacobian.ts';
import { adjointOfRandom, atColumns, productsAt, sampled } from './jacobianProducts.ts';
import { boolean, checkOptions, positive, show } from './options.ts';
import { firstNonFinite, roundToFloat32 } from './vector.ts';
import { tensorAt } from './layout.ts';
import { checkProblem, checkResidualCount, checkStart } from './start.ts';
import type { AsyncProblem, Precision, Problem } from './problem.ts';
import type { Asks } from './question.ts';

/** Options of {@link checkJacobian}. */
export interface CheckJacobianOptions {
  /** Point to check at, `[n]`. @defaultValue `problem.p0` */
  readonly at?: Float64Array | undefined;
  /** Largest relative error that counts as right. @defaultValue 1e-5, in float32 1e-2 */
  readonly tolerance?: number | undefined;
  /** Check `jacobianVector` and `vectorJacobian` too, where the problem has them. @defaultValue `true` */
  readonly products?: boolean | undefined;
}

/** Method of a problem that tells elements of the Jacobian. */
export type JacobianMethod = 'residuals' | 'jacobianVector' | 'vectorJacobian';

/** One element of the Jacobian, with its difference quotient. */
export interface JacobianElement {
  /** Method that gives it. */
  readonly method: JacobianMethod;
  /** Index i of the residual. */
  readonly row: number;
  /** Index j of the unknown. */
  readonly column: number;
  /** Name of the unknown's tensor, if the problem's parameters have names. */
  readonly tensor: string | null;
  readonly jacobian: number;
  readonly difference: number;
  /**
   * The part of |jacobian − difference| beyond rounding, relative to the largest of |jacobian|, |difference| and
   * a hundredth of the column's largest element.
   */
  readonly error: number;
}

/** Result of {@link checkJacobian}. */
export interface JacobianCheck {
  /** True if no element is wrong, and the products are those of one matrix. */
  readonly ok: boolean;
  /** Number of elements of the Jacobian that were compared with differences. */
  readonly checked: number;
  /** Wrong elements of every method, the worst first; at most 1000. */
  readonly wrong: readonly JacobianElement[];
  /** Number of elements that rounding of the residuals hides; neither right nor wrong. */
  readonly undetermined: number;
  /** Element with the largest error. */
  readonly worst: JacobianElement;
  /** The result as text, one sentence for each method. */
  readonly message: string;
}

/**
 * Compares the Jacobian of a least-squares problem with central differences of its residuals: the one that `residuals`
 * writes, and the products of `jacobianVector` and `vectorJacobian` where there are any.
 *
 * Takes 2n + 1 evaluations, n products Jv and m products Jᵀu. If the Jacobian has more than 2²⁴ elements, its products are
 * checked in 40 columns and, for `vectorJacobian`, in 40 rows of these. uᵀ(Jv) and (Jᵀu)ᵀv are compared for random u and v.
 * Kinks and noise within one step of the point also appear as disagreement. Afterwards, and after an error, the problem's
 * parameters are as before.
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
  return runAndPutBack(check('checkJacobian', problem, options), problem);
}

/** As {@link checkJacobian}, for a problem whose methods may return promises. */
export async function checkJacobianAsync(
  problem: AsyncProblem | Problem,
  options: CheckJacobianOptions = {},
): Promise<JacobianCheck> {
  return runAndPutBackAsync(check('checkJacobianAsync', problem, options), problem);
}

const TOLERANCE = { float32: 1e-2, float64: 1e-5 };
/** Factor by which rounding of the residuals is allowed for. */
const NOISE = 10;
/** An element whose relative error exceeds this, but does not exceed its rounding error, is undetermined. */
const RESOLVED = 0.1;
const MAX_LISTED = 1000;

/** Differences in some columns, and what a method gives in their place. */
interface Comparison {
  readonly method: JacobianMethod;
  /** `[m, k]` row by row. */
  readonly given: Float64Array;
  readonly differences: Float64Array;
  readonly rows: readonly number[];
  readonly columns: readonly number[];
}

function* check(
  where: string,
  problem: AsyncProblem | Problem,
  options: CheckJacobianOptions,
): Asks<JacobianCheck> {
  checkGiven(where, problem, options);
  const { p0, params, precision = 'float64', residualCount: m = 0 } = problem;
  const n = p0.length;
  const { at = p0, tolerance = TOLERANCE[precision], products = true } = options;
  const hasProducts =
    products && problem.jacobianVector !== undefined && problem.vectorJacobian !== undefined;
  const x = Float64Array.from(at);
  if (precision === 'float32') roundToFloat32(x);
  const residuals = new Float64Array(m);
  const subject = { where, x, residuals, precision, hasProducts };
  const { found, adjoint } = yield* compare(subject);
  const nameOf = (column: number) => (params && tensorAt(params.layout, column)?.name) ?? null;
  const noise = (row: number, column: number): number =>
    (NOISE * EPSILON[precision] * Math.abs(residuals[row])) / differenceStep('3-point', precision, x[column]);
  const tallies = found.map((comparison) =>
    tally(comparison.method, elements(comparison, noise, nameOf), tolerance),
  );
  return verdict(tallies, m * n, adjoint);
}

/** Point of a check, and what is written there. */
interface Subject {
  readonly where: string;
  readonly x: Float64Array;
  /** Output, `[m]`. */
  readonly residuals: Float64Array;
  readonly precision: Precision;
  readonly hasProducts: boolean;
}

/** Computes differences, and what the methods give in their place. */
function* compare({ where, x, residuals, precision, hasProducts }: Subject) {
  const [m, n] = [residuals.length, x.length];
  const { columns, rows } = sampled(m, n, hasProducts);
  const isWhole = columns.length === n;
  const jacobian = isWhole ? new Float64Array(m * n).fill(NaN) : null;
  const differences = new Float64Array(m * columns.length);
  const all = Array.from(residuals, (_, i) => i);
  const found: Comparison[] = [];
  yield askResiduals(x, residuals, jacobian);
  const bad = firstNonFinite(residuals);
  if (bad >= 0)
    throw new RangeError(`${where}: residual ${bad} is ${residuals[bad]}; check where all are finite.`);
  if (jacobian !== null && jacobianSource(where, residuals, jacobian) !== 'differences') {
    found.push({ method: 'residuals', given: jacobian, differences, rows: all, columns });
  } else if (!hasProducts) {
    throw new TypeError(`${where}: residuals writes no Jacobian; there is nothing to check.`);
  }
  const some = Float64Array.from(columns, (j) => x[j]);
  const sizes = new Float64Array(columns.length);
  noteSizes(sizes, some);
  const asks = differenceJacobian(some, residuals, differences, {
    scheme: '3-point',
    precision,
    sizes,
    bounds: null,
    shortens: precision === 'float64' ? 0 : undefined,
  });
  const failed = yield* isWhole ? asks : atColumns(asks, x, columns);
  if (failed >= 0) {
    throw new RangeError(
      `${where}: no finite difference in unknown ${columns[failed]}; check at another point.`,
    );
  }
  if (!hasProducts) return { found, adjoint: null };
  const { pushed, pulled } = yield* productsAt(x, m, columns, rows);
  found.push({ method: 'jacobianVector', given: pushed, differences, rows: all, columns });
  found.push({ method: 'vectorJacobian', given: pulled, differences, rows, columns });
  return { found, adjoint: isWhole ? null : yield* adjointOfRandom(x, m, precision) };
}

/** Checks the arguments. @throws TypeError, RangeError if the problem or an option is wrong */
function checkGiven(where: string, problem: AsyncProblem | Problem, options: CheckJacobianOptions): void {
  if (typeof problem?.residuals !== 'function') {
    throw new TypeError(
      `${where}: the problem must have residuals, got ${show(problem)}; leastSquares({ p0, residualCount, residuals }) makes one.`,
    );
  }
  checkProblem(where, problem);
  checkStart(where, problem);
  checkResidualCount(where, problem.residualCount);
  const n = problem.p0.length;
  checkOptions(where, options, {
    at: { allowed: `a Float64Array(${n})`, accepts: (v) => v instanceof Float64Array && v.length === n },
    tolerance: positive,
    products: boolean,
  });
}

/** Yields every element with its error; `noise(i, j)` is the rounding error of a difference. */
function* elements(
  { method, given, differences, rows, columns }: Comparison,
  noise: (row: number, column: number) => number,
  nameOf: (column: number) => string | null,
): Generator<JacobianElement & { readonly isHidden: boolean }> {
  const k = columns.length;
  const largest = new Float64Array(k);
  for (let at = 0; at < differences.length; at++) {
    largest[at % k] = Math.max(largest[at % k], Math.abs(differences[at]));
  }
  for (const row of rows) {
    for (let l = 0; l < k; l++) {
      const [a, b] = [given[row * k + l], differences[row * k + l]];
      const column = columns[l];
      const distance = Math.max(0, Math.abs(a - b) - noise(row, column));
      const size = Math.max(Math.abs(a), Math.abs(b), 0.01 * largest[l]);
      const error = distance === 0 ? 0 : Number.isFinite(a) ? distance / size : Infinity;
      const isHidden = error === 0 && Math.abs(a - b) > RESOLVED * size;
      yield { method, row, column, tensor: nameOf(column), jacobian: a, difference: b, error, isHidden };
    }
  }
}

/** Outcome for one method. */
interface Tally {
  readonly method: JacobianMethod;
  readonly wrong: readonly JacobianElement[];
  readonly checked: number;
  readonly undetermined: number;
  readonly worst: JacobianElement;
}

function tally(method: JacobianMethod, each: ReturnType<typeof elements>, tolerance: number): Tally {
  const wrong: JacobianElement[] = [];
  let [checked, undetermined] = [0, 0];
  let worst: JacobianElement | undefined;
  for (const { isHidden, ...element } of each) {
    checked++;
    if (isHidden) undetermined++;
    if (worst === undefined || element.error > worst.error) worst = element;
    if (element.error > tolerance) wrong.push(element);
  }
  return { method, wrong, checked, undetermined, worst: worst! };
}

/**
 * Sums up.
 *
 * @param total - number of elements that the Jacobian has
 * @param adjoint - contradiction between the products, in a sentence
 */
function verdict(tallies: readonly Tally[], total: number, adjoint: string | null): JacobianCheck {
  const wrong = tallies.flatMap((each) => each.wrong).sort((a, b) => b.error - a.error);
  const undetermined = Math.max(...tallies.map((each) => each.undetermined));
  const sentences = tallies.map((each) => sentence(each, total));
  if (undetermined > 0) {
    sentences.push(`Not determined, because rounding of the residuals hides them: ${undetermined}.`);
  }
  if (adjoint !== null) sentences.push(`${adjoint}.`);
  return {
    ok: wrong.length === 0 && adjoint === null,
    checked: Math.max(...tallies.map(({ checked }) => checked)),
    wrong: wrong.slice(0, MAX_LISTED),
    undetermined,
    worst: tallies.map(({ worst }) => worst).reduce((a, b) => (b.error > a.error ? b : a)),
    message: sentences.join(' '),
  };
}

function sentence({ method, wrong, checked, undetermined, worst }: Tally, total: number): string {
  const who = method === 'residuals' ? 'The Jacobian' : method;
  const of = checked < total ? `${checked} elements out of ${total}` : `${checked} elements`;
  if (wrong.length === 0) {
    const right = undetermined === 0 ? `all ${of}` : `${checked - undetermined} of ${of}`;
    return `${who} agrees with the residuals in ${right}.`;
  }
  const place = `row ${worst.row}, column ${worst.column}${worst.tensor === null ? '' : ` (of "${worst.tensor}")`}`;
  return `${who} disagrees with the residuals in ${wrong.length} of ${of}; worst is ${place}: ${worst.jacobian} against ${worst.difference.toPrecision(7)} by differences.`;
}
