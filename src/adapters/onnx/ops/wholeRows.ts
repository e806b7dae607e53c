/**
 * The gradient of a max pooling whose window is all of the first spatial axis and one place of the others.
 *
 * @module
 */
import type { Builder } from '../ir/builder.ts';
import type { Value } from '../ir/graph.ts';
import { range } from '../ir/shape.ts';
import type { VjpContext } from '../ir/vjp.ts';

/** The maximum of rows, element by element, and what each row gets of its cotangent. */
interface Contest {
  readonly winner: Value;
  readonly shares: (dy: Value) => Value[];
}

/** True if the window is all of the first spatial axis and one place of the others. */
export function poolsWholeRows({ g, inputs: [x], attributes }: VjpContext): boolean {
  const [length, ...others] = attributes.ints('kernel_shape') ?? [];
  const isPadded = (attributes.ints('pads') ?? []).some((pad) => pad !== 0);
  return (
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
 * The rows compete in pairs, then the winners. Nothing is written at single places, so that ONNX Runtime takes half as
 * long as for windows of 2 × 2.
 */
export const maxOfRows = ({ g, inputs: [x], attributes }: VjpContext): ((dy: Value) => Value) => {
  const [count] = attributes.ints('kernel_shape') ?? [1];
  if (count === 1) return (dy) => dy;
  const rows = g.split(
    x,
    range(count).map(() => 1),
    2,
  );
  const { shares } = contest(g, rows);
  return (dy) => g.concat(shares(dy), 2);
};

function contest(g: Builder, rows: readonly Value[]): Contest {
  if (rows.length === 1) return { winner: rows[0], shares: (dy) => [dy] };
  const half = Math.ceil(rows.length / 2);
  const [first, second] = [rows.slice(0, half), rows.slice(half)].map((part) => contest(g, part));
  // Of equal elements the first is taken.
  const mask = g.mask(g.greaterOrEqual(first.winner, second.winner), rows[0]);
  return {
    winner: g.max(first.winner, second.winner),
    shares: (dy) => {
      const won = g.mul(dy, mask);
      return [...first.shares(won), ...second.shares(g.sub(dy, won))];
    },
  };
}
