import { layoutOf, type Layout } from '../../../core/layout.ts';
import { vectorParams, type ParamSet } from '../../../core/paramSet.ts';
import type { Precision } from '../../../core/problem.ts';
import type { Parameter } from '../choose.ts';
import { elementsOf } from '../graph/tensor.ts';
import { manyOf } from './graphs.ts';
import { fillsOutputs, tensorOver, type Ort, type OrtTensor, type OrtTensors } from './ort.ts';

/** A real array of either precision. */
export type Reals = Float32Array | Float64Array;

/** `n` zeros of a precision. */
export const zeros = (precision: Precision, n: number): Reals =>
  precision === 'float64' ? new Float64Array(n) : new Float32Array(n);

/** The parameters of a model, and the buffers in which they go to ONNX Runtime and their gradients come back. */
export interface Weights {
  /** What the model holds. Evaluations elsewhere leave it alone. */
  readonly params: ParamSet;
  /** The same memory as `params`, `[n]`. */
  readonly values: Reals;
  /** What ONNX Runtime is fed with, `[n]`: write a point here, then feed `inputs`. */
  readonly point: Reals;
  /** For each parameter a tensor that views its part of `point`. */
  readonly inputs: OrtTensors;
  /**
   * k points, `[k, n]`, as feeds for the graph of many losses: each parameter `[k, …shape]`. The tensors view a buffer
   * that the next call writes.
   */
  many(points: Float64Array): OrtTensors;
  /** What to ask for: the gradients, and `others`. */
  readonly fetches: readonly string[] | Readonly<Record<string, OrtTensor | null>>;
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
  const inputs: Record<string, OrtTensor> = {};
  const outputs: Record<string, OrtTensor | null> = Object.fromEntries(others.map((name) => [name, null]));
  parameters.forEach(({ name, shape, tensor, gradient }, i) => {
    const { offset, size } = layout.tensors[i];
    values.set(Array.from<number | bigint, number>(elementsOf(tensor), Number), offset);
    inputs[name] = tensorOver(ort, precision, point.subarray(offset, offset + size), shape);
    if (gradients.length > 0) {
      const part = gradients.subarray(offset, offset + size);
      outputs[gradient] = tensorOver(ort, precision, part, shape);
    }
  });
  const names = [...others, ...parameters.map(({ gradient }) => gradient)];
  return {
    params: vectorParams(values, layout),
    values,
    point,
    inputs,
    many: feederOfMany(ort, layout, precision),
    fetches: gradients.length > 0 ? outputs : names,
    readGradient(results, gradient) {
      if (gradients.length > 0) return gradient.set(gradients);
      for (let i = 0; i < parameters.length; i++) {
        gradient.set(results[parameters[i].gradient].data as Reals, layout.tensors[i].offset);
      }
    },
  };
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
