/** Dropout and noise: nothing for inference, inputs of random numbers for training. */
import { alea, fillNormal } from '../../random.ts';
import { refuseLayer, type LayerCall, type LayerTable } from '../graph/layer.ts';
import type { Dimension, NoiseInput, OnnxGraph, Value } from '../graph/graph.ts';

/** Returns true for the rates at which TensorFlow.js drops anything. */
const drops = (rate: number): boolean => rate > 0 && rate < 1;

/**
 * Adds the random-number input of a layer.
 *
 * @param shape - as TensorFlow.js draws it, channels last
 * @throws LayerRefusal if the numbers of a step cannot be drawn in advance
 */
function noiseOf({ graph, layer }: LayerCall, shape: readonly Dimension[], fill: NoiseInput['fill']): string {
  if (graph.timeLoops > 0) {
    throw refuseLayer(layer, 'it draws random numbers inside a TimeDistributed, which is not written for training.'); // prettier-ignore
  }
  if (shape.slice(1).some((size) => size === null || size < 0)) {
    throw refuseLayer(layer, 'it draws random numbers for values whose size is not known.');
  }
  return graph.noiseInput(shape, fill);
}

/** Returns noise for a value, in the value's layout in the graph. */
function alike(graph: OnnxGraph, noise: string, { shape, isChannelsFirst }: Value): string {
  return graph.withChannels(isChannelsFirst ? 'first' : 'last', { name: noise, shape, isChannelsFirst: false }).name; // prettier-ignore
}

/** Returns a function that draws the factors 0 and 1/(1 − rate), as `tf.dropout` does. */
const dropoutFactors =
  (rate: number, seed: number | string | null | undefined): NoiseInput['fill'] =>
  (values, random) => {
    const uniform = alea(String(seed ?? random()));
    const keep = Math.fround(1 - rate);
    for (let i = 0; i < values.length; i++) {
      values[i] = Math.floor(Math.fround(Math.fround(uniform()) + keep)) / keep;
    }
  };

/** Multiplies a value by factors drawn for each step. */
function multiplied(call: LayerCall, fill: NoiseInput['fill'], noiseShape?: readonly Dimension[]): Value {
  const { graph, inputs: [x] } = call; // prettier-ignore
  const factors = noiseOf(call, noiseShape ?? x.shape, fill);
  return { ...x, name: graph.mul(x.name, alike(graph, factors, x)) };
}

function dropout(call: LayerCall, noiseShape?: readonly Dimension[]): Value {
  const { graph, config, inputs: [x] } = call; // prettier-ignore
  const rate = Number(config.rate);
  if (graph.use !== 'training' || !drops(rate)) return x;
  return multiplied(call, dropoutFactors(rate, config.seed as number | undefined), noiseShape);
}

/**
 * Drops elements of the inputs of a recurrent layer, `[batch, time, features]`, the same at each time.
 *
 * @param gates - number of gates: TensorFlow.js draws a mask for each, and uses the first
 */
export function droppedInputs(call: LayerCall, x: Value, gates: number): Value {
  const { graph, layer, config } = call;
  const [rate, recurrent] = [Number(config.dropout ?? 0), Number(config.recurrentDropout ?? 0)];
  if (graph.use !== 'training') return x;
  if (drops(recurrent)) throw refuseLayer(layer, 'its recurrentDropout has no counterpart in ONNX; set it to 0.'); // prettier-ignore
  if (!drops(rate)) return x;
  const first = dropoutFactors(rate, undefined);
  const [batch, , features] = x.shape;
  const factors = noiseOf(call, [batch, features], (values, random) => {
    first(values, random);
    for (let k = 1; k < gates; k++) random();
  });
  const along = graph.unsqueeze(factors, [1]);
  return { ...x, name: graph.mul(x.name, along) };
}

/** The saturation of SELU, −α·scale. */
const SATURATION = -1.673263242354377 * 1.0507009873554805;

/** x·k + (k − 1)·SATURATION for k of 0 or 1, scaled so that mean and variance stay; Klambauer et al. 2017, arXiv:1706.02515. */
function alphaDropout(call: LayerCall): Value {
  const { graph, config, inputs: [x] } = call; // prettier-ignore
  const rate = Number(config.rate);
  if (graph.use !== 'training' || !drops(rate)) return x;
  const { noiseShape } = call.layer as unknown as { noiseShape?: readonly Dimension[] };
  const kept = noiseOf(call, noiseShape ?? x.shape, (values, random) => {
    const uniform = alea(String(random()));
    for (let i = 0; i < values.length; i++) values[i] = Math.fround(uniform()) >= Math.fround(rate) ? 1 : 0;
  });
  const k = alike(graph, kept, x);
  const a = ((1 - rate) * (1 + rate * SATURATION ** 2)) ** -0.5;
  const b = -a * SATURATION * rate;
  const dropped = graph.mul(graph.sub(k, 1), SATURATION);
  const sum = graph.add(graph.mul(x.name, k), dropped);
  const name = graph.add(graph.mul(sum, a), b);
  return { ...x, name };
}

export const noiseLayers: LayerTable = {
  Dropout(call) {
    const { shape } = call.inputs[0];
    const given = call.config.noiseShape as readonly Dimension[] | null | undefined;
    return dropout(
      call,
      given?.map((size, i) => size ?? shape[i]),
    );
  },
  SpatialDropout1D(call) {
    const [batch, , channels] = call.inputs[0].shape;
    return dropout(call, [batch, 1, channels]);
  },
  GaussianNoise(call) {
    const { graph, config, inputs: [x] } = call; // prettier-ignore
    if (graph.use !== 'training') return x;
    const deviation = Number(config.stddev);
    const noise = noiseOf(call, x.shape, (values, random) =>
      fillNormal(values, alea(String(random())), { mean: 0, deviation }),
    );
    return { ...x, name: graph.add(x.name, alike(graph, noise, x)) };
  },
  GaussianDropout(call) {
    const { graph, config, inputs: [x] } = call; // prettier-ignore
    const rate = Number(config.rate);
    if (graph.use !== 'training' || !drops(rate)) return x;
    const deviation = Math.sqrt(rate / (1 - rate));
    return multiplied(call, (values, random) =>
      fillNormal(values, alea(String(random())), { mean: 1, deviation }),
    );
  },
  AlphaDropout: alphaDropout,
};
