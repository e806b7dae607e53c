import { layoutOf, type Layout } from '../../../core/layout.ts';
import { vectorParams, type ParamSet } from '../../../core/paramSet.ts';
import type { Precision } from '../../../core/problem.ts';
import type { Parameter } from '../choose.ts';
import { gradientNameOf, manyOf } from '../ir/convention.ts';
import { elementsOf } from '../ir/tensor.ts';
import { fillsOutputs, tensorOver, type Ort, type OrtTensor, type OrtTensors } from './ort.ts';

/** A real array of either precision. */
export type Reals = Float32Array | Float64Array;

/** `n` zeros of a precision. */
export const zeros = (precision: Precision, n: number): Reals =>
  precision === 'float64' ? new Float64Array(n) : new Float32Array(n);

/** The outputs asked of a run: names, or tensors to be filled in place. */
export type Fetches = readonly string[] | Readonly<Record<string, OrtTensor | null>>;

/** The parameters of a model, and the buffers in which they go to ONNX Runtime and their gradients come back. */
export interface Weights {
  /** Parameters of the model. Evaluations at other points do not touch them. */
  readonly params: ParamSet;
  /** The same memory as `params`, `[n]`. */
  readonly values: Reals;
  /** Point that ONNX Runtime is fed with, `[n]`: write here, then feed `inputs`. */
  readonly point: Reals;
  /** For each parameter a tensor that views its part of `point`, by the graph's input. */
  readonly inputs: OrtTensors;
  /** The same, by the parameter's name in the model. */
  readonly named: OrtTensors;
  /**
   * k points, `[k, n]`, as feeds for the graph of many losses: each parameter `[k, …shape]`. The tensors view a buffer
   * that the next call writes.
   */
  many(points: Float64Array): OrtTensors;
  /** Outputs to fetch: the gradients, and `others`. */
  readonly fetches: Fetches;
  /** The same with other outputs. */
  gradientsAnd(others: readonly string[]): Fetches;
  /** `gradient ← ` what a run brought, `[n]`. */
  readGradient(results: OrtTensors, gradient: Float64Array): void;
}

/**
 * Lays a model's parameters out in flat buffers of its precision. ONNX Runtime is fed with views of one, and in
 * Node fills views of the other: neither is copied on the way.
 *
 * @param others - outputs to ask for beside the gradients
 */
export function weightsOf(
  ort: Ort,
  parameters: readonly Parameter[],
  precision: Precision,
  others: readonly string[],
): Weights {
  const layout = layoutOf(parameters);
  const values = zeros(precision, layout.length);
  const point = zeros(precision, layout.length);
  const gradients = zeros(precision, fillsOutputs(ort) ? layout.length : 0);
  parameters.forEach(({ tensor }, i) => {
    const { offset } = layout.tensors[i];
    // Parameters are real; a list of plain numbers would take most of the time of setting a model up.
    values.set(elementsOf(tensor) as Reals, offset);
  });
  const outputs =
    gradients.length > 0 ? viewsOf(ort, layout, gradients, ({ name }) => gradientNameOf(name)) : {};
  const gradientsAnd = (names: readonly string[]): Fetches =>
    gradients.length > 0
      ? { ...outputs, ...Object.fromEntries(names.map((name) => [name, null])) }
      : [...names, ...layout.tensors.map(({ name }) => gradientNameOf(name))];
  return {
    params: vectorParams(values, layout),
    values,
    point,
    inputs: viewsOf(ort, layout, point, (_, i) => parameters[i].input),
    named: viewsOf(ort, layout, point, ({ name }) => name),
    many: feederOfMany(ort, layout, precision),
    fetches: gradientsAnd(others),
    gradientsAnd,
    readGradient(results, gradient) {
      if (gradients.length > 0) gradient.set(gradients);
      else gather(results, layout, gradientNameOf, gradient);
    },
  };
}

/** For each tensor of a layout one of ONNX Runtime that views its part of a buffer `[n]`, under the name that `nameOf` gives. */
export function viewsOf(
  ort: Ort,
  { tensors }: Layout,
  buffer: Reals,
  nameOf: (tensor: { readonly name: string }, i: number) => string,
): OrtTensors {
  const type = buffer instanceof Float64Array ? 'float64' : 'float32';
  return Object.fromEntries(
    tensors.map((tensor, i) => [
      nameOf(tensor, i),
      tensorOver(ort, type, buffer.subarray(tensor.offset, tensor.offset + tensor.size), tensor.shape),
    ]),
  );
}

/** `vector ← ` the results that belong to the tensors of a layout, `[n]`. */
export function gather(
  results: OrtTensors,
  { tensors }: Layout,
  nameOf: (name: string) => string,
  vector: Float64Array,
): void {
  for (const { name, offset } of tensors) vector.set(results[nameOf(name)].data as Reals, offset);
}

/** See {@link Weights.many}. */
function feederOfMany(ort: Ort, layout: Layout, precision: Precision): (points: Float64Array) => OrtTensors {
  const n = layout.length;
  let buffer = zeros(precision, 0);
  let tensors: Record<string, OrtTensor> = {};
  return (points) => {
    const k = points.length / n;
    if (buffer.length !== points.length) {
      buffer = zeros(precision, points.length);
      tensors = Object.fromEntries(
        layout.tensors.map(({ name, shape, offset, size }) => {
          const part = buffer.subarray(k * offset, k * (offset + size));
          return [manyOf(name), tensorOver(ort, precision, part, [k, ...shape])];
        }),
      );
    }
    for (const { offset, size } of layout.tensors) {
      for (let i = 0; i < k; i++) {
        const from = i * n + offset;
        buffer.set(points.subarray(from, from + size), k * offset + i * size);
      }
    }
    return tensors;
  };
}
