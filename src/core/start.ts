/**
 * Checks made before a solve begins. Each error says what to do.
 *
 * @module
 */
import { ofTensor } from './layout.ts';
import { isPlainObject, show } from './options.ts';
import { wroteInto } from './userAnswers.ts';
import { firstNonFinite } from './vector.ts';
import type { AsyncProblem, Problem, ProblemFacts } from './problem.ts';
import type { AsyncSolveOptions, Progress } from './solveOptions.ts';
import type { Iterate, Solver } from './solver.ts';

/**
 * Checks that a problem has `fg`.
 *
 * @throws TypeError in the name of the function called
 */
export function checkProblem(where: string, problem: AsyncProblem | Problem): void {
  if (typeof problem?.fg !== 'function') {
    throw new TypeError(`${where}: problem must be an object { p0, fg }, got ${show(problem)}.`);
  }
}

/**
 * Checks that a value is a solver.
 *
 * @throws TypeError in the name of the function called
 */
export function checkSolver(where: string, solver: Solver): void {
  if (typeof solver?.step === 'function') return;
  const given: unknown = solver;
  const isOptions = typeof given === 'object' && given !== null && isPlainObject(given);
  const advice = given === undefined || isOptions ? ` ${where}(problem, auto(), options) chooses one.` : '';
  throw new TypeError(
    `${where}: solver must be a solver such as lbfgs(), bfgs() or auto(), got ${show(given)}.${advice}`,
  );
}

/** Checks the type of a start. @throws TypeError if p0 is not a Float64Array */
export function checkVector(where: string, p0: unknown): void {
  if (p0 instanceof Float64Array) return;
  throw new TypeError(
    `${where}: p0 must be a Float64Array, got ${show(p0)}; Float64Array.from(p0) makes one.`,
  );
}

/** Checks a number of residuals. @throws RangeError unless m is one */
export function checkResidualCount(where: string, m: unknown): void {
  if (Number.isInteger(m) && Number(m) >= 1) return;
  throw new RangeError(`${where}: residualCount must be a whole number ≥ 1, got ${show(m)}.`);
}

/**
 * Checks the start.
 *
 * @throws TypeError if p0 is not a Float64Array
 * @throws RangeError if it is empty or not finite
 */
export function checkStart(where: string, { p0, params }: ProblemFacts): void {
  checkVector(where, p0);
  if (p0.length === 0) throw new RangeError(`${where}: p0 is empty; there is nothing to optimize.`);
  const bad = firstNonFinite(p0);
  if (bad >= 0) {
    throw new RangeError(
      `${where}: p0[${bad}]${ofTensor(params?.layout, bad)} is ${p0[bad]}; every element must be finite.`,
    );
  }
}

/**
 * Number of first calls after which x is always compared; later only at powers of 2, since a comparison costs
 * more than the copy.
 */
const FIRST_CALLS = 4;

type Callback = NonNullable<AsyncSolveOptions['callback']>;

/**
 * Longest x that is copied for each call. A longer one, for which V8 allocates memory outside of its heap, is copied only if
 * the callback reads it.
 */
const SHORT = 8;

/**
 * Wraps a callback so that it sees a copy of x, which is its own: the solver goes on writing into its own array. Refuses a
 * callback that writes into x, which would have no effect.
 *
 * @throws TypeError if it writes into x
 */
export function readOnly(where: string, callback: Callback): Callback {
  let calls = 0;
  return (progress: { x: Float64Array } & Progress) => {
    const { x } = progress;
    const short = x.length <= SHORT ? x.slice() : null;
    const seen = short === null ? copyOnDemand(where, progress) : null;
    if (short !== null) progress.x = short;
    const answer = callback(progress);
    seen?.endAfter(answer);
    calls++;
    const copy = short ?? seen?.copy();
    if (copy && (calls <= FIRST_CALLS || (calls & (calls - 1)) === 0)) checkUntouched(where, copy, x);
    return answer;
  };
}

/**
 * Makes `progress.x` a copy that is made when it is first read, and refused once the callback is over, since the solver
 * has then moved on.
 */
function copyOnDemand(where: string, progress: Progress) {
  const { x, iteration } = progress;
  let copy: Float64Array | undefined;
  let isOver = false;
  const end = (): void => void (isOver = true);
  const get = (): Float64Array => {
    if (copy === undefined && isOver) {
      throw new RangeError(
        `${where}: x of iteration ${iteration} was read after its callback had returned; the solver has since written other points there. Read x inside the callback, where it is a copy.`,
      );
    }
    return (copy ??= x.slice());
  };
  Object.defineProperty(progress, 'x', { get });
  return {
    copy: () => copy,
    /** Ends the callback's access: at once, or when the promise that it returned is settled. */
    endAfter: (answer: unknown): void => void (answer instanceof Promise ? answer.then(end, end) : end()),
  };
}

function checkUntouched(where: string, copy: Float64Array, x: Float64Array): void {
  let i = 0;
  while (i < x.length && (copy[i] === x[i] || Number.isNaN(x[i]))) i++;
  if (i === x.length) return;
  throw wroteInto(`${where}: callback`, 'x', i, x[i], copy[i]);
}

/**
 * Checks the values at the start.
 *
 * @throws RangeError if f(p0) or the gradient is not finite
 */
export function checkStartValues(where: string, { f, gradient }: Iterate, { params }: ProblemFacts): void {
  if (!Number.isFinite(f)) {
    const advice = Number.isNaN(f) ? ', and look for NaN among the data' : '';
    throw new RangeError(`${where}: f(p0) is ${f}; start where the objective is finite${advice}.`);
  }
  const bad = firstNonFinite(gradient);
  if (bad >= 0) {
    const advice = Number.isNaN(gradient[bad])
      ? 'fg must set every element of gradient (not add to it); start where they are finite.'
      : 'start where it is finite.';
    const instead = gradient.every(Number.isNaN)
      ? ' Without a gradient of your own, minimize finiteDifferences(f, p0).'
      : '';
    throw new RangeError(
      `${where}: element ${bad}${ofTensor(params?.layout, bad)} of the gradient at p0 is ${gradient[bad]}; ${advice}${instead}`,
    );
  }
}
