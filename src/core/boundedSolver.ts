import { boxesOf, isUnbounded, measureInBox, project, type Bound, type Box, type Boxes } from './bounds.ts';
import type { Iterate, Measured, Setting, Solver } from './solver.ts';

/** Options of a solver that keeps x within bounds. */
interface BoundOptions {
  readonly lower?: Bound | undefined;
  readonly upper?: Bound | undefined;
}

/** Solvers with the options `lower` and `upper`, for messages. */
export const BOUNDED_SOLVERS =
  'auto, lbfgs, levenbergMarquardt, gradientDescent, adam, or a sequence of these';

/** True if no element of x, `[n]`, has a bound. */
function isFree(box: Box, n: number): boolean {
  for (let i = 0; i < n; i++) if (box.lower(i) !== -Infinity || box.upper(i) !== Infinity) return false;
  return true;
}

/**
 * Returns a solver with the bounds of a solve; the solver itself if no element has a bound.
 *
 * @param where - function called, named in the messages
 * @param n - number of unknowns, if known
 * @throws RangeError if the bounds are wrong, or if the solver cannot keep bounds or has its own
 */
export function boundedSolver(
  where: string,
  solver: Solver,
  lower: Bound | undefined,
  upper: Bound | undefined,
  n?: number,
): Solver {
  const boxes = boxesOf(where, lower, upper);
  if (boxes === null) return solver;
  if (n !== undefined) {
    boxes.float64.checkLength(n);
    if (isFree(boxes.float64, n)) return solver;
  }
  if (solver.withBounds) return solver.withBounds(where, lower ?? null, upper ?? null);
  throw new RangeError(
    `${where}: lower and upper: ${solver.name}() cannot keep x within bounds; use ${BOUNDED_SOLVERS}.`,
  );
}

/**
 * Returns the method `withBounds` of a solver that is made from options.
 *
 * @param make - makes the solver; errors are in the name of the function given
 */
export const withBoundsOf =
  <Options extends BoundOptions>(
    name: string,
    options: Options,
    make: (where: string, options: Options) => Solver,
  ) =>
  (where: string, lower: Bound, upper: Bound): Solver => {
    if (!isUnbounded(options.lower, options.upper)) {
      throw new RangeError(
        `${where}: lower and upper: ${name}() has bounds of its own; give them in one of the two places.`,
      );
    }
    return make(where, { ...options, lower, upper });
  };

/** State with the precision of the loss: true for float32. */
interface RoundedState extends Iterate {
  readonly rounded: boolean;
}

/** Returns the box of a state. */
export const boxFor = (boxes: Boxes, rounded: boolean): Box => (rounded ? boxes.float32 : boxes.float64);

/** Returns the parts of a solver that start it within its box, and measure convergence on the elements that no bound holds. */
export const startsWithin = (boxes: Boxes) => ({
  admit(x: Float64Array, { precision }: Setting): void {
    boxes.float64.checkLength(x.length);
    project(boxes[precision], x);
  },
  bounds: ({ precision }: Setting): Box => boxes[precision],
  measure: (state: RoundedState): Measured => measureInBox(boxFor(boxes, state.rounded), state),
});
