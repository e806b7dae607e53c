import { describe, expect, it } from 'vitest';
import { bestPoint } from '../../src/core/best.ts';
import { lbfgs } from '../../src/solvers/lbfgs.ts';

const measured = { f: 3, gradientNorm: 4 };

describe('the best point', () => {
  it('begins with a copy of the start, where f is not known', () => {
    const p0 = Float64Array.of(1, 2);
    const best = bestPoint(p0, lbfgs());
    expect(best).toMatchObject({ x: p0, f: Infinity, gradientNorm: Infinity });
    expect(best.x).not.toBe(p0);
  });

  it('the best point of a solver that does not reuse its points is the iterate itself, until it is copied', () => {
    const best = bestPoint(Float64Array.of(1, 2), { ...lbfgs(), leavesPoint: true });
    const copy = best.x;
    const x = Float64Array.of(5, 6);
    best.keep(x, measured);
    expect(best).toMatchObject(measured);
    expect(best.x).toBe(x);
    best.secure();
    expect(best.x).toBe(copy);
    x.fill(0);
    expect([...best.x]).toEqual([5, 6]);
    best.secure();
    expect([...best.x]).toEqual([5, 6]);
  });

  it.each([false, undefined])(
    'the best point of a solver that moves its points is a copy: leavesPoint %s',
    (leavesPoint) => {
      const { leavesPoint: _default, ...plain } = lbfgs();
      const best = bestPoint(
        Float64Array.of(1, 2),
        leavesPoint === undefined ? plain : { ...plain, leavesPoint },
      );
      const x = Float64Array.of(5, 6);
      best.keep(x, measured);
      x.fill(0);
      expect([...best.x]).toEqual([5, 6]);
    },
  );
});
