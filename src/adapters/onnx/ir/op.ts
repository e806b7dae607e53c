import type { NodeProto } from 'onnx-buf';
import type { TensorRole } from '../../../core/layout.ts';
import type { Attributes, AttributeValues } from './attributes.ts';
import type { Builder } from './builder.ts';
import type { ContentRule, InferRule } from './facts.ts';
import type { Value } from './graph.ts';
import type { SampleRule } from './samples.ts';
import type { TensorProto } from './tensor.ts';
import type { VjpRule } from './vjp.ts';

/** Writes a node in simpler ops: returns the values of its outputs, or undefined to leave the node as it is. */
export type Lowering = (
  g: Builder,
  node: NodeProto,
  attributes: Attributes,
) => readonly (Value | undefined)[] | undefined;

/**
 * A time at which nodes are written in simpler ops: `'read'`, before parameters are chosen; `'lower'`, before gradients
 * are taken; `'float64'`, at the end, nodes with float64 inputs that ONNX Runtime has no kernel for.
 */
export type Stage = 'read' | 'lower' | 'float64';

/** The part that a constant tensor plays in an op. */
export interface Role {
  readonly kind: TensorRole['kind'];
  readonly filterAxes?: readonly number[];
  /** A word for it, such as "weight". */
  readonly name: string;
}

const role = (name: string, kind: Role['kind'], filterAxes: readonly number[] = []): Role => ({
  kind,
  name,
  ...(filterAxes.length > 0 && { filterAxes }),
});

/** The role of weights, with the axes of their filters. */
export const weightRole = (...filterAxes: readonly number[]): Role => role('weight', 'weight', filterAxes);
export const biasRole: Role = role('bias', 'bias');
/** The role of another name than its kind. */
export const roleNamed = role;

/** Roles by input; a function where they depend on attributes or on the tensor's rank. */
export type Roles =
  | Readonly<Record<number, Role>>
  | ((i: number, attributes: Attributes, rank: number) => Role);

/** A node of an older opset, and the means to bring it to opset 18. */
export interface UpgradeContext {
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /** The file's opset. */
  readonly from: number;
  /** Number of axes of a value, if the file tells. */
  readonly rankOf: (value: string) => number | undefined;
  /** The constant tensors of the file. */
  readonly constants: ReadonlyMap<string, TensorProto>;
  /** Adds constants, and returns their names. */
  readonly integers: (values: readonly number[]) => string;
  readonly floats: (values: readonly number[]) => string;
  readonly scalar: (value: number) => string;
  /** Removes attributes. */
  readonly drop: (...names: readonly string[]) => void;
  /** Puts a node before this one, and returns its output. */
  readonly before: (op: string, inputs: readonly string[], attributes?: AttributeValues) => string;
  /** Puts a node after this one, which takes over its output. */
  readonly after: (op: string, inputs: readonly string[], attributes?: AttributeValues) => void;
}

/** Brings a node of an older opset to opset 18, in place. */
export type Upgrade = (context: UpgradeContext) => void;

/** All that is known of one op. */
export interface Op {
  /** Types and shapes of the outputs. */
  readonly infer?: InferRule;
  /** Elements of the output, for small tensors of integers: shapes are computed in the graph. */
  readonly content?: ContentRule;
  /** The op in simpler ops, by the stage at which nodes are replaced. */
  readonly as?: Readonly<Partial<Record<Stage, Lowering>>>;
  /** The gradient; absent where that of the simpler ops is used, or none exists. */
  readonly vjp?: VjpRule;
  /** Inputs that a layer's parameters stand in. */
  readonly roles?: Roles;
  /** The way in which a constant operand acts on the other, for arithmetic that may apply a bias or a scale. */
  readonly operand?: 'added' | 'subtracted' | 'factor' | 'divisor';
  /**
   * For an op that hands on the elements of its first input: `'all'` of them as they are, `'some'` of them or moved; or
   * those of every input, `'joined'`.
   */
  readonly carries?: 'all' | 'some' | 'joined';
  /** Place of the samples in the output; absent where it is not known whether samples meet. */
  readonly samples?: SampleRule;
  /** `'count'` for an op whose output tells the number of samples; `'fill'` if it repeats values so many times. */
  readonly sizesOf?: 'count' | 'fill';
  /** Inputs that spell sizes and positions. */
  readonly sizes?: readonly number[];
  /** Inputs that are float32 whatever the op computes in. */
  readonly float32?: readonly number[];
  /** Conversion from opsets before 18. */
  readonly upgrade?: Upgrade;
}

/** Ops by name, as `opKey` gives it. */
export type OpTable = Readonly<Record<string, Op>>;
