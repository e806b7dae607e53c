import type { GraphProto, NodeProto } from 'onnx-buf';
import { attributesOf, type Attributes } from './attributes.ts';
import { axisFrom, type Dimension, type Shape, type TensorType } from './shape.ts';
import { DType, numbersOf, shapeOf, type TensorProto } from './tensor.ts';
import type { TraitsOf } from './traits.ts';

/** Everything known about a graph's values before it runs. */
export interface Facts {
  readonly types: Map<string, TensorType>;
  /** Elements of small integer tensors: numbers, or symbols for sizes that are not known. */
  readonly contents: Map<string, readonly Dimension[]>;
  readonly constants: Map<string, TensorProto>;
  /** Records what can be inferred about a node's outputs. */
  readonly infer: (facts: Facts, node: NodeProto) => void;
}

/** The part of the ops' entries that a graph reads. */
export interface OpKnowledge {
  /** Records what can be inferred about a node's outputs. */
  readonly infer: Facts['infer'];
  readonly traitsOf: TraitsOf;
}

/** Records a constant tensor in `facts`, under its name. */
export function know(facts: Facts, tensor: TensorProto): void {
  const { name, dataType } = tensor;
  const shape = shapeOf(tensor);
  facts.types.set(name, { dtype: dataType, shape });
  facts.constants.set(name, tensor);
  const integral = dataType === DType.INT64 || dataType === DType.INT32 || dataType === DType.BOOL;
  const small = shape.length === 0 || (shape.length === 1 && shape[0] <= LONGEST);
  if (integral && small) facts.contents.set(name, numbersOf(tensor));
}

/** A node as seen by an inference rule. */
export class InferContext {
  readonly node: NodeProto;
  private readonly facts: Facts;
  private read: Attributes | undefined;

  constructor(facts: Facts, node: NodeProto) {
    this.node = node;
    this.facts = facts;
  }

  /** The node's attributes; their reader is made when a rule asks for it. */
  get attributes(): Attributes {
    return (this.read ??= attributesOf(this.node));
  }
  has(i: number): boolean {
    return this.name(i) !== '';
  }
  dtype(i: number): DType | undefined {
    return this.facts.types.get(this.name(i))?.dtype;
  }
  shape(i: number): Shape | undefined {
    return this.facts.types.get(this.name(i))?.shape;
  }
  /** The elements of input i, if they are known. */
  contents(i: number): readonly Dimension[] | undefined {
    return this.facts.contents.get(this.name(i));
  }
  /** The elements of input i, if all are known numbers. */
  integers(i: number): readonly number[] | undefined {
    const contents = this.contents(i);
    return contents?.every((element) => typeof element === 'number') ? contents : undefined;
  }
  constant(i: number): TensorProto | undefined {
    return this.facts.constants.get(this.name(i));
  }
  /** The attribute `axis`, counted from the front of input 0. */
  axis(byDefault: number): number | undefined {
    const rank = this.shape(0)?.length;
    return rank === undefined ? undefined : axisFrom(this.attributes.int('axis', byDefault), rank);
  }
  /** Types of the outputs of a graph inside the node, from those of its inputs. */
  within(graph: GraphProto, inputs: readonly TensorType[]): TensorType[] {
    const { types, contents, constants, infer } = this.facts;
    const inner: Facts = {
      types: new Map(types),
      contents: new Map(contents),
      constants: new Map(constants),
      infer,
    };
    graph.input.forEach(({ name }, i) => inner.types.set(name, inputs[i] ?? {}));
    for (const tensor of graph.initializer) know(inner, tensor);
    for (const each of graph.node) infer(inner, each);
    return graph.output.map(({ name }): TensorType => inner.types.get(name) ?? {});
  }
  /** Returns the same node with other types or shapes of its inputs. */
  with(types: Partial<Pick<InferContext, 'dtype' | 'shape'>>): InferContext {
    return Object.assign(new InferContext(this.facts, this.node), types);
  }
  private name(i: number): string {
    return this.node.input[i] ?? '';
  }
}

/** Infers the types of a node's outputs from its inputs; undefined where nothing can be inferred. */
export type InferRule = (c: InferContext) => readonly (TensorType | undefined)[] | undefined;

/** Infers the elements of a node's first output, an integer tensor, as a flat list. */
export type ContentRule = (c: InferContext) => readonly Dimension[] | undefined;

/** Length of the longest integer tensor whose elements are tracked; shapes are shorter. */
export const LONGEST = 64;
