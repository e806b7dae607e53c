/**
 * Memory of layers from run to run: moving statistics and recurrent states.
 *
 * The files of this folder touch what TensorFlow.js keeps private, and no others do: checked against 4.22, and
 * by a test that fails when a part is gone.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { allLayers } from './layers.ts';
import { inner } from './model.ts';

/** The parts of a BatchNormalization that have no public name. */
interface BatchNorm {
  momentum: number;
  readonly movingMean: tf.layers.Layer['weights'][number];
  readonly movingVariance: tf.layers.Layer['weights'][number];
}

/** The moving statistics of a model's BatchNorms. */
export interface MovingStatistics {
  readonly variables: tf.Variable[];
  /** Runs `body` so that a run in training mode leaves the statistics of its batch there, and nothing else. */
  readonly replacing: <Result>(body: () => Result) => Result;
}

export function movingStatistics(model: tf.LayersModel): MovingStatistics {
  const layers = [...new Set(allLayers(inner(model).layers))];
  const norms = layers.filter(
    (layer) => layer.getClassName() === 'BatchNormalization' && layer.trainable,
  ) as unknown as BatchNorm[];
  const weights = norms.flatMap(({ movingMean, movingVariance }) => [movingMean, movingVariance]);
  const variables = weights.map((weight) => weight.read() as tf.Variable);
  return {
    variables,
    replacing(body) {
      const momenta = norms.map(({ momentum }) => momentum);
      for (const norm of norms) norm.momentum = 0;
      // old − (old − new)·(1 − momentum) is new to the last bit only where old is 0.
      for (const variable of variables) tf.tidy(() => variable.assign(tf.zerosLike(variable)));
      try {
        return body();
      } finally {
        norms.forEach((norm, i) => (norm.momentum = momenta[i]));
      }
    },
  };
}

/** The parts of a stateful RNN that have no public name. */
interface StatefulRnn {
  stateful?: boolean;
  states_: tf.Tensor[] | null;
  /** Earlier states, kept for backpropagation until `resetStates()`. */
  keptStates: tf.Tensor[][];
}

/** The states of a model's stateful RNNs. */
export interface RecurrentStates {
  /** True if there are any. */
  readonly some: boolean;
  /** Runs `body` from the states as they were at first; afterwards they are what they were before it. */
  again<Result>(body: () => Result): Result;
}

/**
 * Remembers the states of a model's stateful RNNs as they are now.
 *
 * @param hasRun - true if the model has run in training mode since, so that they are those before the last run
 */
export function recurrentStates(model: tf.LayersModel, hasRun = false): RecurrentStates {
  const layers = new Set(allLayers(inner(model).layers)) as unknown as Set<StatefulRnn>;
  const rnns = [...layers].filter((layer) => layer.stateful && 'states_' in layer);
  if (rnns.length === 0) return { some: false, again: (body) => body() };
  // A run in training mode keeps the tensors it began with: they need no copies here.
  const starts = rnns.map(({ states_: states, keptStates }) => {
    const start = hasRun ? keptStates.at(-1) : states;
    return start ? [...start] : null;
  });
  return {
    some: true,
    again(body) {
      const held = rnns.map(({ states_: states, keptStates }) => ({ states, keptStates }));
      rnns.forEach((rnn, i) => {
        rnn.states_ = starts[i] && [...starts[i]];
        rnn.keptStates = [];
      });
      try {
        return body();
      } finally {
        rnns.forEach((rnn, i) => {
          const old = new Set(starts[i]);
          const made = [...rnn.keptStates.flat(), ...(rnn.states_ ?? [])];
          for (const state of made) if (!old.has(state)) state.dispose();
          rnn.states_ = held[i].states;
          rnn.keptStates = held[i].keptStates;
        });
      }
    },
  };
}
