import * as tf from '@tensorflow/tfjs';
import * as node from 'onnxruntime-node';
import * as web from 'onnxruntime-web';
import {
  adam,
  bfgs,
  gradientDescent,
  lbfgs,
  minimizeAsync,
  type AsyncProblem,
  type Problem,
  type Solver,
} from 'quasi-newton';
import { landscapeAsync } from 'quasi-newton/landscape';
import { trainable, type OnnxModel, type Ort } from 'quasi-newton/onnx';
import { optfuns, type OptFuns } from 'quasi-newton/tfjs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { mlp, randomNumbers } from '../../../examples/lib/mlp.js';

const sizes = [3, 6, 5, 2];
const samples = 40;
const network = mlp(sizes, { activation: 'Tanh', seed: 3 });
const random = randomNumbers(11);
const x = new Float32Array(3 * samples).map(() => 2 * random() - 1);
const y = new Float32Array(2 * samples).map((_, i) => Math.sin(2 * x[(3 * i) >> 1]) + x[i % 7]);
const feeds = { x: { data: x, dims: [samples, 3] }, target: { data: y, dims: [samples, 2] } };

/** The same network, with the same parameters in the same order, of tfjs variables. */
function inTfjs(p0: Float64Array): OptFuns {
  let at = 0;
  const take = (...shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    at += size;
    return tf.variable(tf.tensor(Float32Array.from(p0.subarray(at - size, at)), shape));
  };
  const layers = sizes.slice(1).map((out, i) => ({ weight: take(out, sizes[i]), bias: take(out) }));
  const [inputs, targets] = [tf.tensor(x, [samples, 3]), tf.tensor(y, [samples, 2])];
  const loss = () => {
    const output = layers.reduce<tf.Tensor>((h, { weight, bias }, i) => {
      const a = tf.matMul(h, weight, false, true).add(bias);
      return i === layers.length - 1 ? a : a.tanh();
    }, inputs);
    return output.sub(targets).square().mean();
  };
  return optfuns(
    loss,
    layers.flatMap(({ weight, bias }) => [weight, bias]),
  );
}

const runtimes: readonly (readonly [string, Ort])[] = [
  ['onnxruntime-node', node],
  ['onnxruntime-web', web],
];

describe.each(runtimes)('a tfjs model and the same network in %s', (_, ort) => {
  let model: OnnxModel;
  let problems: readonly [Problem, AsyncProblem];

  beforeAll(async () => {
    await tf.setBackend('cpu');
    model = await trainable(ort, network, { loss: 'mse' });
    const onnx = model.problem(feeds);
    problems = [inTfjs(onnx.p0), onnx];
  });
  afterAll(async () => model.dispose());

  const solvers: readonly Solver[] = [lbfgs(), bfgs(), gradientDescent(), adam()];
  test.each(solvers.map((solver) => [solver.name, solver] as const))(
    'take the same first ten iterations with %s',
    async (_, solver) => {
      const [tfjs, onnx] = await Promise.all(problems.map((problem) => iterates(problem, solver)));
      expect(onnx.length).toBe(11);
      // The rounding of float32, 6e-8, grows from iteration to iteration: to 3e-5 at most here, by BFGS.
      for (const [k, point] of onnx.entries()) {
        expect(distance(point.x, tfjs[k].x), `x of iteration ${k}`).toBeLessThan(1e-4);
        expect(Math.abs(point.f - tfjs[k].f), `f of iteration ${k}`).toBeLessThan(1e-5);
      }
    },
  );

  test('have the same landscape', async () => {
    const options = { npoints: 7, seed: 2, normalize: 'layer' } as const;
    const [tfjs, onnx] = await Promise.all(problems.map((problem) => landscapeAsync(problem, options)));
    expect(onnx.x).toEqual(tfjs.x);
    for (const [i, z] of onnx.z.entries()) expect(Math.abs(z - tfjs.z[i]) / z).toBeLessThan(2e-6);
  });
});

/** The points of the first ten iterations; the parameters are put back afterwards. */
async function iterates(problem: Problem | AsyncProblem, solver: Solver) {
  const { p0 } = problem;
  const points: { x: Float64Array; f: number }[] = [];
  await minimizeAsync(problem, solver, {
    maxIterations: 10,
    callback: ({ x, f }) => void points.push({ x: x.slice(), f }),
  });
  problem.params?.copyFrom(p0);
  return points;
}

/** ‖a − b‖∞ / ‖b‖∞ */
function distance(a: Float64Array, b: Float64Array): number {
  const size = Math.max(...b.map(Math.abs));
  return a.reduce((max, value, i) => Math.max(max, Math.abs(value - b[i])), 0) / size;
}
