import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import {
  solveBidiagonal,
  solveNormal,
  squareOfProduct,
  type Bidiagonal,
} from '../../../src/solvers/leastSquares/bidiagonal.ts';

/** Random α and β, and B, `[k + 1, k]`: α on the diagonal, β below. */
function randomBidiagonal(k: number) {
  const random = uniform(k);
  const alpha = Array.from({ length: k + 1 }, () => 0.5 + random());
  const beta = Array.from({ length: k + 1 }, () => 0.5 + random());
  const B = Array.from({ length: k + 1 }, (_, i) =>
    Array.from({ length: k }, (_, j) => (i === j ? alpha[j] : i === j + 1 ? beta[i] : 0)),
  );
  const grown: Bidiagonal = {
    right: Array.from({ length: k }, () => new Float64Array(1)),
    left: new Float64Array(1),
    alpha,
    beta,
  };
  return { B, grown };
}

/** (BᵀB + λI)y */
const damp = (B: number[][], lambda: number, y: ArrayLike<number>): number[] => {
  const product = B.map((row) => row.reduce((sum, b, j) => sum + b * y[j], 0));
  return B[0].map((_, j) => B.reduce((sum, row, i) => sum + row[j] * product[i], lambda * y[j]));
};

describe.each([1, 2, 3, 7])('a bidiagonal matrix of %d columns', (k) => {
  const { B, grown } = randomBidiagonal(k);
  it.each([0, 0.4, 30])('is solved with damping %d: (BᵀB + λI)y = β₁Bᵀe₁', (lambda) => {
    const { y, diagonal, above } = solveBidiagonal(grown, lambda);
    damp(B, lambda, y).forEach((value, j) => expect(value).toBeCloseTo(grown.beta[0] * B[0][j], 12));
    // RᵀR = BᵀB + λI, column by column.
    for (let j = 0; j < k; j++) {
      const unit = Array.from({ length: k }, (_, i) => Number(i === j));
      const Re = unit.map((value, i) => diagonal[i] * value + (i + 1 < k ? above[i] * unit[i + 1] : 0));
      const RtRe = Re.map((value, i) => diagonal[i] * value + (i > 0 ? above[i - 1] * Re[i - 1] : 0));
      damp(B, lambda, unit).forEach((value, i) => expect(RtRe[i]).toBeCloseTo(value, 12));
    }
  });

  it('solves normal equations in place with its R', () => {
    const right = Array.from({ length: k }, (_, i) => Math.sin(3 * i + 1));
    const y = Float64Array.from(right);
    solveNormal(solveBidiagonal(grown, 0.4), y);
    damp(B, 0.4, y).forEach((value, i) => expect(value).toBeCloseTo(right[i], 12));
  });

  it('has ‖By‖²', () => {
    const y = Float64Array.from({ length: k }, (_, i) => Math.cos(2 * i + 1));
    const product = B.map((row) => row.reduce((sum, b, j) => sum + b * y[j], 0));
    expect(squareOfProduct(grown, y)).toBeCloseTo(Math.hypot(...product) ** 2, 12);
  });
});
