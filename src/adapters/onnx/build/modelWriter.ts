import type { GraphProto, NodeProto } from 'onnx-buf';
import { checkOptions, integerIn, oneOf, show } from '../../../core/options.ts';
import { sizeOf } from '../../../core/layout.ts';
import { fault, OnnxError, Refusal } from '../ir/errors.ts';
import type { AttributeValues } from '../ir/attributes.ts';
import { isStandard } from '../ir/domain.ts';
import { Builder } from '../ir/builder.ts';
import { readBy, type Operand, type Value } from '../ir/graph.ts';
import type { Dimension, Shape } from '../ir/shape.ts';
import { checkNode } from '../ir/operands.ts';
import { DType, tensorOf, type TensorProto } from '../ir/tensor.ts';
import { opKnowledge } from '../ops/infer.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { prune } from '../passes/prune.ts';
import { encodeModel, type ExternalData, type Model } from '../ir/model.ts';
import { externalDataRule } from '../options.ts';
import { dtypes, isSize, type InputType } from '../inputTypes.ts';
import { editableModel, emptyModel, importDomains } from './editable.ts';
import { randomNumbers } from './random.ts';
import { inOpset } from './simplerOps.ts';
import type { Precision } from '../../../core/problem.ts';

/** Options of {@link graph}. */
export interface GraphOptions {
  /** Seed of the random weights. @defaultValue `1` */
  readonly seed?: number | undefined;
  /**
   * Type of weights, and of inputs without a type of their own.
   *
   * @defaultValue `'float32'`, or that of the extended model
   */
  readonly precision?: Precision | undefined;
  /** An .onnx file to extend. @defaultValue none: the graph is empty */
  readonly extend?: Uint8Array | undefined;
  /**
   * Files with the external data of an extended model, by the location named in the model.
   *
   * @defaultValue none
   */
  readonly externalData?: ExternalData | undefined;
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

/** Calls a method; rethrows its refusals as OnnxErrors. */
function inWords<T>(what: string, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (error instanceof Refusal) return wrong(show(what).slice(1, -1), error.message);
    throw error;
  }
}

/** Removes the inputs of a graph that nothing reads, in place. */
function dropUnreadInputs(graph: GraphProto): void {
  const read = new Set(graph.node.flatMap(readBy));
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
  readonly #opset: number;
  #hasRemoved = false;

  /** Starts a graph. @throws OnnxError if the bytes to extend are not a model */
  constructor(options: GraphOptions = {}) {
    checkOptions('graph', options, {
      seed: integerIn(-(2 ** 31), 2 ** 32),
      precision: oneOf('float32', 'float64'),
      extend: { allowed: 'the bytes of an .onnx file', accepts: (value) => value instanceof Uint8Array },
      externalData: externalDataRule,
    });
    const { seed = 1, precision, extend, externalData } = options;
    const model = extend === undefined ? emptyModel() : editableModel(extend, externalData);
    const own = extend === undefined ? DType.FLOAT : floatTypeIn(model.graph);
    const chosen = precision === 'float64' ? DType.DOUBLE : DType.FLOAT;
    super(model.graph, opKnowledge, precision === undefined ? own : chosen, [], '');
    this.#model = model;
    this.#opset = Number(model.opsetImport.find(isStandard)?.version ?? 0);
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
    this.checkNew('input', name);
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
    this.checkNew('weight', name);
    const what = `weight ${show(name)}`;
    if (!Array.isArray(shape) || !shape.every((size) => Number.isSafeInteger(size) && size >= 1)) {
      const got = Array.isArray(shape) ? `[${shape.map(show).join(', ')}]` : show(shape);
      wrong(what, `its shape must be sizes ≥ 1, got ${got}.`);
    }
    const dtype = type === undefined ? this.float : floats[type];
    if (dtype === undefined)
      wrong(what, `its type must be one of ${Object.keys(floats).join(', ')}, got ${show(type)}.`);
    const size = sizeOf(shape);
    const elements = this.#elements(what, values, size);
    if (elements.length !== size) {
      wrong(
        `weight ${show(name)}`,
        `its shape [${shape.join(', ')}] has ${size} elements, got ${elements.length}.`,
      );
    }
    this.drawn.add(name);
    return this.addConstant(tensorOf(name, dtype, shape, elements));
  }

  /** Returns the elements of a weight: those given, those that a function returns, or random numbers up to a bound. */
  #elements(
    what: string,
    values: ArrayLike<number> | ((index: number) => number) | number,
    size: number,
  ): ArrayLike<number> {
    if (typeof values === 'function') {
      return Array.from({ length: size }, (_, i) => {
        const value: unknown = values(i);
        return typeof value === 'number'
          ? value
          : wrong(what, `element ${i} must be a number, got ${show(value)}.`);
      });
    }
    if (typeof values === 'number' && Number.isFinite(values))
      return Array.from({ length: size }, () => values * (2 * this.#random() - 1));
    if (!Array.isArray(values) && !ArrayBuffer.isView(values))
      return wrong(
        what,
        `its values must be a list of numbers, a function or a finite bound, got ${show(values)}.`,
      );
    const stranger = Array.isArray(values) ? values.findIndex((value) => typeof value !== 'number') : -1;
    if (stranger >= 0)
      wrong(
        what,
        `element ${stranger} must be a number, got ${show((values as readonly unknown[])[stranger])}.`,
      );
    return values as ArrayLike<number>;
  }

  /**
   * Makes a value an output of the model.
   *
   * @throws OnnxError if the graph has no such value, or the name is taken
   */
  output(name: string, value: Value): Value {
    this.checkKnown('output', value);
    if (name !== value) this.checkNew('output', name);
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
    return inWords(op, () => {
      checkNode(op, inputs, attributes);
      for (const input of inputs) if (typeof input === 'string') this.checkKnown(op, input);
      return inOpset(this, super.ops(op, inputs, attributes, count), this.#opset);
    });
  }

  override rank(x: Value): number {
    this.checkKnown('rank', x);
    return inWords('rank', () => super.rank(x));
  }

  protected override requireOperands(op: string, operands: readonly unknown[]): void {
    inWords(op, () => super.requireOperands(op, operands));
  }

  override floatTypeOf(x: Value): DType {
    this.checkKnown('value', x);
    return inWords('value', () => super.floatTypeOf(x));
  }

  override integers(values: readonly number[]): Value {
    return inWords('integers', () => super.integers(values));
  }

  override constant(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Value {
    return inWords('constant', () => super.constant(dtype, shape, values));
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

  /** Checks that the graph has a value. @throws OnnxError if not */
  protected checkKnown(where: string, value: Value): void {
    if (!this.#values.has(value))
      wrong(
        where,
        `the graph has no value ${show(value)}; methods take values that other methods of the same graph have returned.`,
      );
  }

  /** Checks the name of a new value. @throws OnnxError if it is not a string with at least one character, or is taken */
  protected checkNew(where: string, name: string): void {
    if (typeof name !== 'string' || name === '') wrong(where, `a name must be a string, got ${show(name)}.`);
    if (this.#values.has(name))
      wrong(where, `the graph already has a value ${show(name)}; choose another name.`);
  }
}
