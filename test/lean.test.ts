import { expect, test, vi } from 'vitest';
import * as full from 'quasi-newton';
import type { LbfgsOptions, Problem, SolveOptions } from 'quasi-newton';
import { largeProblem, extendedPowell, extendedRosenbrock } from '../bench/problems/large.js';

/** Modules of its own, in which nothing has switched SIMD on. */
async function loadLean() {
  vi.resetModules();
  const lean = await import('quasi-newton/lean');
  const { allocateRows } = await import('../src/core/kernels/placement.ts');
  return { ...lean, allocateRows };
}

const problems: [name: string, problem: Problem][] = [
  ['8 unknowns', largeProblem(extendedRosenbrock, 8)],
  ['1000 unknowns', largeProblem(extendedRosenbrock, 1000)],
  ['70,000 unknowns, of several tiles', largeProblem(extendedPowell, 70_000)],
];

test.each(problems)('lean takes the same steps, to the last bit: %s', async (_, problem) => {
  const { lbfgs, minimize, minimizeAsync, allocateRows } = await loadLean();
  const lean = minimize(problem, lbfgs({ memory: 7 }), { maxIterations: 40 });
  expect(allocateRows(1000, 2, 'float64').map(({ byteOffset }) => byteOffset)).toEqual([0, 0]);
  const other = full.minimize(problem, full.lbfgs({ memory: 7 }), { maxIterations: 40 });
  expect(Buffer.compare(Buffer.from(lean.x.buffer), Buffer.from(other.x.slice().buffer))).toBe(0);
  expect(lean.evaluations).toEqual(other.evaluations);
  expect(String(lean)).toMatch(/L-BFGS \(memory 7, Moré–Thuente\)/);
  const later = await minimizeAsync(problem, lbfgs({ memory: 7 }), { maxIterations: 40 });
  expect(later.f).toBe(lean.f);
});

test('lean names what it does not have', async () => {
  const { lbfgs, minimize } = await loadLean();
  const [, [, problem]] = problems;
  const bounded: LbfgsOptions = { lower: 0 };
  expect(() => lbfgs(bounded)).toThrow(/lower: no such option; there are memory/);
  expect(() => minimize(problem, lbfgs(), null as never)).toThrow(/options must be an object, got null/);
  const transformed: SolveOptions = { transform: 'log' };
  expect(() => minimize(problem, lbfgs(), transformed)).toThrow(/transform: no such option/);
});
