import { describe, expect, it } from 'vitest';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { layoutOf } from '../../src/core/layout.ts';
import { minimize, minimizeAsync } from '../../src/core/minimize.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { checkResidualCount, readOnly } from '../../src/core/start.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { Progress } from '../../src/core/solveOptions.ts';
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

  /** ‖x‖²/2 from ones, n of them. */
  const bowl = (n: number): Problem => ({
    p0: new Float64Array(n).fill(1),
    fg: (x, gradient) => (gradient?.set(x), x.reduce((sum, value) => sum + (value * value) / 2, 0)),
  });

  /** A callback that keeps each argument, and a copy of its x if it reads that. */
  function kept(reads: boolean) {
    const all: { progress: Progress; x: Float64Array | null }[] = [];
    const callback = (progress: Progress) =>
      void all.push({ progress, x: reads ? progress.x.slice() : null });
    return { all, callback };
  }

  it.each([1, 8])('x of %i unknowns may be kept by a callback, read or not', (n) => {
    const { all, callback } = kept(false);
    const { trace } = minimize(bowl(n), lbfgs(), { callback });
    expect(all.length).toBe(trace.length);
    expect(all.length).toBeGreaterThan(1);
    for (const [k, { progress }] of all.entries()) {
      expect(bowl(n).fg(progress.x, null)).toBe(trace[k].f);
      expect(progress.x).toBe(progress.x);
      // Its memory is no part of anything larger.
      expect(progress.x.buffer.byteLength).toBe(8 * n);
    }
  });

  it('a longer x is a copy where the callback reads it', () => {
    const { all, callback } = kept(true);
    minimize(bowl(9), lbfgs(), { callback });
    expect(all.length).toBeGreaterThan(1);
    for (const { progress, x } of all) expect(progress.x).toEqual(x);
  });

  it('a longer x that the callback did not read is refused afterwards', () => {
    const { all, callback } = kept(false);
    minimize(bowl(9), lbfgs(), { callback });
    expect(all.length).toBeGreaterThan(1);
    for (const [k, { progress }] of all.entries()) {
      expect(Object.keys(progress)).toContain('x');
      const read = () => progress.x;
      expect(read).toThrow(RangeError);
      expect(read).toThrow(
        `minimize: x of iteration ${k} was read after its callback had returned; the solver has since written other points there. Read x inside the callback, where it is a copy.`,
      );
    }
  });

  it('a longer x can be read until the promise of the callback is settled, fulfilled or not', async () => {
    const problem = bowl(3000);
    const all: Progress[] = [];
    const values: number[] = [];
    const { trace } = await minimizeAsync(problem, lbfgs(), {
      async callback(progress) {
        all.push(progress);
        await Promise.resolve();
        if (progress.iteration === 1) values.push(problem.fg(progress.x, null));
      },
    });
    expect(values).toEqual([trace[1].f]);
    expect(() => all[0].x).toThrow(/minimizeAsync: x of iteration 0 was read after/);
    expect(() => all[1].x).not.toThrow();
    const failing = minimizeAsync(problem, lbfgs(), {
      async callback(progress) {
        all.push(progress);
        throw new Error('none of mine');
      },
    });
    await expect(failing).rejects.toThrow('none of mine');
    expect(() => all.at(-1)?.x).toThrow(/was read after/);
  });

  /** Calls back with points whose f is the number of the call; the callback writes into x at one of them. */
  const noticed = (n: number, at: number): string => {
    let calls = 0;
    const told = readOnly('here', ({ x }) => {
      calls++;
      if (calls === at) x[n - 1] = 5;
    });
    const x = new Float64Array(n).fill(1);
    for (let k = 0; k < 70; k++) {
      try {
        void told({ x, iteration: k } as never);
      } catch (error) {
        return `${calls}: ${String(error)}`;
      }
    }
    return 'nothing';
  };

  it.each([3, 8, 9, 3000])('a callback that writes into x, of %i elements, is refused', (n) => {
    // At the first four calls, and at those that are a power of 2.
    for (const at of [1, 2, 3, 4, 8, 16, 64]) {
      expect(noticed(n, at)).toBe(
        `${at}: TypeError: here: callback wrote into x (element ${n - 1} was 1 and is 5); it must only read x. Work on a copy, x.slice().`,
      );
    }
    for (const at of [5, 6, 7, 9, 12, 63, 65]) expect(noticed(n, at)).toBe('nothing');
  });

  it('a callback may read an x with NaN, or none at all', () => {
    const x = Float64Array.of(NaN, 1);
    expect(readOnly('here', ({ x }) => x[1] === 1)({ x } as never)).toBe(true);
    expect(readOnly('here', () => true)({ x: new Float64Array(3000) } as never)).toBe(true);
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
