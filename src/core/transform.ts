import { adaptAnswers, type Asks } from './question.ts';
import { solveResult, type SolveResult } from './result.ts';
import { terminations } from './termination.ts';
import { normInf, scaleInto } from './vector.ts';
import type { Measured, Setting, Solver } from './solver.ts';

/** A monotone transform of the values of f > 0, and its inverse. */
interface Transform {
  /** Returns the transformed value. */
  value(f: number): number;
  /** Returns its derivative: the transformed gradient in units of ∇f. */
  slope(f: number): number;
  /** Returns 1/slope. */
  reciprocalSlope(f: number): number;
  /** Recovers f from the transformed value, to the digits that it has kept. */
  inverse(value: number): number;
}

/** A transformation of the answers that a solve receives, and its inverse. */
export interface Filter {
  /** Name of the transform; absent if f is only scaled. */
  readonly name?: string;
  /** Passes on the questions of a solve, and transforms the answers. */
  pass(asks: Asks<SolveResult>): Asks<SolveResult>;
  /**
   * Recovers the original f and ‖∇f‖∞.
   *
   * @param x - the point they belong to, in the array it was evaluated in, `[n]`
   */
  undo(measured: Measured, x: Float64Array): Measured;
}

/** log of the smallest positive number, used for an f of exactly 0. */
const lowest = Math.log(Number.MIN_VALUE);
const logOf = (f: number): number => (f === 0 ? lowest : Math.log(f));
const expOf = (log: number): number => (log === lowest ? 0 : Math.exp(log));

const transforms: Partial<Record<'none' | 'log' | 'sqrt', Transform>> = {
  log: {
    value: logOf,
    slope: (f) => 1 / f,
    reciprocalSlope: (f) => f,
    inverse: expOf,
  },
  sqrt: {
    value: Math.sqrt,
    slope: (f) => 1 / (2 * Math.sqrt(f)),
    reciprocalSlope: (f) => 2 * Math.sqrt(f),
    inverse: (value) => value * value,
  },
};

/** Record of values at or below f = 0, where a transform is not defined. */
interface Below {
  /** f at the first point. */
  first: number;
  /** Lowest f. */
  least: number;
  /** ‖∇f‖∞ at the last point with f = 0, which cannot be recovered from the transformed gradient. */
  normAtZero: number;
}

/** The last evaluation in an array: f as the problem gave it, and its transform. */
interface Evaluated {
  readonly f: number;
  readonly value: number;
}

/** A negative f of at most this size, relative to the first f, counts as rounding. */
const ROUNDING = 1e-10;

/**
 * Returns the transform of that name, for one run.
 *
 * @throws RangeError if the solver adds a penalty to the transformed f
 */
export function transformBy(
  where: string,
  name: 'none' | 'log' | 'sqrt' = 'none',
  { name: method, addsPenalty = false }: Pick<Solver, 'name' | 'addsPenalty'>,
): Filter | null {
  const transform = transforms[name];
  if (!transform) return null;
  if (addsPenalty) {
    throw new RangeError(
      `${where}: transform: '${name}' would change f but not the penalty of ${method}, so that another sum is minimized; leave transform out, or minimize without the penalty.`,
    );
  }
  const below: Below = { first: NaN, least: Infinity, normAtZero: 0 };
  const evaluated = new WeakMap<Float64Array, Evaluated>();
  return {
    name,
    *pass(asks) {
      const result = yield* transformed(where, asks, transform, { below, evaluated });
      return withoutFalseEnd(name, result, below);
    },
    undo({ f: value, gradientNorm }, x) {
      // log f of 1e-300 has lost 9 bits of f: the value itself is still known.
      const known = evaluated.get(x);
      const f = known?.value === value ? known.f : transform.inverse(value);
      return { f, gradientNorm: f === 0 ? below.normAtZero : gradientNorm * transform.reciprocalSlope(f) };
    },
  };
}

/**
 * Checks that a transform can pass on all that a solver will ask, before it runs.
 *
 * @throws TypeError naming what it asks for besides f and its gradient
 */
export function checkTransformed(
  where: string,
  name: string | undefined,
  solver: Solver,
  setting: Setting,
): void {
  const besides = name === undefined ? undefined : solver.asksBesides?.(setting);
  if (besides === undefined) return;
  throw new TypeError(
    `${where}: transform: '${name}' is for solvers that need no more than f and its gradient; ${solver.name} also asks for ${besides}. Leave transform out, or take another solver, such as lbfgs().`,
  );
}

/**
 * Passes on the questions of `asks` and transforms the answers: the values returned, and the gradients in
 * their buffers.
 *
 * An f < 0 becomes NaN, from which line searches step back. At f = 0 the transformed gradient is 0.
 *
 * @param records - written
 * @throws RangeError if f is not > 0 at the first question
 * @throws TypeError if `asks` asks for more than f and its gradient
 */
function transformed<Result>(
  where: string,
  asks: Asks<Result>,
  transform: Transform,
  { below, evaluated }: { readonly below: Below; readonly evaluated: WeakMap<Float64Array, Evaluated> },
): Asks<Result> {
  return adaptAnswers(asks, (question, answer) => {
    if (question.kind !== 'evaluate' && question.kind !== 'overlap') {
      if (question.kind === 'nextBatch' || question.kind === 'compute') return answer;
      throw new TypeError(`${where}: transform is for solvers that need no more than f and its gradient.`);
    }
    if (Number.isNaN(below.first)) {
      if (!(answer > 0)) throw new RangeError(`${where}: a transform needs f > 0; f(p0) is ${answer}.`);
      below.first = answer;
    }
    below.least = Math.min(below.least, Number.isNaN(answer) ? Infinity : answer);
    if (question.gradient !== null) {
      if (answer === 0) below.normAtZero = normInf(question.gradient);
      scaleInto(answer === 0 ? 0 : transform.slope(answer), question.gradient, question.gradient);
    }
    const value = transform.value(answer);
    if (question.kind === 'evaluate') evaluated.set(question.x, { f: answer, value });
    return value;
  });
}

/**
 * Adds a note to the message if f has fallen to 0 or below. A run that ends there has not found a minimum
 * unless the gradient is 0, and its line search is not to blame, so the termination becomes `nonFinite`, like
 * the transformed f.
 */
function withoutFalseEnd(name: string, result: SolveResult, { first, least }: Below): SolveResult {
  const isNegative = least < -ROUNDING * first;
  const isAtZero = result.f === 0 && result.gradientNorm > result.measures.gradient.tolerance;
  if (!isNegative && !isAtZero) return result;
  const word = isNegative ? `fell to ${least}` : `reached 0, where its gradient is not 0`;
  const rest = `${word}; transform: '${name}' needs f > 0, and has kept the run where that holds. Minimize f itself with transform: 'none', or add a constant to it.`;
  const isMinimum = result.termination === 'gradientTolerance';
  if (isMinimum || isLimit(result)) {
    return Object.assign(result, { message: `${result.message} But f ${rest}` });
  }
  const honest = solveResult({ ...result, state: result.state, termination: 'nonFinite' });
  return Object.assign(honest, { message: `The objective ${rest}` });
}

/** Returns true if a limit or the user has ended the run. */
const isLimit = ({ termination }: SolveResult): boolean =>
  terminations[termination].outcome === 'stopped' && termination !== 'precisionFloor';
