import { refuse } from './errors.ts';
import { attributesOf } from './graph/attributes.ts';
import type { Builder } from './graph/builder.ts';
import type { Value } from './graph/graph.ts';
import { isStandard } from './graph/domain.ts';
import { axisFrom, type Shape } from './graph/shape.ts';
import { DType } from './graph/tensor.ts';

/** The losses that are known by name; each is a mean over all elements, or over all predictions. */
export type LossName = 'mse' | 'mae' | 'huber' | 'softmaxCrossEntropy' | 'binaryCrossEntropy';

/** One loss of one output. */
export interface LossTerm {
  readonly loss: LossName;
  /** @defaultValue the model's only output */
  readonly output?: string;
  /** Name of the target's input. @defaultValue `'target'`, or with several terms `'target/OUTPUT'` */
  readonly target?: string;
  /** Factor of this term in the sum. @defaultValue 1 */
  readonly weight?: number;
  /** `huber`: where the parabola gives way to the line. @defaultValue 1 */
  readonly delta?: number;
  /** `softmaxCrossEntropy`: the axis of the classes. @defaultValue -1 */
  readonly axis?: number;
  /** `softmaxCrossEntropy`: class indices (int64), or a probability for each class. @defaultValue `'indices'` */
  readonly targets?: 'indices' | 'probabilities';
}

/** What is to be fed as the target of a loss. */
export interface Target {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: Shape | undefined;
  /** For class indices, how many classes there are: each index must be in [0, classes). */
  readonly classes?: number;
  /** Every element must be in [min, max]. */
  readonly range?: readonly [number, number];
}

/** Appends a loss; adds its target's input by `addTarget`. */
type LossRule = (
  g: Builder,
  y: Value,
  term: LossTerm,
  addTarget: (target: Omit<Target, 'name'>) => Value,
) => Value;

/** The target has the output's type and shape. */
const regression =
  (loss: (g: Builder, error: Value, term: LossTerm) => Value): LossRule =>
  (g, y, term, addTarget) => {
    const target = addTarget({ dtype: g.floatTypeOf(y), shape: g.shapeOf(y) });
    return g.meanOfAll(loss(g, g.sub(y, target), term));
  };

/** e²/2 up to δ, beyond it δ·(|e| − δ/2). */
function huber(g: Builder, error: Value, { delta = 1 }: LossTerm): Value {
  const size = g.abs(error);
  const parabola = g.mul(0.5, g.square(error));
  const line = g.mul(delta, g.sub(size, delta / 2));
  return g.where(g.greater(size, delta), line, parabola);
}

/** −mean log softmax(logits)[class]; the logits are taken from before a final Softmax or LogSoftmax. */
const softmaxCrossEntropy: LossRule = (g, y, term, addTarget) => {
  const rank = g.rank(y);
  const axis = axisFrom(term.axis ?? -1, rank);
  if (axis < 0 || axis >= rank)
    refuse(
      `softmaxCrossEntropy: the output ${JSON.stringify(y)} of rank ${rank} has no axis ${term.axis ?? -1}.`,
    );
  const logits = inputOfFinal(g, y, ['Softmax', 'LogSoftmax'], axis) ?? y;
  const logProbability = g.op('LogSoftmax', [logits], { axis });
  const shape = g.shapeOf(y);
  if (term.targets === 'probabilities') {
    const target = addTarget({ dtype: g.floatTypeOf(y), shape, range: [0, 1] });
    return g.neg(g.meanOfAll(g.sum(g.mul(target, logProbability), [axis], false)));
  }
  const classes = shape?.[axis];
  const target = addTarget({
    dtype: DType.INT64,
    shape: shape?.filter((_, i) => i !== axis),
    ...(typeof classes === 'number' && { classes }),
  });
  const ofClass = g.op('GatherElements', [logProbability, g.unsqueeze(target, [axis])], { axis });
  return g.neg(g.meanOfAll(ofClass));
};

/** mean(log(1 + eᶻ) − t·z); the logits z are taken from before a final Sigmoid, or else the output is z. */
const binaryCrossEntropy: LossRule = (g, y, _term, addTarget) => {
  const target = addTarget({ dtype: g.floatTypeOf(y), shape: g.shapeOf(y), range: [0, 1] });
  const z = inputOfFinal(g, y, ['Sigmoid']) ?? y;
  return g.meanOfAll(g.sub(g.op('Softplus', [z]), g.mul(target, z)));
};

// Ops after which the values are still probabilities, divided by their sum in some models.
const carriers = new Set(
  'Reshape Flatten Squeeze Unsqueeze Transpose Slice Gather Concat Clip Div'.split(' '),
);

/**
 * The input of the op that makes y, if it is one of `ops` along `axis`. Probabilities that come by another way
 * would be taken for logits, so they are refused where they can be recognised.
 */
function inputOfFinal(g: Builder, y: Value, ops: readonly string[], axis?: number): Value | undefined {
  const node = g.proto.node.find(({ output }) => output.includes(y));
  if (node === undefined || !isStandard(node)) return undefined;
  if (node.opType === 'Identity' || node.opType === 'Cast') return inputOfFinal(g, node.input[0], ops, axis);
  if (node.opType === 'If') {
    refuse(
      `the output ${JSON.stringify(y)} is chosen by an If, whose branches may hold logits or probabilities; name the logits before it as output, or take another loss.`,
    );
  }
  if (carriers.has(node.opType)) {
    if (
      node.input.some((input) => inputOfFinal(g, input, ['Softmax', 'LogSoftmax', 'Sigmoid']) !== undefined)
    ) {
      refuse(
        `the output ${JSON.stringify(y)} holds probabilities that a ${node.opType} has rearranged; name the logits before them as output.`,
      );
    }
    return undefined;
  }
  if (!ops.includes(node.opType)) {
    if (node.opType === 'Softmax' || node.opType === 'Sigmoid') {
      refuse(
        `the model ends in ${node.opType}, which this loss does not go with; it needs logits, or ${ops[0]}.`,
      );
    }
    return undefined;
  }
  if (axis !== undefined) {
    const own = axisFrom(attributesOf(node).int('axis', -1), g.rank(y));
    if (own !== axis) {
      refuse(
        `softmaxCrossEntropy: the model ends in a ${node.opType} along axis ${own}, but the classes are on axis ${axis}; say axis: ${own}.`,
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

/** Appends one term of a loss, weighted. */
export function appendTerm(
  g: Builder,
  y: Value,
  term: LossTerm,
  addTarget: (target: Omit<Target, 'name'>) => Value,
): Value {
  return g.mul(rules[term.loss](g, y, term, addTarget), term.weight ?? 1);
}
