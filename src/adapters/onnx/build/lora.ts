import type { NodeProto } from 'onnx-buf';
import { checkOptions, finitePositive, integerIn, show } from '../../../core/options.ts';
import { attributesOf } from '../ir/attributes.ts';
import type { Value } from '../ir/graph.ts';
import { opKey } from '../ir/domain.ts';
import { dtypeName, tensorOf } from '../ir/tensor.ts';
import { checkBytes, type ExternalData } from '../ir/model.ts';
import { isCopy } from '../ir/node.ts';
import { nodeNamed } from '../ir/nodeWriter.ts';
import { opOf } from '../ops/index.ts';
import { externalDataRule } from '../options.ts';
import { wrong, type FloatType } from './modelWriter.ts';
import { graph, type Network } from './network.ts';
import { layersRule, matching, type Adapted, type Layers } from './transfer.ts';

/** Options of {@link lora}. */
export interface LoraOptions {
  /**
   * Rank r of the product added to each weight, limited to the smaller side of the matrix.
   *
   * @defaultValue `8`
   */
  readonly rank?: number | undefined;
  /** Scale of the added product is alpha / rank. @defaultValue the rank */
  readonly alpha?: number | undefined;
  /**
   * Weights to adapt, by name, prefix, pattern or function.
   *
   * @defaultValue every matrix that a MatMul or Gemm multiplies with
   */
  readonly layers?: Layers | readonly Layers[] | undefined;
  /** Seed for A, which is drawn uniformly from ±1/√n for n inputs; B starts at 0. @defaultValue `1` */
  readonly seed?: number | undefined;
  /** Files with the external data of a model, by the location named in the model. @defaultValue none */
  readonly externalData?: ExternalData | undefined;
}

/** Ends of the names of the added tensors. */
export const names = { a: '.lora_A', b: '.lora_B', scale: '.lora_scale' };

/** A product with a constant matrix. */
export interface Product {
  /** The node that returns the product. */
  readonly node: NodeProto;
  /** The other factor. */
  readonly data: Value;
  /** The matrix, by its name in the file. */
  readonly weight: string;
  /** Numbers of inputs and outputs. */
  readonly sizes: readonly [inputs: number, outputs: number];
  /** True if the file holds it as `[outputs, inputs]`. */
  readonly isTransposed: boolean;
  /** Factor of the node's own: the attribute `alpha` of Gemm. */
  readonly factor: number;
}

/**
 * Adds a product of two narrow matrices to dense layers: x·W becomes x·W + (alpha / rank)·(x·A)·B. Only A and
 * B are trained; since B starts at 0, the model is unchanged at first.
 *
 * Weights may have any type, including quantized ones, as long as their product with the data is a MatMul or Gemm, or the
 * DynamicQuantizeLinear, MatMulInteger, Cast and Mul of dynamic quantization (`q8` files).
 *
 * @param bytes - an .onnx file
 * @throws OnnxError if one of `layers` matches no such weight
 * @throws RangeError naming every wrong option
 *
 * @example
 * ```js
 * import * as ort from 'onnxruntime-node';
 * import { graph, lora, mergeLora, trainable } from 'quasi-newton/onnx';
 *
 * const g = graph();
 * g.output('y', g.dense(g.tanh(g.dense(g.input('x', ['N', 64]), 64)), 10));
 * const original = g.toBytes();
 * const { bytes, trainable: names } = lora(original, { rank: 4 });
 * const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy', trainable: names });
 * console.log(model.params.length); // 808 of 4810
 * const merged = mergeLora(original, model.toBytes()); // the file as it was, with other weights
 * await model.dispose();
 * ```
 *
 * @see Hu et al. (2022), LoRA: Low-rank adaptation of large language models, arXiv:2106.09685
 */
export function lora(bytes: Uint8Array, options: LoraOptions = {}): Adapted {
  checkOptions('lora', options, {
    rank: integerIn(1, Number.MAX_SAFE_INTEGER),
    alpha: finitePositive,
    layers: layersRule,
    seed: integerIn(-(2 ** 31), 2 ** 32),
    externalData: externalDataRule,
  });
  checkBytes('lora', bytes);
  const { rank = 8, alpha = rank, layers, seed = 1, externalData } = options;
  const g = graph({ extend: bytes, seed, ...(externalData && { externalData }) });
  const products = g.proto.node.map((node) => productOf(g, node)).filter((found) => found !== undefined);
  const weights = [...new Set(products.map(({ weight }) => weight))];
  const asked = layers === undefined ? [] : [layers].flat();
  const idle = asked.filter((layer) => !weights.some(matching(layer))).map(show);
  if (idle.length > 0)
    wrong(
      'lora',
      `${idle.join(', ')} matches no matrix of a dense layer; there are ${weights.join(', ') || 'none'}.`,
    );
  if (weights.length === 0)
    wrong(
      'lora',
      'the model has no dense layer: no MatMul, Gemm or MatMulInteger with a constant matrix of known size.',
    );
  const chosen = products.filter(
    ({ weight }) => asked.length === 0 || asked.some((layer) => matching(layer)(weight)),
  );
  const taken = weights.find((weight) => g.has(weight + names.a));
  if (taken !== undefined)
    wrong(
      'lora',
      `the file has ${show(taken + names.a)} already; it may be the result of lora. Train it as it is, or pass the result of mergeLora.`,
    );
  const drawn = new Map<string, boolean>();
  for (const product of chosen) adapt(g, product, rank, alpha / rank, drawn);
  return { bytes: g.toBytes(), trainable: [...g.drawn] };
}

/** Returns a node as a product with a constant matrix, if it is one. */
export function productOf(g: Network, node: NodeProto): Product | undefined {
  const [data, matrix = ''] = node.input;
  const found = (isTransposed: boolean, at = { node, data }): Product | undefined => {
    const shape = g.shapeOf(matrix);
    const source = sourceOf(g, matrix);
    if (shape?.length !== 2 || source === undefined) return undefined;
    const [rows, columns] = isTransposed ? shape.toReversed() : shape;
    if (typeof rows !== 'number' || typeof columns !== 'number') return undefined;
    return {
      node: at.node,
      data: at.data,
      weight: source.name,
      sizes: [rows, columns],
      isTransposed: isTransposed !== source.isTransposed,
      factor: attributes.float('alpha', 1),
    };
  };
  const attributes = attributesOf(node);
  if (opKey(node) === 'MatMulInteger') {
    const whole = realProductOf(g, node);
    return whole && found(false, whole);
  }
  const isTransposed = opOf(node)?.isTransposed?.(attributes);
  return isTransposed === undefined ? undefined : found(isTransposed);
}

/** Returns the product of real numbers that a MatMulInteger is the middle of: its last node, and its unquantized data. */
function realProductOf(g: Network, node: NodeProto): Pick<Product, 'node' | 'data'> | undefined {
  const quantizer = g.makerOf(node.input[0]);
  const cast = onlyReader(g, node);
  const scaled = cast && isCopy(cast) ? onlyReader(g, cast) : undefined;
  if (scaled === undefined || opOf(scaled)?.operand !== 'factor') return undefined;
  if (quantizer === undefined || opOf(quantizer)?.scaleOutput === undefined) return undefined;
  return { node: scaled, data: quantizer.input[0] };
}

/** Returns the only node that reads a node's output, if there is exactly one and the output is not an output of the model. */
function onlyReader(g: Network, { output: [value] }: NodeProto): NodeProto | undefined {
  const [reader, ...others] = g.proto.node.filter(({ input }) => input.includes(value));
  const isKept = g.proto.output.some(({ name }) => name === value);
  return others.length === 0 && !isKept ? reader : undefined;
}

/** Returns the tensor of the file that a constant matrix, or its transpose, is made from; undefined if it varies. */
export function sourceOf(
  g: Network,
  value: string,
): { readonly name: string; readonly isTransposed: boolean } | undefined {
  if (g.constants.has(value)) return { name: value, isTransposed: false };
  const node = g.makerOf(value);
  const { carries, permutesAxes = false, quantizers } = (node && opOf(node)) ?? {};
  if (node === undefined || !(carries === 'all' || permutesAxes || quantizers)) return undefined;
  const source = sourceOf(g, node.input[0]);
  return source && { name: source.name, isTransposed: source.isTransposed !== permutesAxes };
}

/**
 * Adds the two matrices to a product; those of a weight that several nodes read are shared.
 *
 * @param drawn - the weights adapted so far: true if their first product reads them as `[outputs, inputs]`
 */
function adapt(
  g: Network,
  { node, data, weight, sizes: [inputs, outputs], isTransposed, factor }: Product,
  rank: number,
  scale: number,
  drawn: Map<string, boolean>,
): void {
  const [a, b, scales] = [weight + names.a, weight + names.b, weight + names.scale];
  if (!drawn.has(weight)) {
    drawn.set(weight, isTransposed);
    // They have the type of the data, which may be a 16-bit one.
    const dtype = g.dtypeOf(data) ?? g.float;
    const type = dtypeName(dtype) as FloatType;
    const width = Math.min(rank, inputs, outputs);
    g.weight(a, [inputs, width], 1 / Math.sqrt(inputs), type);
    g.weight(b, [width, outputs], () => 0, type);
    g.addConstant(tensorOf(scales, dtype, [], [scale]));
  }
  const [output] = node.output;
  const plain = g.fresh(`${output}/without_lora`);
  node.output[0] = plain;
  const at = g.proto.node.length;
  // A node that reads W the other way round than the first has x·(A·B)ᵀ = (x·Bᵀ)·Aᵀ.
  const isFlipped = drawn.get(weight) !== isTransposed;
  const turned = (matrix: Value) => g.transpose(matrix, [1, 0]);
  const [first, second] = isFlipped ? [turned(b), turned(a)] : [a, b];
  const scaled = g.mul(g.matmul(g.matmul(data, first), second), scales);
  const delta = factor === 1 ? scaled : g.mul(scaled, factor);
  const sum = nodeNamed(output, (writer) => writer.add(plain, delta));
  g.append(Object.assign(sum, { name: g.fresh(`${output}/lora`) }));
  // Nodes must stand in the order in which they run.
  const added = g.proto.node.splice(at);
  g.proto.node.splice(g.proto.node.indexOf(node) + 1, 0, ...added);
}
