import { normInf } from './vector.ts';
import type { Iterate, Measured, Solver } from './solver.ts';
import type { Filter } from './transform.ts';

/** The filters between a problem and its solver. */
export interface View {
  /** Name of the transform. */
  readonly name: string;
  /** Factor of f. */
  readonly factor: () => number;
  readonly measure: Measure;
}

/** Returns f and ‖∇f‖∞ of a state; `norm` is the norm seen by the solver, if known. */
export type Measure = (state: Iterate, norm?: number) => Measured;

/** Measures states as the solver does, and undoes the filters. */
export function measureOf(solver: Solver, filters: readonly Filter[]): Measure {
  return (state, norm) => {
    const measured = solver.measure?.(state) ?? {
      f: state.f,
      gradientNorm: norm ?? normInf(state.gradient),
    };
    return filters.reduceRight((seen, by) => by.undo(seen, state.x), measured);
  };
}
