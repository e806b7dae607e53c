import { create } from '@bufbuild/protobuf';
import { GraphProtoSchema, ModelProtoSchema, OperatorSetIdProtoSchema } from 'onnx-buf';
import type { NodeProto } from 'onnx-buf';
import { checkOptions, integerIn, oneOf, show } from '../../../core/options.ts';
import { sizeOf } from '../../../core/layout.ts';
import { fault, OnnxError } from '../errors.ts';
import type { AttributeValues } from '../graph/attributes.ts';
import { Builder } from '../graph/builder.ts';
import type { Operand, Value } from '../graph/graph.ts';
import type { Dimension, Shape } from '../graph/shape.ts';
import { DType, tensorOf, type TensorProto } from '../graph/tensor.ts';
import { encodeModel, type Model } from '../proto.ts';
import { randomNumbers } from './random.ts';
import type { Precision } from '../../../core/problem.ts';

/** Options of {@link graph}. */
export interface GraphOptions {
  /** Of the weights that are drawn. @defaultValue `1` */
  readonly seed?: number;
  /** Type of weights, and of inputs that say no other. @defaultValue `'float32'` */
  readonly precision?: Precision;
}

/** Element types of an input, as ONNX Runtime names them. */
export type InputType = 'float32' | 'float64' | 'int64' | 'int32' | 'bool' | 'uint8';

const dtypes: Record<InputType, DType> = {
  float32: DType.FLOAT,
  float64: DType.DOUBLE,
  int64: DType.INT64,
  int32: DType.INT32,
  bool: DType.BOOL,
  uint8: DType.UINT8,
};

/** Opset and version of the format that {@link ModelWriter.toBytes} writes. */
const OPSET = 18n;
const IR_VERSION = 8n;

/** True for a size, or the name of one that may vary. */
const isSize = (size: unknown): boolean =>
  (typeof size === 'string' && size !== '') || (Number.isInteger(size) && Number(size) >= 0);

const opset = (domain: string, version: bigint) => create(OperatorSetIdProtoSchema, { domain, version });

export const wrong = (what: string, reason: string): never => {
  throw new OnnxError([fault(`${what}: ${reason}`)]);
};

/** A graph with named inputs, weights and outputs that is written as a file. */
export class ModelWriter extends Builder {
  readonly #random: () => number;
  readonly #values = new Set<Value>();

  constructor(options: GraphOptions = {}) {
    checkOptions('graph', options, {
      seed: integerIn(-(2 ** 31), 2 ** 32),
      precision: oneOf('float32', 'float64'),
    });
    const { seed = 1, precision = 'float32' } = options;
    const float = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
    super(create(GraphProtoSchema, { name: 'network' }), float, [], '');
    this.#random = randomNumbers(seed);
  }

  /**
   * Adds an input that is fed with data.
   *
   * @param shape - sizes; a string is one that may vary, and equal strings are equal sizes: `['N', 784]`
   * @param type - @defaultValue the precision of the graph
   * @throws OnnxError if the name is taken, or a size is none
   */
  input(name: string, shape: readonly Dimension[], type?: InputType): Value {
    this.#checkNew('input', name);
    if (!Array.isArray(shape) || !shape.every(isSize)) {
      wrong(
        `input ${show(name)}`,
        `its shape must be a list of sizes and names of sizes, got [${String(shape)}].`,
      );
    }
    const dtype = type === undefined ? this.float : dtypes[type];
    if (dtype === undefined) {
      wrong(
        `input ${show(name)}`,
        `its type must be one of ${Object.keys(dtypes).join(', ')}, got ${show(type)}.`,
      );
    }
    return this.addInput(name, dtype, shape);
  }

  /**
   * Adds a tensor of weights.
   *
   * @param values - its elements, a function of their index, or a bound b: uniform in ±b
   * @throws OnnxError if the name is taken, or the number of elements is another one
   */
  weight(
    name: string,
    shape: readonly number[],
    values: ArrayLike<number> | ((index: number) => number) | number,
  ): Value {
    this.#checkNew('weight', name);
    const size = sizeOf(shape);
    if (!Number.isInteger(size) || size < 1) {
      wrong(`weight ${show(name)}`, `its shape must be sizes ≥ 1, got [${shape.join(', ')}].`);
    }
    const elements =
      typeof values === 'object'
        ? values
        : Array.from({ length: size }, (_, i) =>
            typeof values === 'function' ? values(i) : values * (2 * this.#random() - 1),
          );
    if (elements.length !== size) {
      wrong(
        `weight ${show(name)}`,
        `its shape [${shape.join(', ')}] has ${size} elements, got ${elements.length}.`,
      );
    }
    return this.addConstant(tensorOf(name, this.float, shape, elements));
  }

  /**
   * Makes a value an output of the model.
   *
   * @throws OnnxError if the graph has no such value, or the name is taken
   */
  output(name: string, value: Value): Value {
    this.checkKnown('output', value);
    if (name !== value) this.#checkNew('output', name);
    this.addOutput(name, value);
    return name;
  }

  /**
   * Writes the network as the bytes of an .onnx file, for `trainable`, `InferenceSession.create` or a file.
   *
   * @throws OnnxError if it has no output
   */
  toBytes(): Uint8Array {
    if (this.proto.output.length === 0)
      wrong('toBytes', "the network has no output; output('y', value) makes one.");
    const domains = [
      ...new Set(this.proto.node.map(({ domain }) => domain).filter((domain) => domain !== '')),
    ];
    const opsetImport = [opset('', OPSET), ...domains.map((domain) => opset(domain, 1n))];
    const model = create(ModelProtoSchema, { irVersion: IR_VERSION, opsetImport, graph: this.proto });
    return encodeModel(model as Model);
  }

  override ops(
    op: string,
    inputs: readonly (Operand | undefined)[],
    attributes: AttributeValues = {},
    count = 1,
  ): Value[] {
    for (const input of inputs) if (typeof input === 'string') this.checkKnown(op, input);
    return super.ops(op, inputs, attributes, count);
  }

  override append(node: NodeProto): void {
    super.append(node);
    for (const output of node.output) this.#values.add(output);
  }

  override addInput(name: string, dtype: DType, shape: Shape | undefined): Value {
    this.#values.add(name);
    return super.addInput(name, dtype, shape);
  }

  override addConstant(tensor: TensorProto): Value {
    this.#values.add(tensor.name);
    return super.addConstant(tensor);
  }

  /** @throws OnnxError if the graph has no such value */
  protected checkKnown(where: string, value: Value): void {
    if (!this.#values.has(value))
      wrong(
        where,
        `the graph has no value ${show(value)}; verbs take what other verbs of the same graph have returned.`,
      );
  }

  #checkNew(where: string, name: string): void {
    if (typeof name !== 'string' || name === '') wrong(where, `a name must be a string, got ${show(name)}.`);
    if (this.#values.has(name))
      wrong(where, `the graph has a value ${show(name)} already; choose another name.`);
  }
}
