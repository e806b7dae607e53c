/**
 * The ops of ONNX by methods: each appends one node. Both writers of graphs, that of `onnx` and that of `tfjs`, add how a
 * node is stored.
 *
 * @module
 */
import type {
  ConvolutionAttributes,
  OpAttributes,
  OpWindow,
  ResizeAttributes,
  TransposedAttributes,
} from './opAttributes.ts';

/** A value of a graph, by its name. */
export type Value = string;

/** A value, or a number that becomes a constant of the other operands' type. */
export type Operand = Value | number;

/** A graph to which nodes are appended. Operands broadcast as in NumPy. */
export abstract class OpWriter {
  #names: readonly Value[] | undefined;

  /** Appends a node with `count` outputs, and returns their names. */
  abstract ops(
    op: string,
    inputs: readonly (Operand | undefined)[],
    attributes?: OpAttributes,
    count?: number,
  ): Value[];
  /** Returns an unused name. */
  abstract fresh(stem: string): Value;
  /** Adds a constant vector of int64. */
  abstract integers(values: readonly number[]): Value;

  /** Gives the outputs of the next node these names. */
  naming(...names: readonly Value[]): this {
    this.#names = names;
    return this;
  }
  /** Returns the names of the outputs of a new node. */
  protected outputsOf(stem: string, count: number): Value[] {
    const names = this.#names ?? Array.from({ length: count }, () => this.fresh(stem));
    this.#names = undefined;
    return [...names];
  }
  /** Appends a node with one output, and returns its name. */
  op(op: string, inputs: readonly (Operand | undefined)[], attributes?: OpAttributes): Value {
    return this.ops(op, inputs, attributes)[0];
  }
  /** Appends a node that needs all its operands, and returns the name of its output. */
  protected whole(op: string, operands: readonly Operand[], attributes?: OpAttributes): Value {
    return this.op(op, operands, attributes);
  }
  /** Appends a node of an op for each operand but the first; `neutral` is the number that changes no other operand. */
  protected fold(op: string, _neutral: number, [first, ...others]: readonly [Operand, ...Operand[]]): Value {
    return others.reduce<Operand>((a, b) => this.op(op, [a, b]), first) as Value;
  }
  #unary(op: string) {
    return (x: Value): Value => this.whole(op, [x]);
  }
  #binary(op: string) {
    return (a: Operand, b: Operand): Value => this.whole(op, [a, b]);
  }
  #any(op: string) {
    return (...operands: readonly [Operand, ...Operand[]]): Value => this.whole(op, operands);
  }
  #listed(values: Value | readonly number[]): Value {
    return typeof values === 'string' ? values : this.integers(values);
  }

  /** The sum of all. */
  add(...terms: readonly [Operand, ...Operand[]]): Value {
    return this.fold('Add', 0, terms);
  }
  /** The product of all. */
  mul(...factors: readonly [Operand, ...Operand[]]): Value {
    return this.fold('Mul', 1, factors);
  }
  /** The sum of all, by one node. */
  readonly addAll = this.#any('Sum');
  /** The mean of all, by one node. */
  readonly meanOf = this.#any('Mean');
  /** a − b. */
  readonly sub = this.#binary('Sub');
  /** a / b. */
  readonly div = this.#binary('Div');
  /** a to the power of b. */
  readonly pow = this.#binary('Pow');
  /** The rest of a / b for integers, with the sign of b. */
  readonly mod = this.#binary('Mod');
  /** The smallest of all. */
  readonly min = this.#any('Min');
  /** The largest of all. */
  readonly max = this.#any('Max');
  /** x clamped to two bounds. */
  clip(x: Value, low: Operand, high: Operand): Value {
    return this.op('Clip', [x, low, high]);
  }
  /** x². */
  square(x: Value): Value {
    return this.mul(x, x);
  }
  /** x itself, as another value. */
  identity(x: Value): Value {
    return this.op('Identity', [x]);
  }
  /** −x. */
  readonly neg = this.#unary('Neg');
  /** eˣ. */
  readonly exp = this.#unary('Exp');
  /** The natural logarithm. */
  readonly log = this.#unary('Log');
  /** √x. */
  readonly sqrt = this.#unary('Sqrt');
  /** |x|. */
  readonly abs = this.#unary('Abs');
  /** −1, 0 or 1. */
  readonly sign = this.#unary('Sign');
  /** The largest integer ≤ x. */
  readonly floor = this.#unary('Floor');
  /** The smallest integer ≥ x. */
  readonly ceil = this.#unary('Ceil');
  /** The nearest integer; ties go to the even one. */
  readonly round = this.#unary('Round');
  /** The sine. */
  readonly sin = this.#unary('Sin');
  /** The cosine. */
  readonly cos = this.#unary('Cos');
  /** The error function. */
  readonly erf = this.#unary('Erf');
  /** 1 / (1 + e⁻ˣ). */
  readonly sigmoid = this.#unary('Sigmoid');
  /** The hyperbolic tangent. */
  readonly tanh = this.#unary('Tanh');
  /** max(x, 0). */
  readonly relu = this.#unary('Relu');
  /** log(1 + eˣ). */
  readonly softplus = this.#unary('Softplus');

  /** True where a > b. */
  readonly greater = this.#binary('Greater');
  /** True where a < b. */
  readonly less = this.#binary('Less');
  /** True where a ≥ b. */
  readonly greaterOrEqual = this.#binary('GreaterOrEqual');
  /** True where a ≤ b. */
  readonly lessOrEqual = this.#binary('LessOrEqual');
  /** True where a = b. */
  readonly equal = this.#binary('Equal');
  /** True where both are true. */
  readonly and = this.#binary('And');
  /** True where either is true. */
  readonly or = this.#binary('Or');
  /** True where x is NaN. */
  readonly isNaN = this.#unary('IsNaN');
  /** True where x is false. */
  readonly not = this.#unary('Not');
  /** x in another type, by its number in the ONNX format. */
  cast(x: Value, dtype: number): Value {
    return this.op('Cast', [x], { to: dtype });
  }

  /** Sum over `axes`, kept with size 1 unless `keep` is false. */
  sum(x: Value, axes: readonly number[] | Value, keep = true): Value {
    return this.reduce('ReduceSum', x, axes, keep);
  }
  /** Mean over `axes`, kept with size 1 unless `keep` is false; from opset 18 on. */
  mean(x: Value, axes: readonly number[] | Value, keep = true): Value {
    return this.reduce('ReduceMean', x, axes, keep);
  }
  protected reduce(op: string, x: Value, axes: readonly number[] | Value, keep: boolean): Value {
    return this.op(op, [x, this.#listed(axes)], { keepdims: keep ? 1 : 0 });
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
}
