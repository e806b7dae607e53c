import { describe, expect, it } from 'vitest';
import { layoutOf, runSync, soap, vectorParams, type Problem } from 'quasi-newton';
import {
  asMatrix,
  identity,
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

describe('the first eigenbases', () => {
  it.each([
    [6, 6],
    [4, 7],
    [9, 3],
    [1, 5],
    [3, 20],
    [20, 10],
    [11, 20],
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
      expect(side.ready).toBe(true);
      const Q = rowsOf(state, side)!;
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
      const Q = rowsOf(state, side)!;
      const error = zip(times(transpose(Q), Q), identity(side.size), (u, v) => Math.abs(u - v)).flat();
      expect(Math.max(...error)).toBeLessThan(1e-12);
    }
    expect(state.x.every(Number.isFinite)).toBe(true);
  });
});
