import { describe, expect, it } from 'vitest';
import {
  adam,
  cosineDecay,
  layoutOf,
  minimize,
  runSync,
  soap,
  vectorParams,
  warmup,
  type Layout,
  type Problem,
  type SoapOptions,
  type TensorSpec,
} from 'quasi-newton';
import { inside } from './internals.ts';
import type { SoapState } from '../../src/solvers/soap.ts';
import { uniform } from '../../bench/problems/random.js';

type Matrix = number[][];

const transpose = (a: Matrix): Matrix => a[0].map((_, j) => a.map((row) => row[j]));
const times = (a: Matrix, b: Matrix): Matrix => {
  const columns = transpose(b);
  return a.map((row) => columns.map((column) => row.reduce((sum, value, p) => sum + value * column[p], 0)));
};
const zip = (a: Matrix, b: Matrix, by: (u: number, v: number) => number): Matrix =>
  a.map((row, i) => row.map((value, j) => by(value, b[i][j])));
const zeros = (m: number, n: number): Matrix => Array.from({ length: m }, () => Array<number>(n).fill(0));
const identity = (n: number): Matrix => zeros(n, n).map((row, i) => row.map((_, j) => (i === j ? 1 : 0)));
const trace = (a: Matrix): number => a.reduce((sum, row, i) => sum + row[i], 0);
const asMatrix = (values: ArrayLike<number>, rows: number): Matrix => {
  const cols = values.length / rows;
  return Array.from({ length: rows }, (_, i) =>
    Array.from({ length: cols }, (__, j) => values[i * cols + j]),
  );
};

/** Q of a QR decomposition by Gram-Schmidt's method, each column twice. */
function gramSchmidt(a: Matrix): Matrix {
  const columns = transpose(a);
  for (const [k, column] of columns.entries()) {
    for (const earlier of [...columns.slice(0, k), ...columns.slice(0, k)]) {
      const along = earlier.reduce((sum, value, i) => sum + value * column[i], 0);
      earlier.forEach((value, i) => (column[i] -= along * value));
    }
    const length = Math.hypot(...column);
    column.forEach((value, i) => (column[i] = value / length));
  }
  return transpose(columns);
}

/** A tensor as the paper sees it. */
interface Part {
  readonly offset: number;
  readonly rows: number;
  readonly cols: number;
  readonly left: boolean;
  readonly right: boolean;
}

/**
 * SOAP of one matrix as Vyas et al. (2024) write it, Algorithms 3 and 4. The first eigenbases are not computed but
 * given: a test of their own says what they are.
 */
function oracleOf(
  part: Part,
  options: SoapOptions,
  firstBases: () => { left: Matrix | null; right: Matrix | null },
) {
  const { beta1 = 0.9, beta2 = 0.95, epsilon = 1e-8, weightDecay = 0, frequency = 10 } = options;
  const { rows, cols } = part;
  let M = zeros(rows, cols);
  let V = zeros(rows, cols);
  let L = zeros(rows, rows);
  let R = zeros(cols, cols);
  let QL = identity(rows);
  let QR = identity(cols);
  const mean = (decay: number) => (old: number, now: number) => decay * old + (1 - decay) * now;
  const powerStep = (P: Matrix, Q: Matrix): Matrix =>
    gramSchmidt(zip(times(P, Q), Q, (u, v) => u + (2 ** -36 * trace(P) * v) / P.length));
  let t = 0;
  return (W: Matrix, G: Matrix, rate: number): Matrix => {
    t++;
    if (t === 1) {
      const first = firstBases();
      QL = first.left ?? QL;
      QR = first.right ?? QR;
    }
    const inBasis = (A: Matrix) => times(times(transpose(QL), A), QR);
    M = zip(M, G, mean(beta1));
    V = zip(V, inBasis(G), (v, g) => mean(beta2)(v, g * g));
    const N = zip(
      inBasis(M),
      V,
      (m, v) => m / (1 - beta1 ** t) / (Math.sqrt(v / (1 - beta2 ** t)) + epsilon),
    );
    const update = times(times(QL, N), transpose(QR));
    L = zip(L, times(G, transpose(G)), mean(beta2));
    R = zip(R, times(transpose(G), G), mean(beta2));
    if (t % frequency === 0) {
      if (part.left) QL = powerStep(L, QL);
      if (part.right) QR = powerStep(R, QR);
    }
    return zip(W, update, (w, u) => w - rate * u - rate * weightDecay * w);
  };
}

/** Deterministic noise with some structure, so that the factors have distinct eigenvalues. */
function problemOf(layout: Layout, seed = 1): Problem {
  const random = uniform(seed);
  const n = layout.length;
  const target = Float64Array.from({ length: n }, () => 2 * random() - 1);
  const scales = Float64Array.from({ length: n }, () => 0.2 + 2 * random());
  return {
    p0: Float64Array.from({ length: n }, () => 2 * random() - 1),
    params: vectorParams(new Float64Array(n), layout),
    fg(x, gradient) {
      let f = 0;
      for (let i = 0; i < n; i++) {
        const next = (i + 1) % n;
        const d = scales[i] * (x[i] - target[i]) + 0.4 * x[next];
        f += d * d + Math.sin(3 * x[i]);
      }
      if (!gradient) return f;
      gradient.fill(0);
      for (let i = 0; i < n; i++) {
        const next = (i + 1) % n;
        const d = scales[i] * (x[i] - target[i]) + 0.4 * x[next];
        gradient[i] += 2 * d * scales[i] + 3 * Math.cos(3 * x[i]);
        gradient[next] += 0.8 * d;
      }
      return f;
    },
  };
}

function startOf(problem: Problem, options: SoapOptions): SoapState {
  const layout = problem.params?.layout;
  const state = soap(options).init({ n: problem.p0.length, precision: 'float64', ...(layout && { layout }) });
  state.x.set(problem.p0);
  state.f = problem.fg(state.x, state.gradient);
  return inside<SoapState>(state);
}

const rowsOf = (side: { basis: Float64Array; size: number } | null): Matrix | null =>
  side && transpose(asMatrix(side.basis, side.size));

/** The farthest that any of the steps ends from where the oracle goes from the same point. */
function farthest(
  specs: readonly TensorSpec[],
  parts: readonly Part[],
  options: SoapOptions,
  steps: number,
): number {
  const problem = problemOf(layoutOf(specs));
  const solver = soap(options);
  const state = startOf(problem, options);
  const rate = options.learningRate ?? 0.003;
  const oracles = parts.map((part, k) =>
    oracleOf(part, options, () => {
      const { left, right } = state.blocks[k];
      return { left: rowsOf(left), right: rowsOf(right) };
    }),
  );
  let worst = 0;
  for (let t = 0; t < steps; t++) {
    const x = state.x.slice();
    const g = state.gradient.slice();
    const clip = Math.min(1, (options.clipNorm ?? Infinity) / Math.hypot(...g));
    runSync(solver.step(state), problem);
    for (const [k, { offset, rows, cols }] of parts.entries()) {
      const cut = (values: Float64Array) => asMatrix(values.subarray(offset, offset + rows * cols), rows);
      const next = oracles[k](
        cut(x),
        cut(g.map((value) => clip * value)),
        typeof rate === 'number' ? rate : rate(t),
      );
      worst = Math.max(worst, ...zip(next, cut(state.x), (u, v) => Math.abs(u - v)).flat());
    }
  }
  return worst;
}

const matrix = (rows: number, cols: number, left = true, right = true): Part => ({
  offset: 0,
  rows,
  cols,
  left,
  right,
});
const weight = (...shape: number[]): TensorSpec => ({ name: 'w', shape });

describe('the steps of the paper', () => {
  const cases: [string, TensorSpec, Part, SoapOptions][] = [
    ['a square matrix', weight(5, 5), matrix(5, 5), {}],
    ['a wide matrix', weight(4, 6), matrix(4, 6), {}],
    ['a tall matrix', weight(7, 4), matrix(7, 4), { frequency: 3 }],
    ['sides that SIMD multiplies', weight(18, 20), matrix(18, 20), { frequency: 4 }],
    ['a refresh at every step', weight(5, 5), matrix(5, 5), { frequency: 1 }],
    ['no refresh', weight(5, 5), matrix(5, 5), { frequency: Infinity }],
    ['the short side only', weight(4, 6), matrix(4, 6, true, false), { oneSided: true }],
    ['the short side only, of a tall matrix', weight(6, 4), matrix(6, 4, false, true), { oneSided: true }],
    ['a side above the limit', weight(6, 4), matrix(6, 4, false, true), { maxSide: 5 }],
    ['both sides above the limit', weight(6, 5), matrix(6, 5, false, false), { maxSide: 4 }],
    ['a vector', weight(9), matrix(1, 9, false, false), {}],
    ['a scalar', weight(), matrix(1, 1, false, false), {}],
    ['a convolution of ONNX', weight(4, 2, 3, 1), matrix(4, 6), {}],
    ['one direction of a recurrence', weight(1, 6, 5), matrix(6, 5), {}],
    ['a column', weight(6, 1), matrix(6, 1, true, false), { frequency: 20 }],
    [
      'a convolution of TensorFlow.js',
      { ...weight(3, 1, 2, 4), role: { kind: 'weight', filterAxes: [3] } },
      matrix(6, 4),
      {},
    ],
    [
      'a depthwise convolution',
      { ...weight(3, 2, 2, 2), role: { kind: 'weight', filterAxes: [2, 3] } },
      matrix(6, 4),
      {},
    ],
    [
      'filters along axes in the middle',
      { ...weight(4, 2, 3), role: { kind: 'weight', filterAxes: [1] } },
      matrix(4, 6),
      {},
    ],
    [
      'an embedding',
      { ...weight(8, 3), role: { kind: 'embedding', filterAxes: [0] } },
      matrix(8, 3, false, true),
      {},
    ],
    ['slopes', { ...weight(6, 2), role: { kind: 'slope' } }, matrix(1, 12, false, false), {}],
    ['weight decay', weight(4, 5), matrix(4, 5), { weightDecay: 0.3 }],
    ['clipping', weight(4, 5), matrix(4, 5), { clipNorm: 2 }],
    ['other moments', weight(4, 5), matrix(4, 5), { beta1: 0.5, beta2: 0.8, epsilon: 1e-2, frequency: 2 }],
    [
      'a schedule',
      weight(4, 5),
      matrix(4, 5),
      {
        learningRate: warmup({ steps: 5, after: cosineDecay({ from: 0.05, steps: 30 }) }),
      },
    ],
  ];

  it.each(cases)('%s', (_name, spec, part, options) => {
    const rate = { learningRate: 0.02, epsilon: 1e-4, ...options };
    expect(farthest([spec], [part], rate, 40)).toBeLessThan(1e-10);
  });

  it('each tensor by itself, where there are several', () => {
    const specs = [
      { name: 'kernel', shape: [4, 5] },
      { name: 'bias', shape: [5] },
      { name: 'empty', shape: [0, 3] },
      { name: 'conv', shape: [3, 1, 2, 2] },
    ];
    const parts = [
      matrix(4, 5),
      { ...matrix(1, 5, false, false), offset: 20 },
      { ...matrix(3, 4), offset: 25 },
    ];
    expect(farthest(specs, parts, { learningRate: 0.02, epsilon: 1e-4 }, 40)).toBeLessThan(1e-10);
  });

  it('each option makes a difference', () => {
    const ends = cases.slice(-4).map(([, , , options]) => {
      const problem = problemOf(layoutOf([weight(4, 5)]));
      return minimize(problem, soap({ learningRate: 0.02, ...options }), { maxIterations: 15 }).x.join(' ');
    });
    expect(new Set(ends).size).toBe(ends.length);
  });
});

describe('the first eigenbases', () => {
  it.each([
    [6, 6],
    [4, 7],
    [9, 3],
    [1, 5],
  ])('of a gradient [%i, %i] diagonalize its factors, the largest eigenvalue first', (rows, cols) => {
    const problem = problemOf(layoutOf([weight(rows, cols)]));
    const state = startOf(problem, {});
    const G = asMatrix(state.gradient, rows);
    runSync(soap().step(state), problem);
    const { left, right } = state.blocks[0];
    const factors = [
      [left, times(G, transpose(G))],
      [right, times(transpose(G), G)],
    ] as const;
    for (const [side, factor] of factors) {
      if (side === null) continue;
      const Q = rowsOf(side)!;
      const largest = (a: Matrix) => Math.max(...a.flat().map(Math.abs));
      expect(largest(zip(times(transpose(Q), Q), identity(side.size), (u, v) => u - v))).toBeLessThan(1e-13);
      const D = times(times(transpose(Q), factor), Q);
      const values = D.map((row, i) => row[i]);
      const rest = D.map((row, i) => row.map((value, j) => (i === j ? 0 : value)));
      expect(largest(rest)).toBeLessThan(1e-13 * trace(factor));
      values.slice(1).forEach((value, i) => expect(value).toBeLessThan(values[i] + 1e-13 * trace(factor)));
    }
  });

  it('wait for a gradient that is not 0', () => {
    const layout = layoutOf([weight(3, 3)]);
    const problem = problemOf(layout);
    const state = startOf(problem, {});
    const g = state.gradient.slice();
    state.gradient.fill(0);
    const solver = soap();
    runSync(solver.step(state), { ...problem, fg: (_x, gradient) => (gradient?.set(g), 1) });
    expect(state.x).toEqual(problem.p0);
    expect(state.blocks[0].left?.ready).toBe(false);
    runSync(solver.step(state), problem);
    expect(state.blocks[0].left?.ready).toBe(true);
  });

  it('stay orthonormal where gradients have rank one', () => {
    const layout = layoutOf([weight(12, 9)]);
    const problem: Problem = {
      p0: new Float64Array(108).fill(1),
      fg(x, gradient) {
        gradient?.set(x.map((_, i) => (1 + Math.floor(i / 9)) * (1 + (i % 9))));
        return 1;
      },
      params: vectorParams(new Float64Array(108), layout),
    };
    const state = startOf(problem, {});
    const solver = soap({ frequency: 1 });
    for (let t = 0; t < 50; t++) runSync(solver.step(state), problem);
    for (const side of [state.blocks[0].left!, state.blocks[0].right!]) {
      const Q = rowsOf(side)!;
      const error = zip(times(transpose(Q), Q), identity(side.size), (u, v) => Math.abs(u - v)).flat();
      expect(Math.max(...error)).toBeLessThan(1e-12);
    }
    expect(state.x.every(Number.isFinite)).toBe(true);
  });
});

describe('rotations', () => {
  it('of the coordinates of a matrix rotate its iterates along', () => {
    const size = 5;
    const random = uniform(7);
    const noise = () =>
      Array.from({ length: size }, () => Array.from({ length: size }, () => 2 * random() - 1));
    const [U, W, A, B, target, start] = [
      gramSchmidt(noise()),
      gramSchmidt(noise()),
      noise(),
      noise(),
      noise(),
      noise(),
    ];
    const flat = (a: Matrix) => Float64Array.from(a.flat());
    /** f(X) = ‖A(X − T)B‖² + Σ tanh² of its elements, X being what `toX` makes of the unknowns. */
    const problemIn = (toX: (y: Matrix) => Matrix, fromX: (x: Matrix) => Matrix): Problem => ({
      p0: flat(fromX(start)),
      params: vectorParams(new Float64Array(size * size), layoutOf([weight(size, size)])),
      fg(y, gradient) {
        const X = toX(asMatrix(y, size));
        const residual = times(
          times(
            A,
            zip(X, target, (u, v) => u - v),
          ),
          B,
        );
        const G = times(times(transpose(A), residual), transpose(B)).map((row, i) =>
          row.map((value, j) => 2 * value + 2 * Math.tanh(X[i][j]) * (1 - Math.tanh(X[i][j]) ** 2)),
        );
        gradient?.set(flat(fromX(G)));
        return (
          residual.flat().reduce((sum, r) => sum + r * r, 0) +
          X.flat().reduce((s, v) => s + Math.tanh(v) ** 2, 0)
        );
      },
    });
    const rotated = (x: Matrix) => times(times(U, x), transpose(W));
    const back = (y: Matrix) => times(times(transpose(U), y), W);
    const options = { learningRate: 0.02, frequency: 1, epsilon: 1e-4 };
    const plain = problemIn(
      (y) => y,
      (x) => x,
    );
    const turned = problemIn(back, rotated);
    const [one, two] = [startOf(plain, options), startOf(turned, options)];
    const solver = soap(options);
    for (let t = 0; t < 30; t++) {
      runSync(solver.step(one), plain);
      runSync(solver.step(two), turned);
    }
    const apart = zip(back(asMatrix(two.x, size)), asMatrix(one.x, size), (u, v) => Math.abs(u - v)).flat();
    expect(Math.max(...apart)).toBeLessThan(1e-8);
    expect(Math.max(...zip(asMatrix(one.x, size), start, (u, v) => Math.abs(u - v)).flat())).toBeGreaterThan(
      0.1,
    );
  });
});

describe('what it is told', () => {
  it('without a layout it is Adam', () => {
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
    expect(runSync(solver.step(state), problem)).toEqual({ kind: 'failed', termination: 'nonFinite' });
    expect(state.skipped).toBe(1);
    expect({ ...state, skipped: 0, gradient: good.gradient }).toEqual(good);
    // The next good gradient goes on as if nothing had been.
    state.gradient.set(good.gradient);
    runSync(solver.step(state), problem);
    runSync(solver.step(good), problem);
    expect(state.x).toEqual(good.x);
  });

  it('in float32 rounds each point; on mini-batches asks for nothing', () => {
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

it('goes on from a clone of its state to the last bit, in a new solver too', () => {
  const problem = problemOf(layoutOf([weight(5, 4), { name: 'b', shape: [4] }]));
  const options = { learningRate: 0.02, frequency: 3 };
  const straight = startOf(problem, options);
  let cloned = startOf(problem, options);
  const solver = soap(options);
  for (let t = 0; t < 12; t++) {
    runSync(solver.step(straight), problem);
    cloned = structuredClone(cloned);
    runSync(soap(options).step(cloned), problem);
    expect(cloned).toEqual(straight);
  }
});
