/**
 * The update rules of TensorFlow.js's optimizers on one flat vector, with the same results at each step to
 * float32 accuracy. One thing differs: rules that keep squares of gradients limit elements to ±1.8e19. In TensorFlow.js the
 * square of a larger one is infinite, and the weight never moves again.
 *
 * @see https://github.com/tensorflow/tfjs/tree/master/tfjs-core/src/optimizers
 * @module
 */

import { adamStep, adamVectors, limited } from './adamStep.ts';

/** Hyperparameters of an optimizer, as returned by its `getConfig`. */
export type Hyper = Readonly<Record<string, number | boolean>>;

/** Numbers that an optimizer keeps in addition to its vectors. */
export type Counters = Record<string, number>;

/** A step: parameters p and gradient g, `[n]`, and the optimizer's vectors, `[n]` each. */
export interface UpdateStep {
  readonly p: Float32Array;
  readonly g: Float32Array;
  readonly slots: readonly Float32Array[];
  readonly hyper: Hyper;
  /** Updated by the step. */
  readonly counters: Counters;
  /** ε of the backend. */
  readonly epsilon: number;
}

/** The update of one class of optimizers. */
export interface UpdateRule {
  /** Fields of the optimizer that hold its vectors, with the suffixes of the variables' names. */
  readonly slots: (hyper: Hyper) => readonly (readonly [field: string, suffix: string])[];
  /** Initial value of the elements of the vectors. @defaultValue 0 */
  readonly initial?: (hyper: Hyper) => number;
  /** Fields of the optimizer that hold single numbers, with their initial values. */
  readonly counters?: (hyper: Hyper) => Counters;
  readonly step: (step: UpdateStep) => void;
  /** Allocates a vector for each of `slots`, `[n]`, where `step` works fastest. @defaultValue anywhere */
  readonly allocate?: (n: number) => Float32Array[];
}

/** The largest float32 number. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;

const number = (hyper: Hyper, name: string): number => Number(hyper[name]);

const sgd: UpdateRule = {
  slots: () => [],
  step({ p, g, hyper }) {
    const rate = number(hyper, 'learningRate');
    for (let i = 0; i < p.length; i++) p[i] -= rate * g[i];
  },
};

const momentum: UpdateRule = {
  slots: () => [['accumulations', 'momentum']],
  step({ p, g, slots: [a], hyper }) {
    const [rate, m] = [number(hyper, 'learningRate'), number(hyper, 'momentum')];
    const isNesterov = hyper.useNesterov === true;
    for (let i = 0; i < p.length; i++) {
      a[i] = m * a[i] + g[i];
      p[i] -= rate * (isNesterov ? g[i] + m * a[i] : a[i]);
    }
  },
};

/** Kingma & Ba 2015, arXiv:1412.6980 */
const adam: UpdateRule = {
  slots: () => [
    ['accumulatedFirstMoment', 'm'],
    ['accumulatedSecondMoment', 'v'],
  ],
  counters: ({ beta1, beta2 }) => ({ accBeta1: Number(beta1), accBeta2: Number(beta2) }),
  step({ p, g, slots: [m, v], hyper, counters }) {
    const [rate, beta1, beta2] = ['learningRate', 'beta1', 'beta2'].map((name) => number(hyper, name));
    adamStep(
      { p, g, m, v },
      {
        beta1,
        beta2,
        epsilon: number(hyper, 'epsilon'),
        step: rate / (1 - counters.accBeta1),
        unbias: 1 / (1 - counters.accBeta2),
      },
    );
    counters.accBeta1 = Math.fround(counters.accBeta1 * beta1);
    counters.accBeta2 = Math.fround(counters.accBeta2 * beta2);
  },
  allocate: adamVectors,
};

const adamax: UpdateRule = {
  slots: () => [
    ['accumulatedFirstMoment', 'm'],
    ['accumulatedWeightedInfNorm', 'v'],
  ],
  counters: ({ beta1 }) => ({ accBeta1: Number(beta1), iteration: 0 }),
  step({ p, g, slots: [m, u], hyper, counters }) {
    const [b1, b2] = [number(hyper, 'beta1'), number(hyper, 'beta2')];
    const epsilon = number(hyper, 'epsilon');
    const decayed = number(hyper, 'learningRate') / (counters.iteration * number(hyper, 'decay') + 1);
    const rate = decayed / (1 - counters.accBeta1);
    for (let i = 0; i < p.length; i++) {
      m[i] = b1 * m[i] + (1 - b1) * g[i];
      u[i] = Math.max(b2 * u[i], Math.abs(g[i]));
      p[i] -= (rate * m[i]) / (u[i] + epsilon);
    }
    counters.iteration += 1;
    counters.accBeta1 = Math.fround(counters.accBeta1 * b1);
  },
};

const adagrad: UpdateRule = {
  slots: () => [['accumulatedGrads', 'accumulator']],
  initial: ({ initialAccumulatorValue }) => Number(initialAccumulatorValue),
  step({ p, g, slots: [a], hyper, epsilon }) {
    const rate = number(hyper, 'learningRate');
    for (let i = 0; i < p.length; i++) {
      const gi = limited(g[i]);
      a[i] = Math.min(a[i] + gi * gi, LARGEST);
      p[i] -= (rate * gi) / Math.sqrt(a[i] + epsilon);
    }
  },
};

const rmsprop: UpdateRule = {
  slots: ({ centered }) => [
    ['accumulatedMeanSquares', 'rms'],
    ['accumulatedMoments', 'momentum'],
    ...(centered === true ? [['accumulatedMeanGrads', 'mg'] as const] : []),
  ],
  step({ p, g, slots: [square, moment, mean], hyper }) {
    const [rate, decay] = [number(hyper, 'learningRate'), number(hyper, 'decay')];
    const [m, epsilon] = [number(hyper, 'momentum'), number(hyper, 'epsilon')];
    for (let i = 0; i < p.length; i++) {
      const gi = limited(g[i]);
      square[i] = decay * square[i] + (1 - decay) * gi * gi;
      let variance = square[i] + epsilon;
      if (mean) {
        mean[i] = decay * mean[i] + (1 - decay) * gi;
        // TensorFlow.js subtracts ε here.
        variance = square[i] - (mean[i] * mean[i] + epsilon);
      }
      moment[i] = m * moment[i] + (rate * gi) / Math.sqrt(variance);
      p[i] -= moment[i];
    }
  },
};

/** Zeiler 2012, arXiv:1212.5701; TensorFlow.js divides by the mean square before this gradient. */
const adadelta: UpdateRule = {
  slots: () => [
    ['accumulatedGrads', 'accum_grad'],
    ['accumulatedUpdates', 'accum_var'],
  ],
  step({ p, g, slots: [a, u], hyper }) {
    const [rate, rho, epsilon] = ['learningRate', 'rho', 'epsilon'].map((name) => number(hyper, name));
    for (let i = 0; i < p.length; i++) {
      const gi = limited(g[i]);
      const update = limited((Math.sqrt(u[i] + epsilon) / Math.sqrt(a[i] + epsilon)) * gi);
      a[i] = rho * a[i] + (1 - rho) * gi * gi;
      u[i] = rho * u[i] + (1 - rho) * update * update;
      p[i] -= rate * update;
    }
  },
};

/** Rules by the class name of the optimizer. */
export const updateRules: Readonly<Record<string, UpdateRule>> = {
  SGD: sgd,
  Momentum: momentum,
  Adam: adam,
  Adamax: adamax,
  Adagrad: adagrad,
  RMSProp: rmsprop,
  Adadelta: adadelta,
};
