import { layoutOf, type Layout } from '../../../core/layout.ts';
import { vectorParams, type ParamSet } from '../../../core/paramSet.ts';
import type { Precision } from '../../../core/problem.ts';
import type { Parameter } from '../choose.ts';
import { gradientNameOf, manyOf } from '../ir/convention.ts';
import { writeElements } from '../ir/tensor.ts';
import { giveBack } from './giveBack.ts';
import { rounded } from './narrow.ts';
import { fillsOutputs, tensorOver, type Ort, type OrtTensor, type OrtTensors } from './ort.ts';

/** A real array of either precision. */
export type Reals = Float32Array | Float64Array;

/** `n` zeros of a precision. */
export const zeros = (precision: Precision, n: number): Reals =>
  precision === 'float64' ? new Float64Array(n) : new Float32Array(n);

/** The buffer of points, and a function that fills it. */
function pointOf(precision: Precision, n: number) {
  if (precision === 'float32') return rounded(n);
  const into = new Float64Array(n);
  return { into, round: (x: Float64Array) => into.set(x) };
}

/** Outputs requested of a run: names, or tensors to fill in place. */
export type Fetches = readonly string[] | Readonly<Record<string, OrtTensor | null>>;

/** The parameters of a model, and the buffers that pass them to ONNX Runtime and their gradients back. */
export interface Weights {
  /** Parameters of the model. Evaluations at other points do not touch them. */
  readonly params: ParamSet;
  /** The same memory as `params`, `[n]`. */
  readonly values: Reals;
  /** Point that ONNX Runtime is fed with, `[n]`: write here, then feed `inputs`. */
  readonly point: Reals;
  /** `point ← x`, `[n]`. */
  setPoint(this: void, x: Float64Array): void;
  /** Views of `point`, a tensor for each parameter, by the name of the graph's input. */
  readonly inputs: OrtTensors;
  /** The same views by the parameter's name in the model. */
  readonly named: OrtTensors;
  /**
   * Returns k points, `[k, n]`, as feeds for the graph of many losses: each parameter is `[k, …shape]`. The tensors view a
   * buffer that the next call overwrites.
   */
  many(points: Float64Array): OrtTensors;
  /** Outputs to fetch: the gradients and `others`. */
  readonly fetches: Fetches;
  /** Returns the gradients and other outputs to fetch. */
  gradientsAnd(others: readonly string[]): Fetches;
  /** `gradient ←` that in the results of a run, `[n]`. */
  readGradient(results: OrtTensors, gradient: Float64Array): void;
}

/**
 * Lays out a model's parameters in flat buffers of its precision. ONNX Runtime is fed with views of one buffer, and in
 * Node fills views of another, so neither parameters nor gradients are copied.
 *
 * @param others - outputs to fetch in addition to the gradients
 */
export function weightsOf(
  ort: Ort,
  parameters: readonly Parameter[],
  precision: Precision,
  others: readonly string[],
): Weights {
  const layout = layoutOf(parameters);
  const values = zeros(precision, layout.length);
  const { into: point, round: setPoint } = pointOf(precision, layout.length);
  const gradients = zeros(precision, fillsOutputs(ort) ? layout.length : 0);
  parameters.forEach(({ tensor }, i) => {
    const { offset } = layout.tensors[i];
    writeElements(tensor, values.subarray(offset, offset + layout.tensors[i].size));
  });
  const outputs =
    gradients.length > 0 ? viewsOf(ort, layout, gradients, ({ name }) => gradientNameOf(name)) : {};
  const gradientsAnd = (names: readonly string[]): Fetches =>
    gradients.length > 0
      ? { ...outputs, ...Object.fromEntries(names.map((name) => [name, null])) }
      : [...names, ...layout.tensors.map(({ name }) => gradientNameOf(name))];
  const names = layout.tensors.map(({ name }) => gradientNameOf(name));
  return {
    params: vectorParams(values, layout),
    values,
    point,
    setPoint,
    inputs: viewsOf(ort, layout, point, (_, i) => parameters[i].input),
    named: viewsOf(ort, layout, point, ({ name }) => name),
    many: feederOfMany(ort, layout, precision),
    fetches: gradientsAnd(others),
    gradientsAnd,
    readGradient(results, gradient) {
      if (gradients.length > 0) gradient.set(gradients);
      else gather(results, layout, gradientNameOf, gradient);
      giveBack(results, names);
    },
  };
}

/** Returns tensors that view the parts of a buffer `[n]`, one for each tensor of a layout, by the names of `nameOf`. */
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

/** `vector ←` the results that belong to the tensors of a layout, `[n]`. */
export function gather(
  results: OrtTensors,
  { tensors }: Layout,
  nameOf: (name: string) => string,
  vector: Float64Array,
): void {
  for (const { name, offset } of tensors) vector.set(results[nameOf(name)].data as Reals, offset);
}

/** Creates {@link Weights.many}. */
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
