import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  between,
  decodeLandscape,
  encodeLandscape,
  isComplete,
  landscape,
  landscapeAsync,
  mergeLandscapes,
  onPlane,
  pcaPlane,
  type LandscapeData,
  type LandscapeProgress,
} from 'quasi-newton/landscape';
import { dot, norm2 } from '../../src/core/vector.ts';
import { layoutOf } from '../../src/core/layout.ts';
import { vectorParams } from '../../src/core/paramSet.ts';
import { symmetricEigen } from '../../src/core/symmetricEigen.ts';
import { gaussian } from '../../src/recipes/landscape/random.ts';
import { middleOf } from '../../src/recipes/grid/gridWalk.ts';

const n = 12;
const weights = Float64Array.from({ length: n }, (_, i) => 1 + i);
/** f(p) = ½ Σ wᵢ pᵢ². */
const quadratic = (p: Float64Array) => 0.5 * p.reduce((sum, value, i) => sum + weights[i] * value * value, 0);
const start = () => Float64Array.from({ length: n }, gaussian(4));

let data: Float64Array;
let evaluations: number;
const loss = () => {
  evaluations++;
  return quadratic(data);
};
const params = () => vectorParams(data, layoutOf([{ name: 'kernel', shape: [3, 4] }]));
const center = (z: LandscapeData) => z.z[middleOf(z.y) * z.x.length + middleOf(z.x)];

const bits = (vector: Float64Array) => new Uint8Array(vector.buffer);

let folder: string;
beforeEach(() => {
  data = start();
  evaluations = 0;
  folder = mkdtempSync(join(tmpdir(), 'landscape-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a landscape', () => {
  it('a landscape of a quadratic is right cell by cell, row by row, also where nx ≠ ny', () => {
    const { x, y, z, plane } = landscape(loss, params(), { npoints: [5, 3], lnorm: 0.5, seed: 3 });
    expect([x.length, y.length, z.length]).toEqual([5, 3, 15]);
    const [dx, dy] = plane.directions;
    for (let j = 0; j < 3; j++) {
      for (let i = 0; i < 5; i++) {
        const p = start().map((value, k) => value + y[j] * dy[k] + x[i] * dx[k]);
        expect(z[j * 5 + i]).toBeCloseTo(quadratic(p), 12);
      }
    }
  });

  it('a landscape at its center is the loss at the parameters exactly, for odd and even numbers of points', () => {
    for (const npoints of [2, 3, 50, 51]) {
      const result = landscape(loss, params(), { npoints, seed: 1234 });
      expect(result.x).toHaveLength(npoints + (1 - (npoints % 2)));
      expect(center(result)).toBe(quadratic(start()));
      expect(result.loss).toBe(quadratic(start()));
    }
  });

  it('reaches lnorm·‖p‖, not lnorm²·‖p‖', () => {
    const { x, plane } = landscape(loss, params(), { npoints: 3, lnorm: 0.25 });
    expect([...x]).toEqual([-0.25, 0, 0.25]);
    expect(x[2] * norm2(plane.directions[0])).toBeCloseTo(0.25 * norm2(start()), 12);
  });

  it('costs one evaluation a point, and one for the center', () => {
    landscape(loss, params(), { npoints: [7, 5] });
    expect(evaluations).toBe(36);
  });

  it('is the same for a loss, a problem and an asynchronous one', async () => {
    const options = { npoints: 5, seed: 7, metrics: { half: (x: Float64Array) => quadratic(x) / 2 } };
    const direct = landscape(loss, params(), options);
    const problem = { p0: start(), fg: quadratic };
    const layout = { params: params() };
    const viaProblem = landscape({ ...problem, ...layout }, options);
    const later = await landscapeAsync(
      { ...layout, p0: start(), fg: (x) => Promise.resolve(quadratic(x)) },
      options,
    );
    const laterLoss = await landscapeAsync(() => Promise.resolve(loss()), params(), options);
    for (const other of [viaProblem, later, laterLoss]) expect(other).toEqual(direct);
    expect(landscape(problem, { npoints: 3 }).z).toHaveLength(9);
    expect(direct.metrics['half']).toEqual(direct.z.map((value) => value / 2));
  });

  it('a landscape in one dimension is a line', () => {
    const { x, y, z, plane } = landscape(loss, params(), { dimensions: 1, npoints: 9 });
    expect([...y]).toEqual([0]);
    expect(z).toHaveLength(9);
    expect(plane.directions).toHaveLength(1);
    expect(z[0]).toBeCloseTo(quadratic(start().map((value, k) => value + x[0] * plane.directions[0][k])), 12);
  });

  it('keeps values that are not finite', () => {
    const { z, done } = landscape(() => (data[0] > start()[0] ? NaN : Infinity), params(), { npoints: 3 });
    expect([...z].every((value) => !Number.isFinite(value))).toBe(true);
    expect([...z].some(Number.isNaN)).toBe(true);
    expect(isComplete({ done } as LandscapeData)).toBe(true);
  });

  it('has the same values in any order of evaluation', () => {
    const plain = landscape(loss, params(), { npoints: [33, 17] });
    const previews: LandscapeData[] = [];
    const progressive = landscape(loss, params(), { npoints: [33, 17], onPreview: (p) => previews.push(p) });
    expect(progressive).toEqual(plain);
    expect(previews.map(({ x, y }) => [x.length, y.length])).toEqual([
      [3, 1],
      [5, 3],
      [9, 5],
      [17, 9],
      [33, 17],
    ]);
    for (const preview of previews) {
      expect(isComplete(preview)).toBe(true);
      expect(center(preview)).toBe(plain.loss);
    }
  });
});

describe('many points in one go', () => {
  it('are asked for with metrics too, which see the parameters of their point', async () => {
    const options = { npoints: [7, 5] as const, metrics: { first: () => data[0], double: () => 2 * loss() } };
    const alone = landscape(loss, params(), options);
    let calls = 0;
    const problem = {
      p0: start(),
      params: params(),
      fg: (x: Float64Array) => (data.set(x), loss()),
      valuesAt(points: Float64Array, values: Float64Array) {
        calls++;
        for (let k = 0; k < values.length; k++) values[k] = problem.fg(points.subarray(k * n, (k + 1) * n));
      },
    };
    expect(landscape(problem, options)).toEqual(alone);
    expect(calls).toBe(Math.ceil(35 / 16));
    expect(await landscapeAsync(problem, options)).toEqual(alone);
    expect(bits(data)).toEqual(bits(start()));
  });

  it('stop between the metrics of two points when aborted', () => {
    const controller = new AbortController();
    let metrics = 0;
    const problem = {
      p0: start(),
      fg: () => 1,
      valuesAt: (_points: Float64Array, values: Float64Array) => void values.fill(1),
    };
    const slow = () => (++metrics === 3 && controller.abort(new Error('enough')), 0);
    expect(() => landscape(problem, { metrics: { slow }, signal: controller.signal })).toThrow('enough');
    expect(metrics).toBe(3);
  });
});

describe('the parameters', () => {
  it('are bit for bit what they were', () => {
    landscape(loss, params(), { npoints: 3 });
    expect(bits(data)).toEqual(bits(start()));
  });

  it('are so also when the loss throws at one point, and its error leaves unchanged', async () => {
    const error = new Error('at one point');
    const throwing = () => {
      if (++evaluations === 5) throw error;
      return 1;
    };
    expect(() => landscape(throwing, params(), { npoints: 3 })).toThrow(error);
    expect(bits(data)).toEqual(bits(start()));
    evaluations = 0;
    await expect(landscapeAsync(throwing, params(), { npoints: 3 })).rejects.toBe(error);
    expect(bits(data)).toEqual(bits(start()));
  });

  it('are so after an abort, whose reason is thrown', () => {
    const controller = new AbortController();
    const reason = new Error('enough');
    const aborting = () => {
      if (++evaluations === 4) controller.abort(reason);
      return 1;
    };
    expect(() => landscape(aborting, params(), { npoints: 5, signal: controller.signal })).toThrow(reason);
    expect(evaluations).toBe(4);
    expect(bits(data)).toEqual(bits(start()));
    expect(() => landscape(loss, params(), { signal: AbortSignal.abort(reason) })).toThrow(reason);
  });

  it('are read and restored asynchronously where they can only be read so', async () => {
    const set = params();
    const later = {
      ...set,
      copyInto: () => {
        throw new Error('not now');
      },
      read: (vector: Float64Array) => Promise.resolve(set.copyInto(vector)),
    };
    const result = await landscapeAsync(() => Promise.resolve(loss()), later, { npoints: 3 });
    expect(center(result)).toBe(quadratic(start()));
    expect(bits(data)).toEqual(bits(start()));
  });

  it('may be replaced by another center', () => {
    const other = start().fill(1);
    expect(landscape(loss, params(), { npoints: 3, center: other }).loss).toBe(quadratic(other));
    expect(bits(data)).toEqual(bits(start()));
  });
});

describe('directions', () => {
  it('may be given, and are then used as they are', () => {
    const dx = new Float64Array(n).fill(0, 0, n);
    dx[2] = 3;
    const { z, x } = landscape(loss, params(), { directions: [dx], npoints: 3, xrange: [-2, 2] });
    expect([...x]).toEqual([-2, 0, 2]);
    const moved = start();
    moved[2] += 6;
    expect(z[2]).toBe(quadratic(moved));
  });

  it('directions between two and three models have the models on the grid', () => {
    const [a, b, c] = [1, 2, 3].map((seed) => Float64Array.from({ length: n }, gaussian(seed)));
    const { x, z } = landscape(loss, params(), { directions: between(a, b), dimensions: 1, npoints: 21 });
    expect(z[x.indexOf(0)]).toBe(quadratic(a));
    expect(z[x.indexOf(1)]).toBeCloseTo(quadratic(b), 12);
    const plane = landscape(loss, params(), { directions: between(a, b, c), npoints: 9 });
    const row = plane.y.indexOf(1);
    expect(plane.z[row * plane.x.length + plane.x.indexOf(0)]).toBeCloseTo(quadratic(c), 12);
    expect(() => between(a)).toThrow(/two or three/);
    expect(() => between(a, a)).toThrow(/the same/);
    const beyond = a.map((value, i) => 3 * b[i] - 2 * value);
    expect(() => between(a, b, beyond)).toThrow(/the three models lie on one line/);
    expect(() =>
      landscape(loss, params(), { directions: [a, a.map((value) => -2 * value)], npoints: 3 }),
    ).toThrow(/landscape: directions are parallel/);
    expect(() => between(a, b.slice(1))).toThrow(/length 11; it must be 12/);
  });

  it('directions of a path hold it: coordinates, residuals and true losses come back', () => {
    const [u, v, w] = [1, 2, 3].map((seed) => Float64Array.from({ length: n }, gaussian(seed)));
    const end = start();
    const at = (a: number, b: number, c: number) =>
      end.map((value, i) => value + a * u[i] + b * v[i] + c * w[i]);
    const path = [at(3, 2, 0), at(2, 0.5, 0), at(1, -1, 0), at(0.2, 0.1, 0), at(0, 0, 0)];
    const plane = pcaPlane(path);
    expect(plane.explained[0] + plane.explained[1]).toBeCloseTo(1, 12);
    expect(Math.abs(dot(plane.directions[0], plane.directions[1]))).toBeLessThan(1e-12);
    const result = landscape(loss, params(), { directions: plane, npoints: 11 });
    const seen = onPlane(result.plane, [...path, at(1, 1, 1)], [...path.map(quadratic), 7]);
    for (let t = 0; t < path.length; t++) {
      expect(seen.residual[t]).toBeLessThan(1e-10);
      const [dx, dy] = result.plane.directions;
      const foot = end.map((value, i) => value + seen.x[t] * dx[i] + seen.y[t] * dy[i]);
      expect(quadratic(foot)).toBeCloseTo(seen.loss[t], 9);
      expect(seen.x[t]).toBeGreaterThanOrEqual(result.x[0]);
      expect(seen.x[t]).toBeLessThanOrEqual(result.x[result.x.length - 1]);
      expect(seen.y[t]).toBeGreaterThanOrEqual(result.y[0]);
      expect(seen.y[t]).toBeLessThanOrEqual(result.y[result.y.length - 1]);
    }
    expect(seen.residual[5]).toBeGreaterThan(0.1);
    // As all eigenvalues of the Gram matrix say, for a longer path.
    const draw = gaussian(2);
    const long = Array.from({ length: 60 }, (_, t) =>
      start().map((value) => value * Math.exp(-t / 9) + 0.1 * draw()),
    );
    const steps = long.slice(0, -1).map((point) => point.map((value, i) => value - long[59][i]));
    const gram = Float64Array.from(steps.flatMap((u) => steps.map((v) => dot(u, v))));
    const { values } = symmetricEigen(gram, 59);
    const whole = values.reduce((sum, value) => sum + value, 0);
    pcaPlane(long).explained.forEach((share, k) => expect(share).toBeCloseTo(values[58 - k] / whole, 12));
    expect(() => pcaPlane([end])).toThrow(/two or more/);
    expect(() => pcaPlane([at(1, 0, 0), end])).toThrow(/fewer than 2 directions/);
    expect(pcaPlane([at(1, 0, 0), end], 1).directions).toHaveLength(1);
  });

  it('project a path onto oblique axes', () => {
    const [a, b, c] = [1, 2, 3].map((seed) => Float64Array.from({ length: n }, gaussian(seed)));
    const { plane } = landscape(loss, params(), { directions: between(a, b, c), npoints: 5 });
    const { x, y, residual, loss: values } = onPlane(plane, [a, b, c]);
    [
      [0, 0],
      [1, 0],
      [0, 1],
    ].forEach(([u, v], t) => {
      expect([x[t], y[t], residual[t]].map((value) => Math.round(value * 1e10) / 1e10 + 0)).toEqual([
        u,
        v,
        0,
      ]);
    });
    expect([...values]).toEqual([NaN, NaN, NaN]);
  });
});

describe('shards', () => {
  it('put together are the whole', () => {
    const options = { npoints: [7, 5] as const, metrics: { twice: (x: Float64Array) => 2 * quadratic(x) } };
    const shards = [1, 2, 3].map((i) => landscape(loss, params(), { ...options, shard: `${i}/3` }));
    expect(evaluations).toBe(35 + 3);
    expect(shards.some(isComplete)).toBe(false);
    // Over the wire and in another order.
    const sent = shards.toReversed().map((shard) => decodeLandscape(encodeLandscape(shard)));
    expect(mergeLandscapes(sent)).toEqual(landscape(loss, params(), options));
  });

  it('shards of another landscape are refused', () => {
    const one = landscape(loss, params(), { npoints: 3, shard: '1/2' });
    expect(() =>
      mergeLandscapes([one, landscape(loss, params(), { npoints: 3, seed: 5, shard: '2/2' })]),
    ).toThrow(/fingerprint/);
    const other = landscape(() => 2 * loss(), params(), { npoints: 3, shard: '2/2' });
    expect(() => mergeLandscapes([one, other])).toThrow(/loss at the center/);
    expect(() => mergeLandscapes([])).toThrow(/shards must be a non-empty array/);
  });

  it('that are damaged are refused', () => {
    const bytes = encodeLandscape(landscape(loss, params(), { npoints: 3 }));
    expect(() => decodeLandscape(bytes.subarray(0, 100))).toThrow(/cut short|not a landscape/);
    expect(() => decodeLandscape(new Uint8Array(40))).toThrow(/not a landscape/);
  });
});

const path = () => join(folder, 'grid.landscape');
const stopAfter = (count: number) => () => {
  if (++evaluations > count) throw new Error('killed');
  return quadratic(data);
};

describe('a checkpoint', () => {
  it('resumes to the identical grid, evaluating only what is missing', () => {
    const options = { npoints: [7, 5] as const, metrics: { twice: (x: Float64Array) => 2 * quadratic(x) } };
    const whole = landscape(loss, params(), options);
    evaluations = 0;
    const kept = { ...options, checkpoint: path() };
    expect(() => landscape(stopAfter(18), params(), kept)).toThrow('killed');
    evaluations = 0;
    expect(landscape(loss, params(), kept)).toEqual(whole);
    expect(evaluations).toBe(35 - 17 + 1);
    evaluations = 0;
    expect(landscape(loss, params(), kept)).toEqual(whole);
    expect(evaluations).toBe(1);
  });

  it('is refused with other options, parameters or data, and left as it was', () => {
    const kept = { npoints: 5, checkpoint: path() };
    expect(() => landscape(stopAfter(9), params(), kept)).toThrow('killed');
    const before = readFileSync(path());
    expect(() => landscape(loss, params(), { ...kept, seed: 2 })).toThrow(/to another landscape/);
    expect(() => landscape(loss, params(), { ...kept, npoints: 7 })).toThrow(/to another landscape/);
    expect(() => landscape(() => 1.01 * loss(), params(), kept)).toThrow(/to another loss/);
    data[0] += 1e-9;
    expect(() => landscape(loss, params(), kept)).toThrow(/to another landscape/);
    expect(readFileSync(path())).toEqual(before);
    writeFileSync(path(), 'not a landscape at all');
    expect(() => landscape(loss, params(), kept)).toThrow(/grid.landscape: its bytes are not a landscape/);
  });

  it('that cannot be written is named before anything is evaluated but the center', () => {
    const nowhere = join(folder, 'no', 'such', 'folder');
    expect(() => landscape(loss, params(), { npoints: 5, checkpoint: nowhere })).toThrow(/cannot be written/);
    expect(evaluations).toBe(1);
    expect(data).toEqual(start());
    expect(existsSync(nowhere)).toBe(false);
  });
});

describe('progress', () => {
  it('is reported at the end, with rate and time left', () => {
    const told: LandscapeProgress[] = [];
    landscape(loss, params(), { npoints: 3, onProgress: (progress) => told.push(progress) });
    const last = told[told.length - 1];
    expect(last).toMatchObject({ done: 9, total: 9, remaining: 0 });
    expect(last.rate).toBeGreaterThan(0);
  });
});

describe('bad input', () => {
  it.each([
    [{ npoints: 1 }, /npoints: must be a whole number ≥ 2.*got 1/],
    [{ npoints: 2.5 }, /npoints/],
    [{ npoints: Infinity }, /npoints/],
    [{ npoints: [3] }, /npoints/],
    [{ lnorm: 0 }, /lnorm: must be a number in \(0, Infinity\), got 0/],
    [{ lnorm: NaN }, /lnorm.*got NaN/],
    [{ lnorm: -1 }, /lnorm/],
    [{ seed: NaN }, /seed/],
    [{ normalize: 'filters' }, /normalize: must be 'global' or 'filter'.*got "filters"/],
    [{ ignore: ['biases'] }, /ignore/],
    [{ dimensions: 3 }, /dimensions: must be 1 or 2/],
    [{ xrange: [1, -1] }, /low < high/],
    [{ shard: '5/4' }, /shard: must be 'i\/n'/],
    [
      { directions: [new Float64Array(3), new Float64Array(3)] },
      /directions\[0\] has length 3; it must be 12/,
    ],
    [{ directions: [new Float64Array(n).fill(1)], dimensions: 2 }, /give two, or dimensions: 1/],
    [{ directions: [new Float64Array(n), new Float64Array(n)] }, /directions\[0\] is zero/],
    [{ directions: [new Float64Array(n).fill(NaN)] }, /directions\[0\]\[0\] is NaN/],
    [{ center: new Float64Array(3) }, /center has length 3; there are 12/],
    [{ points: 5 }, /points: no such option/],
  ])('landscape refuses options that are wrong: %o', (options, message) => {
    expect(() => landscape(loss, params(), options as object)).toThrow(message);
    expect(evaluations).toBe(0);
  });

  it('landscape refuses a loss without parameters, one that is none, and parameters that are NaN', async () => {
    expect(() => landscape(loss, undefined as never)).toThrow(/needs the parameters that it reads/);
    expect(() => landscape(5 as never, params())).toThrow(/needs a loss .* or a problem .*, got 5/);
    expect(() => landscape((() => Promise.resolve(1)) as never, params())).toThrow(/use landscapeAsync/);
    expect(() => landscape((() => ({ dataSync: 1 })) as never, params())).toThrow(/return dataSync\(\)\[0\]/);
    expect(data).toEqual(start());
    data[3] = NaN;
    expect(() => landscape(loss, params())).toThrow(/parameter 3 is NaN/);
    await expect(landscapeAsync(loss, params())).rejects.toThrow(/parameter 3 is NaN/);
  });

  it('landscape refuses parameters that are all 0, with what to do', () => {
    data.fill(0);
    expect(() => landscape(loss, params())).toThrow(/normalize: 'none'/);
    expect(landscape(loss, params(), { npoints: 3, normalize: 'none' }).loss).toBe(0);
  });
});
