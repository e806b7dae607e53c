import { describe, expect, it } from 'vitest';
import { reportOf } from '../../../src/solvers/curveFit/report.ts';
import type { CurveFit } from '../../../src/solvers/curveFit/result.ts';

/** A finished fit of three parameters, of which the last is fixed. */
const fit = {
  x: Float64Array.of(2.123456789123, -0.5, 7),
  names: ['rate', 'b', 'c'],
  parameters: {},
  roles: ['varied', 'varied', 'fixed'],
  standardErrors: Float64Array.of(0.0123456, 0.25, 0),
  covariance: [],
  correlation: [
    [1, -0.75, NaN],
    [-0.75, 1, NaN],
    [NaN, NaN, NaN],
  ].map((row) => Float64Array.from(row)),
  undetermined: [],
  atBound: [],
  chiSquare: 12.3456789,
  reducedChiSquare: 1.23456789,
  rSquared: 0.987654321,
  aic: -3.21987654,
  bic: 2.61234567,
  degreesOfFreedom: 10,
  skipped: 0,
  converged: true,
  status: 'success',
  message: 'All is well.',
  evaluations: 42,
} as unknown as CurveFit;

const linesOf = (change: object = {}) => reportOf({ ...fit, ...change }).split('\n');
/** The lines below a heading. */
function section(heading: string, change: object = {}): string[] {
  const lines = linesOf(change);
  const at = lines.findIndex((line) => line.startsWith(` * ${heading}`));
  if (at < 0) return [];
  const rest = lines.slice(at + 1);
  const end = rest.indexOf('');
  return rest.slice(0, end < 0 ? rest.length : end);
}

describe('the report of a fit', () => {
  it('has its parts in order', () => {
    expect(linesOf()).toEqual([
      ' * Status: success',
      '    All is well.',
      '',
      ' * Data',
      '    Points:              12',
      '    Degrees of freedom:  10',
      '    Model evaluations:   42',
      '',
      ' * Goodness of fit',
      '    χ²:                  12.3457',
      '    Reduced χ²:          1.23457',
      '    R²:                  0.987654',
      '    AIC, BIC:            -3.21988, 2.61235',
      '',
      ' * Parameters',
      '    rate   2.12345679 ± 0.0123 (0.581 %)',
      '    b      -0.5 ± 0.25 (50 %)',
      '    c      7 (fixed)',
      '',
      ' * Correlations (above 0.1 in size)',
      '    rate, b      -0.750',
      '',
    ]);
  });

  it.each(['stopped', 'failure'])('says if the status is %s', (status) => {
    const change = { converged: false, status, message: 'Not so well.' };
    expect(linesOf(change).slice(0, 2)).toEqual([` * Status: ${status}`, '    Not so well.']);
  });

  it('counts the points: degrees of freedom and parameters that vary, also those at a bound', () => {
    expect(section('Data', { roles: ['varied', 'at bound', 'tied'], degreesOfFreedom: 5 })[0]).toBe(
      '    Points:              7',
    );
    expect(section('Data', { skipped: 3 })[0]).toBe('    Points:              12 (3 missing left out)');
  });

  it('the report of a fit without R² is one of residuals', () => {
    const { rSquared: _, ...residuals } = fit;
    const report = reportOf(residuals).split('\n');
    expect(report[4]).toBe('    Residuals:           12');
    expect(report.slice(9, 13)).toEqual([
      '    χ²:                  12.3457',
      '    Reduced χ²:          1.23457',
      '    AIC, BIC:            -3.21988, 2.61235',
      '',
    ]);
  });

  it.each<[string, object, string]>([
    ['at a bound', { roles: ['at bound', 'varied', 'fixed'] }, '2.12345679 (at its bound)'],
    ['tied', { roles: ['tied', 'varied', 'fixed'] }, '2.12345679 ± 0.0123 (0.581 %) (tied)'],
    [
      'tied to a bound',
      { roles: ['tied', 'varied', 'fixed'], standardErrors: [NaN, 1, 0] },
      '2.12345679 (tied to a bound)',
    ],
    [
      'not determined',
      { standardErrors: [Infinity, 1, 0], undetermined: ['rate'] },
      '2.12345679 ± Infinity: not determined by the data',
    ],
    [
      'tied and not determined',
      { roles: ['tied', 'varied', 'fixed'], standardErrors: [Infinity, 1, 0], undetermined: ['rate'] },
      '2.12345679 ± Infinity: not determined by the data (tied)',
    ],
    [
      'whose error needs more points',
      { standardErrors: [Infinity, 1, 0] },
      '2.12345679 ± unknown: no degrees of freedom',
    ],
    ['of 0', { x: [0, 1, 2] }, '0 ± 0.0123'],
    ['without an error', { standardErrors: [NaN, 1, 0] }, '2.12345679 ± NaN (NaN %)'],
    [
      'far from 0 to three digits of its error',
      { x: [2_459_000.030_590_816_4, 1, 2], standardErrors: [0.0011, 1, 0] },
      '2459000.030591 ± 0.0011 (4.47e-8 %)',
    ],
    [
      'far from 0 with an error below its rounding',
      { x: [1.7e9 + 0.25, 1, 2], standardErrors: [1e-12, 1, 0] },
      '1700000000.25 ± 1e-12 (5.88e-20 %)',
    ],
    [
      'so large that its last digits are not known, with an exponent',
      { x: [6.11769609123e13, 1, 2], standardErrors: [1.34e13, 1, 0] },
      '6.11769609e+13 ± 1.34e+13 (21.9 %)',
    ],
    [
      'so small that a plain number would begin with zeros, with an exponent',
      { x: [7.94994123456e-5, 1, 2], standardErrors: [1.5e-5, 1, 0] },
      '7.94994123e-5 ± 1.5e-5 (18.9 %)',
    ],
    [
      'with nine digits, and of ten thousandths, without an exponent',
      { x: [987654321.4, 1, 2], standardErrors: [1.23456e-4, 1, 0] },
      '987654321.4 ± 0.000123 (1.25e-11 %)',
    ],
    ['below 0', { x: [-2, 1, 2] }, '-2 ± 0.0123 (0.617 %)'],
  ])('shows a parameter %s', (_, change, text) => {
    expect(section('Parameters', change)[0]).toBe(`    rate   ${text}`);
  });

  it('shows correlations of parameters that vary, the strongest first, from 0.1 on', () => {
    const correlation = [
      [1, 0.1, -0.9],
      [0.1, 1, 0.0999],
      [-0.9, 0.0999, 1],
    ].map((row) => Float64Array.from(row));
    const roles = ['varied', 'varied', 'varied'];
    expect(section('Correlations', { correlation, roles })).toEqual([
      '    rate, c      -0.900',
      '    rate, b      0.100',
    ]);
    for (const role of ['tied', 'fixed', 'at bound']) {
      expect(section('Correlations', { correlation, roles: ['varied', 'varied', role] })).toEqual([
        '    rate, b      0.100',
      ]);
      expect(section('Correlations', { correlation, roles: [role, 'varied', 'varied'] })).toEqual([]);
    }
    const none = [
      [1, 0.09, NaN],
      [0.09, 1, NaN],
      [NaN, NaN, NaN],
    ].map((row) => Float64Array.from(row));
    expect(linesOf({ correlation: none }).join('\n')).toMatch(/\(fixed\)\n$/);
  });

  it('shows as many decimals of a correlation as distinguish it from 1', () => {
    const correlation = [
      [1, -0.99986, 0.9994],
      [-0.99986, 1, 1],
      [0.9994, 1, 1],
    ].map((row) => Float64Array.from(row));
    expect(section('Correlations', { correlation, roles: ['varied', 'varied', 'varied'] })).toEqual([
      '    b, c         1.000',
      '    rate, b      -0.99986',
      '    rate, c      0.999',
    ]);
  });

  it('shows twenty correlations at most, and says of how many', () => {
    const names = Array.from({ length: 8 }, (_, j) => `p${j}`);
    const values = Array.from({ length: 64 }, (_, at) => {
      const [i, j] = [Math.floor(at / 8), at % 8];
      return i === j ? 1 : (Math.max(i, j) * 8 + Math.min(i, j) + 20) / 100;
    });
    const correlation = names.map((_, i) => Float64Array.from(values.slice(8 * i, 8 * i + 8)));
    const many = {
      names,
      correlation,
      roles: names.map(() => 'varied'),
      x: names.map(() => 1),
      standardErrors: names.map(() => 1),
    };
    const shown = section('Correlations', many);
    expect(shown).toHaveLength(20);
    expect(linesOf(many)).toContain(' * Correlations (the largest 20 of 28 above 0.1 in size)');
    expect(shown[0]).toBe('    p6, p7   0.820');
    const sizes = shown.map((line) => Number(line.slice(-5)));
    expect(sizes).toEqual([...sizes].sort((a, b) => b - a));
  });

  it('shows numbers that are not finite', () => {
    expect(section('Goodness of fit', { reducedChiSquare: NaN, aic: -Infinity })).toEqual([
      '    χ²:                  12.3457',
      '    Reduced χ²:          NaN',
      '    R²:                  0.987654',
      '    AIC, BIC:            -Infinity, 2.61235',
    ]);
  });
});
