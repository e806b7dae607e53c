/**
 * The ops of ONNX by methods: each appends one node. Both writers of graphs, that of `onnx` and that of `tfjs`, add how a
 * node is stored.
 *
 * @module
 */
import type {
  ConvolutionAttributes,
  OpWindow,
  ResizeAttributes,
  TransposedAttributes,
} from './attributes.ts';
import { ElementwiseWriter, type Operand, type Value } from './elementwise.ts';

export type { Operand, Value };

/** Reductions, by their results. */
export const reductions = { sum: 'ReduceSum', mean: 'ReduceMean', largest: 'ReduceMax' } as const;

/** A graph to which nodes are appended. */
export abstract class OpWriter extends ElementwiseWriter {
  /** Adds a constant vector of int64. */
  abstract integers(values: readonly number[]): Value;
  #listed(values: Value | readonly number[]): Value {
    return typeof values === 'string' ? values : this.integers(values);
  }

  /** Sum over `axes`, kept with size 1 unless `keep` is false. */
  sum(x: Value, axes: readonly number[] | Value, keep = true): Value {
    return this.reduce(reductions.sum, x, axes, keep);
  }
  /** Mean over `axes`, kept with size 1 unless `keep` is false; from opset 18 on. */
  mean(x: Value, axes: readonly number[] | Value, keep = true): Value {
    return this.reduce(reductions.mean, x, axes, keep);
  }
  protected reduce(op: string, x: Value, axes: readonly number[] | Value, keep: boolean): Value {
    return this.op(op, [x, this.#listed(axes)], { keepdims: keep ? 1 : 0 });
  }
  /** Mean of all elements, a scalar. */
  meanOfAll(x: Value): Value {
    return this.op(reductions.mean, [x], { keepdims: 0 });
  }
  /** Sum of all elements, a scalar. */
  sumOfAll(x: Value): Value {
    return this.op(reductions.sum, [x], { keepdims: 0 });
  }

  /** Sum of the squares over `axes`, kept with size 1; without axes, of all elements, a scalar. */
  sumOfSquares(x: Value, axes?: readonly number[]): Value {
    return this.op('ReduceSumSquare', [x, axes && this.integers(axes)], { keepdims: axes ? undefined : 0 });
  }
  /** Largest element over `axes`, kept with size 1 unless `keep` is false. */
  maxOver(x: Value, axes: readonly number[], keep = true): Value {
    return this.op(reductions.largest, [x, this.integers(axes)], { keepdims: keep ? undefined : 0 });
  }
  /** Smallest element over `axes`, kept with size 1. */
  minOver(x: Value, axes: readonly number[]): Value {
    return this.op('ReduceMin', [x, this.integers(axes)]);
  }
  /** Largest of all elements, a scalar. */
  maxOfAll(x: Value): Value {
    return this.op(reductions.largest, [x], { keepdims: 0 });
  }
  /** Smallest of all elements, a scalar. */
  minOfAll(x: Value): Value {
    return this.op('ReduceMin', [x], { keepdims: 0 });
  }
  /** Softmax along one axis. */
  softmax(x: Value, axis: number): Value {
    return this.whole('Softmax', [x], { axis });
  }
  /** Logarithm of the softmax along one axis. */
  logSoftmax(x: Value, axis: number): Value {
    return this.op('LogSoftmax', [x], { axis });
  }

  /** The matrix product, over the last two axes. */
  matmul(a: Value, b: Value): Value {
    return this.whole('MatMul', [a, b]);
  }
  /** α·A'·B' + C of matrices, where A' is A or its transpose; likewise B'. */
  gemm(
    a: Value,
    b: Value,
    { transA, transB, alpha = 1 }: { transA?: boolean; transB?: boolean; alpha?: number } = {},
    c?: Value,
  ): Value {
    return this.op('Gemm', [a, b, c], {
      transA: transA ? 1 : undefined,
      transB: transB ? 1 : undefined,
      alpha: alpha === 1 ? undefined : alpha,
    });
  }
  /** The convolution of images `[N, C, …]` with filters `[M, C / group, …]`. */
  convolve(x: Value, filters: Value, attributes: ConvolutionAttributes = {}, bias?: Value): Value {
    return this.op('Conv', [x, filters, bias], attributes);
  }
  /** The transposed convolution of images `[N, C, …]` with filters `[C, M / group, …]`. */
  convolveTransposed(x: Value, filters: Value, attributes: TransposedAttributes = {}, bias?: Value): Value {
    return this.op('ConvTranspose', [x, filters, bias], attributes);
  }
  /** The largest element of each window. */
  largest(x: Value, window: OpWindow): Value {
    return this.op('MaxPool', [x], window);
  }
  /** The mean of each window. */
  averages(x: Value, window: OpWindow & { readonly count_include_pad?: number | undefined }): Value {
    return this.op('AveragePool', [x], window);
  }
  /** x in another size, by factors or by the sizes. */
  resize(
    x: Value,
    attributes: ResizeAttributes,
    scales: Value | undefined,
    sizes?: Value,
    roi?: Value,
  ): Value {
    return this.op('Resize', [x, roi, scales, sizes], attributes);
  }
  /** Layer normalization over the axes from `axis` on; its second and third outputs are the mean and 1 / deviation. */
  normalizeLayer(
    x: Value,
    scale: Value,
    bias: Value,
    attributes: { readonly axis: number; readonly epsilon?: number },
    count = 1,
  ): Value[] {
    return this.ops('LayerNormalization', [x, scale, bias], attributes, count);
  }
  /** Batch normalization over all axes but the second; in training mode, with the new running statistics. */
  normalizeBatch(
    x: Value,
    parameters: readonly [scale: Value, bias: Value, mean: Value, variance: Value],
    attributes: { readonly epsilon?: number; readonly momentum?: number; readonly training_mode?: number },
    count = 1,
  ): Value[] {
    return this.ops('BatchNormalization', [x, ...parameters], attributes, count);
  }

  /** The axes in another order: axis i of the result is axis `perm[i]` of x. */
  transpose(x: Value, perm: readonly number[]): Value {
    return this.op('Transpose', [x], { perm });
  }
  /** The shape, a vector of int64. */
  shape(x: Value): Value {
    return this.op('Shape', [x]);
  }
  /** x in another shape, constant or a vector of int64. */
  reshape(x: Value, shape: Value | readonly number[]): Value {
    return this.whole('Reshape', [x, this.#listed(shape)]);
  }
  /** x in the shape given by a vector of int64; sizes of 0 are allowed. */
  reshapeTo(x: Value, shape: Value): Value {
    return this.op('Reshape', [x, shape], { allowzero: 1 });
  }
  /** x as a matrix: the axes before `axis` become rows, the others columns. */
  flatten(x: Value, axis = 1): Value {
    return this.op('Flatten', [x], { axis });
  }
  /** x broadcast to a shape, constant or a vector of int64. */
  expand(x: Value, shape: Value | readonly number[]): Value {
    return this.op('Expand', [x, this.#listed(shape)]);
  }
  /** x repeated along each axis. */
  tile(x: Value, repeats: Value | readonly number[]): Value {
    return this.op('Tile', [x, this.#listed(repeats)]);
  }
  /** x with axes of size 1 inserted, at these positions of the result. */
  unsqueeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op('Unsqueeze', [x, this.integers(axes)]);
  }
  /** x without these axes of size 1. */
  squeeze(x: Value, axes: readonly number[]): Value {
    return axes.length === 0 ? x : this.op('Squeeze', [x, this.integers(axes)]);
  }
  /** The parts one after the other along an axis. */
  concat(parts: readonly Value[], axis: number): Value {
    return parts.length === 1 ? parts[0] : this.op('Concat', parts, { axis });
  }
  /** The parts side by side along a new axis. */
  stack(parts: readonly Value[], axis: number): Value {
    const one = (part: Value) => this.unsqueeze(part, [axis]);
    return this.concat(parts.map(one), axis);
  }
  /** x[start : end] along one axis, by constants or vectors of one int64. */
  slice(x: Value, start: number | Value, end: number | Value, axis: number): Value {
    const bound = (v: number | Value) => (typeof v === 'string' ? v : this.integers([v]));
    return this.op('Slice', [x, bound(start), bound(end), this.integers([axis])]);
  }
  /** x[starts : ends : steps] along several axes, the first ones by default. */
  slices(
    x: Value,
    starts: Value | readonly number[],
    ends: Value | readonly number[],
    axes?: Value | readonly number[],
    steps?: Value | readonly number[],
  ): Value {
    const bounds = [starts, ends, axes, steps].map((list) => list && this.#listed(list));
    return this.op('Slice', [x, ...bounds]);
  }
  /** Parts of these sizes along an axis. */
  split(x: Value, sizes: readonly number[], axis: number): Value[] {
    return this.parts(x, sizes.length, axis, this.integers(sizes));
  }
  /** Equal parts along an axis, or nearly so; from opset 18 on. */
  equalParts(x: Value, count: number, axis: number): Value[] {
    return this.ops('Split', [x], { axis, num_outputs: count }, count);
  }
  /** A number of parts along an axis: equal ones, or of the sizes in a vector of int64. */
  parts(x: Value, count: number, axis: number, sizes?: Value): Value[] {
    return this.ops('Split', [x, sizes], { axis }, count);
  }
  /**
   * x with elements added, or removed if negative, at the beginning and the end of each axis: zeros, or
   * `value`.
   */
  pad(x: Value, pads: readonly number[] | Value, value?: Operand, axes?: Value, mode?: string): Value {
    return this.op('Pad', [x, this.#listed(pads), value, axes], { mode });
  }
  /** The elements of x at the indices along an axis; the indices may have any shape. */
  gather(x: Value, indices: Value, axis = 0): Value {
    return this.op('Gather', [x, indices], { axis: axis === 0 ? undefined : axis });
  }
  /** One element of x for each index, at the index's own position except along `axis`, where the index counts. */
  gatherElements(x: Value, indices: Value, axis: number): Value {
    return this.op('GatherElements', [x, indices], { axis });
  }
  /** The elements or parts of x at lists of indices, which stand along the last axis; the first axes may be shared by both. */
  gatherAt(x: Value, indices: Value, sharedAxes = 0): Value {
    return this.op('GatherND', [x, indices], { batch_dims: sharedAxes === 0 ? undefined : sharedAxes });
  }
  /** `into` with the updates added at the positions that `gatherElements` would read. */
  scatterAdd(into: Value, indices: Value, updates: Value, axis: number): Value {
    return this.scatter(into, indices, updates, axis, 'add');
  }
  /**
   * `into` with the updates written at these positions, or combined with the elements there by a reduction; without one, any of
   * several updates for one position may win.
   */
  scatter(into: Value, indices: Value, updates: Value, axis: number, reduction?: string): Value {
    return this.op('ScatterElements', [into, indices, updates], { axis, reduction });
  }
  /** Index of the largest element along an axis, kept with size 1 unless `keep` is false; int64. */
  argMax(x: Value, axis: number, keep = true): Value {
    return this.op('ArgMax', [x], { axis, keepdims: keep ? undefined : 0 });
  }
  /** Indices of the nonzero elements, int64 `[rank, count]`. */
  nonZero(x: Value): Value {
    return this.op('NonZero', [x]);
  }
}
