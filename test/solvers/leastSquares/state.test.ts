import { describe, expect, it } from 'vitest';
import { checkState, newState, swap, type Method } from '../../../src/solvers/leastSquares/state.ts';

const stateOf = (setting: object, method: Method = 'auto', isPlain = true) =>
  newState({ n: 4, precision: 'float64', residualCount: 6, ...setting } as never, '2-point', {
    method,
    tolerance: 0.25,
    isPlain,
  });
const products = { jacobianProducts: true };
const gram = { jacobianProducts: true, jacobianGram: true };

describe('a new state', () => {
  it.each<
    [string, object, Method, [iterative: boolean, dual: boolean, J: number, k: number, scratch: number]]
  >([
    // k² elements of the normal matrix: k = min(m, n), m in the dual form, 0 without a matrix.
    ['more residuals', {}, 'auto', [false, false, 24, 4, 0]],
    ['as many', { residualCount: 4 }, 'auto', [false, false, 16, 4, 0]],
    ['fewer', { residualCount: 3 }, 'auto', [false, false, 12, 3, 3]],
    ['fewer, dense', { residualCount: 3, ...gram }, 'dense', [false, false, 12, 3, 3]],
    ['products', { ...products }, 'auto', [false, false, 24, 4, 0]],
    ['products wanted', { ...products }, 'iterative', [true, false, 0, 0, 0]],
    ['products wanted, fewer', { residualCount: 3, ...products }, 'iterative', [true, false, 0, 0, 0]],
    ['JJᵀ wanted', { ...gram }, 'dual', [true, true, 0, 6, 6]],
    [
      'few products wanted with JJᵀ',
      { n: 2000, residualCount: 100, ...gram },
      'iterative',
      [true, false, 0, 0, 0],
    ],
    ['one residual', { residualCount: 1 }, 'auto', [false, false, 4, 1, 1]],
    ['JJᵀ, small', { residualCount: 3, ...gram }, 'auto', [false, false, 12, 3, 3]],
  ])(
    'has arrays of the sizes that its method needs: %s',
    (_, setting, method, [iterative, dual, J, k, scratch]) => {
      const state = stateOf(setting, method);
      const { n = 4, residualCount: m = 6 } = setting as { n?: number; residualCount?: number };
      expect([state.isIterative, state.isDual, state.jacobian.length]).toEqual([iterative, dual, J]);
      expect([state.normal.length, state.factor.length, state.dual.length]).toEqual([k * k, k * k, scratch]);
      for (const vector of [state.x, state.gradient, state.step, state.second, state.trial, state.sizes]) {
        expect([...vector]).toEqual(Array(n).fill(0));
      }
      for (const vector of [state.scale, state.free]) expect([...vector]).toEqual(Array(n).fill(1));
      for (const vector of [state.residuals, state.trialResiduals, state.slope, state.curvature]) {
        expect(vector).toHaveLength(m);
      }
    },
  );

  it('has taken no step', () => {
    expect(stateOf({})).toMatchObject({
      f: NaN,
      before: NaN,
      source: 'unknown',
      scheme: '2-point',
      obstacle: '',
      byColumns: false,
      ready: false,
      byRadius: false,
      isStraight: false,
      damping: 0,
      first: 0,
      radius: 0,
      firstRadius: 0,
      least: 0,
      unit: 0,
      growth: 2,
      tolerance: 0.25,
      rounded: false,
      stochastic: false,
    });
    expect(stateOf({ precision: 'float32', stochastic: true })).toMatchObject({
      rounded: true,
      stochastic: true,
    });
  });

  it.each<[string, object, boolean, [iterative: boolean, dual: boolean]]>([
    // J of more than 2²⁷ elements, or more than 2e9 multiplications mn·min(m, n).
    ['2²⁷ elements', { n: 2 ** 22, residualCount: 2 ** 5, ...products }, true, [true, false]],
    [
      '1.4e8 elements, 1.96e9 multiplications',
      { n: 14, residualCount: 1e7, ...products },
      true,
      [true, false],
    ],
    ['few', { n: 2 ** 12, residualCount: 4, ...products }, true, [false, false]],
    ['one more than 2e9 multiplications', { n: 1261, residualCount: 1261, ...products }, true, [true, false]],
    ['2e9 multiplications', { n: 1250, residualCount: 1280, ...products }, true, [false, false]],
    // JJᵀ from m²n = 2e7 on, to m³/6 = 2e9 at most, for m ≤ n.
    ['2e7', { n: 2000, residualCount: 100, ...gram }, true, [true, true]],
    ['below 2e7', { n: 1999, residualCount: 100, ...gram }, true, [false, false]],
    ['as many unknowns', { n: 300, residualCount: 300, ...gram }, true, [true, true]],
    ['fewer unknowns', { n: 299, residualCount: 300, ...gram }, true, [false, false]],
    ['bounds', { n: 2000, residualCount: 100, ...gram }, false, [false, false]],
    ['no products', { n: 2000, residualCount: 100, jacobianGram: true }, true, [false, false]],
    ['no JJᵀ', { n: 2000, residualCount: 100, ...products }, true, [false, false]],
  ])('chooses its method by the work: %s', (_, setting, isPlain, [iterative, dual]) => {
    const { isIterative, isDual } = stateOf(setting, 'auto', isPlain);
    expect([isIterative, isDual]).toEqual([iterative, dual]);
  });

  it('takes a matrix where that is wanted, however large', () => {
    const { isIterative, isDual } = stateOf({ n: 1300, residualCount: 1300, ...gram }, 'dense');
    expect([isIterative, isDual]).toEqual([false, false]);
  });

  it('does not take JJᵀ where its factor would take too long', () => {
    // m = 2290: m³/6 > 2e9. Products take its place.
    const { isIterative, isDual } = stateOf({ n: 2290, residualCount: 2290, ...gram });
    expect([isIterative, isDual]).toEqual([true, false]);
    expect(stateOf({ n: 2289, residualCount: 2289, ...gram }).isDual).toBe(true);
  });

  it.each<[object, Method, boolean, string]>([
    [
      { residualCount: 0 },
      'auto',
      true,
      'TypeError: levenbergMarquardt: the problem has no residuals, only a loss, as in model.fit; leastSquares({ p0, residualCount, residuals }) makes one that has, as do leastSquaresProblem of /tfjs and model.leastSquares of /onnx.',
    ],
    [
      { residualCount: NaN },
      'auto',
      true,
      'RangeError: levenbergMarquardt: a problem with residuals must have their number, residualCount, a whole number ≥ 1; it has none. leastSquares({ p0, residualCount, residuals }) makes a problem.',
    ],
    [
      { residualCount: 2.5 },
      'auto',
      true,
      'RangeError: levenbergMarquardt: a problem with residuals must have their number, residualCount, a whole number ≥ 1; got 2.5. leastSquares({ p0, residualCount, residuals }) makes a problem.',
    ],
    [
      { residualCount: -1 },
      'auto',
      true,
      'RangeError: levenbergMarquardt: a problem with residuals must have their number, residualCount, a whole number ≥ 1; got -1. leastSquares({ p0, residualCount, residuals }) makes a problem.',
    ],
    [
      {},
      'iterative',
      true,
      "TypeError: levenbergMarquardt: method 'iterative' needs a problem with the methods jacobianVector(x, v, product) and vectorJacobian(x, u, product); leave it out, or add them.",
    ],
    [
      { ...products },
      'dual',
      true,
      "TypeError: levenbergMarquardt: method 'dual' needs a problem with the methods jacobianGram(x, product), jacobianVector and vectorJacobian; leave it out, or add them.",
    ],
    [
      { jacobianGram: true },
      'dual',
      true,
      "TypeError: levenbergMarquardt: method 'dual' needs a problem with the methods jacobianGram(x, product), jacobianVector and vectorJacobian; leave it out, or add them.",
    ],
    [
      { ...gram },
      'dual',
      false,
      "TypeError: levenbergMarquardt: method 'dual' takes neither bounds nor scaling: 'columns'; leave it out.",
    ],
    [
      { n: 1e6, residualCount: 1e6 },
      'auto',
      true,
      'RangeError: levenbergMarquardt: a Jacobian of 1000000 × 1000000 needs 8000.00 GB, more than can be allocated; give the problem the methods jacobianVector and vectorJacobian, or take lbfgs().',
    ],
  ])('refuses %j with method %s', (setting, method, isPlain, message) => {
    const setting6 = { n: 4, precision: 'float64', residualCount: 6, ...setting } as never;
    const refused = (make: () => unknown) => {
      try {
        return make();
      } catch (error) {
        return String(error);
      }
    };
    expect(refused(() => stateOf(setting, method, isPlain))).toBe(message);
    expect(refused(() => checkState(setting6, { method, isPlain }))).toBe(message);
  });

  it('keeps the error of the allocation as the cause', () => {
    const large = () => stateOf({ n: 1e6, residualCount: 1e6 });
    expect(large).toThrow(expect.objectContaining({ cause: expect.any(RangeError) }));
  });

  it('is not refused for a large Jacobian where products take its place', () => {
    const large = { n: 1e6, precision: 'float64', residualCount: 1e6, ...products } as const;
    expect(() => checkState(large, { method: 'auto', isPlain: true })).not.toThrow();
    expect(() => checkState(large, { method: 'dense', isPlain: true })).toThrow('8000.00 GB');
  });
});

it('exchanging the iterate and the trial exchanges points and residuals', () => {
  const state = stateOf({});
  const { x, trial, residuals, trialResiduals } = state;
  swap(state);
  expect(state.x).toBe(trial);
  expect(state.trial).toBe(x);
  expect(state.residuals).toBe(trialResiduals);
  expect(state.trialResiduals).toBe(residuals);
});
