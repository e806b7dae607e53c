import type { GraphProto, NodeProto } from 'onnx-buf';
import { checkOptions, integerIn, objectWith, oneOf, show } from '../../../core/options.ts';
import { sizeOf } from '../../../core/layout.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import type { AttributeValues } from '../ir/attributes.ts';
import { Builder } from '../ir/builder.ts';
import { capturedBy, type Operand, type Value } from '../ir/graph.ts';
import type { Dimension, Shape } from '../ir/shape.ts';
import { DType, tensorOf, type TensorProto } from '../ir/tensor.ts';
import { inferNode } from '../ops/infer.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { prune } from '../passes/prune.ts';
import { encodeModel, type ExternalData, type Model } from '../ir/model.ts';
import { dtypes, isSize, type InputType } from '../inputTypes.ts';
import { editableModel, emptyModel, importDomains } from './editable.ts';
import { randomNumbers } from './random.ts';
import type { Precision } from '../../../core/problem.ts';

/** Options of {@link graph}. */
export interface GraphOptions {
  /** Seed of the random weights. @defaultValue `1` */
  readonly seed?: number;
  /**
   * Type of weights, and of inputs without a type of their own.
   *
   * @defaultValue `'float32'`, or that of the extended model
   */
  readonly precision?: Precision;
  /** An .onnx file to extend. @defaultValue none: the graph is empty */
  readonly extend?: Uint8Array;
  /**
   * Files with the external data of an extended model, by the location named in the model.
   *
   * @defaultValue none
   */
  readonly externalData?: ExternalData;
}

/** Element types of weights. */
export type FloatType = 'float32' | 'float64' | 'float16' | 'bfloat16';

const floats: Record<FloatType, DType> = {
  float32: DType.FLOAT,
  float64: DType.DOUBLE,
  float16: DType.FLOAT16,
  bfloat16: DType.BFLOAT16,
};

/** Throws an OnnxError that names what was wrong, and why. */
export const wrong = (what: string, reason: string): never => {
  throw new OnnxError([fault(`${what}: ${reason}`)]);
};

/** Removes the inputs of a graph that nothing reads, in place. */
function dropUnreadInputs(graph: GraphProto): void {
  const read = new Set(graph.node.flatMap((node) => [...node.input, ...capturedBy(node)]));
  for (const { name } of graph.output) read.add(name);
  graph.input = graph.input.filter(({ name }) => read.has(name));
}

/** A graph with named inputs, weights and outputs that is written as a file. */
export class ModelWriter extends Builder {
  readonly #random: () => number;
  /** Names of the tensors that {@link ModelWriter.weight} has added. */
  readonly drawn = new Set<Value>();
  readonly #values: Set<Value>;
  readonly #model: Model;
  #hasRemoved = false;

  /** Starts a graph. @throws OnnxError if the bytes to extend are not a model */
  constructor(options: GraphOptions = {}) {
    checkOptions('graph', options, {
      seed: integerIn(-(2 ** 31), 2 ** 32),
      precision: oneOf('float32', 'float64'),
      extend: { allowed: 'the bytes of an .onnx file', accepts: (value) => value instanceof Uint8Array },
      externalData: objectWith('an object of Uint8Arrays'),
    });
    const { seed = 1, precision, extend, externalData } = options;
    const model = extend === undefined ? emptyModel() : editableModel(extend, externalData);
    const own = extend === undefined ? DType.FLOAT : floatTypeIn(model.graph);
    const chosen = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
    super(model.graph, inferNode, precision === undefined ? own : chosen, [], '');
    this.#model = model;
    const { input, initializer, node } = model.graph;
    this.#values = new Set([...input, ...initializer].map(({ name }) => name));
    for (const { output } of node) for (const name of output) this.#values.add(name);
    this.#values.delete('');
    this.#random = randomNumbers(seed);
  }

  /** Names of the inputs, outputs and constant tensors. */
  get names(): { readonly inputs: Value[]; readonly outputs: Value[]; readonly weights: Value[] } {
    const { input, output, initializer } = this.proto;
    const [inputs, outputs, weights] = [input, output, initializer].map((all) => all.map(({ name }) => name));
    return { inputs, outputs, weights };
  }

  /**
   * Adds an input that is fed with data.
   *
   * @param shape - sizes; a string stands for a size that may vary, and equal strings are equal sizes: `['N',
   *   784]`
   * @param type - @defaultValue the precision of the graph
   * @throws OnnxError if the name is taken, or a size is invalid
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
   * @param type - @defaultValue the precision of the graph
   * @throws OnnxError if the name is taken, or the number of elements does not fit
   */
  weight(
    name: string,
    shape: readonly number[],
    values: ArrayLike<number> | ((index: number) => number) | number,
    type?: FloatType,
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
    this.drawn.add(name);
    const dtype = type === undefined ? this.float : floats[type];
    return this.addConstant(tensorOf(name, dtype, shape, elements));
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
   * Removes an output. Nodes and inputs that only this output needed are left out of the file.
   *
   * @throws OnnxError if there is no such output
   */
  removeOutput(name: string): void {
    const { output } = this.proto;
    const at = output.findIndex((each) => each.name === name);
    if (at < 0)
      wrong(
        'removeOutput',
        `there is no output ${show(name)}; the outputs are ${this.names.outputs.join(', ')}.`,
      );
    output.splice(at, 1);
    this.#hasRemoved = true;
  }

  /**
   * Writes the network as the bytes of an .onnx file, for `trainable`, `InferenceSession.create` or a file.
   *
   * @throws OnnxError if it has no output
   */
  toBytes(): Uint8Array {
    if (this.proto.output.length === 0)
      wrong('toBytes', "the network has no output; output('y', value) makes one.");
    const model = this.#model;
    prune(model.graph);
    if (this.#hasRemoved) dropUnreadInputs(model.graph);
    importDomains(model);
    return encodeModel(model);
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

  /** True if the graph has a value of this name. */
  has(name: string): boolean {
    return this.#values.has(name);
  }

  /** @throws OnnxError if the graph has no such value */
  protected checkKnown(where: string, value: Value): void {
    if (!this.#values.has(value))
      wrong(
        where,
        `the graph has no value ${show(value)}; methods take values that other methods of the same graph have returned.`,
      );
  }

  #checkNew(where: string, name: string): void {
    if (typeof name !== 'string' || name === '') wrong(where, `a name must be a string, got ${show(name)}.`);
    if (this.#values.has(name))
      wrong(where, `the graph already has a value ${show(name)}; choose another name.`);
  }
}
