import { describe, expect, it } from 'vitest';
import { growNoise, noNoise, observeStep, slackOf } from '../../src/solvers/noise.ts';

/** A point with f and Σ|xᵢ∂ᵢf| of these. */
function at(f: number, added = 0, { rounded = false, stochastic = false } = {}) {
  const [x, gradient] = [Float64Array.of(2, -1), Float64Array.of(added / 4, added / 2)];
  return { x, gradient, f, rounded, stochastic, noise: noNoise() };
}

describe('the noise that a search allows for', () => {
  it('is four units in the last place of f in float64, and eight in float32', () => {
    expect(slackOf(at(5))).toBe(5 * 2 ** -50);
    expect(slackOf(at(-5))).toBe(5 * 2 ** -50);
    expect(slackOf(at(5, 0, { rounded: true }))).toBe(5 * 2 ** -20);
    expect(slackOf(at(0, 9))).toBe(0);
  });

  it('grows tenfold at a failure: five times in float64, twice in float32', () => {
    for (const rounded of [true, false]) {
      const state = at(5, 0, { rounded });
      const unit = 5 * (rounded ? 2 ** -20 : 2 ** -50);
      for (let k = 1; k <= (rounded ? 2 : 5); k++) {
        expect(growNoise(state)).toBe(true);
        expect(slackOf(state)).toBe(unit * 10 ** k);
      }
      expect(growNoise(state)).toBe(false);
      expect(slackOf(state)).toBe(unit * 10 ** (rounded ? 2 : 5));
    }
  });

  it('once grown counts what x adds to f too, up to the largest |f| that was met', () => {
    const state = at(5, 80);
    state.noise.highest = 30;
    expect(slackOf(state)).toBe(5 * 2 ** -50);
    growNoise(state);
    expect(slackOf(state)).toBe(300 * 2 ** -50);
    state.noise.highest = 1000;
    expect(slackOf(state)).toBe(800 * 2 ** -50);
    state.noise.highest = 0;
    expect(slackOf(state)).toBe(50 * 2 ** -50);
  });

  it('is used up by earlier rises, which keeps f near its lowest value', () => {
    const unit = 2 ** -50;
    const state = at(1 + unit / 2);
    state.noise.lowest = 1;
    expect(slackOf(state)).toBeCloseTo(unit / 2, 20);
    expect(slackOf({ ...state, f: 1 + 4 * unit })).toBe(0);
    expect(slackOf({ ...state, f: 0.5 })).toBe(0.5 * unit);
    // Of mini-batches each has all of it.
    expect(slackOf({ ...state, f: 1 + 4 * unit, stochastic: true })).toBeCloseTo(unit, 20);
  });

  it('knows the least f that a step began or ended at', () => {
    const state = at(5);
    observeStep(state, 7);
    expect(state.noise.lowest).toBe(5);
    observeStep({ ...state, f: 7 }, 3);
    expect(state.noise.lowest).toBe(3);
    observeStep({ ...state, f: 6 }, 4);
    expect(state.noise.lowest).toBe(3);
  });

  it('returns to its unit where a step lowers f by more than ten times the allowance', () => {
    const allowance = 1024 * 10 * 2 ** -50;
    for (const [fall, growths] of [
      [10 * allowance * 0.99, 1],
      [10 * allowance * 1.01, 0],
    ]) {
      const state = at(1024);
      growNoise(state);
      observeStep(state, 1024 - fall);
      expect(state.noise.growths).toBe(growths);
    }
  });
});
