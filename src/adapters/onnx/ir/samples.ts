import type { NodeProto } from 'onnx-buf';
import { refuse } from './errors.ts';
import type { Attributes } from './attributes.ts';
import type { Dimension, Shape } from './shape.ts';
import type { TensorProto } from './tensor.ts';

/** The axis along which the samples of a value lie one after the other, each with `inner` places. */
export interface Samples {
  readonly axis: number;
  readonly inner: number;
}

/** A node that reads samples. */
export interface SampleContext {
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /** Axis of the samples in input i; undefined if it is the same for all. */
  readonly of: (i: number) => Samples | undefined;
  readonly shape: (i: number) => Shape | undefined;
  /** Shape of the first output. */
  readonly out: Shape | undefined;
  readonly integers: (i: number) => readonly number[] | undefined;
  readonly contents: (i: number) => readonly Dimension[] | undefined;
  readonly constant: (i: number) => TensorProto | undefined;
}

/** Axis of the samples in a node's outputs, one for all or one for each; refused where samples meet. */
export type SampleRule = (c: SampleContext) => Samples | readonly Samples[];

/** Refuses a node in which samples meet. */
export const meet = (what: string) => refuse(`samples meet: ${what}.`);
/** Refuses a node of which too little is known. */
export const unclear = () =>
  refuse('it is not known whether samples meet here: shapes are not known beforehand.');

/** Returns the axis of the samples of the first input. */
export const first = (c: SampleContext): Samples =>
  c.of(0) ?? refuse('samples come in by another input than the first.');
export const rankOf = (c: SampleContext, i: number): number => c.shape(i)?.length ?? unclear();

/** Returns the axis of the samples of the first input; no other input may hold any. */
export function onlyFirst(c: SampleContext): Samples {
  if (c.node.input.some((_, i) => i > 0 && c.of(i))) meet('they are not in its first input alone');
  return first(c);
}
