import type { Attributes } from '../ir/attributes.ts';
import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import type { Lowering, OpTable } from '../ir/op.ts';
import { DType } from '../ir/tensor.ts';

/** The classes that a loss compares predictions with. */
interface Classes {
  /** Class of each prediction, `[N, …]`. */
  readonly target: Value;
  /** A factor for each class, `[C]`. */
  readonly weight: Value | undefined;
  /** Class index to ignore. */
  readonly ignored: number | undefined;
}

/** Returns −w·log p of each prediction's class, and the weights w, 0 for ignored classes; `logs` are `[N, C, …]`. */
export function classLosses(
  g: Builder,
  logs: Value,
  { target, weight, ignored }: Classes,
  axis = 1,
): { readonly losses: Value; readonly weights: Value | undefined } {
  const classes = g.cast(target, DType.INT64);
  const counts = ignored === undefined ? undefined : g.not(g.equal(classes, ignored));
  const safe = counts ? g.where(counts, classes, 0) : classes;
  const picked = g.squeeze(g.gatherElements(logs, g.unsqueeze(safe, [axis]), axis), [axis]);
  const own = weight ? g.gather(weight, safe) : undefined;
  const weights = counts ? (own ? g.where(counts, own, 0) : g.mask(counts, logs)) : own;
  return { losses: g.neg(weights ? g.mul(picked, weights) : picked), weights };
}

/** Returns all losses, their sum, or their weighted mean. */
export function reduced(
  g: Builder,
  { losses, weights }: ReturnType<typeof classLosses>,
  reduction: string,
): Value {
  if (reduction === 'none') return losses;
  if (reduction === 'sum') return g.sumOfAll(losses);
  if (reduction !== 'mean') refuse(`reduction ${reduction} has no rule.`);
  return weights ? g.div(g.sumOfAll(losses), g.sumOfAll(weights)) : g.meanOfAll(losses);
}

const lossOf = (g: Builder, logs: Value, target: Value, weight: Value | undefined, attributes: Attributes) =>
  reduced(
    g,
    classLosses(g, logs, {
      target,
      weight: weight || undefined,
      ignored: attributes.has('ignore_index') ? attributes.int('ignore_index', 0) : undefined,
    }),
    attributes.string('reduction', 'mean'),
  );

const negativeLogLikelihood: Lowering = (g, { input: [logs, target, weight] }, attributes) => [
  lossOf(g, logs, target, weight, attributes),
];

const softmaxCrossEntropy: Lowering = (g, { input: [scores, target, weight] }, attributes) => {
  const logs = g.logSoftmax(scores, 1);
  return [lossOf(g, logs, target, weight, attributes), logs];
};

const ofClasses = { 2: 'weights of the classes in a loss' };

/** Losses that are ops. */
export const losses: OpTable = {
  NegativeLogLikelihoodLoss: { as: { read: negativeLogLikelihood }, uses: ofClasses },
  SoftmaxCrossEntropyLoss: { as: { read: softmaxCrossEntropy }, uses: ofClasses },
};
