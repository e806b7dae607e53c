import { describe, expect, it } from 'vitest';
import {
  adam,
  layoutOf,
  minimize,
  runSync,
  soap,
  type Precision,
  type Problem,
  type SoapOptions,
} from 'quasi-newton';
import { uniform } from '../../../bench/problems/random.js';
import { inside } from '../internals.ts';
import type { AdamState } from '../../../src/solvers/adam.ts';
import { clipTo } from '../../../src/solvers/clip.ts';
import { problemOf, startOf, weight } from './oracle.ts';

const problem = problemOf(layoutOf([weight(5, 7), { name: 'b', shape: [5] }]));
const still: Problem = { ...problem, fg: (_x, gradient) => (gradient?.fill(0), 0) };

/** Lengths of steps along gradients of this size, which change; every seventh element is 0. */
function lengths(options: SoapOptions, precision: Precision, size: number, steps = 6): number[] {
  const given = { learningRate: 0.01, ...options };
  const state = startOf(problem, given, precision);
  const solver = soap(given);
  return Array.from({ length: steps }, (_, t) => {
    for (let i = 0; i < 40; i++) state.gradient[i] = i % 7 === 0 ? 0 : size * Math.sin(3 * i + t * (i % 3));
    const outcome = runSync(solver.step(state), still);
    expect(state.x.every(Number.isFinite)).toBe(true);
    return outcome.kind === 'accepted' ? outcome.moved : NaN;
  });
}

describe.each(['float64', 'float32'] as const)('in %s', (precision) => {
  it.each([1e-16, 1e-20, 1e-30, 1e-50, 1e-300])('steps have a bound with an epsilon of %d', (epsilon) => {
    for (const size of [1, 1e-12, 1e-25, 1e-100]) {
      for (const moved of lengths({ epsilon }, precision, size)) expect(moved).toBeLessThan(1);
    }
    expect(lengths({ epsilon }, precision, 1)[0]).toBeGreaterThan(0.005);
  });

  it.each([1 - 1e-9, 1 - 2 ** -52])('decays near 1 count: %d', (beta) => {
    for (const options of [{ beta1: beta }, { beta2: beta }, { beta1: beta, beta2: beta }]) {
      for (const moved of lengths(options, precision, 1)) {
        expect(moved).toBeGreaterThan(0.005);
        expect(moved).toBeLessThan(0.2);
      }
    }
  });

  it('a clipped gradient may have been of any size', () => {
    const expected = lengths({ clipNorm: 0.1, maxSide: 1 }, precision, 1e3);
    for (const size of [1e10, 1e25, 1e160, 1e300]) {
      lengths({ clipNorm: 0.1, maxSide: 1 }, precision, size).forEach((moved, t) => {
        expect(Math.abs(moved - expected[t])).toBeLessThan(1e-6);
      });
      for (const moved of lengths({ clipNorm: 0.1 }, precision, size)) {
        expect(moved).toBeGreaterThan(0.005);
        expect(moved).toBeLessThan(0.1);
      }
    }
    expect(lengths({ clipNorm: 1e200 }, precision, 1e250)).toEqual(Array(6).fill(NaN));
    expect(lengths({ clipNorm: 1e300 }, precision, 1e200)).toEqual(Array(6).fill(NaN));
  });
});

it('Adam, too, clips gradients whose squares overflow', () => {
  const ends = [1e3, 1e200].map((size) => {
    const solver = adam({ learningRate: 0.01, clipNorm: 0.1 });
    const state = solver.init({ n: 3, precision: 'float64' });
    for (let t = 0; t < 5; t++) {
      state.gradient.set([size, -2 * size * Math.cos(t), 0]);
      runSync(solver.step(state), still);
    }
    return state.x;
  });
  ends[0].forEach((value, i) => expect(Math.abs(value - ends[1][i])).toBeLessThan(1e-12));
  expect(ends[0][0]).toBeLessThan(-0.04);
});

describe('gradients whose squares overflow', () => {
  const solvers = {
    adam: (options: object) => adam({ learningRate: 0.1, ...options }),
    soap: (options: object) => soap({ learningRate: 0.1, ...options }),
  };
  /** f = |x|², but for gradients of `size` at one step. */
  const spiked = (size: number, at: number): Problem => {
    let calls = 0;
    return {
      p0: Float64Array.of(3, -2),
      fg(x, gradient) {
        const scale = calls++ === at ? size : 1;
        gradient?.set(x.map((value) => scale * Math.sign(value)));
        return x[0] ** 2 + x[1] ** 2;
      },
    };
  };

  it.each(Object.entries(solvers))('end a run of %s in words', (_name, make) => {
    const result = minimize(spiked(1e200, 3), make({}), { maxIterations: 40 });
    expect(result.termination).toBe('nonFinite');
    expect(result.message).toBe(
      'The gradient has an element of magnitude 1.0e+200, whose square is too large for the second moments. Give a clipNorm, or scale f.',
    );
    expect(result.iterations).toBe(3);
  });

  it.each(Object.entries(solvers))('end no run of %s with clipNorm', (_name, make) => {
    const result = minimize(spiked(1e200, 3), make({ clipNorm: 2 }), { maxIterations: 15 });
    expect(result.termination).toBe('maxIterations');
    expect(result.x[0]).toBeLessThan(2);
  });

  it.each([{}, { amsgrad: true }, { scheduleFree: true }, { clipNorm: 1e200 }])(
    'move nothing in Adam, not its moments either: %j',
    (options) => {
      for (const bad of [2 ** 511, -1e200, Infinity, NaN]) {
        const solver = adam({ learningRate: 0.1, ...options });
        const state = inside<AdamState>(solver.init({ n: 2, precision: 'float64' }));
        state.gradient.set([1, -1]);
        runSync(solver.step(state), still);
        state.gradient.set([bad, 1]);
        const before = structuredClone(state);
        // A limit clips what is finite.
        const outcome = runSync(solver.step(state), still);
        expect(outcome).toMatchObject({ kind: 'failed', termination: 'nonFinite' });
        expect('cause' in outcome).toBe(Number.isFinite(bad));
        expect(state).toEqual({ ...before, skipped: 1 });
        state.gradient.set([1, -1]);
        expect(runSync(solver.step(state), still).kind).toBe('accepted');
        expect(state.secondMoment.every(Number.isFinite)).toBe(true);
      }
    },
  );

  it.each([
    ['float64', 2 ** 511],
    ['float32', 2 ** 60],
  ] as const)('are those of a norm from the limit on, in SOAP: %s', (precision, limit) => {
    const solver = soap({ learningRate: 0.1 });
    for (const [size, kind] of [
      [limit, 'failed'],
      [limit * (1 - 2 ** -24), 'accepted'],
    ] as const) {
      const state = solver.init({ n: 2, precision });
      state.gradient[1] = size;
      expect(runSync(solver.step(state), still).kind).toBe(kind);
      expect(state.x[1]).toBeCloseTo(kind === 'failed' ? 0 : -0.1, 6);
    }
  });

  it('take those just below', () => {
    const solver = adam({ learningRate: 0.1 });
    const state = inside<AdamState>(solver.init({ n: 2, precision: 'float64' }));
    // Each element counts, not the norm, which is above.
    state.gradient.fill(2 ** 511 * (1 - 2 ** -53));
    const outcome = runSync(solver.step(state), still);
    expect((outcome as { moved: number }).moved).toBeCloseTo(0.1, 12);
    expect(state.secondMoment[0]).toBeLessThan(Infinity);
  });
});

describe('clipTo', () => {
  it.each<[number[], number, number, number]>([
    [[3, 4], 10, 1, 5],
    [[3, 4], 5, 1, 5],
    [[3, 4], 2, 0.4, 2],
    [[0, 0], 2, 1, 0],
    [[3, 4], Infinity, 1, 5],
    [[3e200, 4e200], Infinity, 1, Infinity],
    [[3e200, -4e200], 1, 2e-201, 1],
    [[3e200, -4e200], 1e201, 1, Infinity],
    [[Infinity, 1], 1, NaN, NaN],
    [[-Infinity, 1], Infinity, 1, Infinity],
    [[NaN, 1], 1, NaN, NaN],
  ])('%j to %d: by %d, to %d', (gradient, clipNorm, clip, norm) => {
    const result = clipTo(Float64Array.from(gradient), clipNorm);
    expect(Object.is(result.clip, clip) || Math.abs(result.clip / clip - 1) < 1e-14).toBe(true);
    expect(result.norm).toBe(norm);
  });

  it('clipTo of NaN without a limit is NaN', () => {
    expect(clipTo(Float64Array.of(1, NaN), Infinity).norm).toBeNaN();
  });
});

it('gradients of rank one, as of batches of one sample, give no long steps', () => {
  const random = uniform(5);
  const noise = (length: number) => Float64Array.from({ length }, () => 2 * (random() + random()) - 2);
  for (const [rows, cols] of [
    [16, 72],
    [64, 10],
    [32, 32],
  ]) {
    for (const frequency of [1, 2, 10]) {
      for (const precision of ['float64', 'float32'] as const) {
        const options = { learningRate: 0.01, frequency };
        const state = startOf(problemOf(layoutOf([weight(rows, cols)])), options, precision);
        const solver = soap(options);
        for (let t = 0; t < 30; t++) {
          const [u, v] = [noise(rows), noise(cols)];
          state.gradient.forEach((_, i, g) => (g[i] = u[Math.floor(i / cols)] * v[i % cols]));
          const outcome = runSync(solver.step(state), still);
          expect((outcome as { moved: number }).moved).toBeLessThan(0.05);
        }
      }
    }
  }
});
