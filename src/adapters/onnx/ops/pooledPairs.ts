/**
 * The gradient of a max pooling with windows of 2 × 2 side by side.
 *
 * @module
 */
import type { Value } from '../ir/graph.ts';
import { isStatic } from '../ir/shape.ts';
import type { VjpContext } from '../ir/vjp.ts';

/** Fewest channels that {@link maxOfPairs} is faster for: ONNX Runtime is slow at short pieces of rows. */
const FEWEST = 8;

/** True if windows of 2 × 2 that lie side by side pool images of known size with several channels. */
export function poolsPairs({ g, inputs: [x], attributes, platform }: VjpContext): boolean {
  const [, channels, ...sizes] = g.shapeOf(x) ?? [];
  return (
    platform !== 'webgpu' &&
    attributes.ints('kernel_shape')?.join() === '2,2' &&
    typeof channels === 'number' &&
    channels >= FEWEST &&
    isStatic(sizes)
  );
}

/**
 * Even and odd columns compete, then even and odd rows of the winners, with the channels along the last axis: ONNX Runtime
 * takes all channels of a place at a time, and nothing is upsampled.
 */
export function maxOfPairs({ g, inputs: [x] }: VjpContext): (dy: Value) => Value {
  const [, channels, height, width] = (g.shapeOf(x) ?? []).map(Number);
  const row = (width / 2) * channels;
  const halves = (value: Value, length: number) => g.split(g.reshape(value, [-1, 2, length]), [1, 1], 1);
  // Of equal elements the first is taken, row by row: the upper row, where the maxima of both are equal.
  const [even, odd] = halves(g.transpose(x, [0, 2, 3, 1]), channels);
  const isEven = g.mask(g.greaterOrEqual(even, odd), x);
  const [upper, lower] = halves(g.max(even, odd), row);
  const isUpper = g.mask(g.greaterOrEqual(upper, lower), x);
  /** Splits a cotangent between the first and the second of each pair. */
  const shared = (d: Value, isFirst: Value) => {
    const first = g.mul(d, isFirst);
    return g.concat([first, g.sub(d, first)], 1);
  };
  return (dy) => {
    const rows = shared(g.reshape(g.transpose(dy, [0, 2, 3, 1]), [-1, 1, row]), isUpper);
    const all = shared(g.reshape(rows, [-1, 1, channels]), isEven);
    return g.transpose(g.reshape(all, [-1, height, width, channels]), [0, 3, 1, 2]);
  };
}
