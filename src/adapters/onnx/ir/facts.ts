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
export interface InferContext {
  readonly node: NodeProto;
  readonly attributes: Attributes;
  readonly has: (i: number) => boolean;
  readonly dtype: (i: number) => DType | undefined;
  readonly shape: (i: number) => Shape | undefined;
  /** The elements of input i, if they are known. */
  readonly contents: (i: number) => readonly Dimension[] | undefined;
  /** The elements of input i, if all are known numbers. */
  readonly integers: (i: number) => readonly number[] | undefined;
  readonly constant: (i: number) => TensorProto | undefined;
  /** The attribute `axis`, counted from the front of input 0. */
  readonly axis: (byDefault: number) => number | undefined;
  /** Types of the outputs of a graph inside the node, from those of its inputs. */
  readonly within: (graph: GraphProto, inputs: readonly TensorType[]) => TensorType[];
}

/** Infers the types of a node's outputs from its inputs; undefined where nothing can be inferred. */
export type InferRule = (c: InferContext) => readonly (TensorType | undefined)[] | undefined;

/** Infers the elements of a node's first output, an integer tensor, as a flat list. */
export type ContentRule = (c: InferContext) => readonly Dimension[] | undefined;

/** Returns a node as seen by an inference rule. */
export function inferContext(facts: Facts, node: NodeProto): InferContext {
  const attributes = attributesOf(node);
  const name = (i: number) => node.input[i] ?? '';
  const context: InferContext = {
    node,
    attributes,
    has: (i) => name(i) !== '',
    dtype: (i) => facts.types.get(name(i))?.dtype,
    shape: (i) => facts.types.get(name(i))?.shape,
    contents: (i) => facts.contents.get(name(i)),
    integers(i) {
      const contents = facts.contents.get(name(i));
      return contents?.every((element) => typeof element === 'number') ? contents : undefined;
    },
    constant: (i) => facts.constants.get(name(i)),
    axis(byDefault) {
      const rank = context.shape(0)?.length;
      return rank === undefined ? undefined : axisFrom(attributes.int('axis', byDefault), rank);
    },
    within(graph, inputs) {
      const { types, contents, constants, infer } = facts;
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
    },
  };
  return context;
}

/** Length of the longest integer tensor whose elements are tracked; shapes are shorter. */
export const LONGEST = 64;
