import { sizeOf } from '../../../core/layout.ts';
import { boolean, checkOptions, either, integerIn, oneOf, show, type Rule } from '../../../core/options.ts';
import type { Value } from '../ir/graph.ts';
import { DType, tensorOf } from '../ir/tensor.ts';
import { ModelWriter, wrong, type GraphOptions } from './modelWriter.ts';

/** Options of a layer. */
export interface LayerOptions {
  /**
   * Prefix of the names of its tensors, `NAME.weight` and `NAME.bias`.
   *
   * @defaultValue its kind and number, `'dense_1'`
   */
  readonly name?: string | undefined;
  /** False for a layer without bias. @defaultValue `true` */
  readonly bias?: boolean | undefined;
}

/** Options of a convolution. */
export interface ConvOptions extends LayerOptions {
  /** Distance between windows, along each axis. @defaultValue `1` */
  readonly stride?: number | undefined;
  /** Zeros around the image; `'same'` keeps its size at stride 1. @defaultValue `0` */
  readonly padding?: number | 'same' | undefined;
  /** Distance between the elements of a window, along each axis. @defaultValue `1` */
  readonly dilation?: number | undefined;
  /** Number of groups of channels that are convolved separately. @defaultValue `1` */
  readonly groups?: number | undefined;
}

const text: Rule = { allowed: 'a text', accepts: (value) => typeof value === 'string' && value !== '' };
const layerRules = { name: text, bias: boolean };
const nameRules = { name: text };
/** Largest size that an attribute of a window may have. */
const MOST = 2 ** 31 - 1;

/** Checks a size of a layer. @throws OnnxError if it is not a whole number ≥ 1 */
function checkSize(where: string, what: string, size: unknown): void {
  if (!(typeof size === 'number' && Number.isSafeInteger(size) && size >= 1))
    wrong(where, `${what} must be a whole number ≥ 1, got ${show(size)}.`);
}
const convRules = {
  ...layerRules,
  stride: integerIn(1, MOST),
  padding: either(integerIn(0, MOST), oneOf('same')),
  dilation: integerIn(1, MOST),
  groups: integerIn(1, MOST),
};

/**
 * A network written in JavaScript: inputs, layers with their weights, and the methods that losses also use.
 *
 * Methods take and return values, which are names; every ONNX op is available as `op(name, inputs,
 * attributes)`.
 */
export class Network extends ModelWriter {
  /** Adds a dense layer, `[…, n] → […, units]`: x·Wᵀ + b, initialized uniformly in ±1/√n as in torch. */
  dense(x: Value, units: number, options: LayerOptions = {}): Value {
    checkOptions('dense', options, layerRules);
    checkSize('dense', 'units', units);
    const { name = this.#layer('dense'), bias = true } = options;
    const inputs = this.#size('dense', x, -1);
    this.#checkTensors('dense', name, 'weight', ...(bias ? ['bias'] : []));
    const bound = 1 / Math.sqrt(inputs);
    const weight = this.weight(`${name}.weight`, [units, inputs], bound);
    const offset = bias ? this.weight(`${name}.bias`, [units], bound) : undefined;
    if (this.rank(x) === 2) return this.gemm(x, weight, { transB: true }, offset);
    const product = this.matmul(x, this.transpose(weight, [1, 0]));
    return offset === undefined ? product : this.add(product, offset);
  }

  /** Adds a convolution of images `[N, channels, height, width]`, or of signals `[N, channels, length]`. */
  conv(x: Value, filters: number, kernel: number | readonly number[], options: ConvOptions = {}): Value {
    checkOptions('conv', options, convRules);
    checkSize('conv', 'filters', filters);
    if (typeof kernel === 'number') checkSize('conv', 'the kernel', kernel);
    else if (!Array.isArray(kernel))
      wrong('conv', `the kernel must be a size, or a list of sizes, got ${show(kernel)}.`);
    else for (const size of kernel) checkSize('conv', 'each size of the kernel', size);
    const {
      name = this.#layer('conv'),
      bias = true,
      stride = 1,
      padding = 0,
      dilation = 1,
      groups = 1,
    } = options;
    const axes = this.rank(x) - 2;
    const window = typeof kernel === 'number' ? Array<number>(axes).fill(kernel) : kernel;
    const channels = this.#size('conv', x, 1) / groups;
    if (axes < 1 || window.length !== axes || !Number.isInteger(channels)) {
      wrong(
        `conv ${show(name)}`,
        `x must be [N, channels, …sizes], with a kernel size for each spatial axis and channels divisible by groups; x is [${this.#shown(x)}], the kernel [${window.join(', ')}], groups ${groups}.`,
      );
    }
    this.#checkTensors('conv', name, 'weight', ...(bias ? ['bias'] : []));
    const bound = 1 / Math.sqrt(channels * sizeOf(window));
    const weight = this.weight(`${name}.weight`, [filters, channels, ...window], bound);
    const offset = bias ? this.weight(`${name}.bias`, [filters], bound) : undefined;
    const widths = window.map((size) => dilation * (size - 1));
    const pads =
      padding === 'same'
        ? [...widths.map((width) => Math.floor(width / 2)), ...widths.map((width) => Math.ceil(width / 2))]
        : Array<number>(2 * axes).fill(padding);
    const [strides, dilations] = [stride, dilation].map((size) => Array<number>(axes).fill(size));
    const attributes = { kernel_shape: window, strides, dilations, pads, group: groups };
    return this.convolve(x, weight, attributes, offset);
  }

  /**
   * Looks up rows of a table with `count` rows by int64 indices, `[…] → […, units]`; initialized uniformly in
   * ±√3, with variance 1.
   */
  embedding(indices: Value, count: number, units: number, options: Pick<LayerOptions, 'name'> = {}): Value {
    checkOptions('embedding', options, nameRules);
    checkSize('embedding', 'count', count);
    checkSize('embedding', 'units', units);
    const { name = this.#layer('embedding') } = options;
    this.checkKnown('embedding', indices);
    return this.op('Gather', [this.weight(`${name}.weight`, [count, units], Math.sqrt(3)), indices], {
      axis: 0,
    });
  }

  /** Adds layer normalization over the last axis, with scale and bias. */
  layerNorm(x: Value, options: Pick<LayerOptions, 'name'> = {}): Value {
    checkOptions('layerNorm', options, nameRules);
    const { name = this.#layer('norm') } = options;
    const size = this.#size('layerNorm', x, -1);
    this.#checkTensors('layerNorm', name, 'weight', 'bias');
    const scale = this.weight(`${name}.weight`, [size], () => 1);
    const bias = this.weight(`${name}.bias`, [size], () => 0);
    return this.normalizeLayer(x, scale, bias, { axis: -1 })[0];
  }

  /**
   * Adds batch normalization over all axes except the channels, axis 1, in training mode: it trains with the
   * statistics of each batch, and `model.toBytes({ inference: true })` writes it with the running ones.
   */
  batchNorm(x: Value, options: Pick<LayerOptions, 'name'> = {}): Value {
    checkOptions('batchNorm', options, nameRules);
    const { name = this.#layer('norm') } = options;
    const size = this.#size('batchNorm', x, 1);
    this.#checkTensors('batchNorm', name, 'weight', 'bias', 'running_mean', 'running_var');
    const running = (statistic: string, value: number) =>
      this.addConstant(tensorOf(`${name}.${statistic}`, this.float, [size], Array<number>(size).fill(value)));
    const scale = this.weight(`${name}.weight`, [size], () => 1);
    const bias = this.weight(`${name}.bias`, [size], () => 0);
    const [mean, variance] = [running('running_mean', 0), running('running_var', 1)];
    return this.normalizeBatch(x, [scale, bias, mean, variance], { training_mode: 1 }, 3)[0];
  }

  /**
   * Drops elements with probability `ratio` and divides the others by 1 − ratio, in training mode; each mini-batch has
   * its own mask. `predict` drops nothing, and `model.toBytes({ inference: true })` writes the model without dropout.
   */
  dropout(x: Value, ratio = 0.5): Value {
    if (!(typeof ratio === 'number' && ratio >= 0 && ratio < 1))
      wrong('dropout', `ratio must be in [0, 1), got ${show(ratio)}.`);
    const part = this.scalar(ratio, this.floatTypeOf(x));
    return this.op('Dropout', [x, part, this.once('training', () => this.constant(DType.BOOL, [], [1]))]);
  }

  /**
   * Takes the maximum of each window of `size` along the axes after the channels; windows do not overlap
   * unless `stride` is smaller.
   */
  maxPool(x: Value, size: number, stride = size): Value {
    checkSize('maxPool', 'the window', size);
    checkSize('maxPool', 'stride', stride);
    const axes = this.rank(x) - 2;
    const all = (value: number) => Array<number>(axes).fill(value);
    return this.largest(x, { kernel_shape: all(size), strides: all(stride) });
  }

  /** Takes the mean over all axes after the channels: `[N, channels]`. */
  globalAveragePool(x: Value): Value {
    const axes = Array.from({ length: this.rank(x) - 2 }, (_, i) => i + 2);
    return this.mean(x, axes, false);
  }

  /** Flattens each sample: `[N, …] → [N, features]`. */
  override flatten(x: Value): Value {
    this.checkKnown('flatten', x);
    return super.flatten(x);
  }

  /** x·Φ(x), computed with the error function. */
  gelu(x: Value): Value {
    this.checkKnown('gelu', x);
    return this.mul(0.5, x, this.add(this.erf(this.mul(x, Math.SQRT1_2)), 1));
  }

  /** eˣ divided by its sum along an axis. */
  override softmax(x: Value, axis = -1): Value {
    if (!(typeof axis === 'number' && Number.isInteger(axis)))
      wrong('softmax', `axis must be a whole number, got ${show(axis)}.`);
    this.checkKnown('softmax', x);
    return super.softmax(x, axis);
  }

  /** Returns the name of the next layer of a kind. */
  #layer(kind: string): string {
    for (let number = 1; ; number++) {
      const name = `${kind}_${number}`;
      if (!this.has(`${name}.weight`)) return name;
    }
  }

  /** Checks the names of a layer's tensors before any of them is added. @throws OnnxError if one is taken */
  #checkTensors(where: string, name: string, ...tensors: readonly string[]): void {
    for (const tensor of tensors) this.checkNew(where, `${name}.${tensor}`);
  }

  /** Returns the size of an axis, which determines the shape of a layer's weights. */
  #size(where: string, x: Value, axis: number): number {
    this.checkKnown(where, x);
    const size = this.shapeOf(x)?.at(axis);
    if (typeof size === 'number') return size;
    return wrong(where, `the size of axis ${axis} of ${show(x)}, [${this.#shown(x)}], must be known.`);
  }

  #shown(x: Value): string {
    return this.shapeOf(x)?.join(', ') ?? 'of unknown rank';
  }
}

/**
 * Starts a network, built with the methods of {@link Network}, without Python or an exporter.
 *
 * @throws RangeError naming every wrong option
 *
 * @example
 * ```js
 * import * as ort from 'onnxruntime-node';
 * import { graph, trainable } from 'quasi-newton/onnx';
 *
 * const g = graph({ seed: 1 });
 * const x = g.input('x', ['N', 2]);
 * const hidden = g.tanh(g.dense(x, 16));
 * g.output('y', g.dense(hidden, 1));
 * const model = await trainable(ort, g.toBytes(), { loss: 'mse' });
 * console.log(model.params.length); // 65
 * await model.dispose();
 * ```
 */
export const graph = (options: GraphOptions = {}): Network => new Network(options);
