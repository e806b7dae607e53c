import { describe, expect, it } from 'vitest';
import { connect, connectAsync, landscape, onPlane } from 'quasi-newton/landscape';
import { lbfgs, minimize, type AsyncProblem, type Problem } from 'quasi-newton';
import { vectorParams } from '../../src/core/paramSet.ts';
import { denseNetwork } from './lib/denseNetwork.ts';

/** Two minima at (±1, 0), a hill between them, and a valley around it: the unit circle. */
const ring: Problem = {
  p0: Float64Array.of(1, 0),
  fg([x, y], gradient) {
    const off = x * x + y * y - 1;
    gradient?.set([4 * off * x, 4 * off * y - 0.2]);
    return off ** 2 + 0.2 * (1 - y);
  },
};
const [left, right] = [Float64Array.of(-1, 0), Float64Array.of(1, 0)];

describe('a connection', () => {
  it.each(['bezier', 'polygon'] as const)('goes around a hill: %s', (curve) => {
    const { loss, straight, t, at, highest, highestStraight, bend } = connect(ring, left, right, { curve });
    expect(highestStraight).toBeCloseTo(1.2, 6);
    expect(highest).toBeLessThan(0.45);
    expect(bend[1]).toBeGreaterThan(0.9);
    // Both ends are the models, and the losses are those of the points.
    expect([at(0), at(1)]).toEqual([left, right]);
    t.forEach((s, k) => {
      expect(loss[k]).toBeCloseTo(ring.fg(at(s), null), 12);
      expect(straight[k]).toBeCloseTo(ring.fg(Float64Array.of(2 * s - 1, 0), null), 12);
    });
  });

  it('has as many points as resolution says, from one model to the other', () => {
    const { t, loss, straight, evaluations } = connect(ring, left, right, { resolution: 5 });
    expect(Array.from(t)).toEqual([0, 0.25, 0.5, 0.75, 1]);
    expect([loss.length, straight.length]).toEqual([5, 5]);
    expect(connect(ring, left, right, { resolution: 6 }).evaluations).toBe(evaluations + 2);
  });

  it('has a plane that holds the curve and both models', () => {
    const { plane, t, at } = connect(ring, left, right);
    const around = landscape(ring, { directions: plane, npoints: 5 });
    const path = onPlane(around.plane, Array.from(t, at));
    path.residual.forEach((residual) => expect(residual).toBeLessThan(1e-12));
    expect([path.x.at(-1), path.y.at(-1)]).toEqual([1, 0]);
  });

  it('a connection of two trained networks is much lower than the straight line', () => {
    const trained = [1, 2].map((seed) => {
      const { problem } = denseNetwork({
        sizes: [2, 16, 1],
        activation: 'tanh',
        samples: 30,
        seed: 7,
        float32: false,
      });
      const start = denseNetwork({ sizes: [2, 16, 1], activation: 'tanh', samples: 30, seed, float32: false })
        .problem.p0;
      return { problem, x: minimize({ ...problem, p0: start }, lbfgs(), { maxIterations: 300 }).x };
    });
    const [{ problem, x: a }, { x: b }] = trained;
    const { highest, highestStraight } = connect(problem, a, b, { maxIterations: 300 });
    expect(highest).toBeLessThan(0.2 * highestStraight);
  });

  it('is the same whether the problem answers now or later, and puts the parameters back', async () => {
    const memory = Float64Array.of(3, 4);
    const watched: Problem = {
      ...ring,
      params: vectorParams(memory),
      fg: (x, gradient) => (memory.set(x), ring.fg(x, gradient)),
    };
    const now = connect(watched, left, right, { maxIterations: 20 });
    expect([...memory]).toEqual([3, 4]);
    const later: AsyncProblem = { ...ring, fg: async (x, gradient) => ring.fg(x, gradient) };
    const then = await connectAsync(later, left, right, { maxIterations: 20 });
    expect([then.bend, then.loss]).toEqual([now.bend, now.loss]);
    const aborted = AbortSignal.abort(new Error('enough'));
    expect(() => connect(watched, left, right, { signal: aborted })).toThrow('enough');
  });

  it('names what is wrong', () => {
    expect(() => connect(ring, left, left)).toThrow(/connect: both models are the same/);
    expect(() => connect(ring, left, Float64Array.of(1))).toThrow(/connect: to has length 1; it must be 2/);
    expect(() => connect(ring, left, Float64Array.of(NaN, 0))).toThrow(/to\[0\] is NaN; it must be finite/);
    expect(() => connect(ring, left, right, { curve: 'arc' as never, places: 0 })).toThrow(
      /2 options are wrong/,
    );
    expect(() => connect({} as never, left, right)).toThrow(/connect: needs a problem/);
  });
});
