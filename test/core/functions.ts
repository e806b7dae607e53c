import type { Problem } from '../../src/core/problem.ts';

/** A type whose members are all present and defined. */
export type Full<T> = { [Name in keyof T]-?: NonNullable<T[Name]> };

/** Rosenbrock's function from its usual start; minimum 0 at (1, 1). */
export function rosenbrock(): Problem {
  return {
    p0: Float64Array.of(-1.2, 1),
    fg([x, y], gradient) {
      gradient?.set([-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)]);
      return (1 - x) ** 2 + 100 * (y - x * x) ** 2;
    },
  };
}

/** ½ Σ cᵢ(xᵢ − 1)² from 0. */
export function quadratic(curvatures: readonly number[]): Problem {
  return {
    p0: new Float64Array(curvatures.length),
    fg(x, gradient) {
      let f = 0;
      curvatures.forEach((c, i) => {
        const d = x[i] - 1;
        f += 0.5 * c * d * d;
        if (gradient) gradient[i] = c * d;
      });
      return f;
    },
  };
}
