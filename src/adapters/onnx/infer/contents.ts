import { axisFrom, productOf, range, unknownDimension, type Dimension, type Shape } from '../ir/shape.ts';
import type { InferContext } from '../ir/facts.ts';
import { sliceBounds } from './shapes.ts';

type ContentRule = (c: InferContext) => readonly Dimension[] | undefined;

// Shapes are short; nothing longer is followed element by element.
const longest = 64;

/** Element i of a list that broadcasts. */
const at = <T>(list: readonly T[], i: number): T => list[list.length === 1 ? 0 : i];

const same: ContentRule = (c) => c.contents(0);

/** Elementwise on numbers; where a symbol takes part, `symbolic` may still know. */
const arithmetic =
  (
    f: (a: number, b: number) => number,
    symbolic: (a: Dimension, b: Dimension) => Dimension | undefined,
  ): ContentRule =>
  (c) => {
    const [a, b] = [c.contents(0), c.contents(1)];
    // Max and Min may have more inputs, or one.
    if (a === undefined || b === undefined || c.node.input.length !== 2) return undefined;
    const length = a.length === 1 ? b.length : a.length;
    return range(length).map((i) => {
      const [p, q] = [at(a, i), at(b, i)];
      if (typeof p === 'number' && typeof q === 'number') return f(p, q);
      return symbolic(p, q) ?? unknownDimension();
    });
  };

const gather: ContentRule = (c) => {
  const [data, indices] = [c.contents(0), c.integers(1)];
  if (c.shape(0)?.length !== 1 || data === undefined) return undefined;
  return indices?.map((i) => data[axisFrom(i, data.length)] ?? unknownDimension());
};

const slice: ContentRule = (c) => {
  const data = c.contents(0);
  if (data === undefined || c.shape(0)?.length !== 1) return undefined;
  const [start, end, step] = [c.integers(1)?.[0], c.integers(2)?.[0], c.has(4) ? c.integers(4)?.[0] : 1];
  if (start === undefined || end === undefined || !step || (step < 0 && end > longest)) return undefined;
  const [from, to] = sliceBounds(data.length, start, end, step);
  return range(Math.max(0, Math.ceil((to - from) / step))).map((i) => data[from + i * step]);
};

const concat: ContentRule = (c) => {
  const parts = c.node.input.map((_, i) => {
    const length = c.shape(i)?.length === 1 ? c.shape(i)?.[0] : undefined;
    if (typeof length !== 'number' || length > longest) return undefined;
    return c.contents(i) ?? range(length).map(unknownDimension);
  });
  return parts.every((part) => part !== undefined) ? parts.flat() : undefined;
};

const shapeOf: ContentRule = (c) =>
  c.shape(0)?.slice(c.attributes.int('start', 0), c.attributes.int('end', longest));

const fill: ContentRule = (c) => {
  const shape: Shape | undefined = c.contents(0);
  const value = c.attributes.tensor('value');
  const [length] = shape ?? [];
  if (shape?.length !== 1 || typeof length !== 'number' || length > longest || !value) return undefined;
  const element =
    value.int64Data[0] ??
    (value.rawData.length === 8
      ? new DataView(value.rawData.slice().buffer).getBigInt64(0, true)
      : undefined);
  return element === undefined ? undefined : range(length).map(() => Number(element));
};

const where: ContentRule = (c) => {
  const [condition, a, b] = [c.integers(0), c.contents(1), c.contents(2)];
  if (condition === undefined || a === undefined || b === undefined) return undefined;
  const length = Math.max(condition.length, a.length, b.length);
  return range(length).map((i) => (at(condition, i) ? at(a, i) : at(b, i)));
};

const product: ContentRule = (c) => {
  const data = c.contents(0);
  return data && c.shape(0)?.length === 1 ? [productOf(data)] : undefined;
};

const rangeOf: ContentRule = (c) => {
  const [start, limit, delta] = [c.integers(0)?.[0], c.integers(1)?.[0], c.integers(2)?.[0]];
  if (start === undefined || limit === undefined || !delta) return undefined;
  const length = Math.max(0, Math.ceil((limit - start) / delta));
  return length <= longest ? range(length).map((i) => start + i * delta) : undefined;
};

/** Rules that follow the elements of integer tensors, so that shapes computed in the graph are known. */
export const contents = new Map<string, ContentRule>([
  ...['Identity', 'Cast', 'Squeeze', 'Unsqueeze', 'Reshape', 'Flatten'].map((op): [string, ContentRule] => [
    op,
    same,
  ]),
  [
    'Add',
    arithmetic(
      (a, b) => a + b,
      (a, b) => (b === 0 ? a : a === 0 ? b : undefined),
    ),
  ],
  [
    'Sub',
    arithmetic(
      (a, b) => a - b,
      (a, b) => (b === 0 ? a : a === b ? 0 : undefined),
    ),
  ],
  [
    'Mul',
    arithmetic(
      (a, b) => a * b,
      (a, b) => productOf([a, b]),
    ),
  ],
  [
    'Div',
    arithmetic(
      (a, b) => Math.trunc(a / b),
      (a, b) => (b === 1 ? a : undefined),
    ),
  ],
  ['Max', arithmetic(Math.max, (a, b) => (a === b ? a : undefined))],
  ['Min', arithmetic(Math.min, (a, b) => (a === b ? a : undefined))],
  // A size is never negative, so it never equals -1, which marks a free dimension.
  [
    'Equal',
    arithmetic(
      (a, b) => Number(a === b),
      (a, b) => (a === b ? 1 : a === -1 || b === -1 ? 0 : undefined),
    ),
  ],
  ['Not', (c) => c.integers(0)?.map((element) => Number(element === 0))],
  ['Where', where],
  ['Gather', gather],
  ['Slice', slice],
  ['Concat', concat],
  ['Shape', shapeOf],
  ['Size', (c) => (c.shape(0) ? [productOf(c.shape(0) ?? [])] : undefined)],
  ['ReduceProd', product],
  ['ConstantOfShape', fill],
  ['Range', rangeOf],
]);
