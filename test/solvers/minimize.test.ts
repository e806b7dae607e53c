/** The default solver of `minimize`, and the same function without one. */
import { auto, bfgs, lbfgs, leastSquares, minimize, minimizeAsync } from 'quasi-newton';
import * as core from 'quasi-newton/core';
import { describe, expect, it } from 'vitest';
import { rosenbrock } from '../core/functions.ts';

/** A result as a report and plain data, without its times. */
const timeless = (result: ReturnType<typeof minimize>) => ({
  ...result,
  elapsed: 0,
  trace: result.trace.map((entry) => ({ ...entry, elapsed: 0 })),
});

describe('minimize without a solver', () => {
  it('does what auto() does, step by step', async () => {
    const chosen = timeless(minimize(rosenbrock()));
    expect(chosen).toEqual(timeless(minimize(rosenbrock(), auto())));
    expect(chosen.method).toMatch(/^BFGS .*chosen for n = 2$/);
    expect(timeless(await minimizeAsync(rosenbrock()))).toEqual(chosen);
  });

  it('takes options third', () => {
    const { iterations, termination } = minimize(rosenbrock(), undefined, { maxIterations: 3 });
    expect({ iterations, termination }).toEqual({ iterations: 3, termination: 'maxIterations' });
  });

  it('solves a sum of squares by Levenberg–Marquardt', () => {
    const squares = leastSquares({
      p0: Float64Array.of(-1.2, 1),
      residualCount: 2,
      residuals: ([x, y], out) => out.set([10 * (y - x * x), 1 - x]),
    });
    const result = minimize(squares);
    expect(result.method).toMatch(/^Levenberg–Marquardt.*chosen for a sum of squares$/);
    expect(result.x[0]).toBeCloseTo(1, 8);
  });

  it('refuses null in its place in the name of the function called', async () => {
    await expect(minimizeAsync(rosenbrock(), null as never)).rejects.toThrow(
      /^minimizeAsync: solver must be a solver/,
    );
  });

  it('refuses null and options in its place', () => {
    for (const given of [null, { maxIterations: 3 }, lbfgs] as never[]) {
      expect(() => minimize(rosenbrock(), given)).toThrow(
        /^minimize: solver must be a solver such as lbfgs\(\), bfgs\(\) or auto\(\), got /,
      );
    }
  });
});

describe('minimize of quasi-newton/core', () => {
  it('is the same function with a solver', async () => {
    const here = timeless(core.minimize(rosenbrock(), bfgs()));
    expect(here).toEqual(timeless(minimize(rosenbrock(), bfgs())));
    expect(timeless(await core.minimizeAsync(rosenbrock(), bfgs()))).toEqual(here);
  });

  it('has no default', () => {
    // @ts-expect-error the solver is missing
    expect(() => core.minimize(rosenbrock())).toThrow(
      /solver must be a solver.*minimize\(problem, auto\(\), options\)/,
    );
  });
});
