import { layoutOf, type Layout } from '../../../core/layout.ts';
import { vectorParams, type ParamSet } from '../../../core/paramSet.ts';
import type { Precision } from '../../../core/problem.ts';
import type { Parameter } from '../choose.ts';
import { gradientNameOf, manyOf } from '../ir/convention.ts';
import { writeElements } from '../ir/tensor.ts';
import { giveBack } from './giveBack.ts';
import { rounded } from './narrow.ts';
import { remembered } from './session.ts';
import { fillsOutputs, tensorOver, type Ort, type OrtTensor, type OrtTensors } from './ort.ts';

/** A real array of either precision. */
export type Reals = Float32Array | Float64Array;

/** `n` zeros of a precision. */
export const zeros = (precision: Precision, n: number): Reals =>
  precision === 'float64' ? new Float64Array(n) : new Float32Array(n);

/** The buffer of points, and a function that fills it; for float32, it may be given. */
function pointOf(precision: Precision, n: number, buffer?: Float32Array) {
  if (precision === 'float32') return rounded(n, buffer);
  const into = new Float64Array(n);
  return { into, round: (x: Float64Array) => into.set(x) };
}

/** Outputs requested of a run: names, or tensors to fill in place. */
export type Fetches = readonly string[] | Readonly<Record<string, OrtTensor | null>>;

/** The point that ONNX Runtime is fed with. */
export interface FedPoint {
  /** The point, `[n]`: write here, then feed `inputs`. */
  readonly point: Reals;
  /** `point ← x`, `[n]`. */
  setPoint(this: void, x: Float64Array): void;
  /** Views of `point`, a tensor for each parameter, by the name of the graph's input. */
  readonly inputs: OrtTensors;
  /** The same views by the parameter's name in the model. */
  readonly named: OrtTensors;
}

/** The parameters of a model, and the buffers that pass them to ONNX Runtime and their gradients back. */
export interface Weights {
  /** Parameters of the model. Evaluations at other points do not touch them. */
  readonly params: ParamSet;
  /** The same memory as `params`, `[n]`. */
  readonly values: Reals;
  /** Returns the point that ONNX Runtime is fed with. */
  fed(this: void): FedPoint;
  /**
   * Returns the point to feed where a gradient is wanted in a vector, `[n]`: it lies in that half of the vector's memory which
   * ONNX Runtime does not write the gradient to, so that it takes none of its own. Without such a half, it is that of `fed`.
   */
  fedBeside(this: void, gradient: Reals): FedPoint;
  /**
   * Returns k points, `[k, n]`, as feeds for the graph of many losses: each parameter is `[k, …shape]`. The tensors view a
   * buffer that the next call overwrites.
   */
  many(points: Float64Array): OrtTensors;
  /**
   * Returns a function of the vector that a gradient is wanted in, `[n]`, with the outputs of a run to fetch: `others` and
   * the gradients. In Node, ONNX Runtime writes large gradients into the memory of that vector, in the model's precision.
   */
  fetcher(others: readonly string[]): (gradient: Reals) => Fetches;
  /** `gradient ←` that in the results of a run, `[n]`, whose gradients are empty afterwards. */
  readGradient(results: OrtTensors, gradient: Reals): void;
}

/** Lays out a model's parameters in flat buffers of its precision. ONNX Runtime is fed with views of one buffer. */
export function weightsOf(ort: Ort, parameters: readonly Parameter[], precision: Precision): Weights {
  const layout = layoutOf(parameters);
  const values = zeros(precision, layout.length);
  // Not read off `parameters` later on: the functions below would keep their tensors alive, and so the file.
  const inputs = parameters.map(({ input }) => input);
  const names = layout.tensors.map(({ name }) => gradientNameOf(name));
  const fedOver = (buffer?: Float32Array): FedPoint => {
    const { into: point, round: setPoint } = pointOf(precision, layout.length, buffer);
    return {
      point,
      setPoint,
      inputs: viewsOf(ort, layout, point, (_, i) => inputs[i]),
      named: viewsOf(ort, layout, point, ({ name }) => name),
    };
  };
  // Allocated when first needed: many models are loaded only to predict, or to be looked at.
  const fed = remembered(() => fedOver());
  parameters.forEach(({ tensor }, i) => {
    const { offset } = layout.tensors[i];
    writeElements(tensor, values.subarray(offset, offset + layout.tensors[i].size));
  });
  return {
    params: vectorParams(values, layout),
    values,
    fed,
    fedBeside: perVector((gradient) => {
      const into = writtenInto(ort, layout, precision, gradient);
      const isHalf = into instanceof Float32Array && gradient.byteLength >= 2 * into.byteLength;
      return isHalf
        ? fedOver(new Float32Array(into.buffer, into.byteOffset + into.byteLength, into.length))
        : fed();
    }),
    many: feederOfMany(ort, layout, precision),
    fetcher: (others) => perVector((gradient) => fetchesInto(ort, layout, precision, gradient, others)),
    readGradient(results, gradient) {
      // Read from the copies that onnxruntime-node returns: what it has written into this memory may be of another precision.
      const apart = names.some((name) => (results[name].data as Reals).buffer === gradient.buffer)
        ? Object.fromEntries(names.map((name) => [name, copyOf(ort, results[name])]))
        : results;
      gather(apart, layout, names, gradient);
      if (fillsOutputs(ort)) giveBack(apart, names);
    },
  };
}

/**
 * Bytes from which gradients are written into the vector that they are wanted in. Below, ONNX Runtime's own memory is
 * small, and with two threads, moving what both have written between their caches takes longer: 15 µs at 400 kB.
 */
const LEAST_BYTES = 2 ** 20;

/** The part of a vector's memory that ONNX Runtime writes gradients to; undefined if it returns them in arrays of its own. */
function writtenInto(
  ort: Ort,
  layout: Layout,
  precision: Precision,
  { buffer, byteOffset, byteLength }: Reals,
): Reals | undefined {
  const array = precision === 'float64' ? Float64Array : Float32Array;
  const bytes = array.BYTES_PER_ELEMENT * layout.length;
  const isWorthwhile = bytes >= LEAST_BYTES && bytes <= byteLength;
  const isAligned = byteOffset % array.BYTES_PER_ELEMENT === 0;
  if (!fillsOutputs(ort) || !(buffer instanceof ArrayBuffer) || !isWorthwhile || !isAligned) return undefined;
  return new array(buffer, byteOffset, layout.length);
}

/** Creates the outputs to fetch of {@link Weights.fetcher}. */
function fetchesInto(
  ort: Ort,
  layout: Layout,
  precision: Precision,
  gradient: Reals,
  others: readonly string[],
): Fetches {
  const into = writtenInto(ort, layout, precision, gradient);
  if (into === undefined) return [...others, ...layout.tensors.map(({ name }) => gradientNameOf(name))];
  return {
    ...viewsOf(ort, layout, into, ({ name }) => gradientNameOf(name)),
    ...Object.fromEntries(others.map((name) => [name, null])),
  };
}

/** Returns a function of a vector that computes its result once for each vector. */
function perVector<T>(compute: (vector: Reals) => T): (vector: Reals) => T {
  const known = new WeakMap<Reals, { readonly result: T }>();
  return (vector) => {
    const found = known.get(vector) ?? { result: compute(vector) };
    known.set(vector, found);
    return found.result;
  };
}

const copyOf = (ort: Ort, { type, data, dims }: OrtTensor): OrtTensor =>
  tensorOver(ort, type, (data as Reals).slice(), dims);

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

/** `vector ←` the results of those names, one for each tensor of a layout, `[n]`. */
export function gather(
  results: OrtTensors,
  { tensors }: Layout,
  names: readonly string[],
  vector: Reals,
): void {
  for (const [i, { offset }] of tensors.entries()) vector.set(results[names[i]].data as Reals, offset);
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
