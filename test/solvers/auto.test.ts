import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  adam,
  auto,
  bfgs,
  lbfgs,
  layoutOf,
  minimize,
  minimizeAsync,
  soap,
  vectorParams,
  warmup,
  type Problem,
} from 'quasi-newton';
import { started, stepFrom } from './walk.ts';

const bowlOf = (n: number): Problem => ({
  p0: Float64Array.from({ length: n }, (_, i) => Math.cos(i)),
  fg(x, gradient) {
    gradient?.set(x.map((value, i) => (1 + (i % 5)) * value));
    return x.reduce((sum, value, i) => sum + ((1 + (i % 5)) * value ** 2) / 2, 0);
  },
});

describe('auto', () => {
  it('takes the very steps of the solver that it names', () => {
    for (const n of [3, 1000]) {
      const problem = bowlOf(n);
      const solver = auto();
      const chosen = solver.describe(n).startsWith('BFGS') ? bfgs() : lbfgs();
      expect(solver.describe(n)).toBe(`${chosen.describe(n)}, chosen for n = ${n}`);
      const [state, other] = [started(solver, problem), started(chosen, problem)];
      const [out, expected] = [new Float64Array(n), new Float64Array(n)];
      for (let k = 0; k < 3; k++) {
        expect(stepFrom(solver, state, problem).x).toEqual(stepFrom(chosen, other, problem).x);
      }
      solver.direction?.(state, out);
      chosen.direction?.(other, expected);
      expect(out).toEqual(expected);
      expect(out.some((value) => value !== 0)).toBe(true);
    }
  });

  it('is dense for few unknowns, limited-memory for many, and says what holds of both', () => {
    expect(auto().describe(2)).toMatch(/^BFGS/);
    expect(auto().describe(1e5)).toMatch(/^L-BFGS/);
    expect(auto()).toMatchObject({ name: 'auto', descends: true, leavesPoint: true, anyScale: true });
  });

  it('is dense up to 2000 unknowns', () => {
    expect(auto().describe(2000)).toMatch(/^BFGS/);
    expect(auto().describe(2001)).toMatch(/^L-BFGS/);
    const text = (page: string): string =>
      readFileSync(new URL(`../../${page}`, import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');
    expect(text('README.md')).toContain('uses BFGS up to 2000 parameters, L-BFGS above');
    expect(text('docs/troubleshooting.md')).toContain('`auto()` switches to L-BFGS above 2,000.');
    expect(text('docs/how-to-choose.md')).toContain('up to 2000 unknowns and [`lbfgs`]');
    expect(text('docs/getting-started.md')).toContain('2000 unknowns, `lbfgs()` above');
  });

  it('has a point of its own only where its solver has', () => {
    const state = started(auto(), bowlOf(3));
    expect(auto().answer?.(state, new Float64Array(3))).toBe(false);
  });

  const gram = { jacobianGram: true, jacobianProducts: true };
  it.each<[boolean, number, number, object]>([
    // At most 5e8 multiplications mn·min(m, n).
    [true, 500, 2000, {}],
    [false, 500, 2001, {}],
    [true, 2000, 500, {}],
    [false, 2001, 500, {}],
    [false, 3, 0, {}],
    [false, 3, 4, { stochastic: true }],
    // At most 5e8 for a factor of JJᵀ, m³/6, where m ≤ n.
    [true, 1e6, 1442, gram],
    [false, 1e6, 1443, gram],
    [true, 1000, 1000, gram],
    [false, 1000, 1001, gram],
    [false, 1e6, 1442, { jacobianGram: true }],
    [false, 1e6, 1442, { jacobianProducts: true }],
  ])('takes Levenberg–Marquardt: %s, for %d unknowns and %d residuals, %j', (isSquares, n, m, more) => {
    const asked = auto().asksBesides?.({ n, precision: 'float64', residualCount: m, ...more });
    expect(asked).toBe(isSquares ? 'residuals and their Jacobian' : undefined);
  });

  describe('on mini-batches', () => {
    /** A matrix fitted to samples, two batches in turn. */
    const batches = (): Problem => {
      let batch = 0;
      const target = Float64Array.from({ length: 12 }, (_, i) => Math.sin(i));
      return {
        p0: new Float64Array(12),
        params: vectorParams(new Float64Array(12), layoutOf([{ name: 'w', shape: [3, 4] }])),
        nextBatch: () => void batch++,
        fg(x, gradient) {
          const shift = batch % 2 === 0 ? 0.02 : -0.02;
          gradient?.set(x.map((value, i) => (1 + (i % 4)) * (value - target[i] - shift)));
          return x.reduce((sum, v, i) => sum + ((1 + (i % 4)) * (v - target[i] - shift) ** 2) / 2, 0);
        },
      };
    };
    const limits = { maxIterations: 400, gtol: 0 };

    it('is schedule-free SOAP, step by step', async () => {
      const own = soap({ learningRate: warmup({ steps: 20, after: 0.01 }), scheduleFree: true });
      const [a, b] = [minimize(batches(), auto(), limits), minimize(batches(), own, limits)];
      expect([a.x, a.f, a.evaluations]).toEqual([b.x, b.f, b.evaluations]);
      expect(a.trace.map(({ f }) => f)).toEqual(b.trace.map(({ f }) => f));
      expect(a.method).toBe('schedule-free SOAP (learning rate 0.01), chosen for mini-batches');
      const problem = batches();
      const later = { ...problem, fg: async (x: Float64Array, g: Float64Array | null) => problem.fg(x, g) };
      expect((await minimizeAsync(later, auto(), limits)).x).toEqual(a.x);
    });

    it('leaves the point where a step begins as it was, and has no direction', () => {
      const solver = auto();
      const problem = batches();
      const state = started(solver, problem, { stochastic: true });
      const { x } = state;
      stepFrom(solver, state, problem);
      expect(x).toEqual(problem.p0);
      expect(state.x).not.toEqual(problem.p0);
      const out = new Float64Array(12);
      solver.direction?.(state, out);
      expect(out).toEqual(new Float64Array(12));
    });

    it('within bounds is schedule-free Adam, step by step', () => {
      const rate = warmup({ steps: 20, after: 0.01 });
      const own = adam({ learningRate: rate, scheduleFree: true, lower: -0.3, upper: 0.4 });
      const bounded = { ...limits, lower: -0.3, upper: 0.4 };
      const [a, b] = [minimize(batches(), auto(), bounded), minimize(batches(), own, limits)];
      expect(a.x).toEqual(b.x);
      expect(a.trace.map(({ f }) => f)).toEqual(b.trace.map(({ f }) => f));
      expect(a.method).toBe('schedule-free Adam (learning rate 0.01), chosen for mini-batches');
    });

    it('comes near the minimum of the mean over all batches', () => {
      const { x } = minimize(batches(), auto(), limits);
      expect(Math.max(...x.map((value, i) => Math.abs(value - Math.sin(i))))).toBeLessThan(0.05);
    });

    it('keeps the last finite point where a batch has no finite loss', () => {
      const problem = batches();
      let count = 0;
      const fg: Problem['fg'] = (x, gradient) => {
        const f = problem.fg(x, gradient);
        return ++count === 30 ? NaN : f;
      };
      const { termination, x, f } = minimize({ ...problem, fg }, auto(), limits);
      expect(termination).toBe('nonFinite');
      expect(x.every(Number.isFinite) && Number.isFinite(f)).toBe(true);
    });
  });

  it('has the bounds of the solve, and takes them once', () => {
    const bounded = auto().withBounds?.('here', 1, [2, 3]);
    const box = bounded?.bounds?.({ n: 2, precision: 'float64' });
    expect([0, 1].map((i) => [box?.lower(i), box?.upper(i)])).toEqual([
      [1, 2],
      [1, 3],
    ]);
    expect(() => bounded?.withBounds?.('there', 0, 4)).toThrow(
      'there: lower and upper: auto() has bounds of its own; give them in one of the two places.',
    );
  });

  it('refuses options, which belong to the solvers that it chooses from', () => {
    const given = auto as (options: object) => unknown;
    expect(() => given({ lower: 3 })).toThrow(/auto: takes no options; give them to bfgs/);
  });
});
