import { differentiate, type Differentiated } from '../differentiate.ts';
import { fault, OnnxError } from '../ir/errors.ts';
import { isStatic } from '../ir/shape.ts';
import { valueInfo } from '../ir/graph.ts';
import { gradientNameOf, targetName, targetNameOf } from '../ir/convention.ts';
import { expandPerSample, perSampleNameOf } from '../passes/perSample.ts';
import { floatTypeIn } from '../passes/precision.ts';
import { read } from '../passes/read.ts';
import { prune } from '../passes/prune.ts';
import { decodeModel, encodeModel } from '../ir/model.ts';
import { termsOf, type DifferentiateOptions, type LossContext } from '../options.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/**
 * Residuals written with the graph's own verbs: one value of the graph or several, the samples along their first axis.
 * The loss is the sum of all their squares.
 */
export type ResidualFunction = (g: Builder, context: LossContext) => Value | readonly Value[];

/** Name of the output that holds the k-th value of residuals. */
export const residualNameOf = (k: number): string => `residual/${k}`;

/** Name of the output that holds column j of the k-th value, differentiated by each sample's copy of a parameter. */
export const jacobianNameOf = (parameter: string, k: number, j: number): string =>
  `jacobian/${k}/${j}/${parameter}`;

const isResidual = (name: string): boolean => name.startsWith('residual/');

/** Columns of residuals per sample, beyond which a pass for each would make the graph too large. */
const MAX_COLUMNS = 16;

/** Graphs of residuals for data of some shape. */
export interface ResidualGraphs {
  /** Sizes of the values of residuals, `[samples, columns]` each. */
  readonly sizes: readonly (readonly [samples: number, columns: number])[];
  readonly differentiated: Differentiated;
  /** Residuals alone; residuals and the gradient of the sum of their squares. */
  readonly residuals: Uint8Array;
  readonly gradients: Uint8Array;
  /** Residuals and the rows of their Jacobian; null if the model is not made of dense layers. */
  readonly rows: Uint8Array | null;
}

/** Sizes of the data by input name. */
export type Dimensions = ReadonlyMap<string, readonly number[]>;

/**
 * Builds the graphs of residuals.
 *
 * @param bytes - the model's file
 * @param options - those that its gradients are made with
 * @param names - of the parameters
 * @throws OnnxError naming what stands in the way
 */
export function residualGraphs(
  bytes: Uint8Array,
  options: DifferentiateOptions,
  names: readonly string[],
  dimensions: Dimensions,
  residuals: ResidualFunction,
): ResidualGraphs {
  const plain = build(bytes, options, names, dimensions, residuals, null);
  if (plain === null) throw new OnnxError([fault('leastSquares: the model has no parameters.')]);
  const sizes = plain.shapes.map((shape, k): [number, number] => {
    if (!isStatic(shape) || shape.length === 0) {
      throw new OnnxError([
        fault(
          `leastSquares: the size of residuals ${k} is not known beforehand; samples must lie along their first axis.`,
        ),
      ]);
    }
    return [shape[0], shape.slice(1).reduce((a, b) => a * b, 1)];
  });
  const [samples] = sizes[0];
  const isExpandable = sizes.every(([count, columns]) => count === samples && columns <= MAX_COLUMNS);
  const rows = isExpandable
    ? expanded(() => build(bytes, options, names, dimensions, residuals, samples))
    : null;
  const { differentiated } = plain;
  const gradients = new Set(names.map(gradientNameOf));
  return {
    sizes,
    differentiated,
    residuals: withOutputs(differentiated.bytes, isResidual),
    gradients: withOutputs(differentiated.bytes, (name) => isResidual(name) || gradients.has(name)),
    rows:
      rows &&
      withOutputs(rows.differentiated.bytes, (name) => isResidual(name) || name.startsWith('jacobian/')),
  };
}

/** A model that cannot be written sample by sample is no fault: its Jacobian comes another way. */
function expanded<T>(make: () => T): T | null {
  try {
    return make();
  } catch (error) {
    if (error instanceof OnnxError) return null;
    throw error;
  }
}

/** @param samples - number of them, where each gets its own copy of the parameters; null where none does */
function build(
  bytes: Uint8Array,
  options: DifferentiateOptions,
  names: readonly string[],
  dimensions: Dimensions,
  residuals: ResidualFunction,
  samples: number | null,
) {
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
  if (samples !== null && !expandPerSample(model, names, samples)) return null;

  let shapes: ReturnType<Builder['shapeOf']>[] = [];
  const { externalData: _, freeBatch: __, hessianVector: ___, keep: ____, ...rest } = options;
  const differentiated = differentiate(encodeModel(model), {
    ...rest,
    wrt: names,
    loss(g, context) {
      // Residuals that name a parameter, such as an unknown coefficient, get each sample's copy of it.
      const value = (name: string): Value =>
        context.value(samples !== null && names.includes(name) ? perSampleNameOf(name) : name);
      const given = residuals(g, { ...context, value });
      const values = typeof given === 'string' ? [given] : given;
      shapes = values.map((value) => g.shapeOf(value));
      const squares = values.map((value, k) => {
        g.addOutput(residualNameOf(k), value);
        if (samples !== null) addRows(g, context, value, k, names, samples);
        return g.sumOfAll(g.square(value));
      });
      const [first, ...others] = squares;
      return g.add(first, ...others);
    },
  });
  return { differentiated, shapes };
}

/** Makes the gradients of each column of residuals, sample by sample, outputs of the graph. */
function addRows(
  g: Builder,
  { gradient, value: valueOf }: LossContext,
  residuals: Value,
  k: number,
  names: readonly string[],
  samples: number,
): void {
  const shape = g.shapeOf(residuals);
  const columns = isStatic(shape) ? shape.slice(1).reduce((a, b) => a * b, 1) : 1;
  const copies = names.map((name) => valueOf(perSampleNameOf(name)));
  const table = g.reshape(residuals, [samples, columns]);
  for (let j = 0; j < columns; j++) {
    const rows = gradient(columns === 1 ? table : g.slice(table, j, j + 1, 1), copies);
    names.forEach((name, i) => g.addOutput(jacobianNameOf(name, k, j), rows[i]));
  }
}

/** A graph with some of its outputs, and what they need. */
function withOutputs(bytes: Uint8Array, isWanted: (name: string) => boolean): Uint8Array {
  const model = decodeModel(bytes);
  const { graph } = model;
  graph.output = graph.output.filter(({ name }) => isWanted(name));
  prune(graph);
  return encodeModel(model);
}

/**
 * The residuals of a loss that is a mean of squares: (output − target)·√(weight / number of elements).
 *
 * @throws OnnxError if the loss is another
 */
export function residualsOfLoss({ loss, output, l2 = 0 }: DifferentiateOptions): ResidualFunction {
  const terms = termsOf(loss);
  const isSum = terms.length > 0 && terms.every((term) => term.loss === 'mse' && (term.weight ?? 1) >= 0);
  if (!isSum || l2 > 0) {
    throw new OnnxError([
      fault(
        "leastSquares: the loss must be 'mse', or several of them, without l2; or give the residuals: leastSquares(feeds, { residuals: (g, context) => … }).",
      ),
    ]);
  }
  return (g, { outputs, value, target }) =>
    terms.map((term) => {
      const asked = term.output ?? output ?? outputs[0];
      const y = value(asked);
      const name = term.target ?? (terms.length === 1 ? targetName : targetNameOf(asked));
      const shape = g.shapeOf(y);
      const count = isStatic(shape) ? shape.reduce((a, b) => a * b, 1) : 1;
      return g.mul(g.sub(y, target(name, y)), Math.sqrt((term.weight ?? 1) / count));
    });
}
