import type { NodeProto } from 'onnx-buf';
import type { Attributes } from './attributes.ts';
import type { Builder } from './builder.ts';
import type { Value } from './graph.ts';
import type { Platform } from './platform.ts';

/** A node on the path of the gradient, as seen by its rule. */
export interface VjpContext {
  /** The graph that the rule appends the gradient to. */
  readonly g: Builder;
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /**
   * Names of the inputs, `''` for an omitted one; then those of the outer values that subgraphs of the node
   * read.
   */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Cotangent of the first output, zeros if nothing depends on it. */
  readonly dy: Value;
  /** Cotangents of all outputs; undefined for those that nothing depends on. */
  readonly dys: readonly (Value | undefined)[];
  /** Returns true if a gradient with respect to input i is needed. */
  readonly needs: (i: number) => boolean;
  /** Platform on which the gradient will run; see `DifferentiateOptions.target`. */
  readonly platform: Platform;
  /**
   * Appends the backward computation to a subgraph of the node: from cotangents of some of its values to
   * those of others.
   *
   * @param seeds - values of that graph and their cotangents
   * @param wrt - float values of that graph
   * @returns the cotangents of those in `wrt` that have one
   */
  readonly within: (
    body: Builder,
    seeds: readonly (readonly [Value, Value])[],
    wrt: readonly Value[],
  ) => ReadonlyMap<Value, Value>;
}

/**
 * The cotangent of each input; a falsy value if there is none, or none is needed. An empty list means that no
 * input has one. If a list is too short, the inputs it omits are refused if they need one.
 */
export type Cotangents = readonly (Value | undefined | false)[];

/**
 * The vector-Jacobian product of one op: from the cotangents of a node's outputs to those of its inputs. Each
 * must have the shape of its input. A rule rejects a node with `refuse`.
 */
export type VjpRule = (context: VjpContext) => Cotangents;

/** The rule of an op whose result is constant or piecewise constant in its inputs. */
export const flat: VjpRule = () => [];
