/**
 * State of a model during `fit`, with its losses and metrics.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { inner } from './model.ts';

type LayerVariable = tf.layers.Layer['weights'][number];

/** A loss or metric, as a function of targets and outputs, both `[batch, …]`. */
export type LossOrMetric = (target: tf.Tensor, output: tf.Tensor) => tf.Tensor;

/** Private parts of a LayersModel that `fit` uses. */
interface TrainingInternals {
  isTraining: boolean;
  stopTraining_: boolean;
  history: tf.History;
  readonly loss: unknown;
  readonly lossFunctions: readonly LossOrMetric[];
  readonly metricsTensors: readonly (readonly [LossOrMetric, number])[];
  readonly metricsNames: readonly string[];
  readonly outputNames: readonly string[];
  readonly layers: readonly tf.layers.Layer[];
  readonly containerNodes: ReadonlySet<string>;
  getDedupedMetricsNames(): string[];
  checkTrainableWeightsConsistency(): void;
}

const trainingOf = (model: tf.LayersModel): TrainingInternals => inner(model) as unknown as TrainingInternals;

/**
 * Marks a model as being trained, so that no other `fit` can begin; returns a function that removes the mark.
 */
export function beginTraining(where: string, model: tf.LayersModel): () => void {
  const internals = trainingOf(model);
  if (internals.isTraining) {
    throw new Error(`${where}: another fit of this model is under way; await it first.`);
  }
  internals.isTraining = true;
  return () => {
    internals.isTraining = false;
  };
}

/** Returns access to the callbacks' request to stop, and to the model's history of the last fit. */
export function fitState(model: tf.LayersModel) {
  const internals = trainingOf(model);
  return {
    /** The model passed to callbacks. */
    model: internals as unknown as tf.LayersModel,
    begin(history: tf.History): void {
      internals.history = history;
      internals.checkTrainableWeightsConsistency();
    },
    clearStop(): void {
      internals.stopTraining_ = false;
    },
    wantsStop: (): boolean => internals.stopTraining_,
    /** Names of the loss and the metrics in logs. */
    labels: internals.getDedupedMetricsNames(),
    /** The names used by validation on a dataset. */
    metricsNames: [...internals.metricsNames],
  };
}

/** Returns the loss of each output as passed to `compile`: a name or a function. */
export function compiledLosses(model: tf.LayersModel): { output: string; loss: unknown }[] {
  const { loss, outputNames } = trainingOf(model);
  return outputNames.map((output, i) => {
    if (Array.isArray(loss)) return { output, loss: loss[i] as unknown };
    const isByName = typeof loss === 'object' && loss !== null;
    return { output, loss: isByName ? (loss as Record<string, unknown>)[output] : loss };
  });
}

/**
 * Returns true if metrics were passed to `compile`, or the model has several outputs, whose losses are also
 * metrics.
 */
export function hasMetrics(model: tf.LayersModel): boolean {
  return trainingOf(model).metricsTensors.length > 0;
}

/**
 * Computes the metrics of a training batch, which `fit` logs after the loss.
 *
 * @param lossOfOutput - mean loss of each output, weighted
 * @returns scalars owned by the caller
 */
export function trainingMetrics(
  model: tf.LayersModel,
  targets: readonly tf.Tensor[],
  outputs: readonly tf.Tensor[],
  lossOfOutput: readonly number[],
): tf.Tensor[] {
  const { metricsTensors } = trainingOf(model);
  return metricsTensors.map(([metric, index], i) =>
    outputs.length > 1 && i < outputs.length
      ? tf.scalar(lossOfOutput[i])
      : tf.tidy(() => metric(targets[index], outputs[index]).mean()),
  );
}

/** Computes losses and metrics of a batch in the order of `evaluate`; the caller owns them. */
export function testValues(
  model: tf.LayersModel,
  targets: readonly tf.Tensor[],
  outputs: readonly tf.Tensor[],
): tf.Tensor[] {
  const { lossFunctions, metricsTensors } = trainingOf(model);
  return tf.tidy(() => {
    const values: tf.Tensor[] = [];
    let total: tf.Tensor = tf.scalar(0);
    for (const [i, loss] of lossFunctions.entries()) {
      total = total.add(loss(targets[i], outputs[i]).mean());
      // TensorFlow.js lists the running sum after each output, before the metrics.
      values.push(total);
    }
    for (const [metric, index] of metricsTensors) values.push(metric(targets[index], outputs[index]).mean());
    return values;
  });
}

/** A penalty l1·Σ|w| + l2·Σw² on a weight. */
export interface Penalty {
  readonly weight: LayerVariable;
  readonly l1: number;
  readonly l2: number;
}

/** Layer options that hold a regularizer, by the name of the weight. */
const regularizers: Readonly<Record<string, string>> = {
  kernel: 'kernelRegularizer',
  bias: 'biasRegularizer',
  gamma: 'gammaRegularizer',
  beta: 'betaRegularizer',
  alpha: 'alphaRegularizer',
  embeddings: 'embeddingsRegularizer',
  depthwise_kernel: 'depthwiseRegularizer',
  pointwise_kernel: 'pointwiseRegularizer',
};

/**
 * Returns the penalties that the model adds to its loss, one for each application of a layer.
 *
 * @throws Error naming a layer with a loss of another kind
 */
export function penaltiesOf(where: string, model: tf.LayersModel): Penalty[] {
  const { layers, containerNodes } = trainingOf(model);
  return layers.flatMap((layer) => {
    const nodes = layer.inboundNodes.filter((_, i) => containerNodes.has(`${layer.name}_ib-${i}`));
    const isModel = 'containerNodes' in layer;
    const once = isModel
      ? penaltiesOf(where, layer as unknown as tf.LayersModel)
      : ownPenalties(where, layer);
    return nodes.flatMap(() => once);
  });
}

function ownPenalties(where: string, layer: tf.layers.Layer): Penalty[] {
  const { losses } = layer as unknown as { losses: readonly unknown[] };
  if (losses.length === 0) return [];
  const config = layer.getConfig() as Record<
    string,
    { className?: string; config?: Partial<Penalty> } | null
  >;
  const penalties = layer.weights.flatMap((weight) => {
    const name = weight.originalName.slice(weight.originalName.lastIndexOf('/') + 1).replace(/_\d+$/, '');
    const regularizer = config[regularizers[name] ?? ''];
    if (regularizer?.className !== 'L1L2') return [];
    return [{ weight, l1: regularizer.config?.l1 ?? 0, l2: regularizer.config?.l2 ?? 0 }];
  });
  if (penalties.length !== losses.length) {
    throw new Error(
      `${where}: layer "${layer.name}" (${layer.getClassName()}) adds a loss that is not an l1 or l2 penalty of its weights; train the model with model.fit.`,
    );
  }
  return penalties;
}
