import { describe, expect, it } from 'vitest';
import {
  adam,
  cosineDecay,
  exponentialDecay,
  fixedStep,
  gradientDescent,
  warmup,
  type AdamOptions,
} from 'quasi-newton';
import { difference, gradientAt, hills, length, walk, type Walked } from './walk.ts';

// Oracles: each first-order method written out once more from its formula, one unknown at a time.

type Vector = readonly number[];

const TOLERANCE = 1e-12;
const STEPS = 60;

/** The rate at step t, the first being 0. */
type Rate = (t: number) => number;

const rateOf = ({ learningRate = 1e-3 }: AdamOptions): Rate =>
  typeof learningRate === 'number' ? () => learningRate : learningRate;

/**
 * Adam as Kingma & Ba (2015), Algorithm 1, has it, t counted from 1, with AdamW's decay and AMSGrad's maximum.
 *
 * @returns the map from a point and its gradient to the next point
 */
function adamOracle(n: number, options: AdamOptions) {
  const { beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0, clipNorm = Infinity } = options;
  const zeros = () => Array.from({ length: n }, () => 0);
  let [m, v, largest] = [zeros(), zeros(), zeros()];
  let t = 0;
  return (x: Vector, gradient: Vector): number[] => {
    const norm = length(gradient);
    const g = norm > clipNorm ? gradient.map((value) => (value * clipNorm) / norm) : gradient;
    const rate = rateOf(options)(t);
    t += 1;
    m = m.map((value, i) => beta1 * value + (1 - beta1) * g[i]);
    v = v.map((value, i) => beta2 * value + (1 - beta2) * g[i] ** 2);
    largest = largest.map((value, i) => Math.max(value, v[i]));
    const second = options.amsgrad ? largest : v;
    return x.map((value, i) => {
      const mHat = m[i] / (1 - beta1 ** t);
      const vHat = second[i] / (1 - beta2 ** t);
      return value - rate * (mHat / (Math.sqrt(vHat) + epsilon)) - rate * weightDecay * value;
    });
  };
}

/** The farthest that a step ends from where the oracle goes from the same point and gradient. */
const farthest = (steps: readonly Walked[], oracle: (x: Vector, g: Vector) => number[]): number =>
  Math.max(...steps.map(({ before, x }) => difference(x, oracle(before.x, before.gradient))));

/** Each step says what it did: its rate, how far it moved, and f and ∇f where it ended. */
function misreported(steps: readonly Walked[], rate: Rate): Walked[] {
  return steps.filter(({ before, x, f, gradient, alpha, moved, evaluations }, t) => {
    const longest = Math.max(...x.map((value, i) => Math.abs(value - before.x[i])));
    const values =
      f === hills.fg(Float64Array.from(x), null) && difference(gradient, gradientAt(hills, x)) === 0;
    return !(values && alpha === rate(t) && Math.abs(moved - longest) < TOLERANCE && evaluations === 1);
  });
}

describe('Adam', () => {
  const variants: [string, AdamOptions][] = [
    ['by default', {}],
    ['a rate', { learningRate: 0.1 }],
    ['other moments', { learningRate: 0.05, beta1: 0.5, beta2: 0.8 }],
    ['no moments', { learningRate: 0.05, beta1: 0, beta2: 0 }],
    ['a large epsilon', { learningRate: 0.1, epsilon: 0.7 }],
    ['weight decay', { learningRate: 0.05, weightDecay: 0.3 }],
    ['AMSGrad', { learningRate: 0.2, beta2: 0.7, amsgrad: true }],
    ['clipping', { learningRate: 0.1, clipNorm: 1.5 }],
    ['clipping that seldom bites', { learningRate: 0.1, clipNorm: 6 }],
    ['cosine decay', { learningRate: cosineDecay({ from: 0.2, to: 0.01, steps: 40 }) }],
    ['exponential decay', { learningRate: exponentialDecay({ from: 0.2, rate: 0.5, steps: 10 }) }],
    ['warm-up', { learningRate: warmup({ steps: 7, after: 0.1 }), weightDecay: 0.1 }],
    [
      'all at once',
      {
        learningRate: warmup({ steps: 5, after: cosineDecay({ from: 0.3, steps: 50 }) }),
        beta1: 0.8,
        beta2: 0.9,
        epsilon: 1e-3,
        weightDecay: 0.05,
        amsgrad: true,
        clipNorm: 3,
      },
    ],
  ];

  it.each(variants)('takes the steps of its formula: %s', (_name, options) => {
    const steps = walk(adam(options), hills, STEPS);
    expect(farthest(steps, adamOracle(4, options))).toBeLessThan(TOLERANCE);
    expect(misreported(steps, rateOf(options))).toEqual([]);
  });

  it('each option makes a difference', () => {
    const ends = variants.map(([, options]) => walk(adam(options), hills, STEPS)[STEPS - 1].x.join(' '));
    expect(new Set(ends).size).toBe(variants.length);
  });

  it('moves every unknown by the rate in its first step, whatever the size of its slope', () => {
    const [{ before, x }] = walk(adam({ learningRate: 0.01 }), hills, 1);
    x.forEach((value, i) => {
      expect(value - before.x[i]).toBeCloseTo(-0.01 * Math.sign(before.gradient[i]), 9);
    });
  });

  it('Adam in float32 rounds each point, and keeps its moments in float64', () => {
    const options = { learningRate: 0.1, weightDecay: 0.01 };
    const oracle = adamOracle(4, options);
    for (const { before, x } of walk(adam(options), hills, STEPS, { precision: 'float32' })) {
      const exact = oracle(before.x, before.gradient);
      x.forEach((value, i) => {
        expect(Math.fround(value)).toBe(value);
        expect(Math.abs(value - exact[i])).toBeLessThanOrEqual(2 ** -24 * Math.abs(exact[i]) + TOLERANCE);
      });
    }
  });

  it('Adam on mini-batches asks for nothing: the next batch is evaluated there anyway', () => {
    const [{ evaluations, gradient, before, x }] = walk(adam(), hills, 1, { stochastic: true });
    expect(evaluations).toBe(0);
    expect(gradient).toEqual(before.gradient);
    expect(x).not.toEqual(before.x);
  });

  it('describes itself, and may rise on its way', () => {
    expect(adam({ learningRate: 0.01 }).describe(3)).toBe('Adam (learning rate 0.01)');
    expect(adam().describe(3)).toBe('Adam (learning rate 0.001)');
    expect(adam({ learningRate: () => 1 }).describe(3)).toBe('Adam (learning rate by schedule)');
    expect(adam()).toMatchObject({ name: 'adam', descends: false });
  });

  it.each([
    ['learningRate: must be a finite number > 0 or a schedule', { learningRate: 0 }],
    ['beta1: must be a number in [0, ', { beta1: 1 }],
    ['beta2: must be a number in [0, ', { beta2: -0.1 }],
    ['epsilon: must be a finite number > 0, got 0', { epsilon: 0 }],
    ['weightDecay: must be a finite number ≥ 0, got -1', { weightDecay: -1 }],
    ['amsgrad: must be true or false, got 1', { amsgrad: 1 }],
    ['clipNorm: must be a number > 0, got 0', { clipNorm: 0 }],
  ])('refuses: %s', (message, options) => {
    expect(() => adam(options as AdamOptions)).toThrow(RangeError);
    expect(() => adam(options as AdamOptions)).toThrow(`adam: ${message}`);
  });

  it('accepts moments of 0 and no limit to the gradient', () => {
    expect(adam({ beta1: 0, beta2: 0, clipNorm: Infinity, weightDecay: 0 }).name).toBe('adam');
  });
});

describe('gradient descent with a learning rate', () => {
  const rates: [string, number | Rate, number][] = [
    ['plain', 0.05, 0],
    ['momentum', 0.03, 0.8],
    ['momentum by schedule', cosineDecay({ from: 0.05, steps: 30 }), 0.9],
    ['warm-up', warmup({ steps: 9, after: 0.04 }), 0.5],
  ];

  it.each(rates)('follows v ← μv − η∇f, x ← x + v: %s', (_name, learningRate, momentum) => {
    const rate = typeof learningRate === 'number' ? () => learningRate : learningRate;
    let v = [0, 0, 0, 0];
    let t = 0;
    const oracle = (x: Vector, g: Vector) => {
      const eta = rate(t++);
      v = v.map((value, i) => momentum * value - eta * g[i]);
      return x.map((value, i) => value + v[i]);
    };
    const steps = walk(gradientDescent({ learningRate, momentum }), hills, STEPS);
    expect(farthest(steps, oracle)).toBeLessThan(TOLERANCE);
    expect(misreported(steps, rate)).toEqual([]);
  });

  it.each(rates.slice(1))(
    'gradient descent with a learning rate in Nesterov’s form stands where Sutskever’s lookahead θ + μv does: %s',
    (_name, learningRate, momentum) => {
      const rate = typeof learningRate === 'number' ? () => learningRate : learningRate;
      let theta: number[] = [...hills.p0];
      let v = [0, 0, 0, 0];
      const steps = walk(gradientDescent({ learningRate, momentum, nesterov: true }), hills, STEPS);
      steps.forEach(({ x, alpha }, t) => {
        const ahead = gradientAt(
          hills,
          theta.map((value, i) => value + momentum * v[i]),
        );
        v = v.map((value, i) => momentum * value - rate(t) * ahead[i]);
        theta = theta.map((value, i) => value + v[i]);
        const lookahead = theta.map((value, i) => value + momentum * v[i]);
        // Two ways to the same point drift apart by rounding, which the hills amplify.
        expect(difference(x, lookahead)).toBeLessThan(1e-10);
        expect(alpha).toBe(rate(t));
      });
      const plain = walk(gradientDescent({ learningRate, momentum }), hills, STEPS);
      expect(difference(plain[9].x, steps[9].x)).toBeGreaterThan(1e-3);
    },
  );

  it.each([false, true])('tells what its steps did, with nesterov %s', (nesterov) => {
    const steps = walk(gradientDescent({ learningRate: 0.02, momentum: 0.9, nesterov }), hills, 20);
    expect(misreported(steps, () => 0.02)).toEqual([]);
  });

  it('gradient descent with a learning rate in float32 rounds each point, and on mini-batches asks for nothing', () => {
    const solver = gradientDescent({ learningRate: 0.1 });
    const steps = walk(solver, hills, 5, { precision: 'float32' });
    for (const { before, x } of steps) {
      expect(x).toEqual(before.x.map((value, i) => Math.fround(value - 0.1 * before.gradient[i])));
    }
    const [{ evaluations, gradient, before }] = walk(solver, hills, 1, { stochastic: true });
    expect(evaluations).toBe(0);
    expect(gradient).toEqual(before.gradient);
  });

  it('describes itself, and may rise on its way', () => {
    const solver = gradientDescent({ learningRate: 0.1, momentum: 0.9, nesterov: true });
    expect(solver).toMatchObject({ name: 'gradientDescent', descends: false });
    expect(solver.describe(1)).toBe('Gradient descent (learning rate 0.1, Nesterov momentum 0.9)');
    expect(gradientDescent({ learningRate: () => 1 }).describe(1)).toBe(
      'Gradient descent (learning rate by schedule, momentum 0)',
    );
    expect(gradientDescent()).toMatchObject({ name: 'gradientDescent', descends: true });
    expect(gradientDescent().describe(1)).toBe('Gradient descent (Moré–Thuente)');
  });

  it.each([
    ['momentum needs a learningRate.', { momentum: 0.5 }],
    ['momentum must be below 1, got 1.', { learningRate: 1, momentum: 1 }],
    ['nesterov needs a learningRate.', { nesterov: true }],
    ['nesterov needs momentum > 0.', { learningRate: 1, nesterov: true }],
    ['momentum: must be a finite number ≥ 0, got -0.1', { learningRate: 1, momentum: -0.1 }],
    ['nesterov: must be true or false', { learningRate: 1, nesterov: 'yes' }],
    ['learningRate: must be a finite number > 0 or a schedule', { learningRate: -1 }],
    ['lineSearch: must be', { lineSearch: 1 }],
    ['give either a lineSearch or a learningRate, not both.', { learningRate: 1, lineSearch: fixedStep() }],
  ])('refuses: %s', (message, options) => {
    expect(() => gradientDescent(options as never)).toThrow(RangeError);
    expect(() => gradientDescent(options as never)).toThrow(`gradientDescent: ${message}`);
  });
});
