/** Layers that change shapes. */
import { sizeOf } from '../../../../core/layout.ts';
import {
  numbers,
  outputShape,
  refuseLayer,
  result,
  type LayerCall,
  type LayerTable,
} from '../graph/layer.ts';
import { checkChannelsLast } from './convolution.ts';
import type { Dimension, Value } from '../graph/graph.ts';

const isKnown = (size: Dimension): size is number => typeof size === 'number' && size >= 0;

/** Returns the product of the known sizes. */
const product = (sizes: readonly Dimension[]): number => sizeOf(sizes.filter(isKnown));

/** Returns a shape with its unknown size, -1, computed from the sizes of the input. */
function filledIn(shape: readonly Dimension[], input: readonly Dimension[]): Dimension[] {
  const [sizes, from] = [shape.slice(1), input.slice(1)];
  if (!from.every(isKnown) || sizes.filter((size) => !isKnown(size)).length !== 1) return [...shape];
  return [shape[0], ...sizes.map((size) => (isKnown(size) ? size : product(from) / product(sizes)))];
}

/** Reshapes to a shape in which only the batch is unknown; `perm` permutes the axes first. */
function reshaped(call: LayerCall, perm?: readonly number[]): Value {
  const { graph, layer } = call;
  const x = graph.withChannels('last', call.inputs[0]);
  const name = perm ? graph.transpose(x.name, perm) : x.name;
  const shape = filledIn(outputShape(call), x.shape);
  const rest = shape.slice(1);
  if (rest.includes(null)) {
    throw refuseLayer(
      layer,
      `its output has the shape [${shape.map(String).join(', ')}]; all but the batch must be known.`,
    );
  }
  return result(graph.reshape(name, [-1, ...rest.map(Number)]), shape);
}

/** Expands an option to `[[top, bottom], [left, right]]`. */
function margins(value: unknown): [number, number][] {
  const [vertical, horizontal] = Array.isArray(value)
    ? (value as (number | number[])[])
    : [Number(value), Number(value)];
  return [vertical, horizontal].map((side) => (Array.isArray(side) ? [side[0], side[1]] : [side, side]));
}

export const shapeLayers: LayerTable = {
  Reshape: (call) => reshaped(call),
  Flatten(call) {
    // With channels first, TensorFlow.js moves them to the end before it flattens.
    const rank = call.inputs[0].shape.length;
    if (call.config.dataFormat !== 'channelsFirst') return reshaped(call);
    return reshaped(call, [0, ...Array.from({ length: rank - 2 }, (_, i) => i + 2), 1]);
  },
  Permute(call) {
    const { graph, config } = call;
    const x = graph.withChannels('last', call.inputs[0]);
    const perm = [0, ...(config.dims as number[])];
    return result(graph.transpose(x.name, perm), outputShape(call));
  },
  RepeatVector(call) {
    const { graph, config, inputs } = call;
    const row = graph.unsqueeze(inputs[0].name, [1]);
    return result(graph.tile(row, [1, Number(config.n), 1]), outputShape(call));
  },
  ZeroPadding2D(call) {
    checkChannelsLast(call);
    const { graph, config } = call;
    const x = graph.withChannels('last', call.inputs[0]);
    const [[top, bottom], [left, right]] = margins(config.padding);
    return result(graph.pad(x.name, [0, top, left, 0, 0, bottom, right, 0]), outputShape(call));
  },
  Cropping2D(call) {
    checkChannelsLast(call);
    const { graph, layer, config } = call;
    const x = graph.withChannels('last', call.inputs[0]);
    const [[top, bottom], [left, right]] = margins(config.cropping);
    const [, height, width] = x.shape;
    if (height === null || width === null)
      throw refuseLayer(layer, 'the height and width of its input must be known.');
    const ends = [height - bottom, width - right];
    return result(graph.slices(x.name, [top, left], ends, [1, 2]), outputShape(call));
  },
  UpSampling2D(call) {
    checkChannelsLast(call);
    const { graph, config } = call;
    const x = graph.withChannels('first', call.inputs[0]);
    const scales = graph.constant([1, 1, ...numbers(config.size, 2)]);
    const attributes = {
      mode: config.interpolation === 'bilinear' ? 'linear' : 'nearest',
      coordinate_transformation_mode: 'asymmetric',
      nearest_mode: 'floor',
    };
    return result(graph.resize(x.name, attributes, scales), outputShape(call), true);
  },
  Rescaling(call) {
    const { graph, config, inputs: [x] } = call; // prettier-ignore
    const scaled = graph.mul(x.name, Number(config.scale));
    return { ...x, name: graph.add(scaled, Number(config.offset)) };
  },
};
