import { describe, expect, it } from 'vitest';
import { standstill } from '../../../src/solvers/leastSquares/standstill.ts';
import type { LevenbergMarquardtState } from '../../../src/solvers/leastSquares/state.ts';

const stateWith = (change: Partial<LevenbergMarquardtState> = {}) =>
  ({
    damping: 5,
    first: 0.25,
    radius: 7,
    firstRadius: 0,
    byRadius: true,
    growth: 16,
    obstacle: '',
    ...change,
  }) as LevenbergMarquardtState;

describe('a standstill', () => {
  it('leaves the damping of the start', () => {
    const state = stateWith();
    expect(standstill(state, 'precisionFloor')).toEqual({ kind: 'failed', termination: 'precisionFloor' });
    expect(state).toMatchObject({ damping: 0.25, radius: 0, byRadius: false, growth: 2 });
  });

  it('leaves the radius of the start, where there was one, although steps had left it', () => {
    const state = stateWith({ firstRadius: 3, byRadius: false });
    standstill(state, 'lineSearchFailed');
    expect(state).toMatchObject({ radius: 3, byRadius: true });
  });

  it('has the reason given as its cause: f falls', () => {
    expect(standstill(stateWith(), 'lineSearchFailed', 'The units differ.')).toEqual({
      kind: 'failed',
      termination: 'lineSearchFailed',
      cause: 'The units differ.',
      falls: true,
    });
  });

  it('has a place without values as its cause before any other, and once', () => {
    const state = stateWith({ obstacle: 'Residual 3 is NaN.' });
    const cause = 'Residual 3 is NaN. Bounds that keep x away from there may help.';
    expect(standstill(state, 'lineSearchFailed')).toEqual({
      kind: 'failed',
      termination: 'lineSearchFailed',
      cause,
    });
    expect(state.obstacle).toBe('');
    expect(standstill(stateWith({ obstacle: 'Residual 3 is NaN.' }), 'precisionFloor', 'x')).toMatchObject({
      cause,
      falls: true,
    });
  });
});
