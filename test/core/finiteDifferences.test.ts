import {
  auto,
  bfgs,
  finiteDifferences,
  finiteDifferencesAsync,
  lbfgs,
  minimize,
  minimizeAsync,
  vectorParams,
  type Problem,
} from 'quasi-newton';
import { describe, expect, it, vi } from 'vitest';
import { mgh } from '../../bench/problems/mgh/index.js';
import { differencedBy } from '../../src/core/differenced.ts';

const banana = ([x, y]: Float64Array) => (1 - x) ** 2 + 100 * (y - x * x) ** 2;
const p0 = Float64Array.of(-1.2, 1);

/** The gradient by differences at a point. */
function gradientOf(problem: ReturnType<typeof finiteDifferences>, x: Float64Array): Float64Array {
  const gradient = new Float64Array(x.length);
  problem.fg(x, gradient);
  return gradient;
}

const distance = (a: Float64Array, b: Float64Array) =>
  a.reduce((most, value, j) => Math.max(most, Math.abs(value - b[j])), 0);

describe('the gradient', () => {
  it.each(mgh)('agrees with the exact one to eight digits at the start of $name', (problem) => {
    const exact = new Float64Array(problem.p0.length);
    const f = problem.fg(problem.p0, exact);
    const differences = finiteDifferences((x) => problem.fg(x, null), problem.p0);
    const size = exact.reduce((most, value) => Math.max(most, Math.abs(value)), Math.abs(f));
    expect(distance(gradientOf(differences, problem.p0), exact)).toBeLessThan(1e-7 * size);
  });

  it('costs 2n + 1 calls, a value one', () => {
    const problem = finiteDifferences(banana, p0);
    problem.fg(p0, null);
    expect(problem.calls).toBe(1);
    problem.fg(p0, new Float64Array(2));
    expect(problem.calls).toBe(6);
  });

  it('takes steps relative to each unknown, or to its typical size', () => {
    const units = [1e-15, 1, 1e12];
    const f = (x: Float64Array) => units.reduce((sum, unit, j) => sum + Math.exp(x[j] / unit - 1), 0);
    const at = Float64Array.from(units, (unit) => 0.5 * unit);
    const exact = Float64Array.from(units, (unit) => Math.exp(-0.5) / unit);
    const relative = (gradient: Float64Array) =>
      distance(
        gradient.map((value, j) => value * units[j]),
        exact.map((value, j) => value * units[j]),
      );
    expect(relative(gradientOf(finiteDifferences(f, at), at))).toBeLessThan(1e-9);
    // From 0, only the scale can tell.
    const origin = new Float64Array(3);
    const told = gradientOf(finiteDifferences(f, origin, { scale: units }), at);
    expect(relative(told)).toBeLessThan(1e-9);
  });

  it('the gradient of float32 keeps four digits', () => {
    const f = (x: Float64Array) => Math.fround(Math.exp(Math.fround(x[0])));
    const at = Float64Array.of(Math.fround(0.7));
    const [slope] = gradientOf(finiteDifferences(f, at, { precision: 'float32' }), at);
    expect(Math.abs(slope / Math.exp(0.7) - 1)).toBeLessThan(1e-3);
  });

  it('is taken inside the bounds, one-sided at them', () => {
    const seen: number[] = [];
    const f = ([x, y]: Float64Array) => {
      seen.push(x);
      return Math.sqrt(x) + y * y;
    };
    const box = { lower: [0, -1], upper: [2, 1] };
    for (const x of [0, 1e-9, 1, 2]) {
      const at = Float64Array.of(x, 0.5);
      const [, slope] = gradientOf(finiteDifferences(f, at, box), at);
      expect(slope).toBeCloseTo(1, 8);
    }
    expect(Math.min(...seen)).toBe(0);
    expect(Math.max(...seen)).toBe(2);
    const { x } = minimize(finiteDifferences(f, Float64Array.of(1, 0.5), box), lbfgs(box));
    expect(Array.from(x)).toEqual([0, expect.closeTo(0, 7)]);
  });

  it('comes from the other side where f is not finite', () => {
    const f = ([x]: Float64Array) => (x > 1 ? NaN : x ** 3);
    const [slope] = gradientOf(finiteDifferences(f, Float64Array.of(1)), Float64Array.of(1));
    expect(slope).toBeCloseTo(3, 7);
  });

  it('is NaN where no side has values, and f is what it is', () => {
    const problem = finiteDifferences(([x]) => (x === 1 ? 5 : NaN), Float64Array.of(1));
    const gradient = new Float64Array(1);
    expect(problem.fg(Float64Array.of(1), gradient)).toBe(5);
    expect(gradient[0]).toBeNaN();
    expect(() => minimize(problem)).toThrow(/gradient/);
  });
});

describe('the steps', () => {
  /** The shortest step at x, from the error that the problem states: ε|f| over the step. */
  const stepAt = (p0: number[], x: number[], options: object = {}) => {
    const problem = finiteDifferences(() => 1, Float64Array.from(p0), options);
    const epsilon = problem.precision === 'float32' ? 2 ** -23 : 2 ** -52;
    const error = problem.gradientError?.(Float64Array.from(x), -7) ?? NaN;
    return (7 * epsilon) / error / Math.cbrt(epsilon);
  };

  it.each<[string, number, number[], number[], object?]>([
    ['|x|', 3, [2], [-3]],
    ['|x| of the smallest unknown', 0.5, [2, 2, 2], [-3, 0.5, 4]],
    ['a thousandth of |p0|', 0.002, [-2], [1e-9]],
    ['1 where p0 is 0', 1, [0], [1e-9]],
    ['the scale', 5, [0], [1e-9], { scale: 5 }],
    ['the scale, whatever p0 is', 5, [2e6], [1e-9], { scale: 5 }],
    ['the least scale', 0.25, [0, 0], [1e-9, 1e-9], { scale: [5, 0.25] }],
    ['|x| beyond the scale', 8, [0], [8], { scale: 5 }],
    ['|x| in float32', 3, [2], [3], { precision: 'float32' }],
  ])('are ∛ε times %s', (_, size, at, x, options) => {
    expect(stepAt(at, x, options)).toBeCloseTo(size, 12);
  });

  it('are the distances of the points from x, on both sides', () => {
    for (const precision of ['float64', 'float32'] as const) {
      const seen: number[] = [];
      const f = ([x]: Float64Array) => (seen.push(x), x);
      const gradient = new Float64Array(1);
      finiteDifferences(f, Float64Array.of(4), { precision }).fg(Float64Array.of(4), gradient);
      const step = 4 * Math.cbrt(precision === 'float32' ? 2 ** -23 : 2 ** -52);
      expect(seen).toEqual([4, expect.closeTo(4 + step, 6), expect.closeTo(4 - step, 6)]);
      expect(Math.abs(seen[1] - 4) / step).toBeCloseTo(1, precision === 'float32' ? 2 : 8);
      expect(gradient[0]).toBeCloseTo(1, 6);
    }
  });

  it('are shorter where f bends in float64, and never in float32', () => {
    const count = (precision: 'float32' | 'float64') => {
      const peak = ([x]: Float64Array) => Math.exp(-(((x - 1) / 1e-5 + 0.7) ** 2));
      const problem = finiteDifferences(peak, Float64Array.of(1), { precision });
      gradientOf(problem, Float64Array.of(1));
      return problem.calls;
    };
    expect(count('float64')).toBeGreaterThan(3);
    // Its one change is tried at a step 4096 times as long.
    expect(count('float32')).toBeLessThanOrEqual(5);
  });
});

describe('the error that a problem states', () => {
  /** Weights of the values at x + a and x + b in the slope at x of the parabola through these and x itself, and that of x. */
  const weights = (a: number, b: number) => [-b / (a * (a - b)), -a / (b * (b - a)), -(a + b) / (a * b)];
  type Box = { lower: number; upper: number };

  /** Compares it with the weights of the points that make the slope of f at x, and tells how far these reach. */
  const compare = (f: (x: number) => number, x: number, options: object, ofSolver?: Box) => {
    const moves: number[] = [];
    const problem = finiteDifferences(([at]) => (moves.push(at - x), f(at)), Float64Array.of(x), options);
    const [at, slope] = [Float64Array.of(x), new Float64Array(1)];
    if (ofSolver) {
      const bounds = { lower: () => ofSolver.lower, upper: () => ofSolver.upper };
      void differencedBy(problem.fg)!.evaluate(at, slope, bounds);
    } else problem.fg(at, slope);
    const pairs = Array.from({ length: (moves.length - 1) / 2 }, (_, k) => moves.slice(2 * k + 1, 2 * k + 3));
    const used = pairs.filter(([a, b]) => {
      const [first, second] = weights(a, b);
      const value = first * (f(x + a) - f(x)) + second * (f(x + b) - f(x));
      return Math.abs(value / slope[0] - 1) < 1e-9;
    });
    expect(used.length).toBe(1);
    const [a, b] = used[0];
    const wanted = 2 ** -52 * Math.abs(f(x)) * weights(a, b).reduce((sum, w) => sum + Math.abs(w), 0);
    const error = problem.gradientError!(at, f(x));
    return { ratio: error / wanted, reach: Math.max(...[a, b].map(Math.abs)) };
  };

  it.each<[string, number, Box]>([
    ['in the open', 3, { lower: -9, upper: 9 }],
    ['at a lower bound', 3, { lower: 3, upper: 9 }],
    ['at an upper bound', 3, { lower: -9, upper: 3 }],
    ['beside a bound', 3, { lower: 3 - 1e-7, upper: 9 }],
    ['in a box narrower than two steps', 3, { lower: 3 - 1e-5, upper: 3 + 1e-6 }],
    ['in a box narrower than a step', 3, { lower: 3 - 1e-8, upper: 3 + 2e-8 }],
  ])('is that of the weights of its differences, %s', (_, x, box) => {
    // Of the problem's own bounds, none holds an unknown, whatever its slope; of those of a solver, where f falls inward.
    for (const sign of [1, -1]) {
      expect(compare((value) => sign * (5 + Math.exp(value)), x, box).ratio).toBeCloseTo(1, 9);
    }
    const f = (value: number) => (x === box.upper ? 5 + Math.exp(value) : 5 - Math.exp(value));
    expect(compare(f, x, {}, box).ratio).toBeCloseTo(1, 9);
  });

  it('is that of the shorter steps where f bends', () => {
    const peak = (x: number) => Math.exp(-(((x - 1) / 1e-5 + 0.7) ** 2));
    const { ratio, reach } = compare(peak, 1, {});
    expect(ratio).toBeCloseTo(1, 9);
    expect(reach).toBeLessThan(Math.cbrt(2 ** -52) / 10);
  });

  it('is that of a single other point where float32 has no more in the box', () => {
    const ulp = 2 ** -23;
    for (const x of [1, 1 + ulp]) {
      const problem = finiteDifferences(([at]) => 8 * at, Float64Array.of(x), {
        lower: 1,
        upper: 1 + ulp,
        precision: 'float32',
      });
      expect(gradientOf(problem, Float64Array.of(x))).toEqual(Float64Array.of(8));
      // f and f beside it are known to an ulp each, and lie an ulp of x apart.
      expect(problem.gradientError!(Float64Array.of(x), 8)).toBeCloseTo((2 * 8 * ulp) / ulp, 9);
    }
  });

  it('is larger than the error of f’s rounding in a narrow box', () => {
    const [width, origin] = [1e-9, 1e6];
    let worst = 0;
    for (let k = 0; k < 200; k++) {
      const x = 1 + width * ((k * 0.618) % 1);
      const problem = finiteDifferences(([at]) => origin + at, Float64Array.of(x), {
        lower: 1,
        upper: 1 + width,
      });
      const [slope] = gradientOf(problem, Float64Array.of(x));
      const error = problem.gradientError!(Float64Array.of(x), origin + x);
      expect(Math.abs(slope - 1)).toBeLessThan(error);
      worst = Math.max(worst, Math.abs(slope - 1) / error);
    }
    expect(worst).toBeGreaterThan(0.1);
  });

  it('leaves out unknowns that a bound of the solver holds, unless rounding hides their slopes', () => {
    const errorOf = (slope: number, ofSolver: Box) => {
      const f = ([x, y]: Float64Array) => 100 + slope * x + (y - 50) ** 2;
      const problem = finiteDifferences(f, Float64Array.of(1, 50));
      const at = Float64Array.of(1, 50);
      const bounds = {
        lower: (j: number) => (j === 0 ? ofSolver.lower : -Infinity),
        upper: (j: number) => (j === 0 ? ofSolver.upper : Infinity),
      };
      const value = differencedBy(problem.fg)!.evaluate(at, new Float64Array(2), bounds) as number;
      // In errors of a central difference with a step of 1.
      return (problem.gradientError!(at, value) / (2 ** -52 * value)) * Math.cbrt(2 ** -52);
    };
    const [below, above] = [
      { lower: 1, upper: 2 },
      { lower: 0, upper: 1 },
    ];
    for (const [slope, box, wanted] of [
      [1, below, 1 / 50],
      [-1, below, 4],
      [1, above, 4],
      [-1, above, 1 / 50],
      [1, { lower: 0, upper: 2 }, 1],
      [1e-8, below, 4],
      [1, { lower: 1, upper: 1 }, 1 / 50],
    ] as const) {
      expect(errorOf(slope, box)).toBeCloseTo(wanted, 8);
    }
  });

  it('does not deny success at a bound', () => {
    const f = ([x, y]: Float64Array) => 150 + 3 * x + (y - 40) ** 2;
    const run = (lower: number) =>
      minimize(finiteDifferences(f, Float64Array.of(2, 30)), lbfgs({ lower: [lower, -Infinity] }));
    expect(run(1)).toMatchObject({ termination: 'gradientTolerance', converged: true });
  });
});

it('f is called neither beyond the bounds of its problem nor beyond those of the solver', () => {
  for (const [own, ofSolver] of [
    [
      { lower: -1, upper: 2 },
      { lower: [0, -3], upper: [5, 1] },
    ],
    [
      { lower: [0, -3], upper: [5, 1] },
      { lower: -1, upper: 2 },
    ],
  ]) {
    const seen: number[][] = [];
    const f = ([x, y]: Float64Array) => (seen.push([x, y]), (x - 9) ** 2 + (y + 9) ** 2);
    for (const start of [
      [1, 0],
      [2, -1],
      [0, 1],
    ]) {
      minimize(finiteDifferences(f, Float64Array.from(start), own), lbfgs(ofSolver));
    }
    const [x, y] = [seen.map(([value]) => value), seen.map(([, value]) => value)];
    expect([Math.min(...x), Math.max(...x), Math.min(...y), Math.max(...y)]).toEqual([0, 2, -1, 1]);
  }
});

it('f counts as NaN beyond the bounds of its problem, so that a run stops there in words', async () => {
  const seen: number[] = [];
  const f = ([x]: Float64Array) => (seen.push(x), (x - 9) ** 2);
  const problem = finiteDifferences(f, Float64Array.of(1), { upper: 2 });
  const later = finiteDifferencesAsync(f, Float64Array.of(1), { upper: 2 });
  const gradient = new Float64Array(1);
  expect([problem.fg(Float64Array.of(2.5), gradient), gradient[0]]).toEqual([NaN, NaN]);
  expect([problem.fg(Float64Array.of(2.5), null), await later.fg(Float64Array.of(NaN), null)]).toEqual([
    NaN,
    NaN,
  ]);
  expect([problem.calls, later.calls, seen]).toEqual([0, 0, []]);
  const result = minimize(problem, bfgs());
  expect([result.converged, result.x[0]]).toEqual([false, expect.closeTo(2, 6)]);
  expect(Math.max(...seen)).toBeLessThanOrEqual(2);
  // As bounds of the run, they hold the minimum.
  const plain = finiteDifferences(f, Float64Array.of(1));
  expect(minimize(plain, auto(), { upper: 2 })).toMatchObject({ converged: true, x: Float64Array.of(2) });
});

it('without its error, a gradient by differences is inexact, not wrong', async () => {
  // A staircase that rises, while each of its steps falls.
  const staircase = ([x]: Float64Array) => (10 + Math.floor(1e5 * x) / 1e5 - 0.5 * x) ** 2;
  const at = Float64Array.of(1.23456);
  const plain = { ...finiteDifferences(staircase, at), gradientError: undefined };
  const own: Problem = { p0: at, fg: (x, gradient) => plain.fg(x, gradient) };
  expect(minimize(own, lbfgs()).termination).toBe('gradientMismatch');
  const later = { ...finiteDifferencesAsync(async (x) => staircase(x), at), gradientError: undefined };
  expect(minimize(plain, lbfgs()).termination).not.toBe('gradientMismatch');
  expect((await minimizeAsync(later, lbfgs())).termination).not.toBe('gradientMismatch');
});

it('params hold the best point after a solve', () => {
  const params = vectorParams(Float64Array.of(9, 9));
  const { x } = minimize(finiteDifferences(banana, p0, { params }), bfgs());
  expect(params.copyInto(params.zeros())).toEqual(x);
  expect('params' in finiteDifferences(banana, p0)).toBe(false);
});

describe('a run', () => {
  it('reaches the minimum, with the calls it says', () => {
    let calls = 0;
    const problem = finiteDifferences((x) => (calls++, banana(x)), p0);
    const result = minimize(problem);
    expect(result.termination).toBe('gradientTolerance');
    expect(distance(result.x, Float64Array.of(1, 1))).toBeLessThan(1e-6);
    expect(problem.calls).toBe(calls);
  });

  it('is the same for promises', async () => {
    const now = finiteDifferences(banana, p0);
    const later = finiteDifferencesAsync(async (x) => banana(x), p0);
    const [a, b] = [minimize(now, bfgs()), await minimizeAsync(later, bfgs())];
    expect(b.x).toEqual(a.x);
    expect(later.calls).toBe(now.calls);
  });

  it.each([1e6, -1e6, 1e-12, 1e12])(
    'is no success where the values cannot tell the gradient from 0: with %d added',
    (offset) => {
      const wrong: string[] = [];
      const small = mgh.filter(({ p0: start }) => start.length < 5);
      for (const [problem, solver] of small.flatMap((one) =>
        [bfgs(), lbfgs()].map((how) => [one, how] as const),
      )) {
        const shifted = finiteDifferences((x) => problem.fg(x, null) + offset, problem.p0);
        const { x, f, converged, termination } = minimize(shifted, solver, { maxIterations: 300 });
        const exact = new Float64Array(x.length);
        problem.fg(x, exact);
        const error = shifted.gradientError?.(x, f) ?? NaN;
        // Truncation adds less than 1e-6 in these problems.
        const isTrue = error <= 1e-8 && Math.hypot(...exact) < 1e-6 && Math.abs(offset) < 1e12;
        if ((converged && !isTrue) || termination === 'gradientMismatch') {
          wrong.push(`${problem.name}, ${solver.name}: ${termination}`);
        }
      }
      expect(wrong).toEqual([]);
    },
  );

  it.each([1e-60, 1e-9, 1e150])('is a success in units of %d, and none beside an offset', (unit) => {
    const inUnits = (offset: number) => finiteDifferences((x) => unit * (banana(x) + offset), p0);
    // Truncation of this function's third derivatives takes 1e-8.
    const options = { gtol: 1e-6 * unit };
    expect(minimize(inUnits(0), bfgs(), options).converged).toBe(true);
    expect(minimize(inUnits(1e6), bfgs(), options).converged).toBe(false);
    expect(minimize(inUnits(0), bfgs(), { ...options, transform: 'log' }).converged).toBe(true);
  });

  it('says to what the gradient is known', () => {
    const { message, termination } = minimize(
      finiteDifferences(([x]) => 1e6 + x ** 2, Float64Array.of(1)),
      bfgs(),
    );
    expect(termination).toBe('precisionFloor');
    expect(message).toMatch(
      /^The gradient is as small as differences of f can tell: its elements are known to \d\.\de-\d+ here, its tolerance is 1\.0e-8\./,
    );
  });
});

describe('bad input is named', () => {
  const make =
    (...given: unknown[]) =>
    () =>
      Reflect.apply(finiteDifferences, null, given) as object;

  it.each([
    [[3, p0], /^finiteDifferences: f must be a function of x, got 3\.$/],
    [[banana, [1, 2]], /p0 must be a Float64Array, got Array\(2\); Float64Array\.from\(p0\) makes one/],
    [[banana, p0, { scheme: '2-point' }], /finiteDifferences: .*scheme/],
    [
      [banana, p0, { scale: [1] }],
      /scale: must be a finite number > 0, or an array of 2 of them, got Array\(1\)/,
    ],
    [[banana, p0, { lower: 0 }], /p0\[0\] is -1\.2, outside its bounds 0 and Infinity/],
    [[banana, p0, { lower: [0, 0, 0] }], /lower has length 3; there are 2 unknowns/],
    [[banana, p0, { lower: 2, upper: 1 }], /lower must not exceed upper/],
  ])('bad input is named: %o', (given, message) => {
    expect(make(...given)).toThrow(message);
  });

  it('a value that is no number, or a promise', () => {
    const text = finiteDifferences(() => '3' as never, p0);
    expect(() => minimize(text)).toThrow(/^finiteDifferences: f must return a number, got "3"\.$/);
    expect(() => finiteDifferencesAsync('f' as never, p0)).toThrow(
      /^finiteDifferencesAsync: f must be a fun/,
    );
    const promise = finiteDifferences((async () => 3) as never, p0);
    expect(() => minimize(promise)).toThrow(/got .*Promise.*finiteDifferencesAsync awaits it/);
    // Nobody else waits for it: unhandled, its rejection would end the process.
    const rejected = Promise.reject(new Error('f'));
    const handled = vi.spyOn(rejected, 'catch');
    expect(() => minimize(finiteDifferences((() => rejected) as never, p0))).toThrow(
      /f must return a number/,
    );
    expect(handled).toHaveBeenCalledTimes(1);
  });
});

describe('a position far from 0 compared with the width of its peak', () => {
  const offsets = Array.from({ length: 60 }, (_, i) => (i - 30) / 64);
  const y = offsets.map(
    (t, i) => 10 * Math.exp(-(((t - 0.03) / 0.15) ** 2) / 2) + 1 + 0.3 * Math.sin(5.1 * i * i),
  );
  const misfitAt =
    (origin: number) =>
    ([height, position, width, base]: Float64Array): number =>
      offsets.reduce((sum, t, i) => {
        const u = (origin + t - position) / width;
        return sum + (height * Math.exp((-u * u) / 2) + base - y[i]) ** 2;
      }, 0);
  const least = minimize(finiteDifferences(misfitAt(0), Float64Array.of(8, 0.06, 0.12, 0.5)), bfgs()).f;

  it.each([1e4, 2_459_000, 1.7e9])('is found at %d as at 0', (origin) => {
    const problem = finiteDifferences(misfitAt(origin), Float64Array.of(8, origin + 0.06, 0.12, 0.5));
    expect(minimize(problem, bfgs()).f / least).toBeCloseTo(1, 8);
  });
});
