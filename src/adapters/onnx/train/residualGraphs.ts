import { sizeOf } from '../../../core/layout.ts';
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
 * Residuals written with the methods of the graph. Returns one value of the graph or several, with the samples along
 * their first axis. The loss is the sum of the squares of all elements.
 */
export type ResidualFunction = (g: Builder, context: LossContext) => Value | readonly Value[];

/** As {@link ResidualFunction}, for a part of the samples; there are `share` times as many in all. */
export type PartialResiduals = (g: Builder, context: LossContext, share: number) => Value | readonly Value[];

/** Sizes of the data by input name. */
export type Dimensions = ReadonlyMap<string, readonly number[]>;

/** A model, the sizes of its data, and the requested residuals. */
export interface ResidualSource {
  /** The model's file. */
  readonly bytes: Uint8Array;
  /** Options that its gradients are computed with. */
  readonly options: DifferentiateOptions;
  /** Names of the parameters. */
  readonly names: readonly string[];
  readonly dimensions: Dimensions;
  readonly residuals: PartialResiduals;
}

/** Graphs of residuals for data of one shape. */
export interface ResidualGraphs {
  /** Sizes of each residual value, `[samples, columns]`. */
  readonly sizes: readonly (readonly [samples: number, columns: number])[];
  /** Shape of each residual value. */
  readonly shapes: readonly (readonly number[])[];
  readonly differentiated: Differentiated;
  /** Graph of only the residuals. */
  readonly residuals: Uint8Array;
  /** Graph of the residuals and the gradient of the sum of their squares. */
  readonly gradients: Uint8Array;
}

/** Name of the output that holds the k-th residual value. */
export const residualNameOf = (k: number): string => `residual/${k}`;

const isResidual = (name: string): boolean => name.startsWith('residual/');

/**
 * Builds the graphs of residuals.
 *
 * @throws OnnxError naming every reason why they cannot be built
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
          `leastSquares: the shape of residuals ${k} is not known before the model runs; it must be, with the samples along the first axis.`,
        ),
      ]);
    }
    return shape;
  });
  const sizes = known.map(([samples, ...rest]): [number, number] => [samples, sizeOf(rest)]);
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
 * Builds a graph of residuals, with additions.
 *
 * @param share - number of all samples, divided by that in `source.dimensions`
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
      `leastSquares: residuals must return a value of the graph, or a list of values, such as g.sub(outputs[0], target('target', outputs[0])); got ${got}.`,
    ),
  ]);

/**
 * Returns the values that `residuals` has returned, as a list.
 *
 * @throws OnnxError if they are not float values of the graph
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
      throw wrongResiduals(`${show(value)}${place}, which is ${dtypeName(dtype)}, not a float type`);
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

/** Reduces a model to some of its outputs, and the nodes that these need. */
export function onlyOutputs(bytes: Uint8Array, isWanted: (name: string) => boolean): Model {
  const model = decodeModel(bytes);
  const { graph } = model;
  graph.output = graph.output.filter(({ name }) => isWanted(name));
  prune(graph);
  return model;
}

/**
 * Returns the residuals of a mean squared error: (output − target)·√(weight / number of elements).
 *
 * @throws OnnxError if the loss is not a mean squared error
 */
export function residualsOfLoss({ loss, output, l2 = 0 }: DifferentiateOptions): PartialResiduals {
  const terms = termsOf(loss);
  const isSum = terms.length > 0 && terms.every((term) => term.loss === 'mse' && (term.weight ?? 1) >= 0);
  if (!isSum || l2 > 0) {
    throw new OnnxError([
      fault(
        "leastSquares: the loss must be 'mse', or a list of 'mse' terms, without l2; otherwise give the residuals: leastSquares(feeds, { residuals: (g, context) => … }).",
      ),
    ]);
  }
  return (g, { outputs, value, target }, share) =>
    terms.map((term) => {
      const asked = term.output ?? output ?? outputs[0];
      const y = value(asked);
      const name = term.target ?? (terms.length === 1 ? targetName : targetNameOf(asked));
      const shape = g.shapeOf(y);
      const count = share * (isStatic(shape) ? sizeOf(shape) : 1);
      return g.mul(g.sub(y, target(name, y)), Math.sqrt((term.weight ?? 1) / count));
    });
}
