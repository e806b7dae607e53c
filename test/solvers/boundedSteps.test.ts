import { expect, it } from 'vitest';
import { boxesOf } from '../../src/core/bounds.ts';
import { stepsWithin } from '../../src/solvers/boundedSteps.ts';

it.each([
  [false, 0.1],
  [true, Math.fround(0.1)],
])('steps end at the first bound, float32: %s', (rounded, upper) => {
  const { longestStep, project } = stepsWithin(boxesOf('test', [0, -1], [0.1, 2])!);
  // The first element reaches its bound before the second one does, at α = 0.25.
  const state = { x: Float64Array.of(0, 0), direction: Float64Array.of(1, -4), rounded } as never;
  const alpha = longestStep(state);
  expect(alpha).toBeCloseTo(0.1, 7);
  const trial = Float64Array.of(alpha, -4 * alpha);
  project(trial, state, alpha);
  expect(trial[0]).toBeLessThanOrEqual(upper);
  expect(trial[0]).toBeCloseTo(0.1, 7);
  expect(trial[1]).toBe(-4 * alpha);
});
