import { describe, expect, it } from 'vitest';
import { adam, layoutOf, runSync, soap, type SoapOptions, type TensorSpec } from 'quasi-newton';
import { difference, gradientAt, walk } from '../walk.ts';
import { farthest, matrix, problemOf, rowsOf, startOf, weight } from './oracle.ts';

const layout = layoutOf([weight(5, 4), { name: 'b', shape: [7] }]);
const problem = problemOf(layout);

describe('a step tells what it did', () => {
  it.each<[string, SoapOptions]>([
    ['downhill', { learningRate: 0.02 }],
    ['with weight decay', { learningRate: (t) => 0.01 + 0.001 * t, weightDecay: 0.5 }],
    ['schedule-free', { learningRate: 0.02, scheduleFree: true }],
  ])('%s: its rate, its length, f and ∇f at its end, one evaluation', (_name, options) => {
    for (const precision of ['float64', 'float32'] as const) {
      const { learningRate: rate } = options;
      walk(soap(options), problem, 12, { layout, precision }).forEach(
        ({ before, x, f, gradient, alpha, moved, evaluations }, t) => {
          const longest = Math.max(...x.map((value, i) => Math.abs(value - before.x[i])));
          expect(alpha).toBe(typeof rate === 'function' ? rate(t) : rate);
          // In float32 the end is rounded, the length is not.
          expect(Math.abs(moved - longest)).toBeLessThan(precision === 'float32' ? 3e-7 : 1e-12);
          expect(moved).toBeGreaterThan(0);
          expect(f).toBe(problem.fg(Float64Array.from(x), null));
          expect(difference(gradient, gradientAt(problem, x))).toBe(0);
          expect(evaluations).toBe(1);
        },
      );
    }
  });

  it('moves at least as far down as up: the length is that of either sign', () => {
    for (const sign of [1, -1]) {
      const state = startOf(problem, {});
      state.gradient.fill(0);
      state.gradient[22] = 3 * sign;
      const outcome = runSync(soap({ learningRate: 0.01 }).step(state), problem);
      expect(outcome).toMatchObject({ kind: 'accepted', alpha: 0.01 });
      expect((outcome as { moved: number }).moved).toBeCloseTo(0.01, 9);
      expect(Math.sign(state.x[22] - problem.p0[22])).toBe(-sign);
    }
  });
});

describe('blocks', () => {
  it('lie one after the other in the memory of the state, and fill it', () => {
    const specs = [weight(40, 35), { name: 'b', shape: [40] }, weight(3, 2, 5)];
    for (const precision of ['float64', 'float32'] as const) {
      for (const oneSided of [true, false]) {
        const { blocks, memory } = startOf(problemOf(layoutOf(specs)), { oneSided }, precision);
        const places: [at: number, length: number][] = [];
        for (const { left, right, firstMoment, secondMoment, paddedRows, paddedCols } of blocks) {
          for (const side of [left, right]) {
            if (side) for (const at of [side.factor, side.basis]) places.push([at, side.paddedSize ** 2]);
          }
          for (const at of [firstMoment, secondMoment]) places.push([at, paddedRows * paddedCols]);
        }
        places.sort(([p], [q]) => p - q);
        let end = 0;
        for (const [at, length] of places) {
          expect(at).toBe(end);
          end += length;
        }
        expect(end).toBe(memory.length);
      }
    }
  });

  it('have pieces that cover each block and the flat vector once', () => {
    const specs = [weight(7, 5), { name: 'b', shape: [7] }, weight(3, 6), { name: 'v', shape: [4] }];
    const ofProblem = problemOf(layoutOf(specs));
    const { blocks } = startOf(ofProblem, { joinBias: true, maxSide: 4, oneSided: false });
    const places: number[] = [];
    for (const { rows, cols, pieces } of blocks) {
      const inBlock = pieces.flatMap((piece) =>
        Array.from({ length: piece.rows * piece.cols }, (_, k) => {
          const [i, j] = [Math.floor(k / piece.cols), k % piece.cols];
          places.push(piece.offset + i * piece.stride + j);
          return (piece.row + i) * cols + piece.col + j;
        }),
      );
      expect(inBlock.toSorted((p, q) => p - q)).toEqual(Array.from({ length: rows * cols }, (_, k) => k));
      expect(pieces.every((piece) => piece.rows > 0 && piece.cols > 0)).toBe(true);
    }
    expect(places.toSorted((p, q) => p - q)).toEqual(Array.from(ofProblem.p0, (_, k) => k));
  });

  it('take no memory for rows that fill up where nothing is rotated', () => {
    for (const precision of ['float64', 'float32'] as const) {
      const [{ paddedRows }] = startOf(problemOf(layoutOf([weight(9)])), {}, precision).blocks;
      expect(paddedRows).toBe(1);
    }
  });

  it('stay where they are in memory from step to step', () => {
    const state = startOf(problem, {});
    const { memory } = state;
    for (let t = 0; t < 6; t++) runSync(soap().step(state), problem);
    expect(state.memory).toBe(memory);
  });

  it('cut long vectors into parts, which are Adam each', () => {
    const n = 2 ** 16 + 3;
    const p0 = Float64Array.from({ length: n }, (_, i) => Math.sin(i));
    const long = { p0, fg: (x: Float64Array, g: Float64Array | null) => (g?.set(x), 1) };
    const options = { learningRate: 0.1, beta2: 0.95 };
    const state = startOf(long, options);
    expect(state.blocks.map(({ rows, cols }) => [rows, cols])).toEqual([
      [1, n / 2 - 0.5],
      [1, n / 2 + 0.5],
    ]);
    const [a] = walk(adam(options), long, 1);
    runSync(soap(options).step(state), long);
    let apart = 0;
    for (let i = 0; i < n; i++) apart = Math.max(apart, Math.abs(a.x[i] - state.x[i]));
    expect(apart).toBeLessThan(1e-12);
  });

  const kernel = (role: TensorSpec['role'], ...shape: number[]): TensorSpec =>
    role ? { name: 'kernel', shape, role } : { name: 'kernel', shape };
  const sizes = (specs: readonly TensorSpec[], options: SoapOptions) =>
    startOf(problemOf(layoutOf(specs)), options).blocks.map(({ rows, cols, left, right }) =>
      [rows, cols, left?.size ?? 0, right?.size ?? 0].join(' '),
    );
  const bias = (size: number): TensorSpec => ({ name: 'bias', shape: [size] });

  it.each<[string, TensorSpec[], SoapOptions, string[]]>([
    ['a square kernel takes its bias as a column', [kernel(undefined, 4, 4), bias(4)], {}, ['4 5 4 5']],
    [
      'a square kernel with filters last takes it as a row',
      [kernel({ kind: 'weight', filterAxes: [1] }, 4, 4), bias(4)],
      {},
      ['5 4 5 4'],
    ],
    ['an embedding takes none', [kernel({ kind: 'embedding' }, 4, 6), bias(4)], {}, ['4 6 0 6', '1 4 0 0']],
    ['a vector takes none', [bias(4), bias(4)], {}, ['1 4 0 0', '1 4 0 0']],
    ['the last kernel has none', [bias(4), kernel(undefined, 3, 2)], {}, ['1 4 0 0', '3 2 3 2']],
    [
      'with one side, inputs and bias',
      [kernel({ kind: 'weight', filterAxes: [0] }, 3, 5), { ...bias(3), role: { kind: 'bias' } }],
      { oneSided: true },
      ['3 6 0 6'],
    ],
    [
      'an empty tensor does not part a kernel from its bias',
      [kernel(undefined, 4, 4), kernel(undefined, 0, 3), bias(4)],
      {},
      ['4 5 4 5'],
    ],
    [
      'the first axis makes the rows where the last is as good',
      [kernel(undefined, 3, 5, 3)],
      {},
      ['3 15 3 15'],
    ],
    ['empty tensors make none', [kernel(undefined, 0, 3), bias(0), bias(4)], {}, ['1 4 0 0']],
    ['a column is no bias', [kernel(undefined, 4, 6), kernel(undefined, 4, 1)], {}, ['4 6 4 6', '4 1 4 0']],
    [
      'a kernel without filters takes its bias by its size',
      [kernel({ kind: 'weight' }, 4, 6), bias(6)],
      {},
      ['5 6 5 6'],
    ],
    ['only sides longer than 1 are rotated', [kernel(undefined, 1, 5)], {}, ['1 5 0 5']],
    [
      'parts of a side are as equal as can be',
      [kernel(undefined, 7, 2)],
      { maxSide: 3 },
      ['2 2 2 2', '2 2 2 2', '3 2 3 2'],
    ],
  ])('%s', (_name, specs, options, expected) => {
    expect(sizes(specs, { joinBias: true, ...options })).toEqual(expected);
  });
});

describe('underflow', () => {
  it('gradients too small for their squares give no basis, and are Adam', () => {
    const state = startOf(problem, {});
    const { x } = state;
    const before = x.slice();
    const solver = soap({ learningRate: 0.1, epsilon: 1e-200, frequency: 1 });
    const tiny = Float64Array.from(before, (_, i) => (i === 3 ? -2e-141 : 1e-141));
    state.gradient.set(tiny);
    for (let t = 0; t < 6; t++) runSync(solver.step(state), { ...problem, fg: (_x, g) => (g?.set(tiny), 0) });
    const [{ left, right }] = state.blocks;
    expect([left?.part, right?.part]).toEqual([1, 1]);
    expect(rowsOf(state, left)).toEqual(
      Array.from({ length: 5 }, (_, i) => Array.from({ length: 5 }, (__, j) => Number(i === j))),
    );
    x.forEach((value, i) => expect(value - before[i]).toBeCloseTo(i === 3 ? 0.6 : -0.6, 9));
  });

  it('a factor that has faded leaves the basis as it was', () => {
    const options = { frequency: 1, beta2: 0, learningRate: 0.01 };
    const state = startOf(problem, options);
    const solver = soap(options);
    runSync(solver.step(state), problem);
    const bases = () => [state.blocks[0].left, state.blocks[0].right].map((side) => rowsOf(state, side));
    const still = { ...problem, fg: (_x: Float64Array, g: Float64Array | null) => (g?.fill(0), 0) };
    state.gradient.fill(0);
    runSync(solver.step(state), still);
    const first = bases();
    for (let t = 0; t < 3; t++) runSync(solver.step(state), still);
    expect(bases()).toEqual(first);
    expect(state.x.every(Number.isFinite)).toBe(true);
  });
});

it('each block has its turn: refreshes wait for the number of its place', () => {
  const specs = [weight(3, 3), { name: 'v', shape: [2, 4] }];
  const parts = [matrix(3, 3), { ...matrix(2, 4, true, true, 9), turn: 1 }];
  expect(farthest(specs, parts, { learningRate: 0.02, epsilon: 1e-4, frequency: 15 }, 50)).toBeLessThan(
    1e-10,
  );
});
