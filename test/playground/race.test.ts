import { bfgs, lbfgs, minimize } from 'quasi-newton';
import { describe, expect, it } from 'vitest';
import { race, racersOf } from '../../playground/race.js';
import { defaults } from '../../playground/settings.js';

const rosenbrock = {
  p0: Float64Array.of(-1.2, 1),
  fg([a, b]: Float64Array, gradient: Float64Array | null): number {
    gradient?.set([-2 * (1 - a) - 400 * a * (b - a * a), 200 * (b - a * a)]);
    return (1 - a) ** 2 + 100 * (b - a * a) ** 2;
  },
};
const settings = { ...defaults(), solvers: ['lbfgs', 'bfgs'] };
const options = (evaluations: number) => ({
  evaluations,
  signal: new AbortController().signal,
  breathe: async () => {},
});

describe('a race of solvers', () => {
  it('brings each to where it comes alone, with as many evaluations', async () => {
    const racers = racersOf(settings);
    await race(rosenbrock, racers, options(25));
    for (const [i, solver] of [lbfgs(), bfgs()].entries()) {
      const alone = minimize(rosenbrock, solver, { maxEvaluations: 25 });
      const { losses, evaluations, points, ending } = racers[i];
      expect(losses).toEqual(alone.trace.map(({ f }) => f));
      expect(evaluations).toEqual(alone.trace.map((entry) => entry.evaluations));
      expect(points[0]).toEqual(rosenbrock.p0);
      expect(rosenbrock.fg(points[points.length - 1], null)).toBe(losses[losses.length - 1]);
      expect(ending).toBe('budget spent');
    }
  });

  it('keeps few points of a long path, more of its beginning, and the last', async () => {
    const far = { ...rosenbrock, p0: Float64Array.of(-30, 900) };
    const [adam] = racersOf({ ...defaults(), solvers: ['adam'] });
    await race(far, [adam], options(3000));
    expect(adam.losses.length).toBeGreaterThan(2900);
    expect(adam.points.length).toBeLessThan(100);
    expect(adam.pointLosses.slice(0, 9)).toEqual(adam.losses.slice(0, 9));
    expect(adam.pointLosses.at(-1)).toBe(adam.losses.at(-1));
    expect(adam.points.length).toBe(adam.pointLosses.length);
  });

  it('ends when it is told to', async () => {
    const controller = new AbortController();
    const racers = racersOf(settings);
    let breaths = 0;
    const breathe = async () => {
      if (++breaths === 5) controller.abort(new Error('enough'));
    };
    const run = race(rosenbrock, racers, { evaluations: 1000, signal: controller.signal, breathe });
    await expect(run).rejects.toThrow('enough');
  });
});
