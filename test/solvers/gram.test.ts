import fc from 'fast-check';
import { afterEach, expect, test, vi } from 'vitest';
import { uniform } from '../../bench/problems/random.js';
import { arenaOf } from '../../src/core/kernels/placement.ts';

import { runSync } from '../../src/core/drive.ts';
import { minimize } from '../../src/core/minimize.ts';
import { addScaled, dot, KERNEL_LENGTH, normInf, scaleInto } from '../../src/core/vector.ts';
import { gramDirection } from '../../src/solvers/gramDirection.ts';
import { gramOf, pairRing, slotsOf } from '../../src/solvers/pairRing.ts';
import { conjugateGradient } from '../../src/solvers/conjugateGradient.ts';
import { lbfgs, type LbfgsOptions } from '../../src/solvers/lbfgs.ts';
import { backtracking } from '../../src/solvers/linesearch/backtracking.ts';
import { owlqn } from '../../src/solvers/owlqn.ts';
import { slbfgs, type SlbfgsMemory } from '../../src/solvers/slbfgs.ts';
import type { LbfgsMemory } from '../../src/solvers/limitedMemory.ts';
import type { Asks } from '../../src/core/question.ts';
import type { Iterate, Solver } from '../../src/core/solver.ts';
import type { Problem } from '../../src/core/problem.ts';
import type { SolveOptions } from '../../src/core/solveOptions.ts';
import { memoryOf } from './internals.ts';

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
  const biggs = Float64Array.from({ length: slots }, () => (random() < 0.5 ? 1 : 0.1 + 1.9 * random()));
  return { ring, rows, gram, tau, biggs };
}

/** −Hg by the two-loop recursion on vectors. */
function twoLoop(pairs: ReturnType<typeof quadraticPairs>, gamma: number, g: Float64Array): Float64Array {
  const { ring, rows, tau, biggs } = pairs;
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
    addScaled(q, alpha[i] / biggs[i] - dot(rows[2 * i + 1], q) / sy(i), rows[2 * i], q);
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
        const { ring, gram, tau, biggs } = pairs;
        const slope = gramDirection({ ...ring, tau, biggs }, gram, 0.8, g, out);
        const expected = twoLoop(pairs, 0.8, g);
        const error = new Float64Array(n);
        addScaled(out, -1, expected, error);
        expect(normInf(error)).toBeLessThan(1e-10 * normInf(expected));
        expect(Math.abs(slope - dot(g, expected))).toBeLessThan(1e-9 * Math.abs(dot(g, expected)));
      },
    ),
  );
});

type WithGram = Iterate & { readonly memory: LbfgsMemory | SlbfgsMemory };

/** The largest error of the products kept with what they should be, in units of the vectors' lengths. */
function gramError({ memory }: WithGram): number {
  const { gram } = memory;
  if (gram === null) throw new Error('no Gram matrix is kept');
  const rows = memory.rows.map((row) => Float64Array.from(row));
  const slots = slotsOf(memory);
  const error = (kept: number, i: number, j: number) =>
    Math.abs(kept - dot(rows[i], rows[j])) / Math.sqrt(dot(rows[i], rows[i]) * dot(rows[j], rows[j]));
  return Math.max(
    ...slots.flatMap((j, age) =>
      slots.slice(age).flatMap((i) => {
        const at = (i * rows.length) / 2 + j;
        return [error(gram.sy[at], 2 * i, 2 * j + 1), error(gram.yy[at], 2 * i + 1, 2 * j + 1)];
      }),
    ),
  );
}

/** The extended Rosenbrock function, a different part of it at each `nextBatch`. */
function inBatches(n: number): Problem {
  const { p0, fg } = extendedRosenbrock(n);
  let batch = 0;
  const part = (size: number) => (x: Float64Array, gradient: Float64Array | null) => {
    const full = new Float64Array(n);
    const f = fg(x, full);
    gradient?.set(full.map((g, i) => ((i >> 1) % 3 < size + (batch % 2) ? g : 0)));
    return f;
  };
  return { p0, fg: part(2), nextBatch: () => void batch++, overlap: part(1) };
}

/** As above; every other batch is the overlap itself. */
function inOverlaps(n: number): Problem {
  const { p0, fg } = extendedRosenbrock(n);
  let batch = 0;
  const part = (kept: (third: number) => boolean) => (x: Float64Array, gradient: Float64Array | null) => {
    const full = new Float64Array(n);
    const f = fg(x, full);
    gradient?.set(full.map((g, i) => (kept((i >> 1) % 3) ? g : 0)));
    return f;
  };
  return {
    p0,
    fg: part((third) => third === 0 || batch % 2 === 0),
    nextBatch: () => void batch++,
    overlap: part((third) => third === 0),
  };
}

const n = 2 * KERNEL_LENGTH;
const gramTable: [name: string, solver: Solver, problem: Problem][] = [
  ['L-BFGS', lbfgs({ memory: 5 }), extendedRosenbrock(n)],
  ['with damping', lbfgs({ memory: 5, damping: true }), extendedRosenbrock(n)],
  ['with float32 storage', lbfgs({ memory: 5, storage: 'float32' }), extendedRosenbrock(n)],
  ['on batches', lbfgs({ memory: 5 }), inBatches(n)],
  ['on overlaps', lbfgs({ memory: 5, pairs: 'overlap' }), inBatches(n)],
  ['on batches that are the overlap', lbfgs({ memory: 5, pairs: 'overlap' }), inOverlaps(n)],
  ['an L1 term', owlqn({ memory: 5, l1: 0.3 }), extendedRosenbrock(n)],
  ['SLBFGS', slbfgs({ memory: 5 }), extendedRosenbrock(n)],
  ['SLBFGS on batches', slbfgs({ memory: 5 }), inBatches(n)],
];

test.each(gramTable)('%s: the products kept are those of the pairs', (name, solver, problem) => {
  let state: WithGram | undefined;
  const errors: number[] = [];
  const fg: Problem['fg'] = (x, gradient) => {
    // Within a search, the products are those of its direction.
    if (state && memoryOf(state).count > 0 && state.memory.gram?.newest === null)
      errors.push(gramError(state));
    return problem.fg(x, gradient);
  };
  const watched: Solver = { ...solver, init: (setting) => (state = solver.init(setting) as WithGram) };
  minimize({ ...problem, fg }, watched, { maxIterations: 40 });
  expect(errors.length).toBeGreaterThan(30);
  expect(Math.max(...errors)).toBeLessThan(name.includes('float32') ? 1e-6 : 1e-9);
});

test.each([lbfgs({ memory: 5 }), slbfgs({ memory: 5 })])(
  '$name: the products are right too where the point is moved between steps',
  (solver: Solver) => {
    const problem = extendedRosenbrock(n);
    const state = solver.init({ n, precision: 'float64' }) as WithGram;
    state.x.set(problem.p0);
    state.f = problem.fg(state.x, state.gradient);
    for (let k = 0; k < 20; k++) {
      runSync(solver.step(state), problem);
      if (k % 2 === 0) state.x[k] = 0.5;
      state.f = problem.fg(state.x, state.gradient);
      solver.direction?.(state, new Float64Array(n));
      expect(gramError(state)).toBeLessThan(1e-9);
    }
  },
);

test.each<[name: string, solver: Solver, problem: Problem]>([
  ['few unknowns', lbfgs(), extendedRosenbrock(8)],
  ...gramTable,
])('%s: the gradient norm shown is that of the gradient', (name, solver, problem) => {
  const wrong: number[] = [];
  const gradient = problem.p0.slice();
  // With an L1 term it is that of the pseudo-gradient.
  const own = name.includes('L1');
  const callback: SolveOptions['callback'] = ({ x, gradientNorm }) => {
    problem.fg(x, gradient);
    if (gradientNorm !== normInf(gradient) && !own) wrong.push(gradientNorm);
    return false;
  };
  const { iterations } = minimize(problem, solver, { maxIterations: 25, callback });
  expect(iterations).toBeGreaterThan(10);
  expect(wrong).toEqual([]);
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
    expect(arenaOf(memoryOf(copy).rows[0])).toBeUndefined();
    for (let i = 0; i < 9; i++) step();
    expect(arenaOf(memoryOf(copy).rows[0])).toBeDefined();
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
    ...(await import('../../src/core/kernels/placement.ts')),
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

test.each(['float64', 'float32'] as const)('damped pairs of negative curvature are kept in %s', (storage) => {
  const { fg } = hilly(n, 3);
  const start = Float64Array.from({ length: n }, (_, i) => 0.05 * Math.sin(1 + i));
  const solver = lbfgs({ damping: true, storage, lineSearch: backtracking() });
  const state = solver.init({ n, precision: 'float32' });
  state.x.set(start);
  state.f = fg(state.x, state.gradient);
  const before = state.gradient.slice();
  expect(runSync(solver.step(state), { p0: start, fg }).kind).toBe('accepted');
  const curvature = state.x.reduce((sum, x, i) => sum + (x - start[i]) * (state.gradient[i] - before[i]), 0);
  expect(curvature).toBeLessThan(0);
  expect(memoryOf(state).count).toBe(1);
  expect(memoryOf(state).rho[0]).toBeGreaterThan(0);
});

test('many pairs are stored as exactly as the loss is known', () => {
  const arrayOf = (n: number, precision: 'float32' | 'float64', options: LbfgsOptions = {}) =>
    memoryOf(lbfgs({ memory: 100, ...options }).init({ n, precision })).rows[0].constructor.name;
  const many = 15_000;
  expect(arrayOf(many, 'float32')).toBe('Float32Array');
  expect(arrayOf(many - 1, 'float32')).toBe('Float64Array');
  expect(arrayOf(many, 'float64')).toBe('Float64Array');
  expect(arrayOf(many, 'float32', { storage: 'float64' })).toBe('Float64Array');
  expect(arrayOf(many, 'float32', { lower: 0 })).toBe('Float64Array');
  expect(arrayOf(many, 'float32', { preconditioner: (v, out) => out.set(v) })).toBe('Float64Array');
});

test('float32 storage and a preconditioner do not go together', () => {
  expect(() => lbfgs({ storage: 'float32', preconditioner: (v, out) => out.set(v) })).toThrow(/storage/);
});

test('a step that may overwrite where it began gives the same run, and touches 2m + 5 vectors', () => {
  const problem = extendedRosenbrock(n);
  const [m, steps] = [4, 30];
  const follow = (overwrites: boolean) => {
    const solver = lbfgs({ memory: m });
    const state = solver.init({ n, precision: 'float64' }) as WithGram & Record<string, unknown>;
    state.x.set(problem.p0);
    state.f = problem.fg(state.x, state.gradient);
    const points: string[] = [];
    const errors: number[] = [];
    for (let k = 0; k < steps; k++) {
      runSync(solver.step(state, overwrites), problem);
      points.push(state.x.join());
      errors.push(memoryOf(state).gram?.newest === null ? gramError(state) : 0);
    }
    expect(Math.max(...errors)).toBeLessThan(1e-9);
    const arrays = [...memoryOf(state).rows, ...Object.values(state)].filter(
      (part) => part instanceof Float64Array,
    );
    expect(new Set(arrays.map(({ byteOffset }) => byteOffset)).size).toBe(2 * (m + 1) + 5);
    return { points, written: arrays.filter((array) => array.some((value) => value !== 0)).length };
  };
  const kept = follow(false);
  const overwritten = follow(true);
  expect(overwritten.points).toEqual(kept.points);
  expect(kept.written).toBe(2 * (m + 1) + 5);
  expect(overwritten.written).toBe(2 * m + 5);
});

test('a run whose values are rounded to one by a transform returns its best point', () => {
  // log f has one value for f and its neighbors, so that the point where a step began may have to be returned.
  const offset = 1e8;
  const { p0, fg } = extendedRosenbrock(n);
  const problem: Problem = { p0, fg: (x, gradient) => offset + fg(x, gradient) };
  const { x, f } = minimize(problem, lbfgs({ memory: 5 }), { transform: 'log', gtol: 0 });
  expect(Math.abs(problem.fg(x, null) - f)).toBeLessThan(1e-14 * offset);
});
