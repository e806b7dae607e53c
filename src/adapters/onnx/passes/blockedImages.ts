/**
 * Ops between convolutions in ONNX Runtime's blocked layout: batch normalization, activations, sums, and their gradients.
 *
 * @module
 */
import type { NodeProto } from 'onnx-buf';
import { attributesOf } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { identityNode, nodeOf } from '../ir/node.ts';
import { opKey } from '../ir/domain.ts';
import { isStatic } from '../ir/shape.ts';
import { DType, numbersOf } from '../ir/tensor.ts';
import { opOf } from '../ops/index.ts';
import { inferNode } from '../ops/infer.ts';
import { blocked, convolveBlocks, inLayout, outOfLayout, type Blocks } from './blockedLayout.ts';
import { addPhases, joinPhases } from './blockedPhases.ts';

/** Writes an op on images that are in blocks; false if it is to stay as it is. */
export const writeOnImages = (blocks: Blocks, node: NodeProto): boolean =>
  average(blocks, node) ||
  takeEvery(blocks, node) ||
  (blocks.normalizes &&
    (elementwise(blocks, node) ||
      normalize(blocks, node) ||
      sumOverImages(blocks, node) ||
      measure(blocks, node)));

/** Writes a mean over places. */
function average({ g, reordered, size }: Blocks, node: NodeProto): boolean {
  const [x, axes] = node.input;
  const known = opOf(node)?.reduces === 'mean' ? reordered.get(x) : undefined;
  const image = imageOf({ g, size }, x);
  if (known === undefined || image === undefined || g.integersOf(axes ?? '')?.join() !== '2,3') return false;
  inferNode(g, node);
  const shape = attributesOf(node).int('keepdims', 1) === 1 ? [-1, image[0], 1, 1] : [-1, image[0]];
  const [output] = node.output;
  const type = g.types.get(output);
  const means = blocked(g, 'GlobalAveragePool', [known], {});
  g.naming(output).reshape(means, shape);
  // The reshaped one has another symbol for the number of samples; sums are written as one op where symbols are the same.
  if (type) g.types.set(output, type);
  return true;
}

/** Writes a slice of the places that windows of one element with strides see, as means over one place each. */
function takeEvery(blocks: Blocks, node: NodeProto): boolean {
  const { g, reordered } = blocks;
  const [x, starts, , axes, steps] = node.input;
  const known = opKey(node) === 'Slice' ? reordered.get(x) : undefined;
  const image = imageOf(blocks, x);
  const [strides, begins] = [steps, starts].map((value) => g.integersOf(value ?? ''));
  if (known === undefined || image === undefined || g.integersOf(axes ?? '')?.join() !== '2,3') return false;
  if (strides === undefined || begins?.join() !== '0,0' || strides.some((stride) => stride < 1)) return false;
  inferNode(g, node);
  const [output] = node.output;
  const seen = imageOf(blocks, output);
  const [channels, ...sizes] = image;
  const isWhole = sizes.every((size, i) => seen?.[i + 1] === Math.ceil(size / strides[i]));
  if (!isWhole) return false;
  const taken = blocked(g, 'AveragePool', [known], { kernel_shape: [1, 1], strides });
  outOfLayout(blocks, taken, channels, output, g.types.get(output));
  return true;
}

/** Reads the sizes of an image off the blocks: they are the same, as long as the channels fill them. */
function measure(blocks: Blocks, node: NodeProto): boolean {
  const known = opOf(node)?.sizesOf === 'count' ? blocks.reordered.get(node.input[0]) : undefined;
  if (known === undefined || imageOf(blocks, node.input[0]) === undefined) return false;
  inferNode(blocks.g, node);
  const read = Object.assign(nodeOf(node.opType, [known], node.output), { attribute: node.attribute });
  const types = node.output.map((output) => blocks.g.types.get(output));
  blocks.g.append(read);
  node.output.forEach((output, k) => types[k] && blocks.g.types.set(output, types[k]));
  return true;
}

/** Sizes of an image whose channels fill whole blocks, `[C, H, W]`. */
function imageOf({ g, size }: Pick<Blocks, 'g' | 'size'>, value: Value): readonly number[] | undefined {
  const [, ...image] = g.shapeOf(value) ?? [];
  return image.length === 3 && isStatic(image) && image[0] % size === 0 ? image : undefined;
}

/** `x·scale + bias` with one number a channel each, `[C]`; then `sum` is added, and negative results are set to 0. */
function scaled(
  { g }: Blocks,
  x: Value,
  scale: Value,
  channels: number,
  { bias = '', sum, relu }: { bias?: Value | undefined; sum?: Value; relu?: NodeProto | undefined } = {},
): Value {
  const weight = g.reshape(scale, [channels, 1, 1, 1]);
  return convolveBlocks(g, [x, weight, ...(sum ? [bias, sum] : bias ? [bias] : [])], {
    kernel_shape: [1, 1],
    group: channels,
    activation: relu?.opType,
  });
}

/** Mean of each channel over samples and places, `[C]`. */
const meanOf = (g: Builder, x: Value, channels: number): Value =>
  g.mean(g.reshape(blocked(g, 'GlobalAveragePool', [x], {}), [-1, channels]), [0], false);

function elementwise(blocks: Blocks, node: NodeProto): boolean {
  const { g, reordered, masks } = blocks;
  const [output, ...others] = node.output;
  const op = opOf(node);
  const known = (x: Value) => reordered.get(x) ?? masks.get(x);
  if (!op?.isElementwise || op.draws !== undefined || others.length > 0 || !node.input.some(known))
    return false;
  inferNode(g, node);
  const image = imageOf(blocks, output);
  if (image === undefined) return false;
  if (byChannel(blocks, node, image) || addTo(blocks, node, image)) return true;
  const isScalar = (x: Value) => g.shapeOf(x)?.length === 0;
  const isImage = (x: Value) => imageOf(blocks, x)?.join() === image.join();
  const fits = (x: Value) =>
    isScalar(x) || (isImage(x) && (known(x) !== undefined || g.dtypeOf(x) === DType.FLOAT));
  if (!node.input.every(fits)) return false;
  const inputs = node.input.map((x) => (isScalar(x) ? x : (masks.get(x) ?? inLayout(blocks, x))));
  const made = g.fresh(node.opType);
  const type = g.types.get(output);
  g.append(Object.assign(nodeOf(node.opType, inputs, [made]), { attribute: node.attribute }));
  if (g.dtypeOf(output) === DType.FLOAT) outOfLayout(blocks, made, image[0], output, type);
  else {
    g.append(node);
    masks.set(output, made);
  }
  return true;
}

/** Writes a product of an image with one number a channel. */
function byChannel(blocks: Blocks, node: NodeProto, image: readonly number[]): boolean {
  const { g, reordered } = blocks;
  const [x, factor] = node.input;
  const known = reordered.get(x);
  const [channels] = image;
  if (opOf(node)?.operand !== 'factor' || node.input.length !== 2 || known === undefined) return false;
  if (g.shapeOf(factor)?.join() !== `1,${channels},1,1` || g.dtypeOf(x) !== DType.FLOAT) return false;
  const scale = g.reshape(factor, [channels]);
  outOfLayout(
    blocks,
    scaled(blocks, known, scale, channels),
    channels,
    node.output[0],
    g.types.get(node.output[0]),
  );
  blocks.scaled.set(node.output[0], { x: known, scale });
  return true;
}

/** Writes the sum of two images of which the places that a stride is apart are known, before these are joined. */
function addPhased(
  blocks: Blocks,
  { input: [a, b], output: [output] }: NodeProto,
  image: readonly number[],
): boolean {
  const { g, phases } = blocks;
  const [first, second] = [phases.get(a), phases.get(b)];
  if (first === undefined || second === undefined || g.shapeOf(a)?.join() !== g.shapeOf(b)?.join())
    return false;
  const sum = addPhases(blocks, first, second);
  if (sum === undefined) return false;
  outOfLayout(blocks, joinPhases(blocks, sum), image[0], output, g.types.get(output));
  phases.set(output, sum);
  return true;
}

/** Writes the sum of a scaled image and another as one op, with the Relu that reads it if nothing else does. */
function addTo(blocks: Blocks, node: NodeProto, image: readonly number[]): boolean {
  const { g, onlyRelu } = blocks;
  if (opOf(node)?.operand !== 'added' || g.dtypeOf(node.output[0]) !== DType.FLOAT) return false;
  const [a, b] = node.input;
  if (addPhased(blocks, node, image)) return true;
  const [product, other] = blocks.scaled.has(a) ? [a, b] : [b, a];
  const known = blocks.scaled.get(product);
  if (known === undefined || g.shapeOf(a)?.join() !== g.shapeOf(b)?.join()) return false;
  const relu = onlyRelu.get(node.output[0]);
  if (relu) blocks.taken.add(relu);
  const sum = inLayout(blocks, other);
  const made = scaled(blocks, known.x, known.scale, image[0], {
    bias: known.bias,
    sum,
    relu,
  });
  outOfLayout(blocks, made, image[0], relu?.output[0] ?? node.output[0], g.types.get(node.output[0]));
  return true;
}

/** Writes a batch normalization of an image in blocks, by its batch or by given statistics. */
function normalize(blocks: Blocks, node: NodeProto): boolean {
  const { g, reordered, onlyRelu } = blocks;
  const known = opOf(node)?.statistics ? reordered.get(node.input[0]) : undefined;
  const image = known === undefined ? undefined : imageOf(blocks, node.input[0]);
  if (known === undefined || image === undefined) return false;
  const attributes = attributesOf(node);
  const isByBatch = attributes.int('training_mode', 0) === 1;
  // Only with a momentum of 0 are the other outputs the statistics of the batch.
  if (isByBatch && attributes.float('momentum', 0.9) !== 0) return false;
  inferNode(g, node);
  const epsilon = attributes.float('epsilon', 1e-5);
  const parts = isByBatch
    ? byBatch(blocks, node, known, image[0], epsilon)
    : byGiven(g, node, known, epsilon);
  const [output] = node.output;
  const relu = onlyRelu.get(output);
  if (relu) blocks.taken.add(relu);
  const { x, scale, bias } = parts;
  const made = scaled(blocks, x, scale, image[0], { bias, relu });
  outOfLayout(blocks, made, image[0], relu?.output[0] ?? output, g.types.get(output));
  if (!relu) blocks.scaled.set(output, parts);
  return true;
}

/** Subtracts the mean first, so that a mean much larger than the deviation costs no digits. */
function byBatch(blocks: Blocks, { input, output }: NodeProto, x: Value, channels: number, epsilon: number) {
  const { g } = blocks;
  const mean = meanOf(g, x, channels);
  const ones = g.once(`${channels} ones`, () => g.filled(g.integers([channels]), 1, DType.FLOAT));
  const centered = scaled(blocks, x, ones, channels, { bias: g.neg(mean) });
  const variance = meanOf(g, g.mul(centered, centered), channels);
  for (const [k, value] of [mean, variance].entries())
    if (output[k + 1]) g.append(identityNode(value, output[k + 1]));
  return { x: centered, scale: g.div(input[1], g.sqrt(g.add(variance, epsilon))), bias: input[2] };
}

function byGiven(
  g: Builder,
  { input: [, scale, bias, mean, variance] }: NodeProto,
  x: Value,
  epsilon: number,
) {
  if (epsilon === 0 && isFilled(g, mean, 0) && isFilled(g, variance, 1)) return { x, scale, bias };
  const slope = g.div(scale, g.sqrt(g.add(variance, epsilon)));
  return { x, scale: slope, bias: g.sub(bias, g.mul(mean, slope)) };
}

/** True for a value that is known to hold one number everywhere. */
function isFilled(g: Builder, value: Value, number: number): boolean {
  const maker = g.makerOf(value);
  const filling = maker && opOf(maker)?.fills ? attributesOf(maker).tensor('value') : undefined;
  return filling !== undefined && numbersOf(filling)[0] === number;
}

/** Writes a sum over samples and places. */
function sumOverImages(blocks: Blocks, node: NodeProto): boolean {
  const { g, reordered } = blocks;
  const [x, axes] = node.input;
  const known = opOf(node)?.reduces === 'sum' ? reordered.get(x) : undefined;
  const image = imageOf(blocks, x);
  if (known === undefined || image === undefined || g.integersOf(axes ?? '')?.join() !== '0,2,3')
    return false;
  inferNode(g, node);
  const [channels, height, width] = image;
  const perSample = g.reshape(blocked(g, 'GlobalAveragePool', [known], {}), [-1, channels]);
  const sum = g.mul(g.sum(perSample, [0], false), height * width);
  const shape = attributesOf(node).int('keepdims', 1) === 1 ? [1, channels, 1, 1] : [channels];
  g.naming(node.output[0]).reshape(sum, shape);
  return true;
}
