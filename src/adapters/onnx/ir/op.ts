import type { NodeProto } from 'onnx-buf';
import type { TensorRole } from '../../../core/layout.ts';
import type { OpWriter } from '../../opWriter/opWriter.ts';
import type { Attributes } from './attributes.ts';
import type { Builder } from './builder.ts';
import type { ContentRule, InferRule } from './facts.ts';
import type { Value } from './graph.ts';
import type { SampleRule } from './samples.ts';
import type { TensorProto } from './tensor.ts';
import type { Traits } from './traits.ts';
import type { VjpRule } from './vjp.ts';
import type { MapRule } from './vmap.ts';

/** Writes a node in simpler ops: returns the values of its outputs, or undefined to leave the node as it is. */
export type Lowering = (
  g: Builder,
  node: NodeProto,
  attributes: Attributes,
) => readonly (Value | undefined)[] | undefined;

/**
 * Stage at which nodes are replaced by simpler ops: `'read'`, before parameters are chosen; `'lower'`, before gradients
 * are computed; `'float64'`, at the end, for nodes with float64 inputs for which ONNX Runtime has no kernel.
 */
export type Stage = 'read' | 'lower' | 'float64';

/** Role of a constant tensor in an op. */
export interface Role {
  readonly kind: TensorRole['kind'];
  readonly filterAxes?: readonly number[];
  /** Name of the role, such as "weight". */
  readonly name: string;
}

const role = (name: string, kind: Role['kind'], filterAxes: readonly number[] = []): Role => ({
  kind,
  name,
  ...(filterAxes.length > 0 && { filterAxes }),
});

/** The state of a recurrent layer before its first step. */
export const stateRole: Role = { kind: 'other', name: 'initial state' };

/** The role of weights, with the axes of their filters. */
export const weightRole = (...filterAxes: readonly number[]): Role => role('weight', 'weight', filterAxes);
export const biasRole: Role = role('bias', 'bias');
/** Makes a role whose name differs from its kind. */
export const roleNamed = role;

/** Roles by input; a function where they depend on attributes or on the tensor's rank. */
export type Roles =
  | Readonly<Record<number, Role>>
  | ((i: number, attributes: Attributes, rank: number) => Role);

/** A node of an older opset, and functions to convert it to opset 18. */
export interface UpgradeContext {
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /** The file's opset. */
  readonly from: number;
  /** Number of axes of a value, if known from the file. */
  readonly rankOf: (value: string) => number | undefined;
  /** The constant tensors of the file. */
  readonly constants: ReadonlyMap<string, TensorProto>;
  /** Adds constants, and returns their names. */
  readonly integers: (values: readonly number[]) => string;
  readonly floats: (values: readonly number[]) => string;
  readonly scalar: (value: number) => string;
  /** Removes attributes. */
  readonly drop: (...names: readonly string[]) => void;
  /** Inserts nodes before this one. */
  readonly before: OpWriter;
  /** Inserts a node after this one, whose output it takes over: `write` appends one that reads the value given. */
  readonly after: (write: (g: OpWriter, y: Value) => Value) => void;
}

/** Converts a node of an older opset to opset 18, in place. */
export type Upgrade = (context: UpgradeContext) => void;

/** Everything known about one op. */
export interface Op extends Traits {
  /** Types and shapes of the outputs. */
  readonly infer?: InferRule;
  /** Elements of the output, for small tensors of integers: shapes are computed in the graph. */
  readonly content?: ContentRule;
  /** Decompositions into simpler ops, by the stage at which nodes are replaced. */
  readonly as?: Readonly<Partial<Record<Stage, Lowering>>>;
  /** The gradient; absent if that of the simpler ops is used, or if there is none. */
  readonly vjp?: VjpRule;
  /** Writes a node for many copies of a graph at once; elementwise ops need no rule of their own. */
  readonly vmap?: MapRule;
  /** Roles of the inputs that hold a layer's parameters. */
  readonly roles?: Roles;
  /** Uses of inputs that are no parameters, though a simpler form of the op may look as if they were. */
  readonly uses?: Readonly<Record<number, string>>;
  /**
   * Inputs and outputs that may be integers with a derivative, by the straight-through estimator. An op with only outputs
   * quantizes; a derivative passes on to no other output of it.
   */
  readonly integers?: { readonly inputs?: readonly number[]; readonly outputs?: readonly number[] };
  /** Axis of the samples in the outputs; absent if samples may interact. */
  readonly samples?: SampleRule;
  /** `'count'` if the output contains the number of samples; `'fill'` if the op repeats values that many times. */
  readonly sizesOf?: 'count' | 'fill';
  /** Inputs that hold sizes or positions. */
  readonly sizes?: readonly number[];
  /** True if an element of the output depends only on the elements at its own place in the inputs, which broadcast. */
  readonly isElementwise?: boolean;
  /** True if computing the result takes longer than feeding it to another graph. */
  readonly isCostly?: boolean;
  /** When the op draws random numbers: in each run, or only in training mode. */
  readonly draws?: 'always' | 'training';
  /** Opset that the op belongs to from its first version on, if later than 18. */
  readonly since?: number;
  /** For an op whose meaning depends on the opset of the graph: the form of a node that would be misread there. */
  readonly inOpset?: (opset: number) => Lowering;
  /** Conversion from opsets before 18. */
  readonly upgrade?: Upgrade;
}

/** Ops by the name that `opKey` returns. */
export type OpTable = Readonly<Record<string, Op>>;
