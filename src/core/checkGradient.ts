import { runAsync, runSync } from './drive.ts';
import { tensorAt } from './layout.ts';
import { checkOptions, positive } from './options.ts';
import { evaluate, type Asks } from './question.ts';
import { checkProblem } from './start.ts';
import { normInf, roundToFloat32 } from './vector.ts';
import type { AsyncProblem, Problem, ProblemFacts } from './problem.ts';

/** Options of {@link checkGradient}. */
export interface CheckGradientOptions {
  /** Where to check, `[n]`. @defaultValue `problem.p0` */
  readonly at?: Float64Array;
  /** How far the gradient may be from the difference, relative. @defaultValue 1e-5, in float32 1e-2 */
  readonly tolerance?: number;
  /** How many elements to check, spread evenly over all. @defaultValue `1000` */
  readonly maxElements?: number;
}

/** One element of the gradient beside its central difference. */
export interface GradientElement {
  readonly index: number;
  /** The tensor it lies in, where the problem's parameters have names. */
  readonly tensor: string | null;
  readonly gradient: number;
  readonly difference: number;
  /** |gradient − difference|, relative to the larger of both and a hundredth of ‖∇f‖∞. */
  readonly error: number;
}

/** What {@link checkGradient} found. */
export interface GradientCheck {
  /** Whether no element is wrong. */
  readonly ok: boolean;
  /** Number of elements checked. */
  readonly checked: number;
  /** The elements that are wrong, the worst first. */
  readonly wrong: readonly GradientElement[];
  /** The largest error seen. */
  readonly worst: GradientElement;
  /** The finding in a sentence. */
  readonly message: string;
}

/**
 * Compares the gradient of a problem with central differences of its values, and says where they disagree.
 *
 * Two evaluations for each element. Kinks and noise within a step of the point show as disagreement too. The
 * problem's parameters are the point checked afterwards.
 *
 * @throws RangeError naming every option that is wrong
 * @throws TypeError if the problem is none
 *
 * @example
 * ```js
 * import { checkGradient } from 'quasi-newton';
 *
 * const problem = {
 *   p0: Float64Array.of(1, 2),
 *   fg(x, gradient) {
 *     gradient?.set([2 * x[0], 3 * x[1]]); // wrong: the second should be 4·x[1]
 *     return x[0] ** 2 + 2 * x[1] ** 2;
 *   },
 * };
 * console.log(checkGradient(problem).message);
 * // The gradient disagrees with f in 1 of 2 elements; worst is element 1: 6 against 8.000000 by differences.
 * ```
 */
export function checkGradient(problem: Problem, options: CheckGradientOptions = {}): GradientCheck {
  checkProblem('checkGradient', problem);
  return runSync(check('checkGradient', problem, options), problem);
}

/** As {@link checkGradient}, for a problem that answers later. */
export async function checkGradientAsync(
  problem: AsyncProblem | Problem,
  options: CheckGradientOptions = {},
): Promise<GradientCheck> {
  checkProblem('checkGradientAsync', problem);
  return runAsync(check('checkGradientAsync', problem, options), problem);
}

const EPSILON = { float32: 2 ** -23, float64: 2 ** -52 };
const TOLERANCE = { float32: 1e-2, float64: 1e-5 };
/** Rounding of f counts this many times. */
const NOISE = 10;

function* check(where: string, problem: ProblemFacts, options: CheckGradientOptions): Asks<GradientCheck> {
  checkOptions(where, options, {
    at: { allowed: `a Float64Array(${problem.p0.length})`, accepts: isVectorLike(problem.p0) },
    tolerance: positive,
    maxElements: positive,
  });
  const { at = problem.p0, maxElements = 1000 } = options;
  try {
    const stride = Math.max(1, Math.ceil(at.length / maxElements));
    return verdict(yield* compare(problem, at, stride, options));
  } finally {
    problem.params?.copyFrom(at);
  }
}

/** An element, and whether it is wrong. */
type Finding = GradientElement & { readonly wrong: boolean };

/** Compares every `stride`-th element. */
function* compare(
  problem: ProblemFacts,
  at: Float64Array,
  stride: number,
  options: CheckGradientOptions,
): Asks<Finding[]> {
  const { precision = 'float64' } = problem;
  const { tolerance = TOLERANCE[precision] } = options;
  const n = at.length;
  const x = Float64Array.from(at);
  if (precision === 'float32') roundToFloat32(x);
  // What fg leaves unwritten, or adds to, then shows.
  const gradient = new Float64Array(n).fill(NaN);
  const f = yield evaluate(x, gradient);
  const floor = 0.01 * normInf(gradient.filter(Number.isFinite));

  const findings: Finding[] = [];
  for (let index = 0; index < n; index += stride) {
    const centre = x[index];
    const step = Math.cbrt(EPSILON[precision]) * Math.max(1, Math.abs(centre));
    const ends = [centre + step, centre - step];
    if (precision === 'float32') ends.forEach((end, i) => (ends[i] = Math.fround(end)));
    x[index] = ends[0];
    const above = yield evaluate(x, null);
    x[index] = ends[1];
    const below = yield evaluate(x, null);
    x[index] = centre;
    const difference = (above - below) / (ends[0] - ends[1]);
    const noise = (NOISE * EPSILON[precision] * Math.max(Math.abs(f), Math.abs(above))) / step;
    const size = Math.max(Math.abs(gradient[index]), Math.abs(difference), floor);
    const distance = Math.abs(gradient[index] - difference);
    findings.push({
      index,
      tensor: (problem.params && tensorAt(problem.params.layout, index)?.name) ?? null,
      gradient: gradient[index],
      difference,
      error: size > 0 ? distance / size : 0,
      wrong: !(distance <= tolerance * size + noise),
    });
  }
  return findings;
}

/** Puts the worst first, and says what that means. */
function verdict(findings: readonly Finding[]): GradientCheck {
  const byError = findings.toSorted((a, b) => rank(b.error) - rank(a.error));
  const wrong = byError.filter((element) => element.wrong);
  const worst = wrong[0] ?? byError[0];
  return {
    ok: wrong.length === 0,
    checked: findings.length,
    wrong,
    worst,
    message: sentence(wrong.length, findings.length, worst),
  };
}

/** NaN is the worst of errors. */
const rank = (error: number): number => (Number.isNaN(error) ? Infinity : error);

const isVectorLike = (p0: Float64Array) => (value: unknown) =>
  value instanceof Float64Array && value.length === p0.length;

function sentence(wrong: number, checked: number, worst: GradientElement): string {
  if (wrong === 0) return `The gradient agrees with f in all ${checked} elements checked.`;
  const place = worst.tensor !== null ? `${worst.index} (of "${worst.tensor}")` : String(worst.index);
  return `The gradient disagrees with f in ${wrong} of ${checked} elements; worst is element ${place}: ${worst.gradient} against ${worst.difference.toPrecision(7)} by differences.`;
}
