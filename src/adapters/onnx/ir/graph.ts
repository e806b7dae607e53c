import { create } from '@bufbuild/protobuf';
import { TypeProtoSchema, ValueInfoProtoSchema } from 'onnx-buf';
import type { AttributeProto, GraphProto, NodeProto, ValueInfoProto } from 'onnx-buf';
import { OpWriter, type Operand, type Value } from '../../opWriter/opWriter.ts';
import type { OpAttributes } from '../../opWriter/attributes.ts';
import { noiseNameOf } from './convention.ts';
import { know, type Facts, type OpKnowledge } from './facts.ts';
import type { Draw, NoiseInput } from './noise.ts';
import { subgraphsOf, type AttributeValues } from './attributes.ts';
import { checkNode, checkNumbers, checkOperands, checkWhole } from './operands.ts';
import { namesIn, namesOf } from './names.ts';
import { identityNode, nodeOf } from './node.ts';
import { unknownDimension, type Dimension, type Shape, type TensorType } from './shape.ts';
import type { Platform } from './platform.ts';
import { DType, isFloat, numbersOf, tensorOf, type TensorProto } from './tensor.ts';
import type { Traits } from './traits.ts';

export type { Operand, Value };

/** A statistic of each batch that a BatchNormalization node in training mode averages over the batches. */
export interface BatchStatistic {
  /** The initializer of the running mean or variance. */
  readonly running: string;
  /** The batch's own mean or (biased) variance, `[C]`. */
  readonly batch: Value;
  /** running ← momentum·running + (1 − momentum)·batch. */
  readonly momentum: number;
}

/**
 * A graph under construction: new nodes are appended with unused names, and types, shapes and contents of
 * their results are inferred immediately.
 */
export abstract class Graph extends OpWriter implements Facts {
  readonly proto: GraphProto;
  readonly types = new Map<Value, TensorType>();
  readonly contents = new Map<Value, readonly Dimension[]>();
  readonly constants = new Map<Value, TensorProto>();
  /** Type of numbers without a typed operand. */
  readonly float: DType;
  /** Statistics of BatchNormalization nodes, added when these are lowered. */
  readonly statistics: BatchStatistic[] = [];
  /** True if random numbers are fed through inputs instead of drawn by nodes. */
  feedsNoise = false;
  /** Inputs for random numbers. */
  readonly noise: NoiseInput[] = [];
  /** Backend that will run the graph. */
  platform: Platform = 'cpu';
  /** True if gradients with respect to the weights of convolutions stay one node each: the graph is rewritten when opened. */
  keepsWeights = false;
  /** True for a graph inside a node. */
  inside = false;
  readonly infer: Facts['infer'];
  readonly knowledge: OpKnowledge;
  readonly #prefix: string;
  readonly #taken: Set<string>;
  readonly #memo = new Map<string, Value>();
  #count = 0;
  #inherited: readonly AttributeProto[] = [];

  /**
   * @param proto - the graph, extended in place
   * @param knowledge - types, shapes and contents of a node's outputs, and the traits of its op
   * @param float - type of numbers without a typed operand
   * @param coming - nodes that will be appended later, whose names must stay unused
   * @param prefix - prefix of all names created here
   */
  constructor(
    proto: GraphProto,
    knowledge: OpKnowledge,
    float: DType = DType.FLOAT,
    coming: readonly NodeProto[] = [],
    prefix = 'ad/',
  ) {
    super();
    this.#prefix = prefix;
    this.proto = proto;
    this.knowledge = knowledge;
    this.infer = knowledge.infer;
    this.float = float;
    for (const { name, type } of [...proto.valueInfo, ...proto.output, ...proto.input]) {
      if (type?.value.case === 'tensorType') {
        const { elemType, shape } = type.value.value;
        this.types.set(name, { dtype: elemType || undefined, shape: shape?.dim.map(dimensionOf) });
      }
    }
    for (const tensor of proto.initializer) know(this, tensor);
    for (const node of proto.node) this.infer(this, node);
    this.#taken = namesOf(coming, namesIn(proto));
  }

  override fresh(stem: string): string {
    let name;
    do name = `${this.#prefix}${stem}_${this.#count++}`;
    while (this.#taken.has(name));
    this.#taken.add(name);
    return name;
  }

  /** Returns the result of `make`, which is called once for each key. */
  once(key: string, make: () => Value): Value {
    const known = this.#memo.get(key);
    if (known !== undefined) return known;
    const value = make();
    this.#memo.set(key, value);
    return value;
  }

  override ops(
    op: string,
    inputs: readonly (Operand | undefined)[],
    attributes: AttributeValues = {},
    count = 1,
  ): Value[] {
    checkNode(op, inputs, attributes);
    const input = inputs.map((operand) =>
      typeof operand === 'number' ? this.scalar(operand, this.#typeAmong(inputs)) : (operand ?? ''),
    );
    while (input.at(-1) === '') input.pop();
    const output = this.outputsOf(op, count);
    const node = nodeOf(op, input, output, attributes);
    if (this.#inherited.length > 0) node.attribute.push(...this.#inherited);
    this.#inherited = [];
    this.append(node);
    return output;
  }

  /** Returns the type of the first operand that has one. */
  #typeAmong(operands: readonly (Operand | undefined)[]): DType | undefined {
    for (const operand of operands) {
      const dtype = typeof operand === 'string' ? this.types.get(operand)?.dtype : undefined;
      if (dtype !== undefined) return dtype;
    }
    return undefined;
  }

  /** Gives the next node attributes of another one, after its own. */
  inheriting(attributes: readonly AttributeProto[]): this {
    this.#inherited = attributes;
    return this;
  }

  override op(op: string, inputs: readonly (Operand | undefined)[], attributes: AttributeValues = {}): Value {
    return this.ops(op, inputs, attributes)[0];
  }

  protected override whole(op: string, operands: readonly Operand[], attributes?: OpAttributes): Value {
    this.requireOperands(op, operands);
    return this.op(op, operands, attributes);
  }

  /** Checks the operands of an op that has no optional ones; refuses if one is missing. */
  protected requireOperands(op: string, operands: readonly unknown[]): void {
    checkOperands(op, operands);
  }

  /** Appends a node made elsewhere. */
  append(node: NodeProto): void {
    this.infer(this, node);
    this.proto.node.push(node);
    for (const output of node.output) this.#taken.add(output);
  }

  /** Returns the node that produces a value; undefined for inputs and constants. */
  makerOf(value: Value): NodeProto | undefined {
    return this.proto.node.findLast(({ output }) => output.includes(value));
  }

  /** Returns the traits of the op that produces a value; undefined for inputs, constants and unknown ops. */
  traitsOf(value: Value): Traits | undefined {
    const maker = this.makerOf(value);
    return maker && this.knowledge.traitsOf(maker);
  }

  /** Returns output k of a node, and adds it if it is missing. */
  extraOutput(node: NodeProto, k: number): Value {
    const known = node.output[k];
    if (known) return known;
    const name = this.fresh(`${node.opType}_output`);
    while (node.output.length < k) node.output.push('');
    const before = node.output.map((output) => [output, this.types.get(output)] as const);
    node.output[k] = name;
    this.infer(this, node);
    // The other outputs keep the symbols of their sizes: new symbols would count as different sizes.
    for (const [output, type] of before) if (type !== undefined) this.types.set(output, type);
    return name;
  }

  /** Adds a tensor as an initializer, under its name. */
  addConstant(tensor: TensorProto): Value {
    this.proto.initializer.push(tensor);
    this.#taken.add(tensor.name);
    know(this, tensor);
    return tensor.name;
  }

  /** Adds a constant with this type and shape. */
  constant(dtype: DType, shape: readonly number[], values: ArrayLike<number>): Value {
    checkWhole('the shape of a constant', shape);
    checkNumbers(values, shape);
    return this.addConstant(tensorOf(this.fresh('constant'), dtype, shape, values));
  }

  /** Adds a constant scalar. */
  scalar(value: number, dtype: DType = this.float): Value {
    return this.once(`${value}:${dtype}`, () => this.constant(dtype, [], [value]));
  }

  override integers(values: readonly number[]): Value {
    checkWhole('a list of whole numbers', values);
    return this.once(`[${values.join()}]`, () => this.constant(DType.INT64, [values.length], values));
  }

  /** Returns the number in a value, if it is a constant of one element. */
  scalarOf(value: Value): number | undefined {
    const tensor = this.constants.get(value);
    if (tensor === undefined || tensor.dims.some((size) => size !== 1n)) return undefined;
    return numbersOf(tensor)[0];
  }

  /** Returns the elements of an integer value, if all are known beforehand. */
  integersOf(value: Value): readonly number[] | undefined {
    const elements = this.contents.get(value);
    return elements?.every((element) => typeof element === 'number') ? elements : undefined;
  }

  /** Returns the shape, if known beforehand; a name stands for a size that varies. */
  shapeOf(value: Value): Shape | undefined {
    return this.types.get(value)?.shape;
  }

  /** Returns the element type, if known. */
  dtypeOf(value: Value): DType | undefined {
    return this.types.get(value)?.dtype;
  }

  /** Returns true if a value can have a gradient: float32 or float64. */
  isFloat(value: Value): boolean {
    return isFloat(this.dtypeOf(value));
  }

  /** Adds a plain graph input. */
  addInput(name: string, dtype: DType, shape: Shape | undefined): Value {
    this.proto.input.push(valueInfo(name, dtype, shape));
    this.types.set(name, { dtype, shape: shape?.map((size) => size) });
    this.#taken.add(name);
    return name;
  }

  /**
   * Adds an input for random numbers, fed instead of drawn by the node.
   *
   * @param like - a value of the same shape, or the shape
   */
  addNoise({ output: [first] }: NodeProto, like: Value | readonly number[], dtype: DType, draw: Draw): Value {
    const wished = noiseNameOf(first);
    const name = this.#taken.has(wished) ? this.fresh(wished) : wished;
    const shape = typeof like === 'string' ? this.shapeOf(like) : like;
    this.noise.push({ name, dtype, shape, draw, like: typeof like === 'string' ? like : undefined });
    return this.addInput(name, dtype, shape);
  }

  /** Makes a value a graph output under `name`. */
  addOutput(name: string, value: Value): void {
    if (name !== value) this.append(identityNode(value, name));
    const { dtype, shape } = this.types.get(value) ?? {};
    this.proto.output.push(valueInfo(name, dtype ?? this.float, shape));
  }
}

function dimensionOf({
  value,
}: {
  value: { case: string | undefined; value?: bigint | string | undefined };
}): Dimension {
  if (value.case === 'dimValue' && Number(value.value) >= 0) return Number(value.value);
  return value.case === 'dimParam' && typeof value.value === 'string' && value.value !== ''
    ? value.value
    : unknownDimension();
}

/** Describes a graph's input or output; symbols of `unknownDimension` are left out. */
export function valueInfo(name: string, dtype: DType, shape: Shape | undefined): ValueInfoProto {
  const dim = shape?.map((size) => ({
    value:
      typeof size === 'number'
        ? { case: 'dimValue' as const, value: BigInt(size) }
        : size.startsWith('?')
          ? { case: undefined }
          : { case: 'dimParam' as const, value: size },
  }));
  const tensor = { elemType: dtype, ...(dim && { shape: { dim } }) };
  return create(ValueInfoProtoSchema, {
    name,
    type: create(TypeProtoSchema, { value: { case: 'tensorType', value: tensor } }),
  });
}

/** Returns the values of the surrounding graph that a node's subgraphs read, each once. */
export function capturedBy(node: NodeProto): readonly string[] {
  const bodies = subgraphsOf(node);
  return bodies.length === 0 ? [] : [...new Set(bodies.flatMap(freeIn))];
}

/** Returns the values that a node reads: its inputs, then the values of its graph that its subgraphs read. */
export const readBy = (node: NodeProto): readonly string[] =>
  subgraphsOf(node).length === 0 ? node.input : [...node.input, ...capturedBy(node)];

function freeIn(graph: GraphProto): string[] {
  const own = new Set(
    [...graph.input, ...graph.initializer, { name: '' }]
      .map(({ name }) => name)
      .concat(graph.node.flatMap(({ output }) => output)),
  );
  return graph.node
    .flatMap(readBy)
    .concat(graph.output.map(({ name }) => name))
    .filter((name) => !own.has(name));
}
