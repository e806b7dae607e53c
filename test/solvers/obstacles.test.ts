import { describe, expect, it } from 'vitest';
import { obstacleIn, obstacleOfColumn } from '../../src/solvers/leastSquares/obstacle.ts';
import { leastSquares, levenbergMarquardt, minimize, newtonCG } from '../../src/index.ts';
import type { Residuals } from '../../src/core/problem.ts';

/** Residuals a − 1 and b − 1, whose solution lies beyond a wall at a = 1.999. */
const run = (residuals: Residuals, options = {}) =>
  minimize(
    leastSquares({ p0: Float64Array.of(2, 2), residualCount: 2, residuals }),
    levenbergMarquardt(options),
  );

describe('a later call that has no finite answer', () => {
  it.each([{}, { control: 'radius' }, { acceleration: false }])(
    'an infinite Jacobian is named with its place by %o',
    (options) => {
      const { termination, message } = run(([a, b], r, jacobian) => {
        r[0] = a - 1;
        r[1] = b - 1;
        jacobian?.set([1, 0, 0, a < 1.999 ? Infinity : 1]);
      }, options);
      expect(termination).toBe('lineSearchFailed');
      expect(message).toMatch(/The Jacobian at row 1, column 1, is Infinity at x = \[1\.99[89]\d*, /);
    },
  );

  it('a residual that is NaN is named with its place', () => {
    const wall = ([a, b]: Float64Array, r: Float64Array): void =>
      r.set([a - 1, a < 1.999 ? Math.sqrt(a - 1.999) : b - 1]);
    expect(run(wall).message).toMatch(/Residuals are not finite on either side of x\[0\] at x = \[1\.99/);
    const { message } = run((x, r, jacobian) => {
      wall(x, r);
      jacobian?.set([1, 0, 0, 1]);
    });
    expect(message).toMatch(/Residual 1 is NaN at x = \[1\.99\d*, /);
  });

  it('a residual left unwritten is an error', () => {
    let calls = 0;
    expect(() =>
      run(([a, b], r) => {
        r[0] = a - 1;
        if (calls++ < 6) r[1] = b - 1;
      }),
    ).toThrow(/residuals left residual 1 of 2 unwritten at x = \[.*write all of them at every call/);
  });

  /** The same residuals with products, of which `break` makes one wrong beyond the wall. */
  const products = (broken: 'jacobianVector' | 'vectorJacobian' | 'jacobianGram') => {
    const bad = (name: typeof broken, a: number) => (name === broken && a < 1.999 ? NaN : 1);
    const problem = leastSquares({
      p0: Float64Array.of(2, 2),
      residualCount: 2,
      residuals: ([a, b], r) => r.set([a - 1, b - 1]),
      jacobianVector: ([a], v, product) => product.set([v[0], v[1] * bad('jacobianVector', a)]),
      vectorJacobian: ([a], u, product) => product.set([u[0], u[1] * bad('vectorJacobian', a)]),
    });
    const jacobianGram = ([a]: Float64Array, product: Float64Array): void =>
      product.set([1, 0, 0, bad('jacobianGram', a)]);
    return { ...problem, jacobianGram };
  };

  it.each([
    ['vectorJacobian', 'iterative', /Element 1 of vectorJacobian is NaN at x = \[1\.99/],
    ['jacobianVector', 'iterative', /Element 1 of jacobianVector is NaN at x = \[1\.0/],
    ['vectorJacobian', 'dual', /Element 1 of vectorJacobian is NaN at x = \[1\.99/],
    ['jacobianGram', 'dual', /jacobianGram at row 1, column 1, is NaN at x = \[1\.99/],
  ] as const)('%s that is not finite is named by the %s method', (broken, method, message) => {
    const result = minimize(products(broken), levenbergMarquardt({ method }));
    expect(result.termination).toBe('lineSearchFailed');
    expect(result.message).toMatch(message);
  });

  it('an infinite product with the Hessian is named', () => {
    const result = minimize(
      {
        p0: Float64Array.of(2, 2),
        fg(x, gradient) {
          x.forEach((value, i) => gradient && (gradient[i] = 4 * value ** 3));
          return x[0] ** 4 + x[1] ** 4;
        },
        hessianVector: (x, v, product) =>
          x.forEach((value, i) => (product[i] = (x[0] < 1.5 && i === 1 ? Infinity : 12 * value ** 2) * v[i])),
      },
      newtonCG(),
    );
    expect(result.termination).toBe('lineSearchFailed');
    expect(result.message).toMatch(/Element 1 of hessianVector is -?Infinity at x = \[1\.3/);
  });
});

it.each([
  [5, '[0, 1, 2, 3, 4]'],
  [6, '[0, 1, 2, 3, 4, 5]'],
  [7, '[0, 1, 2, 3, 4, 5, …]'],
])('a message shows the first six of %d unknowns', (n, shown) => {
  const x = Float64Array.from({ length: n }, (_, j) => j);
  expect(obstacleIn('residuals', Float64Array.of(1, NaN), x)).toBe(`Residual 1 is NaN at x = ${shown}.`);
  expect(obstacleIn('residuals', Float64Array.of(1, 2), x)).toBe('');
});

it.each([
  ['residuals', 2, 3, 'Residual 2'],
  ['residuals', 0, 3, 'Residual 0'],
  ['jacobian', 5, 6, 'The Jacobian at row 2, column 1,'],
  ['jacobianGram', 5, 9, 'jacobianGram at row 1, column 2,'],
  ['jacobianVector', 0, 3, 'Element 0 of jacobianVector'],
  ['vectorJacobian', 1, 2, 'Element 1 of vectorJacobian'],
] as const)('a message on %s names element %d of %d', (name, at, length, place) => {
  const values = new Float64Array(length);
  values[at] = -Infinity;
  if (at + 1 < length) values[at + 1] = NaN;
  const x = Float64Array.of(1 / 3, -2e-9);
  expect(obstacleIn(name, values, x)).toBe(`${place} is -Infinity at x = [0.333333, -2e-9].`);
  expect(obstacleIn(name, new Float64Array(length), x)).toBe('');
});

it('a message on a column without differences names its unknown', () => {
  expect(obstacleOfColumn(1, Float64Array.of(3, 1e7 / 3))).toBe(
    'Residuals are not finite on either side of x[1] at x = [3, 3333330].',
  );
});
