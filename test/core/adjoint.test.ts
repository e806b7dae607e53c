import { describe, expect, it } from 'vitest';
import { adjointFault, checkAdjoint } from '../../src/core/adjoint.ts';
import { uniform } from '../../bench/problems/random.js';

const product = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);
const norm = (a: ArrayLike<number>) => Math.sqrt(product(a, a));

/** Random products with one matrix, of which Jv is then wrong by a multiple of u. */
function pair(seed: number) {
  const random = uniform(seed);
  const signed = (n: number, size = 1) => Float64Array.from({ length: n }, () => size * (2 * random() - 1));
  const [n, m] = [1 + Math.floor(5 * random()), 1 + Math.floor(5 * random())];
  const [v, u] = [signed(n, 10 ** (4 * random() - 2)), signed(m, 10 ** (4 * random() - 2))];
  const J = Array.from({ length: m }, () => signed(n));
  const pushed = Float64Array.from(J, (row) => product(row, v));
  const pulled = v.map((_, j) => J.reduce((sum, row, i) => sum + row[j] * u[i], 0));
  return { u, v, pushed, pulled };
}

describe('products with one Jacobian', () => {
  it.each([
    ['float64', 1e-6],
    ['float32', 1e-3],
  ] as const)('agree in %s to %d of the largest of their sizes', (precision, tolerance) => {
    for (let seed = 1; seed < 300; seed++) {
      const { u, v, pushed, pulled } = pair(seed);
      const own = Math.max(norm(u) * norm(pushed), norm(v) * norm(pulled));
      // The size that is given is the largest, or smaller than the others.
      const size = [0, 0.1 * own, 20 * own][seed % 3];
      const scale = Math.max(size, own);
      for (const sign of [1, -1]) {
        for (const [part, isWrong] of [
          [0.9, false],
          [1.1, true],
        ] as const) {
          // uᵀ(Jv) is off by this part of what is allowed.
          const by = (sign * part * tolerance * scale) / product(u, u);
          const fault = adjointFault(
            { u, v, pushed: pushed.map((value, i) => value + by * u[i]), pulled },
            size,
            precision,
          );
          expect(fault !== null).toBe(isWrong);
        }
      }
      expect(adjointFault({ u, v, pushed, pulled }, size, precision)).toBeNull();
    }
  });

  const wrong = {
    u: Float64Array.of(1, 2),
    v: Float64Array.of(3),
    pushed: Float64Array.of(1, 1),
    pulled: Float64Array.of(2),
  };
  const fault =
    'jacobianVector and vectorJacobian are not products with one Jacobian: for the same u and v, uᵀ(Jv) is 3.000000 and (Jᵀu)ᵀv 6.000000';

  it('that contradict each other are named with both numbers, and what to do', () => {
    expect(adjointFault(wrong, 0, 'float64')).toBe(fault);
    const check = () => checkAdjoint(wrong, 0, 'float64');
    expect(check).toThrow(TypeError);
    expect(check).toThrow(
      `${fault}. Correct them: checkJacobian(problem) names the elements that are wrong. A problem made by { ...problem, residuals } keeps the products of the old one.`,
    );
    expect(() => checkAdjoint({ ...wrong, pulled: Float64Array.of(1) }, 0, 'float64')).not.toThrow();
  });

  it('are not judged where they are not finite', () => {
    for (const value of [NaN, Infinity]) {
      expect(adjointFault({ ...wrong, pushed: Float64Array.of(value, 1) }, 0, 'float64')).toBeNull();
      expect(adjointFault({ ...wrong, pulled: Float64Array.of(value) }, 0, 'float64')).toBeNull();
    }
  });
});
