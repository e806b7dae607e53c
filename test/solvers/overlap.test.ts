import { describe, expect, it } from 'vitest';
import {
  adam,
  lbfgs,
  minimize,
  minimizeAsync,
  runSync,
  sequence,
  type AsyncProblem,
  type Problem,
  type Setting,
  type Solver,
} from '../../src/index.ts';
import { inside, memoryOf } from './internals.ts';
import type { SolverState } from '../../src/core/solver.ts';
import type { LineState } from '../../src/solvers/searchAlong.ts';

const SAMPLES = 60;
const FEATURES = 8;

/** Numbers in (-1, 1), always the same ones. */
function numbers(count: number): Float64Array {
  let seed = 7;
  return Float64Array.from({ length: count }, () => {
    seed = (seed * 48271) % 2147483647;
    return (2 * seed) / 2147483647 - 1;
  });
}
const rows = numbers(SAMPLES * FEATURES);
const truth = Float64Array.from({ length: FEATURES }, (_, j) => j - 3);

/** Mean of (aᵢᵀx − aᵢᵀtruth)² over `count` samples from `first` on, round the end: `truth` solves every one. */
function squares(first: number, count: number, x: Float64Array, gradient: Float64Array | null): number {
  let f = 0;
  gradient?.fill(0);
  for (let k = first; k < first + count; k++) {
    const at = (k % SAMPLES) * FEATURES;
    let r = 0;
    for (let j = 0; j < FEATURES; j++) r += rows[at + j] * (x[j] - truth[j]);
    f += (r * r) / count;
    if (gradient) for (let j = 0; j < FEATURES; j++) gradient[j] += (2 * r * rows[at + j]) / count;
  }
  return f;
}

/** Batches of `size` samples, of which each shares `shared` with the one before; and what was asked of it. */
function batches(size: number, shared: number) {
  let first = 0;
  const asked = { overlaps: 0, first: () => first };
  const problem = {
    p0: new Float64Array(FEATURES),
    fg: (x: Float64Array, gradient: Float64Array | null) => squares(first, size, x, gradient),
    nextBatch: () => void (first = (first + size - shared) % SAMPLES),
    overlap(x: Float64Array, gradient: Float64Array | null) {
      asked.overlaps++;
      return shared === 0 ? (gradient?.fill(0), 0) : squares(first, shared, x, gradient);
    },
  } satisfies Problem;
  return { problem, asked };
}

const setting: Setting = { n: FEATURES, precision: 'float64', stochastic: true, overlap: true };

/** One iteration as `minimize` makes it on batches. */
function iterate(solver: Solver, state: SolverState, problem: Problem) {
  problem.nextBatch?.();
  state.f = problem.fg(state.x, state.gradient);
  return runSync(solver.step(state), problem);
}

const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Array.from(a).reduce((sum, value, i) => sum + value * b[i], 0);

describe("lbfgs({ pairs: 'overlap' })", () => {
  it('learns s and y of each step on the samples that its batch shares with the next', () => {
    const { problem, asked } = batches(20, 8);
    const solver = lbfgs({ pairs: 'overlap', memory: 10 });
    const state = solver.init(setting);
    state.x.set(problem.p0);
    let start = Float64Array.from(state.x);
    iterate(solver, state, problem);
    for (let k = 1; k < 8; k++) {
      const here = Float64Array.from(state.x);
      expect(memoryOf(state).count).toBe(k - 1);
      expect(iterate(solver, state, problem).kind).toBe('accepted');
      const [before, after] = [start, here].map((x) => {
        const gradient = new Float64Array(FEATURES);
        squares(asked.first(), 8, x, gradient);
        return gradient;
      });
      const s = here.map((value, j) => value - start[j]);
      const y = after.map((value, j) => value - before[j]);
      expect(memoryOf(state).rows[2 * (k - 1)]).toEqual(s);
      expect(memoryOf(state).rows[2 * k - 1]).toEqual(y);
      expect(memoryOf(state).rho[k - 1]).toBeCloseTo(1 / dot(s, y), 10);
      start = here;
    }
    expect(asked.overlaps).toBe(14);
  });

  it.each([{}, { damping: true }, { selfScaling: true }, { modifiedSecant: true }, { lower: -1, upper: 2 }])(
    'equals sameBatch if all batches are the same: %o',
    (options) => {
      const { problem } = batches(SAMPLES, SAMPLES);
      const run = (pairs: 'sameBatch' | 'overlap') =>
        minimize(problem, lbfgs({ ...options, pairs }), { maxIterations: 12, gtol: 0, storeTrace: true });
      const [same, overlap] = [run('sameBatch'), run('overlap')];
      expect(overlap.x).toEqual(same.x);
      expect(same.trace.length).toBeGreaterThan(8);
      expect(overlap.trace.map(({ f, alpha }) => [f, alpha])).toEqual(
        same.trace.map(({ f, alpha }) => [f, alpha]),
      );
    },
  );

  it('damps against what H expected on the batch of the step: sᵀy ≥ 0.2·sᵀBs', () => {
    // Batches that share nothing: y = 0, which damping draws to 0.2·Bs, Bs = −αg of the step's own batch.
    const { problem } = batches(20, 0);
    const solver = lbfgs({ pairs: 'overlap', damping: true });
    const state = solver.init(setting);
    state.x.set(problem.p0);
    const outcome = iterate(solver, state, problem);
    const led = Float64Array.from(inside<LineState>(state).trialGradient);
    iterate(solver, state, problem);
    const alpha = outcome.kind === 'accepted' ? outcome.alpha : NaN;
    memoryOf(state).rows[1].forEach((value, j) => expect(value).toBeCloseTo(-0.2 * alpha * led[j], 12));
  });

  it('learns nothing from batches that share nothing, nor from a step that failed', () => {
    const { problem } = batches(20, 0);
    const solver = lbfgs({ pairs: 'overlap' });
    const state = solver.init(setting);
    for (let k = 0; k < 4; k++) iterate(solver, state, problem);
    expect(memoryOf(state).count).toBe(0);

    const shared = batches(20, 8);
    const uphill = {
      ...shared.problem,
      fg(x: Float64Array, gradient: Float64Array | null) {
        const f = shared.problem.fg(x, gradient);
        gradient?.forEach((value, j) => (gradient[j] = -value));
        return f;
      },
    };
    expect(iterate(solver, state, uphill).kind).toBe('failed');
    expect(state).toMatchObject({ unlearned: 0 });
    const asked = shared.asked.overlaps;
    iterate(solver, state, shared.problem);
    expect(shared.asked.overlaps).toBe(asked);
  });

  it('continues from a structuredClone of its state', () => {
    const solver = lbfgs({ pairs: 'overlap', memory: 4 });
    const run = (cloneAt: number) => {
      const { problem } = batches(20, 8);
      let state = solver.init(setting);
      for (let k = 0; k < 12; k++) {
        if (k === cloneAt) state = structuredClone(state);
        iterate(solver, state, problem);
      }
      return state;
    };
    expect(run(6)).toEqual(run(-1));
  });

  it('solves what every batch agrees on, counts its evaluations, and the same answered later', async () => {
    const run = { maxIterations: 60, gtol: 0 };
    const { problem, asked } = batches(20, 10);
    let evaluations = 0;
    const counted: Problem = { ...problem, fg: (x, g) => (evaluations++, problem.fg(x, g)) };
    const solver = lbfgs({ pairs: 'overlap' });
    const now = minimize(counted, solver, run);
    now.x.forEach((value, j) => expect(value).toBeCloseTo(truth[j], 6));
    expect(now.evaluations.f).toBe(evaluations + asked.overlaps);
    expect(String(now)).toContain('pairs on overlaps');

    const { problem: again } = batches(20, 10);
    const later: AsyncProblem = {
      p0: again.p0,
      fg: async (x, g) => again.fg(x, g),
      nextBatch: async () => again.nextBatch(),
      overlap: async (x, g) => again.overlap(x, g),
    };
    const result = await minimizeAsync(later, solver, run);
    expect(result.x).toEqual(now.x);
    expect(result.evaluations).toEqual(now.evaluations);
  });

  it('takes part in a sequence and goes with a transform', () => {
    const { problem, asked } = batches(30, 15);
    const solver = sequence({ solver: adam(), iterations: 3 }, lbfgs({ pairs: 'overlap' }));
    minimize(problem, solver, { maxIterations: 10, transform: 'sqrt' });
    expect(asked.overlaps).toBe(12);
  });

  it('refuses a problem without batches or without what they share, and a policy unknown', () => {
    const { problem } = batches(20, 8);
    const bare: Problem = { p0: problem.p0, fg: problem.fg };
    const without = (name: 'nextBatch' | 'overlap'): Problem => ({ ...problem, [name]: undefined });
    const solver = lbfgs({ pairs: 'overlap' });
    expect(() => minimize(without('overlap'), solver)).toThrow(
      "lbfgs: pairs 'overlap' needs a problem with nextBatch(), and overlap(x, gradient) for the samples that a batch shares with the one before; this one has no overlap.",
    );
    expect(() => solver.init({ n: 1, precision: 'float64' })).toThrow(/no nextBatch and no overlap\.$/);
    expect(() => minimize(without('nextBatch'), solver)).toThrow(/has no nextBatch\.$/);
    expect(() => minimize(bare, solver)).toThrow(RangeError);
    expect(() => minimize(bare, solver)).toThrow(/has no nextBatch and no overlap\.$/);
    // @ts-expect-error: what is not allowed
    expect(() => lbfgs({ pairs: 'both' })).toThrow(/pairs: must be 'sameBatch' or 'overlap', got "both"/);
    expect(() =>
      runSync(
        (function* () {
          yield { kind: 'overlap', x: bare.p0, gradient: null } as const;
        })(),
        bare,
      ),
    ).toThrow(/overlap\(x, gradient\) in addition to nextBatch/);
  });
});
