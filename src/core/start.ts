/**
 * Checks made before a solve begins. Each error says what to do.
 *
 * @module
 */
import { ofTensor } from './layout.ts';
import { isPlainObject, show } from './options.ts';
import { firstNonFinite } from './vector.ts';
import type { AsyncProblem, Problem, ProblemFacts } from './problem.ts';
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
