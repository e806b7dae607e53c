import { addScaled, dot, scaleInto } from '../core/vector.ts';
import type { Row } from '../core/kernels/rows.ts';
import type { PairFactors } from './gramDirection.ts';

/** Pairs to apply, with the scratch vector that float32 rows need. */
interface Pairs extends PairFactors {
  /** s and y of slot i at 2i and 2i + 1, `[n]` each. */
  readonly rows: readonly Row[];
  /** `[n]` if the rows are float32. */
  readonly scratch: Float64Array;
}

/** Pairs, H₀ and elements of one recursion. */
export interface Recursion {
  /** Slots of the pairs, the newest first. */
  readonly slots: readonly number[];
  /** 1/sᵀy, by slot. */
  readonly rho: Float64Array;
  /** Indices of elements that stay 0. */
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

/** Returns the row, or a copy of it in `scratch` if it is float32. */
function inFloat64(row: Row, scratch: Float64Array): Float64Array {
  if (row instanceof Float64Array) return row;
  scratch.set(row);
  return scratch;
}
