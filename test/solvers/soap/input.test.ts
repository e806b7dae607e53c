import { describe, expect, it } from 'vitest';
import { adam, layoutOf, minimize, runSync, soap, type Problem, type SoapOptions } from 'quasi-newton';
import { problemOf, startOf, weight } from './oracle.ts';

describe('the layout and options of SOAP', () => {
  it('SOAP without a layout is Adam', () => {
    const { p0, fg } = problemOf(layoutOf([weight(4, 5)]));
    const options = { learningRate: 0.02, beta1: 0.8, beta2: 0.9, weightDecay: 0.1, clipNorm: 5 };
    const limits = { maxIterations: 40 };
    const a = minimize({ p0, fg }, adam(options), limits).x;
    const b = minimize({ p0, fg }, soap(options), limits).x;
    expect(Math.max(...a.map((value, i) => Math.abs(value - b[i])))).toBeLessThan(1e-12);
  });

  it('minimize passes on the layout of the parameters', () => {
    const problem = problemOf(layoutOf([weight(4, 5)]));
    const { p0, fg } = problem;
    const end = (given: Problem) => minimize(given, soap({ learningRate: 0.02 }), { maxIterations: 10 }).x;
    expect(end(problem)).not.toEqual(end({ p0, fg }));
  });

  it.each([
    ['w the shape [2, 3] and the size 5; it must be 6', { name: 'w', shape: [2, 3], offset: 0, size: 5 }, 6],
    [
      'the shape of w is [-2, -3]; dimensions must be whole numbers ≥ 0',
      { name: 'w', shape: [-2, -3], offset: 0, size: 6 },
      6,
    ],
    [
      'the shape of w is [0.5, 12]; dimensions must be',
      { name: 'w', shape: [0.5, 12], offset: 0, size: 6 },
      6,
    ],
    ['puts w at 1; it must be 0', { name: 'w', shape: [2, 3], offset: 1, size: 6 }, 6],
    [
      'has 6 elements in its tensors and the length 7; both must be 7',
      { name: 'w', shape: [6], offset: 0, size: 6 },
      7,
    ],
  ])('refuses a layout that does not add up: %s', (message, tensor, n) => {
    const start = () => soap().init({ n, precision: 'float64', layout: { length: n, tensors: [tensor] } });
    expect(start).toThrow(RangeError);
    expect(start).toThrow(message);
    expect(start).toThrow(/^soap: /);
  });

  it('refuses a layout of another length than its tensors have', () => {
    const tensors = [{ name: 'w', shape: [6], offset: 0, size: 6 }];
    expect(() => soap().init({ n: 6, precision: 'float64', layout: { length: 7, tensors } })).toThrow(
      'has 6 elements in its tensors and the length 7; both must be 6',
    );
  });

  it.each([
    ['learningRate: must be a finite number > 0 or a schedule', { learningRate: -1 }],
    ['beta1: must be a number in [0, ', { beta1: 1 }],
    ['beta2: must be a number in [0, ', { beta2: NaN }],
    ['epsilon: must be a finite number > 0, got 0', { epsilon: 0 }],
    ['weightDecay: must be a finite number ≥ 0, got -1', { weightDecay: -1 }],
    ['clipNorm: must be a number > 0, got 0', { clipNorm: 0 }],
    ['frequency: must be a whole number ≥ 1, got 0', { frequency: 0 }],
    ['maxSide: must be a whole number ≥ 1, got 2.5', { maxSide: 2.5 }],
    ['oneSided: must be true or false, got 1', { oneSided: 1 }],
    ['rate: no such option', { rate: 1 }],
  ])('refuses: %s', (message, options) => {
    expect(() => soap(options as SoapOptions)).toThrow(RangeError);
    expect(() => soap(options as SoapOptions)).toThrow(`soap: ${message}`);
  });

  it.each([NaN, Infinity, 1e200])('moves nothing by a gradient with %d in it, and counts it', (bad) => {
    const problem = problemOf(layoutOf([weight(3, 4)]));
    const solver = soap();
    const state = startOf(problem, {});
    runSync(solver.step(state), problem);
    const good = structuredClone(state);
    state.gradient[5] = bad;
    expect(runSync(solver.step(state), problem)).toMatchObject({ kind: 'failed', termination: 'nonFinite' });
    expect(state.skipped).toBe(1);
    expect({ ...state, skipped: 0, gradient: good.gradient }).toEqual(good);
    // The next good gradient goes on as if nothing had been.
    state.gradient.set(good.gradient);
    runSync(solver.step(state), problem);
    runSync(solver.step(good), problem);
    expect(state.x).toEqual(good.x);
  });

  it('SOAP rounds each point in float32, and asks for nothing on mini-batches', () => {
    const problem = problemOf(layoutOf([weight(3, 4)]));
    const { layout } = problem.params!;
    const solver = soap();
    const state = solver.init({ n: 12, precision: 'float32', stochastic: true, layout });
    state.x.set(problem.p0);
    problem.fg(state.x, state.gradient);
    const steps = solver.step(state).next();
    expect(steps.done).toBe(true);
    expect(state.x).toEqual(state.x.map(Math.fround));
    expect(state.x).not.toEqual(problem.p0);
  });

  it('describes itself, and may rise on its way', () => {
    expect(soap({ learningRate: 0.01 }).describe(3)).toBe('SOAP (learning rate 0.01)');
    expect(soap({ learningRate: () => 1 }).describe(3)).toBe('SOAP (learning rate by schedule)');
    expect(soap()).toMatchObject({ name: 'soap', descends: false });
  });
});
