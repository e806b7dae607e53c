/**
 * Rules that write a node for many copies of a graph at once, for `passes/vmap.ts`.
 *
 * @module
 */
import { create } from '@bufbuild/protobuf';
import { NodeProtoSchema } from 'onnx-buf';
import type { GraphProto, NodeProto } from 'onnx-buf';
import { nodeAttributes, type Attributes, type AttributeValues } from './attributes.ts';
import type { Builder } from './builder.ts';
import { refuse } from './errors.ts';
import type { Value } from './graph.ts';
import { range, type Shape } from './shape.ts';
import type { DType } from './tensor.ts';

/** Input of a subgraph. */
export interface BodyInput {
  /** Sizes in one copy. */
  readonly shape: readonly number[];
  readonly dtype: DType;
  readonly isMapped: boolean;
}

/** Subgraph for all copies. */
export interface MappedBody {
  readonly graph: GraphProto;
  /** For each output, true if it differs between copies. */
  readonly differs: readonly boolean[];
}

/** Maps a subgraph; its outputs have the extra axis, except those for which `stays` returns true. */
export type MapBody = (
  body: GraphProto,
  inputs: readonly BodyInput[],
  stays?: (output: number) => boolean,
) => MappedBody;

/** A node that reads mapped values: those with an extra first axis, with one element for each copy of the graph. */
export interface MapContext {
  /** The graph of all copies, to which rules append. */
  readonly g: Builder;
  /** Number of copies. */
  readonly count: number;
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /** True if input i is mapped. */
  readonly isMapped: (i: number) => boolean;
  /** Input i in the graph of all copies: with the extra axis if it is mapped. */
  readonly value: (i: number) => Value;
  /** Sizes of input i in one copy. */
  readonly shape: (i: number) => readonly number[];
  /** Sizes of output k in one copy, by default the first. */
  readonly out: (k?: number) => readonly number[];
  /** Elements of an integer input that all copies share. */
  readonly integers: (i: number) => readonly number[];
  /** Type of a value in one copy. */
  readonly dtypeOf: (value: Value) => DType;
  /** Shape of a value in one copy, if known. */
  readonly shapeOf: (value: Value) => Shape | undefined;
  readonly mapBody: MapBody;
}

/** Writes a node for all copies; returns its outputs, each with the extra axis. */
export type MapRule = (c: MapContext) => readonly Value[];

/** Appends the node with other inputs and attributes. */
export function emit(
  { g, node }: MapContext,
  inputs: readonly Value[],
  changes: AttributeValues = {},
): readonly Value[] {
  const kept = node.attribute.filter(({ name }) => !(name in changes));
  const output = node.output.map((name) => (name === '' ? '' : g.fresh(node.opType)));
  const attribute = [...kept, ...nodeAttributes(changes)];
  const { opType, domain } = node;
  g.append(
    create(NodeProtoSchema, { opType, domain, name: output[0], input: [...inputs], output, attribute }),
  );
  return output;
}

/** Returns input i with the extra axis; repeated along it if all copies share the input. */
export function mapped(c: MapContext, i: number): Value {
  if (c.isMapped(i)) return c.value(i);
  return c.g.expand(c.value(i), [c.count, ...c.shape(i)]);
}

/**
 * Returns input i with `rank` axes after the extra one: missing ones, of size 1, come first. An input that all copies
 * share stays unchanged.
 */
export function aligned(c: MapContext, i: number, rank: number): Value {
  const shape = c.shape(i);
  if (!c.isMapped(i) || shape.length >= rank) return c.value(i);
  return c.g.reshape(c.value(i), [c.count, ...range(rank - shape.length).map(() => 1), ...shape]);
}

/** Refuses a node with mapped inputs other than those allowed. */
export function onlyMapped(c: MapContext, ...allowed: readonly number[]): void {
  const other = c.node.input.findIndex((_, i) => c.isMapped(i) && !allowed.includes(i));
  if (other >= 0) refuse(`it has no rule for samples in input ${other}.`);
}
