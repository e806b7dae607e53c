import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import {
  contourf,
  landscape,
  landscapeAsync,
  type Executor,
  type LandscapeData,
} from 'quasi-newton/landscape';
import { runAsync } from '../../src/core/drive.ts';
import { survey } from '../../src/recipes/grid/gridWalk.ts';
import { denseNetwork } from './lib/denseNetwork.ts';
import type { Problem } from '../../src/core/problem.ts';

const networkOf = (activation: 'tanh' | 'relu', seed: number) =>
  denseNetwork({ sizes: [2, 8, 8, 1], activation, samples: 30, seed, float32: false }).problem;

/** The problem, and how often it was evaluated. */
function counted(problem: Problem) {
  const counter = { problem, evaluations: 0 };
  const fg: Problem['fg'] = (x, gradient) => {
    counter.evaluations++;
    return problem.fg(x, gradient);
  };
  counter.problem = { ...problem, fg };
  return counter;
}

/** Largest difference of two landscapes as they are drawn, in bands of 20. */
function bandsApart(a: LandscapeData, b: LandscapeData, scale: (value: number) => number): number {
  const [u, v] = [Array.from(a.z, scale), Array.from(b.z, scale)];
  const band = (Math.max(...u) - Math.min(...u)) / 20;
  return Math.max(...u.map((value, cell) => Math.abs(value - v[cell]))) / band;
}

/** Evaluates tiles here, as another machine would. */
const elsewhere = (problem: Problem): Executor => ({
  parallelism: 2,
  async *run(task, tiles) {
    for (const cells of tiles.toReversed()) {
      const draft = {
        ...(await landscapeOf(problem, task.x, task.y, task.center, task.directions)),
        loss: NaN,
      };
      draft.z.fill(NaN);
      draft.done.fill(0);
      const hooks = {
        metricValues: new Float64Array(0),
        signal: undefined,
        atOnce: 1,
        started() {},
        evaluated() {},
        levelDone: undefined,
      };
      await runAsync(survey(draft, cells, hooks), problem);
      yield {
        cells,
        z: Float64Array.from(cells, (cell) => draft.z[cell]),
        metrics: new Float64Array(0),
        loss: draft.loss,
      };
    }
  },
});

/** A draft with the grid of a task. */
const landscapeOf = async (
  problem: Problem,
  x: Float64Array,
  y: Float64Array,
  center: Float64Array,
  directions: readonly Float64Array[],
) => ({
  ...landscape(problem, { npoints: 2, center, directions: [...directions], xrange: [-1, 1] }),
  x,
  y,
  z: new Float64Array(x.length * y.length),
  done: new Uint8Array(x.length * y.length),
});

describe('an adaptive grid of 65 × 65 points', () => {
  it.each([
    ['tanh', 'linear', 3],
    ['tanh', 'log', 4],
    ['relu', 'linear', 5],
    ['relu', 'log', 6],
  ] as const)(
    'an adaptive grid of 65 × 65 points of a %s network, drawn %s, is the same picture for a fifth of the evaluations',
    (activation, zscale, seed) => {
      const problem = networkOf(activation, seed);
      const whole = landscape(problem, { npoints: 65, seed });
      const count = counted(problem);
      const some = landscape(count.problem, { npoints: 65, seed, adaptive: zscale });
      expect(count.evaluations - 1).toBeLessThan(0.2 * 65 * 65);
      expect(bandsApart(whole, some, zscale === 'log' ? Math.log10 : (value) => value)).toBeLessThan(0.25);
      // What was evaluated is exact, and marked so.
      expect(some.done.filter((mark) => mark === 1)).toHaveLength(count.evaluations - 1);
      expect(some.done.filter((mark) => mark === 0)).toHaveLength(0);
      some.done.forEach((mark, cell) => {
        if (mark === 1 && some.z[cell] !== whole.z[cell]) throw new Error(`cell ${cell} differs`);
      });
      expect(some.fingerprint).toBe(whole.fingerprint);
    },
  );

  it('refines along the edge of what has no value', () => {
    const hole: Problem = {
      p0: new Float64Array(2),
      fg: ([x, y]) => (x * x + y * y < 0.2 ? NaN : x + y),
    };
    const plane = { directions: [Float64Array.of(1, 0), Float64Array.of(0, 1)], npoints: 65 };
    const whole = landscape(hole, plane);
    const some = landscape(hole, { ...plane, adaptive: true });
    const wrong = some.z.filter((value, cell) => Number.isNaN(value) !== Number.isNaN(whole.z[cell]));
    expect(wrong.length).toBeLessThan(0.005 * 65 * 65);
  });

  it.each(['linear', 'log', 'log1p', 'symlog', 'auto'] as const)(
    'predicts no value that is not finite (%s)',
    (adaptive) => {
      const axes = { directions: [Float64Array.of(1, 0), Float64Array.of(0, 1)], npoints: 33 };
      const losses: Problem['fg'][] = [
        ([x, y]) => x + y,
        ([x, y]) => Math.max(0, x + y) ** 2,
        ([x, y]) => (x > 0.2 ? NaN : x * x + y),
      ];
      for (const fg of losses) {
        const problem = { p0: Float64Array.of(0, 0), fg };
        const { z, done } = landscape(problem, { ...axes, adaptive });
        expect(z.filter((value, cell) => done[cell] === 2 && !Number.isFinite(value))).toHaveLength(0);
        const whole = landscape(problem, axes).z;
        expect(Array.from(z, Number.isNaN)).toEqual(Array.from(whole, Number.isNaN));
      }
    },
  );

  it('judges in the scale that the default picture has', () => {
    const problem = networkOf('tanh', 4);
    const axes = { directions: [Float64Array.of(1, 0), Float64Array.of(0, 1)], npoints: 65 };
    const decades: Problem = { p0: new Float64Array(2), fg: ([x, y]) => 10 ** (3 * Math.sin(2 * x) + 2 * y) };
    const signs: Problem = { p0: new Float64Array(2), fg: ([x, y]) => x * 10 ** (5 * Math.abs(x)) + y };
    const asAuto = (p: Problem, scale: 'linear' | 'log' | 'symlog', options: object) => {
      expect(landscape(p, { ...options, adaptive: true })).toEqual(
        landscape(p, { ...options, adaptive: scale }),
      );
    };
    asAuto(problem, 'linear', { npoints: 33, seed: 4, lnorm: 0.1 });
    asAuto(decades, 'log', axes);
    asAuto(signs, 'symlog', axes);
    const [whole, some] = [landscape(decades, axes), landscape(decades, { ...axes, adaptive: true })];
    expect(bandsApart(whole, some, Math.log10)).toBeLessThan(0.25);
    expect(some.done.filter((mark) => mark === 1).length).toBeLessThan(0.2 * 65 * 65);
  });

  it('predicts no metric from points where it is missing', () => {
    const axes = { directions: [Float64Array.of(1, 0), Float64Array.of(0, 1)], npoints: 33 };
    const flat: Problem = { p0: new Float64Array(2), fg: ([x, y]) => x + y };
    const metrics = { root: ([x, y]: Float64Array) => Math.sqrt(0.3 - x * x - y * y) };
    const { metrics: found, done } = landscape(flat, { ...axes, adaptive: true, metrics });
    const whole = landscape(flat, { ...axes, metrics }).metrics['root'];
    expect(Array.from(found['root'], Number.isNaN)).toEqual(Array.from(whole, Number.isNaN));
    expect(done).toContain(2);
  });

  it('interpolates metrics too', () => {
    const problem = networkOf('tanh', 3);
    const metrics = { first: (x: Float64Array) => x[0] };
    const { metrics: found, done } = landscape(problem, { npoints: 65, adaptive: true, metrics });
    const { metrics: all } = landscape(problem, { npoints: 65, metrics });
    expect(done).toContain(2);
    found['first'].forEach((value, cell) => expect(value).toBeCloseTo(all['first'][cell], 10));
  });
});

describe('an adaptive evaluation', () => {
  const problem = networkOf('relu', 6);
  const options = { npoints: 65, seed: 1, adaptive: 'log' } as const;
  const expected = landscape(problem, options);

  it('is the same on an executor, and when answers come later', async () => {
    const later = { ...problem, fg: async (x: Float64Array) => problem.fg(x, null) };
    expect(await landscapeAsync(later, options)).toEqual(expected);
    expect(await landscapeAsync(problem, { ...options, executor: elsewhere(problem) })).toEqual(expected);
  });

  it('shows each lattice whole, coarse ones first, and tells its end', () => {
    const sides: number[] = [];
    const told: number[] = [];
    landscape(problem, {
      ...options,
      onPreview: (coarse) => {
        sides.push(coarse.x.length);
        expect(coarse.z.some(Number.isNaN)).toBe(false);
        expect(contourf(coarse).toSVG().length).toBeGreaterThan(1000);
      },
      onProgress: ({ done, total }) => told.push(done / total),
    });
    expect(sides).toEqual([9, 17, 33, 65]);
    expect(told.at(-1)).toBe(1);
  });

  it('goes on where its checkpoint has it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'adaptive-'));
    try {
      const checkpoint = join(folder, 'grid');
      const evaluated = expected.done.filter((mark) => mark === 1).length;
      const stopped = counted(problem);
      const controller = new AbortController();
      const fg: Problem['fg'] = (x, gradient) => {
        if (stopped.evaluations === evaluated - 5) controller.abort(new Error('enough'));
        return stopped.problem.fg(x, gradient);
      };
      expect(() =>
        landscape({ ...problem, fg }, { ...options, checkpoint, signal: controller.signal }),
      ).toThrow('enough');
      const resumed = counted(problem);
      expect(landscape(resumed.problem, { ...options, checkpoint })).toEqual(expected);
      expect(stopped.evaluations + resumed.evaluations).toBeLessThanOrEqual(evaluated + 3);
      // A finished file holds predictions; without `adaptive` those are evaluated.
      const rest = counted(problem);
      const whole = landscape(rest.problem, { npoints: 65, seed: 1, checkpoint });
      expect(rest.evaluations).toBe(65 * 65 - evaluated + 1);
      expect(whole).toEqual(landscape(problem, { npoints: 65, seed: 1 }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('an adaptive evaluation of few points, or along a line, evaluates what it must', () => {
    const { done } = landscape(problem, { npoints: 9, adaptive: true });
    expect(done.every((mark) => mark === 1)).toBe(true);
    const line = landscape(problem, { dimensions: 1, npoints: 129, adaptive: true });
    expect(bandsApart(landscape(problem, { dimensions: 1, npoints: 129 }), line, (v) => v)).toBeLessThan(
      0.25,
    );
  });

  it.each(['tanh', 'relu'] as const)(
    'an adaptive evaluation of 25 × 25 points of a %s network saves most of them',
    (activation) => {
      const small = networkOf(activation, 32);
      const axes = { npoints: 25, seed: 32 };
      const { done, z } = landscape(small, { ...axes, adaptive: 'linear' });
      expect(done.filter((mark) => mark === 1).length).toBeLessThan(0.28 * done.length);
      const whole = landscape(small, axes);
      expect(bandsApart(whole, { ...whole, z }, (v) => v)).toBeLessThan(0.35);
    },
  );

  it('asks for the same cells where a file holds others too', () => {
    const folder = mkdtempSync(join(tmpdir(), 'adaptive-'));
    try {
      const checkpoint = join(folder, 'grid');
      const whole = landscape(problem, { npoints: 65, seed: 1, shard: '2/3', checkpoint });
      const { z, done } = landscape(problem, { ...options, checkpoint });
      z.forEach((value, cell) => {
        const known = whole.done[cell] === 1;
        expect(value).toBe(known ? whole.z[cell] : expected.z[cell]);
        expect(done[cell]).toBe(known ? 1 : expected.done[cell]);
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it('refuses shards and unknown scales', () => {
    expect(() => landscape(problem, { ...options, shard: '1/2' })).toThrow(
      /adaptive: .* cannot be combined with shard/,
    );
    expect(() => landscape(problem, { adaptive: 'fast' as never })).toThrow(
      /adaptive: must be true or false, or 'linear' or 'log' or 'log1p' or 'symlog' or 'auto', or { scale, tolerance, budget }, got "fast"/,
    );
  });
});
