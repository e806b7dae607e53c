/**
 * The gradient of a max pooling whose window is all of the first spatial axis and one place of the others.
 *
 * @module
 */
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import type { VjpContext } from '../ir/vjp.ts';

/** True if the window is all of the first spatial axis and one place of the others. */
export function poolsWholeRows({ g, inputs: [x], attributes, platform }: VjpContext): boolean {
  const [length, ...others] = attributes.ints('kernel_shape') ?? [];
  const isPadded = (attributes.ints('pads') ?? []).some((pad) => pad !== 0);
  return (
    // It has no Or and Xor there.
    platform !== 'webgpu' &&
    !isPadded &&
    !attributes.string('auto_pad', 'NOTSET').startsWith('SAME') &&
    (attributes.ints('dilations') ?? [1])[0] === 1 &&
    (attributes.ints('strides') ?? []).slice(1).every((stride) => stride === 1) &&
    others.length > 0 &&
    others.every((size) => size === 1) &&
    g.shapeOf(x)?.[2] === length
  );
}

/**
 * Which rows equal the maximum is found for all at once; the first of each column is then told apart by truth values, a
 * quarter as large as numbers.
 */
export const maxOfRows = ({
  g,
  inputs: [x],
  outputs: [y],
  attributes,
}: VjpContext): ((dy: Value) => Value) => {
  const [count] = attributes.ints('kernel_shape') ?? [1];
  if (count === 1) return (dy) => dy;
  const equal = g.split(
    g.equal(x, y),
    range(count).map(() => 1),
    2,
  );
  let found = equal[0];
  const firsts = equal.map((row, k) => {
    if (k === 0) return row;
    if (k === count - 1) return g.not(found);
    const before = found;
    found = g.or(before, row);
    return g.op('Xor', [found, before]);
  });
  const mask = g.mask(g.concat(firsts, 2), x);
  return (dy) => g.mul(mask, dy);
};
