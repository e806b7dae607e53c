import { describe, expect, it } from 'vitest';
import { checkProduct } from '../../src/core/checkProduct.ts';
import { hessianAt, normalize } from '../../src/core/hessian.ts';
import type { Asks } from '../../src/core/question.ts';
import { uniform } from '../../bench/problems/random.js';

type Vector = readonly number[];
type Field = (x: Vector) => number[];

interface Answered<Result> {
  readonly result: Result | Error;
  /** Points at which gradients were asked for. */
  readonly asked: number[][];
}

/** Answers requests for gradients and for products. */
function answered<Result>(
  turns: Asks<Result>,
  gradientAt: Field,
  exact: (v: Vector) => Vector = () => [],
): Answered<Result> {
  const asked: number[][] = [];
  try {
    let turn = turns.next();
    while (!turn.done) {
      const question = turn.value;
      if (question.kind === 'hessianVector') question.product.set(exact([...question.v]));
      if (question.kind === 'evaluate') {
        asked.push([...question.x]);
        question.gradient?.set(gradientAt([...question.x]));
      }
      turn = turns.next(0);
    }
    return { result: turn.value, asked };
  } catch (error) {
    if (error instanceof TypeError && error.message.startsWith('hessianVector'))
      return { result: error, asked };
    throw error;
  }
}

const most = (values: Vector) => values.reduce((a, b) => Math.max(a, b), 0);
const length = (v: Vector) => Math.sqrt(v.reduce((sum, value) => sum + value * value, 0));

interface Place {
  readonly gradientAt: Field;
  readonly x: Vector;
  readonly v: Vector;
  readonly precision: 'float32' | 'float64';
  readonly scale: number | number[] | undefined;
}

/** The formulas of differences at a place. */
function formulas({ gradientAt, x, v, precision, scale }: Place) {
  const asked: number[][] = [];
  const size = (i: number) => (Array.isArray(scale) ? scale[i] : (scale ?? 1));
  /** ‖·‖∞ with each element in units of its unknown. */
  const norm = (a: Vector) => most(a.map((value, i) => Math.abs(value) * size(i)));
  const point = (t: number) =>
    x.map((value, i) => (precision === 'float32' ? Math.fround(value + t * v[i]) : value + t * v[i]));
  const gradient = (t: number) => {
    asked.push(point(t));
    return gradientAt(point(t));
  };
  return {
    asked,
    size,
    norm,
    gradient,
    /** ‖a − b‖ / max(‖a‖, ‖b‖) */
    apart: (a: Vector, b: Vector) => norm(a.map((value, i) => value - b[i])) / Math.max(norm(a), norm(b)),
    /** (∇f(x + tv) − ∇f(x − tv)) / 2t, with the gradient behind. */
    central: (t: number) => {
      const [ahead, behind] = [gradient(t), gradient(-t)];
      return { product: ahead.map((value, i) => (value - behind[i]) / (2 * t)), behind };
    },
    /** Below ten units of rounding, the change of a gradient is noise. */
    isNoise: (change: number) => !(change > 10 * (precision === 'float32' ? 2 ** -23 : 2 ** -52)),
  };
}

/**
 * The ladder of hessianAt, written once more: the product that differs least from that of the neighboring coarser step,
 * among 1e-3 … 1e-6 (float32: 1e-2 … 1e-4); if none is within 1e-3 (0.03), further down until rounding drowns it, then up
 * while the gradient changes by less than a tenth.
 */
function ladder(place: Place, epsilon: number | 'auto') {
  const { x, v, precision, scale } = place;
  const { asked, size, norm, apart, central, isNoise } = formulas(place);
  const ofX = epsilon === 'auto' ? length(x) || 1 : Math.max(1, length(x));
  const along =
    scale === undefined ? ofX / length(v) : 1 / most(v.map((value, i) => Math.abs(value) / size(i)));
  if (epsilon !== 'auto') {
    const again = () => central(epsilon * along).product;
    return { product: again(), agreement: NaN, asked, again };
  }
  const steps = precision === 'float32' ? [1e-2, 3e-3, 1e-3, 3e-4, 1e-4] : [1e-3, 1e-4, 1e-5, 1e-6];
  const good = precision === 'float32' ? 0.03 : 1e-3;
  const tried: { step: number; product: number[]; agreement: number; change: number }[] = [];
  const attempt = (step: number, neighbor: Vector) => {
    const { product, behind } = central(step * along);
    const change = (norm(product) * step * along) / norm(behind);
    const agreement = isNoise(change) ? Infinity : apart(neighbor, product);
    tried.push({ step, product, change, agreement: agreement < Infinity ? agreement : Infinity });
    return product;
  };
  const best = () => tried.reduce((held, next) => (next.agreement < held.agreement ? next : held));
  const isGood = () => best().agreement <= good;
  let last: number[] = x.map(() => NaN);
  for (const step of steps) last = attempt(step, last);
  for (
    let k = 0, step = steps[steps.length - 1];
    k < 30 && !isGood() && !isNoise(tried[tried.length - 1].change);
    k++
  ) {
    last = attempt((step /= 10), last);
  }
  last = tried[0].product;
  let { change } = tried[0];
  for (let k = 0, step = steps[0]; k < 30 && !isGood() && change < 0.1; k++) {
    last = attempt((step *= 10), last);
    ({ change } = tried[tried.length - 1]);
  }
  const { product, agreement, step } = best();
  const isLinear = agreement === Infinity && last.every((value) => value === 0);
  return { product, agreement: isLinear ? 0 : agreement, asked, again: () => central(step * along).product };
}

/**
 * The comparison of checkProduct, written once more: a product is refused if no difference is within a tenth of it while
 * two differences agree to a hundredth, and none of the steps below does until rounding drowns them.
 */
function comparison(place: Place, size: number, product: Vector, gradient: Vector | null) {
  const { precision } = place;
  const { asked, norm, apart, central, isNoise, gradient: gradientAlong } = formulas(place);
  const found: number[][] = [];
  const answer = (isRefused: boolean) => {
    if (!isRefused) return { asked, result: asked.length };
    const errors = product.map((value, i) => Math.abs(value - found[0][i]));
    const worst = errors.indexOf(most(errors));
    return {
      asked,
      result: `hessianVector gives ${product[worst]} for element ${worst} of a product where differences of fg's gradients give ${found[0][worst].toPrecision(5)}: they belong to two functions, or one of them is wrong`,
    };
  };
  if (product.some((value) => !Number.isFinite(value))) return answer(false);
  /** Takes a difference; returns true if rounding drowns it. */
  const take = (step: number): boolean => {
    const t = step * size;
    let from = gradient;
    if (gradient === null) {
      const { product: difference, behind } = central(t);
      found.push(difference);
      from = behind;
    } else {
      found.push(gradientAlong(t).map((value, i) => (value - gradient[i]) / t));
    }
    const change = (a: Vector) => (norm(a) * t) / norm(from ?? []);
    return isNoise(Math.max(change(found[found.length - 1]), change(product)));
  };
  const isMet = () => !(apart(product, found[found.length - 1]) > 0.1);
  for (const step of precision === 'float32' ? [1e-2, 3e-3, 3e-2, 1e-3] : [1e-5, 1e-4, 1e-6, 1e-7, 1e-3]) {
    if (take(step) || isMet()) return answer(false);
  }
  const agree = found.some((a, i) => found.slice(i + 1).some((b) => apart(a, b) <= 0.01));
  if (!agree) return answer(false);
  for (let step = 1e-8; step > 1e-40; step /= 10) {
    if (take(step)) break;
    if (isMet()) return answer(false);
  }
  return answer(true);
}

/** Slopes of a function of one variable, and their derivatives. */
const slopes: Record<string, [slope: (z: number) => number, curvature: (z: number) => number]> = {
  parabola: [(z) => 3 * z, () => 3],
  quartic: [(z) => z ** 3, (z) => 3 * z * z],
  wave: [Math.cos, (z) => -Math.sin(z)],
  line: [() => 2, () => 0],
  nothing: [() => 0, () => 0],
  'fast wave': [(z) => z + 1e-3 * Math.sin(1e5 * z), (z) => 1 + 100 * Math.cos(1e5 * z)],
  'very fast wave': [(z) => z + 1e-9 * Math.sin(1e12 * z), (z) => 1 + 1e3 * Math.cos(1e12 * z)],
  jumps: [(z) => z + Math.sign(Math.sin(1e5 * z)), () => 1],
  kink: [(z) => Math.max(0, z - 1), (z) => Number(z > 1)],
  buried: [(z) => 1e8 + z, () => 1],
  'far scale': [(z) => Math.tanh(1e-9 * z), (z) => 1e-9 / Math.cosh(1e-9 * z) ** 2],
  'near scale': [(z) => Math.sin(1e9 * z), (z) => 1e9 * Math.cos(1e9 * z)],
  undefined: [() => NaN, () => 1],
};

/** A place drawn at random: separable gradients with a coupling of neighbors, in units of their own. */
function draw(random: () => number) {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)];
  const precision = pick(['float64', 'float32'] as const);
  const round = precision === 'float32' ? Math.fround : Number;
  const n = pick([1, 2, 3]);
  const units = Array.from({ length: n }, () => pick([1, 1, 1e-6, 1e4]));
  const names = units.map(() => pick(Object.keys(slopes)));
  const coupling = pick([0, 0, 0.5]);
  const z = (x: Vector) => x.map((value, i) => value / units[i]);
  const at = units.map((unit) => round(unit * pick([0, 1, 1, 4 * random() - 2, 4 * random() - 2])));
  const product = (v: Vector) => {
    const w = z(v);
    return names.map(
      (name, i) =>
        (slopes[name][1](at[i] / units[i]) * w[i] + coupling * (w[i + 1] ?? 0) + coupling * (w[i - 1] ?? 0)) /
        units[i],
    );
  };
  const place: Place = {
    precision,
    x: at,
    v: units.map((unit, i) => unit * pick([i === 0 ? 1 : 0, 1, 4 * random() - 2])),
    scale: pick([undefined, undefined, units, units[0], 1]),
    gradientAt(x) {
      const w = z(x);
      return names.map((name, i) =>
        round((slopes[name][0](w[i]) + coupling * (w[i + 1] ?? 0) + coupling * (w[i - 1] ?? 0)) / units[i]),
      );
    },
  };
  return { name: names.join(), place, product, pick };
}

const float64 = (values: Vector) => Float64Array.from(values);

describe('differences of gradients', () => {
  it('take the steps, and keep the product, that the rules of the ladder say', () => {
    const random = uniform(3);
    let extended = 0;
    for (let run = 0; run < 3000; run++) {
      const { name, place, pick } = draw(random);
      const { x, v, precision, scale, gradientAt } = place;
      const epsilon = pick(['auto', 'auto', 'auto', 1e-3] as const);
      const hessian = hessianAt(float64(x), { precision, exact: false, epsilon, scale, signal: undefined });
      const product = new Float64Array(x.length);
      const { asked } = answered(hessian.times(float64(v), product), gradientAt);
      const { agreement, products, gradients } = hessian;
      const { again, ...wanted } = ladder(place, epsilon);
      expect({ name, run, asked, product: [...product], agreement, products, gradients }).toEqual({
        name,
        run,
        ...wanted,
        products: 1,
        gradients: asked.length,
      });
      if (asked.length > 10) extended++;
      // The step that was found serves the next products.
      const second = answered(hessian.times(float64(v), product), gradientAt);
      expect([...product]).toEqual(again());
      expect([second.asked.length, hessian.products, hessian.gradients]).toEqual([2, 2, gradients + 2]);
    }
    expect(extended).toBeGreaterThan(500);
  });

  it('differences of gradients of no direction are 0 without an evaluation', () => {
    const hessian = hessianAt(Float64Array.of(1, 2), {
      precision: 'float64',
      exact: false,
      epsilon: 'auto',
      signal: undefined,
    });
    const product = Float64Array.of(7, 7);
    const { asked } = answered(hessian.times(new Float64Array(2), product), (x) => [...x]);
    expect([...product, ...asked]).toEqual([0, 0]);
    expect([hessian.products, hessian.gradients]).toEqual([1, 0]);
  });

  it.each([true, false])('end where the run is aborted (exact: %s)', (exact) => {
    const hessian = hessianAt(Float64Array.of(1), {
      precision: 'float64',
      exact,
      epsilon: 'auto',
      signal: AbortSignal.abort(new Error('stopped')),
    });
    const run = () =>
      answered(
        hessian.times(Float64Array.of(1), new Float64Array(1)),
        (x) => [...x],
        (v) => v,
      );
    expect(run).toThrow('stopped');
  });
});

describe("a problem's own product", () => {
  it('is refused where the rules of the comparison say so, from the same gradients', () => {
    const random = uniform(4);
    const counts = { refused: 0, long: 0, oneSided: 0 };
    for (let run = 0; run < 4000; run++) {
      const { name, place, product: exactly, pick } = draw(random);
      const { x, v, precision, scale, gradientAt } = place;
      const factor = pick([1, 1, 1.05, 1.2, -1, 0, 2, NaN, Infinity]);
      const product = exactly(v).map((value) => factor * value + pick([0, 0, 0, 0, 0, 0, 0.3, 0.3, NaN]));
      const gradient = pick([null, null, gradientAt(x)]);
      const size = pick([1, 1, 0.01, 30]);
      const n = x.length;
      const at = {
        x: float64(x),
        gradient: gradient && float64(gradient),
        point: new Float64Array(n),
        behind: new Float64Array(n),
        rounded: precision === 'float32',
        scale,
      };
      const { result, asked } = answered(
        checkProduct(at, float64(v), size, float64(product), precision),
        gradientAt,
      );
      const outcome = result instanceof Error ? result.message.split('; checkGradient can tell')[0] : result;
      const wanted = comparison(place, size, product, gradient);
      expect({ name, run, asked, result: outcome }).toEqual({ name, run, ...wanted });
      if (result instanceof Error) counts.refused++;
      if (asked.length > 6) counts.long++;
      if (gradient && asked.length > 0) counts.oneSided++;
    }
    // Each way is taken often.
    expect(Math.min(...Object.values(counts))).toBeGreaterThan(300);
  });

  it('is compared at the first product only', () => {
    const hessian = hessianAt(Float64Array.of(1, -2), {
      precision: 'float64',
      exact: true,
      epsilon: 'auto',
      signal: undefined,
    });
    const product = new Float64Array(2);
    const evaluations = [1, 2, 3].map(
      () =>
        answered(
          hessian.times(Float64Array.of(1, 1), product),
          (x) => x.map((value) => 3 * value),
          (v) => v.map((value) => 3 * value),
        ).asked.length,
    );
    expect(evaluations).toEqual([2, 0, 0]);
    expect([...product, hessian.products, hessian.gradients, hessian.agreement]).toEqual([3, 3, 3, 2, 0]);
  });
});

describe('normalize', () => {
  it('divides a vector by its length and returns the length', () => {
    const v = Float64Array.of(2, -2, 2, -2);
    expect(normalize(v)).toBe(4);
    expect(v).toEqual(Float64Array.of(0.5, -0.5, 0.5, -0.5));
  });

  it('leaves 0 as it is', () => {
    const v = new Float64Array(2);
    expect(normalize(v)).toBe(0);
    expect(v).toEqual(new Float64Array(2));
  });
});
