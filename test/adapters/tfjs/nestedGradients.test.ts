import * as tf from '@tensorflow/tfjs';
import '@tensorflow/tfjs-backend-wasm';
import { beforeEach, describe, expect, it } from 'vitest';
import { enableSecondOrder, LBFGSOptimizer, optfuns, optfunsAsync } from 'quasi-newton/tfjs';
import { centralDifferences, expectNoLeak, relativeDifference, useBackend } from './harness.ts';

// Every check that needs the engine as it comes stands before the call of enableSecondOrder().

const points = [-1.2, -0.4, 0.3, 0.9, 1.7];

/** The variables of 1-4-1, and the network with an activation. */
function net(activation: (x: tf.Tensor) => tf.Tensor) {
  const [w, b, v] = [[1, 4], [4], [4, 1]].map((shape, i) =>
    tf.tidy(() => tf.variable(tf.randomNormal(shape, 0, 0.7, 'float32', i + 1))),
  );
  const u = (t: tf.Tensor): tf.Tensor => activation(t.matMul(w).add(b)).matMul(v);
  return { variables: [w, b, v], u };
}

/** Every way of TensorFlow.js to take a gradient, of u at t. */
const derivatives: Record<string, (u: (t: tf.Tensor) => tf.Tensor, t: tf.Tensor) => tf.Tensor> = {
  grad: (u, t) => tf.grad(u)(t),
  'grad with dy': (u, t) => tf.grad(u)(t, tf.onesLike(t)),
  grads: (u, t) => tf.grads((a: tf.Tensor, b: tf.Tensor) => u(a.add(b)))([t, tf.zerosLike(t)])[0],
  valueAndGrad: (u, t) => tf.valueAndGrad(u)(t).grad,
  valueAndGrads: (u, t) =>
    tf.valueAndGrads((a: tf.Tensor, b: tf.Tensor) => u(a.mul(b)))([t, tf.onesLike(t)]).grads[0],
  'grad of grad': (u, t) => tf.grad((s: tf.Tensor) => tf.grad(u)(s).sum())(t),
};

const activations: Record<string, (x: tf.Tensor) => tf.Tensor> = {
  tanh: (x) => x.tanh(),
  sigmoid: (x) => x.sigmoid(),
  exp: (x) => x.mul(0.3).exp(),
  softmax: (x) => x.softmax(),
  logSoftmax: (x) => x.logSoftmax(),
  sin: (x) => x.sin(),
  softplus: (x) => x.softplus(),
  swish: (x) => x.mul(x.sigmoid()),
  power: (x) => x.square().add(1).pow(0.7),
  maximum: (x) => x.max(1, true).mul(x.tanh()),
};

/** (u′ − cos t)² and u(0)², as a PINN has them. */
function pinnLoss(
  u: (t: tf.Tensor) => tf.Tensor,
  derivative: (u: (t: tf.Tensor) => tf.Tensor, t: tf.Tensor) => tf.Tensor,
) {
  return () => {
    const t = tf.tensor2d(points, [points.length, 1]);
    return derivative(u, t)
      .sub(t.cos())
      .square()
      .mean()
      .add(
        u(tf.zeros([1, 1]))
          .square()
          .sum(),
      );
  };
}

/** The relative error of the gradient at the start, against central differences of the loss. */
function errorOf(loss: () => tf.Tensor, variables: tf.Variable[]): number {
  const { p0, gradfun, lossfun } = optfuns(loss, variables);
  return relativeDifference(gradfun(p0), centralDifferences(lossfun, p0, 1e-2), 0.1);
}

/** `body` with the gradients of a custom operation x ↦ e^x + 1 that keeps `kept`. */
const shiftedExp = (kept: 'the input' | 'an intermediate') =>
  tf.customGrad((x, save) => {
    const input = x as tf.Tensor;
    const power = input.exp();
    (save as tf.GradSaveFunc)([kept === 'the input' ? input : power]);
    return {
      value: power.add(1),
      gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => dy.mul(kept === 'the input' ? saved.exp() : saved),
    };
  });

describe('without enableSecondOrder, a gradient nested in a loss', () => {
  beforeEach(() => useBackend('cpu'));

  it.each(Object.keys(derivatives))('is refused where it would be wrong: %s', (name) =>
    expectNoLeak(async () => {
      const { u, variables } = net((x) => x.tanh());
      const loss = pinnLoss(u, derivatives[name]);
      const sentence = /contains a gradient.*Call enableSecondOrder\(\)/;
      expect(() => optfuns(loss, variables).gradfun(optfuns(loss, variables).p0)).toThrow(sentence);
      const later = await optfunsAsync(loss, variables);
      await expect(later.gradfun(later.p0)).rejects.toThrow(sentence);
      const optimizer = new LBFGSOptimizer();
      expect(() => optimizer.minimize(loss as () => tf.Scalar, false, variables)).toThrow(sentence);
      expect(() => optimizer.minimize(loss as () => tf.Scalar)).toThrow(sentence);
      expect(() => optimizer.computeGradients(loss as () => tf.Scalar, variables)).toThrow(sentence);
      optimizer.dispose();
      tf.dispose(variables);
    }),
  );

  it('is taken as it is where it is right', () =>
    expectNoLeak(() => {
      const { u, variables } = net((x) => x.sin());
      expect(errorOf(pinnLoss(u, derivatives.grad), variables)).toBeLessThan(5e-3);
      tf.dispose(variables);
    }));

  it('is taken as it is where the loss does not depend on it', () =>
    expectNoLeak(() => {
      const { u, variables } = net((x) => x.tanh());
      const loss = () => {
        const t = tf.tensor2d(points, [points.length, 1]);
        const [slope] = tf.grad(u)(t).dataSync();
        return u(t)
          .square()
          .mean()
          .mul(Math.abs(slope) + 1);
      };
      const { p0, gradfun } = optfuns(loss, variables);
      expect(gradfun(p0).some((value) => value !== 0)).toBe(true);
      tf.dispose(variables);
    }));

  it('leaves the engine as it was', () => {
    const engine = tf.engine() as unknown as { gradients: unknown; customGrad: unknown };
    const { gradients, customGrad } = engine;
    const { u, variables } = net((x) => x.tanh());
    expect(() => errorOf(pinnLoss(u, derivatives.grad), variables)).toThrow(/enableSecondOrder/);
    expect([engine.gradients, engine.customGrad]).toEqual([gradients, customGrad]);
    tf.dispose(variables);
  });
});

describe.each(['cpu', 'wasm'])('with enableSecondOrder on %s, a gradient nested in a loss', (backend) => {
  beforeEach(async () => {
    await useBackend(backend);
    enableSecondOrder();
  });

  describe.each(Object.keys(derivatives))('by %s', (name) => {
    it.each(Object.keys(activations))('is right through %s', (activation) =>
      expectNoLeak(() => {
        const { u, variables } = net(activations[activation]);
        expect(errorOf(pinnLoss(u, derivatives[name]), variables)).toBeLessThan(5e-3);
        tf.dispose(variables);
      }),
    );
  });

  it('is right by variableGrads in a loss', () =>
    expectNoLeak(() => {
      const { u, variables } = net((x) => x.tanh());
      const t = tf.tensor2d(points, [points.length, 1]);
      const loss = () => {
        const { grads, value } = tf.variableGrads(() => u(t).square().mean(), variables);
        return Object.values(grads).reduce<tf.Tensor>(
          (sum, gradient) => sum.add(gradient.square().sum()),
          value.mul(0.1),
        );
      };
      expect(errorOf(loss, variables)).toBeLessThan(5e-3);
      tf.dispose([variables, t]);
    }));

  it('is right for stock optimizers and tf.variableGrads too', () =>
    expectNoLeak(() => {
      const { u, variables } = net((x) => x.tanh());
      const loss = pinnLoss(u, derivatives.grad);
      const { p0, gradfun } = optfuns(loss, variables);
      const expected = gradfun(p0);
      const { value, grads } = tf.variableGrads(loss as () => tf.Scalar, variables);
      expect(variables.flatMap(({ name }) => [...grads[name].dataSync()])).toEqual([...expected]);
      tf.dispose([value, grads, variables]);
    }));

  it('is right through a model with Dense layers', () =>
    expectNoLeak(() => {
      const model = tf.sequential({
        layers: [
          tf.layers.dense({ units: 5, activation: 'tanh', inputShape: [1] }),
          tf.layers.dense({ units: 4, activation: 'sigmoid' }),
          tf.layers.dense({ units: 1 }),
        ],
      });
      const variables = model.trainableWeights.map((weight) => weight.read() as tf.Variable);
      const loss = pinnLoss((t) => model.apply(t) as tf.Tensor, derivatives['grad of grad']);
      expect(errorOf(loss, variables)).toBeLessThan(5e-3);
      model.dispose();
    }));

  it('is right through tf.customGrad that keeps its input, and refused where it keeps an intermediate', () =>
    expectNoLeak(() => {
      const { u, variables } = net((x) => shiftedExp('the input')(x.mul(0.3)));
      expect(errorOf(pinnLoss(u, derivatives.grad), variables)).toBeLessThan(5e-3);
      const lossy = net((x) => shiftedExp('an intermediate')(x.mul(0.3)));
      expect(() => errorOf(pinnLoss(lossy.u, derivatives.grad), lossy.variables)).toThrow(/tf\.customGrad/);
      // Without a nested gradient nothing is lost.
      const plain = () =>
        lossy
          .u(tf.tensor2d(points, [points.length, 1]))
          .square()
          .mean();
      expect(errorOf(plain, lossy.variables)).toBeLessThan(5e-3);
      tf.dispose([variables, lossy.variables]);
    }));

  it('may be taken in the backward part of tf.customGrad, as gradient checkpointing does', () =>
    expectNoLeak(() => {
      const { u, variables } = net((x) => x.tanh());
      const [w] = variables;
      const inner = (x: tf.Tensor) => x.mul(x).tanh();
      const checkpoint = tf.customGrad((x, save) => {
        (save as unknown as (tensors: tf.Tensor[]) => void)([x as tf.Tensor]);
        return {
          value: tf.tidy(() => inner(x as tf.Tensor)),
          gradFunc: (dy: tf.Tensor, [saved]: tf.Tensor[]) => tf.grad(inner)(saved, dy),
        };
      });
      const loss = () =>
        u(tf.ones([2, 1]))
          .sum()
          .add(checkpoint(w).sum());
      expect(errorOf(loss, variables)).toBeLessThan(5e-3);
      tf.dispose(variables);
    }));

  it('names an operation that has no second derivative', () =>
    expectNoLeak(() => {
      const image = tf.tidy(() => tf.variable(tf.randomNormal([1, 3, 3, 1], 0, 1, 'float32', 1)));
      const normalized = (x: tf.Tensor) => tf.localResponseNormalization(x as tf.Tensor4D).square();
      const loss = () => tf.grad(normalized)(image).square().sum();
      expect(() => errorOf(loss, [image])).toThrow(/LRNGrad.*no gradient/);
      image.dispose();
    }));
});

it('a PINN written with tf.grad solves u′ = cos t to 1e-3', async () => {
  await useBackend('cpu');
  enableSecondOrder();
  const { variables, u } = net((x) => x.tanh());
  const t = tf.tidy(() => tf.linspace(0, 3, 30).reshape([30, 1]));
  const loss = () => {
    const residual = tf.grad(u)(t).sub(t.cos());
    return residual
      .square()
      .mean()
      .add(
        u(tf.zeros([1, 1]))
          .square()
          .sum(),
      ) as tf.Scalar;
  };
  const optimizer = new LBFGSOptimizer({ maxIterations: 400 });
  optimizer.minimize(loss, false, variables);
  const error = tf.tidy(() => u(t).sub(t.sin()).abs().max().dataSync()[0]);
  expect(error).toBeLessThan(5e-3);
  optimizer.dispose();
  tf.dispose([variables, t]);
});
