import { differentiate, type Differentiated } from '../differentiate.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { isStatic } from '../ir/shape.ts';
import { valueInfo } from '../ir/graph.ts';
import { gradientNameOf, targetName, targetNameOf } from '../ir/convention.ts';
import { show } from '../../../core/options.ts';
import { dtypeName, isFloat } from '../ir/tensor.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { read } from '../passes/read.ts';
import { prune } from '../passes/prune.ts';
import { decodeModel, encodeModel, type Model } from '../ir/model.ts';
import { termsOf, type DifferentiateOptions, type LossContext } from '../options.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/**
 * Residuals written with the graph's own verbs: one value of the graph or several, the samples along their first axis.
 * The loss is the sum of all their squares.
 */
export type ResidualFunction = (g: Builder, context: LossContext) => Value | readonly Value[];

/** As {@link ResidualFunction}, for a part of the samples: `share` times as many make up the whole. */
export type PartialResiduals = (g: Builder, context: LossContext, share: number) => Value | readonly Value[];

/** Sizes of the data by input name. */
export type Dimensions = ReadonlyMap<string, readonly number[]>;

/** A model, its data's sizes, and the residuals wanted of it. */
export interface ResidualSource {
  /** The model's file. */
  readonly bytes: Uint8Array;
  /** The options that its gradients are made with. */
  readonly options: DifferentiateOptions;
  /** Names of the parameters. */
  readonly names: readonly string[];
  readonly dimensions: Dimensions;
  readonly residuals: PartialResiduals;
}

/** Graphs of residuals for data of some shape. */
export interface ResidualGraphs {
  /** Sizes of the values of residuals, `[samples, columns]` each. */
  readonly sizes: readonly (readonly [samples: number, columns: number])[];
  /** Their shapes. */
  readonly shapes: readonly (readonly number[])[];
  readonly differentiated: Differentiated;
  /** Residuals alone; residuals and the gradient of the sum of their squares. */
  readonly residuals: Uint8Array;
  readonly gradients: Uint8Array;
}

/** Name of the output that holds the k-th value of residuals. */
export const residualNameOf = (k: number): string => `residual/${k}`;

const isResidual = (name: string): boolean => name.startsWith('residual/');

/**
 * Builds the graphs of residuals.
 *
 * @throws OnnxError naming what stands in the way
 */
export function residualGraphs(source: ResidualSource): ResidualGraphs {
  const { differentiated, added: shapes } = buildResiduals(source, 1, (g, _, values) =>
    values.map((value, k) => {
      g.addOutput(residualNameOf(k), value);
      return g.shapeOf(value);
    }),
  );
  const known = shapes.map((shape, k) => {
    if (!isStatic(shape) || shape.length === 0) {
      throw new OnnxError([
        fault(
          `leastSquares: the size of residuals ${k} is not known beforehand; samples must lie along their first axis.`,
        ),
      ]);
    }
    return shape;
  });
  const sizes = known.map(([samples, ...rest]): [number, number] => [
    samples,
    rest.reduce((a, b) => a * b, 1),
  ]);
  const gradients = new Set(source.names.map(gradientNameOf));
  const withOutputs = (isWanted: (name: string) => boolean) =>
    encodeModel(onlyOutputs(differentiated.bytes, isWanted));
  return {
    sizes,
    shapes: known,
    differentiated,
    residuals: withOutputs(isResidual),
    gradients: withOutputs((name) => isResidual(name) || gradients.has(name)),
  };
}

/**
 * Builds a graph of residuals and of what is added to it.
 *
 * @param share - of the samples that `source.dimensions` leave out
 * @param add - adds values and outputs
 */
export function buildResiduals<T>(
  { bytes, options, names, dimensions, residuals }: ResidualSource,
  share: number,
  add: (g: Builder, context: LossContext, values: readonly Value[]) => T,
): { readonly differentiated: Differentiated; readonly added: T } {
  const model = withSizes(bytes, options, dimensions);
  let added: { readonly value: T } | undefined;
  const { externalData: _, freeBatch: __, hessianVector: ___, keep: ____, ...rest } = options;
  const differentiated = differentiate(encodeModel(model), {
    ...rest,
    wrt: names,
    loss(g, context) {
      const given = residuals(g, context, share);
      const values = checkedValues(g, given);
      added = { value: add(g, context, values) };
      const [first, ...others] = values.map((value) => g.sumOfAll(g.square(value)));
      return g.add(first, ...others);
    },
  });
  if (added === undefined) throw new OnnxError([fault('leastSquares: there are no residuals.')]);
  return { differentiated, added: added.value };
}

const wrongResiduals = (got: string): OnnxError =>
  new OnnxError([
    fault(
      `leastSquares: residuals must return a value of the graph, or a list of some, such as g.sub(outputs[0], target('target', outputs[0])); got ${got}.`,
    ),
  ]);

/**
 * The values that `residuals` has returned.
 *
 * @throws OnnxError if they are no float values of the graph
 */
function checkedValues(g: Builder, given: unknown): readonly Value[] {
  if (typeof given !== 'string' && !Array.isArray(given)) throw wrongResiduals(show(given));
  const values: readonly unknown[] = typeof given === 'string' ? [given] : given;
  if (values.length === 0) throw wrongResiduals('an empty list');
  values.forEach((value, k) => {
    const place = typeof given === 'string' ? '' : ` at ${k}`;
    if (typeof value !== 'string') throw wrongResiduals(`${show(value)}${place}`);
    const dtype = g.dtypeOf(value);
    if (dtype === undefined)
      throw wrongResiduals(`${show(value)}${place}, which names no value of a known type`);
    if (!isFloat(dtype))
      throw wrongResiduals(`${show(value)}${place}, which is ${dtypeName(dtype)}; take one of floats`);
  });
  return values as readonly Value[];
}

/** Reads a model and gives its inputs the sizes of the data. */
function withSizes(bytes: Uint8Array, options: DifferentiateOptions, dimensions: Dimensions): Model {
  const { model } = read(bytes, options);
  const { graph } = model;
  const float = floatTypeIn(graph);
  graph.input = graph.input.map((input) => {
    const dims = dimensions.get(input.name);
    const type = input.type?.value;
    if (dims === undefined || type?.case !== 'tensorType') return input;
    return valueInfo(input.name, type.value.elemType, dims);
  });
  graph.output = graph.output.map(({ name, type }) =>
    valueInfo(name, type?.value.case === 'tensorType' ? type.value.value.elemType : float, undefined),
  );
  graph.valueInfo = [];
  return model;
}

/** A graph with some of its outputs, and what they need. */
export function onlyOutputs(bytes: Uint8Array, isWanted: (name: string) => boolean): Model {
  const model = decodeModel(bytes);
  const { graph } = model;
  graph.output = graph.output.filter(({ name }) => isWanted(name));
  prune(graph);
  return model;
}

/**
 * The residuals of a loss that is a mean of squares: (output − target)·√(weight / number of elements).
 *
 * @throws OnnxError if the loss is another
 */
export function residualsOfLoss({ loss, output, l2 = 0 }: DifferentiateOptions): PartialResiduals {
  const terms = termsOf(loss);
  const isSum = terms.length > 0 && terms.every((term) => term.loss === 'mse' && (term.weight ?? 1) >= 0);
  if (!isSum || l2 > 0) {
    throw new OnnxError([
      fault(
        "leastSquares: the loss must be 'mse', or several of them, without l2; or give the residuals: leastSquares(feeds, { residuals: (g, context) => … }).",
      ),
    ]);
  }
  return (g, { outputs, value, target }, share) =>
    terms.map((term) => {
      const asked = term.output ?? output ?? outputs[0];
      const y = value(asked);
      const name = term.target ?? (terms.length === 1 ? targetName : targetNameOf(asked));
      const shape = g.shapeOf(y);
      const count = share * (isStatic(shape) ? shape.reduce((a, b) => a * b, 1) : 1);
      return g.mul(g.sub(y, target(name, y)), Math.sqrt((term.weight ?? 1) / count));
    });
}
