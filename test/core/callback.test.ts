import { describe, expect, it } from 'vitest';
import { lbfgs } from '../../src/solvers/lbfgs.ts';
import { minimize, minimizeAsync } from '../../src/core/minimize.ts';
import { readOnly } from '../../src/core/callback.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { Progress } from '../../src/core/solveOptions.ts';

describe('a callback', () => {
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

  it('may spread its argument: x is among its own properties', () => {
    for (const n of [2, 9]) {
      const spread: Progress[] = [];
      const points: Float64Array[] = [];
      minimize(bowl(n), lbfgs(), {
        callback(progress) {
          spread.push({ ...progress });
          points.push(progress.x.slice());
        },
      });
      expect(spread.map(({ x }) => x)).toEqual(points);
      expect(Object.keys(spread[0]).sort()).toEqual(
        ['alpha', 'elapsed', 'evaluations', 'f', 'gradientNorm', 'iteration', 'state', 'x'].sort(),
      );
    }
  });
});
