import { describe, expect, it } from 'vitest';
import {
  adam,
  cosineDecay,
  layoutOf,
  loadState,
  minimize,
  runSync,
  saveState,
  soap,
  warmup,
  type Problem,
  type SoapOptions,
  type TensorSpec,
} from 'quasi-newton';
import {
  farthest,
  inputsFirst,
  inputsLast,
  matrix,
  partsOf,
  problemOf,
  rowsOf,
  startOf,
  times,
  transpose,
  weight,
  type Part,
} from './oracle.ts';
import { inside } from '../internals.ts';
import type { SoapState } from '../../../src/solvers/soap.ts';

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
    ['the only side of a column', weight(6, 1), matrix(6, 1, true, false), { oneSided: true, frequency: 80 }],
    ['sides as long as the limit', weight(6, 4), matrix(6, 4), { maxSide: 6 }],
    ['no limit', weight(40, 36), matrix(40, 36), { maxSide: Infinity, frequency: 20 }],
    ['no side rotated', weight(6, 5), matrix(6, 5, false, false), { maxSide: 1 }],
    ['a vector', weight(9), matrix(1, 9, false, false), {}],
    ['a scalar', weight(), matrix(1, 1, false, false), {}],
    ['a convolution of ONNX', weight(4, 2, 3, 1), matrix(4, 6), {}],
    ['one direction of a recurrence', weight(1, 6, 5), matrix(6, 5), {}],
    ['a column', weight(6, 1), matrix(6, 1, true, false), { frequency: 80 }],
    [
      'a convolution of TensorFlow.js',
      { ...weight(3, 1, 2, 4), role: { kind: 'weight', filterAxes: [3] } },
      matrix(6, 4),
      {},
    ],
    ['a convolution of TensorFlow.js without a role', weight(2, 2, 3, 4), matrix(12, 4), { frequency: 20 }],
    ['both directions of a recurrence', weight(2, 4, 5), matrix(8, 5), {}],
    ['a first axis of length 1', weight(1, 1, 5), matrix(1, 5, false, true), { frequency: 80 }],
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

  it.each(cases)('SOAP takes the steps of the paper: %s', (_name, spec, part, options) => {
    const rate = { learningRate: 0.02, epsilon: 1e-4, ...options };
    expect(farthest([spec], [part], rate, 40)).toBeLessThan(1e-10);
  });

  it.each([
    [10, 230],
    [1050, 430],
  ])('after step 200, only longer parts bring an estimate: frequency %d', (frequency, steps) => {
    const options = { learningRate: 0.02, epsilon: 1e-4, frequency };
    expect(farthest([weight(4, 3)], [matrix(4, 3)], options, steps)).toBeLessThan(1e-10);
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
  ])(
    'SOAP takes the steps of the paper by parts of sides above the limit: %s',
    (_name, spec, parts, more) => {
      expect(farthest([spec], parts, { ...options, frequency: 20, ...more }, 40)).toBeLessThan(1e-10);
    },
  );

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
  ])('SOAP takes the steps of the paper with joinBias, a bias as %s', (_name, specs, parts, more) => {
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

describe('the first steps', () => {
  it('are those of Adam up to the fourth', () => {
    const problem = problemOf(layoutOf([weight(6, 7)]));
    const options = { learningRate: 0.02, beta2: 0.95 };
    const [a, s] = [adam(options), soap({ ...options, frequency: 1 })].map((solver) =>
      [3, 4, 5].map((steps) => minimize(problem, solver, { maxIterations: steps, gtol: 0 }).state.iterate.x),
    );
    const apart = a.map((x, t) => Math.max(...x.map((value, i) => Math.abs(value - s[t][i]))));
    expect(apart[0]).toBeLessThan(1e-14);
    expect(apart[1]).toBeLessThan(1e-14);
    expect(apart[2]).toBeGreaterThan(1e-4);
  });

  it('mix parts of a side up to t²/8 long, and are saved and resumed at any of them', () => {
    const layout = layoutOf([weight(21, 9)]);
    for (const precision of ['float64', 'float32'] as const) {
      const problem: Problem = { ...problemOf(layout), precision };
      const options = { learningRate: 0.02, maxSide: 32, oneSided: false, frequency: 2 };
      const straight = minimize(problem, soap(options), { maxIterations: 40, gtol: 0 });
      let state = minimize(problem, soap(options), { maxIterations: 1, gtol: 0 }).state;
      const parts: Record<number, string> = {};
      while (inside<SoapState>(state.iterate).steps < 40) {
        const resume = loadState(JSON.parse(JSON.stringify(saveState(state))));
        state = minimize(problem, soap(options), { maxIterations: 1, gtol: 0, resume }).state;
        const { blocks, steps } = inside<SoapState>(state.iterate);
        parts[steps] = `${blocks[0].left?.part} ${blocks[0].right?.part}`;
      }
      expect([4, 5, 6, 7, 8, 9, 11, 13, 15, 16, 17].map((steps) => parts[steps])).toEqual([
        '1 1',
        '2 2',
        '2 2',
        '4 4',
        '4 4',
        '8 8',
        '8 8',
        '16 9',
        '16 9',
        '16 9',
        '21 9',
      ]);
      expect(state.iterate.x).toEqual(straight.state.iterate.x);
    }
  });

  it('are not resumed from states of releases whose bases began whole', () => {
    const problem = problemOf(layoutOf([weight(6, 5)]));
    const { state } = minimize(problem, soap(), { maxIterations: 8, gtol: 0 });
    const old = structuredClone(state);
    const { left } = inside<SoapState>(old.iterate).blocks[0];
    Reflect.deleteProperty(left!, 'part');
    expect(() => minimize(problem, soap(), { resume: old })).toThrow(
      'the state does not fit the options of soap(): blocks[0].left.part is missing',
    );
  });

  it('have bases of blocks that are orthonormal', () => {
    const problem = problemOf(layoutOf([weight(11, 6)]));
    const options = { learningRate: 0.02, frequency: 1 };
    const state = startOf(problem, options);
    const solver = soap(options);
    for (let t = 0; t < 7; t++) runSync(solver.step(state), problem);
    const Q = rowsOf(state, state.blocks[0].left)!;
    const product = times(transpose(Q), Q);
    product.forEach((row, i) => row.forEach((value, j) => expect(value).toBeCloseTo(Number(i === j), 12)));
    const outside = Q.flatMap((row, i) => row.filter((_, j) => Math.floor(i / 4) !== Math.floor(j / 4)));
    expect(outside.filter((value) => value !== 0)).toEqual([]);
    expect(Math.abs(Q[0][3])).toBeGreaterThan(1e-3);
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
