/**
 * Cotangents that pass where a ReLU is positive.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { rememberSpread } from './spread.ts';

/** For cotangents that are zero where a ReLU's result is zero, that result. */
const masked = new WeakMap<Builder, Map<Value, Value>>();

/** Greatest number of nodes searched for a product. */
const DEPTH = 4;

/** True if a value holds elements of products, whose sums would carry an infinity or NaN of one element on to others. */
function isOfProducts(g: Builder, value: Value, depth = DEPTH): boolean {
  const node = depth > 0 ? g.makerOf(value) : undefined;
  const traits = node && g.knowledge.traitsOf(node);
  if (node === undefined || traits === undefined) return false;
  if (traits.product) return true;
  const every = (inputs: readonly Value[]) => inputs.every((input) => isOfProducts(g, input, depth - 1));
  if (traits.operand === 'added') return every(node.input);
  const [first, second] = node.input;
  // A mask, as the ReLU of a shortcut makes it.
  if (traits.operand === 'factor') return g.traitsOf(second)?.carries === 'all' && every([first]);
  return traits.carries === 'some' && every([first]);
}

/**
 * dy where y > 0, else 0. Multiplying by the mask is twice as fast as Where, but turns an infinite dy into NaN. It is used
 * if dy comes from a matrix product, in which infinite numbers have become NaN already.
 */
function passing(g: Builder, y: Value, dy: Value): Value {
  const positive = g.greater(y, 0);
  return isOfProducts(g, dy) ? g.mul(dy, g.mask(positive, y)) : g.where(positive, dy, 0);
}

/** The cotangent of x of y = ReLU(x). */
export const throughRelu = (g: Builder, y: Value, dy: Value): Value =>
  masked.get(g)?.get(dy) === y ? dy : passing(g, y, dy);

/**
 * The cotangent of x of y = MaxPool(x), by `spread`. Where x is a ReLU's result, dy is masked by y, which is smaller than
 * x and positive where the element is that it took.
 */
export function throughPooledRelu(
  g: Builder,
  x: Value,
  y: Value,
  dy: Value,
  spread: (dy: Value) => Value,
): Value {
  const isRelu = g.traitsOf(x)?.rectifies;
  const passed = isRelu ? passing(g, y, dy) : dy;
  const dx = spread(passed);
  rememberSpread(g, dx, passed);
  if (!isRelu) return dx;
  const known = masked.get(g) ?? new Map<Value, Value>();
  masked.set(g, known.set(dx, x));
  return dx;
}
