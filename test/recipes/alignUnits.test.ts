import * as ort from 'onnxruntime-node';
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { lbfgs, minimize, vectorParams, type Problem } from 'quasi-newton';
import { alignUnits, alignUnitsAsync, between, connect, landscape } from 'quasi-newton/landscape';
import { trainable } from 'quasi-newton/onnx';
import { modelProblem } from 'quasi-newton/tfjs';
import { mlp } from '../../examples/lib/mlp.js';
import { bestAssignment } from '../../src/recipes/minima/assignment.ts';
import { uniformStream } from '../../src/recipes/landscape/random.ts';
import { layoutOf } from '../../src/core/layout.ts';

const permutations = (n: number): number[][] =>
  n === 0
    ? [[]]
    : permutations(n - 1).flatMap((rest) =>
        Array.from({ length: n }, (_, at) => [...rest.slice(0, at), n - 1, ...rest.slice(at)]),
      );

describe('the best assignment', () => {
  it('is the best of all permutations', () => {
    const draw = uniformStream(5);
    for (const n of [1, 2, 3, 5, 6]) {
      for (let trial = 0; trial < 20; trial++) {
        // Few different values, so that there are ties.
        const score = new Float64Array(n * n).map(() =>
          trial % 2 === 0 ? draw() - 0.5 : Math.floor(3 * draw()),
        );
        const sumOf = (columns: ArrayLike<number>) =>
          Array.from(columns).reduce((sum, j, i) => sum + score[i * n + j], 0);
        const found = bestAssignment(score, n);
        expect(Array.from(found).toSorted((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
        expect(sumOf(found)).toBeCloseTo(Math.max(...permutations(n).map(sumOf)), 12);
      }
    }
  });

  it('undoes a permutation of 100 rows', () => {
    const n = 100;
    const score = new Float64Array(n * n);
    for (let i = 0; i < n; i++) score[i * n + ((37 * i + 11) % n)] = 1 + i;
    expect(Array.from(bestAssignment(score, n))).toEqual(
      Array.from({ length: n }, (_, i) => (37 * i + 11) % n),
    );
  });
});

const dense = (units: number, seed: number, more: object = {}) =>
  tf.layers.dense({ units, kernelInitializer: tf.initializers.glorotUniform({ seed }), ...more });

/** A model of one kind, and its loss on some data. */
const models = {
  dense: (seed: number) =>
    tf.sequential({
      layers: [
        dense(7, seed, { inputShape: [12], activation: 'relu' }),
        dense(5, seed + 1, { activation: 'tanh', useBias: false }),
        dense(3, seed + 2),
      ],
    }),
  convolutional: (seed: number) =>
    tf.sequential({
      layers: [
        tf.layers.reshape({ targetShape: [4, 3, 1], inputShape: [12] }),
        tf.layers.conv2d({
          filters: 6,
          kernelSize: 2,
          activation: 'relu',
          kernelInitializer: tf.initializers.glorotUniform({ seed }),
        }),
        tf.layers.conv2d({
          filters: 4,
          kernelSize: 2,
          activation: 'relu',
          kernelInitializer: tf.initializers.glorotUniform({ seed: seed + 1 }),
        }),
        tf.layers.flatten(),
        dense(3, seed + 2),
      ],
    }),
};
const data = () => {
  const draw = uniformStream(1);
  const x = tf.tensor2d(
    Float32Array.from({ length: 30 * 12 }, () => draw() - 0.5),
    [30, 12],
  );
  return [x, x.slice([0, 0], [30, 3]).sin()] as const;
};
const problemFor = (model: tf.Sequential) => {
  model.compile({ loss: 'meanSquaredError', optimizer: 'sgd' });
  return modelProblem(model, ...data());
};
const apart = (a: Float64Array, b: Float64Array) => Math.hypot(...a.map((value, i) => value - b[i]));

describe('aligned units', () => {
  beforeAll(async () => {
    await tf.setBackend('cpu');
  });

  it.each(Object.entries(models))('compute the same and lie nearer: %s', (_, make) => {
    const problem = problemFor(make(1));
    const other = problemFor(make(50)).p0;
    const aligned = alignUnits(problem, problem.p0, other);
    expect(aligned).not.toEqual(other);
    expect(aligned.toSorted()).toEqual(other.toSorted());
    expect(problem.fg(aligned, null)).toBeCloseTo(problem.fg(other, null), 6);
    expect(apart(aligned, problem.p0)).toBeLessThan(apart(other, problem.p0));
    // What has been matched has no better match.
    expect(alignUnits(problem, problem.p0, aligned)).toEqual(aligned);
  });

  it.each(Object.entries(models))(
    'aligned units of a shuffled copy are those of the model itself: %s',
    (_, make) => {
      const problem = problemFor(make(1));
      const second = problemFor(make(50)).p0;
      const shuffled = alignUnits(problem, second, problem.p0);
      expect(shuffled).not.toEqual(problem.p0);
      expect(alignUnits(problem, problem.p0, shuffled)).toEqual(problem.p0);
      expect(() => connect(problem, problem.p0, shuffled, { align: true })).toThrow(
        /connect: both models are the same/,
      );
    },
  );

  it('lower the barrier between two trained networks, also along a curve', () => {
    const trained = [1, 50].map((seed) => {
      const problem = problemFor(models.dense(seed));
      return { problem, x: minimize(problem, lbfgs(), { maxIterations: 60 }).x };
    });
    const [{ problem, x: a }, { x: b }] = trained;
    const barrier = (to: Float64Array) =>
      Math.max(
        ...landscape(problem, { dimensions: 1, directions: between(a, to), npoints: 41, xrange: [0, 1] }).z,
      );
    const aligned = alignUnits(problem, a, b);
    expect(barrier(aligned)).toBeLessThan(barrier(b));
    const { highestStraight, at } = connect(problem, a, b, { align: true, maxIterations: 5 });
    expect(at(1)).toEqual(aligned);
    expect(highestStraight).toBeCloseTo(barrier(aligned), 2);
  });

  it('are found for an ONNX model too, whose weights lie the other way', async () => {
    const model = await trainable(ort, mlp([4, 9, 6, 2]), { loss: 'softmaxCrossEntropy' });
    const x = Float32Array.from({ length: 80 }, (_, i) => Math.sin(3 * i));
    const target = Array.from({ length: 20 }, (_, i) => i % 2);
    const problem = model.problem({ x: { data: x, dims: [20, 4] }, target: { data: target, dims: [20] } });
    const a = problem.p0;
    const draw = uniformStream(3);
    const b = a.map(() => draw() - 0.5);
    const aligned = await alignUnitsAsync(problem, a, b);
    expect(aligned.toSorted()).toEqual(b.toSorted());
    expect(await problem.fg(aligned, null)).toBeCloseTo(await problem.fg(b, null), 5);
    expect(apart(aligned, a)).toBeLessThan(apart(b, a));
    await model.dispose();
  });

  it('are refused where units differ or there is no chain', () => {
    const tensors = (shapes: Record<string, number[]>) =>
      layoutOf(Object.entries(shapes).map(([name, shape]) => ({ name, shape })));
    const problemOn = (shapes: Record<string, number[]>, fg: Problem['fg']): Problem => {
      const layout = tensors(shapes);
      return {
        p0: new Float64Array(layout.length),
        params: { ...vectorParams(new Float64Array(layout.length)), layout },
        fg,
      };
    };
    const chain = { a: [2, 3], b: [3], c: [3, 1] };
    const from = Float64Array.of(1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3);
    const to = Float64Array.of(3, 2, 1, 3, 2, 1, 3, 2, 1, 3, 2, 1);
    const uneven = problemOn(chain, (x) => x.reduce((sum, value, i) => sum + i * value, 0));
    expect(() => alignUnits(uneven, from, to)).toThrow(/with permuted units the loss is .*skip connections/);
    const refusals: [Record<string, number[]>, RegExp][] = [
      [{ a: [2, 6] }, /there is no hidden layer/],
      [{ a: [2, 3], b: [2], c: [2, 2] }, /"b" fits no layer before it/],
      [{ a: [2, 4], c: [2, 2] }, /"c" has 2 inputs for 4 outputs of "a"/],
      [{ embedding: [2, 3], b: [3, 2] }, /"embedding" is not a weight of such a layer/],
    ];
    for (const [shapes, message] of refusals) {
      const problem = problemOn(shapes, () => 1);
      const n = problem.p0.length;
      expect(() => alignUnits(problem, new Float64Array(n), new Float64Array(n).fill(1))).toThrow(message);
    }
    const bare: Problem = { p0: new Float64Array(12), fg: () => 1 };
    expect(() => alignUnits(bare, from, to)).toThrow(/needs a problem with params/);
  });
});
