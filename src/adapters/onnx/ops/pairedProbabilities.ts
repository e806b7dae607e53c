import type { Builder } from '../ir/builder.ts';
import { refuse } from '../ir/errors.ts';
import type { Value } from '../ir/graph.ts';
import { scan } from '../ir/scan.ts';
import { range } from '../ir/shape.ts';

/** Most classes: the nodes of a step are as many as their square. */
const MOST_CLASSES = 32;

/**
 * Probabilities of classes, `[N, k]`, from those of the first class of each pair, `[N, k(k − 1)/2]`: the p that minimizes
 * Σ (rⱼᵢ·pᵢ − rᵢⱼ·pⱼ)², found by iteration with the limits of LIBSVM.
 *
 * @throws Refusal for more than 32 classes
 * @see T.-F. Wu, C.-J. Lin and R. C. Weng, Probability estimates for multi-class classification by pairwise coupling,
 *   JMLR 5 (2004), 975–1005, algorithm 2
 */
export function coupled(g: Builder, pairs: Value, classes: number): Value {
  if (classes > MOST_CLASSES)
    refuse(`probabilities of ${classes} classes have no rule; those of up to ${MOST_CLASSES} have.`);
  const products = productsOf(g, pairs, classes);
  const dtype = g.floatTypeOf(pairs);
  const start = g.expand(
    g.scalar(1 / classes, dtype),
    g.concat([g.sizes(pairs, [0]), g.integers([classes])], 0),
  );
  const steps = g.filled(g.integers([Math.max(100, classes)]), 0, dtype);
  const { states } = scan(
    g,
    { states: [start], sequences: [steps], captured: [products], backward: false },
    (s, [p]) => ({ states: [improved(s, products, p, classes)], results: [] }),
  );
  return states[0];
}

/** The matrices Q of the quadratic form, `[N, k, k]`: Σⱼ rⱼₜ² on the diagonal, −rⱼₜ·rₜⱼ elsewhere. */
function productsOf(g: Builder, pairs: Value, k: number): Value {
  const columns = g.split(pairs, Array<number>((k * (k - 1)) / 2).fill(1), 1);
  const all = range(k).flatMap((i) => range(k - i - 1, i + 1).map((j) => [i, j] as const));
  const r = range(k).map(() => Array<Value>(k).fill(''));
  for (const [index, [i, j]] of all.entries())
    [r[i][j], r[j][i]] = [columns[index], g.sub(1, columns[index])];
  const squares = (t: number) => range(k).flatMap((j) => (j === t ? [] : [g.square(r[j][t])]));
  const sum = ([first, ...others]: readonly Value[]) =>
    others.length === 0 ? first : g.add(first, ...others);
  const entries = range(k).flatMap((t) =>
    range(k).map((j) => (j === t ? sum(squares(t)) : g.neg(g.mul(r[j][t], r[t][j])))),
  );
  return g.reshape(g.concat(entries, 1), [0, k, k]);
}

/** One step: each probability in turn; rows whose error is small enough stay. */
function improved(g: Builder, products: Value, p: Value, k: number): Value {
  let now = p;
  let gradient = g.sum(g.mul(products, g.unsqueeze(p, [1])), [2], false);
  let value = g.sum(g.mul(p, gradient), [1]);
  const error = g.maxOver(g.abs(g.sub(gradient, value)), [1]);
  for (const t of range(k)) {
    const row = g.squeeze(g.slice(products, t, t + 1, 1), [1]);
    const [own, slope] = [g.slice(row, t, t + 1, 1), g.slice(gradient, t, t + 1, 1)];
    const change = g.div(g.sub(value, slope), own);
    const whole = g.add(1, change);
    const unit = g.constant(
      g.floatTypeOf(p),
      [1, k],
      range(k).map((j) => Number(j === t)),
    );
    now = g.div(g.add(now, g.mul(change, unit)), whole);
    value = g.div(g.add(value, g.mul(change, g.add(g.mul(change, own), g.mul(2, slope)))), g.square(whole));
    gradient = g.div(g.add(gradient, g.mul(change, row)), whole);
  }
  return g.where(g.less(error, 0.005 / k), p, now);
}
