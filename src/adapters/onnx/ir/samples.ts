import type { NodeProto } from 'onnx-buf';
import { refuse } from './errors.ts';
import type { Attributes } from './attributes.ts';
import type { Dimension, Shape } from './shape.ts';
import type { TensorProto } from './tensor.ts';

/** Name of the size that is freed, the number of samples. */
export const batchSymbol = 'batch';

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
export const samplesOfFirst = (c: SampleContext): Samples =>
  c.of(0) ?? refuse('samples come in by another input than the first.');
/** Returns the number of axes of input i. */
export const rankOfInput = (c: SampleContext, i: number): number => c.shape(i)?.length ?? unclear();

/** Returns the axis of the samples of the first input; no other input may hold any. */
export function onlyFirst(c: SampleContext): Samples {
  if (c.node.input.some((_, i) => i > 0 && c.of(i))) meet('they are not in its first input alone');
  return samplesOfFirst(c);
}

/** Takes axes out of a shape, or leaves them as 1. */
export const samplesWithout = (
  { axis, inner }: Samples,
  gone: readonly number[],
  keep: boolean,
): Samples => ({
  axis: keep ? axis : axis - gone.filter((other) => other < axis).length,
  inner,
});
