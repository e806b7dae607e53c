/**
 * Changes to models for transfer learning: another head, fewer trained tensors.
 *
 * @module
 */
import { boolean, checkOptions, integerIn, show, string, type Rule } from '../../../core/options.ts';
import { sentence } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { explain } from '../explain.ts';
import { checkBytes, type ExternalData } from '../ir/model.ts';
import { checkFileOptions, externalDataRule, type FileOptions } from '../options.ts';
import { wrong } from './modelWriter.ts';
import { graph, type Network } from './network.ts';

/** A model and the names of the tensors to train, for `trainable`. */
export interface Adapted {
  /** An .onnx file. */
  readonly bytes: Uint8Array;
  /** Names of the new tensors: the option `trainable` of `trainable`. */
  readonly trainable: readonly string[];
}

/** Options of {@link addHead}. */
export interface HeadOptions {
  /** Value that the head reads: an output of the model, or an intermediate value. */
  readonly from: string;
  /** Number of outputs of one dense layer, or a function that writes the head and returns its output. */
  readonly head: number | ((g: Network, features: Value) => Value);
  /** Name of the head's output, and prefix of the names of a dense layer's tensors. @defaultValue `'head'` */
  readonly name?: string | undefined;
  /** Keeps the model's own outputs in addition to that of the head. @defaultValue false */
  readonly keepOutputs?: boolean | undefined;
  /** Seed of the random weights. @defaultValue `1` */
  readonly seed?: number | undefined;
  /** Files with the external data of a model, by the location named in the model. @defaultValue none */
  readonly externalData?: ExternalData | undefined;
}

/** Selects the tensors of some layers by name. */
export type Layers = string | RegExp | ((name: string) => boolean);

const head: Rule = {
  allowed: 'a whole number ≥ 1, or a function (g, features) => value',
  accepts: (value) => typeof value === 'function' || (Number.isInteger(value) && Number(value) >= 1),
};

/**
 * Puts a new head on a model in place of its outputs. Nodes that only these needed are removed from the file.
 *
 * @param bytes - an .onnx file
 * @throws OnnxError if there is no value of that name, or a dense head cannot determine the size of its last
 *   axis
 * @throws RangeError naming every wrong option
 *
 * @example
 * ```js
 * import * as ort from 'onnxruntime-node';
 * import { addHead, graph, trainable } from 'quasi-newton/onnx';
 *
 * const g = graph();
 * const features = g.tanh(g.dense(g.input('x', ['N', 8]), 16));
 * g.output('scores', g.dense(features, 1000));
 * const { bytes, trainable: names } = addHead(g.toBytes(), { from: features, head: 3 });
 * const model = await trainable(ort, bytes, { loss: 'softmaxCrossEntropy', trainable: names });
 * console.log(names); // head.weight, head.bias
 * await model.dispose();
 * ```
 */
export function addHead(bytes: Uint8Array, options: HeadOptions): Adapted {
  checkOptions('addHead', options, {
    from: string,
    head,
    name: string,
    keepOutputs: boolean,
    seed: integerIn(-(2 ** 31), 2 ** 32),
    externalData: externalDataRule,
  });
  checkBytes('addHead', bytes);
  const { from, name = 'head', keepOutputs = false, seed = 1, externalData } = options;
  if (options.from === undefined || options.head === undefined) {
    throw new RangeError('addHead: from and head must be given.');
  }
  const g = graph({ extend: bytes, seed, ...(externalData && { externalData }) });
  const { outputs } = g.names;
  if (!g.has(from)) {
    wrong('addHead', `the model computes no value ${show(from)}; its outputs are ${outputs.join(', ')}.`);
  }
  if (!keepOutputs) for (const output of outputs) g.removeOutput(output);
  const result =
    typeof options.head === 'function' ? options.head(g, from) : g.dense(from, options.head, { name });
  g.output(name, result);
  return { bytes: g.toBytes(), trainable: [...g.drawn] };
}

/**
 * Returns the names of all tensors trained by default, except those of some layers: the option `trainable` of
 * `trainable`.
 *
 * @param bytes - an .onnx file
 * @param layers - layers to freeze: a name, a prefix of names up to a dot, slash, colon or underscore
 *   (`'encoder'` includes `encoder.0.weight`), a pattern, a function of a name, or a list of these
 * @throws OnnxError if one of `layers` matches no tensor, or nothing is left to train
 *
 * @example
 * ```js
 * import * as ort from 'onnxruntime-node';
 * import { freeze, graph, trainable } from 'quasi-newton/onnx';
 *
 * const g = graph();
 * const features = g.tanh(g.dense(g.input('x', ['N', 8]), 16, { name: 'body' }));
 * g.output('y', g.dense(features, 3, { name: 'head' }));
 * const model = await trainable(ort, g.toBytes(), { loss: 'mse', trainable: freeze(g.toBytes(), 'body') });
 * console.log(model.params.length); // 51
 * await model.dispose();
 * ```
 */
export function freeze(
  bytes: Uint8Array,
  layers: Layers | readonly Layers[],
  options: FileOptions = {},
): string[] {
  checkFileOptions('freeze', options);
  if (!layersRule.accepts(layers))
    throw new RangeError(`freeze: layers must be ${layersRule.allowed}, got ${show(layers)}.`);
  const { parameters, faults } = explain(bytes, options);
  if (parameters.length === 0 && faults.length > 0) wrong('freeze', faults.map(sentence).join(' '));
  const names = parameters.filter(({ byDefault }) => byDefault).map(({ name }) => name);
  const list: readonly Layers[] = isList(layers) ? layers : [layers];
  const frozen = list.map((layer) => names.filter(matching(layer)));
  const idle = list.filter((_, i) => frozen[i].length === 0).map(show);
  if (idle.length > 0) wrong('freeze', `${idle.join(', ')} matches none of ${names.join(', ')}.`);
  const left = names.filter((name) => !frozen.some((some) => some.includes(name)));
  if (left.length === 0) wrong('freeze', 'all parameters would be frozen; nothing is left to train.');
  return left;
}

export const layersRule: Rule = {
  allowed: 'a name, a pattern, a function of a name, or a list of these',
  accepts: (value) =>
    [value].flat().every((v) => ['string', 'function'].includes(typeof v) || v instanceof RegExp),
};

const isList = (layers: Layers | readonly Layers[]): layers is readonly Layers[] => Array.isArray(layers);

/** Returns a predicate for the names that a choice of layers matches. */
export function matching(layer: Layers): (name: string) => boolean {
  if (typeof layer === 'function') return layer;
  // A copy: a global pattern remembers where it stopped.
  if (layer instanceof RegExp) return (name) => new RegExp(layer.source, layer.flags).test(name);
  return (name) => name === layer || ['.', '/', ':', '_'].some((mark) => name.startsWith(layer + mark));
}
