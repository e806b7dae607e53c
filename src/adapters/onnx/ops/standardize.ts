import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/** x brought to mean 0 and variance 1 along some axes, and the reciprocal of its standard deviation. */
export interface Standardized {
  readonly axes: readonly number[];
  readonly xhat: Value;
  readonly reciprocal: Value;
}

/** See {@link Standardized}; `epsilon` is added to the variance. */
export function standardize(g: Builder, x: Value, axes: readonly number[], epsilon: number): Standardized {
  const centered = g.sub(x, g.mean(x, axes));
  const reciprocal = g.div(1, g.sqrt(g.add(g.mean(g.square(centered), axes), epsilon)));
  return { axes, xhat: g.mul(centered, reciprocal), reciprocal };
}

/** dx from the cotangent of xhat: its mean, and its part along xhat, taken out. */
export function throughStandardized(g: Builder, { axes, xhat, reciprocal }: Standardized, d: Value): Value {
  const along = g.mul(xhat, g.mean(g.mul(d, xhat), axes));
  return g.mul(reciprocal, g.sub(g.sub(d, g.mean(d, axes)), along));
}

/** Returns the sum of those cotangents of one value that exist. */
export function totalOf(g: Builder, terms: readonly (Value | undefined)[]): Value | undefined {
  const [first, ...others] = terms.filter((term) => term !== undefined);
  return first === undefined ? undefined : g.add(first, ...others);
}

/** Cotangent of x from those of its mean, and of r = 1/√(mean of squares + ε): −r²/n·x̂ of the latter. */
export function throughStatistics(
  g: Builder,
  x: Value,
  { axes, xhat, reciprocal }: Standardized,
  [dMean, dReciprocal]: readonly (Value | undefined)[],
): Value | undefined {
  const count = () => g.div(g.count(x, x), g.count(reciprocal, x));
  const spread = (v: Value) => g.expandLike(v, x);
  return totalOf(g, [
    dMean && axes.length > 0 ? spread(g.div(dMean, count())) : dMean,
    dReciprocal && g.neg(g.mul(xhat, g.div(g.mul(dReciprocal, g.square(reciprocal)), count()))),
  ]);
}
