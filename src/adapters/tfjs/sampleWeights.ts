import * as tf from '@tensorflow/tfjs';
import { show, type Rule } from '../../core/options.ts';

/** Weights of classes by class number: `{ 0: 1, 1: 5 }`. */
export type ClassWeight = Readonly<Record<number, number>>;

/** One value for a model with one output; otherwise one for each output, in order or by name. */
export type PerOutput<Value> = Value | readonly Value[] | { readonly [output: string]: Value };

/** Options that weight the samples of a loss. */
export interface WeightOptions {
  /**
   * Factors of the sample losses by the class of their target, as `classWeight` of `model.fit`. Targets are
   * class numbers, `[samples]` or `[samples, 1]`, or one-hot, `[samples, classes]`.
   */
  readonly classWeight?: PerOutput<ClassWeight> | undefined;
  /** Factors of the loss of each sample, `[samples]`; multiplied by those of the classes. */
  readonly sampleWeight?: PerOutput<tf.Tensor> | undefined;
}

/**
 * Returns the sample weights for the model's training closure, `[samples]` for each output; none without
 * options. The caller owns the tensors.
 *
 * @throws RangeError if weights and outputs do not fit
 */
export function weightsOfSamples(
  where: string,
  model: tf.LayersModel,
  targets: readonly tf.Tensor[],
  { classWeight, sampleWeight }: WeightOptions,
): tf.Tensor[] {
  if (classWeight === undefined && sampleWeight === undefined) return [];
  const names = model.outputNames;
  const classes = perOutput(where, 'classWeight', names, classWeight, ofClasses);
  const samples = perOutput(where, 'sampleWeight', names, sampleWeight, ofSamples);
  return targets.map((target, i) =>
    tf.tidy(() => {
      const count = target.shape[0];
      const byClass = classes[i] && classWeights(where, target, classes[i]);
      const bySample = samples[i];
      if (bySample && bySample.shape.join() !== `${count}`) {
        throw new RangeError(
          `${where}: sampleWeight must have the shape [${count}], a number for each sample, got [${bySample.shape.join(', ')}].`,
        );
      }
      if ((byClass || bySample) && target.rank > 2) {
        throw new RangeError(
          `${where}: weights need targets of shape [samples, values]; those of "${names[i]}" have [${target.shape.join(', ')}].`,
        );
      }
      const one = byClass ?? tf.ones([count]);
      return bySample ? one.mul(bySample) : one;
    }),
  );
}

/** Factors of samples. */
const ofSamples: Rule = {
  allowed: 'a tensor of shape [samples]',
  accepts: (value) => value instanceof tf.Tensor,
};

/** Factors of classes. */
const ofClasses: Rule = {
  allowed: 'an object from class numbers to factors ≥ 0, such as { 0: 1, 1: 5 }',
  accepts: (value) => isClassWeight(value),
};

/** Returns one value, or undefined, for each output. */
function perOutput<Value>(
  where: string,
  option: string,
  names: readonly string[],
  given: PerOutput<Value> | undefined,
  rule: Rule,
): (Value | undefined)[] {
  const isOne = (value: unknown) => rule.accepts(value);
  if (given === undefined) return names.map(() => undefined);
  if (names.length === 1 && isOne(given)) return [given as Value];
  const values = Array.isArray(given)
    ? (given as Value[])
    : names.map((name) => (given as Record<string, Value>)[name]);
  const unknown = Array.isArray(given)
    ? []
    : Object.keys(given as object).filter((name) => !names.includes(name));
  if (
    values.length !== names.length ||
    unknown.length > 0 ||
    !values.every((v) => v === undefined || isOne(v))
  ) {
    const one =
      names.length === 1
        ? rule.allowed
        : `one for each output, in order or by name (${names.join(', ')}), each ${rule.allowed}`;
    throw new RangeError(`${where}: ${option} must be ${one}; got ${show(given)}.`);
  }
  return values;
}

const isClassWeight = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && Object.entries(value).every(([key, w]) => /^\d+$/.test(key) && typeof w === 'number' && w >= 0 && w < Infinity); // prettier-ignore

/** `[samples]` */
function classWeights(where: string, target: tf.Tensor, weights: ClassWeight): tf.Tensor {
  const isOneHot = target.rank === 2 && target.shape[1]! > 1;
  const classes = isOneHot ? target.argMax(1) : target.flatten();
  const values = Float32Array.from(classes.dataSync(), (label) => {
    const weight = weights[label];
    if (weight === undefined) {
      throw new RangeError(
        `${where}: classWeight has no weight for class ${label}, which is among the targets; it has ${Object.keys(weights).join(', ')}.`,
      );
    }
    return weight;
  });
  return tf.tensor1d(values);
}
