import * as tf from '@tensorflow/tfjs';
import {
  callable,
  checkOptions,
  integerFrom,
  objectWith,
  oneOf,
  show,
  type Rules,
} from '../../../core/options.ts';
import type { Ort } from '../../onnx/index.ts';
import { tensorsOf, type Data } from '../internals/model.ts';
import { columnsOf } from './data.ts';
import { evaluated, predicted } from './evaluation.ts';
import { fit, given, labelled, tested, type AcceleratedFitArgs } from './fit.ts';
import {
  checkShapes,
  datasetMeans,
  fitDataset,
  type AcceleratedFitDatasetArgs,
  type BatchDataset,
} from './fitDataset.ts';
import { trainedOn } from './fitLoop.ts';
import { Runtime } from './runtime.ts';

/** Options of {@link accelerate}. */
export interface AccelerateOptions {
  /** Execution provider of the ONNX Runtime in use. @defaultValue ONNX Runtime's own choice */
  readonly target?: 'cpu' | 'wasm' | 'webgpu' | undefined;
  /** Session options passed to ONNX Runtime, as for `trainable` of `quasi-newton/onnx`. */
  readonly sessionOptions?: object | undefined;
  /**
   * Returns uniform random numbers in [0, 1), used for the order of samples, dropout and noise. Pass a seeded
   * generator to make runs reproducible.
   *
   * @defaultValue `Math.random`
   */
  readonly random?: (() => number) | undefined;
}

/** The calls of a `tf.LayersModel`, executed by ONNX Runtime. */
export interface AcceleratedModel {
  /** The model, which holds the weights after each call. */
  readonly model: tf.LayersModel;
  /**
   * As `model.fit`: trains with the compiled loss, metrics and optimizer.
   *
   * @throws RangeError naming every option that is wrong
   */
  fit(x: Data, y: Data, args?: AcceleratedFitArgs): Promise<tf.History>;
  /** As `model.fitDataset`. */
  fitDataset(dataset: BatchDataset, args: AcceleratedFitDatasetArgs): Promise<tf.History>;
  /** As `model.trainOnBatch`: takes one step; returns the loss before it, and the metrics if there are any. */
  trainOnBatch(x: Data, y: Data): Promise<number | number[]>;
  /**
   * As `model.evaluate`, but asynchronous: resolves to the loss, and the metrics if there are any, as scalars
   * owned by the caller. As in TensorFlow.js, the list of a model with several outputs begins with the sums of the losses of the
   * first outputs, one sum for each output, so that validation logs of `fit` are not under their own names.
   */
  evaluate(x: Data, y: Data, args?: { readonly batchSize?: number }): Promise<tf.Scalar | tf.Scalar[]>;
  /** As `model.evaluateDataset`. */
  evaluateDataset(
    dataset: BatchDataset,
    args?: { readonly batches?: number },
  ): Promise<tf.Scalar | tf.Scalar[]>;
  /**
   * As `model.predict`, but asynchronous: resolves to tensors owned by the caller.
   *
   * @param args - `batchSize`: number of samples per run of ONNX Runtime; default `256`
   */
  predict(x: Data, args?: { readonly batchSize?: number }): Promise<tf.Tensor | tf.Tensor[]>;
  /**
   * Writes the current weights into the model during a fit. This happens automatically at the end of each
   * epoch, before callbacks that handle batches, and at the end of each call.
   */
  sync(): void;
  /**
   * Hands the state over to the optimizer of `tf.train`, so that `model.fit` continues where this has ended:
   * the moments and averages become the optimizer's tensors, which `optimizer.dispose()` releases.
   */
  handOver(): Promise<void>;
  /** Releases the sessions of ONNX Runtime. The model and its optimizer are not affected. */
  dispose(): Promise<void>;
}

const rules: Rules<AccelerateOptions> = {
  target: oneOf('cpu', 'wasm', 'webgpu'),
  sessionOptions: objectWith("an object of ONNX Runtime's session options"),
  random: callable,
};

/**
 * Trains a compiled `tf.LayersModel` in ONNX Runtime: the same calls, the same results, several times faster.
 *
 * ONNX Runtime computes loss and gradients. Losses, metrics, regularizers, dropout, BatchNorm, callbacks and
 * the history behave as in TensorFlow.js, and the optimizers of `tf.train` take the same steps to float32
 * accuracy. Weights are read from the model at the start of each call and written back at the end, even after
 * an error or an abort.
 *
 * @param ort - `onnxruntime-node` or `onnxruntime-web`, as imported
 * @param model - compiled; prepared again if it is recompiled or its frozen layers change
 * @throws Error naming the layer, loss or optimizer that has no counterpart
 * @throws TypeError, RangeError if an argument is wrong
 *
 * @example
 * ```js
 * import * as ort from 'onnxruntime-node';
 * import * as tf from '@tensorflow/tfjs';
 * import { accelerate } from 'quasi-newton/tfjs';
 *
 * const model = tf.sequential({ layers: [tf.layers.dense({ units: 2, activation: 'softmax', inputShape: [3] })] });
 * model.compile({ optimizer: 'adam', loss: 'categoricalCrossentropy', metrics: ['accuracy'] });
 *
 * const x = tf.randomNormal([100, 3]);
 * const y = tf.oneHot(x.argMax(1).minimum(1).toInt(), 2).toFloat();
 * const fast = accelerate(ort, model);
 * const { history } = await fast.fit(x, y, { epochs: 5, verbose: 0 });
 * await fast.dispose();
 * ```
 */
export function accelerate(
  ort: Ort,
  model: tf.LayersModel,
  options: AccelerateOptions = {},
): AcceleratedModel {
  const where = 'accelerate';
  checkOptions(where, options, rules);
  if (typeof ort?.InferenceSession?.create !== 'function') {
    throw new TypeError(
      `${where}: ort must be ONNX Runtime, as imported from 'onnxruntime-node' or 'onnxruntime-web'; got ${show(ort)}.`,
    );
  }
  // Looked up at each call: a page may replace it by a generator with a seed.
  const { random = () => Math.random(), target, sessionOptions } = options;
  const runtime = new Runtime(where, ort, model, { random, target, sessionOptions });
  return {
    model,
    fit: (x, y, args = {}) => fit(runtime, x, y, args),
    fitDataset: (dataset, args) => fitDataset(runtime, dataset, args),
    trainOnBatch: (x, y) => trainOnBatch(runtime, x, y),
    evaluate: (x, y, args = {}) => evaluate(runtime, x, y, args),
    async evaluateDataset(dataset, args = {}) {
      checkOptions<{ batches?: number }>('evaluateDataset', given(args), { batches: integerFrom(1) });
      return scalars(await datasetMeans('evaluateDataset', runtime, dataset, args.batches));
    },
    predict: (x, args = {}) => predict(runtime, x, args),
    sync: () => runtime.weights.push(),
    handOver: () => runtime.handOver(),
    dispose: () => runtime.dispose(),
  };
}

const batchSizeRule = { batchSize: integerFrom(1) };

const oneOrAll = <Item>(items: Item[]): Item | Item[] => (items.length === 1 ? items[0] : items);

const scalars = (values: readonly number[]): tf.Scalar | tf.Scalar[] =>
  oneOrAll(values.map((value) => tf.scalar(value)));

async function evaluate(
  runtime: Runtime,
  x: Data,
  y: Data,
  args: { readonly batchSize?: number },
): Promise<tf.Scalar | tf.Scalar[]> {
  const where = 'evaluate';
  const options = given(args);
  checkOptions<{ batchSize?: number }>(where, options, batchSizeRule);
  const columns = await tested(where, runtime.model, x, y);
  const values = await runtime.inTurn(where, async () =>
    evaluated(runtime.model, await runtime.inference(where), columns, options.batchSize ?? 32),
  );
  return scalars(values);
}

async function predict(
  runtime: Runtime,
  x: Data,
  args: { readonly batchSize?: number },
): Promise<tf.Tensor | tf.Tensor[]> {
  const where = 'predict';
  const options = given(args);
  checkOptions<{ batchSize?: number }>(where, options, batchSizeRule);
  const { inputNames, inputs } = runtime.model;
  const isByName = typeof x === 'object' && x !== null && !(x instanceof tf.Tensor) && !Array.isArray(x);
  const tensors = isByName ? inputNames.map((name) => x[name]) : x ? tensorsOf(x) : [];
  if (tensors.length !== inputs.length || !tensors.every((tensor) => tensor instanceof tf.Tensor)) {
    throw new TypeError(
      `${where}: x must be a tensor for each input of the model (${inputNames.join(', ')}), got ${show(x)}.`,
    );
  }
  // As in TensorFlow.js, a vector is a column.
  const columns = (await columnsOf(tensors)).map((column) =>
    column.shape.length > 0 ? column : Object.assign({}, column, { shape: [1] }),
  );
  checkShapes(where, 'input', inputNames, columns, inputs.map(({ shape }) => shape)); // prettier-ignore
  const outputs = await runtime.inTurn(where, async () =>
    predicted(await runtime.inference(where), columns, options.batchSize ?? 256),
  );
  return oneOrAll(outputs);
}

async function trainOnBatch(runtime: Runtime, x: Data, y: Data): Promise<number | number[]> {
  const where = 'trainOnBatch';
  const data = await labelled(where, runtime.model, x, y);
  const { count } = data.inputs[0];
  const rows = Int32Array.from({ length: count }, (_, i) => i);
  const values = await runtime.duringFit(where, ({ trainer, stepper }) =>
    runtime.inTurn(where, async () => trainedOn(runtime.model, stepper, trainer.batch(data, rows, 0, count))),
  );
  return oneOrAll(values);
}
