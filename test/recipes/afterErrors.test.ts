import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { vectorParams, type ParamSet, type Problem } from 'quasi-newton';
import {
  alignUnits,
  alignUnitsAsync,
  boxSharpness,
  boxSharpnessAsync,
  connect,
  connectAsync,
  contourf,
  curvatureMap,
  curvatureMapAsync,
  hessianDiagonal,
  hessianDiagonalAsync,
  hessianTrace,
  hessianTraceAsync,
  landscape,
  landscapeAsync,
  liveLandscape,
  sharpness,
  sharpnessAsync,
  spectralDensity,
  spectralDensityAsync,
  topEigenpairs,
  topEigenpairsAsync,
} from 'quasi-newton/landscape';
import { decodeLandscape } from '../../src/recipes/grid/codec.ts';
import { layoutOf } from '../../src/core/layout.ts';

/** One hidden layer of two units with tanh, on five samples; throws at evaluation `at`. */
function network(at: number, failure: unknown) {
  const held = Float64Array.of(0.5, -0.7, 0.2, -0, 1.1, -0.4, 0.3);
  const specs = [
    { name: 'dense/kernel', shape: [1, 2] },
    { name: 'dense/bias', shape: [2] },
    { name: 'last/kernel', shape: [2, 1] },
    { name: 'last/bias', shape: [1] },
  ];
  const params = vectorParams(held, layoutOf(specs));
  let calls = 0;
  const problem: Problem = {
    p0: held.slice(),
    params,
    fg(x, gradient) {
      params.copyFrom(x);
      if (++calls === at) throw failure;
      const [a, b, c, d, e, f, g] = x;
      let loss = 0;
      gradient?.fill(0);
      for (let t = -2; t <= 2; t++) {
        const [h, i] = [Math.tanh(a * t + c), Math.tanh(b * t + d)];
        const r = e * h + f * i + g - Math.sin(t);
        loss += r * r;
        if (gradient === null) continue;
        const [dh, di] = [e * (1 - h * h), f * (1 - i * i)];
        const slopes = [dh * t, di * t, dh, di, h, i, 1];
        for (const [k, slope] of slopes.entries()) gradient[k] += 2 * r * slope;
      }
      return loss;
    },
  };
  return { held, problem };
}

const second = Float64Array.of(-0.6, 0.6, 0.1, 0.1, -0.5, 1, 0.2);
/** Returns the error that caused all others: a map of curvature tells those of its parts, too. */
const firstOf = (error: unknown): unknown =>
  error instanceof Error && error.cause !== undefined ? firstOf(error.cause) : error;

type Recipe = (problem: Problem) => unknown;

describe.each<[string, Recipe]>([
  ['landscape', (problem) => landscape(problem, { npoints: 5 })],
  ['landscapeAsync', (problem) => landscapeAsync(problem, { npoints: 5 })],
  ['an adaptive landscape', (problem) => landscape(problem, { npoints: 17, adaptive: true })],
  ['contourf', (problem) => contourf(problem, { npoints: 5 })],
  ['topEigenpairs', (problem) => topEigenpairs(problem)],
  ['topEigenpairsAsync', (problem) => topEigenpairsAsync(problem)],
  ['hessianTrace', (problem) => hessianTrace(problem)],
  ['hessianTraceAsync', (problem) => hessianTraceAsync(problem)],
  ['hessianDiagonal', (problem) => hessianDiagonal(problem)],
  ['hessianDiagonalAsync', (problem) => hessianDiagonalAsync(problem)],
  ['spectralDensity', (problem) => spectralDensity(problem)],
  ['spectralDensityAsync', (problem) => spectralDensityAsync(problem)],
  ['sharpness', (problem) => sharpness(problem)],
  ['sharpnessAsync', (problem) => sharpnessAsync(problem)],
  ['boxSharpness', (problem) => boxSharpness(problem)],
  ['boxSharpnessAsync', (problem) => boxSharpnessAsync(problem)],
  ['curvatureMap', (problem) => curvatureMap(problem, { npoints: 3 })],
  ['curvatureMapAsync', (problem) => curvatureMapAsync(problem, { npoints: 3 })],
  ['connect', (problem) => connect(problem, problem.p0, second, { maxIterations: 3 })],
  ['connectAsync', (problem) => connectAsync(problem, problem.p0, second, { maxIterations: 3 })],
  ['alignUnits', (problem) => alignUnits(problem, problem.p0, second)],
  ['alignUnitsAsync', (problem) => alignUnitsAsync(problem, problem.p0, second)],
])('%s', (_, recipe) => {
  it('puts the parameters back bit for bit, and throws the error unchanged', async () => {
    let errors = 0;
    for (const at of [1, 2, 3, 4, 7, 19, Infinity]) {
      const failure = new Error(`evaluation ${at}`);
      const { held, problem } = network(at, failure);
      const before = held.slice();
      const outcome = await (async () => recipe(problem))().catch((error: unknown) => error);
      errors += outcome === failure ? 1 : 0;
      expect(outcome instanceof Error).toBe(outcome === failure);
      expect(held).toEqual(before);
    }
    expect(errors).toBeGreaterThan(2);
  });

  it('tells its error and the one of putting back, if that fails as well', async () => {
    const failure = new Error('no loss');
    const { problem } = network(4, failure);
    let isLost = false;
    const params: ParamSet = {
      ...problem.params!,
      copyFrom(vector) {
        if (isLost) throw new RangeError('w is disposed.');
        problem.params?.copyFrom(vector);
      },
    };
    const fg: Problem['fg'] = (x, gradient) => {
      isLost = true;
      const f = problem.fg(x, gradient);
      isLost = false;
      return f;
    };
    const outcome = await (async () => recipe({ ...problem, params, fg }))().catch((error: unknown) => error);
    expect(firstOf(outcome)).toBe(failure);
    expect(String(outcome)).toContain(
      'Error: no loss\nThe parameters could not be put back: RangeError: w is disposed.',
    );
  });
});

it('a live landscape puts the parameters back if the loss throws in between', async () => {
  const failure = new Error('no loss');
  const { held, problem } = network(9, failure);
  const before = held.slice();
  const live = liveLandscape(problem, { to: () => undefined });
  const run = async () => {
    for (let k = 0; k < 4; k++) {
      live.callback({ x: problem.p0.map((p, i) => p + 0.1 * Math.sin(k * i + k)), f: 4 - k });
    }
    await live.finish();
  };
  await expect(run()).rejects.toBe(failure);
  expect(held).toEqual(before);
});

describe('a checkpoint', () => {
  const inFolder = (use: (checkpoint: string, folder: string) => void) => {
    const folder = mkdtempSync(join(tmpdir(), 'errors-'));
    try {
      use(join(folder, 'grid.landscape'), folder);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  };

  it('holds the points so far if the parameters are lost', () =>
    inFolder((checkpoint, folder) => {
      const failure = new Error('no loss');
      const { problem } = network(8, failure);
      const params = { ...problem.params!, copyFrom: () => { throw new RangeError('w is disposed.'); } }; // prettier-ignore
      const call = () => landscape({ ...problem, params }, { npoints: 5, checkpoint });
      expect(call).toThrow(
        'Error: no loss\nThe parameters could not be put back: RangeError: w is disposed.',
      );
      const { done } = decodeLandscape(readFileSync(checkpoint));
      expect(done.reduce((sum, mark) => sum + mark, 0)).toBe(6);
      expect(readdirSync(folder)).toEqual(['grid.landscape']);
    }));

  it('that cannot be written is told with the error, and the parameters are put back', () =>
    inFolder((checkpoint, folder) => {
      const { held, problem } = network(8, null);
      const before = held.slice();
      const failure = new Error('no loss');
      const fg: Problem['fg'] = (x, gradient) => {
        try {
          return problem.fg(x, gradient);
        } catch {
          rmSync(folder, { recursive: true });
          throw failure;
        }
      };
      let caught: unknown;
      try {
        landscape({ ...problem, fg }, { npoints: 5, checkpoint });
      } catch (error) {
        caught = error;
      }
      expect(caught).toMatchObject({ cause: failure });
      expect(String(caught)).toMatch(
        /no loss\nThe last points could not be saved: Error: checkpoint: .* cannot be written: there is no such folder/,
      );
      expect(held).toEqual(before);
    }));
});
