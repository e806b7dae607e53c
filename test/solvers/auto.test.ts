import { describe, expect, it } from 'vitest';
import { auto, bfgs, lbfgs, type Problem } from 'quasi-newton';
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

  it('refuses options, which belong to the solvers that it chooses from', () => {
    const given = auto as (options: object) => unknown;
    expect(() => given({ lower: 3 })).toThrow(/auto: takes no options; give them to bfgs/);
  });
});
