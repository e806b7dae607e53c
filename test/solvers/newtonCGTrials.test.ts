import { describe, expect, it } from 'vitest';
import { minimize, newtonCG, type Problem } from 'quasi-newton';
import { stateAt, told } from './newtonCGStates.ts';

/** f is 1 at `start` and `after` everywhere else; the gradient is 1 at the start, and so is the curvature. */
const steep = (start: number, after: number, curvature = 1) =>
  told({ f: ([x]) => (x === start ? 1 : after), gradient: () => [1], curvature: [curvature] });

/** Makes the problem write down its trial points, and an H for each product. */
function watched(problem: Problem): { problem: Problem; events: (number | 'H')[] } {
  const events: (number | 'H')[] = [];
  const fg: Problem['fg'] = (x, gradient) => {
    events.push(x[0]);
    return problem.fg(x, gradient);
  };
  const hessianVector: Problem['hessianVector'] = (x, v, product) => {
    events.push('H');
    problem.hessianVector?.(x, v, product);
  };
  return { problem: { ...problem, fg, hessianVector }, events };
}

describe('trials along a step', () => {
  it('are five, the minima of parabolas, before a region of a quarter of the last is solved', () => {
    const { problem, events } = watched(steep(1, 2));
    const { state, step } = stateAt(problem, { x: [1], radius: 1 });
    events.length = 0;
    const outcome = step();
    // In one dimension with H = 1, a region's step is −Δ for Δ ≤ 1.
    const expected: (number | 'H')[] = [];
    let radius = 1;
    for (let region = 0; region < 3; region++) {
      expected.push('H');
      const length = radius;
      let alpha = 1;
      for (let k = 0; k < 5; k++) {
        expected.push(1 - alpha * length);
        radius = 0.25 * alpha * length;
        // φ(α) = 1 − Δα + bα², and φ = 2 at α.
        const b = (1 + length * alpha) / alpha ** 2;
        alpha = Math.min(0.5 * alpha, Math.max(0.1 * alpha, length / (2 * b)));
      }
    }
    const seen = events.slice(0, expected.length);
    const inDigits = (all: typeof expected) => all.map((e) => (e === 'H' ? e : e.toFixed(13)));
    expect(inDigits(seen)).toEqual(inDigits(expected));
    // The first region promised 0.5, whatever the last ones did: no rounding of f.
    expect(outcome).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(state.radius).toBe(1);
    expect(state.x[0]).toBe(1);
  });

  it('fail where the first region promised more than rounding, though the last one does not', () => {
    const problem = told({ f: ([x]) => (x === 1 ? 1e6 : 1e6 + 1), gradient: () => [1] });
    const { state, step } = stateAt(problem, { x: [1], radius: 1 });
    expect(step()).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(state.x[0]).toBe(1);
  });

  it('are half as long each time where f falls, but by far too little', () => {
    const { problem, events } = watched(steep(1, 1 - 2e-6));
    const { step } = stateAt(problem, { x: [1], radius: 1 });
    events.length = 0;
    step();
    expect(events.slice(0, 6)).toEqual(['H', 0, 0.5, 0.75, 0.875, 0.9375]);
  });

  it('end, with the radius of the options, where the step is lost in the rounding of x', () => {
    const problem = told({ f: () => 0, gradient: () => [1], curvature: [1e20] });
    const { state, step } = stateAt(problem, { x: [1], radius: 3 });
    expect(step()).toEqual({ kind: 'failed', termination: 'lineSearchFailed' });
    expect(state.radius).toBe(3);
  });
});

it.each([NaN, Infinity])('a lower f with a gradient of %d is no step', (beyond) => {
  // Where f alone is finite, all methods draw back; the minimum at 0 lies beyond the wall at 1.
  const { fg, ...own } = told({
    f: (x) => x[0] ** 2 + x[1] ** 2 / 2,
    gradient: ([x, y]) => [x < 1 ? beyond : 2 * x, y],
    curvature: [2, 1],
  });
  const p0 = Float64Array.of(5, 1);
  for (const problem of [
    { ...own, p0, fg },
    { p0, fg },
  ]) {
    const result = minimize(problem, newtonCG());
    expect(result.termination).toBe('lineSearchFailed');
    expect(result.x[0]).toBeGreaterThanOrEqual(1);
    expect(result.x[0]).toBeLessThan(1 + 1e-6);
    expect(result.f).toBeLessThan(25);
  }
});

describe('the ratio of the decrease to the prediction', () => {
  // Straight down to the boundary at 0.5: a decrease of 0.5 is predicted.
  it.each([
    [0.249, 0.125],
    [0.25, 0.5],
    [0.5, 0.5],
    [0.75, 0.5],
    [0.751, 1],
  ])('a ratio of %d of the decrease to the prediction makes a radius of 0.5 one of %d', (ratio, radius) => {
    const { state, step } = stateAt(steep(1, 1 - 0.5 * ratio, 0), { x: [1], radius: 0.5 });
    expect(step()).toMatchObject({ kind: 'accepted', alpha: 1, moved: 0.5 });
    expect(state.radius).toBe(radius);
  });

  it('must exceed acceptance', () => {
    const alphaAt = (fall: number) =>
      stateAt(steep(1, 1 - fall, 0), { x: [1], radius: 0.5, acceptance: 0.125 }).step();
    expect(alphaAt(0.0625)).toMatchObject({ kind: 'accepted', alpha: 0.5 });
    expect(alphaAt(0.0626)).toMatchObject({ kind: 'accepted', alpha: 1 });
  });

  it.each([
    [1, 1],
    [1.5, 1],
    [1.5 + 2 ** -10, 1e-3],
  ])(
    'a ratio of %d of the decrease to the prediction leaves steps of differences that are longer than the step, times %d',
    (ratio, reach) => {
      // A Newton step of 2⁻¹⁰ that promises 2⁻²¹; differences reach 2⁻⁶ far. All exact in binary.
      const [start, end] = [2 ** 20, 2 ** 20 - 2 ** -10];
      const problem = told({
        f: ([x]) => (x === start ? 1 : 1 - ratio * 2 ** -21),
        gradient: ([x]) => [x - end],
      });
      const { state, step } = stateAt(problem, { x: [start], radius: 64, exact: false });
      expect(step()).toMatchObject({ kind: 'accepted', moved: 2 ** -10 });
      expect(state.reach).toBe(reach);
    },
  );
});

describe('conjugate gradients of a step', () => {
  /** Number of products in a step from 0 with these limits. */
  function productsOf(
    curvature: (call: number) => number[],
    { gradient, firstNorm, ...options }: { gradient: number[]; firstNorm: number; maxProducts?: number },
  ) {
    let calls = 0;
    const hessianVector: Problem['hessianVector'] = (_x, v, product) => {
      const diagonal = curvature(calls++);
      product.set(v.map((value, i) => value * diagonal[i]));
    };
    const problem = {
      ...told({ f: (x) => (x[0] === 0 ? 1 : 0), gradient: () => gradient }),
      hessianVector,
    };
    const { state, step } = stateAt(problem, { x: gradient.map(() => 0), radius: 1e100, ...options });
    state.firstNorm = firstNorm;
    expect(step().kind).toBe('accepted');
    return { calls, firstNorm: state.firstNorm };
  }

  it('stop when the residual is below √(‖g‖/‖g₀‖) of the gradient, and below half of it', () => {
    // H = diag(1, 2) and g = (2, 2): α = 2/3, and the residual is ‖g‖/3. So √(‖g‖/‖g₀‖) = 1/3 if ‖g₀‖ = 9‖g‖.
    const gradient = [2, 2];
    const norm = Math.sqrt(8);
    const after = (firstNorm: number) => productsOf(() => [1, 2], { gradient, firstNorm }).calls;
    expect(after(8.99 * norm)).toBe(1);
    expect(after(9.01 * norm)).toBe(2);
    // H = diag(1, 3) leaves half of it, diag(1, 3.1) more.
    const atFirst = (h: number) => productsOf(() => [1, h], { gradient, firstNorm: 0 });
    expect(atFirst(2.9).calls).toBe(1);
    expect(atFirst(3.1).calls).toBe(2);
    expect(atFirst(2.9).firstNorm).toBeCloseTo(norm, 14);
  });

  it('stop after n products, 200 of them, or as many as the options allow', () => {
    // Products that belong to no matrix, so that nothing converges.
    const wild = (n: number, options = {}) =>
      productsOf((call) => Array.from({ length: n }, (_, i) => 1 + ((7 * i + 3 * call) % 11)), {
        gradient: Array.from({ length: n }, (_, i) => 1 + (i % 5)),
        firstNorm: 1e300,
        ...options,
      }).calls;
    expect(wild(3)).toBe(3);
    expect(wild(3, { maxProducts: 2 })).toBe(2);
    expect(wild(199)).toBe(199);
    expect(wild(250)).toBe(200);
    expect(wild(250, { maxProducts: 230 })).toBe(230);
  });

  it('name no hessianVector where a difference of gradients is not finite', () => {
    const problem = told({ f: ([x]) => x * x, gradient: ([x]) => [x < 1 ? NaN : 2 * x] });
    const outcome = stateAt(problem, { x: [1], exact: false }).step();
    expect(outcome.kind).toBe('failed');
    expect(outcome).not.toHaveProperty('cause');
  });
});

it('a hessianVector of another function is refused at the first step', () => {
  const problem = { ...told({ f: ([x]) => x * x, gradient: ([x]) => [2 * x], curvature: [-7] }) };
  expect(() => minimize({ ...problem, p0: Float64Array.of(3) }, newtonCG())).toThrow(
    /hessianVector gives -?7 for element 0 of a product where differences of fg's gradients give -?2/,
  );
});
