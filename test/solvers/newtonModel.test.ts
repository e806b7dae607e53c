import { describe, expect, it } from 'vitest';
import { newtonCG, runSync, type Problem } from 'quasi-newton';
import { multiply, type NewtonCGState } from '../../src/solvers/newtonModel.ts';
import { inside } from './internals.ts';

type Precision = 'float64' | 'float32';

/** f = Σ cᵢxᵢ³/6 with its Hessian, a diagonal of cᵢxᵢ, and the points where its gradient is asked for. */
function cubic(c: readonly number[], x: readonly number[]) {
  const points: number[][] = [];
  const fg: Problem['fg'] = (at, gradient) => {
    points.push([...at]);
    gradient?.set(at.map((value, i) => (c[i] * value ** 2) / 2));
    return at.reduce((sum, value, i) => sum + (c[i] * value ** 3) / 6, 0);
  };
  const hessianVector: Problem['hessianVector'] = (at, v, product) =>
    product.set(v.map((value, i) => c[i] * at[i] * value));
  return { points, problem: { p0: Float64Array.from(x), fg, hessianVector } };
}

interface Case {
  readonly x: readonly number[];
  readonly direction: readonly number[];
  readonly scale?: number[];
  readonly radius?: number;
  readonly reach?: number;
}

/** `product` after one multiplication, with u = 3, and the points that it took. */
function productOf(
  { x, direction, scale, radius = 0, reach = 1 }: Case,
  precision: Precision,
  exact: boolean,
) {
  const c = x.map((_, i) => i + 2);
  const { points, problem } = cubic(c, x);
  const setting = { n: x.length, precision, hessianVector: exact };
  const state = inside<NewtonCGState>(newtonCG(scale ? { scale } : {}).init(setting));
  state.x.set(x);
  state.f = problem.fg(state.x, state.gradient);
  points.length = 0;
  Object.assign(state, { radius, reach });
  state.direction.set(direction);
  runSync(multiply(state, 3), problem);
  const sizes = scale ?? x.map(() => 1);
  // S∇²fSd/u, of the diagonal.
  const expected = direction.map((d, i) => (sizes[i] * c[i] * x[i] * sizes[i] * d) / 3);
  const steps = points.map((point) =>
    Math.max(...point.map((value, i) => Math.abs(value - x[i]) / sizes[i])),
  );
  return { product: [...state.product], expected, points, steps, state, sizes };
}

const cases: [string, Case][] = [
  ['a direction of length 4', { x: [3, -8], direction: [0.5, -4] }],
  ['a short direction', { x: [3, -8], direction: [0.01, -0.04] }],
  ['sizes of their own', { x: [3, -8], direction: [2, 0.5], scale: [0.125, 16] }],
  ['differences that are shortened', { x: [3, -8], direction: [2, 0.5], reach: 0.25 }],
  ['a small region', { x: [3, -8], direction: [2, 0.5], radius: 1e-6 }],
];

describe('products with the Hessian', () => {
  it.each(cases)(
    'one-sided differences for products with the Hessian are as long as 2⁻²⁶ of x, or 10⁻³ radii: %s',
    (_name, given) => {
      const { product, expected, points, steps, sizes } = productOf(given, 'float64', false);
      const { x, direction, radius = Infinity, reach = 1 } = given;
      const size = Math.max(...x.map((value, i) => Math.abs(value) / sizes[i]));
      const step = Math.min(reach * 2 ** -26 * size, 1e-3 * radius);
      expect(points.length).toBe(1);
      expect(steps[0] / step).toBeCloseTo(1, 5);
      // Along v = Sd, not against it.
      const along = points[0].map((value, i) => (value - x[i]) / (sizes[i] * direction[i]));
      along.forEach((t) => expect(t / (step / Math.max(...direction.map(Math.abs)))).toBeCloseTo(1, 5));
      product.forEach((value, i) => expect(value / expected[i]).toBeCloseTo(1, 5));
    },
  );

  it.each(cases.slice(0, 3))(
    'central differences in float32 for products with the Hessian are as long as ∛2⁻²³ of x: %s',
    (_name, given) => {
      const { product, expected, points, steps, sizes } = productOf(given, 'float32', false);
      const size = Math.max(...given.x.map((value, i) => Math.abs(value) / sizes[i]));
      expect(points.length).toBe(2);
      steps.forEach((step) => expect(step / (Math.cbrt(2 ** -23) * size)).toBeCloseTo(1, 3));
      expect(points.flat().every((value) => value === Math.fround(value))).toBe(true);
      const [ahead, behind] = points.map((point) => (point[0] - given.x[0]) * Math.sign(given.direction[0]));
      expect([Math.sign(ahead), Math.sign(behind)]).toEqual([1, -1]);
      product.forEach((value, i) => expect(value / expected[i]).toBeCloseTo(1, 3));
    },
  );

  it('differences in float32 for products with the Hessian reach 0.3 radii', () => {
    const { steps } = productOf({ x: [3, -8], direction: [2, 0.5], radius: 1e-3 }, 'float32', false);
    steps.forEach((step) => expect(step / 3e-4).toBeCloseTo(1, 2));
  });

  it.each(cases)(
    "the problem's own product with the Hessian is compared once with a difference of 10⁻⁵ of x: %s",
    (_name, given) => {
      const { product, expected, points, steps, state, sizes } = productOf(given, 'float64', true);
      product.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 12));
      const size = Math.max(...given.x.map((value, i) => Math.abs(value) / sizes[i]));
      expect(points.length).toBe(1);
      expect(steps[0] / (1e-5 * size)).toBeCloseTo(1, 8);
      expect(state.checked).toBe(true);
    },
  );

  it('take 1 as the size of x where that is 0', () => {
    for (const [precision, step] of [
      ['float64', 2 ** -26],
      ['float32', Math.cbrt(2 ** -23)],
    ] as const) {
      const { steps } = productOf({ x: [0, 0], direction: [1, -2] }, precision, false);
      steps.forEach((each) => expect(each / step).toBeCloseTo(1, 6));
    }
    const { steps } = productOf({ x: [0, 0], direction: [1, -2] }, 'float64', true);
    expect(steps[0]).toBeCloseTo(1e-5, 15);
  });
});
