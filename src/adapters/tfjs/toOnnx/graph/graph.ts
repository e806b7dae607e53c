import { floatAttributes, type OpAttributes } from '../../../opWriter/attributes.ts';
import { OpWriter, type Operand } from '../../../opWriter/opWriter.ts';
import { message, type Field } from './protobuf.ts';

/** Operator set of the graph. */
const OPSET = 17;
/** Version of the file format for this operator set. */
const IR_VERSION = 8;

/** A dimension; null if known only when the model runs. */
export type Dimension = number | null;

/** A value of the graph. */
export interface Value {
  readonly name: string;
  /** Shape as in TensorFlow.js, with channels last. */
  readonly shape: readonly Dimension[];
  /** True if the value in the graph has channels first, `[batch, channels, …]`. */
  readonly isChannelsFirst: boolean;
}

/** Element types of ONNX by those of TensorFlow.js. */
const elementTypes: Readonly<Record<string, number>> = { float32: 1, int32: 6, int64: 7, bool: 9 };

/**
 * Use of a graph: a file in the layout of ONNX, or training or inference, where weights keep the layout of
 * TensorFlow.js.
 */
export type GraphUse = 'file' | 'training' | 'inference';

/** An input of random numbers that a layer needs in training. */
export interface NoiseInput {
  readonly name: string;
  /** Shape as in TensorFlow.js; null for the batch. */
  readonly shape: readonly Dimension[];
  /** Fills the array with the random numbers of one step; `random` is uniform in [0, 1). */
  readonly fill: (values: Float32Array, random: () => number) => void;
}

/** An ONNX graph under construction. */
export class OnnxGraph extends OpWriter {
  readonly use: GraphUse;
  /** Random inputs, in the order of the layers. */
  readonly noise: NoiseInput[] = [];
  /** Number of time loops around the current layer. */
  timeLoops = 0;
  private readonly isFed: (key: unknown) => boolean;
  private readonly nodes: Uint8Array[] = [];
  private readonly initializers: Uint8Array[] = [];
  /** Names of initializers by key. */
  private readonly keys = new Map<unknown, string>();
  private readonly inputs: Uint8Array[] = [];
  private readonly outputs: Uint8Array[] = [];
  private readonly names = new Set<string>();
  /** Moving means of the BatchNorms so far. */
  private readonly normalized = new Set<string>();
  private readonly moved = new Map<string, Value>();

  /**
   * Starts a graph.
   *
   * @param isFed - true for the keys of weights that are inputs instead of initializers
   */
  constructor(use: GraphUse = 'file', isFed: (key: unknown) => boolean = () => false) {
    super();
    this.use = use;
    this.isFed = isFed;
  }

  override fresh(stem: string): string {
    let name = stem;
    for (let k = 1; this.names.has(name); k++) name = `${stem}_${k}`;
    this.names.add(name);
    return name;
  }

  override ops(
    op: string,
    operands: readonly (Operand | undefined)[],
    attributes: OpAttributes = {},
    count = 1,
  ): string[] {
    const inputs = operands.map((each) => (typeof each === 'number' ? this.constant(each) : (each ?? '')));
    while (inputs.at(-1) === '') inputs.pop();
    const outputs = this.outputsOf(op.toLowerCase(), count);
    const fields: Field[] = [
      [1, inputs],
      [2, outputs],
      [3, outputs[0]],
      [4, op],
      [5, Object.entries(attributes).flatMap(([name, value]) => attribute(name, value))],
    ];
    this.nodes.push(message(...fields));
    return outputs;
  }

  /**
   * Adds a float32 tensor to the file, named after `stem`; returns its name. Requested twice under one `key`,
   * it is written once.
   */
  weight(
    stem: string,
    values: () => ArrayLike<number>,
    dims: readonly number[],
    key: unknown = stem,
  ): string {
    const known = this.keys.get(key);
    if (known !== undefined) return known;
    const name = this.fresh(stem);
    this.keys.set(key, name);
    if (this.isFed(key)) this.inputs.push(valueInfo(name, 'float32', dims));
    else this.initializers.push(tensor(name, 'float32', dims, Float32Array.from(values())));
    return name;
  }

  /** Returns the name of the weight written under this key, if any. */
  weightName(key: unknown): string | undefined {
    return this.keys.get(key);
  }

  /** Records that a BatchNorm has used this mean; returns true if one already had. */
  isNormalized(movingMean: string): boolean {
    const known = this.normalized.has(movingMean);
    this.normalized.add(movingMean);
    return known;
  }

  /** Adds an input of random numbers; returns its name. */
  noiseInput(shape: readonly Dimension[], fill: NoiseInput['fill']): string {
    const name = this.fresh('noise');
    this.inputs.push(valueInfo(name, 'float32', shape));
    this.noise.push({ name, shape, fill });
    return name;
  }

  /** Adds a float32 constant: a scalar, or `[values.length]`. */
  constant(values: number | readonly number[], dims?: readonly number[]): string {
    const list = typeof values === 'number' ? [values] : values;
    const shape = dims ?? (typeof values === 'number' ? [] : [list.length]);
    return this.weight('constant', () => list, shape, `${shape.join('x')}: ${list.join(', ')}`);
  }

  override integers(values: readonly number[]): string {
    const key = `int64 ${values.join(', ')}`;
    const known = this.keys.get(key);
    if (known !== undefined) return known;
    const name = this.fresh('integers');
    this.keys.set(key, name);
    this.initializers.push(tensor(name, 'int64', [values.length], BigInt64Array.from(values, BigInt)));
    return name;
  }

  /** Returns the value with channels first, as convolutions need it, or last, as in TensorFlow.js. */
  withChannels(where: 'first' | 'last', value: Value): Value {
    const isChannelsFirst = where === 'first';
    if (value.isChannelsFirst === isChannelsFirst || value.shape.length < 3) return value;
    const known = this.moved.get(value.name);
    if (known) return known;
    const axes = value.shape.map((_, i) => i);
    const last = axes.length - 1;
    const perm = isChannelsFirst ? [0, last, ...axes.slice(1, last)] : [0, ...axes.slice(2), 1];
    const moved = { ...value, name: this.transpose(value.name, perm), isChannelsFirst };
    this.moved.set(value.name, moved);
    this.moved.set(moved.name, value);
    return moved;
  }

  input(name: string, dtype: string, shape: readonly Dimension[]): Value {
    this.names.add(name);
    this.inputs.push(valueInfo(name, dtype, shape));
    return { name, shape, isChannelsFirst: false };
  }

  output(name: string, value: Value): void {
    const { name: source, shape } = this.withChannels('last', value);
    this.naming(name).identity(source);
    this.outputs.push(valueInfo(name, 'float32', shape));
  }

  /** Returns the bytes of the file. */
  encode(name: string): Uint8Array {
    const graph = message(
      [1, this.nodes],
      [2, name],
      [5, this.initializers],
      [11, this.inputs],
      [12, this.outputs],
    );
    return message([1, IR_VERSION], [2, 'quasi-newton'], [7, graph], [8, message([1, ''], [2, OPSET])]);
  }
}

const dimension = (size: Dimension, i: number): Uint8Array =>
  size === null ? message([2, i === 0 ? 'batch' : `dim_${i}`]) : message([1, size]);

function valueInfo(name: string, dtype: string, shape: readonly Dimension[]): Uint8Array {
  const tensorType = message([1, elementTypes[dtype]], [2, message([1, shape.map(dimension)])]);
  return message([1, name], [2, message([1, tensorType])]);
}

function tensor(name: string, dtype: string, dims: readonly number[], data: ArrayBufferView): Uint8Array {
  const raw = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  return message([1, dims], [2, elementTypes[dtype]], [8, name], [9, raw]);
}

/** Field numbers of the attribute types. */
const FLOAT = 1;
const INT = 2;
const STRING = 3;
const INTS = 7;
const STRINGS = 8;

function attribute(name: string, value: OpAttributes[string]): Uint8Array[] {
  if (value === undefined) return [];
  if (typeof value === 'string') return [message([1, name], [4, value], [20, STRING])];
  if (typeof value === 'number') {
    const isFloat = floatAttributes.has(name);
    return [
      isFloat
        ? message([1, name], [2, { float: value }], [20, FLOAT])
        : message([1, name], [3, value], [20, INT]),
    ];
  }
  if (typeof value[0] === 'string') return [message([1, name], [9, value], [20, STRINGS])];
  return [message([1, name], [8, value], [20, INTS])];
}
