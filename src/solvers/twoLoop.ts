import type { Row } from '../core/kernels/rows.ts';
import { addScaled, dot, scaleInto } from '../core/vector.ts';

/** The pairs, by slot. */
export interface Pairs {
  /** s and y of slot i at 2i and 2i + 1, `[n]` each. */
  readonly rows: readonly Row[];
  /** By what H is divided before each pair. */
  readonly tau: Float64Array;
  /** Biggs's factors. */
  readonly biggs: Float64Array;
  /** `[n]`, where rows are float32. */
  readonly scratch: Float64Array;
}

/** Of which pairs, from which H₀ and in which elements the recursion is run. */
export interface Recursion {
  /** The newest pair first. */
  readonly slots: readonly number[];
  /** 1/sᵀy, by slot. */
  readonly rho: Float64Array;
  /** Indices of elements that are 0 and stay so. */
  readonly held: readonly number[];
  /** `out ← H₀·out` */
  readonly initial: (out: Float64Array) => void;
}

/**
 * `out ← H·out`, by the two-loop recursion.
 *
 * @see Nocedal & Wright (2006), Numerical Optimization, 2nd ed., Algorithm 7.4
 */
export function twoLoop(
  { rows, tau, biggs, scratch }: Pairs,
  { slots, rho, held, initial }: Recursion,
  out: Float64Array,
): void {
  const alpha = new Float64Array(slots.length);
  const hold = () => {
    for (const i of held) out[i] = 0;
  };
  for (let age = 0; age < slots.length; age++) {
    const i = slots[age];
    alpha[age] = rho[i] * dot(inFloat64(rows[2 * i], scratch), out);
    addScaled(out, -alpha[age], inFloat64(rows[2 * i + 1], scratch), out);
    hold();
    if (tau[i] !== 1) scaleInto(1 / Math.sqrt(tau[i]), out, out);
  }
  initial(out);
  hold();
  for (let age = slots.length - 1; age >= 0; age--) {
    const i = slots[age];
    if (tau[i] !== 1) scaleInto(1 / Math.sqrt(tau[i]), out, out);
    const beta = rho[i] * dot(inFloat64(rows[2 * i + 1], scratch), out);
    addScaled(out, alpha[age] / biggs[i] - beta, inFloat64(rows[2 * i], scratch), out);
    hold();
  }
}

/** What is worked on is float64, in copy if need be. */
function inFloat64(row: Row, scratch: Float64Array): Float64Array {
  if (row instanceof Float64Array) return row;
  scratch.set(row);
  return scratch;
}
