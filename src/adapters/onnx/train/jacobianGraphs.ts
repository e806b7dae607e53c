import { sizeOf } from '../../../core/layout.ts';
import { OnnxError, refuse, typed } from '../ir/errors.ts';
import { isStatic } from '../ir/shape.ts';
import { encodeModel, type Model } from '../ir/model.ts';
import { finish, vmap } from '../passes/vmap.ts';
import {
  buildResiduals,
  onlyOutputs,
  residualNameOf,
  type ResidualGraphs,
  type ResidualSource,
} from './residualGraphs.ts';
import type { Layout } from '../../../core/layout.ts';
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';

/** Graph of the rows of the Jacobian that belong to some residual values. */
export interface SampleGraph {
  /** Outputs are residual values, by {@link residualNameOf}, and their rows, `[samples·columns, n]`, by {@link rowsNameOf}. */
  readonly bytes: Uint8Array;
  /** Indices of its residual values. */
  readonly values: readonly number[];
  readonly inputs: readonly string[];
}

/** Graphs of products with the Jacobian: see {@link productGraphs}. */
export interface ProductGraphs {
  readonly vectorJacobian: Uint8Array;
  /** Null if a node has no second derivative. */
  readonly jacobianVector: Uint8Array | null;
}

/** Name of the output with the rows of the k-th residual value. */
export const rowsNameOf = (k: number): string => `rows/${k}`;
/** Name of the input that holds u for the k-th residual value, of its shape. */
export const cotangentNameOf = (k: number): string => `cotangent/${k}`;
/** Name of the input that holds v for a parameter, of its shape. */
export const tangentNameOf = (parameter: string): string => `tangent/${parameter}`;
/** Name of the output that holds Jᵀu for a parameter. */
export const pulledNameOf = (parameter: string): string => `pulled/${parameter}`;
/** Name of the output that holds Jv for the k-th residual value. */
export const pushedNameOf = (k: number): string => `pushed/${k}`;

/** Name of the output that holds the derivative of column j of the k-th residual value by a parameter. */
const slopeNameOf = (k: number, j: number, parameter: string): string => `slope/${k}/${j}/${parameter}`;

/** Most residuals per sample: each takes a backward pass of its own, and more would make the graph too large. */
const MAX_COLUMNS = 16;

/**
 * Builds graphs that compute the rows of the Jacobian of all samples at once: the gradient of one sample's residuals,
 * mapped over the samples. There is one graph for each number of samples that occurs.
 *
 * An input with as many elements along its first axis as there are samples is assumed to hold one for each.
 *
 * @returns null if the model does not accept a single sample, or a node has no rule of `vmap`
 */
export function sampleGraphs(source: ResidualSource, whole: ResidualGraphs): SampleGraph[] | null {
  const counts = [...new Set(whole.sizes.map(([count]) => count))];
  if (whole.sizes.some(([, columns]) => columns > MAX_COLUMNS)) return null;
  return ifPossible(() => counts.map((count) => sampleGraph(source, whole, count)));
}

const inputsOf = ({ graph }: Model): string[] => graph.input.map(({ name }) => name);

function sampleGraph(source: ResidualSource, graphs: ResidualGraphs, count: number): SampleGraph {
  const dimensions = new Map(
    Array.from(source.dimensions, ([name, dims]) => [name, dims[0] === count ? [1, ...dims.slice(1)] : dims]),
  );
  const values = graphs.sizes.flatMap(([samples], k) => (samples === count ? [k] : []));
  const { differentiated } = buildResiduals({ ...source, dimensions }, count, (g, context, all) => {
    for (const k of values) {
      const [, columns] = graphs.sizes[k];
      const shape = g.shapeOf(all[k]);
      const isOne = isStatic(shape) && shape[0] === 1 && sizeOf(shape) === columns;
      if (!isOne) refuse(`residuals ${k} have another shape for one sample than for many.`);
      const table = g.reshape(all[k], [1, columns]);
      g.addOutput(residualNameOf(k), table);
      for (let j = 0; j < columns; j++) {
        const column = columns === 1 ? table : g.slice(table, j, j + 1, 1);
        const slopes = context.gradient(column, source.names.map(context.value));
        source.names.forEach((name, i) => g.addOutput(slopeNameOf(k, j, name), slopes[i]));
      }
    }
  });
  const one = onlyOutputs(differentiated.bytes, (name) => /^(residual|slope)\//.test(name));
  const mapped = vmap(one, mappedInputs(graphs, one, count), count);
  const outputs = new Map<string, Value>();
  for (const k of values) {
    const [, columns] = graphs.sizes[k];
    outputs.set(residualNameOf(k), flat(mapped.g, mapped.outputs.get(residualNameOf(k))));
    const rows = Array.from({ length: columns }, (_, j) =>
      rowOf(
        mapped.g,
        source.names.map((name) => mapped.outputs.get(slopeNameOf(k, j, name))),
        count,
      ),
    );
    outputs.set(rowsNameOf(k), columns === 1 ? rows[0] : interleaved(mapped.g, rows));
  }
  const whole = finish(one, mapped, outputs);
  return { bytes: encodeModel(whole), values, inputs: inputsOf(whole) };
}

/** Returns the inputs that hold one element for each sample, with their sizes for all samples. */
function mappedInputs(
  { differentiated }: ResidualGraphs,
  one: Model,
  count: number,
): Map<string, readonly number[]> {
  const wanted = new Set(one.graph.input.map(({ name }) => name));
  const found = new Map<string, readonly number[]>();
  for (const { name, shape } of [...differentiated.inputs, ...differentiated.targets]) {
    if (wanted.has(name) && isStatic(shape) && shape[0] === count) found.set(name, shape);
  }
  return found;
}

const flat = (g: Builder, value: Value | undefined): Value => g.flat(value ?? '');

/** Puts the values of all parameters side by side, `[count, n]`. */
const rowOf = (g: Builder, values: readonly (Value | undefined)[], count: number): Value =>
  g.concat(
    values.map((value) => g.reshape(value ?? '', [count, -1])),
    1,
  );

/** Returns row 0 of each table `[count, n]`, then row 1 of each, … */
function interleaved(g: Builder, tables: readonly Value[]): Value {
  const n = g.shapeOf(tables[0])?.[1] ?? 0;
  return g.reshape(g.concat(tables, 1), [-1, Number(n)]);
}

/**
 * Builds the graphs of Jᵀu and Jv. The second is computed as ∂(vᵀJᵀu)/∂u, since Jᵀu is linear in u.
 */
export function productGraphs(source: ResidualSource): ProductGraphs {
  const vectorJacobian = pulled(source, false);
  return { vectorJacobian, jacobianVector: ifPossible(() => pulled(source, true)) };
}

function pulled(source: ResidualSource, isPushed: boolean): Uint8Array {
  const { names } = source;
  const { differentiated } = buildResiduals(source, 1, (g, context, values) => {
    const cotangents = values.map((value, k) => context.target(cotangentNameOf(k), value));
    const [first, ...others] = values.map((value, k) => g.sumOfAll(g.mul(value, cotangents[k])));
    const parameters = names.map(context.value);
    const gradients = context.gradient(g.add(first, ...others), parameters);
    if (!isPushed) {
      names.forEach((name, i) => g.addOutput(pulledNameOf(name), gradients[i]));
      return;
    }
    const tangents = names.map((name, i) =>
      g.addInput(tangentNameOf(name), g.floatTypeOf(parameters[i]), g.shapeOf(parameters[i])),
    );
    const [along, ...more] = gradients.map((gradient, i) => g.sumOfAll(g.mul(gradient, tangents[i])));
    const pushed = context.gradient(g.add(along, ...more), cotangents);
    pushed.forEach((value, k) => g.addOutput(pushedNameOf(k), value));
  });
  const prefix = isPushed ? 'pushed/' : 'pulled/';
  return encodeModel(onlyOutputs(differentiated.bytes, (name) => name.startsWith(prefix)));
}

/** A graph of products for many vectors at once. */
export interface ManyProducts {
  readonly bytes: Uint8Array;
  /** Number of vectors. */
  readonly count: number;
  readonly inputs: readonly string[];
}

/**
 * Maps a graph of products over its vectors.
 *
 * @param bytes - from {@link productGraphs}
 * @param vectors - the shapes of its vectors, by the names of their inputs
 * @param columns - outputs to put side by side in one output `rows`, `[count, n]`; if empty, all stay separate
 * @returns null if a node has no rule of `vmap`
 */
export function manyProducts(
  bytes: Uint8Array,
  vectors: Layout,
  count: number,
  columns: readonly string[] = [],
): ManyProducts | null {
  return ifPossible(() => {
    const one = onlyOutputs(bytes, () => true);
    const inputs = vectors.tensors.map(({ name, shape }): [string, number[]] => [name, [count, ...shape]]);
    const mapped = vmap(one, new Map(inputs), count);
    const rows = columns.map((name) => mapped.outputs.get(name));
    const outputs = columns.length > 0 ? new Map([['rows', rowOf(mapped.g, rows, count)]]) : mapped.outputs;
    const whole = finish(one, mapped, outputs);
    return { bytes: encodeModel(whole), count, inputs: inputsOf(whole) };
  });
}

/** Returns the result of `make`, or null if a graph is refused: the Jacobian is then computed in another way. */
export function ifPossible<T>(make: () => T): T | null {
  try {
    return typed(make);
  } catch (error) {
    if (error instanceof OnnxError) return null;
    throw error;
  }
}
