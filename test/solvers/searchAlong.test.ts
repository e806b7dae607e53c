import { describe, expect, it } from 'vitest';
import { runSync, type AskPhi, type LineSearchResult, type Phi, type Problem } from 'quasi-newton';
import { acceptTrial, lineState, searchAlong, type LineState } from '../../src/solvers/searchAlong.ts';

type Search = Generator<AskPhi, LineSearchResult, Phi>;

const found = (alpha: number): LineSearchResult => ({ alpha });
const best = (alpha: number): LineSearchResult => ({ failure: 'maxEvaluations', alpha });

/** Asks for φ at these steps and ends with `result`; notes what it was told. */
function* asking(steps: readonly AskPhi[], result: LineSearchResult, told: Phi[] = []): Search {
  for (const step of steps) told.push(yield step);
  return result;
}

/** f(x) = x₀² + 3x₁, and what was asked of it. */
function noted() {
  const asked: { x: number[]; gradient: boolean }[] = [];
  const problem: Problem = {
    p0: Float64Array.of(1, 2),
    fg(x, gradient) {
      asked.push({ x: [...x], gradient: gradient !== null });
      gradient?.set([2 * x[0], 3]);
      return x[0] ** 2 + 3 * x[1];
    },
  };
  return { asked, problem };
}

function stateAt(setting: object = {}): LineState {
  const state = lineState({ n: 2, precision: 'float64', ...setting });
  state.x.set([1, 2]);
  state.gradient.set([2, 3]);
  state.f = 7;
  state.direction.set([-1, 0.1]);
  return state;
}

const at = (alpha: number, slope = true): AskPhi => ({ alpha, slope });

describe('a search along a direction', () => {
  it('is told φ(α) = f(x + αp), and φ′(α) = ∇fᵀp where it asks for it', () => {
    const { asked, problem } = noted();
    const told: Phi[] = [];
    const state = stateAt();
    const result = runSync(
      searchAlong(state, asking([at(0.5), at(2, false), at(1)], found(1), told)),
      problem,
    );
    expect(result).toEqual(found(1));
    expect(asked).toEqual([
      { x: [0.5, 2.05], gradient: true },
      { x: [-1, 2.2], gradient: false },
      { x: [0, 2.1], gradient: true },
    ]);
    expect(told.map(({ value }) => value)).toEqual([0.25 + 3 * 2.05, 1 + 3 * 2.2, 3 * 2.1]);
    expect(told[0].slope).toBeCloseTo(-2 * 0.5 + 0.3, 14);
    expect(told[1].slope).toBeNaN();
    expect(told[2].slope).toBeCloseTo(0.3, 14);
    expect([...state.trial]).toEqual([0, 2.1]);
    expect([...state.trialGradient]).toEqual([0, 3]);
    expect(state.trialF).toBe(3 * 2.1);
    expect([...state.x]).toEqual([1, 2]);
  });

  it.each([
    ['was not the last', [at(0.5), at(1)], found(0.5)],
    ['came without its gradient', [at(1), at(0.5, false)], found(0.5)],
    ['is the best of a search that failed', [at(0.5), at(1)], best(0.5)],
    ['was never tried', [at(1)], found(0.5)],
  ])('evaluates the step it ends with once more where it %s', (_what, steps, result) => {
    const { asked, problem } = noted();
    const state = stateAt();
    expect(runSync(searchAlong(state, asking(steps, result)), problem)).toEqual(result);
    expect(asked.length).toBe(steps.length + 1);
    expect(asked[steps.length]).toEqual({ x: [0.5, 2.05], gradient: true });
    expect([...state.trial]).toEqual([0.5, 2.05]);
    expect(state.trialF).toBe(0.25 + 3 * 2.05);
  });

  it('takes a first trial that is ready as it is, and computes all later ones', () => {
    const { asked, problem } = noted();
    const state = stateAt();
    // Elsewhere than x + p, to be told from it.
    state.trial.set([0.25, 2.25]);
    runSync(searchAlong(state, asking([at(1), at(0.5), at(1)], found(1)), undefined, 1), problem);
    expect(asked.map(({ x }) => x)).toEqual([
      [0.25, 2.25],
      [0.5, 2.05],
      [0, 2.1],
    ]);
    const other = stateAt();
    runSync(searchAlong(other, asking([at(0.5)], found(0.5)), undefined, 1), problem);
    expect(asked[3].x).toEqual([0.5, 2.05]);
  });

  it('evaluates nothing more where a failure names no step', () => {
    const { asked, problem } = noted();
    const state = stateAt();
    expect(runSync(searchAlong(state, asking([at(1)], best(0))), problem)).toEqual(best(0));
    expect(asked.length).toBe(1);
  });

  it('fails where the step it ends with is not finite the second time', () => {
    let calls = 0;
    const problem: Problem = {
      p0: new Float64Array(2),
      fg: (_x, gradient) => (gradient?.fill(1), ++calls > 2 ? NaN : 1),
    };
    const result = runSync(searchAlong(stateAt(), asking([at(0.5), at(1)], found(0.5))), problem);
    expect(result).toEqual({ failure: 'nonFinite', alpha: 0 });
  });

  it('uses at most six evaluations of a mini-batch', () => {
    const steps = Array.from({ length: 9 }, (_, k) => at(1 / (k + 1)));
    const { asked, problem } = noted();
    const long = searchAlong(stateAt({ stochastic: true }), asking(steps, found(1)));
    expect(runSync(long, problem)).toEqual(best(0));
    expect(asked.length).toBe(6);
    const short = searchAlong(stateAt({ stochastic: true }), asking(steps.slice(0, 6), found(1 / 6)));
    expect(runSync(short, problem)).toEqual(found(1 / 6));
    const whole = searchAlong(stateAt(), asking(steps, found(1 / 9)));
    expect(runSync(whole, problem)).toEqual(found(1 / 9));
  });

  it('asks for points as the model will see them: in float32, and projected', () => {
    const { asked, problem } = noted();
    runSync(searchAlong(stateAt({ precision: 'float32' }), asking([at(0.3)], found(0.3))), problem);
    expect(asked[0].x).toEqual([Math.fround(1 - 0.3), Math.fround(2 + 0.3 * 0.1)]);
    const project = (trial: Float64Array) => {
      trial[0] = Math.max(0.6, trial[0]);
    };
    const state = stateAt();
    runSync(searchAlong(state, asking([at(0.5)], found(0.5)), project), problem);
    expect(asked[1].x).toEqual([0.6, 2.05]);
    expect(state.trial[0]).toBe(0.6);
  });

  it('makes the trial the iterate, and the iterate the buffer of the next trial', () => {
    const state = stateAt();
    const { x, gradient, trial, trialGradient } = state;
    state.trialF = -4;
    acceptTrial(state);
    expect(state.x).toBe(trial);
    expect(state.trial).toBe(x);
    expect(state.gradient).toBe(trialGradient);
    expect(state.trialGradient).toBe(gradient);
    expect(state.f).toBe(-4);
  });
});
