import { describe, expect, it } from 'vitest';
import { layoutOf, runSync, soap, type SoapOptions, type TensorSpec } from 'quasi-newton';
import {
  farthest,
  identity,
  inputsFirst,
  matrix,
  paddedMatrix,
  partsOf,
  problemOf,
  rowsOf,
  startOf,
  times,
  transpose,
  weight,
  zip,
  type Part,
} from './oracle.ts';

/** Steps are up to 0.02 long; directions whose curvature is near the rounding are what differs most. */
const TOLERANCE = 5e-4;

describe('in float32, the steps are those of float64 to rounding', () => {
  const options = { learningRate: 0.02, epsilon: 1e-2, frequency: 3 };

  it.each<[string, TensorSpec, Part, SoapOptions]>([
    ['a small matrix', weight(3, 5), matrix(3, 5), {}],
    ['sides that need no filling up', weight(16, 24), matrix(16, 24), {}],
    ['sides that do', weight(18, 21), matrix(18, 21), {}],
    ['the left side', inputsFirst(9, 50), matrix(9, 50, true, false), { oneSided: true }],
    ['the right side', weight(50, 9), matrix(50, 9, false, true), { oneSided: true }],
    ['a vector', weight(11), matrix(1, 11, false, false), {}],
    ['a column', weight(11, 1), matrix(11, 1, true, false), {}],
  ])('in float32, the steps are those of float64 to rounding: %s', (_name, spec, part, more) => {
    expect(farthest([spec], [part], { ...options, ...more }, 8, 'float32')).toBeLessThan(TOLERANCE);
  });

  it('a matrix cut into parts', () => {
    const parts = partsOf(20, [0, 17, 34], [0, 10, 20]);
    const rate = { ...options, maxSide: 17, oneSided: false };
    expect(farthest([weight(34, 20)], parts, rate, 8, 'float32')).toBeLessThan(TOLERANCE);
  });

  it('matrices that fill up rows only, columns only, both or nothing, after one another', () => {
    const sizes = [
      [24, 24],
      [18, 24],
      [24, 18],
      [18, 18],
      [16, 24],
    ];
    let offset = 0;
    const parts = sizes.map(([rows, cols], turn) => {
      const part = { ...matrix(rows, cols, true, true, offset), turn };
      offset += rows * cols;
      return part;
    });
    const specs = sizes.map((shape, k) => ({ name: `w${k}`, shape }));
    expect(farthest(specs, parts, { ...options, frequency: 20 }, 8, 'float32')).toBeLessThan(TOLERANCE);
  });

  it('a matrix with its bias', () => {
    const specs = [
      { name: 'w', shape: [10, 12], role: { kind: 'weight' as const, filterAxes: [1] } },
      weight(12),
    ];
    const joined = {
      indices: Array.from({ length: 132 }, (_, i) => i),
      rows: 11,
      cols: 12,
      left: true,
      right: true,
    };
    expect(farthest(specs, [joined], { ...options, joinBias: true }, 8, 'float32')).toBeLessThan(TOLERANCE);
  });
});

it('in float32, bases stay orthonormal to rounding', () => {
  const problem = problemOf(layoutOf([weight(40, 30)]));
  const options = { frequency: 1, learningRate: 0.03, oneSided: false };
  const state = startOf(problem, options, 'float32');
  const solver = soap(options);
  for (let t = 0; t < 60; t++) runSync(solver.step(state), problem);
  const { left, right } = state.blocks[0];
  for (const side of [left!, right!]) {
    const Q = rowsOf(state, side)!;
    const error = zip(times(transpose(Q), Q), identity(side.size), (u, v) => Math.abs(u - v)).flat();
    expect(Math.max(...error)).toBeLessThan(3e-6);
    // What fills rows and columns up has stayed 0.
    const all = paddedMatrix(state, side.basis, side);
    expect(
      all.flatMap((row, i) => row.filter((_, j) => i >= side.size || j >= side.size)).every((v) => v === 0),
    ).toBe(true);
  }
});

it('in float32, refuses a gradient whose square is beyond its range', () => {
  const problem = problemOf(layoutOf([weight(3, 4)]));
  const state = startOf(problem, {}, 'float32');
  state.gradient.fill(1e19);
  expect(runSync(soap().step(state), problem)).toMatchObject({ kind: 'failed', termination: 'nonFinite' });
  state.gradient.fill(1e17);
  runSync(soap({ learningRate: 0.1 }).step(state), {
    ...problem,
    fg: (_x, gradient) => (gradient?.fill(0), 0),
  });
  expect(state.x.every(Number.isFinite)).toBe(true);
});
