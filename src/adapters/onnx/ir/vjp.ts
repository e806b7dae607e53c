import type { NodeProto } from 'onnx-buf';
import type { Attributes } from './attributes.ts';
import type { Builder } from './builder.ts';
import type { Value } from './graph.ts';

/** A place where a graph can run. */
export type Platform = 'cpu' | 'wasm' | 'webgpu';

/** A node on the way of the gradient, as its rule sees it. */
export interface VjpContext {
  /** The graph that the rule appends the gradient to. */
  readonly g: Builder;
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /** Names of the inputs, `''` for one left out; then of what the graphs inside the node read of the one around. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Cotangent of the first output, zeros if nothing depends on it. */
  readonly dy: Value;
  /** Cotangents of all outputs; undefined for those that nothing depends on. */
  readonly dys: readonly (Value | undefined)[];
  /** True if a gradient with respect to input i is wanted. */
  readonly needs: (i: number) => boolean;
  /** The place where the gradient is to run; see `DifferentiateOptions.target`. */
  readonly platform: Platform;
  /**
   * Appends to another graph, one inside the node, how cotangents of its values make those of others.
   *
   * @param seeds - values of that graph and their cotangents
   * @param wrt - float values of that graph
   * @returns the cotangents of those in `wrt` that have any
   */
  readonly within: (
    body: Builder,
    seeds: readonly (readonly [Value, Value])[],
    wrt: readonly Value[],
  ) => ReadonlyMap<Value, Value>;
}

/**
 * The cotangent of each input; anything falsy where there is none, or none is wanted. An empty list says that no input
 * has any; a shorter one says nothing of the inputs that it leaves out, which are refused where they need one.
 */
export type Cotangents = readonly (Value | undefined | false)[];

/**
 * The vector-Jacobian product of one op: from the cotangents of a node's outputs to those of its inputs. Each
 * must have its input's shape. A rule that will not do a node throws what `refuse` throws.
 */
export type VjpRule = (context: VjpContext) => Cotangents;

/** The rule of an op whose result does not change, or only in jumps, as its inputs do. */
export const flat: VjpRule = () => [];
