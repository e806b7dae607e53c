import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { uniform } from '../../bench/problems/random.js';
import { arenaOf } from '../../src/core/kernels/arena.ts';
import { KERNEL_LENGTH } from '../../src/core/kernels/rows.ts';
import { runSync } from '../../src/core/drive.ts';
import { minimize } from '../../src/core/minimize.ts';
import { addScaled, dot, normInf, scaleInto } from '../../src/core/vector.ts';
import { gramDirection, gramOf } from '../../src/solvers/gram.ts';
import { pairRing, slotsOf } from '../../src/solvers/pairRing.ts';
import { conjugateGradient } from '../../src/solvers/conjugateGradient.ts';
import { lbfgs, type LbfgsOptions } from '../../src/solvers/lbfgs.ts';
import { slbfgs } from '../../src/solvers/slbfgs.ts';
import type { Asks } from '../../src/core/question.ts';
import type { Solver } from '../../src/core/solver.ts';
import type { Problem } from '../../src/core/problem.ts';

/** The extended Rosenbrock function, from its usual start. */
function extendedRosenbrock(n: number): Problem {
  return {
    p0: Float64Array.from({ length: n }, (_, i) => (i % 2 === 0 ? -1.2 : 1)),
    fg(x, gradient) {
      gradient?.fill(0);
      let f = 0;
      for (let i = 0; i + 1 < n; i += 2) {
        const r = x[i + 1] - x[i] ** 2;
        f += 100 * r ** 2 + (1 - x[i]) ** 2;
        if (gradient) {
          gradient[i] = -400 * r * x[i] - 2 * (1 - x[i]);
          gradient[i + 1] = 200 * r;
        }
      }
      return f;
    },
  };
}

/** Pairs of a convex quadratic, as a ring that has gone round, with all of their products. */
function quadraticPairs(n: number, m: number, seed: number) {
  const random = uniform(seed);
  const ring = { ...pairRing(n, m), count: m, next: Math.floor((m + 1) * random()) };
  const rows = ring.rows as Float64Array[];
  const curvatures = Float64Array.from({ length: n }, () => 0.5 + random());
  const gram = gramOf(m);
  const slots = m + 1;
  for (let i = 0; i < slots; i++) {
    for (let k = 0; k < n; k++) {
      rows[2 * i][k] = random() - 0.5;
      rows[2 * i + 1][k] = curvatures[k] * rows[2 * i][k];
    }
  }
  for (let i = 0; i < slots; i++) {
    for (let j = 0; j < slots; j++) {
      gram.sy[i * slots + j] = dot(rows[2 * i], rows[2 * j + 1]);
      gram.yy[i * slots + j] = dot(rows[2 * i + 1], rows[2 * j + 1]);
    }
  }
  const tau = Float64Array.from({ length: slots }, () => (random() < 0.5 ? 1 : 0.5 + random()));
  return { ring, rows, gram, tau };
}

/** −Hg by the two-loop recursion on vectors. */
function twoLoop(pairs: ReturnType<typeof quadraticPairs>, gamma: number, g: Float64Array): Float64Array {
  const { ring, rows, tau } = pairs;
  const order = slotsOf(ring);
  const q = new Float64Array(g.length);
  scaleInto(-1, g, q);
  const alpha = new Float64Array(tau.length);
  const sy = (i: number) => dot(rows[2 * i], rows[2 * i + 1]);
  for (const i of order) {
    alpha[i] = dot(rows[2 * i], q) / sy(i);
    addScaled(q, -alpha[i], rows[2 * i + 1], q);
    scaleInto(1 / Math.sqrt(tau[i]), q, q);
  }
  scaleInto(gamma, q, q);
  for (const i of order.toReversed()) {
    scaleInto(1 / Math.sqrt(tau[i]), q, q);
    addScaled(q, alpha[i] - dot(rows[2 * i + 1], q) / sy(i), rows[2 * i], q);
  }
  return q;
}

test('the recursion on coefficients gives the direction of the recursion on vectors', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 600 }),
      fc.integer({ min: 1, max: 12 }),
      fc.integer(),
      (n, m, seed) => {
        const pairs = quadraticPairs(n, m, seed);
        const g = Float64Array.from({ length: n }, uniform(seed + 1));
        const out = new Float64Array(n);
        const slope = gramDirection(pairs.ring, pairs.gram, pairs.tau, 0.8, g, out);
        const expected = twoLoop(pairs, 0.8, g);
        const error = new Float64Array(n);
        addScaled(out, -1, expected, error);
        expect(normInf(error)).toBeLessThan(1e-10 * normInf(expected));
        expect(Math.abs(slope - dot(g, expected))).toBeLessThan(1e-9 * Math.abs(dot(g, expected)));
      },
    ),
  );
});

const run = (n: number, options: LbfgsOptions) =>
  minimize(extendedRosenbrock(n), lbfgs(options), { gtol: 1e-8, storeTrace: true });

const table: [name: string, options: LbfgsOptions][] = [
  ['defaults', { memory: 10 }],
  ['memory of one', { memory: 1 }],
  ['self-scaling', { memory: 7, selfScaling: true }],
  ['damping', { memory: 10, damping: true }],
  ['float32 storage', { memory: 10, storage: 'float32' }],
];

test.each(table)('%s: large problems are solved as small ones are', (_, options) => {
  // All blocks of the extended function move alike, so that n does not matter but for rounding.
  const small = run(KERNEL_LENGTH - 2, { ...options, storage: 'float64' });
  const large = run(2 * KERNEL_LENGTH, options);
  expect(small.termination).toBe('gradientTolerance');
  expect(large.termination).toBe('gradientTolerance');
  expect(Math.abs(large.iterations - small.iterations)).toBeLessThanOrEqual(
    2 + Math.ceil(0.15 * small.iterations),
  );
});

test('a preconditioner equal to the identity changes a large problem by rounding only', () => {
  const n = 2 * KERNEL_LENGTH;
  const byGram = run(n, { memory: 10 });
  const byVectors = run(n, { memory: 10, preconditioner: (vector, out) => out.set(vector) });
  expect(byVectors.iterations).toBe(byGram.iterations);
  for (const [i, entry] of byGram.trace.slice(0, 15).entries()) {
    expect(Math.abs(byVectors.trace[i].f - entry.f)).toBeLessThan(1e-8 * entry.f);
  }
});

test('a cloned state goes on bit for bit, in kernel memory again', () => {
  for (const storage of ['float64', 'float32'] as const) {
    const n = KERNEL_LENGTH + 3;
    const problem = extendedRosenbrock(n);
    const solver = lbfgs({ memory: 5, storage });
    let state = solver.init({ n, precision: 'float64' });
    state.x.set(problem.p0);
    state.f = problem.fg(state.x, state.gradient);
    const step = () => runSync(solver.step(state), problem);
    for (let i = 0; i < 9; i++) step();
    const copy = structuredClone(state);
    for (let i = 0; i < 9; i++) step();
    const { x, f } = state;
    state = copy;
    expect(arenaOf(copy.memory.rows[0])).toBeUndefined();
    for (let i = 0; i < 9; i++) step();
    expect(arenaOf(copy.memory.rows[0])).toBeDefined();
    expect(copy.f).toBe(f);
    expect(copy.x).toEqual(x);
  }
});

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

test('without WebAssembly the same steps are taken, to the last bit', async () => {
  const n = KERNEL_LENGTH + 5;
  const withKernels = run(n, { memory: 6 });
  vi.resetModules();
  vi.stubGlobal('WebAssembly', undefined);
  const plain = {
    ...(await import('../../src/core/minimize.ts')),
    ...(await import('../../src/solvers/lbfgs.ts')),
    ...(await import('../../src/core/kernels/rows.ts')),
  };
  expect(plain.allocateRows(n, 1, 'float64')[0].byteOffset).toBe(0);
  const result = plain.minimize(extendedRosenbrock(n), plain.lbfgs({ memory: 6 }), { gtol: 1e-8 });
  expect(result.x).toEqual(withKernels.x);
  expect(result.evaluations).toEqual(withKernels.evaluations);
});

/** A loss that is not convex, so that pairs are refused. */
function hilly(n: number, phase: number): Problem {
  return {
    p0: Float64Array.from({ length: n }, (_, i) => 2.7 * Math.sin(phase + 1.7 * i) + 0.1),
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        f += 1.5 * Math.cos(x[i]) + 0.05 * x[i] ** 2;
        if (gradient) gradient[i] = -1.5 * Math.sin(x[i]) + 0.1 * x[i];
      }
      return f;
    },
  };
}

test.each<Solver>([
  lbfgs({ memory: 1 }),
  lbfgs({ memory: 3, storage: 'float32' }),
  slbfgs(),
  conjugateGradient(),
])(
  '$name: two solves that take turns, are cloned, and broken off in the middle of a step know nothing of it',
  (solver) => {
    const problems = [hilly(KERNEL_LENGTH + 7, 1), hilly(KERNEL_LENGTH + 7, 2)] as const;
    const begin = ({ p0, fg }: Problem) => {
      const state = solver.init({ n: p0.length, precision: 'float64' });
      state.x.set(p0);
      state.f = fg(state.x, state.gradient);
      return state;
    };
    const alone = problems.map((problem) => {
      const state = begin(problem);
      for (let k = 0; k < 15; k++) runSync(solver.step(state), problem);
      return state.x.slice();
    });

    let states = problems.map(begin);
    for (let k = 0; k < 15; k++) {
      if (k % 3 === 1) states = states.map((state) => structuredClone(state));
      if (k % 4 === 2) for (const state of states) breakOff(solver.step(state));
      const steps = states.map((state, i) => ({ asks: solver.step(state), fg: problems[i].fg, answer: 0 }));
      let open = steps;
      while (open.length > 0) {
        open = open.filter((step) => {
          const { value, done } = step.asks.next(step.answer);
          if (!done && value.kind === 'evaluate') step.answer = step.fg(value.x, value.gradient);
          return !done;
        });
      }
    }
    expect(states.map(({ x }) => x.slice())).toEqual(alone);
  },
);

/** As where the loss throws. */
function breakOff(asks: Asks<unknown>): void {
  asks.next();
  expect(() => asks.throw(new Error('no loss'))).toThrow('no loss');
}

test('float32 storage and a preconditioner do not go together', () => {
  expect(() => lbfgs({ storage: 'float32', preconditioner: (v, out) => out.set(v) })).toThrow(/storage/);
});
