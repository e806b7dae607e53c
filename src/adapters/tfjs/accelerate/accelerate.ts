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
  readonly target?: 'cpu' | 'wasm' | 'webgpu';
  /** Given to ONNX Runtime with each session, as for `trainable` of `quasi-newton/onnx`. */
  readonly sessionOptions?: object;
  /**
   * Uniform in [0, 1): the order of samples, dropout and noise come from it. A generator with a seed makes runs
   * repeatable.
   *
   * @defaultValue `Math.random`
   */
  readonly random?: () => number;
}

/** The calls of a `tf.LayersModel`, done by ONNX Runtime. */
export interface AcceleratedModel {
  /** The model, which has the weights after each call. */
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
  /** As `model.evaluate`, later: the loss, and the metrics if there are any, as scalars of the caller. */
  evaluate(x: Data, y: Data, args?: { readonly batchSize?: number }): Promise<tf.Scalar | tf.Scalar[]>;
  /** As `model.evaluateDataset`. */
  evaluateDataset(
    dataset: BatchDataset,
    args?: { readonly batches?: number },
  ): Promise<tf.Scalar | tf.Scalar[]>;
  /**
   * As `model.predict`, later: tensors of the caller.
   *
   * @param args - `batchSize`: samples in one run of ONNX Runtime, `256` unless given
   */
  predict(x: Data, args?: { readonly batchSize?: number }): Promise<tf.Tensor | tf.Tensor[]>;
  /**
   * Writes the weights reached so far into the model, during a fit. At the end of each epoch, before callbacks that look
   * at batches and at the end of all calls it is done anyway.
   */
  sync(): void;
  /**
   * Makes the optimizer of `tf.train` go on with `model.fit` where this has ended: its moments and averages become tensors
   * of its own, which `optimizer.dispose()` lets go of.
   */
  handOver(): Promise<void>;
  /** Releases the sessions of ONNX Runtime. The model and its optimizer stay as they are. */
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
 * Loss and gradients are computed by ONNX Runtime; losses, metrics, regularizers, dropout, BatchNorm, callbacks and
 * the history are those of TensorFlow.js, and the optimizers of `tf.train` take the same steps to within float32. Weights
 * come from the model at the start of each call and are back in it at the end, also after an error or an abort.
 *
 * @param ort - `onnxruntime-node` or `onnxruntime-web`, as imported
 * @param model - compiled; with another `compile`, or other layers frozen, it is prepared again
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
  // As TensorFlow.js has it, a vector is a column.
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
