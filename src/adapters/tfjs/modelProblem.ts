import * as tf from '@tensorflow/tfjs';
import { checkOptions, integerFrom, oneOf } from '../../core/options.ts';
import { addScaled } from '../../core/vector.ts';
import { constrainedWeights } from './constraints.ts';
import { guard } from './guard/guard.ts';
import {
  captureTraining,
  isCompiled,
  movingStatistics,
  recurrentStates,
  standardize,
  withoutMetrics,
  type Data,
} from './internals.ts';
import { optfuns, type OptFuns } from './optfuns.ts';
import { tfParams } from './tfParams.ts';

/** Options of {@link modelProblem}. */
export interface ModelProblemOptions {
  /**
   * Evaluate this many samples at a time and add the parts up: the same loss with less memory. Layers that
   * look at a whole batch (BatchNorm) then see parts.
   *
   * @defaultValue all at once
   */
  readonly batchSize?: number;
  /** What to do about layer constraints, which solvers cannot keep. @defaultValue `'refuse'` */
  readonly constraints?: 'refuse' | 'ignore';
}

/** A model's training loss as a problem. */
export interface ModelProblem extends OptFuns {
  /**
   * Sets the moving statistics of BatchNorm, which inference uses, to those of the data at the weights as
   * they are. Evaluations leave them alone: what a line search tries out is nothing to average over.
   */
  settleStatistics(): void;
}

/**
 * A compiled model's own training loss on fixed data, as a problem: its losses, loss weights and
 * regularizers, in training mode, exactly what `fit` would minimise with all data in one batch.
 *
 * It is one and the same function for all its life: dropout and noise draw once, and stateful RNNs begin
 * each evaluation from the same states. Evaluations change nothing but the weights.
 *
 * @param model - compiled
 * @param x - inputs as `model.fit` takes them, tensors of shape `[samples, …]`; referred to, not copied
 * @param y - targets likewise
 * @throws Error if the model is not compiled, or the data do not fit it (in the words of tfjs), or a weight
 *   has a constraint, which no solver here would keep
 * @throws RangeError if an option is wrong
 *
 * @example
 * ```js
 * import * as tf from '@tensorflow/tfjs';
 * import { bfgs, minimize } from 'quasi-newton';
 * import { modelProblem } from 'quasi-newton/tfjs';
 *
 * const x = tf.linspace(-3, 3, 100).reshape([100, 1]);
 * const model = tf.sequential({
 *   layers: [tf.layers.dense({ units: 8, activation: 'tanh', inputShape: [1] }), tf.layers.dense({ units: 1 })],
 * });
 * model.compile({ optimizer: 'sgd', loss: 'meanSquaredError' });
 * const result = minimize(modelProblem(model, x, x.sin()), bfgs());
 * ```
 */
export function modelProblem(
  model: tf.LayersModel,
  x: Data,
  y: Data,
  options: ModelProblemOptions = {},
): ModelProblem {
  checkOptions('modelProblem', options, {
    batchSize: integerFrom(1),
    constraints: oneOf('refuse', 'ignore'),
  });
  checkModel(model, options);
  const params = tfParams(model);
  const { inputs, targets } = standardize(model, x, y);
  const { batchSize = Infinity } = options;
  const own = new Set(params.variables);
  const all = parts(model, inputs, targets, batchSize).map(({ share, closure }) => ({
    share,
    closure,
    problem: optfuns(steady(closure, own, model), params),
  }));
  const problem = all.length === 1 ? all[0].problem : summed(all, params);
  return {
    ...problem,
    settleStatistics() {
      const { variables, replacing } = movingStatistics(model);
      if (variables.length === 0) return;
      tf.tidy(() => {
        let totals = variables.map((variable) => tf.zerosLike(variable));
        for (const { share, closure } of all) {
          replacing(() => withoutMetrics(model, () => recurrentStates(model).again(closure)));
          totals = totals.map((total, i) => total.add(variables[i].mul(share)));
        }
        variables.forEach((variable, i) => variable.assign(totals[i]));
      });
    },
  };
}

function checkModel(model: tf.LayersModel, { constraints = 'refuse' }: ModelProblemOptions): void {
  if (!isCompiled(model)) {
    throw new Error(
      'modelProblem: the model is not compiled; call model.compile({ optimizer, loss }) first.',
    );
  }
  const constrained = constrainedWeights(model).map(({ originalName }) => `"${originalName}"`);
  if (constraints === 'refuse' && constrained.length > 0) {
    throw new Error(
      `modelProblem: ${constrained.join(', ')} must keep a constraint, and solvers know of none. Train with model.fit and an attached optimizer, which projects; or pass constraints: 'ignore'.`,
    );
  }
}

/** The closure, evaluated always alike and without effect. */
function steady(
  closure: () => tf.Scalar,
  own: ReadonlySet<tf.Variable>,
  model: tf.LayersModel,
): () => tf.Scalar {
  const draws: number[] = [];
  return () => guard(closure, { own, model, draws, keepFirst: false }).loss();
}

/** One part of the data: its share of the samples, and the model's training closure on it. */
interface Part {
  readonly share: number;
  readonly closure: () => tf.Scalar;
}

function parts(model: tf.LayersModel, inputs: tf.Tensor[], targets: tf.Tensor[], batchSize: number): Part[] {
  const samples = inputs[0].shape[0];
  if (batchSize >= samples) return [{ share: 1, closure: captureTraining(model, inputs, targets).loss }];
  return Array.from({ length: Math.ceil(samples / batchSize) }, (_, i) => {
    const begin = i * batchSize;
    const size = Math.min(batchSize, samples - begin);
    // The slices are made anew for each evaluation: kept, they would be a second copy of the data.
    const rows = (tensors: tf.Tensor[]) => tensors.map((tensor) => tensor.slice(begin, size));
    return {
      share: size / samples,
      closure: () => captureTraining(model, rows(inputs), rows(targets)).loss(),
    };
  });
}

/** The sum of the parts' losses and gradients, each weighted with its share. */
function summed(all: readonly { share: number; problem: OptFuns }[], params: OptFuns['params']): OptFuns {
  const partGradient = params.zeros();
  const fg: OptFuns['fg'] = (x, gradient) => {
    gradient?.fill(0);
    let f = 0;
    for (const { share, problem } of all) {
      f += share * problem.fg(x, gradient && partGradient);
      if (gradient) addScaled(gradient, share, partGradient, gradient);
    }
    return f;
  };
  return {
    ...all[0].problem,
    fg,
    lossfun: (x) => fg(Float64Array.from(x), null),
    gradfun(x, out = params.zeros()) {
      fg(Float64Array.from(x), out);
      return out;
    },
  };
}
