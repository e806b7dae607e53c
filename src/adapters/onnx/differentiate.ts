import type { GraphProto, ValueInfoProto } from 'onnx-buf';
import type { Precision } from '../../core/problem.ts';
import { choose, type Choice, type Parameter } from './choose.ts';
import type { Builder } from './ir/builder.ts';
import {
  batchStatisticNameOf,
  gradientNameOf,
  hessianVectorNameOf,
  lossName,
  vectorNameOf,
} from './ir/convention.ts';
import { fault, OnnxError, typed, type Fault } from './ir/errors.ts';
import { valueInfo, type Value } from './ir/graph.ts';
import { encodeModel } from './ir/model.ts';
import type { Shape } from './ir/shape.ts';
import { DType, dtypeName, shapeOf } from './ir/tensor.ts';
import type { NoiseInput } from './ir/noise.ts';
import type { Platform } from './ir/platform.ts';
import type { Target } from './losses.ts';
import { appendLoss } from './objective.ts';
import { checkDifferentiateOptions, type DifferentiateOptions } from './options.ts';
import { fixedBatchFaults } from './passes/batch.ts';
import { finish } from './passes/finish.ts';
import { toInference } from './passes/inference.ts';
import { mergeLossGraph } from './passes/merge.ts';
import { poolConvolutions } from './passes/pooledConvolutions.ts';
import { readNoise } from './passes/prune.ts';
import { read } from './passes/read.ts';
import { sweep } from './passes/sweep.ts';
import type { Copy } from './passes/ties.ts';
import { inputOf, prepare, type Prepared } from './prepare.ts';

/** An input of the result that is fed with data. */
export interface DataInput {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape | undefined;
}

/** A running statistic of a BatchNormalization in training mode. */
export interface RunningStatistic {
  /** The running mean or variance: an initializer of the model, `[C]`. */
  readonly name: string;
  /** Name of the output that holds the statistic of this batch. */
  readonly output: string;
  /** running ← momentum·running + (1 − momentum)·batch. */
  readonly momentum: number;
}

/** A graph of loss and gradients, with everything needed to feed and read it. */
export interface Differentiated {
  /** The graph, with the names of `convention.ts`. */
  readonly bytes: Uint8Array;
  /** The parameters, in the order of the result's inputs and gradients. */
  readonly parameters: readonly Parameter[];
  /** The model's own inputs. */
  readonly inputs: readonly DataInput[];
  /** Targets to feed for the loss. */
  readonly targets: readonly Target[];
  /** Names of the inputs in `wrt`; their gradients come after those of the parameters. */
  readonly wrtInputs: readonly string[];
  /** Names of the inner values in `wrt`; their gradients come last. */
  readonly wrtInner: readonly string[];
  readonly statistics: readonly RunningStatistic[];
  /** Inputs to be fed with random numbers, with the option `noise: 'fed'`. */
  readonly noise: readonly NoiseInput[];
  /** Parameters that the loss does not depend on: their gradients are zeros. */
  readonly unused: readonly string[];
  /** Tensors that an Identity copies from another. */
  readonly copies: readonly Copy[];
  readonly precision: Precision;
}

/**
 * Turns a model into one that computes a loss and its gradient, in standard ops only.
 *
 * @param bytes - an .onnx file, opset 7 or later
 * @returns an .onnx file whose properties contain everything needed to feed and read it; {@link
 *   gradientNameOf} and similar functions give the names of inputs and outputs
 * @throws OnnxError naming every node that cannot be differentiated, with its op and the reason
 * @throws RangeError, TypeError if an option is wrong
 *
 * @example
 * ```ts
 * const trainer = differentiate(await readFile('digits.onnx'), { loss: 'softmaxCrossEntropy' });
 * const session = await ort.InferenceSession.create(trainer);
 * const { loss, 'grad_of/fc.weight': gradient } = await session.run({ x, target, 'fc.weight': w, 'fc.bias': b });
 * ```
 */
export function differentiate(bytes: Uint8Array, options: DifferentiateOptions): Uint8Array & Differentiated {
  return differentiateAs('differentiate', bytes, options);
}

function differentiateAs(
  where: string,
  bytes: Uint8Array,
  options: DifferentiateOptions,
): Uint8Array & Differentiated {
  checkDifferentiateOptions(where, options);
  const { bytes: file, ...known } = typed(() => differentiateChecked(bytes, options)).differentiated;
  // Not enumerable: the file would contain itself.
  return Object.defineProperty(Object.assign(file, known, { bytes: file }), 'bytes', { enumerable: false });
}

/**
 * Former name of {@link differentiate}.
 *
 * @deprecated in favor of {@link differentiate}
 */
export function differentiateModel(
  bytes: Uint8Array,
  options: DifferentiateOptions,
): Uint8Array & Differentiated {
  return differentiateAs('differentiateModel', bytes, options);
}

/**
 * As {@link differentiate}, for the model in inference mode.
 *
 * @param statistics - running means and variances, which become inputs in addition to the data
 */
export const differentiateInference = (
  bytes: Uint8Array,
  options: DifferentiateOptions,
  statistics: readonly string[],
): Differentiated => typed(() => differentiateChecked(bytes, options, statistics)).differentiated;

/**
 * As {@link differentiate}, with options that have been checked; also returns the graph, not encoded.
 *
 * @param keepsWeights - true to keep gradients with respect to the weights of convolutions as one node each, which
 *   `openPlanned` writes out
 */
export const differentiateGraph = (
  bytes: Uint8Array,
  options: DifferentiateOptions,
  keepsWeights: boolean,
): { readonly differentiated: Differentiated; readonly graph: GraphProto } =>
  typed(() => differentiateChecked(bytes, options, undefined, keepsWeights));

function differentiateChecked(
  bytes: Uint8Array,
  options: DifferentiateOptions,
  inferenceBy?: readonly string[],
  keepsWeights = false,
): { readonly differentiated: Differentiated; readonly graph: GraphProto } {
  const { loss: asked, precision, wrt: choice } = options;
  const file = read(bytes, options);
  const { model } = file;
  if (inferenceBy) liftStatistics(model.graph, inferenceBy);
  const ownLoss =
    typeof asked === 'object' && 'graph' in asked ? mergeLossGraph(model, asked.graph, precision) : undefined;
  const chosen = choose(model, file.origins, choice);
  const { names, wrtInputs, wrtInner, copies } = chosen;
  const prepared = prepare(file, chosen, options);
  const { g, parameters, wrt, dataInputs } = prepared;
  const { graph } = model;
  graph.output = [];
  graph.valueInfo = [];
  const { loss, gradients, targets } = appendGradients(prepared, chosen, options, {
    ownLoss,
    keepsWeights,
  });
  const statistics = addOutputs(prepared, names, options, { loss, gradients });
  orderInputs(graph, dataInputs, parameters);
  finish(model);
  const noise = readNoise(graph, g.noise);
  const differentiated: Differentiated = {
    bytes: encodeModel(model),
    parameters,
    inputs: dataInputs.map(({ name }) => ({
      name,
      dtype: g.dtypeOf(name) ?? DType.UNDEFINED,
      shape: g.shapeOf(name),
    })),
    targets,
    wrtInputs,
    wrtInner,
    statistics,
    noise,
    unused: names.filter((_, i) => !gradients.has(wrt[i])),
    copies,
    precision: g.dtypeOf(loss) === DType.DOUBLE ? 'float64' : 'float32',
  };
  return { differentiated, graph };
}

/** The loss in a graph, and its gradients by the values that they are taken by. */
interface LossGradients {
  readonly loss: Value;
  readonly gradients: ReadonlyMap<Value, Value>;
}

/**
 * Appends the loss and its gradients to a prepared graph.
 *
 * @throws OnnxError naming every fault
 */
function appendGradients(
  { g, parameters, wrt, outputs, current, faults }: Prepared,
  { names, wrtInner }: Choice,
  options: DifferentiateOptions,
  { ownLoss, keepsWeights }: { readonly ownLoss: Value | undefined; readonly keepsWeights: boolean },
): LossGradients & { readonly targets: readonly Target[] } {
  if (options.freeBatch) faults.push(...fixedBatchFaults(g, outputs));
  faults.push(...unfit(g, wrtInner, current));
  const targets: Target[] = [];
  const loss = appendLoss({ g, options, outputs, current, ownLoss, parameters, targets, faults });
  if (loss === undefined) throw new OnnxError(faults);
  poolConvolutions(g, wrt, [loss, ...(options.keep ?? []).map(current)]);
  // Not in the loss: gradients that it contains are differentiated again.
  g.keepsWeights = keepsWeights;
  const { gradients, faults: refused } = sweep(g, loss, wrt, options.target);
  faults.push(...refused);
  if (gradients.size === 0 && faults.length === 0) faults.push(nothingToTrain(names));
  if (faults.length > 0) throw new OnnxError(faults);
  return { loss, gradients, targets };
}

/**
 * Makes outputs of the loss, the gradients and all else that the options ask for, in the order of the convention.
 *
 * @returns the running statistics that have outputs
 * @throws OnnxError naming every value that cannot be kept
 */
function addOutputs(
  { g, wrt, outputs, current }: Prepared,
  names: readonly string[],
  { hessianVector, keep = [], target }: DifferentiateOptions,
  { loss, gradients }: LossGradients,
): RunningStatistic[] {
  g.addOutput(lossName, loss);
  names.forEach((name, i) => g.addOutput(gradientNameOf(name), gradients.get(wrt[i]) ?? g.zerosLike(wrt[i])));
  if (hessianVector) addHessianVector(g, names, wrt, gradients, target);
  const statistics = g.statistics.map(({ running: name, batch, momentum }) => {
    const output = batchStatisticNameOf(name);
    g.addOutput(output, batch);
    return { name, output, momentum };
  });
  const faults = keep.flatMap((name) => keepOutput(g, name, current(name), outputs));
  if (faults.length > 0) throw new OnnxError(faults);
  return statistics;
}

/** Switches a graph to inference mode, in place, with its running statistics as inputs. */
function liftStatistics(graph: GraphProto, statistics: readonly string[]): void {
  toInference(graph);
  const lifted = graph.initializer.filter(({ name }) => statistics.includes(name));
  graph.initializer = graph.initializer.filter((tensor) => !lifted.includes(tensor));
  graph.input.push(...lifted.map((tensor) => valueInfo(tensor.name, tensor.dataType, shapeOf(tensor))));
}

/** Puts the inputs in the order of the convention: data, targets and other feeds, parameters. */
function orderInputs(
  graph: GraphProto,
  dataInputs: readonly ValueInfoProto[],
  parameters: readonly Parameter[],
): void {
  const own = new Set([...dataInputs.map(({ name }) => name), ...parameters.map(({ input }) => input)]);
  const others = graph.input.filter(({ name }) => !own.has(name));
  graph.input = [...dataInputs, ...others, ...parameters.map(inputOf)];
}

const nothingToTrain = (names: readonly string[]): Fault =>
  fault(
    `the loss depends on none of ${names.map((name) => JSON.stringify(name)).join(', ')}: there is nothing to train.`,
  );

/** Returns the faults of inner values in `wrt` that cannot have a gradient. */
const unfit = (g: Builder, names: readonly string[], current: (name: string) => Value): Fault[] =>
  names
    .filter((name) => !g.isFloat(current(name)))
    .map((name) =>
      fault(
        `wrt: the value ${JSON.stringify(name)} is ${dtypeName(g.dtypeOf(current(name)))}; only float32 and float64 values have gradients.`,
      ),
    );

/** Appends v·∇f, differentiates it once more, and makes the products outputs. */
function addHessianVector(
  g: Builder,
  names: readonly string[],
  wrt: readonly Value[],
  gradients: ReadonlyMap<Value, Value>,
  platform: Platform | undefined,
): void {
  const terms = names.flatMap((name, i) => {
    const vector = g.addInput(vectorNameOf(name), g.floatTypeOf(wrt[i]), g.shapeOf(wrt[i]));
    const gradient = gradients.get(wrt[i]);
    return gradient === undefined ? [] : [g.sumOfAll(g.mul(gradient, vector))];
  });
  const [first, ...others] = terms;
  const { gradients: products, faults } = sweep(g, g.add(first, ...others), wrt, platform);
  if (faults.length > 0) {
    throw new OnnxError(
      faults.map(({ node, op, reason }) => ({ node, op, reason: `in the second derivative: ${reason}` })),
    );
  }
  names.forEach((name, i) =>
    g.addOutput(hessianVectorNameOf(name), products.get(wrt[i]) ?? g.zerosLike(wrt[i])),
  );
}

/** Makes a value of the model an output of the result; returns the faults that prevent it. */
function keepOutput(g: Builder, name: string, value: Value, outputs: readonly string[]): Fault[] {
  if (!g.types.has(value) || g.constants.has(value)) {
    const reason = `keep: the model computes no value ${JSON.stringify(name)}; its outputs are ${outputs.join(', ')}.`;
    return [fault(reason)];
  }
  if (g.proto.output.some((output) => output.name === name)) {
    const reason = `keep: the result has an output ${JSON.stringify(name)} of its own; rename the model's.`;
    return [fault(reason)];
  }
  g.addOutput(name, value);
  return [];
}
