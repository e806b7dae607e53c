/**
 * The losses of TensorFlow.js, formula by formula, in ONNX operations, including their clipping.
 *
 * @see https://github.com/tensorflow/tfjs/blob/master/tfjs-layers/src/losses.ts
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { show } from '../../../core/options.ts';
import type { Builder, Value } from '../../onnx/index.ts';

/** Targets t and outputs y of a loss, and the ε of the backend. */
interface Terms {
  readonly g: Builder;
  readonly t: Value;
  readonly y: Value;
  readonly epsilon: number;
}

/** A loss in operations of ONNX. */
export interface LossWriter {
  /** Writes the losses: one for each sample, `[batch, …]`, or a scalar. */
  readonly write: (terms: Terms) => Value;
  /** True if the loss is a scalar, which cannot be combined with sample weights. */
  readonly isScalar: boolean;
  /** True if targets are class numbers, `[batch, …, 1]`. */
  readonly isSparse: boolean;
}

const last = [-1];
const clip = (g: Builder, x: Value, low: number, high: number) => g.clip(x, low, high);
const relu = (g: Builder, x: Value) => g.relu(x);
const meanOfLast = (g: Builder, x: Value) => g.mean(x, last, false);
const sumOfLast = (g: Builder, x: Value) => g.sum(x, last, false);
/** |x|; its derivative at 0 is −1, as in TensorFlow.js. */
export const absolute = (g: Builder, x: Value): Value => g.where(g.greater(x, 0), x, g.neg(x));
const error = ({ g, t, y }: Terms) => g.sub(y, t);
const margin = ({ g, t, y }: Terms) => relu(g, g.sub(1, g.mul(t, y)));

/** x / √max(Σx², ε) */
const normalized = (g: Builder, x: Value, epsilon: number) =>
  g.div(x, g.sqrt(g.max(g.sum(g.square(x), last), epsilon)));

/** max(z, 0) − z·t + log(1 + e^−|z|) for logits z */
function sigmoidCrossEntropy(g: Builder, t: Value, z: Value): Value {
  const rest = g.log(g.add(1, g.exp(g.neg(g.abs(z)))));
  return g.add(g.sub(relu(g, z), g.mul(z, t)), rest);
}

function crossEntropy({ g, t, y, epsilon }: Terms): Value {
  const share = clip(g, g.div(y, g.sum(y, last)), epsilon, 1 - epsilon);
  return g.neg(sumOfLast(g, g.mul(t, g.log(share))));
}

function sparseCrossEntropy({ g, t, y, epsilon }: Terms): Value {
  const classes = g.shapeOf(y)?.at(-1);
  if (typeof classes !== 'number') throw new Error('sparseCategoricalCrossentropy: the number of classes is not known.'); // prettier-ignore
  const numbers = g.constant(
    g.floatTypeOf(y),
    [classes],
    Array.from({ length: classes }, (_, i) => i),
  );
  const oneHot = g.mask(g.equal(g.floor(t), numbers), y);
  return crossEntropy({ g, t: oneHot, y: clip(g, y, epsilon, 1 - epsilon), epsilon });
}

/** Losses by the names that `compile` knows; each gives one number for each sample. */
const named: Readonly<Record<string, LossWriter['write']>> = {
  meanSquaredError: (terms) => meanOfLast(terms.g, terms.g.square(error(terms))),
  meanAbsoluteError: (terms) => meanOfLast(terms.g, absolute(terms.g, error(terms))),
  meanAbsolutePercentageError(terms) {
    const { g, t, epsilon } = terms;
    const share = absolute(g, g.div(error(terms), g.max(g.abs(t), epsilon)));
    return g.mul(100, meanOfLast(g, share));
  },
  meanSquaredLogarithmicError({ g, t, y, epsilon }) {
    const [a, b] = [y, t].map((x) => g.log(g.add(1, g.max(x, epsilon))));
    return meanOfLast(g, g.square(g.sub(a, b)));
  },
  squaredHinge: (terms) => meanOfLast(terms.g, terms.g.square(margin(terms))),
  hinge: (terms) => meanOfLast(terms.g, margin(terms)),
  categoricalHinge({ g, t, y }) {
    const right = sumOfLast(g, g.mul(t, y));
    const wrong = g.maxOver(g.mul(g.sub(1, t), y), last, false);
    return relu(g, g.add(1, g.sub(wrong, right)));
  },
  logcosh(terms) {
    const { g } = terms;
    const e = error(terms);
    return meanOfLast(g, g.sub(g.add(e, g.softplus(g.mul(-2, e))), Math.log(2)));
  },
  categoricalCrossentropy: crossEntropy,
  sparseCategoricalCrossentropy: sparseCrossEntropy,
  binaryCrossentropy({ g, t, y, epsilon }) {
    const clipped = clip(g, y, epsilon, 1 - epsilon);
    return meanOfLast(g, sigmoidCrossEntropy(g, t, g.log(g.div(clipped, g.sub(1, clipped)))));
  },
  kullbackLeiblerDivergence({ g, t, y, epsilon }) {
    const [p, q] = [t, y].map((x) => clip(g, x, epsilon, 1));
    return sumOfLast(g, g.mul(t, g.log(g.div(p, q))));
  },
  poisson: ({ g, t, y, epsilon }) => meanOfLast(g, g.sub(y, g.mul(t, g.log(g.add(y, epsilon))))),
  cosineProximity({ g, t, y, epsilon }) {
    return g.neg(sumOfLast(g, g.mul(normalized(g, t, epsilon), normalized(g, y, epsilon))));
  },
};

/** ε of `tf.losses.logLoss` */
const LOG_LOSS_EPSILON = 1e-7;

/** Functions of `tf.losses`; each gives the mean of all elements. */
const functions: Readonly<Record<string, (terms: Terms) => Value>> = {
  absoluteDifference: (terms) => absolute(terms.g, error(terms)),
  meanSquaredError: (terms) => terms.g.square(error(terms)),
  hingeLoss: ({ g, t, y }) => margin({ g, t: g.sub(g.mul(2, t), 1), y, epsilon: 0 }),
  huberLoss(terms) {
    const { g } = terms;
    const size = absolute(g, error(terms));
    const inside = g.min(size, 1);
    return g.add(g.mul(0.5, g.square(inside)), g.sub(size, inside));
  },
  logLoss({ g, t, y }) {
    const yes = g.mul(t, g.log(g.add(y, LOG_LOSS_EPSILON)));
    const no = g.mul(g.sub(1, t), g.log(g.add(g.sub(1, y), LOG_LOSS_EPSILON)));
    return g.neg(g.add(yes, no));
  },
  sigmoidCrossEntropy: ({ g, t, y }) => sigmoidCrossEntropy(g, t, y),
  softmaxCrossEntropy: ({ g, t, y }) => g.neg(sumOfLast(g, g.mul(t, g.logSoftmax(y, -1)))),
};

/** Other names of these losses, from `tf.metrics`. */
const aliases: Readonly<Record<string, string>> = {
  MSE: 'meanSquaredError',
  mse: 'meanSquaredError',
  MAE: 'meanAbsoluteError',
  mae: 'meanAbsoluteError',
  MAPE: 'meanAbsolutePercentageError',
  mape: 'meanAbsolutePercentageError',
  cosine: 'cosineProximity',
};

/**
 * Returns the writer of a compiled loss.
 *
 * @param loss - as passed to `compile`
 * @throws Error if it has no counterpart, naming it
 */
export function lossWriter(where: string, loss: unknown, output: string): LossWriter {
  const perSample = (name: string): LossWriter => ({
    write: named[name],
    isScalar: false,
    isSparse: name === 'sparseCategoricalCrossentropy',
  });
  if (typeof loss === 'string' && Object.hasOwn(named, loss)) return perSample(loss);
  for (const [name, write] of Object.entries(functions)) {
    if ((tf.losses as Record<string, unknown>)[name] !== loss) continue;
    return { write: (terms) => terms.g.meanOfAll(write(terms)), isScalar: true, isSparse: false };
  }
  for (const [name, metric] of Object.entries(tf.metrics)) {
    const known = aliases[name] ?? name;
    if (metric === loss && Object.hasOwn(named, known)) return perSample(known);
  }
  const title = typeof loss === 'function' ? `the function ${loss.name || 'without a name'}` : show(loss);
  throw new Error(
    `${where}: the loss of output "${output}", ${title}, has no counterpart in ONNX; there are ${Object.keys(named).join(', ')}, and of tf.losses ${Object.keys(functions).join(', ')}. Train with model.fit, or with trainable of quasi-newton/onnx and a loss function of your own.`,
  );
}
