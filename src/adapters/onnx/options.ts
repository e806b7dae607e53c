import {
  boolean,
  checkOptions,
  faultsOf,
  nonNegative,
  numberIn,
  oneOf,
  rule,
  show,
  string,
  type Rules,
} from '../../core/options.ts';
import type { Precision } from '../../core/problem.ts';
import { isObject } from '../../core/runState.ts';
import type { Builder } from './ir/builder.ts';
import type { Value } from './ir/graph.ts';
import type { TargetSpec } from './inputTypes.ts';
import { isLossName, lossNames, type LossName, type LossTerm } from './losses.ts';
import type { Candidate } from './parameters.ts';
import type { FixedInputs, FixedShapes } from './passes/fix.ts';
import { isBytes, type ExternalData } from './ir/model.ts';

/** Context of a {@link LossFunction}, in addition to the graph. */
export interface LossContext {
  /** The model's outputs. */
  readonly outputs: readonly Value[];
  /** Returns the model's value of this name, which may have another name in the resulting graph. */
  readonly value: (name: string) => Value;
  /**
   * Adds an input to feed with each run. It has the shape and type of a value, or those specified, for
   * example for a mask or indices.
   */
  readonly target: (name: string, like: Value | TargetSpec) => Value;
  /**
   * Returns the gradient of the sum of a value's elements with respect to other values; it can be
   * differentiated again.
   */
  readonly gradient: (of: Value, wrt: readonly Value[]) => Value[];
}

/** A loss written with the methods of the graph; it returns a scalar value of the graph. */
export type LossFunction = (g: Builder, context: LossContext) => Value;

/** A loss; see {@link DifferentiateOptions.loss}. */
export type Loss =
  | LossName
  | LossTerm
  | readonly LossTerm[]
  | { readonly output: string }
  | { readonly graph: Uint8Array }
  | LossFunction;

/** Options of `differentiate`. */
export interface DifferentiateOptions {
  /**
   * - a name, `'mse'`, `'mae'`, `'huber'`, `'softmaxCrossEntropy'` or `'binaryCrossEntropy'`;
   * - a {@link LossTerm}, or several for several outputs, which are summed with their weights;
   * - `{ output }`: a scalar that the model computes already, by name;
   * - `{ graph }`: the bytes of an ONNX model whose inputs are named as outputs of this one, and whose other
   *   inputs are fed with each run; its first output is the loss;
   * - a {@link LossFunction}.
   */
  readonly loss: Loss;
  /**
   * Tensors to differentiate with respect to: names of initializers, inputs and intermediate values (for
   * Grad-CAM, with the same names in `keep`), or a function that selects among all constant float tensors.
   *
   * @defaultValue the weights, biases, scales, tables and slopes of the model's layers
   */
  readonly wrt?: (readonly string[] | ((candidate: Candidate) => boolean)) | undefined;
  /** Output for the loss. @defaultValue the model's only output */
  readonly output?: string | undefined;
  /** Adds ½·l2·Σw² over all weights, excluding biases, norms and tables. @defaultValue 0 */
  readonly l2?: number | undefined;
  /** Arithmetic of the whole graph. @defaultValue that of the model */
  readonly precision?: Precision | undefined;
  /** Adds inputs `vector_of/NAME` and outputs `hessian_vector_of/NAME`: exact products H·v. @defaultValue false */
  readonly hessianVector?: boolean | undefined;
  /**
   * Backend that runs the result. `'webgpu'` has fewer kernels: its MaxPool must have windows side by side.
   *
   * @defaultValue `'cpu'`
   */
  readonly target?: 'cpu' | 'wasm' | 'webgpu' | undefined;
  /**
   * Outputs of the model, or intermediate values, to keep among the outputs of the result.
   *
   * @defaultValue none
   */
  readonly keep?: readonly string[] | undefined;
  /** Lets the first axis of the inputs vary if the model fixes it at 1. @defaultValue false */
  readonly freeBatch?: boolean | undefined;
  /**
   * Inputs that are the same in every run, by name: a number, or the elements of a vector. The result does
   * not have these inputs, and an If that depends on them is resolved.
   *
   * @defaultValue none
   */
  readonly fix?: FixedInputs | undefined;
  /**
   * Sizes of inputs that are the same in every run, by name, with null for sizes that vary. An If that
   * depends on a size is resolved, and shapes computed from sizes become known. The file written back keeps
   * its own shapes.
   *
   * @defaultValue none
   */
  readonly shapes?: FixedShapes | undefined;
  /**
   * Treatment of a Dropout in training mode: `'file'` drops elements as the model does, different ones in each run;
   * `'off'` drops nothing.
   *
   * @defaultValue `'file'`
   */
  readonly dropout?: 'file' | 'off' | undefined;
  /**
   * `'fed'` turns the random numbers of a model into inputs of the result, listed in its property `noise`: the same
   * numbers give the same loss. Nodes inside control flow still draw their own. `trainable` feeds them itself.
   *
   * @defaultValue `'file'`: drawn by ONNX Runtime, different in each run
   */
  readonly noise?: 'file' | 'fed' | undefined;
  /** Files with the external data of a model, by the location named in the model. @defaultValue none */
  readonly externalData?: ExternalData | undefined;
}

export const externalDataRule = rule(
  'an object of Uint8Arrays or other views of bytes',
  (value) => isObject(value) && Object.values(value).every(isBytes),
);

/** Options of functions that read a model's file. */
export interface FileOptions {
  /** Files with the external data of a model, by the location named in the model. @defaultValue none */
  readonly externalData?: ExternalData | undefined;
}

/**
 * Checks {@link FileOptions}.
 *
 * @throws RangeError, TypeError if an option is wrong
 */
export const checkFileOptions = (where: string, options: FileOptions): void =>
  checkOptions(where, options, { externalData: externalDataRule });
const name = rule('a name', (value) => typeof value === 'string' && value !== '');
const names = (value: unknown) => Array.isArray(value) && value.every((name) => typeof name === 'string');

const loss = rule(
  `${lossNames.map((name) => `'${name}'`).join(', ')}, { loss, … } or a list of those, { output }, { graph } or a function`,
  (value) =>
    isLossName(value) ||
    typeof value === 'function' ||
    (Array.isArray(value) && value.length > 0 && value.every(isObject)) ||
    (isObject(value) && ('loss' in value || 'output' in value || 'graph' in value)),
);

export const differentiateRules: Rules<DifferentiateOptions> = {
  loss,
  wrt: rule(
    'a list of names, or a function of a candidate',
    (value) => names(value) || typeof value === 'function',
  ),
  output: string,
  l2: nonNegative,
  precision: oneOf('float32', 'float64'),
  hessianVector: boolean,
  target: oneOf('cpu', 'wasm', 'webgpu'),
  keep: rule('a list of names', names),
  freeBatch: boolean,
  fix: rule(
    'an object of numbers, booleans or lists of numbers',
    (value) =>
      isObject(value) &&
      Object.values(value).every((each) =>
        Array.isArray(each)
          ? each.every((element) => typeof element === 'number')
          : ['number', 'bigint', 'boolean'].includes(typeof each),
      ),
  ),
  shapes: rule(
    'an object of lists of sizes, whole numbers ≥ 0 or null',
    (value) =>
      isObject(value) &&
      Object.values(value).every(
        (sizes) =>
          Array.isArray(sizes) &&
          sizes.every((size) => size === null || (Number.isSafeInteger(size) && size >= 0)),
      ),
  ),
  dropout: oneOf('file', 'off'),
  noise: oneOf('file', 'fed'),
  externalData: externalDataRule,
};

const termRules: Rules<LossTerm> = {
  loss: rule(lossNames.map((name) => `'${name}'`).join(' or '), isLossName),
  output: name,
  target: name,
  weight: numberIn(-Number.MAX_VALUE, Number.MAX_VALUE),
  delta: numberIn(Number.MIN_VALUE, Number.MAX_VALUE),
  axis: rule('a whole number', Number.isInteger),
  targets: oneOf('indices', 'probabilities'),
  classWeights: rule(
    'a list of numbers, none negative',
    (value) =>
      Array.isArray(value) &&
      value.length > 0 &&
      value.every((each) => typeof each === 'number' && each >= 0),
  ),
  ignoreIndex: rule('a whole number', Number.isInteger),
  labelSmoothing: numberIn(0, 1),
  sampleWeights: boolean,
  reduction: oneOf('mean', 'sum'),
};

/** Options of a term that apply to only one loss. */
const onlyOf = {
  softmaxCrossEntropy: ['classWeights', 'ignoreIndex', 'labelSmoothing', 'targets', 'axis'],
  huber: ['delta'],
} as const;

/**
 * Checks the options of `differentiate`.
 *
 * @throws TypeError, RangeError naming every fault
 */
export function checkDifferentiateOptions(where: string, options: DifferentiateOptions): void {
  checkOptions(where, options, differentiateRules);
  if (options.loss === undefined)
    throw new RangeError(`${where}: loss: must be ${loss.allowed}, got undefined.`);
  const faults = termsOf(options.loss).flatMap((term) => faultsOf(term, termRules));
  if (termsOf(options.loss).some((term) => term.loss === undefined))
    faults.push(`loss: must be ${termRules.loss.allowed}, got undefined.`);
  for (const term of termsOf(options.loss)) {
    if (!isObject(term)) continue;
    for (const [loss, names] of Object.entries(onlyOf))
      for (const name of names)
        if (term.loss !== loss && term[name] !== undefined)
          faults.push(`${name}: applies to '${loss}' only, not to '${term.loss}'.`);
  }
  if (faults.length > 0) throw new RangeError(`${where}: loss: ${faults.join('\n  ')}`);
  if (isObject(options.loss) && 'graph' in options.loss && !(options.loss.graph instanceof Uint8Array)) {
    throw new RangeError(
      `${where}: loss.graph: must be the bytes of an ONNX model, got ${show(options.loss.graph)}.`,
    );
  }
}

/** Returns the terms of a loss; none for a loss of another kind. */
export function termsOf(loss: Loss): readonly LossTerm[] {
  if (typeof loss === 'string') return [{ loss }];
  if (typeof loss === 'function') return [];
  if (isTerms(loss)) return loss;
  return 'loss' in loss ? [loss] : [];
}

const isTerms = (loss: object): loss is readonly LossTerm[] => Array.isArray(loss);
