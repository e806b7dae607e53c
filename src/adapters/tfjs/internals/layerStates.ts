/**
 * State that layers keep between runs: moving statistics and recurrent states.
 *
 * Only the files of this folder use private parts of TensorFlow.js. They are checked against 4.22, and by a
 * test that fails if a part is missing.
 *
 * @module
 */
import * as tf from '@tensorflow/tfjs';
import { allLayers } from './layers.ts';
import { inner } from './model.ts';

/** Private parts of a BatchNormalization. */
interface BatchNorm {
  momentum: number;
  readonly trainable: boolean;
  readonly movingMean: tf.layers.Layer['weights'][number];
  readonly movingVariance: tf.layers.Layer['weights'][number];
}

/** The moving statistics of a model's BatchNorms. */
export interface MovingStatistics {
  readonly variables: tf.Variable[];
  /** Runs `body` so that a run in training mode replaces the moving statistics by those of its batch. */
  readonly replacing: <Result>(body: () => Result) => Result;
}

/** Returns the BatchNorms of a model, also inside other layers, each once. */
export const batchNorms = (model: tf.LayersModel): BatchNorm[] =>
  [...new Set(allLayers(inner(model).layers))].filter(
    (layer) => layer.getClassName() === 'BatchNormalization',
  ) as unknown as BatchNorm[];

export function movingStatistics(model: tf.LayersModel): MovingStatistics {
  const norms = batchNorms(model).filter(({ trainable }) => trainable);
  const weights = norms.flatMap(({ movingMean, movingVariance }) => [movingMean, movingVariance]);
  const variables = weights.map((weight) => weight.read() as tf.Variable);
  return {
    variables,
    replacing(body) {
      const momenta = norms.map(({ momentum }) => momentum);
      for (const norm of norms) norm.momentum = 0;
      // old − (old − new)·(1 − momentum) equals new to the last bit only if old is 0.
      for (const variable of variables) tf.tidy(() => variable.assign(tf.zerosLike(variable)));
      try {
        return body();
      } finally {
        norms.forEach((norm, i) => (norm.momentum = momenta[i]));
      }
    },
  };
}

/** Private parts of a stateful RNN. */
interface StatefulRnn {
  stateful?: boolean;
  states_: tf.Tensor[] | null;
  /** Previous states, kept for backpropagation until `resetStates()`. */
  keptStates: tf.Tensor[][];
}

/** The states of a model's stateful RNNs. */
export interface RecurrentStates {
  /** True if there are any. */
  readonly some: boolean;
  /** Runs `body` from the remembered states; afterwards restores the current ones. */
  again<Result>(body: () => Result): Result;
}

/**
 * Remembers the current states of a model's stateful RNNs.
 *
 * @param hasRun - true if the model has already run in training mode; the states before that run are then
 *   remembered
 */
export function recurrentStates(model: tf.LayersModel, hasRun = false): RecurrentStates {
  const layers = new Set(allLayers(inner(model).layers)) as unknown as Set<StatefulRnn>;
  const rnns = [...layers].filter((layer) => layer.stateful && 'states_' in layer);
  if (rnns.length === 0) return { some: false, again: (body) => body() };
  // A run in training mode keeps its initial tensors, so no copies are needed here.
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
