import { describe, expect, it } from 'vitest';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { layoutOf } from '../../src/core/layout.ts';
import { minimize, minimizeAsync } from '../../src/core/minimize.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { checkResidualCount } from '../../src/core/start.ts';
import type { Problem } from '../../src/core/problem.ts';
import { rosenbrock } from './functions.ts';

/** A problem whose values at the start are these. */
const giving = (f: unknown, gradient: number[] = [1, 1]): Problem => ({
  p0: Float64Array.of(1, 2),
  fg: (_x, out) => (out?.set(gradient), f as number),
});

describe('a start is refused with advice', () => {
  it.each<[string, Problem]>([
    [
      'minimize: p0 must be a Float64Array, got Array(1); Float64Array.from(p0) makes one.',
      { ...rosenbrock(), p0: [1] as never },
    ],
    ['minimize: p0 is empty; there is nothing to optimi', { ...rosenbrock(), p0: new Float64Array(0) }],
    [
      'minimize: p0[1] is Infinity; every element must be finite.',
      { ...rosenbrock(), p0: Float64Array.of(1, Infinity) },
    ],
    ['minimize: f(p0) is Infinity; start where the objective is finite.', giving(Infinity)],
    [
      'minimize: f(p0) is NaN; start where the objective is finite, and look for NaN among the data.',
      giving(NaN),
    ],
    ['fg must return a number, got undefined.', giving(undefined)],
    ['fg must return a number, got 1n.', giving(1n)],
    ['fg must return a number, got Array(2); set the elements of gradient.', giving([1, [2]])],
    [
      'minimize: element 1 of the gradient at p0 is Infinity; start where it is finite.',
      giving(1, [0, Infinity]),
    ],
    [
      'minimize: element 0 of the gradient at p0 is NaN; fg must set every element of gradient (not add to it); start where they are finite.',
      giving(1, [NaN, Infinity]),
    ],
    [
      'minimize: element 0 of the gradient at p0 is NaN; fg must set every element of gradient (not add to it); start where they are finite. Without a gradient of your own, minimize finiteDifferences(f, p0).',
      { ...rosenbrock(), fg: () => 1 },
    ],
  ])('a start is refused with advice: %s', (message, problem) => {
    expect(() => minimize(problem, lbfgs())).toThrow(message);
  });

  it('only a gradient of which nothing is set is told how to do without', () => {
    const start = () => minimize(giving(1, [1, NaN]), lbfgs());
    expect(start).toThrow(RangeError);
    expect(start).toThrow(/element 1 of the gradient at p0 is NaN; .*start where they are finite\.$/);
  });

  it.each([0, 1.5, -1, NaN, '3', undefined])('a number of residuals that is %o is refused', (m) => {
    expect(() => checkResidualCount('here', m)).toThrow(RangeError);
    expect(() => checkResidualCount('here', m)).toThrow(
      /^here: residualCount must be a whole number ≥ 1, got /,
    );
    expect(() => [1, 2].forEach((count) => checkResidualCount('here', count))).not.toThrow();
  });

  it('elements that are not finite are named with their tensor', () => {
    const params = vectorParams(
      Float64Array.of(1, 2, 3),
      layoutOf([
        { name: 'a', shape: [2] },
        { name: 'b', shape: [1] },
      ]),
    );
    const at = (p0: number[], gradient: number[]): Problem => ({
      p0: Float64Array.from(p0),
      params,
      fg: (_x, out) => (out?.set(gradient), 1),
    });
    expect(() => minimize(at([NaN, 2, 3], [1, 1, 1]), lbfgs())).toThrow(
      'minimize: p0[0] (of "a") is NaN; every element must be finite.',
    );
    expect(() => minimize(at([1, 2, 3], [1, 1, Infinity]), lbfgs())).toThrow(
      'minimize: element 2 (of "b") of the gradient at p0 is Infinity; start where it is finite.',
    );
  });

  it('an objective that writes into x is refused, with the element and its two values', () => {
    const problem: Problem = {
      p0: Float64Array.of(1, 2),
      fg(x, gradient) {
        gradient?.fill(1);
        x[1] = 7;
        return 1;
      },
    };
    expect(() => minimize(problem, lbfgs())).toThrow(
      /fg wrote into x \(element 1 was 2 and is 7\); it must only read x/,
    );
  });

  it.each([undefined, { maxIterations: 3 }])('no solver, or options in its place: %o', (given) => {
    expect(() => minimize(rosenbrock(), given as never)).toThrow(
      / got (undefined|an object with maxIterations)\. minimize\(problem, auto\(\), options\) chooses one\.$/,
    );
  });

  it('values that are not a problem or a solver are refused in the name of the function called', async () => {
    const none = [null, undefined, 3, {}, { p0: Float64Array.of(1) }, { fg: 3 }];
    for (const problem of none as never[]) {
      expect(() => minimize(problem, lbfgs())).toThrow(TypeError);
      expect(() => minimize(problem, lbfgs())).toThrow(
        /^minimize: problem must be an object \{ p0, fg \}, got /,
      );
      await expect(minimizeAsync(problem, lbfgs())).rejects.toThrow(/^minimizeAsync: problem must be/);
    }
    for (const solver of [null, undefined, lbfgs, {}, { step: 1 }] as never[]) {
      expect(() => minimize(rosenbrock(), solver)).toThrow(TypeError);
      expect(() => minimize(rosenbrock(), solver)).toThrow(
        /^minimize: solver must be a solver such as lbfgs\(\), bfgs\(\) or auto\(\), got /,
      );
    }
    // Only options in its place, and nothing, are told what chooses one.
    for (const solver of [null, lbfgs, 3, new Map()] as never[]) {
      expect(() => minimize(rosenbrock(), solver)).toThrow(/, got [^.]*\.$/);
    }
  });
});
