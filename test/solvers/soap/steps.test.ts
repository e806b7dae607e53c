import { describe, expect, it } from 'vitest';
import {
  cosineDecay,
  layoutOf,
  minimize,
  runSync,
  soap,
  vectorParams,
  warmup,
  type Problem,
  type SoapOptions,
  type TensorSpec,
} from 'quasi-newton';
import { uniform } from '../../../bench/problems/random.js';
import {
  asMatrix,
  farthest,
  gramSchmidt,
  inputsFirst,
  inputsLast,
  matrix,
  partsOf,
  problemOf,
  startOf,
  times,
  transpose,
  weight,
  zip,
  type Matrix,
  type Part,
} from './oracle.ts';

describe('the steps of the paper', () => {
  const cases: [string, TensorSpec, Part, SoapOptions][] = [
    ['a square matrix', weight(5, 5), matrix(5, 5), {}],
    ['a wide matrix', weight(4, 6), matrix(4, 6), {}],
    ['a tall matrix', weight(7, 4), matrix(7, 4), { frequency: 20 }],
    ['sides that SIMD multiplies', weight(18, 20), matrix(18, 20), { frequency: 20 }],
    ['a refresh at every step', weight(5, 5), matrix(5, 5), { frequency: 1 }],
    ['no refresh', weight(5, 5), matrix(5, 5), { frequency: Infinity }],
    ['the inputs only, which are columns', weight(4, 6), matrix(4, 6, false, true), { oneSided: true }],
    ['the inputs only, which are rows', inputsFirst(6, 4), matrix(6, 4, true, false), { oneSided: true }],
    ['the only side of a column', weight(6, 1), matrix(6, 1, true, false), { oneSided: true, frequency: 40 }],
    ['sides as long as the limit', weight(6, 4), matrix(6, 4), { maxSide: 6 }],
    ['no limit', weight(40, 36), matrix(40, 36), { maxSide: Infinity, frequency: 20 }],
    ['no side rotated', weight(6, 5), matrix(6, 5, false, false), { maxSide: 1 }],
    ['a vector', weight(9), matrix(1, 9, false, false), {}],
    ['a scalar', weight(), matrix(1, 1, false, false), {}],
    ['a convolution of ONNX', weight(4, 2, 3, 1), matrix(4, 6), {}],
    ['one direction of a recurrence', weight(1, 6, 5), matrix(6, 5), {}],
    ['a column', weight(6, 1), matrix(6, 1, true, false), { frequency: 40 }],
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
    ['factors of a norm', { ...weight(6, 2), role: { kind: 'norm' } }, matrix(1, 12, false, false), {}],
    ['a bias with axes', { ...weight(6, 2), role: { kind: 'bias' } }, matrix(1, 12, false, false), {}],
    [
      'filters along all axes',
      { ...weight(4, 6), role: { kind: 'weight', filterAxes: [0, 1] } },
      matrix(4, 6),
      {},
    ],
    [
      'filters along the last axes in any order',
      { ...weight(3, 2, 2, 2), role: { kind: 'weight', filterAxes: [3, 2] } },
      matrix(6, 4),
      {},
    ],
    [
      'filters along the first axis and another one',
      { ...weight(4, 2, 3), role: { kind: 'weight', filterAxes: [0, 2] } },
      matrix(4, 6, false, true),
      { oneSided: true },
    ],
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
      matrix(1, 5, false, false, 20),
      { ...matrix(3, 4, true, true, 25), turn: 2 },
    ];
    expect(farthest(specs, parts, { learningRate: 0.02, epsilon: 1e-4 }, 40)).toBeLessThan(1e-10);
  });

  const options = { learningRate: 0.02, epsilon: 1e-4 };
  const bothSides = { oneSided: false };

  it.each<[string, TensorSpec, Part[], SoapOptions]>([
    ['columns', weight(3, 5), partsOf(5, [0, 3], [0, 2, 5]), { maxSide: 3, ...bothSides }],
    ['rows', weight(7, 2), partsOf(2, [0, 2, 4, 7], [0, 2]), { maxSide: 3, ...bothSides }],
    ['both', weight(7, 9), partsOf(9, [0, 3, 7], [0, 3, 6, 9]), { maxSide: 4, ...bothSides }],
    ['above 32', weight(34, 17), partsOf(17, [0, 17, 34], [0, 17]), { maxSide: 32, ...bothSides }],
    ['a convolution', weight(4, 2, 3, 1), partsOf(6, [0, 2, 4], [0, 3, 6]), { maxSide: 3, ...bothSides }],
    ['single rows and columns', weight(3, 2), partsOf(2, [0, 1, 3], [0, 2]), { maxSide: 2, ...bothSides }],
    ['by default both where it is unknown', weight(4, 9), partsOf(9, [0, 4], [0, 3, 6, 9]), { maxSide: 4 }],
    ['by default both of what is not cut', inputsLast(4, 3), partsOf(3, [0, 4], [0, 3]), { maxSide: 4 }],
    [
      'by default only the inputs, where these are cut',
      inputsLast(4, 9),
      partsOf(9, [0, 4], [0, 3, 6, 9], false, true),
      { maxSide: 4 },
    ],
    [
      'by default only the inputs, where the outputs would be cut',
      inputsLast(5, 4),
      partsOf(4, [0, 5], [0, 4], false, true),
      { maxSide: 4 },
    ],
    [
      'by default only the inputs, which are rows',
      inputsFirst(9, 3),
      partsOf(3, [0, 3, 6, 9], [0, 3], true, false),
      { maxSide: 4 },
    ],
    [
      'the inputs, which are columns',
      weight(6, 5),
      partsOf(5, [0, 6], [0, 2, 5], false, true),
      { maxSide: 3, oneSided: true },
    ],
    [
      'the inputs, which are rows',
      inputsFirst(7, 9),
      partsOf(9, [0, 2, 4, 7], [0, 9], true, false),
      { maxSide: 3, oneSided: true },
    ],
    [
      'the features of an embedding',
      { ...weight(3, 8), role: { kind: 'embedding' } },
      partsOf(8, [0, 3], [0, 4, 8], false, true),
      { maxSide: 4 },
    ],
  ])('by parts of sides above the limit: %s', (_name, spec, parts, more) => {
    expect(farthest([spec], parts, { ...options, frequency: 20, ...more }, 40)).toBeLessThan(1e-10);
  });

  const kernel = (shape: number[], filterAxes?: number[]): TensorSpec => ({
    name: 'kernel',
    shape,
    ...(filterAxes && { role: { kind: 'weight', filterAxes } }),
  });
  const bias = (size: number): TensorSpec => ({ name: 'bias', shape: [size] });
  /** A kernel `[rows, cols]` with a bias after it as one more column. */
  const withColumn = (rows: number, cols: number) =>
    Array.from({ length: rows * (cols + 1) }, (_, k) => {
      const [i, j] = [Math.floor(k / (cols + 1)), k % (cols + 1)];
      return j < cols ? i * cols + j : rows * cols + i;
    });
  const both = { left: true, right: true };

  it.each<[string, TensorSpec[], Part[], SoapOptions]>([
    [
      'a row of a kernel [in, out]',
      [kernel([4, 6], [1]), bias(6)],
      [{ indices: Array.from({ length: 30 }, (_, i) => i), rows: 5, cols: 6, ...both }],
      {},
    ],
    [
      'a column of a kernel [out, in]',
      [kernel([4, 6], [0]), bias(4)],
      [{ indices: withColumn(4, 6), rows: 4, cols: 7, ...both }],
      {},
    ],
    [
      'a column of a kernel without a role, by its size',
      [kernel([4, 6]), bias(4)],
      [{ indices: withColumn(4, 6), rows: 4, cols: 7, ...both }],
      {},
    ],
    [
      'a column of the last of the parts',
      [kernel([7, 5], [0]), bias(7)],
      partsOf(6, [0, 3, 7], [0, 3, 6], true, true, withColumn(7, 5)),
      { maxSide: 4, ...bothSides },
    ],
    [
      'inputs, where only they are rotated',
      [kernel([4, 6]), bias(6)],
      [
        {
          indices: Array.from({ length: 30 }, (_, i) => i),
          rows: 5,
          cols: 6,
          left: true,
          right: false,
        },
      ],
      { oneSided: true },
    ],
    [
      'nothing, where its size is another',
      [kernel([4, 6], [0]), bias(6)],
      [matrix(4, 6), { ...matrix(1, 6, false, false, 24), turn: 1 }],
      {},
    ],
    [
      'nothing, where it is not one',
      [kernel([4, 6], [0]), { ...bias(4), role: { kind: 'norm' } }],
      [matrix(4, 6), { ...matrix(1, 4, false, false, 24), turn: 1 }],
      {},
    ],
  ])('with joinBias, a bias as %s', (_name, specs, parts, more) => {
    const given = { ...options, joinBias: true, ...more };
    expect(farthest(specs, parts, given, 40)).toBeLessThan(1e-10);
  });

  it('each option makes a difference', () => {
    const ends = cases.slice(-4).map(([, , , options]) => {
      const problem = problemOf(layoutOf([weight(4, 5)]));
      return minimize(problem, soap({ learningRate: 0.02, ...options }), { maxIterations: 15 }).x.join(' ');
    });
    expect(new Set(ends).size).toBe(ends.length);
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

it.each(['float64', 'float32'] as const)(
  'in %s goes on from a clone of its state to the last bit, in a new solver and beside another run too',
  (precision) => {
    const problem = problemOf(layoutOf([weight(5, 14), { name: 'b', shape: [5] }]));
    const options = { learningRate: 0.02, frequency: 3, maxSide: 6 };
    const straight = startOf(problem, options, precision);
    let cloned = startOf(problem, options, precision);
    const solver = soap(options);
    const trace = Array.from({ length: 12 }, () => {
      runSync(solver.step(straight), problem);
      return structuredClone(straight);
    });
    // Leaves other numbers in the memory that all runs share.
    const other = problemOf(layoutOf([weight(20, 20)]), 2);
    const beside = startOf(other, {}, precision);
    for (const state of trace) {
      runSync(solver.step(beside), other);
      cloned = structuredClone(cloned);
      runSync(soap(options).step(cloned), problem);
      expect(cloned).toEqual(state);
    }
  },
);
