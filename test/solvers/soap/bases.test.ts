import { describe, expect, it } from 'vitest';
import { uniform } from '../../../bench/problems/random.js';
import { layoutOf, runSync, soap, vectorParams, type Problem } from 'quasi-newton';
import {
  asMatrix,
  identity,
  paddedMatrix,
  problemOf,
  rowsOf,
  startOf,
  times,
  trace,
  transpose,
  weight,
  zip,
  type Matrix,
} from './oracle.ts';
import type { SoapState } from '../../../src/solvers/soap.ts';
import { squaresAlong, type Side } from '../../../src/solvers/soap/side.ts';
import { workspaceOf } from '../../../src/solvers/soap/workspace.ts';

const still: Problem = { p0: new Float64Array(0), fg: (_x, gradient) => (gradient?.fill(0), 0) };

/** A rotation of neighboring axes. */
const row2 = (size: number): Matrix =>
  identity(size).map((row, i) =>
    row.map((value, j) =>
      i === size - 1 && size % 2 === 1 ? value : i === j ? 0.8 : (i ^ 1) === j ? (i < j ? 0.6 : -0.6) : 0,
    ),
  );

/** A factor, of which the state keeps the lower triangle. */
const factorOf = (state: SoapState, side: Side): Matrix => {
  const lower = paddedMatrix(state, side.factor, side);
  return Array.from({ length: side.size }, (_, i) =>
    Array.from({ length: side.size }, (__, j) => (j <= i ? lower[i][j] : lower[j][i])),
  );
};

describe('eigenbases', () => {
  it.each([
    [6, 6],
    [4, 7],
    [9, 3],
    [1, 5],
    [3, 20],
  ])(
    'eigenbases of a matrix [%i, %i] come to diagonalize its factors, the largest eigenvalue first',
    (rows, cols) => {
      const problem = problemOf(layoutOf([weight(rows, cols)]));
      const options = { frequency: 1, beta2: 0.999, learningRate: 1e-3 };
      const state = startOf(problem, options);
      const solver = soap(options);
      const random = uniform(3);
      for (let t = 0; t < 150; t++) {
        // Axes of different lengths, rotated.
        state.gradient.forEach((_, i, g) => {
          const [row, col] = [Math.floor(i / cols), i % cols];
          g[i] = (random() - 0.5) * 0.6 ** row * 0.7 ** col;
        });
        const [mixedRows, mixedCols] = [row2(rows), row2(cols)];
        state.gradient.set(times(times(mixedRows, asMatrix(state.gradient, rows)), mixedCols).flat());
        runSync(solver.step(state), still);
      }
      for (const side of [state.blocks[0].left, state.blocks[0].right]) {
        if (side === null) continue;
        const factor = factorOf(state, side);
        const Q = rowsOf(state, side)!;
        const largest = (a: Matrix) => Math.max(...a.flat().map(Math.abs));
        expect(largest(zip(times(transpose(Q), Q), identity(side.size), (u, v) => u - v))).toBeLessThan(
          1e-13,
        );
        const D = times(times(transpose(Q), factor), Q);
        const values = D.map((row, i) => row[i]);
        const rest = D.map((row, i) => row.map((value, j) => (i === j ? 0 : value)));
        expect(largest(rest)).toBeLessThan(3e-2 * trace(factor));
        expect(values[0]).toBeGreaterThan(0.3 * trace(factor));
        expect(values[0]).toBe(Math.max(...values));
      }
    },
  );

  it('wait for a gradient that is not 0', () => {
    const problem = problemOf(layoutOf([weight(3, 3)]));
    const state = startOf(problem, {});
    const g = state.gradient.slice();
    const solver = soap({ frequency: 1 });
    for (let t = 0; t < 5; t++) {
      state.gradient.fill(0);
      runSync(solver.step(state), still);
    }
    expect(state.x).toEqual(problem.p0);
    expect(state.blocks[0].left?.part).toBe(1);
    for (let t = 0; t < 2; t++) {
      state.gradient.set(g);
      runSync(solver.step(state), still);
    }
    expect(state.blocks[0].left?.part).toBeGreaterThan(1);
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
      const Q = rowsOf(state, side)!;
      const error = zip(times(transpose(Q), Q), identity(side.size), (u, v) => Math.abs(u - v)).flat();
      expect(Math.max(...error)).toBeLessThan(1e-12);
    }
    expect(state.x.every(Number.isFinite)).toBe(true);
  });
});

it.each([1e-6, 1, 1e6])('squares along a basis are at least the shift of a power step, times %d', (unit) => {
  const state = startOf(problemOf(layoutOf([weight(6, 5)])), {});
  const solver = soap({ frequency: 1 });
  for (let t = 0; t < 12; t++) {
    // Of rank 1.
    state.gradient.forEach((_, i, g) => (g[i] = unit * (1 + Math.floor(i / 5)) * (2 - (i % 5))));
    runSync(solver.step(state), still);
  }
  for (const side of [state.blocks[0].left!, state.blocks[0].right!]) {
    const factor = factorOf(state, side);
    const Q = rowsOf(state, side)!;
    const least = (2 ** -36 * trace(factor)) / side.size;
    const squares = times(times(transpose(Q), factor), Q).map((row, i) => Math.max(least, row[i]));
    expect(squares.filter((value) => value === least).length).toBeGreaterThan(1);
    [...squaresAlong(side, workspaceOf(state))].forEach((value, i) =>
      expect(value / squares[i]).toBeCloseTo(1, 9),
    );
  }
});

it('directions without a gradient keep their vectors, but for their signs', () => {
  const state = startOf(problemOf(layoutOf([weight(5, 4)])), {});
  const solver = soap({ frequency: 1 });
  for (let t = 0; t < 9; t++) {
    state.gradient.fill(0);
    state.gradient[0] = 3;
    runSync(solver.step(state), still);
  }
  for (const side of [state.blocks[0].left!, state.blocks[0].right!]) {
    expect(side.part).toBe(side.size);
    const apart = zip(rowsOf(state, side)!, identity(side.size), (u, v) => Math.abs(Math.abs(u) - v)).flat();
    expect(Math.max(...apart)).toBeLessThan(1e-12);
  }
});
