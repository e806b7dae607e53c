import { runSync } from '../../core/drive.ts';
import { differenceJacobian } from '../../core/jacobian.ts';
import { fallsAlongLoose } from './looseEnd.ts';
import { sharpen } from './sharpen.ts';
import { solveFit, type FitSolution } from './solveFit.ts';
import { precisionOf, type FitProblem } from './linearized.ts';
import type { Residuals } from '../../core/problem.ts';

/** Sizes of data whose squares, and squares of derivatives, are safe. */
const SAFE = 1e100;

/** A fit in units that are powers of two, so that no digit changes: squares stay in the range of float64. */
export interface RescaledFit {
  /** Residuals and parameters are in these units, and so are bounds and start. */
  readonly fit: FitProblem;
  /** Unit of the residuals, and of each parameter, `[n]`. */
  readonly unit: number;
  readonly units: Float64Array;
}

/** The solution of a fit, and its parameters and sum of squares in the units of a {@link RescaledFit}. */
export interface RescaledSolution {
  readonly solution: FitSolution;
  readonly scaled: RescaledFit & { readonly theta: Float64Array; readonly f: number };
}

/**
 * Solves a fit as `solveFit` does, in other units where data reach 1e±100.
 *
 * @param values - writes the values that parameters change, `[m]`: without the data, a difference loses no digits
 */
export function solveRescaled(fit: FitProblem, values: Residuals): RescaledSolution {
  const scaled = rescale(fit, values);
  const found = sharpen(scaled.fit, solveFit(scaled.fit));
  const { unit, units } = scaled;
  const { x, f, qr, free } = found;
  const converged = found.converged && !(qr.rank < free.length && fallsAlongLoose(scaled.fit, found));
  const norms = qr.norms.map((norm, k) => (norm * unit) / units[free[k]]);
  const solution = { ...found, converged, x: times(x, units), f: f * unit * unit, qr: { ...qr, norms } };
  return { solution, scaled: { ...scaled, theta: x, f } };
}

const times = (values: Float64Array, factors: Float64Array): Float64Array =>
  values.map((value, j) => value * factors[j]);

function rescale(fit: FitProblem, values: Residuals): RescaledFit {
  const { problem, size, lower, upper } = fit;
  const n = problem.p0.length;
  const isSafe = size === 0 || (size < SAFE && size > 1 / SAFE) || precisionOf(fit) === 'float32';
  if (isSafe) return { fit, unit: 1, units: new Float64Array(n).fill(1) };
  const unit = powerOfTwo(size);
  // A column of zeros, or one that overflows, gives no unit.
  const units = unitsOf(fit, values).map((norm) => (norm > 0 && norm < Infinity ? unit / norm : 1));
  const inverse = units.map((value) => 1 / value);
  const residuals: Residuals = (z, r, jacobian) => {
    problem.residuals(times(z, units), r, jacobian);
    for (let i = 0; i < r.length; i++) r[i] /= unit;
    if (jacobian === null || !fit.hasJacobian) return;
    for (let at = 0; at < jacobian.length; at++) jacobian[at] = (jacobian[at] / unit) * units[at % n];
  };
  const scaled = {
    ...fit,
    problem: { ...problem, p0: times(problem.p0, inverse), residuals },
    lower: times(lower, inverse),
    upper: times(upper, inverse),
    size: size / unit,
  };
  return { fit: scaled, unit, units };
}

/** Returns the norms of the columns of the Jacobian at the start, rounded to powers of two. */
function unitsOf({ problem, lower, upper }: FitProblem, values: Residuals): Float64Array {
  const { p0, residualCount: m = 0 } = problem;
  const n = p0.length;
  const [r, jacobian] = [new Float64Array(m), new Float64Array(m * n)];
  values(p0, r, null);
  const bounds = { lower: (j: number) => lower[j], upper: (j: number) => upper[j] };
  const steps = { scheme: '2-point', precision: 'float64', sizes: p0.map(Math.abs), bounds } as const;
  const asks = differenceJacobian(p0, r, jacobian, steps);
  runSync(asks, { p0, residualCount: m, fg: () => NaN, residuals: values });
  const norms = new Float64Array(n);
  for (let at = 0; at < jacobian.length; at++) norms[at % n] = Math.hypot(norms[at % n], jacobian[at]);
  return norms.map(powerOfTwo);
}

const powerOfTwo = (value: number): number => 2 ** Math.round(Math.log2(value));
