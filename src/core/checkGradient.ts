import { runAndPutBack, runAndPutBackAsync } from './held.ts';
import { tensorAt } from './layout.ts';
import { checkOptions, positive } from './options.ts';
import { evaluate, type Asks } from './question.ts';
import { scaleOf, sizeAt, typicalSizes, type Scale } from './scale.ts';
import { judge, type Element, type Judgment } from './slope.ts';
import { checkProblem, checkStart } from './start.ts';
import { roundToFloat32 } from './vector.ts';
import type { AsyncProblem, Problem, ProblemFacts } from './problem.ts';

/** Options of {@link checkGradient}. */
export interface CheckGradientOptions {
  /** Point to check at, `[n]`. @defaultValue `problem.p0` */
  readonly at?: Float64Array | undefined;
  /** Largest relative error that counts as right. @defaultValue 1e-5, in float32 1e-2 */
  readonly tolerance?: number | undefined;
  /** Number of elements to check, spread evenly over all. @defaultValue `1000` */
  readonly maxElements?: number | undefined;
  /**
   * Typical size of the unknowns, one number for all or one for each, `[n]`. Steps are relative to it; set it
   * if an unknown is 0 and its typical size is far from 1.
   *
   * @defaultValue found by trial, from |xᵢ| and the other elements of its tensor
   */
  readonly scale?: Scale | undefined;
}

/** One element of the gradient, with its difference quotient. */
export interface GradientElement {
  readonly index: number;
  /** Name of its tensor, if the problem's parameters have names. */
  readonly tensor: string | null;
  readonly gradient: number;
  /** Central difference of f at the most accurate step; NaN if no step resolves the slope. */
  readonly difference: number;
  /** |gradient − difference|, relative to the larger of both. */
  readonly error: number;
}

/** Result of {@link checkGradient}. */
export interface GradientCheck {
  /** True if no element is wrong. */
  readonly ok: boolean;
  /** Number of elements checked. */
  readonly checked: number;
  /** Wrong elements, the worst first. */
  readonly wrong: readonly GradientElement[];
  /**
   * Elements at a kink of f (ReLU, max) whose gradient lies between the one-sided slopes: valid subgradients.
   */
  readonly kinks: readonly GradientElement[];
  /** Elements that cannot be judged, because rounding or noise of f hides their slope. */
  readonly undetermined: readonly GradientElement[];
  /** Element with the largest error. */
  readonly worst: GradientElement;
  /** Result in a sentence. */
  readonly message: string;
}

/**
 * Compares the gradient of a problem with differences of its values and names the elements that disagree.
 *
 * Each element that the first step confirms takes two evaluations; each of the others takes a ladder of up to
 * 60 steps. An element counts as wrong only if the differences contradict it beyond kinks and rounding.
 * Afterwards, and after an error, the problem's parameters are as before.
 *
 * A run that converges does not prove its gradient right: solvers compare slopes with values only if they
 * stop without success, and a gradient that is wrong in some elements may still vanish at some point.
 *
 * @throws RangeError naming every option that is wrong, or if f is not finite at the point
 * @throws TypeError if `problem` is not a problem, or f is not a number
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
  return runAndPutBack(check('checkGradient', problem, options), problem);
}

/** As {@link checkGradient}, for a problem whose methods may return promises. */
export async function checkGradientAsync(
  problem: AsyncProblem | Problem,
  options: CheckGradientOptions = {},
): Promise<GradientCheck> {
  return runAndPutBackAsync(check('checkGradientAsync', problem, options), problem);
}

const TOLERANCE = { float32: 1e-2, float64: 1e-5 };

function* check(
  where: string,
  problem: AsyncProblem | Problem,
  options: CheckGradientOptions,
): Asks<GradientCheck> {
  checkProblem(where, problem);
  checkStart(where, problem);
  const n = problem.p0.length;
  checkOptions(where, options, {
    at: { allowed: `a Float64Array(${n})`, accepts: (v) => v instanceof Float64Array && v.length === n },
    tolerance: positive,
    maxElements: positive,
    scale: scaleOf(n),
  });
  const { at = problem.p0 } = options;
  return verdict(yield* compare(where, problem, at, options));
}

/** An element and its judgment. */
interface Finding {
  readonly element: GradientElement;
  readonly judgment: Judgment;
}

/** Compares elements spread evenly over all. */
function* compare(
  where: string,
  problem: ProblemFacts,
  at: Float64Array,
  { maxElements = 1000, scale, ...options }: CheckGradientOptions,
): Asks<Finding[]> {
  const { precision = 'float64', params } = problem;
  const { tolerance = TOLERANCE[precision] } = options;
  const n = at.length;
  const x = Float64Array.from(at);
  if (precision === 'float32') roundToFloat32(x);
  // Elements that fg leaves unwritten, or adds to, stay NaN.
  const gradient = new Float64Array(n).fill(NaN);
  const f = yield evaluate(x, gradient);
  if (!Number.isFinite(f)) {
    throw new RangeError(`${where}: f is ${f} at the point checked; check where it is finite.`);
  }
  const around = { x, f, precision, tolerance };
  const sizes = scale === undefined ? sizesFor(x, f, gradient, params) : givenSizes(scale);

  const findings: Finding[] = [];
  const stride = Math.max(1, Math.ceil(n / maxElements));
  for (let index = 0; index < n; index += stride) {
    const { judgment, difference } = yield* judge(around, {
      index,
      gradient: gradient[index],
      ...sizes(index),
    });
    const size = Math.max(Math.abs(gradient[index]), Math.abs(difference));
    const element = {
      index,
      tensor: (params && tensorAt(params.layout, index)?.name) ?? null,
      gradient: gradient[index],
      difference,
      error: size === 0 ? 0 : Math.abs(gradient[index] - difference) / size,
    };
    findings.push({ element, judgment });
  }
  return findings;
}

type Sizes = (index: number) => Pick<Element, 'size' | 'largest'>;

const givenSizes =
  (scale: Scale): Sizes =>
  (index) => ({ size: sizeAt(scale, index), largest: sizeAt(scale, index) });

/** Sizes to try for each unknown: its own size first. The ladder begins at the largest plausible size. */
function sizesFor(x: Float64Array, f: number, gradient: Float64Array, params: ProblemFacts['params']): Sizes {
  const typical = typicalSizes(x, params);
  return (index) => {
    const own = Math.abs(x[index]);
    // Over this distance f changes by about |f|, if the gradient is right.
    const natural = Math.abs(f / gradient[index]);
    const largest = Math.max(own, typical(index), 1, Number.isFinite(natural) ? natural : 0);
    return { size: own || typical(index) || 1, largest };
  };
}

/** Sorts the findings, the worst first, and puts them into a sentence. */
function verdict(findings: readonly Finding[]): GradientCheck {
  const byError = findings.toSorted((a, b) => rank(b.element) - rank(a.element));
  const those = (judgment: Judgment): GradientElement[] =>
    byError.filter((finding) => finding.judgment === judgment).map(({ element }) => element);
  const wrong = those('wrong');
  const facts = {
    ok: wrong.length === 0,
    checked: findings.length,
    wrong,
    kinks: those('kink'),
    undetermined: those('undetermined'),
    worst: wrong[0] ?? byError[0].element,
  };
  return { ...facts, message: sentence(facts) };
}

/** NaN is the worst of errors. */
const rank = ({ error }: GradientElement): number => (Number.isNaN(error) ? Infinity : error);

function sentence({ wrong, checked, kinks, undetermined, worst }: Omit<GradientCheck, 'message'>): string {
  const parts: string[] = [];
  if (wrong.length > 0) {
    parts.push(
      `The gradient disagrees with f in ${wrong.length} of ${checked} elements; worst is element ${place(worst)}: ${worst.gradient} against ${worst.difference.toPrecision(7)} by differences.`,
    );
  } else if (undetermined.length === 0) {
    parts.push(`The gradient agrees with f in all ${checked} elements checked.`);
  } else {
    parts.push(
      `The gradient agrees with f in ${checked - undetermined.length} of the ${checked} elements checked, and disagrees in none.`,
    );
  }
  if (kinks.length > 0) {
    parts.push(`At a kink of f, between its one-sided slopes: ${listed(kinks)}.`);
  }
  if (undetermined.length > 0) {
    parts.push(
      `Not determined, because rounding or kinks of f hide the slope: ${listed(undetermined)}. Try another point, a typical size (scale) or float64.`,
    );
  }
  return parts.join(' ');
}

const place = ({ index, tensor }: GradientElement): string =>
  tensor === null ? String(index) : `${index} (of "${tensor}")`;

/** `4 elements (7, 9, 12, …)`. */
function listed(elements: readonly GradientElement[]): string {
  const indices = elements.map(({ index }) => index).toSorted((a, b) => a - b);
  const shown = indices.length > 3 ? [...indices.slice(0, 3), '…'] : indices;
  return `${elements.length} element${elements.length > 1 ? 's' : ''} (${shown.join(', ')})`;
}
