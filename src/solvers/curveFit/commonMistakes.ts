/**
 * Common mistakes with models, and options that users of SciPy and lmfit may try.
 *
 * @module
 */
import { isList } from '../../core/options.ts';
import { showPoint, type Point } from './data.ts';
import type { ParameterSet } from './parameters.ts';

const TO_THE_END =
  'a fit runs until its steps have no effect; leave it out, or set maxEvaluations or maxTime.';
const BOUNDS = 'lower and upper are the bounds, in order or by name.';
const MISSING = "missing: 'skip' leaves out points with NaN, which are refused otherwise.";
const DERIVATIVES = 'jacobian is its name here.';

/** Options of SciPy's curve_fit and least_squares and of lmfit, with their counterparts here. */
export const scipyNames = {
  maxfev: 'maxEvaluations is its name here.',
  max_nfev: 'maxEvaluations is its name here.',
  absolute_sigma: 'absoluteSigma is its name here.',
  method: 'there is one method, Levenberg–Marquardt, with bounds or without; leave it out.',
  ftol: TO_THE_END,
  xtol: TO_THE_END,
  gtol: TO_THE_END,
  p0: 'the start is the fourth argument: curveFit(model, xdata, ydata, p0, options).',
  jac: DERIVATIVES,
  Dfun: DERIVATIVES,
  bounds: BOUNDS,
  min: BOUNDS,
  max: BOUNDS,
  f_scale: 'scale is its name here.',
  x_scale: 'parameters are scaled by the columns of the Jacobian; leave it out.',
  diff_step: 'steps follow from the size of each parameter; leave it out, or give a jacobian.',
  nan_policy: MISSING,
  check_finite: MISSING,
  vary: 'fixed lists the parameters that keep their start.',
  expr: 'tied has the parameters that are functions of others.',
  full_output: 'the result is always complete; leave it out.',
  verbose: 'String(fit) is a report; leave it out.',
};

/** Parameters for which the model, or a residual, has no finite value. */
export interface Hole {
  readonly value: number;
  /** `'The model at x = 3'` */
  readonly subject: string;
  /** Parameters that vary, `[n]` */
  readonly theta: Float64Array;
}

/** Describes a value that is not finite. */
export function describeHole({ value, subject, theta }: Hole, { names, expand }: ParameterSet): string {
  const at = Array.from(expand(theta), (p, j) => `${names[j]} = ${Number(p.toPrecision(6))}`).join(', ');
  return `${subject} is ${Number.isNaN(value) ? 'NaN' : 'infinite'} for ${at}: bounds that keep the parameters away from there, or another start, may help.`;
}

/** After these calls, only powers of 2 are checked, since a check takes as long as a cheap model. */
const FIRST_CALLS = 3;

/**
 * Returns a check to call after each call of a user's function: that the function has not written into its points.
 *
 * @throws TypeError naming the function and the point
 */
export function guardedPoints(points: readonly Point[]): (name: string) => void {
  const sent = points.map((point) => (typeof point === 'number' ? point : Array.from(point)));
  let calls = 0;
  return (name) => {
    calls++;
    if (calls > FIRST_CALLS && (calls & (calls - 1)) !== 0) return;
    const bad = sent.findIndex((was, i) => {
      const is = points[i];
      if (!isList(was) || !isList(is)) return was !== is;
      return was.length !== is.length || Array.from(was).some((value, k) => value !== is[k]);
    });
    if (bad < 0) return;
    throw new TypeError(
      `curveFit: ${name} wrote into its points (point ${bad} was ${showPoint(sent[bad])} and is ${showPoint(points[bad])}); it must only read them. Work on a copy.`,
    );
  };
}

/**
 * Checks that a user's function has not written into its parameters.
 *
 * @param name - name of the function, after that of the function called: `'curveFit: model'`
 * @param sent - parameters before the call, `[n]`
 * @param given - argument of the function
 * @throws TypeError naming the function and the parameter
 */
export function checkParametersUntouched(
  name: string,
  sent: Float64Array,
  given: unknown,
  names: readonly string[],
): void {
  const isArray = given instanceof Float64Array;
  for (let j = 0; j < sent.length; j++) {
    const is = isArray ? given[j] : (given as { readonly [name: string]: unknown })[names[j]];
    if (is === sent[j] || (Number.isNaN(is) && Number.isNaN(sent[j]))) continue;
    throw new TypeError(
      `${name} wrote into its parameters (${names[j]} was ${sent[j]} and is ${String(is)}); it must only read them.`,
    );
  }
}
