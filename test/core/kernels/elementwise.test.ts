import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { adam, layoutOf, minimize, soap, vectorParams, type Problem, type Solver } from 'quasi-newton';
import {
  adamStep,
  averageStep,
  plainAdam,
  plainAverage,
  plainShift,
  shiftAlong,
} from '../../../src/core/kernels/elementwise.ts';
import { newVectors, vectorKernels } from '../../../src/core/kernels/vectorMemory.ts';
import { dot, KERNEL_LENGTH, normInf } from '../../../src/core/vector.ts';
import { uniform } from '../../../bench/problems/random.js';

afterEach(() => vi.unstubAllGlobals());

const cases = fc.record({
  n: fc.integer({ min: KERNEL_LENGTH, max: KERNEL_LENGTH + 9 }),
  seed: fc.integer(),
  special: fc.boolean(),
  rounds: fc.boolean(),
});
const odd = [0, -0, NaN, Infinity, -Infinity, 1e-310, 1e300, -1e300];

/** Vectors in a memory, and equal ones elsewhere. */
function twins(n: number, count: number, seed: number, special: boolean) {
  const random = uniform(seed);
  const inside = newVectors(n, count);
  expect(vectorKernels(inside)).toBeDefined();
  for (const vector of inside) {
    for (let i = 0; i < n; i++) {
      const value = (random() - 0.5) * 10 ** (6 * random() - 3);
      vector[i] = special && random() < 0.01 ? odd[i % odd.length] : value;
    }
  }
  return { inside, outside: inside.map((vector) => vector.slice()) };
}

/** Names the first element that differs; '' if there is none. */
function firstDifference(a: readonly Float64Array[], b: readonly Float64Array[]): string {
  for (const [k, vector] of a.entries()) {
    const at = vector.findIndex((value, i) => !Object.is(value, b[k][i]));
    if (at !== -1) return `vector ${k} at ${at}: ${vector[at]}, ${b[k][at]}`;
  }
  return '';
}

describe('SIMD and plain loops agree to the last bit', () => {
  it.each([false, true])('a step of Adam; AMSGrad %s', (amsgrad) => {
    fc.assert(
      // Without ε, a number beyond the last would be 0 / 0.
      fc.property(cases, fc.boolean(), fc.constantFrom(1e-8, 0), (parameters, isFree, epsilon) => {
        const { n, seed, special, rounds } = parameters;
        const { inside, outside } = twins(n, 6, seed, special);
        const numbers = {
          clip: 0.7,
          beta1: 0.9,
          beta2: 0.999,
          scale1: 0.02,
          scale2: 3.1,
          epsilon,
          shrink: 0.003,
          rounds,
        };
        const vectorsOf = ([x, gradient, firstMoment, secondMoment, largest]: readonly Float64Array[]) => {
          if (!special) for (let i = 0; i < n; i++) secondMoment[i] **= 2;
          return {
            x,
            gradient,
            firstMoment,
            secondMoment,
            largestMoment: amsgrad ? largest : new Float64Array(0),
          };
        };
        const baseOf = (vectors: readonly Float64Array[]) => vectors[isFree ? 5 : 0];
        const fast = adamStep(vectorsOf(inside), baseOf(inside), numbers);
        const plain = plainAdam(vectorsOf(outside), baseOf(outside), numbers, 0);
        expect(fast).toBe(plain);
        expect(firstDifference(inside, outside)).toBe('');
      }),
      { numRuns: 100 },
    );
  });

  it('averages, and shifts along', () => {
    fc.assert(
      fc.property(cases, ({ n, seed, special, rounds }) => {
        const { inside, outside } = twins(n, 3, seed, special);
        const named = ([y, base, average]: readonly Float64Array[]) => ({ y, base, average });
        shiftAlong(named(inside), 0.9, rounds);
        plainShift(named(outside), 0.9, rounds, 0);
        expect(firstDifference(inside, outside)).toBe('');
        const fast = averageStep(named(inside), 0.9, 0.02, rounds);
        expect(fast).toBe(plainAverage(named(outside), 0.9, 0.02, rounds, 0));
        expect(firstDifference(inside, outside)).toBe('');
      }),
      { numRuns: 100 },
    );
  });

  it('sums and maxima', () => {
    fc.assert(
      fc.property(cases, ({ n, seed, special }) => {
        const { inside, outside } = twins(n, 2, seed, special);
        expect(dot(inside[0], inside[1])).toBe(dot(outside[0], outside[1]));
        expect(normInf(inside[0])).toBe(normInf(outside[0]));
      }),
      { numRuns: 50 },
    );
  });

  it('also where one vector lies elsewhere', () => {
    const { inside, outside } = twins(KERNEL_LENGTH, 3, 1, false);
    const mixed = [inside[0], outside[1].slice(), inside[2]];
    const named = ([y, base, average]: readonly Float64Array[]) => ({ y, base, average });
    averageStep(named(mixed), 0.8, 0.1, false);
    averageStep(named(outside), 0.8, 0.1, false);
    expect(firstDifference(mixed, outside)).toBe('');
  });
});

describe('steps of three elements, by their definitions', () => {
  const numbersOf = (seed: number) => {
    const random = uniform(seed);
    return () => Float64Array.from({ length: 3 }, () => random() - 0.5);
  };

  it.each([
    [false, false],
    [true, true],
  ])('a step of Adam returns its largest change; AMSGrad %s, rounded %s', (amsgrad, rounds) => {
    const make = numbersOf(3);
    const [x, gradient, firstMoment, base] = [make(), make(), make(), make()];
    const [secondMoment, largest] = [make().map(Math.abs), make().map(Math.abs)];
    const [m0, v0, l0, b0] = [firstMoment, secondMoment, largest, base].map((vector) => vector.slice());
    const numbers = { clip: 0.7, beta1: 0.9, beta2: 0.999, scale1: 0.02, scale2: 3.1 };
    const more = { epsilon: 1e-3, shrink: 0.003, rounds };
    const largestMoment = amsgrad ? largest : new Float64Array(0);
    const vectors = { x, gradient, firstMoment, secondMoment, largestMoment };
    const moved = adamStep(vectors, base, { ...numbers, ...more });
    let most = 0;
    for (let i = 0; i < 3; i++) {
      const m = 0.9 * m0[i] + 0.1 * 0.7 * gradient[i];
      const v = 0.999 * v0[i] + 0.001 * (0.7 * gradient[i]) ** 2;
      const size = amsgrad ? Math.max(l0[i], v) : v;
      const s = (0.02 * m) / (3.1 * Math.sqrt(size) + 1e-3) + 0.003 * x[i];
      most = Math.max(most, Math.abs(s));
      expect(firstMoment[i]).toBeCloseTo(m, 14);
      expect(secondMoment[i]).toBeCloseTo(v, 14);
      expect(largest[i]).toBe(amsgrad ? Math.max(l0[i], secondMoment[i]) : l0[i]);
      expect(base[i]).toBeCloseTo(b0[i] - s, rounds ? 6 : 14);
      expect(base[i] === Math.fround(base[i])).toBe(rounds);
    }
    expect(moved).toBeCloseTo(most, 14);
  });

  it('a step of the average returns the largest change of y', () => {
    const make = numbersOf(4);
    const [y, base, average] = [make(), make(), make()];
    const [y0, a0] = [y.slice(), average.slice()];
    const moved = averageStep({ y, base, average }, 0.9, 0.02, false);
    for (let i = 0; i < 3; i++) {
      expect(average[i]).toBeCloseTo(0.98 * a0[i] + 0.02 * base[i], 14);
      expect(y[i]).toBeCloseTo(0.1 * base[i] + 0.9 * average[i], 14);
    }
    expect(moved).toBe(normInf(y.map((value, i) => value - y0[i])));
  });
});

describe('runs with and without WebAssembly end at the same point', () => {
  const layout = layoutOf([
    { name: 'w', shape: [17, 21] },
    { name: 'b', shape: [12] },
    { name: 'conv', shape: [8, 3, 2, 2] },
  ]);
  const n = layout.length;
  const problemIn = (precision: 'float32' | 'float64'): Problem => ({
    p0: Float64Array.from({ length: n }, (_, i) => Math.fround(Math.sin(i))),
    precision,
    params: vectorParams(new Float64Array(n), layout),
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        const d = x[i] - Math.cos(3 * i) + 0.3 * x[(i * 7 + 1) % n];
        f += (1 + (i % 5)) * d * d;
        if (gradient) gradient[i] = Math.fround(2 * (1 + (i % 5)) * d + Math.sin(9 * x[i]));
      }
      return f;
    },
  });

  it.each<[string, Solver]>([
    ['adam', adam({ learningRate: 0.02 })],
    ['adam, AMSGrad', adam({ learningRate: 0.02, amsgrad: true, weightDecay: 0.1 })],
    ['adam, clipped', adam({ learningRate: 0.02, clipNorm: 3 })],
    ['adam, schedule-free', adam({ learningRate: 0.02, scheduleFree: true, weightDecay: 0.1 })],
    ['soap', soap({ learningRate: 0.02 })],
    ['soap, small blocks', soap({ learningRate: 0.02, maxSide: 9, frequency: 2, weightDecay: 0.1 })],
    ['soap, the inputs, with biases', soap({ learningRate: 0.02, oneSided: true, joinBias: true })],
    ['soap, both sides', soap({ learningRate: 0.02, oneSided: false, clipNorm: 3 })],
    ['soap, schedule-free', soap({ learningRate: 0.02, scheduleFree: true, frequency: 3 })],
  ])('runs with and without WebAssembly end at the same point: %s', (_name, solver) => {
    for (const precision of ['float32', 'float64'] as const) {
      const limits = { maxIterations: 25, gtol: 0 };
      const setting = { n, precision, layout };
      expect(vectorKernels([solver.init(setting).x])).toBeDefined();
      const fast = minimize(problemIn(precision), solver, limits);
      vi.stubGlobal('WebAssembly', undefined);
      expect(vectorKernels([solver.init(setting).x])).toBeUndefined();
      const plain = minimize(problemIn(precision), solver, limits);
      vi.unstubAllGlobals();
      expect(firstDifference([fast.x], [plain.x])).toBe('');
      expect(fast.iterations).toBe(25);
    }
  });

  it.each<[string, Solver]>([
    ['adam', adam({ amsgrad: true, scheduleFree: true })],
    ['soap', soap({ scheduleFree: true, frequency: 2 })],
  ])('%s goes on from a clone of its state in plain arrays', (_name, solver) => {
    const setting = { n, precision: 'float32' as const, layout, stochastic: true };
    const { p0, fg } = problemIn('float32');
    const straight = solver.init(setting);
    straight.x.set(p0);
    let cloned = structuredClone(straight);
    for (let t = 0; t < 8; t++) {
      for (const state of [straight, cloned]) {
        fg(state.x, state.gradient);
        solver.step(state).next();
      }
      expect(cloned).toEqual(straight);
      cloned = structuredClone(cloned);
    }
  });
});
