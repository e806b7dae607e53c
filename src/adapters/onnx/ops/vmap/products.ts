import { isStatic, range } from '../../ir/shape.ts';
import { aligned, emit, mapped, onlyMapped, type MapContext, type MapRule } from '../../ir/vmap.ts';
import { mapSamples } from './broadcasting.ts';
import type { Value } from '../../ir/graph.ts';

/** ONNX Runtime multiplies rows shorter than this more slowly than it transposes them. */
const SHORT = 8;

/** Product of matrices `[…, rows, inner]` and `[…, inner, columns]`; elementwise, by broadcasting, if inner = 1. */
function product(c: MapContext, a: Value, b: Value, inner: number): Value {
  const { g } = c;
  if (inner !== 1) return g.matmul(a, b);
  const [rows, columns] = c.out().slice(-2);
  if (columns === 1 || columns >= SHORT || columns >= rows) return g.mul(a, b);
  const turned = (v: Value): Value => {
    const shape = g.shapeOf(v);
    if (!isStatic(shape)) return g.swap(v);
    const rank = shape.length;
    return g.reshape(v, [...shape.slice(0, -2), shape[rank - 1], shape[rank - 2]]);
  };
  return g.swap(g.mul(turned(a), turned(b)));
}

/** MatMul: the copies become a batch axis. */
export const mapMatMul: MapRule = (c) => {
  const [p, q] = [c.shape(0), c.shape(1)];
  const rank = Math.max(p.length, q.length, 2);
  // A vector is a row on the left, a column on the right.
  const whole = (i: number, shape: readonly number[], isRow: boolean): Value => {
    const matrix = shape.length > 1 ? shape : isRow ? [1, ...shape] : [...shape, 1];
    if (!c.isMapped(i)) return matrix === shape ? c.value(i) : c.g.reshape(c.value(i), matrix);
    const padded = [...range(rank - matrix.length).map(() => 1), ...matrix];
    return padded.length === shape.length ? c.value(i) : c.g.reshape(c.value(i), [c.count, ...padded]);
  };
  const isMatrix = p.length > 1 && q.length > 1;
  const [a, b] = [whole(0, p, true), whole(1, q, false)];
  const y = isMatrix ? product(c, a, b, p[p.length - 1]) : c.g.matmul(a, b);
  return isMatrix ? [y] : [c.g.reshape(y, [c.count, ...c.out()])];
};

/** Gemm: one product of all rows if only the data differ, otherwise a batched product. */
export const mapGemm: MapRule = (c) => {
  const { g, attributes, count } = c;
  const [transA, transB] = [attributes.int('transA', 0) === 1, attributes.int('transB', 0) === 1];
  const [alpha, beta] = [attributes.float('alpha', 1), attributes.float('beta', 1)];
  const [inner, rows] = transA ? c.shape(0) : c.shape(0).toReversed();
  const out = c.out();
  if (c.isMapped(0) && !c.isMapped(1) && !c.isMapped(2) && !transA) {
    const bias = c.node.input[2] ? c.shape(2) : [];
    // All rows share the bias.
    if (bias.length < 2 || bias[0] === 1) {
      const table = g.reshape(c.value(0), [count * rows, inner]);
      const [y] = emit(c, [table, c.value(1), ...(c.node.input[2] ? [c.value(2)] : [])]);
      return [g.reshape(y, [count, ...out])];
    }
  }
  const swapped = (i: number, isWanted: boolean): Value => (isWanted ? g.swap(c.value(i)) : c.value(i));
  let y = product(c, swapped(0, transA), swapped(1, transB), inner);
  if (alpha !== 1) y = g.mul(y, alpha);
  if (!c.node.input[2]) return [y];
  const bias = aligned(c, 2, out.length);
  return [g.add(y, beta === 1 ? bias : g.mul(bias, beta))];
};

/** Convolution with a separate weight for each copy: the copies become groups of channels. */
function grouped(c: MapContext): readonly Value[] {
  const { g, count, attributes } = c;
  const [batch, channels, ...sizes] = c.shape(0);
  const [outer, ...kernel] = c.shape(1);
  onlyMapped(c, 0, 1, 2);
  const swapped =
    batch === 1 ? mapped(c, 0) : g.transpose(mapped(c, 0), [1, 0, ...range(sizes.length + 1, 2)]);
  const x = g.reshape(swapped, [batch, count * channels, ...sizes]);
  const w = g.reshape(mapped(c, 1), [count * outer, ...kernel]);
  const bias = c.node.input[2] ? [g.reshape(mapped(c, 2), [-1])] : [];
  const [y] = emit(c, [x, w, ...bias], { group: count * attributes.int('group', 1) });
  const [, all, ...outs] = c.out();
  const apart = g.reshape(y, [batch, count, all, ...outs]);
  return [g.transpose(apart, [1, 0, ...range(outs.length + 1, 2)])];
}

/** Convolutions: the copies become samples, or groups of channels if their weights differ. */
export const mapConvolution: MapRule = (c) => (c.isMapped(1) || c.isMapped(2) ? grouped(c) : mapSamples(c));
