import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  auto,
  checkGradient,
  checkJacobian,
  checkJacobianAsync,
  lbfgs,
  leastSquares,
  levenbergMarquardt,
  minimize,
  runSync,
  type LeastSquaresSettings,
  type RobustLoss,
} from 'quasi-newton';
import { differenceJacobian, noteSizes, type Scheme } from '../../src/core/jacobian.ts';
import { gradientOfSquares } from '../../src/core/leastSquares.ts';

const data: [number, number][] = [
  [0, 2],
  [1, 1.2],
  [2, 0.7],
  [3, 0.45],
];

/** Decay a·exp(b·t) through four points; `jacobian` says what is written. */
function decay(jacobian: 'whole' | 'none' | 'half', settings: Partial<LeastSquaresSettings> = {}) {
  return leastSquares({
    p0: Float64Array.of(1, -1),
    residualCount: 4,
    residuals([a, b], r, J) {
      data.forEach(([t, y], i) => {
        const e = Math.exp(b * t);
        r[i] = a * e - y;
        if (jacobian === 'whole') J?.set([e, a * t * e], 2 * i);
        if (jacobian === 'half' && J) J[2 * i] = e;
      });
    },
    ...settings,
  });
}

/** By SciPy 1.17, least_squares with tolerances of 1e-15. */
const solution = [1.998436320903879, -0.5114256027796016];

describe('a Jacobian that the residuals do not write', () => {
  it.each([levenbergMarquardt(), lbfgs(), auto()])('comes by differences: $name', (solver) => {
    const { x, converged } = minimize(decay('none'), solver);
    expect(converged).toBe(true);
    expect(x[0]).toBeCloseTo(solution[0], 7);
    expect(x[1]).toBeCloseTo(solution[1], 7);
  });

  it.each([levenbergMarquardt(), lbfgs()])(
    'a Jacobian that the residuals do not write in part is refused, its place named: $name',
    (solver) => {
      expect(() => minimize(decay('half'), solver)).toThrow(
        /Jacobian unwritten at row 0, column 1.*all 4 × 2/,
      );
    },
  );

  it('a Jacobian that the residuals do not write in part is refused by the solver too, where the problem was made by hand', () => {
    const problem = { ...decay('half'), fg: decay('whole').fg };
    expect(() => minimize(problem, levenbergMarquardt())).toThrow(
      /levenbergMarquardt: residuals left the Jacobian unwritten at row 0, column 1/,
    );
  });

  it('is the same whether the function or differences give it', () => {
    const [own, differences] = [decay('whole'), decay('none')].map((problem) => {
      const gradient = new Float64Array(2);
      problem.fg(Float64Array.of(1.5, -0.4), gradient);
      problem.fg(Float64Array.of(1.7, -0.6), gradient);
      return gradient;
    });
    expect(Math.abs(differences[0] / own[0] - 1)).toBeLessThan(1e-8);
    expect(Math.abs(differences[1] / own[1] - 1)).toBeLessThan(1e-8);
  });
});

describe('differences', () => {
  /** Residuals sin(cⱼxⱼ) + xⱼ, one for each unknown, that record where they are evaluated. */
  function waves(c: number[], visited: number[][] = [], round = (v: number) => v) {
    return {
      p0: new Float64Array(c.length),
      fg: () => NaN,
      residuals(x: Float64Array, r: Float64Array) {
        visited.push([...x]);
        c.forEach((cj, j) => (r[j] = round(Math.sin(cj * x[j]) + cj * x[j])));
      },
    };
  }
  const derivative = (c: number, x: number) => c * Math.cos(c * x) + c;

  function jacobianAt(
    x: Float64Array,
    problem: ReturnType<typeof waves>,
    scheme: Scheme,
    precision: 'float32' | 'float64' = 'float64',
    bounds: { lower(j: number): number; upper(j: number): number } | null = null,
  ): Float64Array {
    const n = x.length;
    const [r, J, sizes] = [new Float64Array(n), new Float64Array(n * n), new Float64Array(n)];
    problem.residuals(x, r);
    noteSizes(sizes, x);
    const failed = runSync(differenceJacobian(x, r, J, { scheme, precision, sizes, bounds }), problem);
    expect(failed).toBe(-1);
    return J;
  }

  it.each([
    ['2-point', 'float64', 3e-7],
    ['3-point', 'float64', 3e-9],
    ['2-point', 'float32', 6e-3],
    ['3-point', 'float32', 2e-3],
  ] as const)(
    'differences of %s in %s are right to their precision for unknowns of any unit',
    (scheme, precision, error) => {
      fc.assert(
        fc.property(
          fc.array(
            fc.tuple(fc.integer({ min: -12, max: 12 }), fc.double({ min: 0.2, max: 1.2, noNaN: true })),
            { minLength: 1, maxLength: 4 },
          ),
          (units) => {
            const c = units.map(([power]) => 10 ** -power);
            const x = Float64Array.from(units, ([power, value]) => value * 10 ** power);
            const round = precision === 'float32' ? Math.fround : undefined;
            const at = precision === 'float32' ? x.map(Math.fround) : x;
            const J = jacobianAt(x, waves(c, [], round), scheme, precision);
            c.forEach((cj, j) => {
              expect(Math.abs(J[j * c.length + j] / derivative(cj, at[j]) - 1)).toBeLessThan(error);
            });
          },
        ),
        { numRuns: 50 },
      );
    },
  );

  it.each(['2-point', '3-point'] as const)(
    'differences of %s never leave the bounds, and are right beside them',
    (scheme) => {
      const x = Float64Array.of(1, 2, 0.5, 0.5);
      const [lower, upper] = [
        [1, -9, 0.5, 0.5 - 1e-10],
        [9, 2, 0.5, 0.5 + 1e-10],
      ];
      const visited: number[][] = [];
      const bounds = { lower: (j: number) => lower[j], upper: (j: number) => upper[j] };
      const J = jacobianAt(x, waves([1, 1, 1, 1], visited), scheme, 'float64', bounds);
      for (const at of visited) at.forEach((v, j) => expect(v >= lower[j] && v <= upper[j]).toBe(true));
      expect(J[0]).toBeCloseTo(derivative(1, 1), 6);
      expect(J[5]).toBeCloseTo(derivative(1, 2), 6);
      expect(J[10]).toBe(0); // has no room to move
      expect(J[15]).toBeCloseTo(derivative(1, 0.5), 4);
    },
  );

  it('go to the other side where the residuals are not finite', () => {
    const logarithm = {
      ...waves([1]),
      residuals: (x: Float64Array, r: Float64Array) => void (r[0] = Math.sqrt(2 - x[0])),
    };
    const J = jacobianAt(Float64Array.of(2 - 1e-12), logarithm, '2-point');
    expect(J[0]).toBeLessThan(0);
  });

  it('take a longer step where the first one changes nothing', () => {
    const offset = {
      ...waves([1]),
      residuals: (x: Float64Array, r: Float64Array) => void (r[0] = 1e6 + x[0]),
    };
    expect(jacobianAt(Float64Array.of(1e-3), offset, '2-point')[0]).toBeCloseTo(1, 1);
  });
});

describe('robust losses', () => {
  /** ρ(z) as SciPy's least_squares documents them. */
  const rho: Record<Exclude<RobustLoss, 'linear'>, (z: number) => number> = {
    huber: (z) => (z <= 1 ? z : 2 * Math.sqrt(z) - 1),
    softL1: (z) => 2 * (Math.sqrt(1 + z) - 1),
    cauchy: (z) => Math.log(1 + z),
    arctan: (z) => Math.atan(z),
  };
  /** A line with two outliers. */
  const points = Array.from({ length: 20 }, (_, t) => [
    t / 2,
    1 + t + 0.1 * Math.sin(7 * t) + (t % 9 === 4 ? 12 : 0),
  ]);
  const line = (loss: RobustLoss, scale: number, withJacobian: boolean) =>
    leastSquares({
      p0: Float64Array.of(0, 0),
      residualCount: points.length,
      loss,
      scale,
      residuals: ([a, b], r, J) =>
        points.forEach(([t, y], i) => {
          r[i] = a + b * t - y;
          if (withJacobian) J?.set([1, t], 2 * i);
        }),
    });
  const names = Object.keys(rho) as (keyof typeof rho)[];

  it.each(names)('%s: f is Σ scale²·ρ((r/scale)²), and its gradient is right', (loss) => {
    const problem = line(loss, 0.5, true);
    const at = Float64Array.of(0.3, 1.1);
    const expected = points.reduce(
      (sum, [t, y]) => sum + 0.25 * rho[loss](((0.3 + 1.1 * t - y) / 0.5) ** 2),
      0,
    );
    expect(problem.fg(at, null)).toBeCloseTo(expected, 10);
    expect(checkGradient(problem, { at })).toMatchObject({ wrong: [] });
    expect(checkJacobian(problem, { at })).toMatchObject({ ok: true });
  });

  it.each([
    ['huber', [1.09535548, 1.99256399], 23.560564556],
    ['softL1', [1.09782848, 1.99246747], 23.078812780821],
    ['cauchy', [1.02624314, 1.99590641], 3.2713305845],
    ['arctan', [1.02267493, 1.9961295], 0.877340116208],
  ] as const)('%s: the minimum is that of SciPy 1.17, f twice its cost', (loss, expected, f) => {
    // From the plain fit, for arctan has minima elsewhere.
    const p0 = minimize(line('linear', 1, true), levenbergMarquardt()).x;
    for (const solver of [levenbergMarquardt(), lbfgs()]) {
      for (const withJacobian of [true, false]) {
        const result = minimize({ ...line(loss, 0.5, withJacobian), p0 }, solver, { gtol: 1e-9 });
        expect([...result.x]).toEqual(expected.map((value) => expect.closeTo(value, 6)));
        expect(result.f).toBeCloseTo(f, 8);
      }
    }
  });
});

describe('checkJacobian', () => {
  const wrong = leastSquares({
    p0: Float64Array.of(1, 2),
    residualCount: 2,
    residuals([a, b], r, J) {
      r.set([a + b - 3, a + 2 * b - 5]);
      J?.set([1, 1, 1, 1]);
    },
  });

  it('leastSquares refuses missing settings in a sentence', () => {
    const call = leastSquares as (settings?: unknown) => unknown;
    expect(() => call()).toThrow(
      'leastSquares: settings must be an object { p0, residualCount, residuals }, got undefined.',
    );
  });

  it('calls no element right that rounding of a large residual hides', () => {
    const hidden = leastSquares({
      p0: Float64Array.of(1, 2),
      residualCount: 2,
      residuals([a, b], r, jacobian) {
        r.set([1e10 + a * b, a - b]);
        jacobian?.set([b, 1.3 * a, 1, -1]); // 1.3 is wrong
      },
    });
    const { ok, undetermined, message } = checkJacobian(hidden);
    expect({ ok, undetermined }).toEqual({ ok: true, undetermined: 1 });
    expect(message).toBe(
      'The Jacobian agrees with the residuals in 3 of 4 elements. Not determined, because rounding of the residuals hides them: 1.',
    );
  });

  it('names the element that is wrong', async () => {
    const check = checkJacobian(wrong);
    expect(check.ok).toBe(false);
    expect(check.checked).toBe(4);
    expect(check.worst).toMatchObject({ row: 1, column: 1, jacobian: 1 });
    expect(check.message).toMatch(/in 1 of 4 elements; worst is row 1, column 1: 1 against 2\.0000/);
    expect(await checkJacobianAsync(wrong)).toEqual(check);
  });

  it('finds a right one right, also far from the unit of its unknowns', () => {
    expect(checkJacobian(decay('whole')).ok).toBe(true);
    const small = decay('whole', { p0: Float64Array.of(1e-7, -3e-5) });
    // Steps of 1e-12 show two of its derivatives to less than a digit.
    expect(checkJacobian(small).message).toMatch(/agrees with the residuals in 6 of 8/);
  });

  it('refuses a problem that writes none, or has no residuals', () => {
    expect(() => checkJacobian(decay('none'))).toThrow(/writes no Jacobian/);
    expect(() => checkJacobian({ p0: Float64Array.of(1), fg: () => 0 })).toThrow(/must have residuals/);
    expect(() => checkJacobian(decay('whole'), { at: Float64Array.of(1) })).toThrow(
      /at: must be a Float64Array\(2\)/,
    );
  });
});

describe('leastSquares', () => {
  const residuals = ([a, b]: Float64Array, out: Float64Array, jacobian: Float64Array | null) => {
    out.set([a - 3, a * b, b ** 2]);
    jacobian?.set([1, 0, b, a, 0, 2 * b]);
  };
  const problem = leastSquares({ p0: Float64Array.of(2, 3), residualCount: 3, residuals });

  it('is Σr² with the gradient 2Jᵀr', () => {
    const gradient = new Float64Array(2).fill(9);
    expect(problem.fg(problem.p0, gradient)).toBe(1 + 36 + 81);
    // 2(−1·1 + 6·3, 6·2 + 9·6)
    expect([...gradient]).toEqual([34, 132]);
    expect(problem.fg(problem.p0, null)).toBe(118);
    expect(problem).toMatchObject({ residualCount: 3 });
    const out = new Float64Array(2);
    gradientOfSquares(Float64Array.of(-1, 6, 9), Float64Array.of(1, 0, 3, 2, 0, 6), out);
    expect([...out]).toEqual([34, 132]);
  });

  it('computes the differences of its first gradient once, for a solver that starts there', () => {
    let calls = 0;
    const counted = leastSquares({
      p0: Float64Array.of(2, 3),
      residualCount: 3,
      residuals: (x, out) => (calls++, residuals(x, out, null)),
    });
    const count = (run: () => void) => {
      calls = 0;
      run();
      return calls;
    };
    const [gradient, r, J] = [new Float64Array(2), new Float64Array(3), new Float64Array(6)];
    const first = () => void counted.fg(counted.p0, gradient);
    const ask = (x: Float64Array, jacobian: Float64Array | null) => () => {
      J.fill(NaN);
      counted.residuals(x, r.fill(NaN), jacobian);
    };
    // One of each unknown; later two.
    expect(count(first)).toBe(3);
    expect(count(ask(counted.p0, J))).toBe(0);
    expect([...r]).toEqual([-1, 6, 9]);
    const exact = [1, 0, 3, 2, 0, 6];
    expect([...J]).toEqual(exact.map((value) => expect.closeTo(value, 6) as number));
    // The solver may have moved: what was known is forgotten.
    expect(count(ask(counted.p0, J))).toBe(1);
    expect(count(first)).toBe(5);
    expect(count(ask(counted.p0, J))).toBe(1);
    const again = leastSquares({ p0: counted.p0, residualCount: 3, residuals: counted.residuals });
    again.fg(again.p0, gradient);
    expect(count(() => again.residuals(Float64Array.of(2, 4), r, J))).toBe(1);
    again.fg(again.p0, null);
    expect([...r]).toEqual([-1, 8, 16]);
    for (const jacobian of [null, J]) {
      const fresh = leastSquares({ p0: counted.p0, residualCount: 3, residuals: counted.residuals });
      fresh.fg(fresh.p0, gradient);
      expect(count(() => fresh.residuals(fresh.p0, r, jacobian))).toBe(jacobian === null ? 1 : 0);
      fresh.fg(fresh.p0, gradient);
      fresh.fg(fresh.p0, null);
      expect(count(() => fresh.residuals(fresh.p0, r, J))).toBe(1);
    }
  });

  it('asks for the Jacobian only where a gradient is wanted', () => {
    const asked: boolean[] = [];
    const noted = leastSquares({
      p0: Float64Array.of(2, 3),
      residualCount: 3,
      residuals(x, out, jacobian) {
        asked.push(jacobian !== null);
        residuals(x, out, jacobian);
      },
    });
    noted.fg(noted.p0, null);
    noted.fg(noted.p0, new Float64Array(2));
    noted.fg(noted.p0, null);
    expect(asked).toEqual([false, true, false]);
  });
});

describe('leastSquares names mistakes', () => {
  it.each([
    ['jacobian', /jacobian: no such option; residuals\(x, r, jacobian\) writes the Jacobian into its third/],
    [
      'lower',
      /lower: no such option; bounds are options of the solver: levenbergMarquardt\(\{ lower, upper \}\)/,
    ],
    ['fun', /fun: no such option; residuals\(x, r\) is the function/],
    ['f_scale', /f_scale: no such option; scale is its name here/],
    ['other', /other: no such option; there are p0, residualCount, residuals/],
  ])('a setting %s that there is not', (name, message) => {
    expect(() => decay('whole', { [name]: 1 })).toThrow(message);
  });

  it('a number of residuals that no memory holds', () => {
    expect(() => decay('whole', { residualCount: 1e10 })).toThrow(
      /residualCount is 10000000000; the residuals alone would need 80 GB/,
    );
  });

  it('residuals that return a promise, at whatever call', () => {
    let calls = 0;
    const late = decay('none', {
      residuals([a, b], r) {
        data.forEach(([at, value], i) => (r[i] = a * Math.exp(b * at) - value));
        return (calls++ > 3 ? Promise.resolve() : undefined) as never;
      },
    });
    expect(() => minimize(late, levenbergMarquardt())).toThrow(
      /residuals must be synchronous; it returned a Promise\. For residuals that take time, give minimizeAsync/,
    );
  });

  it('an infinite element of the Jacobian, by its place', () => {
    const infinite = decay('none', {
      residuals([a, b], r, J) {
        data.forEach(([at, value], i) => {
          const e = Math.exp(b * at);
          r[i] = a * e - value;
          J?.set([e, i === 2 ? Infinity : a * at * e], 2 * i);
        });
      },
    });
    expect(() => minimize(infinite, levenbergMarquardt())).toThrow(
      'leastSquares: residuals wrote Infinity into the Jacobian at row 2, column 1, at the first point',
    );
  });

  it('a problem with residuals but not their number', () => {
    const whole = decay('whole');
    for (const residualCount of [undefined, -1, 2.5]) {
      const problem = { ...whole, residualCount: residualCount as number };
      expect(() => minimize(problem, levenbergMarquardt())).toThrow(
        residualCount === undefined
          ? /must have their number, residualCount, a whole number ≥ 1; it has none/
          : `must have their number, residualCount, a whole number ≥ 1; got ${residualCount}`,
      );
    }
  });
});

describe('leastSquares refuses in its own name', () => {
  const whole = { p0: Float64Array.of(1), residualCount: 1, residuals: () => {} };
  it.each<[unknown, Error]>([
    [
      null,
      new TypeError('leastSquares: settings must be an object { p0, residualCount, residuals }, got null.'),
    ],
    [{ ...whole, residuals: 3 }, new TypeError('leastSquares: residuals must be a function, got 3.')],
    [
      { ...whole, residualCount: 0 },
      new RangeError('leastSquares: residualCount must be a whole number ≥ 1, got 0.'),
    ],
  ])('leastSquares refuses in its own name: %j', (settings, error) => {
    expect(() => leastSquares(settings as LeastSquaresSettings)).toThrow(error);
  });

  it('an option, and an infinite first element of the Jacobian', () => {
    expect(() => leastSquares({ ...whole, scale: -1 })).toThrow(
      new RangeError('leastSquares: scale: must be a finite number > 0, got -1.'),
    );
    const infinite = leastSquares({
      ...whole,
      residuals: (_, r, J) => (r.set([1]), J?.set([Infinity])),
    });
    expect(() => infinite.fg(infinite.p0, new Float64Array(1))).toThrow(
      new RangeError(
        'leastSquares: residuals wrote Infinity into the Jacobian at row 0, column 0, at the first point; start where every derivative is finite.',
      ),
    );
  });

  it('residuals that are NaN at the first point, whatever is returned', () => {
    const nothing = leastSquares({ ...whole, residuals: (_, r) => (r.set([NaN]), null) as never });
    expect(() => nothing.fg(nothing.p0, null)).toThrow(
      new RangeError(
        'leastSquares: residual 0 of 1 is NaN at the first point; it was not written, or the data or p0 make it NaN.',
      ),
    );
  });

  it.each([
    [[1.23456789, -2], '1.23457, -2'],
    [[1, 2, 3, 4, 5, 6], '1, 2, 3, 4, 5, 6'],
    [[1, 2, 3, 4, 5, 6, 7], '1, 2, 3, 4, 5, 6, …'],
  ])('residuals that a later call leaves unwritten, at %j', (point, shown) => {
    for (const left of [0, 1]) {
      let call = 0;
      const problem = leastSquares({
        p0: Float64Array.from(point),
        residualCount: 2,
        residuals: (_, r) => (call++ === 0 ? r.set([1, 1]) : void (r[1 - left] = 1)),
      });
      problem.fg(problem.p0, null);
      expect(() => problem.fg(problem.p0, null)).toThrow(
        new TypeError(
          `leastSquares: residuals left residual ${left} of 2 unwritten at x = [${shown}]; it must write all of them at every call: throw an error, or write NaN, where there is no value.`,
        ),
      );
    }
  });

  it('a start that is no Float64Array, and a Jacobian that is written in part', () => {
    expect(() => leastSquares({ ...whole, p0: [1] as never })).toThrow(/^leastSquares: p0 must be/);
    const half = decay('half');
    expect(() => half.fg(half.p0, new Float64Array(2))).toThrow(/^leastSquares: /);
  });
});

describe('leastSquares refuses', () => {
  const p0 = Float64Array.of(1);
  const residuals = (_: Float64Array, r: Float64Array) => void r.fill(0);

  it.each([
    ['a start that is no Float64Array', { p0: [1] as unknown as Float64Array }, /p0 must be a Float64Array/],
    ['a count that is none', { residualCount: 0 }, /residualCount must be a whole number ≥ 1, got 0/],
    [
      'a missing count',
      { residualCount: undefined as unknown as number },
      /residualCount must be a whole number ≥ 1, got undefined/,
    ],
    [
      'residuals that are no function',
      { residuals: 3 as unknown as typeof residuals },
      /must be a function, got 3/,
    ],
    ['an unknown loss', { loss: 'l1' as RobustLoss }, /loss: must be 'linear' or 'huber'/],
    ['a scale that is not positive', { scale: 0 }, /scale: must be a finite number > 0/],
  ])('leastSquares refuses: %s', (_, settings, message) => {
    expect(() => leastSquares({ p0, residualCount: 1, residuals, ...settings })).toThrow(message);
  });

  it.each([
    [
      'a residual left unwritten',
      (_: Float64Array, r: Float64Array) => void (r[0] = 1),
      /residual 1 of 2 is NaN/,
    ],
    [
      'residuals that are returned',
      () => [1, 2],
      /must write into its second argument; it returned Array\(2\)/,
    ],
    ['a promise', () => Promise.resolve(), /must be synchronous; it returned a Promise/],
  ])('leastSquares refuses: %s', (_, residuals, message) => {
    const problem = leastSquares({
      p0,
      residualCount: 2,
      residuals: (x, r): void => residuals(x, r) as undefined,
    });
    expect(() => minimize(problem, levenbergMarquardt())).toThrow(message);
  });
});

describe('products of a least-squares problem', () => {
  const A = [
    [1, 2],
    [-3, 1],
    [0.5, 0.25],
  ];
  const linear = (x: Float64Array, r: Float64Array, J: Float64Array | null) => {
    A.forEach(([a, b], i) => (r[i] = a * x[0] + b * x[1] - i));
    J?.set(A.flat());
  };
  const jacobianVector = (_: Float64Array, v: Float64Array, product: Float64Array) =>
    product.set(A.map(([a, b]) => a * v[0] + b * v[1]));
  const vectorJacobian = (_: Float64Array, u: Float64Array, product: Float64Array) =>
    product.set([0, 1].map((j) => A.reduce((sum, row, i) => sum + row[j] * u[i], 0)));
  const settings = { p0: Float64Array.of(2, -1), residualCount: 3, residuals: linear };
  const at = Float64Array.of(0.7, 1.9);

  it.each(['linear', 'huber', 'softL1', 'cauchy', 'arctan'] as const)(
    'are those with the Jacobian of the residuals under the loss %s, and give the gradient',
    (loss) => {
      const robust = { ...settings, loss, scale: 0.5 };
      const whole = leastSquares(robust);
      const byProducts = leastSquares({ ...robust, jacobianVector, vectorJacobian });
      const [r, J] = [new Float64Array(3), new Float64Array(6)];
      whole.residuals(at, r, J);
      const [v, u] = [Float64Array.of(0.3, -2), Float64Array.of(1, -0.5, 4)];
      const [pushed, pulled] = [new Float64Array(3), new Float64Array(2)];
      byProducts.jacobianVector!(at, v, pushed);
      byProducts.vectorJacobian!(at, u, pulled);
      pushed.forEach((value, i) => expect(value).toBeCloseTo(J[2 * i] * v[0] + J[2 * i + 1] * v[1], 12));
      pulled.forEach((value, j) =>
        expect(value).toBeCloseTo(J[j] * u[0] + J[2 + j] * u[1] + J[4 + j] * u[2], 12),
      );
      const [g, h] = [new Float64Array(2), new Float64Array(2)];
      expect(byProducts.fg(at, h)).toBeCloseTo(whole.fg(at, g), 12);
      g.forEach((value, j) => expect(h[j]).toBeCloseTo(value, 12));
      expect([...u]).toEqual([1, -0.5, 4]);
    },
  );

  it.each<[object, string]>([
    [{ jacobianVector: 3, vectorJacobian }, 'leastSquares: jacobianVector must be a function, got 3.'],
    [{ jacobianVector, vectorJacobian: 'x' }, 'leastSquares: vectorJacobian must be a function, got "x".'],
    [
      { jacobianVector },
      'leastSquares: jacobianVector and vectorJacobian are needed together; give both, or leave both out.',
    ],
    [
      { vectorJacobian },
      'leastSquares: jacobianVector and vectorJacobian are needed together; give both, or leave both out.',
    ],
  ])('are refused: %j', (change, message) => {
    expect(() => leastSquares({ ...settings, ...change })).toThrow(new TypeError(message));
  });

  it('give the gradient at one evaluation of the residuals, which need write no Jacobian', () => {
    const asked: unknown[] = [];
    const weights: number[][] = [];
    const problem = leastSquares({
      p0: settings.p0,
      residualCount: 3,
      residuals(x, r, J) {
        asked.push(J);
        linear(x, r, null);
      },
      jacobianVector,
      vectorJacobian(x, u, product) {
        weights.push([...u]);
        vectorJacobian(x, u, product);
      },
    });
    const gradient = new Float64Array(2);
    const r = A.map(([a, b], i) => a * at[0] + b * at[1] - i);
    expect(problem.fg(at, gradient)).toBeCloseTo(
      r.reduce((sum, value) => sum + value * value, 0),
      12,
    );
    gradient.forEach((value, j) =>
      expect(value).toBeCloseTo(2 * A.reduce((sum, row, i) => sum + row[j] * r[i], 0), 12),
    );
    expect(asked).toEqual([null]);
    expect(weights).toEqual([r]);
    problem.fg(at, null);
    expect([asked.length, weights.length]).toEqual([2, 1]);
  });

  it('a least-squares problem hands on products and parameters only where they are given', () => {
    const keys = (change: object) =>
      Object.keys(leastSquares({ ...settings, ...change })).toSorted((a, b) => a.localeCompare(b));
    const plain = ['fg', 'p0', 'precision', 'residualCount', 'residuals'];
    expect(keys({})).toEqual(plain);
    const params = { copyFrom() {}, copyInto: (x: Float64Array) => x };
    expect(leastSquares({ ...settings, params } as never).params).toBe(params);
    expect(keys({ jacobianVector, vectorJacobian })).toEqual(
      [...plain, 'jacobianVector', 'vectorJacobian'].toSorted((a, b) => a.localeCompare(b)),
    );
  });
});

describe('residuals', () => {
  it('that write no Jacobian are asked for one at the first gradient alone', () => {
    const asked: boolean[] = [];
    const problem = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1,
      residuals: ([a], r, J) => (asked.push(J !== null), r.set([a * a])),
    });
    const gradient = new Float64Array(1);
    for (const a of [1, 2]) expect(problem.fg(Float64Array.of(a), gradient)).toBe(a ** 4);
    expect(gradient[0]).toBeCloseTo(4 * 8, 6);
    expect(asked.filter(Boolean)).toHaveLength(1);
  });

  it('are computed again where the start has been changed in place', () => {
    const problem = leastSquares({
      p0: Float64Array.of(1),
      residualCount: 1,
      residuals: ([a], r) => r.set([a * a]),
    });
    const [x, r, J] = [problem.p0.slice(), new Float64Array(1), new Float64Array(1)];
    problem.fg(x, J);
    x[0] = 3;
    problem.residuals(x, r, J);
    expect(r[0]).toBe(9);
  });

  it.each([0, 1])('residuals without differences of unknown %i have a gradient of NaN', (j) => {
    let isOver = false;
    const problem = leastSquares({
      p0: Float64Array.of(1, 2),
      residualCount: 1,
      residuals: (x, r) => r.set([isOver && x[j] !== 5 ? NaN : x[0] + x[1]]),
    });
    const gradient = new Float64Array(2);
    problem.fg(problem.p0, gradient);
    expect(gradient.every(Number.isFinite)).toBe(true);
    isOver = true;
    expect(problem.fg(Float64Array.of(5, 5), gradient)).toBe(100);
    expect([...gradient]).toEqual([NaN, NaN]);
  });

  it('may be NaN after the first point, not at it', () => {
    const problem = (first: number) =>
      leastSquares({
        p0: Float64Array.of(first),
        residualCount: 1,
        residuals: ([a], r) => r.set([Math.sqrt(a)]),
      });
    const good = problem(4);
    expect(good.fg(good.p0, null)).toBe(4);
    expect(good.fg(Float64Array.of(-1), null)).toBeNaN();
    expect(() => problem(-1).fg(Float64Array.of(-1), null)).toThrow(
      /residual 0 of 1 is NaN at the first point/,
    );
  });
});
