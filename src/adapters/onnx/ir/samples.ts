import type { NodeProto } from 'onnx-buf';
import { refuse } from './errors.ts';
import { attributesOf, type Attributes } from './attributes.ts';
import type { Builder } from './builder.ts';
import type { Dimension, Shape } from './shape.ts';
import type { TensorProto } from './tensor.ts';

/** Symbol for the number of samples, once `freeBatch` has replaced the fixed size. */
export const batchSymbol = 'batch';

/** Axis along which a value's samples follow each other; each takes `inner` consecutive places. */
export interface Samples {
  readonly axis: number;
  readonly inner: number;
}

/** A node that reads samples. */
export interface SampleContext {
  readonly node: NodeProto;
  readonly attributes: Attributes;
  /** Axis of the samples in input i; undefined if the input is the same for all samples. */
  readonly of: (i: number) => Samples | undefined;
  readonly shape: (i: number) => Shape | undefined;
  /** Shape of the first output. */
  readonly out: Shape | undefined;
  readonly integers: (i: number) => readonly number[] | undefined;
  readonly contents: (i: number) => readonly Dimension[] | undefined;
  readonly constant: (i: number) => TensorProto | undefined;
}

/** Returns the axis of the samples in a node's outputs, one for all or one each; refuses it if samples interact. */
export type SampleRule = (c: SampleContext) => Samples | readonly Samples[];

/** Applies a rule to a node of a graph. */
export function samplesBy(
  rule: SampleRule,
  g: Builder,
  node: NodeProto,
  known: Pick<SampleContext, 'of' | 'shape' | 'out' | 'contents'>,
): readonly Samples[] {
  const found = rule({
    ...known,
    node,
    attributes: attributesOf(node),
    integers: (i) => g.integersOf(node.input[i] ?? ''),
    constant: (i) => g.constants.get(node.input[i] ?? ''),
  });
  return Array.isArray(found) ? found : [found as Samples];
}

/** Refuses a node in which samples interact. */
export const meet = (what: string) => refuse(`samples interact: ${what}.`);
/** Refuses a node whose shapes are not known well enough. */
export const unclear = () =>
  refuse('samples may interact here: the shapes are not known before the model runs.');

/** Returns the axis of the samples of the first input. */
export const samplesOfFirst = (c: SampleContext): Samples =>
  c.of(0) ?? refuse('the samples must come in through its first input.');
/** Returns the number of axes of input i. */
export const rankOfInput = (c: SampleContext, i: number): number => c.shape(i)?.length ?? unclear();

/** Returns the axis of the samples of the first input; no other input may hold any. */
export function onlyFirst(c: SampleContext): Samples {
  if (c.node.input.some((_, i) => i > 0 && c.of(i))) meet('its other inputs depend on them');
  return samplesOfFirst(c);
}

/** Returns the samples after the axes `gone` are removed, or kept with size 1. */
export const samplesWithout = (
  { axis, inner }: Samples,
  gone: readonly number[],
  keep: boolean,
): Samples => ({
  axis: keep ? axis : axis - gone.filter((other) => other < axis).length,
  inner,
});
