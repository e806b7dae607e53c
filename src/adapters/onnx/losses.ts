import type { NodeProto } from 'onnx-buf';
import { refuse } from './ir/errors.ts';
import { attributesOf } from './ir/attributes.ts';
import type { Builder } from './ir/builder.ts';
import type { Value } from './ir/graph.ts';
import type { Op } from './ir/op.ts';
import { opOf, opsWith } from './ops/index.ts';
import { classLosses, reduced } from './ops/loss.ts';
import { isStandard } from './ir/domain.ts';
import { axisFrom, range, type Shape } from './ir/shape.ts';
import { DType } from './ir/tensor.ts';

/** Names of the built-in losses; each is a mean over all elements, or over all predictions. */
export type LossName = 'mse' | 'mae' | 'huber' | 'softmaxCrossEntropy' | 'binaryCrossEntropy';

/** One loss of one output. */
export interface LossTerm {
  readonly loss: LossName;
  /** Name of the output. @defaultValue the model's only output */
  readonly output?: string | undefined;
  /** Name of the target's input. @defaultValue `'target'`, or with several terms `'target/OUTPUT'` */
  readonly target?: string | undefined;
  /** Factor of this term in the sum. @defaultValue 1 */
  readonly weight?: number | undefined;
  /** `huber`: absolute error at which the parabola becomes a line. @defaultValue 1 */
  readonly delta?: number | undefined;
  /** `softmaxCrossEntropy`: the axis of the classes. @defaultValue -1 */
  readonly axis?: number | undefined;
  /** `softmaxCrossEntropy`: class indices (int64), or a probability for each class. @defaultValue `'indices'` */
  readonly targets?: 'indices' | 'probabilities' | undefined;
  /** `softmaxCrossEntropy`: a factor for each class; means are weighted. @defaultValue 1 for each */
  readonly classWeights?: readonly number[] | undefined;
  /** `softmaxCrossEntropy` of indices: an index to ignore; its losses are left out. @defaultValue none */
  readonly ignoreIndex?: number | undefined;
  /**
   * `softmaxCrossEntropy`: the fraction of the target that is spread evenly over all classes.
   *
   * @defaultValue 0
   */
  readonly labelSmoothing?: number | undefined;
  /**
   * Adds an input with a weight for each sample, `[N]`, named `sample_weight`, or with several terms
   * `sample_weight/OUTPUT`; means are weighted.
   *
   * @defaultValue false
   */
  readonly sampleWeights?: boolean | undefined;
  /** The mean of all losses, or their sum. @defaultValue `'mean'` */
  readonly reduction?: 'mean' | 'sum' | undefined;
}

/** Target of a loss, fed with each run. */
export interface Target {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape | undefined;
  /** For class indices, the number of classes: each index must be in [0, classes). */
  readonly classes?: number;
  /** An index to ignore, which is also allowed. */
  readonly ignored?: number;
  /** Every element must be in [min, max]. */
  readonly range?: readonly [number, number];
}

/** Losses of all predictions, `[N, …]`, and the weights already applied to them, of the same shape. */
interface Losses {
  readonly losses: Value;
  readonly weights: Value | undefined;
}

/** Appends a loss; adds the input of its target with `addTarget`. */
type LossRule = (
  g: Builder,
  y: Value,
  term: LossTerm,
  addTarget: (target: Omit<Target, 'name'>) => Value,
) => Losses;

/** The target has the output's type and shape. */
const regression =
  (loss: (g: Builder, error: Value, term: LossTerm) => Value): LossRule =>
  (g, y, term, addTarget) => {
    const target = addTarget({ dtype: g.floatTypeOf(y), shape: g.shapeOf(y) });
    return { losses: loss(g, g.sub(y, target), term), weights: undefined };
  };

/** e²/2 if |e| ≤ δ, otherwise δ·(|e| − δ/2). */
function huber(g: Builder, error: Value, { delta = 1 }: LossTerm): Value {
  const size = g.abs(error);
  const parabola = g.mul(0.5, g.square(error));
  const line = g.mul(delta, g.sub(size, delta / 2));
  return g.where(g.greater(size, delta), line, parabola);
}

/** −mean log softmax(logits)[class], where the logits are the input of a final Softmax or LogSoftmax, if there is one. */
const softmaxCrossEntropy: LossRule = (g, y, term, addTarget) => {
  const rank = g.rank(y);
  const axis = axisFrom(term.axis ?? -1, rank);
  if (axis < 0 || axis >= rank)
    refuse(
      `softmaxCrossEntropy: the output ${JSON.stringify(y)} of rank ${rank} has no axis ${term.axis ?? -1}.`,
    );
  const logits = inputOfFinal(g, y, ['classes', 'logClasses'], axis) ?? y;
  const logProbability = g.logSoftmax(logits, axis);
  const shape = g.shapeOf(y);
  const classes = shape?.[axis];
  const { classWeights, ignoreIndex, labelSmoothing = 0 } = term;
  if (classWeights && typeof classes === 'number' && classWeights.length !== classes)
    refuse(
      `softmaxCrossEntropy: classWeights must hold ${classes} numbers, one for each class; got ${classWeights.length}.`,
    );
  const weight = classWeights && g.constant(g.floatTypeOf(y), [classWeights.length], classWeights);
  /** −Σ w·t·log p over the classes. */
  const spread = (t: Value | undefined) => {
    const along =
      weight &&
      g.reshape(
        weight,
        range(rank).map((i) => (i === axis ? -1 : 1)),
      );
    const factors = [logProbability, ...(t ? [t] : []), ...(along ? [along] : [])];
    const [first, ...others] = factors;
    return g.neg(g.sum(others.length > 0 ? g.mul(first, ...others) : first, [axis], false));
  };
  const share = () =>
    typeof classes === 'number'
      ? g.scalar(labelSmoothing / classes, g.floatTypeOf(y))
      : g.div(labelSmoothing, g.cast(g.squeeze(g.sizes(y, [axis]), [0]), g.floatTypeOf(y)));
  if (term.targets === 'probabilities') {
    if (ignoreIndex !== undefined)
      refuse("softmaxCrossEntropy: ignoreIndex requires targets: 'indices'; got 'probabilities'.");
    const target = addTarget({ dtype: g.floatTypeOf(y), shape, range: [0, 1] });
    return {
      losses: spread(labelSmoothing > 0 ? g.add(g.mul(1 - labelSmoothing, target), share()) : target),
      weights: undefined,
    };
  }
  const target = addTarget({
    dtype: DType.INT64,
    shape: shape?.filter((_, i) => i !== axis),
    ...(typeof classes === 'number' && { classes }),
    ...(ignoreIndex !== undefined && { ignored: ignoreIndex }),
  });
  const found = classLosses(g, logProbability, { target, weight, ignored: ignoreIndex }, axis);
  if (labelSmoothing === 0) return found;
  const all = spread(undefined);
  const counted =
    ignoreIndex === undefined ? all : g.where(g.equal(g.cast(target, DType.INT64), ignoreIndex), 0, all);
  return {
    losses: g.add(g.mul(1 - labelSmoothing, found.losses), g.mul(share(), counted)),
    weights: found.weights,
  };
};

/** mean(log(1 + eᶻ) − t·z), where the logits z are the input of a final Sigmoid, or else the output itself. */
const binaryCrossEntropy: LossRule = (g, y, _term, addTarget) => {
  const target = addTarget({ dtype: g.floatTypeOf(y), shape: g.shapeOf(y), range: [0, 1] });
  const z = inputOfFinal(g, y, ['each']) ?? y;
  return { losses: g.sub(g.softplus(z), g.mul(target, z)), weights: undefined };
};

/** Returns true for ops whose results are still probabilities; some models divide by their sum. */
const carries = (node: NodeProto): boolean => {
  const { carries, operand, looksUp = false, clamps = false } = opOf(node) ?? {};
  return carries !== undefined || operand === 'divisor' || looksUp || clamps;
};

type Meaning = NonNullable<Op['probability']>;

/** Meanings of results that are computed from logits. */
const anyMeaning: readonly Meaning[] = ['classes', 'logClasses', 'each'];

/**
 * Returns the input of the op that produces y, if its result has one of these meanings, along `axis`. Probabilities produced in
 * another way would be mistaken for logits, so they are refused if they can be recognized.
 */
function inputOfFinal(g: Builder, y: Value, meanings: readonly Meaning[], axis?: number): Value | undefined {
  const node = g.makerOf(y);
  if (node === undefined || !isStandard(node)) return undefined;
  const { carries: carried, probability } = opOf(node) ?? {};
  if (carried === 'all') return inputOfFinal(g, node.input[0], meanings, axis);
  if (opOf(node)?.chooses === 'subgraphs') {
    refuse(
      `the output ${JSON.stringify(y)} comes from an ${node.opType}, whose branches may hold logits or probabilities; name the logits before it as output, or use another loss.`,
    );
  }
  if (carries(node)) {
    if (node.input.some((input) => inputOfFinal(g, input, anyMeaning) !== undefined)) {
      refuse(
        `the output ${JSON.stringify(y)} holds probabilities rearranged by a ${node.opType}; name the logits before them as output.`,
      );
    }
    return undefined;
  }
  if (probability === undefined || !meanings.includes(probability)) {
    if (probability === 'classes' || probability === 'each') {
      const usual = opsWith((op) => op.probability !== undefined && meanings.includes(op.probability));
      refuse(`the model ends in ${node.opType}; this loss needs logits, or a final ${usual.join(' or ')}.`);
    }
    return undefined;
  }
  if (axis !== undefined) {
    const own = axisFrom(attributesOf(node).int('axis', -1), g.rank(y));
    if (own !== axis) {
      refuse(
        `softmaxCrossEntropy: the model ends in a ${node.opType} along axis ${own}, but the classes are on axis ${axis}; use axis: ${own}.`,
      );
    }
  }
  return node.input[0];
}

const rules: Readonly<Record<LossName, LossRule>> = {
  mse: regression((g, error) => g.square(error)),
  mae: regression((g, error) => g.abs(error)),
  huber: regression(huber),
  softmaxCrossEntropy,
  binaryCrossEntropy,
};

export const lossNames: readonly LossName[] = [
  'mse',
  'mae',
  'huber',
  'softmaxCrossEntropy',
  'binaryCrossEntropy',
];

export const isLossName = (name: unknown): name is LossName => lossNames.some((known) => known === name);

/** Appends one weighted term of a loss; `addWeights` adds the input of the sample weights. */
export function appendTerm(
  g: Builder,
  y: Value,
  term: LossTerm,
  addTarget: (target: Omit<Target, 'name'>) => Value,
  addWeights: (target: Omit<Target, 'name'>) => Value,
): Value {
  const found = rules[term.loss](g, y, term, addTarget);
  const weighted = term.sampleWeights ? bySample(g, y, found, addWeights) : found;
  return g.mul(reduced(g, weighted, term.reduction ?? 'mean'), term.weight ?? 1);
}

/** Multiplies losses by a weight for each sample along their first axis. */
function bySample(
  g: Builder,
  y: Value,
  { losses, weights }: Losses,
  addWeights: (target: Omit<Target, 'name'>) => Value,
): Losses {
  const rank = g.rank(losses);
  if (rank === 0) refuse('sampleWeights: the loss has no axis of samples.');
  const vector = addWeights({ dtype: g.floatTypeOf(y), shape: g.shapeOf(losses)?.slice(0, 1) });
  const along = g.expandLike(g.reshape(vector, [-1, ...range(rank - 1).map(() => 1)]), losses);
  return { losses: g.mul(losses, along), weights: weights ? g.mul(weights, along) : along };
}
