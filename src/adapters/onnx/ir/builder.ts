import type { GraphProto } from 'onnx-buf';
import { sizeOf } from '../../../core/layout.ts';
import { reductions } from '../../opWriter/opWriter.ts';
import { refuse } from './errors.ts';
import { Graph, type Operand, type Value } from './graph.ts';
import { FILL, identityNode } from './node.ts';
import { checkWhole } from './operands.ts';
import { axisFrom, isStatic, range, type Shape } from './shape.ts';
import { DType, dtypeName, numbersOf, tensorOf } from './tensor.ts';

/** A graph with the methods that write gradients and losses. Operands broadcast as in NumPy. */
export class Builder extends Graph {
  protected override fold(op: string, neutral: number, operands: readonly Operand[]): Value {
    this.requireOperands(op, operands);
    const rest = operands.filter((operand) => !this.#isScalar(operand, neutral));
    const [first = neutral, ...others] = rest;
    return others.reduce<Value>(
      (a, b) => this.op(op, [a, b]),
      typeof first === 'number' ? this.scalar(first, this.#dtypeAmong(operands)) : first,
    );
  }
  /** True for this number, or a value without axes that is filled with it: these change neither shapes nor values. */
  #isScalar(operand: Operand, value: number): boolean {
    if (typeof operand === 'number') return operand === value;
    const isFill = this.shapeOf(operand)?.length === 0 && this.traitsOf(operand)?.fills;
    // Not constants, which may be trained.
    const fill = isFill ? this.makerOf(operand)?.attribute[0]?.t : undefined;
    return fill !== undefined && numbersOf(fill)[0] === value;
  }
  #dtypeAmong(operands: readonly Operand[]): DType {
    const typed = operands.find((operand) => typeof operand === 'string');
    return (typeof typed === 'string' ? this.dtypeOf(typed) : undefined) ?? this.float;
  }
  override identity(x: Value): Value {
    const copy = this.fresh('copy');
    this.append(identityNode(x, copy));
    return copy;
  }
  /** a where the condition is true, b elsewhere. */
  where(condition: Value, a: Operand, b: Operand): Value {
    const dtype = this.#dtypeAmong([a, b]);
    const lift = (operand: Operand) => (typeof operand === 'number' ? this.scalar(operand, dtype) : operand);
    return this.whole('Where', [condition, lift(a), lift(b)]);
  }
  /** The results of one of two graphs, by a condition; they read values of this graph. */
  either(condition: Value, yes: GraphProto, no: GraphProto, count: number): Value[] {
    return this.ops('If', [condition], { then_branch: yes, else_branch: no }, count);
  }
  override cast(x: Value, dtype: DType): Value {
    return this.dtypeOf(x) === dtype ? x : super.cast(x, dtype);
  }
  /** 1 where the condition is true and 0 elsewhere, with the type of `like`. */
  mask(condition: Value, like: Value): Value {
    return this.cast(condition, this.dtypeOf(like) ?? this.float);
  }

  /** Reduces x over `axes` by an op such as ReduceSum; the axes are kept with size 1 if `keep`. */
  protected override reduce(op: string, x: Value, axes: readonly number[] | Value, keep: boolean): Value {
    this.requireOperands(op, [x, axes]);
    if (typeof axes !== 'string') checkWhole('a list of axes', axes);
    return axes.length === 0 ? x : super.reduce(op, x, axes, keep);
  }
  override transpose(x: Value, perm: readonly number[]): Value {
    return perm.every((axis, i) => axis === i) ? x : super.transpose(x, perm);
  }
  /** The last two axes swapped. */
  swap(x: Value): Value {
    const rank = this.rank(x);
    return this.transpose(x, [...range(rank - 2), rank - 1, rank - 2]);
  }

  /** The number of axes. */
  rank(x: Value): number {
    return (
      this.shapeOf(x)?.length ??
      refuse(
        `the rank of ${JSON.stringify(x)} is not known before the model runs; the options shapes (sizes of inputs) and fix (inputs that an If depends on) may tell it.`,
      )
    );
  }
  /** The shape, a vector of int64; values whose sizes have the same symbols share it. */
  override shape(x: Value): Value {
    const shape = this.shapeOf(x);
    if (isStatic(shape)) return this.integers(shape);
    return this.once(`shape ${shape ? JSON.stringify(shape) : `of ${x}`}`, () => super.shape(x));
  }
  /** The sizes of some axes, a vector of int64. */
  sizes(x: Value, axes: readonly number[]): Value {
    const shape = this.shapeOf(x);
    const sizes = axes.map((axis) => shape?.[axisFrom(axis, shape.length)]);
    if (sizes.every((size) => typeof size === 'number')) return this.integers(sizes);
    const key = sizes.includes(undefined) ? `${axes.join()} of ${x}` : JSON.stringify(sizes);
    return this.once(`sizes ${key}`, () => this.gather(this.shape(x), this.integers(axes)));
  }
  /** The number of elements, a vector of one int64. */
  size(x: Value): Value {
    return this.reshape(this.op('Size', [x]), [1]);
  }
  /** The number of elements, of the type of `like`. */
  count(x: Value, like: Value): Value {
    const shape = this.shapeOf(x);
    const dtype = this.dtypeOf(like) ?? this.float;
    return isStatic(shape) ? this.scalar(sizeOf(shape), dtype) : this.cast(this.op('Size', [x]), dtype);
  }
  /** x with the shape of `like`, which has as many elements; sizes of 0 allowed. */
  reshapeLike(x: Value, like: Value): Value {
    if (this.#sameShape(x, like)) return x;
    return this.reshapeTo(x, this.shape(like));
  }
  /** All elements as one vector. */
  flat(x: Value): Value {
    return this.reshape(x, [-1]);
  }
  /** x broadcast against the shape of `like`: the result has the larger of both sizes along each axis. */
  expandLike(x: Value, like: Value): Value {
    return this.#sameShape(x, like) ? x : this.expand(x, this.shape(like));
  }
  /** The identity matrix with n rows, where n is a vector of one element. */
  eye(n: Value, dtype: DType): Value {
    return this.op('EyeLike', [this.filled(this.concat([n, n], 0), 0, dtype)], { dtype });
  }
  /** A tensor filled with `value`, whose shape is given by a vector of int64. */
  filled(shape: Value, value: number, dtype: DType = this.float): Value {
    return this.op(FILL, [shape], { value: tensorOf('', dtype, [1], [value]) });
  }
  /**
   * The integers 0, 1, …, n − 1 as int64, along one of `rank` axes; `count` is a vector with the one element
   * n.
   */
  places(count: Value, axis = 0, rank = 1): Value {
    const [zero, one] = [this.scalar(0, DType.INT64), this.scalar(1, DType.INT64)];
    const numbers = this.op('Range', [zero, this.squeeze(count, [0]), one]);
    if (rank === 1) return numbers;
    return this.reshape(
      numbers,
      range(rank).map((i) => (i === axis ? -1 : 1)),
    );
  }
  /** The product of a vector of int64, as a vector of one element. */
  product(sizes: Value): Value {
    const known = this.integersOf(sizes);
    if (known === undefined) return this.op('ReduceProd', [sizes, this.integers([0])]);
    return this.integers([sizeOf(known)]);
  }
  /** Zeros of the type and shape of x. */
  zerosLike(x: Value): Value {
    return this.filled(this.shape(x), 0, this.dtypeOf(x));
  }

  /** Sums x down to the shape of `target`, which broadcasts to that of x. */
  sumTo(x: Value, target: Value): Value {
    const [from, to] = [this.shapeOf(x), this.shapeOf(target)];
    if (this.#sameShape(x, target)) return x;
    const axes = from && to && broadcastAxes(from, to);
    if (axes) {
      const extra = from.length - to.length;
      if (axes.every((axis) => axis < extra)) {
        const [columns] = to;
        const rows = to.length === 1 && typeof columns === 'number' && columns > 0 && this.isFloat(x);
        return rows ? this.#sumOfRows(x, columns) : this.sum(x, axes, false);
      }
      const summed = this.sum(x, axes);
      return extra === 0 ? summed : this.reshapeLike(summed, target);
    }
    // The axes that were broadcast are known only at run time: those where the target has size 1.
    const ones = this.#onesBefore(x, target);
    const isOne = this.equal(this.concat([...ones, this.shape(target)], 0), this.integers([1]));
    const found = this.flat(this.nonZero(isOne));
    const summed = this.op(reductions.sum, [x, found], { keepdims: 1, noop_with_empty_axes: 1 });
    return this.reshapeLike(summed, target);
  }
  /**
   * The sum of all rows of x, `[columns]`, written as a product with ones: ONNX Runtime computes this faster than
   * a sum.
   */
  #sumOfRows(x: Value, columns: number): Value {
    const rows = this.rank(x) === 2 ? x : this.reshape(x, [-1, columns]);
    const [count, dtype] = [this.sizes(rows, [0]), this.dtypeOf(x)];
    const ones = this.once(`row of ${count} ones, ${dtype}`, () =>
      this.filled(this.concat([this.integers([1]), count], 0), 1, dtype),
    );
    return this.reshape(this.gemm(ones, rows), [columns]);
  }
  #onesBefore(x: Value, target: Value): Value[] {
    const [from, to] = [this.shapeOf(x), this.shapeOf(target)];
    if (from && to)
      return from.length === to.length ? [] : [this.integers(Array<number>(from.length - to.length).fill(1))];
    const rank = (v: Value) => this.op('Size', [this.shape(v)]);
    const missing = this.reshape(this.sub(rank(x), rank(target)), [1]);
    return [this.filled(missing, 1, DType.INT64)];
  }
  #sameShape(a: Value, b: Value): boolean {
    const [p, q] = [this.shapeOf(a), this.shapeOf(b)];
    return p !== undefined && q !== undefined && p.length === q.length && p.every((size, i) => size === q[i]);
  }

  /** Returns the type of x; refuses it if it cannot have a gradient. */
  floatTypeOf(x: Value): DType {
    const dtype = this.dtypeOf(x);
    if (dtype !== undefined && this.isFloat(x)) return dtype;
    const half = dtype === DType.FLOAT16 || dtype === DType.BFLOAT16;
    const lost =
      dtype === undefined
        ? ', not through a sequence of tensors that an If makes, or a Loop whose tensors may differ in size'
        : '';
    const advice = half ? ': export the model in float32' : lost;
    return refuse(
      `${JSON.stringify(x)} is ${dtypeName(dtype)}; gradients flow in float32 and float64${advice}.`,
    );
  }
}

/** Returns the axes of `from` along which `to` was broadcast; undefined if they are known only at run time. */
function broadcastAxes(from: Shape, to: Shape): number[] | undefined {
  const extra = from.length - to.length;
  const axes = range(extra);
  for (let i = extra; i < from.length; i++) {
    const [wide, narrow] = [from[i], to[i - extra]];
    if (narrow === 1 && wide !== 1) axes.push(i);
    else if (typeof narrow === 'string' && narrow !== wide) return undefined;
  }
  return axes;
}
