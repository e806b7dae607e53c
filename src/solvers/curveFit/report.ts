import type { CurveFit } from './result.ts';

/** Sizes from which on, and below which, numbers have an exponent. */
const LARGE = 1e9;
const SMALL = 1e-4;

/** Formats a number with the significant digits of a report, and with an exponent instead of zeros that are no digits. */
function digits(value: number, count = 6): string {
  if (!Number.isFinite(value)) return String(value);
  const rounded = Number(value.toPrecision(count));
  const size = Math.abs(rounded);
  const isPlain = size === 0 || (size >= SMALL && size < Math.max(LARGE, 10 ** count));
  return isPlain ? String(rounded) : rounded.toExponential();
}

/** Formats a correlation to three decimals, or to as many as distinguish it from ±1. */
function correlationDigits(value: number): string {
  const missing = 1 - Math.abs(value);
  return value.toFixed(missing > 0 && missing < 5e-4 ? Math.min(9, 1 - Math.floor(Math.log10(missing))) : 3);
}

/** Correlations below this are left out. */
const LEAST_CORRELATION = 0.1;
const MAX_CORRELATIONS = 20;

/** Parts of a fit that its report needs; without R² if there are no data to compare with. */
type Reported = Omit<
  CurveFit,
  'predict' | 'confidence' | 'intervals' | 'profile' | 'rSquared' | 'points' | 'y' | 'fitted' | 'sigma'
> & { readonly rSquared?: number };

/** Describes a fit: status, data, goodness of fit, parameters with their errors, correlations. */
export function reportOf(fit: Reported): string {
  const width = Math.max(...fit.names.map((name) => name.length));
  const parameters = fit.names.map((name, j) => `    ${name.padEnd(width)}   ${describe(fit, j)}`);
  const correlated = pairs(fit);
  const correlations = correlated
    .slice(0, MAX_CORRELATIONS)
    .map(([pair, value]) => `    ${pair.padEnd(2 * width + 2)}   ${correlationDigits(value)}`);
  const shown =
    correlated.length > MAX_CORRELATIONS ? `the largest ${MAX_CORRELATIONS} of ${correlated.length} ` : '';
  const varied = fit.roles.filter((role) => role === 'varied' || role === 'at bound').length;
  const skipped = fit.skipped > 0 ? ` (${fit.skipped} missing left out)` : '';
  return ` * Status: ${fit.status}
    ${fit.message}

 * Data
    ${`${fit.rSquared === undefined ? 'Residuals' : 'Points'}:`.padEnd(21)}${fit.degreesOfFreedom + varied}${skipped}
    Degrees of freedom:  ${fit.degreesOfFreedom}
    Model evaluations:   ${fit.evaluations}

 * Goodness of fit
    χ²:                  ${digits(fit.chiSquare)}
    Reduced χ²:          ${digits(fit.reducedChiSquare)}
${fit.rSquared === undefined ? '' : `    R²:                  ${digits(fit.rSquared)}\n`}    AIC, BIC:            ${digits(fit.aic)}, ${digits(fit.bic)}

 * Parameters
${parameters.join('\n')}
${correlations.length > 0 ? `\n * Correlations (${shown}above ${LEAST_CORRELATION} in size)\n${correlations.join('\n')}\n` : ''}`;
}

/** Digits of a value in a report: 9, or as many as show three digits of its error; all of a float64 are 17. */
function digitsWith(value: number, error: number): number {
  const ratio = Math.abs(value / error);
  return ratio > 0 && ratio < Infinity ? Math.min(17, Math.max(9, Math.ceil(Math.log10(ratio)) + 3)) : 9;
}

function describe(fit: Reported, j: number): string {
  const role = fit.roles[j];
  const value = digits(fit.x[j], role === 'fixed' ? 15 : digitsWith(fit.x[j], fit.standardErrors[j]));
  if (role === 'fixed') return `${value} (fixed)`;
  if (role === 'at bound') return `${value} (at its bound)`;
  const error = fit.standardErrors[j];
  if (role === 'tied' && Number.isNaN(error)) return `${value} (tied to a bound)`;
  const suffix = role === 'tied' ? ' (tied)' : '';
  // With as many parameters as points there is no scatter to derive errors from.
  if (error === Infinity && !fit.undetermined.includes(fit.names[j]))
    return `${value} ± unknown: no degrees of freedom${suffix}`;
  if (error === Infinity) return `${value} ± Infinity: not determined by the data${suffix}`;
  const relative = fit.x[j] === 0 ? '' : ` (${digits(100 * Math.abs(error / fit.x[j]), 3)} %)`;
  return `${value} ± ${digits(error, 3)}${relative}${suffix}`;
}

/** Returns pairs of varying parameters with their correlations, the strongest first. */
function pairs({ names, correlation, roles }: Reported): [pair: string, value: number][] {
  const found: [string, number][] = [];
  names.forEach((first, i) =>
    names.slice(0, i).forEach((second, j) => {
      const value = correlation[i][j];
      if (roles[i] === 'varied' && roles[j] === 'varied' && Math.abs(value) >= LEAST_CORRELATION) {
        found.push([`${second}, ${first}`, value]);
      }
    }),
  );
  return found.sort(([, a], [, b]) => Math.abs(b) - Math.abs(a));
}
