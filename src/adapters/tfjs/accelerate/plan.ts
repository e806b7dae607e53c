import type * as tf from '@tensorflow/tfjs';
import { batchNorms } from '../internals/layerStates.ts';
import { compiledLosses, penaltiesOf } from '../internals/training.ts';
import { compiledTrainableWeights, inner } from '../internals/model.ts';
import { OnnxGraph, type GraphUse, type NoiseInput } from '../toOnnx/graph/graph.ts';
import { writeGraph, type GraphEnds } from '../toOnnx/toOnnx.ts';
import { lossWriter, type LossWriter } from './losses.ts';

type LayerVariable = tf.layers.Layer['weights'][number];

/** A graph of a model, with the names in it. */
export interface WrittenGraph extends GraphEnds {
  readonly bytes: Uint8Array;
  readonly noise: readonly NoiseInput[];
  /** Returns the name of a weight in the graph; undefined if the outputs do not depend on it. */
  readonly nameOf: (weight: LayerVariable) => string | undefined;
}

/** A moving mean or variance. */
export interface Statistic {
  readonly weight: LayerVariable;
  readonly momentum: number;
}

/** A penalty on a weight by its name in the training graph. */
export interface NamedPenalty {
  readonly name: string;
  readonly l1: number;
  readonly l2: number;
}

/** Everything needed to train a compiled model in ONNX Runtime, before any session is opened. */
export interface ModelPlan {
  /** The weights that are trained, in the order of the model; each is in the graph. */
  readonly trained: readonly LayerVariable[];
  /** The moving statistics that training updates; each is in the graph. */
  readonly statistics: readonly Statistic[];
  /** Weights that are constants in the graphs. */
  readonly frozen: readonly LayerVariable[];
  readonly losses: readonly LossWriter[];
  readonly penalties: readonly NamedPenalty[];
  readonly training: WrittenGraph;
  readonly inference: () => WrittenGraph;
  /** Returns true as long as the model is not recompiled and its frozen layers do not change. */
  readonly holds: () => boolean;
}

/**
 * Writes a compiled model for training.
 *
 * @throws Error naming the layer, loss or penalty that cannot be written
 */
export function modelPlan(where: string, model: tf.LayersModel): ModelPlan {
  const compiled = compiledLosses(model);
  const losses = compiled.map(({ loss, output }) => lossWriter(where, loss, output));
  const wanted = trainedWeights(model);
  const statistics = movingStatistics(model);
  const fed = new Set<unknown>([...wanted, ...statistics.map(({ weight }) => weight)]);
  const training = written(where, model, 'training', fed);
  const trained = wanted.filter((weight) => training.nameOf(weight) !== undefined);
  if (trained.length === 0) {
    throw new RangeError(`${where}: none of the model's weights is trained; set trainable = true for some layers, and compile it again.`); // prettier-ignore
  }
  const penalties = penaltiesOf(where, model).flatMap(({ weight, l1, l2 }) => {
    const name = training.nameOf(weight);
    return name === undefined ? [] : [{ name, l1, l2 }];
  });
  const frozen = model.weights.filter((weight) => !fed.has(weight));
  const data = frozen.map(dataOf);
  const { loss, optimizer_: optimizer } = inner(model);
  return {
    trained,
    statistics: statistics.filter(({ weight }) => training.nameOf(weight) !== undefined),
    frozen,
    losses,
    penalties,
    training,
    inference: () => written(where, model, 'inference', fed),
    holds() {
      const now = trainedWeights(model);
      return (
        inner(model).loss === loss &&
        inner(model).optimizer_ === optimizer &&
        now.length === wanted.length &&
        now.every((weight, i) => weight === wanted[i]) &&
        frozen.every((weight, i) => dataOf(weight) === data[i])
      );
    },
  };
}

/** Returns the weights that `compile` found trainable and that have not been frozen since. */
const trainedWeights = (model: tf.LayersModel): LayerVariable[] =>
  compiledTrainableWeights(model).filter((weight) => (weight.read() as tf.Variable).trainable);

/** Returns the identity of a weight's current data, which changes with each assignment. */
const dataOf = (weight: LayerVariable): object => (weight.read() as tf.Variable).dataId;

/** Returns the moving statistics of all BatchNorms: TensorFlow.js also updates those of frozen layers. */
function movingStatistics(model: tf.LayersModel): Statistic[] {
  return batchNorms(model).flatMap(({ momentum, movingMean, movingVariance }) =>
    [movingMean, movingVariance].map((weight) => ({ weight, momentum })),
  );
}

function written(
  where: string,
  model: tf.LayersModel,
  use: GraphUse,
  fed: ReadonlySet<unknown>,
): WrittenGraph {
  // A graph to be differentiated contains all weights; differentiation turns the trained ones into inputs.
  const graph = new OnnxGraph(use, (key) => use === 'inference' && fed.has(key));
  const ends = writeGraph(where, graph, model);
  return {
    ...ends,
    bytes: graph.encode(model.name),
    noise: graph.noise,
    nameOf: (weight) => graph.weightName(weight),
  };
}
