import { describe, expect, it } from 'vitest';
import { limitedMemory, type LimitedMemoryOptions } from '../../src/solvers/limitedMemory.ts';
import { pairRing, placeOver } from '../../src/solvers/pairRing.ts';
import { lineState, type LineState } from '../../src/solvers/searchAlong.ts';
import { difference } from './walk.ts';
import { dot, timesH, type Pair } from './vectors.ts';

/** Long enough for inner products instead of vectors. */
const n = 600;

describe('a place whose arrays become rows', () => {
  it('lies in the memory of rows in float64 with both of its arrays', () => {
    const [ring, other] = [pairRing(n, 3), pairRing(n, 3)];
    const [beside, elsewhere] = [ring.rows, other.rows] as Float64Array[][];
    const inside = { x: beside[0], gradient: beside[1] };
    expect(placeOver(ring, inside)).toBe(inside);
    expect(placeOver(ring, { x: elsewhere[0], gradient: beside[1] })).toBeNull();
    expect(placeOver(ring, { x: beside[0], gradient: elsewhere[1] })).toBeNull();
    expect(placeOver(ring, { x: elsewhere[0], gradient: elsewhere[1] })).toBeNull();
    const single = pairRing(n, 3, 'float32');
    const { buffer } = single.rows[0];
    const shared = { x: new Float64Array(buffer, 0, 2), gradient: new Float64Array(buffer, 0, 2) };
    expect(placeOver(single, shared)).toBeNull();
  });
});

/** A memory of three pairs, with steps downhill along ±sin((k + 1)i) that meet the curvatures 1 to 4, times `sign`. */
function memory(options: LimitedMemoryOptions = {}) {
  const descent = limitedMemory(() => 3, { modifiedSecant: false, ...options });
  const pairs = descent.init({ n, precision: 'float64' });
  const state: LineState = lineState({ n, precision: 'float64' }, () => descent.vector!(pairs));
  state.gradient.forEach((_, i, g) => (g[i] = Math.cos(i)));
  const learned: Pair[] = [];
  const learn = (k: number, sign = 1, leaves = true) => {
    const before = { x: state.x.slice(), gradient: state.gradient.slice() };
    const wave = before.x.map((_, i) => Math.sin((k + 1) * i));
    const side = dot([...wave], before.gradient) > 0 ? -1 : 1;
    const s = wave.map((value) => side * value);
    state.trial.set(before.x.map((value, i) => value + s[i]));
    state.trialGradient.set(before.gradient.map((value, i) => value + sign * (1 + (i % 4)) * s[i]));
    descent.learn(pairs, { ...state, f: 1, trialF: 0, alpha: 1 }, leaves ? state : undefined);
    const y = state.trialGradient.map((value, i) => value - before.gradient[i]);
    if (sign > 0) learned.push({ s: [...s], y: [...y] });
    [state.x, state.trial] = [state.trial, state.x];
    [state.gradient, state.trialGradient] = [state.trialGradient, state.gradient];
  };
  const direction = () => {
    const out = new Float64Array(n);
    descent.apply(pairs, state.gradient, out);
    return out;
  };
  /** ‖p + H∇f‖∞, with H by its recursion from the pairs learned. */
  const error = () => {
    const out = direction();
    const kept = learned.slice(-3);
    const { s, y } = kept[kept.length - 1];
    const expected = timesH(kept, dot(s, y) / dot(y, y), [...state.gradient]);
    return difference(
      [...out].map((value) => -value),
      expected,
    );
  };
  return { descent, pairs, learned, learn, direction, error };
}

describe('long pairs', () => {
  it('give the direction of the recursion, also after one without curvature', () => {
    const { learn, error, pairs } = memory();
    for (const [k, sign] of [1, 1, -1, 1, 1, -1, -1, 1].entries()) {
      learn(k, sign);
      expect(error()).toBeLessThan(1e-10);
    }
    expect(pairs.count).toBe(3);
  });

  it('do so whether the arrays of a step are left to them or used again', () => {
    const { learn, error } = memory();
    for (const [k, leaves] of [true, false, false, true, true, false, true].entries()) {
      learn(k, 1, leaves);
      expect(error()).toBeLessThan(1e-10);
    }
  });

  it.each([{ damping: true }, { selfScaling: true }, { modifiedSecant: true }])(
    'are the same with arrays left to them as without: %o',
    (options) => {
      const [left, kept] = [true, false].map((leaves) => {
        const { learn, direction } = memory(options);
        return [1, 1, -1, 1].flatMap((sign, k) => {
          learn(k, sign, leaves);
          return Array.from(direction());
        });
      });
      expect(difference(left, kept)).toBeLessThan(1e-10);
    },
  );

  it('are forgotten with the sums of the newest', () => {
    const { descent, learn, learned, error, pairs } = memory();
    learn(0);
    learn(1);
    descent.reset(pairs);
    learned.length = 0;
    learn(2);
    expect(error()).toBeLessThan(1e-10);
    expect(pairs.count).toBe(1);
  });
});
