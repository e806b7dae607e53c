import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { atFloor, convergenceTests, freshConvergence, noFloor } from '../../src/core/convergence.ts';
import { plainSolveRules, completeSolveOptions } from '../../src/core/solveOptions.ts';
import type { Precision } from '../../src/core/problem.ts';
import type { PlainSolveOptions } from '../../src/core/solveOptions.ts';

// Oracles: each stopping rule from its inequality, over the whole history of a run.

interface Iteration {
  readonly f: number;
  readonly gradientNorm: number;
  readonly moved: number;
  readonly x: readonly number[];
}

const start = { f: 8, gradientNorm: 4 };

function tests(
  options: PlainSolveOptions,
  { descends = false, precision = 'float64' }: { descends?: boolean; precision?: Precision } = {},
) {
  const complete = completeSolveOptions('test', options, plainSolveRules);
  return convergenceTests(complete, freshConvergence(start), Float64Array.of(1), precision, descends);
}

/** What ends a run of these iterations, and at which; null and -1 where none does. */
function endOf(options: PlainSolveOptions, run: readonly Iteration[], before = start.f) {
  const convergence = tests(options);
  for (const [k, { f, gradientNorm, moved, x }] of run.entries()) {
    convergence.observe(before, f, moved, Float64Array.from(x));
    const met = convergence.met(f, gradientNorm);
    if (met !== null) return [met, k];
    before = f;
  }
  return [null, -1];
}

const iteration = (change: Partial<Iteration>): Iteration => ({
  f: 1,
  gradientNorm: 1,
  moved: 1,
  x: [1],
  ...change,
});

describe('the gradient test', () => {
  it('holds from gtol + gRel·‖∇f(x₀)‖∞ down', () => {
    const convergence = tests({ gtol: 0.5, gRel: 0.25 });
    expect(convergence.met(1, 1.5)).toBe('gradientTolerance');
    expect(convergence.met(1, 1.5000001)).toBeNull();
    expect(convergence.met(1, 0)).toBe('gradientTolerance');
    expect(tests({ gtol: 0 }).met(1, 0)).toBe('gradientTolerance');
    expect(tests({ gtol: 0 }).met(1, 1e-300)).toBeNull();
    expect([1e-8, 1.01e-8].map((norm) => tests({}).met(1, norm))).toEqual(['gradientTolerance', null]);
  });
});

describe('the tests of f and x', () => {
  it('hold where the last two iterations changed f by no more than ftol·max(|f|, |f′|)', () => {
    const values = (...fs: number[]) => fs.map((f) => iteration({ f }));
    expect(endOf({ ftol: 0.1 }, values(4, 3.7, 3.5))).toEqual(['functionTolerance', 2]);
    // A rise counts as a fall does, and relative to the larger of both.
    expect(endOf({ ftol: 0.1 }, values(4, 3.6, 4))).toEqual(['functionTolerance', 2]);
    expect(endOf({ ftol: 0.1 }, values(4, 3.6, 4.01))).toEqual([null, -1]);
    // One large change in between begins the count again.
    expect(endOf({ ftol: 0.1 }, values(4, 3.7, 2, 1.9, 1.85))).toEqual(['functionTolerance', 4]);
    expect(endOf({ ftol: 0.1 }, values(-4, -4.2, -4.3))).toEqual(['functionTolerance', 2]);
    expect(endOf({ ftol: 0.1 }, values(0, 0, 0))).toEqual(['functionTolerance', 2]);
    expect(endOf({ ftol: 0.25 }, values(4, 3, 2.25))).toEqual(['functionTolerance', 2]);
    expect(endOf({ ftol: 0 }, values(4, 4, 4, 4))).toEqual([null, -1]);
  });

  it('hold where the last two steps were no longer than xtol·‖x‖∞, and not of length 0', () => {
    const steps = (...moves: number[]) => moves.map((moved) => iteration({ moved, x: [1, -4] }));
    expect(endOf({ xtol: 0.5 }, steps(3, 2, 2))).toEqual(['stepTolerance', 2]);
    expect(endOf({ xtol: 0.5 }, steps(2, 2.1, 2, 1))).toEqual(['stepTolerance', 3]);
    expect(endOf({ xtol: 0.5 }, steps(2, 0, 2, 0, 2))).toEqual([null, -1]);
    expect(endOf({ xtol: 0 }, steps(1e-300, 1e-300))).toEqual([null, -1]);
    // 5e-324 / 4 rounds to 0.
    expect(endOf({ xtol: 0 }, steps(5e-324, 5e-324, 5e-324))).toEqual([null, -1]);
    const atZero = [0.5, 0.5].map((moved) => iteration({ moved, x: [0] }));
    expect(endOf({ xtol: 0.5 }, atZero)).toEqual(['stepTolerance', 1]);
  });

  it('agree with their inequalities on random runs', () => {
    const numbers = fc.constantFrom(0, 1, 1.05, 1.1, 1.2, 2, -1, -1.05, 4);
    const moves = fc.constantFrom(0, 0.05, 0.1, 0.11, 0.2, 0.4, 0.41, 3);
    const iterations = fc.record({
      f: numbers,
      gradientNorm: fc.constant(1),
      moved: moves,
      x: fc.tuple(numbers, numbers),
    });
    const tolerances = fc.constantFrom(0, 0.05, 0.1);
    fc.assert(
      fc.property(
        fc.array(iterations, { minLength: 2, maxLength: 12 }),
        tolerances,
        tolerances,
        (run, ftol, xtol) => {
          const smallChange = run.map(({ f }, k) => {
            const before = k === 0 ? start.f : run[k - 1].f;
            const size = Math.max(Math.abs(f), Math.abs(before)) || 1;
            return ftol > 0 && Math.abs(f - before) / size <= ftol;
          });
          const smallStep = run.map(({ moved, x }) => {
            const size = Math.max(...x.map(Math.abs)) || 1;
            return xtol > 0 && moved > 0 && moved / size <= xtol;
          });
          let expected: unknown[] = [null, -1];
          for (let k = run.length - 1; k > 0; k--) {
            if (smallStep[k] && smallStep[k - 1]) expected = ['stepTolerance', k];
            if (smallChange[k] && smallChange[k - 1]) expected = ['functionTolerance', k];
          }
          expect(endOf({ ftol, xtol }, run)).toEqual(expected);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('f without a bound', () => {
  it('is one that has fallen below −1e30·max(1, |f(x₀)|)', () => {
    const convergence = tests({});
    expect([-8e30, -8.01e30, -Infinity, 8.01e30].map((f) => convergence.met(f, 1))).toEqual([
      null,
      'unbounded',
      'unbounded',
      null,
    ]);
    const options = completeSolveOptions('test', {}, plainSolveRules);
    const memory = freshConvergence({ f: -0.5, gradientNorm: 1 });
    const small = convergenceTests(options, memory, Float64Array.of(1), 'float64', true);
    expect([-1e30, -1.01e30].map((f) => small.met(f, 1))).toEqual([null, 'unbounded']);
  });

  it.each([
    ['float32', -9e35, -8e37, -9.1e37],
    ['float32', -2e36, -3e37, -Infinity],
    ['float64', -2e299, -1e301, -2.1e301],
  ] as const)(
    'without a lower bound in %s, f that starts at %d may fall to %d, not to %d',
    (precision, f0, allowed, unbounded) => {
      const options = completeSolveOptions('test', {}, plainSolveRules);
      const memory = freshConvergence({ f: f0, gradientNorm: 1 });
      const convergence = convergenceTests(options, memory, Float64Array.of(1), precision, false);
      const ends = [f0, allowed, unbounded].map((f) => convergence.met(f, 1));
      expect(ends).toEqual([null, null, 'unbounded']);
    },
  );
});

describe('the measures', () => {
  it('are what the tests compare, and infinite before the first step', () => {
    const convergence = tests({ gtol: 0.5, gRel: 0.25, ftol: 0.1, xtol: 0.2 });
    expect(convergence.measures(3)).toEqual({
      gradient: { value: 3, tolerance: 1.5 },
      function: { value: Infinity, tolerance: 0.1 },
      step: { value: Infinity, tolerance: 0.2 },
    });
    convergence.observe(8, 6, 3, Float64Array.of(1, -12));
    expect(convergence.measures(2)).toEqual({
      gradient: { value: 2, tolerance: 1.5 },
      function: { value: 0.25, tolerance: 0.1 },
      step: { value: 0.25, tolerance: 0.2 },
    });
    convergence.observe(0, 0, 3, Float64Array.of(0, 0));
    expect(convergence.measures(2)).toMatchObject({ function: { value: 0 }, step: { value: 3 } });
  });
});

it('a point that is looked at twice counts once: where a run ends and another resumes it', () => {
  const memory = freshConvergence(start);
  const complete = completeSolveOptions('test', { gtol: 0 }, plainSolveRules);
  const again = () => convergenceTests(complete, memory, Float64Array.of(1), 'float64', true);
  for (let k = 0; k < 10; k++) {
    expect(again().met(1, 1)).toBeNull();
    expect(again().met(1, 1)).toBeNull();
    again().observe(1, 1, 0.1, Float64Array.of(1));
  }
  expect(again().met(1, 1)).toBe('precisionFloor');
  expect(again().met(1, 1)).toBe('precisionFloor');
});

it('an iteration without progress counts again from 1 once f has been shown to fall further', () => {
  const convergence = tests({ gtol: 0 }, { descends: true });
  const meets = (f: number, norm: number) => {
    convergence.observe(f, f, 0.1, Float64Array.of(1));
    return convergence.met(f, norm);
  };
  for (let k = 0; k < 10; k++) expect(meets(1, 1)).toBeNull();
  expect(meets(1, 1)).toBe('precisionFloor');
  convergence.goOn();
  // The same point counts once; neither the earlier f nor the earlier gradient counts any more.
  expect(convergence.met(1, 1)).toBe(null);
  const ends = Array.from({ length: 11 }, () => meets(2, 5));
  expect(ends.indexOf('precisionFloor')).toBe(10);
});

describe('the floor of f', () => {
  /** Whether each of these pairs of f and ‖∇f‖ is at the floor. */
  const floors = (precision: Precision, ...run: [number, number][]) => {
    const floor = noFloor();
    return run.map(([f, norm]) => atFloor(floor, precision, f, norm));
  };
  const still = (count: number, f = 1, norm = 1) =>
    Array.from({ length: count }, (): [number, number] => [f, norm]);

  it('is reached after ten iterations without gain', () => {
    expect(floors('float64', ...still(12))).toEqual([...Array(10).fill(false), true, true]);
    expect(floors('float64', ...still(1), ...still(10, 2, 1)).at(-1)).toBe(true);
  });

  it.each<[Precision, number]>([
    ['float64', 2 ** -52],
    ['float32', 2 ** -23],
  ])('the floor of f in %s is where f falls by no more than its rounding', (precision, epsilon) => {
    expect(floors(precision, ...still(10, 4), [4 - 4 * epsilon, 1])[10]).toBe(true);
    expect(floors(precision, ...still(10, 4), [4 - 8 * epsilon, 1])[10]).toBe(false);
    expect(floors(precision, ...still(10, -4), [-4 - 4 * epsilon, 1])[10]).toBe(true);
    expect(floors(precision, ...still(10, -4), [-4 - 8 * epsilon, 1])[10]).toBe(false);
  });

  it('is where the smallest gradient has not halved either', () => {
    expect(floors('float64', ...still(10), [1, 0.5])[10]).toBe(true);
    expect(floors('float64', ...still(10), [1, 0.49])[10]).toBe(false);
    // Of the smallest so far, not of the last.
    expect(floors('float64', ...still(4), [1, 0.6], ...still(5), [1, 0.49])[10]).toBe(false);
    expect(floors('float64', [1, 0.6], ...still(9), [1, 0.49])[10]).toBe(true);
  });

  it('is not where f falls, though its gradient overflows', () => {
    const falling = Array.from({ length: 12 }, (_, k): [number, number] => [100 - k, Infinity]);
    expect(floors('float64', ...falling)).not.toContain(true);
  });

  it('is counted from the last gain, and from the lowest f', () => {
    const run = floors('float64', ...still(9), [0.5, 1], ...still(10, 0.5));
    expect(run.indexOf(true)).toBe(19);
    // A halved gradient at a higher f gains, but f is measured by its lowest.
    const mixed = floors('float64', [1, 1], [3, 0.4], ...still(9, 2, 0.4), [1.5, 0.4]);
    expect(mixed.indexOf(true)).toBe(11);
  });

  it('ends runs of solvers that descend, and no others', () => {
    /** What the tests say at twelve points whose f falls by so much from each to the next. */
    const endsOf = (convergence: ReturnType<typeof tests>, fall = 0) =>
      Array.from({ length: 12 }, (_, k) => {
        const f = 1 - k * fall;
        if (k > 0) convergence.observe(f + fall, f, 0.1, Float64Array.of(1));
        return convergence.met(f, 1);
      });
    for (const descends of [true, false]) {
      expect(endsOf(tests({}, { descends })).indexOf('precisionFloor')).toBe(descends ? 10 : -1);
    }
    const float32 = tests({}, { descends: true, precision: 'float32' });
    expect(endsOf(float32, 1e-9).indexOf('precisionFloor')).toBe(10);
    expect(endsOf(tests({}, { descends: true }), 1e-9)).not.toContain('precisionFloor');
  });
});

it.each([
  ['float32', -2e36],
  ['float64', -2e300],
] as const)(
  '%s: an f close to the lowest number is unbounded, however large it was at the start',
  (precision, low) => {
    const start = { f: 1e12, gradientNorm: 1 };
    const options = completeSolveOptions('minimize', {}, plainSolveRules);
    const tests = convergenceTests(options, freshConvergence(start), Float64Array.of(1), precision, true);
    expect(tests.met(low, 1)).toBe('unbounded');
    expect(tests.met(low / 4, 1)).toBe(precision === 'float32' ? null : 'unbounded');
  },
);
