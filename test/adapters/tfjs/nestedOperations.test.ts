/** First-order gradients nested in a loss, through many operations, against central differences of the loss. */
import * as tf from '@tensorflow/tfjs';
import { beforeAll, describe, expect, it } from 'vitest';
import { enableSecondOrder, optfuns } from 'quasi-newton/tfjs';
import { centralDifferences, expectNoLeak, relativeDifference, useBackend, variable } from './harness.ts';

type Operation = (x: tf.Tensor) => tf.Tensor;

const as4D = (x: tf.Tensor) => x.reshape<tf.Tensor4D>([1, 2, 3, 1]);

const exact: Record<string, Operation> = {
  elu: (x) => tf.elu(x),
  selu: (x) => tf.selu(x),
  relu: (x) => tf.relu(x).square(),
  leakyRelu: (x) => tf.leakyRelu(x).square(),
  prelu: (x) => x.prelu(tf.scalar(0.3)).square(),
  softsign: (x) => x.div(x.abs().add(1)),
  log: (x) => x.square().add(1).log(),
  log1p: (x) => x.square().log1p(),
  sqrt: (x) => x.square().add(1).sqrt(),
  rsqrt: (x) => x.square().add(1).rsqrt(),
  abs: (x) => x.abs().pow(3),
  tan: (x) => x.mul(0.3).tan(),
  asin: (x) => x.mul(0.3).asin(),
  sinh: (x) => x.sinh(),
  cosh: (x) => x.cosh(),
  atan: (x) => x.atan(),
  asinh: (x) => x.asinh(),
  erf: (x) => x.erf(),
  expm1: (x) => x.expm1(),
  div: (x) => x.div(x.square().add(1)),
  max: (x) => x.max(1).pow(3),
  min: (x) => x.min(1).pow(3),
  maximum: (x) => x.maximum(x.square()),
  concat: (x) => tf.concat([x, x.sin()], 1).square().sum(1).tanh(),
  slice: (x) => x.slice([0, 1], [2, 2]).exp(),
  gather: (x) => x.gather(tf.tensor1d([0, 1, 1], 'int32')).tanh(),
  stack: (x) => tf.stack([x, x.tanh()]).sum(0).square(),
  unstack: (x) => tf.addN(tf.unstack(x.tanh()).map((row, i) => row.mul(i + 1).exp())),
  matMul: (x) => x.tanh().matMul(x, false, true).tanh(),
  transpose: (x) => x.transpose().matMul(x.tanh()),
  moments: (x) => {
    const { mean, variance } = tf.moments(x, 1, true);
    return x.sub(mean).div(variance.add(0.1).sqrt()).tanh();
  },
  norm: (x) => x.norm(2, 1).tanh(),
  clipByValue: (x) => x.tanh().clipByValue(-0.6, 0.6).exp(),
  where: (x) => tf.where(x.greater(0), x.tanh(), x.exp()),
  cumsum: (x) => x.tanh().cumsum(1).square(),
  'cumsum along the first axis': (x) => x.tanh().cumsum(0, true, true).square(),
  mirrorPad: (x) => tf.mirrorPad(x.tanh(), [[1, 0], [1, 2]], 'reflect').square(), // prettier-ignore
  resizeNearestNeighbor: (x) => tf.image.resizeNearestNeighbor(as4D(x), [4, 6]).tanh(),
  resizeBilinear: (x) => tf.image.resizeBilinear(as4D(x), [4, 5], false, true).tanh(),
  logSumExp: (x) => x.logSumExp(1),
  pad: (x) => tf.pad(x.tanh(), [[0, 1], [1, 0]]).square(), // prettier-ignore
  tile: (x) => x.tanh().tile([2, 1]).exp(),
  reverse: (x) => x.tanh().reverse(1).mul(x),
  pow: (x) => x.square().add(1).pow(x.tanh()),
  atan2: (x) => tf.atan2(x, x.square().add(1)),
  squaredDifference: (x) => tf.squaredDifference(x.tanh(), x),
  conv2d: (x) =>
    as4D(x)
      .conv2d(x.slice([0, 0], [2, 2]).reshape([2, 2, 1, 1]), 1, 'same')
      .tanh(),
  avgPool: (x) => as4D(x.tanh()).avgPool(2, 1, 'same').exp(),
  maxPool: (x) => as4D(x.tanh()).maxPool(2, 1, 'valid').exp(),
  sigmoidCrossEntropy: (x) => tf.losses.sigmoidCrossEntropy(tf.sigmoid(x.reverse(1)), x),
  'fused matMul': (x) =>
    tf.fused.matMul({
      a: x,
      b: x.tanh(),
      transposeB: true,
      activation: 'relu',
    }),
};

const refused: Record<string, [Operation, RegExp]> = {
  prod: [(x) => x.prod(1).tanh(), /Cumprod, for which TensorFlow.js has no gradient/],
  topk: [(x) => tf.topk(x.tanh(), 2).values.exp(), /TopK/],
  einsum: [(x) => tf.einsum('ij,kj->ik', x.tanh(), x), /Einsum/],
  localResponseNormalization: [(x) => tf.localResponseNormalization(as4D(x.tanh())), /LRNGrad/],
  softmaxCrossEntropy: [
    (x) => tf.losses.softmaxCrossEntropy(tf.tensor2d([[1, 0, 0], [0, 1, 0]]), x), // prettier-ignore
    /tf\.customGrad/,
  ],
};

/** A loss of the variables w, from gradients of an operation by its input. */
function nested(operation: Operation) {
  const x = tf.tensor2d([0.31, -0.72, 1.13, 0.54, -1.21, 0.83], [2, 3]);
  const w = variable(tf.tensor2d([0.7, -0.4, 0.9, 1.2, 0.5, -0.8], [2, 3]));
  const loss = () => {
    const scaled = tf.grad((t: tf.Tensor) => operation(w.mul(t)).sum())(x);
    const moved = tf.grad((t: tf.Tensor) => operation(w.add(t)).mean())(x);
    return scaled.square().sum().add(moved.mul(x).sum());
  };
  return { problem: optfuns(loss, [w]), dispose: () => tf.dispose([x, w]) };
}

beforeAll(async () => {
  await useBackend('cpu');
  enableSecondOrder();
});

describe('a gradient nested in a loss', () => {
  it.each(Object.keys(exact))('is right through %s', (name) =>
    expectNoLeak(() => {
      const { problem, dispose } = nested(exact[name]);
      const { p0, gradfun, lossfun } = problem;
      expect(relativeDifference(gradfun(p0), centralDifferences(lossfun, p0, 3e-3), 0.1)).toBeLessThan(5e-3);
      dispose();
    }),
  );

  it.each(Object.keys(refused))('is refused through %s, by name', (name) =>
    expectNoLeak(() => {
      const [operation, words] = refused[name];
      const { problem, dispose } = nested(operation);
      expect(() => problem.gradfun(problem.p0)).toThrow(words);
      dispose();
    }),
  );
});
