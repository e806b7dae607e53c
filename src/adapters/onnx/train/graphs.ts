/**
 * Graphs that are run in addition to the gradient graph.
 *
 * @module
 */
import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, NodeProtoSchema } from 'onnx-buf';
import type { NodeProto, TypeProto } from 'onnx-buf';
import { nodeAttributes } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { readBy, valueInfo } from '../ir/graph.ts';
import { FILL, nodeOf } from '../ir/node.ts';
import { nodeNamed } from '../ir/nodeWriter.ts';
import type { NoiseInput } from '../ir/noise.ts';
import { SCAN } from '../ir/scan.ts';
import { DType, shapeOf, tensorOf } from '../ir/tensor.ts';
import { hessianVectorNameOf, lossName, manyLosses, manyOf } from '../ir/convention.ts';
import { finish } from '../passes/finish.ts';
import { toInference } from '../passes/inference.ts';
import { tie, type Copy } from '../passes/ties.ts';
import { prune } from '../passes/prune.ts';
import { read, type ReadOptions } from '../passes/read.ts';
import { opOf } from '../ops/index.ts';
import { opKnowledge } from '../ops/infer.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { differentiate, differentiateInference, type Differentiated } from '../differentiate.ts';
import type { DifferentiateOptions } from '../options.ts';
import { decodeModel, encodeModel } from '../ir/model.ts';
import { specOf, type InputSpec } from './inputs.ts';

/**
 * Reduces a gradient graph to the loss: ONNX Runtime computes all outputs of a graph, requested or not.
 *
 * @param others - outputs to keep in addition
 */
export function lossGraph(gradients: Uint8Array, others: readonly string[] = []): Uint8Array {
  const model = decodeModel(gradients);
  const { graph } = model;
  graph.output = graph.output.filter(({ name }) => name === lossName || others.includes(name));
  prune(graph);
  // Only the gradient reads the indices of a MaxPool, and a MaxPool with indices takes ten times as long.
  const read = new Set(graph.node.flatMap(({ input }) => input));
  for (const node of graph.node) {
    const costly = opOf(node)?.costlyOutput;
    if (costly !== undefined && !read.has(node.output[costly])) node.output.length = costly;
  }
  return encodeModel(model);
}

/** A graph, and its inputs other than parameters. */
export type FedGraph = Pick<Differentiated, 'bytes' | 'inputs' | 'targets' | 'noise'>;

/**
 * Builds the graph of the loss and the values named in `keep`.
 *
 * @param statistics - names of the running means and variances to feed, for inference mode; null for the file's mode
 */
export function keptGraph(
  bytes: Uint8Array,
  options: DifferentiateOptions,
  keep: readonly string[],
  statistics: readonly string[] | null = null,
): FedGraph {
  const all = { ...options, keep };
  const {
    bytes: graph,
    inputs,
    targets,
    noise,
  } = statistics === null ? differentiate(bytes, all) : differentiateInference(bytes, all, statistics);
  return { bytes: lossGraph(graph, keep), inputs, targets, noise };
}

/** A graph of the shapes that random numbers must have. */
interface ShapesGraph {
  readonly bytes: Uint8Array;
  readonly inputs: readonly string[];
  /** Names of the outputs, by the name of the input whose shape they hold. */
  readonly outputs: ReadonlyMap<string, string>;
}

/**
 * Builds the graph that computes the shapes of random numbers, for shapes that are known only at run time. Ones stand
 * in for the random numbers.
 */
export function shapesGraph(bytes: Uint8Array, noise: readonly NoiseInput[]): ShapesGraph {
  const model = decodeModel(bytes);
  const { graph } = model;
  const likes = new Map(noise.map(({ name, like = '', dtype }) => [name, { like, dtype }]));
  const outputs = new Map(noise.map(({ name }) => [name, `shape_of/${name}`]));
  const made = new Set<string>();
  graph.node = graph.node.flatMap((node) => {
    const added: NodeProto[] = [];
    for (const name of readBy(node)) {
      const found = likes.get(name);
      const shape = outputs.get(name);
      if (found === undefined || shape === undefined || made.has(name)) continue;
      made.add(name);
      const value = tensorOf('', found.dtype, [1], [1]);
      added.push(
        nodeNamed(shape, (g) => g.shape(found.like)),
        nodeOf(FILL, [shape], [name], { value }),
      );
    }
    return [...added, node];
  });
  graph.output = [...outputs.values()].map((name) => valueInfo(name, DType.INT64, undefined));
  prune(graph);
  const read = new Set(graph.node.flatMap(readBy));
  graph.input = graph.input.filter(({ name }) => read.has(name) && !likes.has(name));
  return { bytes: encodeModel(model), inputs: graph.input.map(({ name }) => name), outputs };
}

/** Builds the graph of the Hessian-vector products, without the loss and its gradient. */
export function hessianGraph(bytes: Uint8Array, options: DifferentiateOptions): Uint8Array {
  const { bytes: all, parameters } = differentiate(bytes, { ...options, hessianVector: true });
  const model = decodeModel(all);
  const { graph } = model;
  const products = new Set(parameters.map(({ name }) => hessianVectorNameOf(name)));
  graph.output = graph.output.filter(({ name }) => products.has(name));
  prune(graph);
  return encodeModel(model);
}

/**
 * Turns the graph of the loss into one that computes the losses `[k]` of k parameter sets in one run: the body of a
 * Scan. It is fed with k values of each parameter, `[k, …shape]`, under the name that {@link manyOf} returns.
 *
 * Nothing in the body is batched, so every model works. It saves calls to ONNX Runtime, which take most of the time of a
 * small model.
 */
export function manyLossesGraph(loss: Uint8Array, { parameters, precision }: Differentiated): Uint8Array {
  const model = decodeModel(loss);
  const { graph } = model;
  const inputs = parameters.map(({ input }) => input);
  const dtype = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
  const body = create(GraphProtoSchema, {
    name: 'loss',
    node: graph.node,
    input: parameters.map(({ input, shape }) => valueInfo(input, dtype, shape)),
    output: [valueInfo(lossName, dtype, [])],
  });
  const scan = create(NodeProtoSchema, {
    opType: SCAN,
    name: 'losses',
    input: parameters.map(({ name }) => manyOf(name)),
    output: [manyLosses],
    attribute: nodeAttributes({ body, num_scan_inputs: inputs.length }),
  });
  // The data and the constants are read from the scope outside the body.
  graph.input = [
    ...graph.input.filter(({ name }) => !inputs.includes(name)),
    ...parameters.map(({ name, shape }) => valueInfo(manyOf(name), dtype, ['k', ...shape])),
  ];
  graph.node = [scan];
  graph.output = [valueInfo(manyLosses, dtype, ['k'])];
  graph.valueInfo = [];
  return encodeModel(model);
}

const isTensorType = ({ value }: TypeProto) => value.case === 'tensorType' || value.case === undefined;

/** A model for inference whose parameters are inputs. */
export interface PredictionGraph {
  readonly bytes: Uint8Array;
  /** The data inputs. */
  readonly inputs: readonly InputSpec[];
  readonly outputs: readonly string[];
}

/**
 * Turns the tensors `names` of a model into inputs, and switches the model to inference mode.
 *
 * @param bytes - an .onnx file
 * @param copies - copies among its constant tensors
 * @param options - options that its gradients were computed with
 */
export function predictionGraph(
  bytes: Uint8Array,
  names: readonly string[],
  copies: readonly Copy[],
  options: ReadOptions,
): PredictionGraph {
  const { model } = read(bytes, options);
  const { graph } = model;
  tie(graph, copies);
  toInference(graph);
  const data = [...graph.input];
  const { types } = new Builder(graph, opKnowledge, floatTypeIn(graph));
  const lifted = graph.initializer.filter(({ name }) => names.includes(name));
  graph.initializer = graph.initializer.filter((tensor) => !lifted.includes(tensor));
  graph.input.push(...lifted.map((tensor) => valueInfo(tensor.name, tensor.dataType, shapeOf(tensor))));
  graph.valueInfo = [];
  // ONNX Runtime's JavaScript API cannot return sequences and maps.
  graph.output = graph.output.filter(({ type }) => type === undefined || isTensorType(type));
  finish(model);
  return {
    bytes: encodeModel(model),
    inputs: data.map(({ name }) =>
      specOf({ name, dtype: types.get(name)?.dtype ?? DType.UNDEFINED, shape: types.get(name)?.shape }),
    ),
    outputs: graph.output.map(({ name }) => name),
  };
}
